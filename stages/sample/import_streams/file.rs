//! A user's file: what it is, and the columns that are read of it. Every format gives the same [`Table`].

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use runner::error::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cells::{Cells, Labels, Numbers, Role, clipped};
use super::{parquet, text};

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Text with a header line and one line for each star: separated by commas, tabs, semicolons or spaces, with comments, as ECSV, or
    /// compressed by gzip.
    Csv,
}

/// What the ending of a file's name tells.
#[derive(Debug, PartialEq)]
pub(super) enum Ending {
    Read(Format),
    NotRead(&'static NotRead),
}

/// A format that is known and not read.
#[derive(Debug, PartialEq)]
pub(super) struct NotRead {
    what: &'static str,
    endings: &'static [&'static str],
    begins: &'static [&'static [u8]],
    /// What to do about it.
    pub hint: &'static str,
}

const BY_ASTROPY: &str =
    "in Python: astropy.table.Table.read(FILE).write(\"stars.parquet\"), or \"stars.ecsv\"; units are kept";
const UNPACK: &str = "unpack it first; of compressed files only gzip is read";

const NOT_READ: [NotRead; 8] = [
    NotRead {
        what: "a FITS table",
        endings: &["fits", "fit", "fts", "fz"],
        begins: &[b"SIMPLE  ="],
        hint: BY_ASTROPY,
    },
    NotRead {
        what: "a VOTable",
        endings: &["vot", "votable", "xml"],
        begins: &[b"<?xml", b"<VOTABLE"],
        hint: BY_ASTROPY,
    },
    NotRead {
        what: "an HDF5 file",
        endings: &["hdf5", "h5", "hdf", "he5"],
        begins: &[b"\x89HDF\r\n\x1a\n"],
        hint: "write its columns as Parquet or CSV: positions and velocities as x y z vx vy vz",
    },
    NotRead {
        what: "a NumPy file",
        endings: &["npy", "npz"],
        begins: &[b"\x93NUMPY"],
        hint: "write its columns as Parquet or CSV",
    },
    NotRead {
        what: "an Arrow or Feather file",
        endings: &["feather", "arrow", "ipc"],
        begins: &[b"ARROW1", b"FEA1"],
        hint: "write it as Parquet",
    },
    NotRead {
        what: "a spreadsheet",
        endings: &["xlsx", "xls", "ods"],
        begins: &[b"\xd0\xcf\x11\xe0"],
        hint: "save it as CSV",
    },
    NotRead {
        what: "JSON",
        endings: &["json", "jsonl", "ndjson"],
        begins: &[],
        hint: "write it as Parquet or CSV",
    },
    NotRead {
        what: "compressed",
        endings: &["zip", "bz2", "xz", "zst", "7z", "tar", "tgz"],
        begins: &[b"PK\x03\x04", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf"],
        hint: UNPACK,
    },
];

const TEXTS: [&str; 8] = ["csv", "txt", "dat", "ecsv", "tsv", "tab", "ascii", "asc"];

impl Format {
    /// What the ending of a file's name tells.
    pub(super) fn of(path: &Path) -> Option<Ending> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let ending = name.rsplit_once('.')?.1;
        if TEXTS.contains(&ending) {
            return Some(Ending::Read(Self::Csv));
        }
        if ["parquet", "pq", "parq"].contains(&ending) {
            return Some(Ending::Read(Self::Parquet));
        }
        let not_read = NOT_READ.iter().find(|format| format.endings.contains(&ending));
        not_read.map(Ending::NotRead)
    }
}

impl NotRead {
    /// What is said of a file of this format.
    pub(super) fn message(&self, path: &Path) -> String {
        format!("{} is {}, which is not read", path.display(), self.what)
    }
}

/// A column of the file, by its name, and what it is read as.
pub(super) type Wanted<'a> = (&'a str, Role);

/// Some columns of a file.
#[derive(Default)]
pub(super) struct Table {
    /// In the order in which they were wanted.
    pub columns: Vec<(String, Cells)>,
    /// Number of rows.
    pub rows: usize,
    /// Rows that are none, and why.
    pub odd_rows: Vec<(usize, String)>,
    /// Units that the file states, by column.
    pub units: Vec<(String, String)>,
    /// What there is to say about the file.
    pub notes: Vec<String>,
}

