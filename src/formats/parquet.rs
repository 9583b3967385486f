//! Columns of a Parquet file.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type, Schema, UInt64Type};
use tables::TableError;

use crate::cells::{ColumnBuilder, Label, Labels, NumbersBuilder, Role, Value};
use crate::ecsv;
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Column, Kind, places};

/// Rows converted together.
const PIECE: usize = 1 << 16;

/// Reads columns of a Parquet file.
pub(crate) fn read(path: &Path, pieces: &mut Pieces) -> Result<(), FormatError> {
    let schema = tables::read_schema(path).map_err(failed)?;
    let there: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    places(path, pieces.wanted, &there)?;
    // astropy keeps what is masked in a column beside it.
    let mask_of = |name: &str| {
        let mask = format!("{name}.mask");
        let field = schema.field_with_name(&mask);
        field
            .is_ok_and(|field| *field.data_type() == DataType::Boolean)
            .then_some(mask)
    };
    let masks: Vec<Option<String>> = pieces.wanted.iter().map(|(name, _)| mask_of(name)).collect();
    let wanted = pieces.wanted.iter().map(|(name, _)| *name);
    let names: Vec<&str> = wanted.chain(masks.iter().flatten().map(String::as_str)).collect();
    pieces.begin(vec![false; masks.len()], units(&schema));
    if names.is_empty() {
        pieces.end_rows(tables::count_rows(path).map_err(failed)?);
        pieces.finish(Vec::new());
        return Ok(());
    }
    for piece in tables::batches(path, &names, PIECE.min(pieces.most)).map_err(failed)? {
        let piece = piece.map_err(failed)?;
        for (at, ((name, role), mask)) in pieces.wanted.iter().zip(&masks).enumerate() {
            let unfit = || {
                let what = match role {
                    Role::Number => "numbers",
                    Role::Label => "numbers or names",
                    Role::Kept => "numbers, texts or truth values",
                };
                let found = schema
                    .field_with_name(name)
                    .map_or(&DataType::Null, |field| field.data_type());
                FormatError::unfit(format!(
                    "{}: column {name} holds {}, not {what}",
                    path.display(),
                    tables::noun(found)
                ))
            };
            let array = piece.column_by_name(name).ok_or_else(unfit)?;
            let array = &match mask.as_ref().and_then(|mask| piece.column_by_name(mask)) {
                Some(mask) => nullif(array, mask.as_boolean()).map_err(|_| unfit())?,
                None => array.clone(),
            };
            match pieces.column(at) {
                Some(ColumnBuilder::Numbers(numbers)) => push_numbers(numbers, array),
                Some(ColumnBuilder::Labels(labels)) => push_labels(labels, array),
                Some(column) => push_kept(&mut |value| column.push(value), array),
                None => None,
            }
            .ok_or_else(unfit)?;
        }
        if !pieces.end_rows(piece.num_rows()) {
            return Ok(());
        }
    }
    pieces.finish(Vec::new());
    Ok(())
}

/// The columns of a Parquet file.
pub(crate) fn columns(path: &Path) -> Result<Vec<Column>, FormatError> {
    let schema = tables::read_schema(path).map_err(failed)?;
    let units = units(&schema);
    let of = |field: &FieldRef| Column {
        name: field.name().clone(),
        kind: kind(field.data_type()),
        unit: units
            .iter()
            .find(|(name, _)| name == field.name())
            .map(|(_, unit)| unit.clone()),
        description: field
            .metadata()
            .get("description")
            .filter(|text| !text.is_empty())
            .cloned(),
    };
    Ok(schema.fields().iter().map(of).collect())
}

fn failed(error: TableError) -> FormatError {
    match error {
        TableError::Io { path, source } => FormatError::Io { path, source },
        error => FormatError::unfit(error),
    }
}

fn kind(of: &DataType) -> Kind {
    match of {
        DataType::Dictionary(_, values) => kind(values),
        DataType::Null => Kind::Numbers,
        of if of.is_numeric() => Kind::Numbers,
        of => match tables::noun(of) {
            "texts" | "bytes" => Kind::Texts,
            noun => Kind::Other(noun),
        },
    }
}

/// Units by column: in the metadata of the table as astropy writes it, or of each column as we and others do.
fn units(schema: &Schema) -> Vec<(String, String)> {
    let mut units = Vec::new();
    for field in schema.fields() {
        let keys = ["unit", "units", "Unit", "UNIT", "TUNIT"];
        if let Some(unit) = keys.iter().find_map(|key| field.metadata().get(key)) {
            units.push((field.name().clone(), unit.clone()));
        }
    }
    let yaml = schema.metadata().get("table_meta_yaml");
    units.extend(
        yaml.and_then(|yaml| ecsv::header(yaml))
            .map(|header| header.units)
            .unwrap_or_default(),
    );
    units
}

