//! Tables in and out of a stage body.

use std::collections::HashMap;

use runner::arrow_schema::{Schema, SchemaRef};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::Artifact;
use tables::{RecordBatch, TableError, TableWriter, Values};

use crate::common::columns::{Column, NAME};
use crate::common::layout::{Layout, StarId};
use crate::common::quantities::Quantity;

/// Writes an output table piece by piece.
pub struct PieceWriter {
    what: String,
    schema: SchemaRef,
    names: Option<Names>,
    writer: TableWriter,
}

impl PieceWriter {
    /// Begins the output table `port`.
    pub fn create(context: &StageContext, port: &str) -> Result<Self, StageError> {
        let (what, schema) = (format!("output {port}"), context.output_schema(port)?);
        let writer = TableWriter::create(context.output(port)?, &schema).map_err(|error| failed(&what, error))?;
        Ok(Self {
            what,
            names: Names::needed(context, &schema)?,
            schema,
            writer,
        })
    }

    /// Adds rows; see [`TableContext::write_table`].
    pub fn append(&mut self, columns: Vec<(&str, Values)>) -> Result<(), StageError> {
        let columns = with_names(self.names.as_ref(), columns);
        let rows = tables::build(&self.schema, columns).and_then(|rows| self.writer.append(&rows));
        rows.map_err(|error| failed(&self.what, error))
    }

    /// Adds rows of a layout.
    pub fn append_rows<R: 'static>(&mut self, layout: &Layout<R>, rows: &[R]) -> Result<(), StageError> {
        self.append(layout.columns(rows))
    }

    /// Adds rows beside the columns of `table` that the output has kept; see [`TableContext::write_beside`].
    pub fn append_beside<R: 'static>(
        &mut self,
        table: &RecordBatch,
        layout: &Layout<R>,
        rows: &[R],
    ) -> Result<(), StageError> {
        let schema = self.schema.clone();
        let kept = kept(table, &schema, layout);
        self.append(kept.into_iter().chain(layout.columns(rows)).collect())
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
    /// no number in them may be NaN or infinite. The column `name` may be left out: it is that of the streams in the inputs.
    fn write_table(&self, port: &str, columns: Vec<(&str, Values)>) -> Result<(), StageError>;

    /// Writes an output table made of rows.
    fn write_rows<R: 'static>(&self, port: &str, layout: &Layout<R>, rows: &[R]) -> Result<(), StageError> {
        self.write_table(port, layout.columns(rows))
    }

    /// Writes an output table that has the columns of `table`, of which the output has kept some, and those of a layout: see
    /// [`Layout::beside`].
    fn write_beside<R: 'static>(
        &self,
        port: &str,
        table: &RecordBatch,
        layout: &Layout<R>,
        rows: &[R],
    ) -> Result<(), StageError>;

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
        let names = if columns.iter().any(|(name, _)| *name == NAME) {
            None
        } else {
            Names::needed(self, &schema)?
        };
        let columns = with_names(names.as_ref(), columns);
        let table = tables::build(&schema, columns).map_err(|error| failed(&format!("output {port}"), error))?;
        self.write_batch(port, &table)
    }

    fn write_beside<R: 'static>(
        &self,
        port: &str,
        table: &RecordBatch,
        layout: &Layout<R>,
        rows: &[R],
    ) -> Result<(), StageError> {
        let schema = self.output_schema(port)?;
        let kept = kept(table, &schema, layout);
        self.write_table(port, kept.into_iter().chain(layout.columns(rows)).collect())
    }

    fn write_batch(&self, port: &str, table: &RecordBatch) -> Result<(), StageError> {
        let schema = self.output_schema(port)?;
        let path = self.output(port)?;
        tables::write(path, table, &schema).map_err(|error| failed(&format!("output {port}"), error))
    }
}

/// The columns of `table` that an output has kept beside those of a layout.
fn kept<'a, R: 'static>(table: &'a RecordBatch, output: &Schema, layout: &Layout<R>) -> Vec<(&'a str, Values)> {
    let fields = table.schema_ref().fields().iter().zip(table.columns());
    let stays = |name: &str| output.column_with_name(name).is_some() && !layout.has(name);
    let kept = fields.filter(|(field, _)| stays(field.name()));
    kept.map(|(field, array)| (field.name().as_str(), array.clone().into()))
        .collect()
}

