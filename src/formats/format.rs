//! Which format a file has, by the ending of its name and its first bytes.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::beginning::Beginning;
use crate::error::FormatError;

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Text with a header line and one line for each star: separated by commas, tabs, semicolons or spaces, with comments, as ECSV, or
    /// compressed by gzip.
    Csv,
    /// The first table of a FITS file, or the one that `table` names; may be compressed by gzip.
    Fits,
    /// The first table of a VOTable, or the one that `table` names.
    Votable,
    /// A snapshot of Gadget, GIZMO, Arepo or SWIFT (`particles`), or columns in a group of an HDF5 file, or a table by astropy.
    Hdf5,
}

/// How a format that is read is told.
pub(crate) struct Known {
    pub format: Format,
    /// What a file of it is called.
    pub what: &'static str,
    word: &'static str,
    endings: &'static [&'static str],
    /// How such files begin; texts may begin with anything.
    pub begins: &'static [&'static [u8]],
}

const KNOWN: [Known; 5] = [
    Known {
        format: Format::Parquet,
        what: "a Parquet file",
        word: "parquet",
        endings: &["parquet", "pq", "parq"],
        begins: &[b"PAR1"],
    },
    Known {
        format: Format::Csv,
        what: "text",
        word: "csv",
        endings: &["csv", "txt", "dat", "ecsv", "tsv", "tab", "ascii", "asc"],
        begins: &[],
    },
    Known {
        format: Format::Fits,
        what: "a FITS file",
        word: "fits",
        endings: &["fits", "fit", "fts"],
        begins: &[b"SIMPLE  ="],
    },
    Known {
        format: Format::Votable,
        what: "XML",
        word: "votable",
        endings: &["vot", "votable", "xml"],
        begins: &[b"<?xml", b"<VOTABLE"],
    },
    Known {
        format: Format::Hdf5,
        what: "an HDF5 file",
        word: "hdf5",
        endings: &["hdf5", "h5", "hdf", "he5"],
        begins: &[b"\x89HDF\r\n\x1a\n"],
    },
];

/// What the ending of a file's name tells.
#[derive(Debug, PartialEq)]
pub enum Ending {
    /// A format that is read.
    Read(Format),
    /// One that is not.
    NotRead(&'static NotRead),
}

/// A format that is known and not read.
#[derive(Debug, PartialEq)]
pub struct NotRead {
    what: &'static str,
    endings: &'static [&'static str],
    begins: &'static [&'static [u8]],
    /// What to do about it.
    pub hint: &'static str,
}

/// What to write where the ending of a name tells nothing.
pub const FORMATS: &str = "write `format: parquet`, csv, fits, votable or hdf5";

const UNPACK: &str = "unpack it first; of compressed files only gzip is read";

const NOT_READ: [NotRead; 7] = [
    NotRead {
        what: "FITS packed by fpack",
        endings: &["fz"],
        begins: &[],
        hint: "unpack it by funpack",
    },
    NotRead {
        what: "a ROOT file",
        endings: &["root"],
        begins: &[b"root\0"],
        hint: "in Python: uproot.open(FILE)[TREE].arrays(library=\"pd\").to_parquet(\"stars.parquet\")",
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

/// The ending of a name, in small letters, before `.gz`.
fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Some(name.rsplit_once('.')?.1.to_owned())
}

impl Format {
    /// What the ending of a file's name tells.
    pub fn of(path: &Path) -> Option<Ending> {
        let ending = ending(path)?;
        if let Some(known) = KNOWN.iter().find(|known| known.endings.contains(&ending.as_str())) {
            return Some(Ending::Read(known.format));
        }
        let not_read = NOT_READ.iter().find(|format| format.endings.contains(&ending.as_str()));
        not_read.map(Ending::NotRead)
    }

    /// Whether a file of it may have several tables, of which `table` names one.
    pub fn has_tables(self) -> bool {
        matches!(self, Self::Fits | Self::Votable | Self::Hdf5)
    }

    /// The format of a file: `said`, or what its first bytes tell, or the ending of its name. Where its bytes are of another format than
    /// said, or of one that is not read, or cannot be of the one that its name tells, it is an error.
    pub(crate) fn find(path: &Path, said: Option<Self>) -> Result<Self, FormatError> {
        let begin = Beginning::of(path)?;
        if let Some(format) = NOT_READ.iter().find(|format| begin.starts_with(format.begins)) {
            return Err(FormatError::with_hint(format.message(path), format.hint));
        }
        let found = KNOWN.iter().find(|known| begin.starts_with(known.begins));
        if let Some(known) = found {
            let said = said.filter(|said| *said != known.format);
            if let Some(said) = said.and_then(Self::known) {
                return Err(FormatError::with_hint(
                    format!("{} is {}, not {}", path.display(), known.what, said.what),
                    format!("write `format: {}`", known.word),
                ));
            }
            begin.expect_unpacked(path, known)?;
            return Ok(known.format);
        }
        let format = match (said, Self::of(path)) {
            (Some(format), _) | (None, Some(Ending::Read(format))) => format,
            (None, Some(Ending::NotRead(format))) => {
                return Err(FormatError::with_hint(format.message(path), format.hint));
            }
            (None, None) => {
                return Err(FormatError::with_hint(
                    format!("{} has no ending that tells its format", path.display()),
                    FORMATS,
                ));
            }
        };
        if let Some(known) = format.known() {
            begin.expect(path, known)?;
        }
        Ok(format)
    }

    fn known(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.format == self)
    }
}

impl NotRead {
    /// What is said of a file of this format.
    pub fn message(&self, path: &Path) -> String {
        format!("{} is {}, which is not read", path.display(), self.what)
    }
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
        assert_eq!(of("s.FITS.gz"), Some(Ending::Read(Format::Fits)));
        assert_eq!(of("s.vot"), Some(Ending::Read(Format::Votable)));
        assert_eq!(of("s.h5"), Some(Ending::Read(Format::Hdf5)));
        for name in ["s.fits.fz", "s.npy", "s.xlsx", "s.zip", "s.root"] {
            assert!(matches!(of(name), Some(Ending::NotRead(_))), "{name}");
        }
        assert_eq!((of("stars"), of("stars.old")), (None, None));
    }
}
