//! What can be wrong with a table.

use std::path::PathBuf;

pub use crate::refusal::reason;

/// Why a table could not be read, built or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file could not be opened, read or written.
    #[error("{path}: {reason}", path = path.display(), reason = reason(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is a folder in its place.
    #[error("{path} is a folder", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing in the file.
    #[error("{path} is empty (0 bytes)", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is another kind of file.
    #[error("{path} is not a Parquet file", path = path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
    },
    /// The file lacks its end.
    #[error("{path} is cut off: the end of the Parquet file is missing (truncated)", path = path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// The file is encrypted.
    #[error("{path} is encrypted, which is not read", path = path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The file is compressed by a method that is not read.
    #[error("{path} is compressed with {method}, which is not read: write it with zstd, snappy, gzip or lz4", path = path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// The method.
        method: &'static str,
    },
    /// The file contradicts itself.
    #[error("{path} is a damaged Parquet file", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The writer failed for another reason than the disk.
    #[error("{path} could not be written as Parquet", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
    },
    /// Columns or tables that do not fit together.
    #[error("the columns do not make one table")]
    Unfit,
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
        expected: &'static str,
        /// Type found.
        found: &'static str,
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
