//! What can be wrong with a table.

use std::path::PathBuf;

/// Why a table could not be read, built or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file could not be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a whole Parquet file.
    #[error("{path} is not a readable Parquet file (truncated or damaged?): {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// The writer failed for another reason than the disk.
    #[error("{path} could not be written: {reason}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        reason: String,
    },
    /// No column of this name.
    #[error("no column {column}; there are: {there}", there = there.join(", "))]
    NoColumn {
        /// The name.
        column: String,
        /// The columns of the table.
        there: Vec<String>,
    },
    /// A column that was not declared.
    #[error("column {column} is not in the declared schema")]
    Undeclared {
        /// The name.
        column: String,
    },
    /// A column holds another type than expected.
    #[error("column {column} holds {found}, not {expected}")]
    WrongType {
        /// The name.
        column: String,
        /// Type expected.
        expected: String,
        /// Type found.
        found: String,
    },
    /// A column states another unit than declared.
    #[error("column {column} is in \"{found}\", not in \"{expected}\"")]
    WrongUnit {
        /// The name.
        column: String,
        /// Unit declared.
        expected: String,
        /// Unit found.
        found: String,
    },
    /// A column has missing values where none may be.
    #[error("column {column} has a missing value in row {row} ({count} in all)")]
    Missing {
        /// The name.
        column: String,
        /// First row, from 0.
        row: usize,
        /// How many.
        count: usize,
    },
    /// A number is NaN or infinite.
    #[error("column {column} is {value} in row {row} ({count} such rows)")]
    NotFinite {
        /// The name.
        column: String,
        /// First row, from 0.
        row: usize,
        /// The number.
        value: f64,
        /// How many.
        count: usize,
    },
    /// Columns of different lengths.
    #[error("column {column} has {found} rows, the others {expected}")]
    Length {
        /// The name.
        column: String,
        /// Rows of the columns before it.
        expected: usize,
        /// Its rows.
        found: usize,
    },
}