/// Names of streams, where they have some.
struct Names(HashMap<i64, String>);

impl Names {
    /// Those in the inputs, for a table that has the column.
    fn needed(context: &StageContext, schema: &Schema) -> Result<Option<Self>, StageError> {
        if schema.column_with_name(NAME).is_none() || schema.column_with_name("stream").is_none() {
            return Ok(None);
        }
        let mut names = HashMap::new();
        for (port, input) in &context.inputs {
            let Artifact::Table(schema) = &input.artifact else {
                continue;
            };
            if schema.column_with_name(NAME).is_none() {
                continue;
            }
            for piece in pieces(context, port, &["stream", NAME], 1 << 16)? {
                let piece = piece?;
                let streams = tables::i64_column(&piece, "stream").map_err(StageError::failed)?;
                let found = tables::optional_str_column(&piece, NAME).map_err(StageError::failed)?;
                for (stream, name) in streams.iter().zip(found.unwrap_or_default()) {
                    if let Some(name) = name.filter(|_| !names.contains_key(stream)) {
                        names.insert(*stream, name.to_owned());
                    }
                }
            }
        }
        Ok(Some(Self(names)))
    }
}

/// What a message calls a stream: its name, if the inputs have one.
pub fn called(context: &StageContext, stream: i64) -> Result<String, StageError> {
    let schema = Schema::new(
        [
            crate::common::columns::identity()[0].clone(),
            crate::common::columns::name(),
        ]
        .to_vec(),
    );
    let names = Names::needed(context, &schema)?;
    let name = names.and_then(|mut names| names.0.remove(&stream));
    Ok(name.unwrap_or_else(|| stream.to_string()))
}

/// The columns with `name`, found by `stream`, if there are names and it is not among them.
fn with_names<'a>(names: Option<&Names>, mut columns: Vec<(&'a str, Values)>) -> Vec<(&'a str, Values)> {
    let is_given = columns.iter().any(|(name, _)| *name == NAME);
    let streams = columns
        .iter()
        .find(|(name, _)| *name == "stream")
        .and_then(|(_, values)| values.integers());
    if let (Some(Names(names)), Some(streams), false) = (names, streams, is_given) {
        let found: Vec<Option<&str>> = streams
            .iter()
            .map(|stream| names.get(stream).map(String::as_str))
            .collect();
        columns.push((NAME, found.into()));
    }
    columns
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

/// The stars of a table's rows.
pub fn star_ids(table: &RecordBatch) -> Result<Vec<StarId>, StageError> {
    let (stream, star) = identity(table)?;
    let pairs = stream.iter().zip(star);
    Ok(pairs.map(|(&stream, &star)| StarId { stream, star }).collect())
}

/// A quantity, row by row.
pub fn quantity<Q: Quantity<N>, const N: usize>(table: &RecordBatch) -> Result<Vec<Q>, StageError> {
    let columns = columns(table, &Q::COLUMNS)?;
    let of_row = |row: usize| Q::of(columns.map(|column| column[row]));
    Ok((0..table.num_rows()).map(of_row).collect())
}

/// The rows of a table by their stars; a star that is there twice is an error of the input `port`.
pub fn rows_by_star(port: &str, table: &RecordBatch) -> Result<HashMap<StarId, usize>, StageError> {
    let mut rows = HashMap::with_capacity(table.num_rows());
    for (row, id) in star_ids(table)?.into_iter().enumerate() {
        if rows.insert(id, row).is_some() {
            let StarId { stream, star } = id;
            return Err(StageError::failed(format!(
                "input {port}: stream {stream}, star {star} occurs twice"
            )));
        }
    }
    Ok(rows)
}

/// Values under the names of columns.
pub fn named<V: Into<Values>, const N: usize>(
    columns: &[Column; N],
    values: [V; N],
) -> impl Iterator<Item = (&'static str, Values)> {
    let names = columns.map(|column| column.name);
    names.into_iter().zip(values.map(Into::into))
}
