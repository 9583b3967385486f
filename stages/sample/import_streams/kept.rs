//! Columns of the file that travel with its stars as they are: in the output `kept`, a row for each star, with its row in the file.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use formats::{Column, How, Table};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::column;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, TableWriter};

use super::file;
use super::rows::{Counter, Read};
use crate::common::columns;

/// The output that holds them.
pub(super) const KEPT: &str = "kept";

/// Which columns of the file are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Keep {
    /// All that are not mapped, and hold numbers, texts or truth values.
    All(All),
    /// Those of these names.
    Names(Vec<String>),
}

/// The word for all columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// All columns that are not mapped.
    All,
}

/// The columns that the output has whatever is kept.
pub(super) fn schema() -> Schema {
    let row = column(
        "row",
        DataType::Int64,
        "",
        "",
        "row in the file, from 1, not counting a header",
    );
    Schema::new(columns::identity().into_iter().chain([row]).collect::<Vec<_>>())
}

/// The columns of the file that are kept. A name that is not there is found when the file is read.
pub(super) fn wanted(keep: &Keep, path: &Path, how: How, mapped: &[&str]) -> Result<Vec<Column>, StageError> {
    let there = file::columns(path, how)?;
    Ok(match keep {
        Keep::All(All::All) => {
            let is_kept = |column: &Column| column.can_be_kept() && !mapped.contains(&column.name.as_str());
            there.into_iter().filter(is_kept).collect()
        }
        Keep::Names(names) => {
            let mut found: Vec<Column> = Vec::new();
            for name in names {
                let known = there.iter().find(|column| column.name == *name).cloned();
                let column = known.unwrap_or_else(|| Column {
                    name: name.clone(),
                    kind: formats::Kind::Texts,
                    unit: None,
                    description: None,
                });
                if found.iter().all(|other| other.name != *name) {
                    found.push(column);
                }
            }
            found
        }
    })
}

/// Writes the output.
pub(super) struct KeptWriter {
    columns: Vec<Column>,
    counter: Counter,
    writer: Option<TableWriter>,
}

impl KeptWriter {
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            counter: Counter::default(),
            writer: None,
        }
    }

    /// Adds the rows of `read`, in their order.
    pub fn append(&mut self, context: &StageContext, table: &Table, read: &Read) -> Result<(), StageError> {
        let rows = rows(&self.columns, table, read, &mut self.counter)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            // What types the columns have is known from the first rows on.
            None => {
                let writer = TableWriter::create(context.output(KEPT)?, &rows.schema());
                self.writer.insert(writer.map_err(|error| failed(&error))?)
            }
        };
        writer.append(&rows).map_err(|error| failed(&error))
    }

    /// Ends it, and says what is kept.
    pub fn finish(self, context: &StageContext) -> Result<(), StageError> {
        if let Some(writer) = self.writer {
            writer.finish().map_err(|error| failed(&error))?;
        }
        let count = self.columns.len();
        let noun = if count == 1 { "column is" } else { "columns are" };
        if count > 0 {
            context.note(format!("{count} {noun} kept beside the stars, in the output {KEPT}"));
        }
        Ok(())
    }
}

fn failed(error: &dyn std::fmt::Display) -> StageError {
    StageError::Bug(format!("output {KEPT}: {error}"))
}

/// The rows of the output.
fn rows(kept: &[Column], table: &Table, read: &Read, counter: &mut Counter) -> Result<RecordBatch, StageError> {
    let schema = schema();
    let stars: Vec<i64> = read.rows.iter().map(|row| counter.star(row).0).collect();
    let streams: Vec<i64> = read.rows.iter().map(|row| read.streams.number(row.stream)).collect();
    let rows = read.rows.iter().map(|row| (table.first + row.at()) as i64 + 1);
    let rows: Vec<i64> = rows.collect();
    let places = UInt64Array::from_iter_values(read.rows.iter().map(|row| row.at() as u64));
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(streams)),
        Arc::new(Int64Array::from(stars)),
        Arc::new(Int64Array::from(rows)),
    ];
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    for column in kept {
        let array = table
            .kept(&column.name)
            .ok_or_else(|| failed(&format!("{} was not read", column.name)))?;
        let array = take(array, &places, None).map_err(|error| failed(&error))?;
        let is_taken = fields.iter().any(|field| *field.name() == column.name);
        let name = if is_taken {
            format!("{}_kept", column.name)
        } else {
            column.name.clone()
        };
        let [unit, description] = [&column.unit, &column.description].map(|text| text.as_deref().unwrap_or_default());
        let field = runner::ports::column(&name, array.data_type().clone(), unit, "", description);
        fields.push(field.with_nullable(true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| failed(&error))
}
