//! Typed access to columns.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, PrimitiveArray, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType};
use arrow::record_batch::RecordBatch;

use crate::error::TableError;

/// The numbers of a column without missing values.
pub fn f64_column<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a [f64], TableError> {
    let array = typed::<Float64Array>(table, name, &DataType::Float64)?;
    values(array, name)
}

/// The numbers of several columns, in the order of `names`.
pub fn f64_columns<'a, const N: usize>(table: &'a RecordBatch, names: [&str; N]) -> Result<[&'a [f64]; N], TableError> {
    let mut columns: [&[f64]; N] = [&[]; N];
    for (column, name) in columns.iter_mut().zip(names) {
        *column = f64_column(table, name)?;
    }
    Ok(columns)
}

/// The numbers of a column, `None` where one is missing; `None` altogether where there is no such column.
pub fn optional_f64_column(table: &RecordBatch, name: &str) -> Result<Option<Vec<Option<f64>>>, TableError> {
    if table.column_by_name(name).is_none() {
        return Ok(None);
    }
    Ok(Some(
        typed::<Float64Array>(table, name, &DataType::Float64)?.iter().collect(),
    ))
}

/// The integers of a column without missing values.
pub fn i64_column<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a [i64], TableError> {
    let array = typed::<Int64Array>(table, name, &DataType::Int64)?;
    values(array, name)
}

/// The truth values of a column without missing values.
pub fn bool_column(table: &RecordBatch, name: &str) -> Result<Vec<bool>, TableError> {
    let array = typed::<BooleanArray>(table, name, &DataType::Boolean)?;
    none_missing(array, name)?;
    Ok(array.values().iter().collect())
}

/// The texts of a column without missing values.
pub fn str_column<'a>(table: &'a RecordBatch, name: &str) -> Result<Vec<&'a str>, TableError> {
    let array = typed::<StringArray>(table, name, &DataType::Utf8)?;
    none_missing(array, name)?;
    Ok((0..array.len()).map(|row| array.value(row)).collect())
}

/// The texts of a column, `None` where one is missing; `None` altogether where there is no such column.
pub fn optional_str_column<'a>(table: &'a RecordBatch, name: &str) -> Result<Option<Vec<Option<&'a str>>>, TableError> {
    if table.column_by_name(name).is_none() {
        return Ok(None);
    }
    Ok(Some(
        typed::<StringArray>(table, name, &DataType::Utf8)?.iter().collect(),
    ))
}

/// What a column of this type holds, in words.
pub fn noun(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Float64 => "numbers",
        DataType::Float16 | DataType::Float32 => "numbers of lower precision",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "decimal numbers"
        }
        data_type if data_type.is_integer() => "whole numbers",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "texts",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytes",
        DataType::Boolean => "truth values",
        data_type if data_type.is_temporal() => "dates or times",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "lists",
        DataType::Struct(_) | DataType::Map(..) => "structures",
        DataType::Dictionary(_, values) => noun(values),
        DataType::Null => "nothing",
        _ => "values of another type",
    }
}

fn typed<'a, A: Array + 'static>(table: &'a RecordBatch, name: &str, expected: &DataType) -> Result<&'a A, TableError> {
    let Some(array) = table.column_by_name(name) else {
        let there = table
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        return Err(TableError::NoColumn {
            column: name.to_owned(),
            there,
        });
    };
    array.as_any().downcast_ref::<A>().ok_or_else(|| TableError::WrongType {
        column: name.to_owned(),
        expected: noun(expected),
        found: noun(array.data_type()),
    })
}

fn values<'a, T: ArrowPrimitiveType>(array: &'a PrimitiveArray<T>, name: &str) -> Result<&'a [T::Native], TableError> {
    none_missing(array, name)?;
    Ok(array.values())
}

/// An error if the column has missing values.
pub(crate) fn none_missing(array: &dyn Array, name: &str) -> Result<(), TableError> {
    match array.null_count() {
        0 => Ok(()),
        count => {
            let row = (0..array.len()).find(|&row| array.is_null(row)).unwrap_or_default();
            Err(TableError::Missing {
                column: name.to_owned(),
                row,
                count,
            })
        }
    }
}
