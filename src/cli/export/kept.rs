//! The columns that an import kept, beside the results of its stars.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use runner::graph::StageId;
use runner::stage::Role;
use tables::{RecordBatch, TableError};

use crate::cli::common::Loaded;

/// The column of names of streams.
pub(super) const NAME: &str = "name";

/// The output of an import that has them.
const KEPT: &str = "kept";

/// The file of the kept columns of the one import that the stars of an output are from.
pub(super) fn file(loaded: &Loaded, stage: StageId, port: &str) -> Option<PathBuf> {
    let mut found = Vec::new();
    imports(loaded, stage, &mut found);
    match found.as_slice() {
        [import] if port != KEPT => loaded.file(*import, KEPT).ok(),
        _ => None,
    }
}

fn imports(loaded: &Loaded, id: StageId, found: &mut Vec<StageId>) {
    let stage = &loaded.graph[id];
    if stage.outputs.iter().any(|output| output.name == KEPT) {
        if !found.contains(&id) {
            found.push(id);
        }
    } else if matches!(stage.role, Role::Observe | Role::Apply) {
        // These give the stars of their inputs, under the same stream and star.
        stage.inputs.iter().for_each(|input| imports(loaded, input.from, found));
    }
}

/// The table with the kept columns, in the order of the file; the table as it is if it has no stars.
pub(super) fn joined(table: RecordBatch, kept: &RecordBatch) -> Result<RecordBatch, TableError> {
    let has_stars = ["stream", "star"]
        .iter()
        .all(|name| table.column_by_name(name).is_some());
    if !has_stars {
        return Ok(table);
    }
    let names = |table| Ok::<_, TableError>((tables::i64_column(table, "stream")?, tables::i64_column(table, "star")?));
    let (streams, stars) = names(kept)?;
    let place_of: HashMap<(i64, i64), u64> = streams.iter().copied().zip(stars.iter().copied()).zip(0..).collect();
    let rows = tables::i64_column(kept, "row")?;
    let (streams, stars) = names(&table)?;
    let mut order: Vec<(usize, Option<u64>)> = streams
        .iter()
        .zip(stars)
        .map(|(&stream, &star)| place_of.get(&(stream, star)).copied())
        .enumerate()
        .collect();
    // Those without a row in the file come last.
    order.sort_by_key(|(at, place)| (place.map_or(i64::MAX, |place| rows[place as usize]), *at));
    let ats: Vec<usize> = order.iter().map(|(at, _)| *at).collect();
    let places = UInt64Array::from_iter(order.iter().map(|(_, place)| *place));
    let sorted = tables::take_rows(&table, &ats)?;
    let says = |column: &ArrayRef| column.null_count() < column.len() || column.is_empty();
    let are_named = sorted.column_by_name(NAME).is_none_or(says);
    let columns = kept.columns().iter();
    let columns = columns.map(|column| take(column, &places, None).map_err(|_| TableError::Unfit));
    beside(
        &sorted,
        are_named,
        kept.schema_ref(),
        columns.collect::<Result<_, _>>()?,
    )
}

/// Columns that were kept beside those of a table, row by row. Where no stream has a name, the column of names is left to what the file has
/// under it.
pub(super) fn beside(
    table: &RecordBatch,
    are_named: bool,
    kept: &Schema,
    kept_columns: Vec<ArrayRef>,
) -> Result<RecordBatch, TableError> {
    let schema = table.schema_ref();
    let told = schema.fields().iter().zip(table.columns());
    let told = told.filter(|(field, _)| field.name() != NAME || are_named);
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = told
        .map(|(field, column)| (field.as_ref().clone(), column.clone()))
        .unzip();
    for (field, column) in kept.fields().iter().zip(kept_columns) {
        if ["stream", "star"].contains(&field.name().as_str()) {
            continue;
        }
        let is_taken = fields.iter().any(|other| other.name() == field.name());
        let name = if is_taken {
            format!("{}_kept", field.name())
        } else {
            field.name().clone()
        };
        fields.push(field.as_ref().clone().with_name(name).with_nullable(true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|_| TableError::Unfit)
}
