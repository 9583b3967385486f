//! Tables written as other programs read them: Parquet, CSV, ECSV and FITS, with their units, which are in the spelling of astropy, FITS and VOUnit.

mod fits;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tables::RecordBatch;

use crate::error::FormatError;

/// A format that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Apache Parquet; units are in the metadata of columns, and in that of the table for astropy.
    Parquet,
    /// Text, separated by commas; without units.
    Csv,
    /// Text with a header that says units, types and descriptions.
    Ecsv,
    /// A binary table of FITS.
    Fits,
}

/// The endings of names, and what they stand for.
const ENDINGS: [(&str, Written); 5] = [
    ("parquet", Written::Parquet),
    ("csv", Written::Csv),
    ("ecsv", Written::Ecsv),
    ("fits", Written::Fits),
    ("fit", Written::Fits),
];

impl Written {
    /// The format that the ending of a file's name tells.
    pub fn of(path: &Path) -> Result<Self, FormatError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let found = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
        found.map(|(_, format)| *format).ok_or_else(|| {
            FormatError::with_hint(
                format!("{} has no ending of a format that is written", path.display()),
                "end it in .parquet, .csv, .ecsv or .fits",
            )
        })
    }
}

/// Writes a table. There is a whole file, or the one that was there before.
pub fn write(path: &Path, format: Written, table: &RecordBatch) -> Result<(), FormatError> {
    whole(path, |draft| match format {
        Written::Parquet => parquet(draft, table),
        Written::Csv => to_file(draft, |file| text::csv(file, table)),
        Written::Ecsv => to_file(draft, |file| text::ecsv(file, table)),
        Written::Fits => to_file(draft, |file| fits::write(file, table)),
    })
}

/// Writes bytes, in the same way.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    whole(path, |draft| to_file(draft, |file| file.write_all(bytes)))
}

fn whole(path: &Path, write: impl FnOnce(&Path) -> Result<(), FormatError>) -> Result<(), FormatError> {
    let draft = draft(path);
    let written = write(&draft);
    // The draft's name means nothing to who asked for the file.
    let written = written.map_err(|error| match error {
        FormatError::Io { source, .. } => FormatError::io(path, source),
        error => error,
    });
    let finished = written.and_then(|()| std::fs::rename(&draft, path).map_err(|error| FormatError::io(path, error)));
    if finished.is_err() {
        // Nothing of it is left.
        let _ = std::fs::remove_file(&draft);
    }
    finished
}

/// A file beside it, of another name for each process.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("table");
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FormatError> {
    let written = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(&mut file)?;
        file.into_inner()?.sync_all()
    };
    written().map_err(|error: io::Error| FormatError::io(path, error))
}

fn parquet(path: &Path, table: &RecordBatch) -> Result<(), FormatError> {
    tables::export(path, table).map_err(|error| match error {
        tables::TableError::Io { path, source } => FormatError::Io { path, source },
        error => FormatError::unfit(error),
    })
}

#[cfg(test)]
mod tests;
