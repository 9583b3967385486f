//! Tables in the files that astronomers have, read as columns with names, units and missing values, and written for other programs.
//!
//! One file for each format; all give the same [`Table`]. What a user's file is can be anything: no length that it states is believed
//! before the bytes are there, and what is wrong with it is said with its name and place.

mod beginning;
mod bytes;
mod cells;
mod ecsv;
mod error;
mod fits;
mod format;
mod hdf5;
mod kept;
mod parquet;
mod pieces;
mod table;
mod text;
mod votable;
mod write;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong_files;

use std::path::{Path, PathBuf};

use pieces::{Each, Pieces};

pub use cells::{Cells, Label, Labels, Numbers, Role, clipped};
pub use error::FormatError;
pub use format::{Ending, FORMATS, Format, NotRead};
pub use table::{Column, Kind, Table, Wanted};
pub use write::{Outcome, Rows, Written, write, write_bytes};

/// How a file is to be read, where it does not tell itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'a> {
    /// Its format.
    pub format: Option<Format>,
    /// What separates the columns of a text.
    pub separator: Option<char>,
    /// Which of several tables: its name, or its number from 1.
    pub table: Option<&'a str>,
}

/// Reads columns of a file.
pub fn read(path: &Path, how: How, wanted: &[Wanted]) -> Result<Table, FormatError> {
    let mut whole = Table::default();
    in_pieces(path, how, wanted, usize::MAX, &mut |table| {
        whole = table;
        true
    })?;
    Ok(whole)
}

/// Reads columns of a file, at least `most` rows at a time: what it needs of memory does not grow with the file, unless that is of HDF5.
/// Every file gives one piece; notes on it come with the last.
pub fn read_pieces<E: From<FormatError>>(
    path: &Path,
    how: How,
    wanted: &[Wanted],
    most: usize,
    mut each: impl FnMut(Table) -> Result<(), E>,
) -> Result<(), E> {
    let mut failed = None;
    let read = in_pieces(path, how, wanted, most, &mut |table| match each(table) {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(read?),
    }
}

fn in_pieces(path: &Path, how: How, wanted: &[Wanted], most: usize, each: &mut Each) -> Result<(), FormatError> {
    let mut unique: Vec<Wanted> = Vec::new();
    for want in wanted {
        if !unique.contains(want) {
            unique.push(*want);
        }
    }
    let format = Format::find(path, how.format)?;
    let into = |pieces: &mut Pieces| match format {
        Format::Parquet => parquet::read(path, pieces),
        Format::Csv => text::read(path, how.separator, pieces),
        Format::Fits => fits::read(path, how.table, pieces),
        Format::Votable => votable::read(path, how.table, pieces),
        Format::Hdf5 => hdf5::read(path, how.table, pieces),
    };
    let kept: Vec<Wanted> = unique.iter().filter(|(_, role)| *role == Role::Kept).copied().collect();
    let mut types = Vec::new();
    if !kept.is_empty() {
        let mut none = |_: Table| true;
        let mut finding = Pieces::of_types(&kept, &mut none);
        into(&mut finding)?;
        types = finding.into_types();
    }
    into(&mut Pieces::new(&unique, types, most, each))
}

/// The files of the snapshot that a file is one of, in their order; the file alone where it is none of several.
pub fn files(path: &Path, how: How) -> Result<Vec<PathBuf>, FormatError> {
    match Format::find(path, how.format)? {
        Format::Hdf5 => hdf5::files(path),
        _ => Ok(vec![path.to_owned()]),
    }
}

/// Whether a file with these columns has each of those `wanted`, and has it once.
///
/// **Fails when** one is not there, or is there twice: with its name, and those that are like it.
pub fn has_once(path: &Path, there: &[Column], wanted: &[&str]) -> Result<(), FormatError> {
    let there: Vec<&str> = there.iter().map(|column| column.name.as_str()).collect();
    let wanted: Vec<Wanted> = wanted.iter().map(|name| (*name, Role::Label)).collect();
    table::places(path, &wanted, &there).map(drop)
}

/// The columns of a file, before any of them is read.
pub fn columns(path: &Path, how: How) -> Result<Vec<Column>, FormatError> {
    match Format::find(path, how.format)? {
        Format::Parquet => parquet::columns(path),
        Format::Csv => text::columns(path, how.separator),
        Format::Fits => fits::columns(path, how.table),
        Format::Votable => votable::columns(path, how.table),
        Format::Hdf5 => hdf5::columns(path, how.table),
    }
}
