//! Fields of `train_potential` and `fit_galaxy` as potentials, without libtorch.

use std::path::Path;

use dynamics::potential::Expansion;
use dynamics::potential::expansion::Term;
use runner::error::StageError;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::common::networks::{self, LINEAR_FIELD};

/// A sum of simple potentials, learned from stars.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedField {
    /// The field.
    pub expansion: Expansion,
    /// Distance of the farthest star that it was learned from, kpc.
    pub extent: f64,
    /// Other fields that its stars allow; none where nobody knows.
    pub others: Option<Others>,
}

/// Fields by which another one is known to be uncertain.
#[derive(Debug, Clone, PartialEq)]
pub struct Others {
    /// The fields.
    pub fields: Vec<Expansion>,
    /// Where they come from.
    pub are: OthersAre,
    /// By how much errors by them are too small, as left-out streams say.
    pub understated: f64,
}

/// Where other fields come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OthersAre {
    /// Each was learned without one part of the streams, which are divided into as many: a jackknife (Tukey 1958).
    LeftOut,
    /// They are drawn from a posterior.
    Drawn,
}

impl Others {
    /// The standard deviation of a number that differs in these from what the field itself gives: √((K − 1)/K Σ d²) of fields without a part, √(Σ d²/K) of
    /// draws, as many times as large as they understate.
    pub fn deviation(&self, differences: &[f64]) -> f64 {
        let count = differences.len() as f64;
        let squares: f64 = differences.iter().map(|difference| difference * difference).sum();
        let variance = match self.are {
            OthersAre::LeftOut => squares * (count - 1.0) / count,
            OthersAre::Drawn => squares / count,
        };
        self.understated * variance.sqrt()
    }
}