/// Texts of an array that holds them, as bytes too.
fn texts(array: &ArrayRef) -> Option<Vec<Option<&[u8]>>> {
    Some(match array.data_type() {
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::as_bytes))
            .collect(),
        DataType::LargeUtf8 => array
            .as_string::<i64>()
            .iter()
            .map(|text| text.map(str::as_bytes))
            .collect(),
        DataType::Utf8View => array
            .as_string_view()
            .iter()
            .map(|text| text.map(str::as_bytes))
            .collect(),
        DataType::Binary => array.as_binary::<i32>().iter().collect(),
        DataType::LargeBinary => array.as_binary::<i64>().iter().collect(),
        DataType::BinaryView => array.as_binary_view().iter().collect(),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().iter().collect(),
        _ => return None,
    })
}

/// What a dictionary stands for, and 128 bits as text.
fn plain(array: &ArrayRef) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).ok(),
        _ => Some(array.clone()),
    }
}

fn push_numbers(numbers: &mut NumbersBuilder, array: &ArrayRef) -> Option<()> {
    let array = plain(array)?;
    if let Some(texts) = texts(&array) {
        for text in texts {
            match text {
                Some(text) => numbers.push_text(text),
                None => numbers.push(None),
            }
        }
        return Some(());
    }
    if !(array.data_type().is_numeric() || *array.data_type() == DataType::Null) {
        return None;
    }
    let values = cast(&array, &DataType::Float64).ok()?;
    values
        .as_primitive::<Float64Type>()
        .iter()
        .for_each(|value| numbers.push(value));
    Some(())
}

fn push_labels(labels: &mut Labels, array: &ArrayRef) -> Option<()> {
    let array = plain(array)?;
    let kind = array.data_type().clone();
    let text;
    let texts_of = if matches!(
        kind,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    ) {
        text = cast(&array, &DataType::Utf8).ok()?;
        &text
    } else {
        &array
    };
    if let Some(texts) = texts(texts_of) {
        for text in texts {
            match text {
                Some(text) => labels.push_text(text),
                None => labels.push(Label::Missing),
            }
        }
        return Some(());
    }
    match kind {
        DataType::UInt64 => {
            for value in array.as_primitive::<UInt64Type>() {
                match value {
                    Some(number) => labels.push_unsigned(number),
                    None => labels.push(Label::Missing),
                }
            }
        }
        kind if kind.is_integer() => {
            let values = cast(&array, &DataType::Int64).ok()?;
            for value in values.as_primitive::<Int64Type>() {
                labels.push(value.map_or(Label::Missing, Label::Number));
            }
        }
        DataType::Float32 | DataType::Float64 => {
            let is_single = kind != DataType::Float64;
            let values = cast(&array, &DataType::Float64).ok()?;
            for value in values.as_primitive::<Float64Type>() {
                match value {
                    Some(number) => labels.push_float(number, is_single),
                    None => labels.push(Label::Missing),
                }
            }
        }
        DataType::Null => (0..array.len()).for_each(|_| labels.push(Label::Missing)),
        _ => return None,
    }
    Some(())
}

fn push_kept(push: &mut dyn FnMut(Value), array: &ArrayRef) -> Option<()> {
    let array = plain(array)?;
    let mut push = |value: Option<Value>| push(value.unwrap_or(Value::Missing));
    if let Some(texts) = texts(&array) {
        texts.into_iter().for_each(|text| push(text.map(Value::Text)));
        return Some(());
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().iter().for_each(|flag| push(flag.map(Value::Flag))),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().for_each(|number| {
            push(number.map(|number| i64::try_from(number).map_or(Value::Unsigned(number), Value::Whole)));
        }),
        of if of.is_integer() => {
            let values = cast(&array, &DataType::Int64).ok()?;
            values
                .as_primitive::<Int64Type>()
                .iter()
                .for_each(|number| push(number.map(Value::Whole)));
        }
        of if of.is_numeric() || *of == DataType::Null => {
            let values = cast(&array, &DataType::Float64).ok()?;
            values
                .as_primitive::<Float64Type>()
                .iter()
                .for_each(|number| push(number.map(Value::Double)));
        }
        of if of.is_temporal() => {
            let values = cast(&array, &DataType::Utf8).ok()?;
            values
                .as_string::<i32>()
                .iter()
                .for_each(|text| push(text.map(|text| Value::Text(text.as_bytes()))));
        }
        _ => return None,
    }
    Some(())
}
