//! Tables of others, whose columns have types that tables of ours do not: as the widest that the formats hold.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef};
use tables::RecordBatch;

use super::Rows;
use crate::error::FormatError;

/// A table all of whose columns are numbers, whole numbers, truth values or texts.
pub(super) struct Widened<'a> {
    rows: &'a dyn Rows,
    schema: SchemaRef,
}

impl<'a> Widened<'a> {
    pub fn of(rows: &'a dyn Rows) -> Result<Self, FormatError> {
        let schema = rows.schema();
        let field = |field: &Arc<Field>| {
            let of = wide(field.data_type()).ok_or_else(|| unfit(field))?;
            Ok(field.as_ref().clone().with_data_type(of))
        };
        let fields: Vec<Field> = schema.fields().iter().map(field).collect::<Result<_, FormatError>>()?;
        let schema = Schema::new(fields).with_metadata(schema.metadata().clone()).into();
        Ok(Self { rows, schema })
    }
}

impl Rows for Widened<'_> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        self.rows.each(&mut |piece| {
            let columns = piece.columns().iter().zip(self.schema.fields());
            let columns: Option<Vec<ArrayRef>> = columns
                .map(|(array, field)| widened(array, field.data_type()))
                .collect();
            let table = columns.and_then(|columns| RecordBatch::try_new(self.schema.clone(), columns).ok());
            take(&table.ok_or_else(|| {
                FormatError::unfit("the table is damaged: its columns are not of the types that it says")
            })?)
        })
    }
}

/// What holds all values of a type.
fn wide(of: &DataType) -> Option<DataType> {
    match of {
        DataType::Float64 | DataType::Int64 | DataType::Boolean | DataType::Utf8 => Some(of.clone()),
        DataType::Float16 | DataType::Float32 | DataType::Null => Some(DataType::Float64),
        // Digits hold 64 bits without sign.
        DataType::UInt64 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
        of if of.is_integer() => Some(DataType::Int64),
        DataType::Dictionary(_, values) => wide(values),
        _ => None,
    }
}

fn widened(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    if array.data_type() == to {
        return Some(array.clone());
    }
    if *array.data_type() == DataType::Float32 {
        // As few digits as give the same number again: 0.1, not 0.10000000149011612.
        let shortest = |number: f32| format!("{number:?}").parse::<f64>().unwrap_or(f64::from(number));
        let numbers = array.as_primitive::<Float32Type>().iter();
        return Some(Arc::new(Float64Array::from_iter(
            numbers.map(|number| number.map(shortest)),
        )));
    }
    cast(array, to).ok()
}

fn unfit(field: &Field) -> FormatError {
    FormatError::with_hint(
        format!("column {} holds {}", field.name(), tables::noun(field.data_type())),
        "write .parquet, which holds them as they are",
    )
}
