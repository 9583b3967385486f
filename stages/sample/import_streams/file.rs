//! The columns of a user's file, and what is wrong with it as the error of a stage.

use std::path::{Path, PathBuf};

use formats::{Column, FormatError, How, Labels, Numbers, Table, Wanted};
use runner::error::StageError;

/// Reads columns of a file.
pub(super) fn read(path: &Path, how: How, wanted: &[Wanted]) -> Result<Table, StageError> {
    formats::read(path, how, wanted).map_err(failed)
}

/// Reads columns of a file some rows at a time.
pub(super) fn read_pieces(
    path: &Path,
    how: How,
    wanted: &[Wanted],
    rows: usize,
    mut each: impl FnMut(Table) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let read = formats::read_pieces(path, how, wanted, rows, |table| each(table).map_err(Stop::Stage));
    read.map_err(|stop| match stop {
        Stop::Stage(error) => error,
        Stop::File(error) => failed(error),
    })
}

/// Why reading ends early.
enum Stop {
    File(FormatError),
    Stage(StageError),
}

impl From<FormatError> for Stop {
    fn from(error: FormatError) -> Self {
        Self::File(error)
    }
}

/// The columns of a file.
pub(super) fn columns(path: &Path, how: How) -> Result<Vec<Column>, StageError> {
    formats::columns(path, how).map_err(failed)
}

/// An error if a column is not among those of a file, or is there twice.
pub(super) fn has_once(path: &Path, there: &[Column], name: &str) -> Result<(), StageError> {
    formats::has_once(path, there, &[name]).map_err(failed)
}

/// The files of the snapshot that a file is one of.
pub(super) fn parts(path: &Path, how: How) -> Result<Vec<PathBuf>, StageError> {
    formats::files(path, how).map_err(failed)
}

fn failed(error: FormatError) -> StageError {
    match error {
        FormatError::Io { path, source } => StageError::Io { path, source },
        FormatError::Unfit { message, hint } => StageError::Failed { message, hint },
    }
}

/// A column that was read as numbers.
pub(super) fn numbers<'a>(table: &'a Table, name: &str) -> Result<&'a Numbers, StageError> {
    table.numbers(name).ok_or_else(|| unread(name))
}

/// A column that was read as labels.
pub(super) fn labels<'a>(table: &'a Table, name: &str) -> Result<&'a Labels, StageError> {
    table.labels(name).ok_or_else(|| unread(name))
}

fn unread(name: &str) -> StageError {
    StageError::Bug(format!("column {name} was not read"))
}
