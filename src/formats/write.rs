//! Tables written as other programs read them: Parquet, CSV, ECSV and FITS, with their units, which are in the spelling of astropy, FITS and VOUnit.

mod ascii;
mod fits;
mod text;
mod widened;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Schema, SchemaRef};
use tables::RecordBatch;

use crate::error::FormatError;
use widened::Widened;

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

/// The rows of a table, which can be gone through more than once.
pub trait Rows {
    /// Their columns.
    fn schema(&self) -> SchemaRef;

    /// Hands them to `take` in order, some at a time.
    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError>;
}

impl Rows for RecordBatch {
    fn schema(&self) -> SchemaRef {
        RecordBatch::schema(self)
    }

    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        take(self)
    }
}

/// What was written of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Number of its rows.
    pub rows: usize,
    /// Columns with texts that the format cannot hold as they are, and which are spelled in ASCII.
    pub respelled: Vec<String>,
}

/// Writes a table, under a name where the format has one for it. There is a whole file, or the one that was there before. What it needs of memory does not
/// grow with the table: its rows are gone through twice where a header stands before them that says how many they are.
pub fn write(path: &Path, format: Written, name: &str, rows: &dyn Rows) -> Result<Outcome, FormatError> {
    let mut outcome = Outcome::default();
    let widened;
    let rows: &dyn Rows = match format {
        Written::Parquet => rows,
        Written::Csv | Written::Ecsv | Written::Fits => {
            widened = Widened::of(rows)?;
            &widened
        }
    };
    whole(path, |draft| {
        let schema = rows.schema();
        let extent = match format {
            Written::Parquet => Extent::of(rows, |text| text.chars().count())?,
            Written::Fits => Extent::of(rows, |text| ascii::ascii(text).len())?,
            Written::Csv | Written::Ecsv => Extent::new(&schema),
        };
        let mut each = |take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>| {
            rows.each(&mut |piece| {
                outcome.rows += piece.num_rows();
                take(piece)
            })
        };
        if format == Written::Parquet {
            return parquet(draft, &schema, &extent, &mut each);
        }
        let io = |error| FormatError::io(draft, error);
        let mut file = BufWriter::new(File::create(draft).map_err(io)?);
        match format {
            Written::Fits => fits::begin(&mut file, name, &schema, &extent),
            Written::Ecsv => text::ecsv_header(&mut file, &schema),
            Written::Csv | Written::Parquet => Ok(()),
        }
        .map_err(io)?;
        if format != Written::Fits {
            text::names(&mut file, &schema).map_err(io)?;
        }
        each(&mut |piece| {
            let written = match format {
                Written::Fits => fits::rows(&mut file, piece, &extent),
                _ => text::rows(&mut file, piece),
            };
            written.map_err(io)
        })?;
        if format == Written::Fits {
            fits::end(&mut file, &schema, &extent).map_err(io)?;
            outcome.respelled = extent.not_ascii(&schema);
        }
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)
    })?;
    Ok(outcome)
}

/// What is known of a table only after all of its rows were seen.
struct Extent {
    rows: usize,
    /// Letters of the longest text, by column.
    longest: Vec<usize>,
    /// Whether a value is missing, by column.
    have_missing: Vec<bool>,
    /// Whether a text is not of printable ASCII, by column.
    have_others: Vec<bool>,
}

impl Extent {
    fn new(schema: &Schema) -> Self {
        Self {
            rows: 0,
            longest: vec![0; schema.fields().len()],
            have_missing: vec![false; schema.fields().len()],
            have_others: vec![false; schema.fields().len()],
        }
    }

    fn of(rows: &dyn Rows, letters: fn(&str) -> usize) -> Result<Self, FormatError> {
        let mut extent = Self::new(&rows.schema());
        rows.each(&mut |piece| {
            extent.rows += piece.num_rows();
            for (place, column) in piece.columns().iter().enumerate() {
                extent.have_missing[place] |= column.null_count() > 0;
                if let Some(texts) = column.as_string_opt::<i32>() {
                    let longest = texts.iter().flatten().map(letters).max();
                    extent.longest[place] = extent.longest[place].max(longest.unwrap_or(0));
                    extent.have_others[place] |= texts.iter().flatten().any(|text| !ascii::is_plain(text));
                }
            }
            Ok(())
        })?;
        Ok(extent)
    }

    /// Names of the columns with such texts.
    fn not_ascii(&self, schema: &Schema) -> Vec<String> {
        let columns = schema.fields().iter().zip(&self.have_others);
        let others = columns.filter(|(_, have_others)| **have_others);
        others.map(|(field, _)| field.name().clone()).collect()
    }
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

/// Hands rows to whom takes them.
type EachPiece<'a> = dyn FnMut(&mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> + 'a;

fn parquet(path: &Path, schema: &Schema, extent: &Extent, each: &mut EachPiece) -> Result<(), FormatError> {
    let failed = |error| match error {
        tables::TableError::Io { path, source } => FormatError::Io { path, source },
        error => FormatError::unfit(error),
    };
    let mut writer = tables::ExportWriter::create(path, schema, &extent.longest).map_err(failed)?;
    each(&mut |piece| writer.append(piece).map_err(failed))?;
    writer.finish().map_err(failed)
}

#[cfg(test)]
mod tests;
