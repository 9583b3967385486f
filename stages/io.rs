//! Tables in and out of a stage body.

use runner::context::StageContext;
use runner::error::StageError;
use tables::{RecordBatch, TableError, Values};

/// Reading and writing the tables of a [`StageContext`].
pub trait TableContext {
    /// The table connected to an input port.
    fn read_table(&self, port: &str) -> Result<RecordBatch, StageError>;

    /// Writes an output table from columns in any order. They must be exactly the columns of the declared schema, and
    /// no number in them may be NaN or infinite.
    fn write_table(&self, port: &str, columns: Vec<(&str, Values)>) -> Result<(), StageError>;

    /// Writes an output table that has the declared schema already.
    fn write_batch(&self, port: &str, table: &RecordBatch) -> Result<(), StageError>;
}

impl TableContext for StageContext {
    fn read_table(&self, port: &str) -> Result<RecordBatch, StageError> {
        let path = self.input(port)?;
        tables::read(path).map_err(|error| failed(&format!("input {port}"), error))
    }

    fn write_table(&self, port: &str, columns: Vec<(&str, Values)>) -> Result<(), StageError> {
        let schema = self.output_schema(port)?;
        let table = tables::build(&schema, columns).map_err(|error| failed(&format!("output {port}"), error))?;
        self.write_batch(port, &table)
    }

    fn write_batch(&self, port: &str, table: &RecordBatch) -> Result<(), StageError> {
        let schema = self.output_schema(port)?;
        let path = self.output(port)?;
        tables::write(path, table, &schema).map_err(|error| failed(&format!("output {port}"), error))
    }
}

fn failed(what: &str, error: TableError) -> StageError {
    match error {
        TableError::Io { path, source } => StageError::Io { path, source },
        error => StageError::failed(format!("{what}: {error}")),
    }
}

/// A typed column of a table, as a stage error.
pub fn column<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a [f64], StageError> {
    tables::f64_column(table, name).map_err(StageError::failed)
}

/// Several columns, in the order of `columns`.
pub fn columns<'a, const N: usize>(
    table: &'a RecordBatch,
    columns: &[crate::columns::Column; N],
) -> Result<[&'a [f64]; N], StageError> {
    tables::f64_columns(table, columns.map(|column| column.name)).map_err(StageError::failed)
}

/// The columns `stream` and `star`.
pub fn identity(table: &RecordBatch) -> Result<(&[i64], &[i64]), StageError> {
    let column = |name| tables::i64_column(table, name).map_err(StageError::failed);
    Ok((column("stream")?, column("star")?))
}
