//! Making tables from vectors, and checking them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};

use crate::column::none_missing;
use crate::error::TableError;

/// The values of a column.
#[derive(Debug, Clone)]
pub struct Values(ArrayRef);

macro_rules! values_from {
    ($($from:ty => $array:ty),* $(,)?) => {$(
        impl From<$from> for Values {
            fn from(values: $from) -> Self {
                Self(Arc::new(<$array>::from(values)))
            }
        }
    )*};
}

values_from! {
    Vec<f64> => Float64Array,
    Vec<Option<f64>> => Float64Array,
    Vec<i64> => Int64Array,
    Vec<bool> => BooleanArray,
    Vec<Option<bool>> => BooleanArray,
    Vec<&str> => StringArray,
    Vec<String> => StringArray,
    Vec<Option<&str>> => StringArray,
}

impl From<&[f64]> for Values {
    fn from(values: &[f64]) -> Self {
        values.to_vec().into()
    }
}

impl From<&[i64]> for Values {
    fn from(values: &[i64]) -> Self {
        values.to_vec().into()
    }
}

impl From<ArrayRef> for Values {
    fn from(values: ArrayRef) -> Self {
        Self(values)
    }
}

impl Values {
    /// The values, if they are integers of which none is missing.
    pub fn integers(&self) -> Option<&[i64]> {
        let array = self.0.as_any().downcast_ref::<Int64Array>()?;
        (array.null_count() == 0).then(|| array.values().as_ref())
    }
}

/// A table of `columns`, which may come in any order, with the declared schema; see [`check`].
pub fn build(schema: &SchemaRef, columns: Vec<(&str, Values)>) -> Result<RecordBatch, TableError> {
    if let Some((name, _)) = columns.iter().find(|(name, _)| schema.column_with_name(name).is_none()) {
        return Err(TableError::Undeclared {
            column: (*name).to_owned(),
        });
    }
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let Some((_, values)) = columns.iter().find(|(name, _)| name == field.name()) else {
            let there = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Err(TableError::NoColumn {
                column: field.name().clone(),
                there,
            });
        };
        let array = &values.0;
        expect_type(field.name(), field.data_type(), array.data_type())?;
        if let Some(first) = arrays.first().filter(|first| first.len() != array.len()) {
            return Err(TableError::Length {
                column: field.name().clone(),
                expected: first.len(),
                found: array.len(),
            });
        }
        if !field.is_nullable() {
            none_missing(array, field.name())?;
        }
        all_finite(array, field.name())?;
        arrays.push(array.clone());
    }
    let rows = arrays.first().map_or(0, |array| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|_| TableError::Unfit)
}

/// Checks a table against the declared schema: names in order, types, units; and its numbers: no NaN, no infinity.
pub fn check(table: &RecordBatch, declared: &Schema) -> Result<(), TableError> {
    for (index, field) in declared.fields().iter().enumerate() {
        let found = table
            .schema_ref()
            .fields()
            .get(index)
            .filter(|found| found.name() == field.name());
        let Some(found) = found else {
            let there = table
                .schema_ref()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect();
            return Err(TableError::NoColumn {
                column: field.name().clone(),
                there,
            });
        };
        expect_type(field.name(), field.data_type(), found.data_type())?;
        let unit = |field: &arrow_schema::Field| field.metadata().get("unit").cloned().unwrap_or_default();
        if unit(field) != unit(found) {
            return Err(TableError::WrongUnit {
                column: field.name().clone(),
                expected: unit(field),
                found: unit(found),
            });
        }
        let array = table.column(index);
        if !field.is_nullable() {
            none_missing(array, field.name())?;
        }
        all_finite(array, field.name())?;
    }
    match table.schema_ref().fields().get(declared.fields().len()) {
        Some(extra) => Err(TableError::Undeclared {
            column: extra.name().clone(),
        }),
        None => Ok(()),
    }
}

/// Tables of one schema below each other.
pub fn join(schema: &SchemaRef, tables: &[RecordBatch]) -> Result<RecordBatch, TableError> {
    concat_batches(schema, tables).map_err(|_| TableError::Unfit)
}

/// The table's rows at `rows`, in that order. `rows` must be below the number of rows.
pub fn take_rows(table: &RecordBatch, rows: &[usize]) -> Result<RecordBatch, TableError> {
    let rows = UInt64Array::from_iter_values(rows.iter().map(|&row| row as u64));
    take_record_batch(table, &rows).map_err(|_| TableError::Unfit)
}

fn expect_type(column: &str, expected: &DataType, found: &DataType) -> Result<(), TableError> {
    if expected == found {
        return Ok(());
    }
    Err(TableError::WrongType {
        column: column.to_owned(),
        expected: crate::column::noun(expected),
        found: crate::column::noun(found),
    })
}

fn all_finite(array: &dyn Array, column: &str) -> Result<(), TableError> {
    let Some(numbers) = array.as_any().downcast_ref::<Float64Array>() else {
        return Ok(());
    };
    let bad = || {
        numbers
            .iter()
            .enumerate()
            .filter_map(|(row, value)| Some((row, value?)))
            .filter(|(_, v)| !v.is_finite())
    };
    match bad().next() {
        None => Ok(()),
        Some((row, value)) => Err(TableError::NotFinite {
            column: column.to_owned(),
            row,
            value,
            count: bad().count(),
        }),
    }
}
