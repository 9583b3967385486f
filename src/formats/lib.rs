//! Tables in the files that astronomers have, read as columns with names, units and missing values, and written for other programs.
//!
//! One file for each format; all give the same [`Table`]. What a user's file is can be anything: no length that it states is believed
//! before the bytes are there, and what is wrong with it is said with its name and place.

mod bytes;
mod cells;
mod ecsv;
mod error;
mod fits;
mod format;
mod hdf5;
mod kept;
mod parquet;
mod table;
mod text;
mod votable;
mod write;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use cells::{Cells, Label, Labels, Numbers, Role, clipped};
pub use error::FormatError;
pub use format::{Ending, FORMATS, Format, NotRead};
pub use table::{Column, Kind, Table, Wanted};
pub use write::{Written, write, write_bytes};

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
    let mut unique: Vec<Wanted> = Vec::new();
    for want in wanted {
        if !unique.contains(want) {
            unique.push(*want);
        }
    }
    match Format::find(path, how.format)? {
        Format::Parquet => parquet::read(path, &unique),
        Format::Csv => text::read(path, how.separator, &unique),
        Format::Fits => fits::read(path, how.table, &unique),
        Format::Votable => votable::read(path, how.table, &unique),
        Format::Hdf5 => hdf5::read(path, how.table, &unique),
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