impl Table {
    pub fn numbers(&self, name: &str) -> Result<&Numbers, StageError> {
        let found = self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Numbers(numbers) if column == name => Some(numbers),
            _ => None,
        });
        found.ok_or_else(|| StageError::Bug(format!("column {name} was not read")))
    }

    pub fn labels(&self, name: &str) -> Result<&Labels, StageError> {
        let found = self.columns.iter().find_map(|(column, cells)| match cells {
            Cells::Labels(labels) if column == name => Some(labels),
            _ => None,
        });
        found.ok_or_else(|| StageError::Bug(format!("column {name} was not read")))
    }

    /// The unit that the file states for a column.
    pub fn unit(&self, name: &str) -> Option<&str> {
        let stated = self.units.iter().find(|(column, _)| column == name);
        let is_said = |unit: &&str| !["", "-", "--", "---", "None", "none", "unitless", "dimensionless"].contains(unit);
        stated.map(|(_, unit)| unit.trim()).filter(is_said)
    }
}

/// Reads columns of a file.
pub(super) fn read(
    path: &Path,
    format: Format,
    separator: Option<char>,
    wanted: &[Wanted],
) -> Result<Table, StageError> {
    let mut unique: Vec<Wanted> = Vec::new();
    for want in wanted {
        if !unique.contains(want) {
            unique.push(*want);
        }
    }
    let mut begin = Vec::new();
    let file = File::open(path).map_err(|error| StageError::io(path, error))?;
    let read = file.take(16).read_to_end(&mut begin);
    read.map_err(|error| StageError::io(path, error))?;
    let begins = |format: &&NotRead| format.begins.iter().any(|bytes| begin.starts_with(bytes));
    if let Some(format) = NOT_READ.iter().find(begins) {
        return Err(StageError::with_hint(format.message(path), format.hint));
    }
    let is_parquet = begin.starts_with(b"PAR1");
    match format {
        Format::Parquet => parquet::read(path, &unique),
        Format::Csv if is_parquet => Err(StageError::with_hint(
            format!("{} is a Parquet file, not text", path.display()),
            "write `format: parquet`",
        )),
        Format::Csv => text::read(path, separator, &unique),
    }
}

/// Places of the wanted columns among those there are. One that is not there, or is there twice, is an error.
pub(super) fn places(path: &Path, wanted: &[Wanted], there: &[&str]) -> Result<Vec<usize>, StageError> {
    expect_columns(path, wanted, there)?;
    let mut places = Vec::with_capacity(wanted.len());
    for (name, _) in wanted {
        let mut found = (0..there.len()).filter(|&place| there[place] == *name);
        places.extend(found.next());
        if let Some(second) = found.next() {
            let first = places.last().map_or(0, |place| place + 1);
            return Err(StageError::with_hint(
                format!(
                    "{} has the column {name} twice: columns {first} and {}",
                    path.display(),
                    second + 1
                ),
                "give one of them another name",
            ));
        }
    }
    Ok(places)
}

/// Names that a message shows.
const SHOWN: usize = 20;

/// Some of the names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| clipped(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// An error with the columns that there are, if some are not.
fn expect_columns(path: &Path, wanted: &[Wanted], there: &[&str]) -> Result<(), StageError> {
    let mut missing: Vec<&str> = Vec::new();
    for (name, _) in wanted {
        if !there.contains(name) && !missing.contains(name) {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    // Upper case and underscores are what names differ in most; of short names nothing else may differ.
    let plain = |name: &str| {
        let letters = name.chars().take(SHOWN * 4).filter(|c| c.is_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let there_plain: Vec<String> = there.iter().take(1000).map(|name| plain(name)).collect();
    let similar = |name: &str| {
        let wanted = plain(name);
        let distances = there_plain
            .iter()
            .map(|other| strsim::damerau_levenshtein(&wanted, other));
        let (distance, place) = distances.zip(0..).min()?;
        (distance <= name.chars().count() / 3)
            .then(|| format!("did you mean {} instead of {name}?", clipped(there[place])))
    };
    let mut hints: Vec<String> = missing.iter().take(SHOWN).filter_map(|name| similar(name)).collect();
    hints.push(format!("columns there are: {}", listed(there)));
    Err(StageError::with_hint(
        format!("{} has no {noun} {}", path.display(), listed(&missing)),
        hints.join("; "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_format() {
        let of = |name: &str| Format::of(Path::new(name));
        for name in ["a.csv", "A.CSV.GZ", "b.tsv", "c.ecsv", "d.dat", "e.v2.txt"] {
            assert_eq!(of(name), Some(Ending::Read(Format::Csv)), "{name}");
        }
        assert_eq!(of("s.parquet"), Some(Ending::Read(Format::Parquet)));
        for name in ["s.fits", "s.fits.gz", "s.vot", "s.hdf5", "s.zip"] {
            assert!(matches!(of(name), Some(Ending::NotRead(_))), "{name}");
        }
        assert_eq!((of("stars"), of("stars.old")), (None, None));
    }
}
