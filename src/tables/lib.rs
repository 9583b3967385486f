//! Arrow tables with units, kept as Parquet.
//!
//! A table is one [`RecordBatch`] in memory. Its schema says for every column the unit, frame and description (in the
//! field's metadata); a table is written only if it has exactly the schema it was declared with and every number in it
//! is finite, and the same table always gives the same bytes.

mod astropy;
mod column;
mod error;
mod make;
mod parquet_file;
#[path = "../runner/refusal.rs"]
mod refusal;
mod stream;

pub use arrow::record_batch::RecordBatch;
pub use astropy::{astropy_header, unit_of};
pub use column::{
    bool_column, f64_column, f64_columns, i64_column, noun, optional_f64_column, optional_str_column, str_column,
};
pub use error::{TableError, reason};
pub use make::{Values, build, check, join, take_rows};
pub use parquet_file::{ExportWriter, read, read_columns, read_schema, write};
pub use stream::{Batches, TableWriter, batches, count_rows};

#[cfg(test)]
mod tests;
