//! Fields of `train_potential` and `fit_galaxy` as potentials, without libtorch.

use std::path::Path;

use dynamics::potential::Expansion;
use dynamics::potential::expansion::Term;
use runner::error::StageError;
use safetensors::{Dtype, SafeTensors};

use crate::common::networks::{self, LINEAR_FIELD};

/// A sum of simple potentials, learned from stars.
#[derive(Debug)]
pub struct LearnedField {
    /// The field.
    pub expansion: Expansion,
    /// Distance of the farthest star that it was learned from, kpc.
    pub extent: f64,
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
    let terms: Option<Vec<Term>> = numbers(&file, "terms")?
        .chunks(3)
        .map(|row| Term::from_row([*row.first()?, *row.get(1)?, *row.get(2)?]))
        .collect();
    let coefficients = numbers(&file, "coefficients")?;
    let extent = header.metadata().as_ref().and_then(|metadata| metadata.get("extent"));
    let extent = extent
        .and_then(|text| text.parse().ok())
        .filter(|extent: &f64| *extent > 0.0);
    let extent = extent.ok_or_else(|| StageError::failed("input field: does not say how far its stars reach"))?;
    let field = terms.and_then(|terms| Expansion::new(terms, coefficients));
    let expansion = field.ok_or_else(|| StageError::failed("input field: its terms and coefficients do not fit"))?;
    Ok(LearnedField { expansion, extent })
}

/// Writes a field as `train_potential` does, to the file at the output `field`; `extent` is the distance of the farthest star, kpc.
pub fn write(path: &Path, field: &LearnedField) -> Result<(), StageError> {
    let terms: Vec<f64> = field.expansion.terms().iter().flat_map(|term| term.to_row()).collect();
    let coefficients = field.expansion.coefficients();
    let (split, end) = (8 * coefficients.len(), 8 * (coefficients.len() + terms.len()));
    let header = serde_json::json!({
        "__metadata__": {
            "extent": serde_json::json!(field.extent).to_string(),
            "held_out_spread": "0.0",
            "map": "field",
            "network": "linear_field",
            "ridge": "0.0",
        },
        "coefficients": { "dtype": "F64", "shape": [coefficients.len()], "data_offsets": [0, split] },
        "terms": { "dtype": "F64", "shape": [terms.len() / 3, 3], "data_offsets": [split, end] },
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(coefficients.iter().chain(&terms).flat_map(|value| value.to_le_bytes()));
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
            expansion: Expansion::new(terms, vec![5e4, 3e4, -200.0]).unwrap(),
            extent: 31.25,
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), &written).unwrap();
        let found = read(file.path()).unwrap();
        assert_eq!((found.expansion, found.extent), (written.expansion, written.extent));
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