/// Reads the field in the file at the input `field`, a network of type [`LINEAR_FIELD`].
///
/// **Fails when** the file holds something else.
pub fn read(path: &Path) -> Result<LearnedField, StageError> {
    let bytes = std::fs::read(path).map_err(|source| StageError::io(path, source))?;
    let whole = |_| StageError::failed("input field: is not a whole safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(whole)?;
    let says = |key: &str| header.metadata().as_ref()?.get(key).map(String::as_str);
    let of = networks::of_file(says("map"), says("network"));
    if of != Some(LINEAR_FIELD) {
        return Err(networks::foreign("field", LINEAR_FIELD, of));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(whole)?;
    let extent = header.metadata().as_ref().and_then(|metadata| metadata.get("extent"));
    let extent = extent
        .and_then(|text| text.parse().ok())
        .filter(|extent: &f64| *extent > 0.0);
    let extent = extent.ok_or_else(|| StageError::failed("input field: does not say how far its stars reach"))?;
    let expansion = fields(&numbers(&file, "terms")?, &numbers(&file, "coefficients")?, 1)?;
    let others = match says("others") {
        Some(are) => {
            let are = serde_json::from_str(are)
                .map_err(|_| StageError::failed(format!("input field: no others are known that are {are}")))?;
            let count = file.tensor("other_coefficients").ok();
            let count = count.and_then(|tensor| tensor.shape().first().copied()).unwrap_or(0);
            let (terms, coefficients) = (numbers(&file, "other_terms")?, numbers(&file, "other_coefficients")?);
            let fields = fields(&terms, &coefficients, count)?;
            let understated = says("understated").and_then(|text| text.parse().ok());
            let understated = understated.filter(|factor: &f64| *factor >= 1.0 && factor.is_finite());
            // One field differs from itself by nothing, and would make every error nothing.
            let (Some(understated), true) = (understated, fields.len() > 1) else {
                return Err(StageError::failed(
                    "input field: does not say how far its other fields are to be believed",
                ));
            };
            Some(Others {
                fields,
                are,
                understated,
            })
        }
        None => None,
    };
    let expansion = expansion.into_iter().next().ok_or_else(unfit)?;
    Ok(LearnedField {
        expansion,
        extent,
        others,
    })
}

fn unfit() -> StageError {
    StageError::failed("input field: its terms and coefficients do not fit")
}

/// `count` fields of as many terms each.
fn fields(terms: &[f64], coefficients: &[f64], count: usize) -> Result<Vec<Expansion>, StageError> {
    let each = coefficients.len() / count.max(1);
    if each == 0 || each * count != coefficients.len() || terms.len() != 3 * coefficients.len() {
        return Err(unfit());
    }
    let field = |(terms, coefficients): (&[f64], &[f64])| {
        let rows = terms.chunks_exact(3);
        let terms: Option<Vec<Term>> = rows.map(|row| Term::from_row([row[0], row[1], row[2]])).collect();
        Expansion::new(terms?, coefficients.to_vec())
    };
    let all = terms.chunks_exact(3 * each).zip(coefficients.chunks_exact(each));
    all.map(|of| field(of).ok_or_else(unfit)).collect()
}

/// Whether a field is read as it is written: its scales are neither zero nor without end.
pub fn is_readable(field: &Expansion) -> bool {
    field
        .terms()
        .iter()
        .all(|term| Term::from_row(term.to_row()).as_ref() == Some(term))
}

/// Writes a field as `train_potential` does, to the file at the output `field`; `extent` is the distance of the farthest star, kpc.
pub fn write(path: &Path, field: &LearnedField) -> Result<(), StageError> {
    let rows = |field: &Expansion| {
        field
            .terms()
            .iter()
            .flat_map(|term| term.to_row())
            .collect::<Vec<f64>>()
    };
    let coefficients = field.expansion.coefficients().to_vec();
    let mut tensors = vec![
        ("coefficients", vec![coefficients.len()], coefficients),
        ("terms", vec![field.expansion.terms().len(), 3], rows(&field.expansion)),
    ];
    let mut metadata = serde_json::json!({
        "extent": serde_json::json!(field.extent).to_string(),
        "held_out_spread": "0.0",
        "map": "field",
        "network": "linear_field",
        "ridge": "0.0",
    });
    if let Some(others) = field.others.as_ref().filter(|others| !others.fields.is_empty()) {
        let (count, each) = (others.fields.len(), others.fields[0].terms().len());
        let coefficients = others.fields.iter().flat_map(|field| field.coefficients().to_vec());
        tensors.push(("other_coefficients", vec![count, each], coefficients.collect()));
        let terms = others.fields.iter().flat_map(rows).collect();
        tensors.push(("other_terms", vec![count, each, 3], terms));
        metadata["others"] = serde_json::json!(serde_json::json!(others.are).to_string());
        metadata["understated"] = serde_json::json!(serde_json::json!(others.understated).to_string());
    }
    let mut header = serde_json::json!({ "__metadata__": metadata });
    let mut end = 0;
    for (name, shape, numbers) in &tensors {
        let start = end;
        end += 8 * numbers.len();
        header[*name] = serde_json::json!({ "dtype": "F64", "shape": shape, "data_offsets": [start, end] });
    }
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    let numbers = tensors.iter().flat_map(|(_, _, numbers)| numbers);
    bytes.extend(numbers.flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).map_err(|source| StageError::io(path, source))
}

fn numbers(file: &SafeTensors, name: &str) -> Result<Vec<f64>, StageError> {
    let missing = |_| StageError::failed(format!("input field: has no {name}"));
    let tensor = file.tensor(name).map_err(missing)?;
    if tensor.dtype() != Dtype::F64 {
        return Err(StageError::failed(format!("input field: {name} is not of type F64")));
    }
    let numbers = tensor.data().chunks_exact(8).map(|bytes| {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        f64::from_le_bytes(eight)
    });
    Ok(numbers.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamics::potential::{Potential, Symmetry};

    use super::*;

    /// A safetensors file of these numbers, as `train_potential` writes it.
    fn file(network: &str, terms: &[f64], coefficients: &[f64]) -> tempfile::NamedTempFile {
        let split = 8 * terms.len();
        let end = split + 8 * coefficients.len();
        let header = serde_json::json!({
            "__metadata__": { "map": "field", "network": network, "extent": "60.5" },
            "coefficients": { "dtype": "F64", "shape": [coefficients.len()], "data_offsets": [split, end] },
            "terms": { "dtype": "F64", "shape": [terms.len() / 3, 3], "data_offsets": [0, split] },
        });
        let header = header.to_string().into_bytes();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(terms.iter().chain(coefficients).flat_map(|value| value.to_le_bytes()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_linear_field_is_read_as_it_was_written() {
        let terms = [-1.0, 3.0, 0.3, 0.0, 5.0, 0.0];
        let field = read(file("linear_field", &terms, &[5e4, 200.0]).path()).unwrap();
        let expected = Expansion::new(
            vec![Term::Disc { a: 3.0, b: 0.3 }, Term::Multipole { scale: 5.0, order: 0 }],
            vec![5e4, 200.0],
        );
        assert_eq!(Some(&field.expansion), expected.as_ref());
        assert_eq!(field.expansion.symmetry(), Symmetry::Triaxial);
        assert_eq!(field.extent, 60.5);
    }

    #[test]
    fn a_field_that_is_written_is_read() {
        let terms = vec![
            Term::Disc { a: 3.0, b: 0.3 },
            Term::Halo {
                core: 4.0,
                flattening: 0.9,
            },
            Term::Multipole { scale: 5.0, order: 7 },
        ];
        let written = LearnedField {
            expansion: Expansion::new(terms.clone(), vec![5e4, 3e4, -200.0]).unwrap(),
            extent: 31.25,
            others: None,
        };
        let others = |are| Others {
            fields: vec![
                Expansion::new(terms.clone(), vec![5.1e4, 3e4, -210.0]).unwrap(),
                Expansion::new(terms.iter().rev().copied().collect(), vec![1.0, 2.0, 3.0]).unwrap(),
            ],
            are,
            understated: 1.25,
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let fields = [None, Some(others(OthersAre::LeftOut)), Some(others(OthersAre::Drawn))];
        for others in fields {
            let written = LearnedField {
                others,
                ..written.clone()
            };
            write(file.path(), &written).unwrap();
            assert_eq!(read(file.path()).unwrap(), written);
        }
    }

    /// One other field makes every error nothing, and so does a factor of none; a factor that is not finite makes none at all.
    #[test]
    fn others_that_tell_nothing_are_refused() {
        let field = Expansion::new(vec![Term::Disc { a: 3.0, b: 0.3 }], vec![5e4]).unwrap();
        let refused = |count: usize, understated: f64| {
            let others = Others {
                fields: vec![field.clone(); count],
                are: OthersAre::LeftOut,
                understated,
            };
            let written = LearnedField {
                expansion: field.clone(),
                extent: 20.0,
                others: Some(others),
            };
            let file = tempfile::NamedTempFile::new().unwrap();
            write(file.path(), &written).unwrap();
            read(file.path()).is_err_and(|error| error.to_string().contains("are to be believed"))
        };
        assert!(!refused(2, 1.0));
        assert!(refused(1, 1.0) && refused(4, 0.0) && refused(4, f64::NAN) && refused(4, f64::INFINITY));
    }

    #[test]
    fn a_galaxy_without_a_core_is_not_readable() {
        let of = |core: f64| {
            let halo = Term::Halo { core, flattening: 0.9 };
            Expansion::new(vec![halo], vec![3e4]).is_some_and(|field| is_readable(&field))
        };
        assert_eq!([of(4.0), of(0.0), of(f64::INFINITY)], [true, false, false]);
    }

    /// Two parts: a mean of halves m₁ and m₂ has the variance (m₁ − m₂)²/4, and each half is off by (m₁ − m₂)/2.
    #[test]
    fn a_jackknife_of_halves_is_that_of_a_mean() {
        let others = |are, understated| Others {
            fields: Vec::new(),
            are,
            understated,
        };
        assert_eq!(others(OthersAre::LeftOut, 1.0).deviation(&[3.0, -3.0]), 3.0);
        assert_eq!(others(OthersAre::LeftOut, 2.0).deviation(&[3.0, -3.0]), 6.0);
        assert_eq!(
            others(OthersAre::Drawn, 1.0).deviation(&[3.0, -3.0, 0.0]),
            6.0_f64.sqrt()
        );
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let why = |file: tempfile::NamedTempFile| read(file.path()).unwrap_err().to_string();
        let network = why(file("mlp_field", &[-1.0, 3.0, 0.3], &[1.0]));
        assert!(network.contains("field/smooth, not a field/linear"), "{network}");
        for (terms, coefficients) in [
            (&[-1.0, 3.0, 0.0][..], &[1.0][..]),
            (&[-1.0, 3.0, 0.3], &[1.0, 2.0]),
            (&[-1.0, 3.0, 0.3], &[f64::NAN]),
        ] {
            let text = why(file("linear_field", terms, coefficients));
            assert!(text.contains("do not fit"), "{text}");
        }
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(read(empty.path()).is_err());
    }
}
