//! Tables in and out of a stage body.

use std::sync::Arc;

use dynamics::phase_space::PhaseSpace;
use runner::arrow_schema::{Schema, SchemaRef};
use runner::context::StageContext;
use runner::error::StageError;
use tables::{RecordBatch, TableError, TableWriter, Values};

use crate::columns::Column;

/// Writes an output table piece by piece.
pub struct PieceWriter {
    what: String,
    schema: SchemaRef,
    writer: TableWriter,
}

impl PieceWriter {
    /// Begins the output table `port`.
    pub fn create(context: &StageContext, port: &str) -> Result<Self, StageError> {
        let (what, schema) = (format!("output {port}"), context.output_schema(port)?);
        let writer = TableWriter::create(context.output(port)?, &schema).map_err(|error| failed(&what, error))?;
        Ok(Self { what, schema, writer })
    }

    /// Adds rows; see [`TableContext::write_table`].
    pub fn append(&mut self, columns: Vec<(&str, Values)>) -> Result<(), StageError> {
        let rows = tables::build(&self.schema, columns).and_then(|rows| self.writer.append(&rows));
        rows.map_err(|error| failed(&self.what, error))
    }

    /// Ends the table.
    pub fn finish(self) -> Result<(), StageError> {
        self.writer.finish().map_err(|error| failed(&self.what, error))
    }
}

/// The table at an input port, some rows at a time.
pub fn pieces(
    context: &StageContext,
    port: &str,
    columns: &[&str],
    rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, StageError>> + use<>, StageError> {
    let what = format!("input {port}");
    let batches = tables::batches(context.input(port)?, columns, rows).map_err(|error| failed(&what, error))?;
    Ok(batches.map(move |batch| batch.map_err(|error| failed(&what, error))))
}

/// The number of rows of the table at an input port.
pub fn count_rows(context: &StageContext, port: &str) -> Result<usize, StageError> {
    tables::count_rows(context.input(port)?).map_err(|error| failed(&format!("input {port}"), error))
}

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
    columns: &[Column; N],
) -> Result<[&'a [f64]; N], StageError> {
    tables::f64_columns(table, columns.map(|column| column.name)).map_err(StageError::failed)
}

/// The columns `stream` and `star`.
pub fn identity(table: &RecordBatch) -> Result<(&[i64], &[i64]), StageError> {
    let column = |name| tables::i64_column(table, name).map_err(StageError::failed);
    Ok((column("stream")?, column("star")?))
}

/// The phase-space points of a table's rows.
pub fn points(table: &RecordBatch) -> Result<Vec<PhaseSpace>, StageError> {
    let [x, y, z, vx, vy, vz] = columns(table, &crate::columns::CARTESIAN)?;
    let point = |row: usize| PhaseSpace::new([x[row], y[row], z[row]], [vx[row], vy[row], vz[row]]);
    Ok((0..table.num_rows()).map(point).collect())
}

/// The schema `input` without `names`, followed by `more`.
pub fn replaced(input: &Schema, names: &[&str], more: &[Column]) -> Schema {
    let kept = input
        .fields()
        .iter()
        .filter(|field| !names.contains(&field.name().as_str()));
    let more = more.iter().map(|column| Arc::new(column.field()));
    Schema::new(kept.cloned().chain(more).collect::<Vec<_>>())
}

/// The columns of `table` that `schema` also has, to be written with more.
pub fn kept<'a>(table: &'a RecordBatch, schema: &Schema) -> Vec<(&'a str, Values)> {
    let fields = table.schema_ref().fields().iter().zip(table.columns());
    let kept = fields.filter(|(field, _)| schema.column_with_name(field.name()).is_some());
    kept.map(|(field, array)| (field.name().as_str(), array.clone().into()))
        .collect()
}

/// As many threads as the stage may use.
pub fn threads(context: &StageContext) -> Result<rayon::ThreadPool, StageError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads.max(1));
    pool.build().map_err(StageError::failed)
}

/// Runs `work` on as many threads as the stage may use.
pub fn on_threads<T: Send>(context: &StageContext, work: impl FnOnce() -> T + Send) -> Result<T, StageError> {
    Ok(threads(context)?.install(work))
}
