//! Rows of BINARY and BINARY2: values one after the other, the largest byte first.

use std::path::Path;

use super::field::{Field, Size, Type, flag};
use super::{Rows, cut_off};
use crate::cells::Value;
use crate::error::FormatError;

/// Reads all rows.
pub(super) fn rows(
    path: &Path,
    bytes: &[u8],
    fields: &[Field],
    has_flags: bool,
    rows: &mut Rows,
) -> Result<(), FormatError> {
    let mut rest = bytes;
    let mut cells: Vec<Cell> = Vec::with_capacity(fields.len());
    while !rest.is_empty() {
        let before = rest.len();
        let is_whole = row(&mut rest, fields, has_flags, &mut cells);
        // Fields without bytes would never end.
        if is_whole.is_none() || rest.len() == before {
            return Err(cut_off(path, &format!(" in row {}", rows.pieces.rows() + 1)));
        }
        for (at, part) in rows.parts.iter().enumerate() {
            let (field, cell) = (&fields[part.field], &cells[part.field]);
            let text;
            let value = if cell.is_missing {
                Value::Missing
            } else if field.of == Type::Unicode {
                let signs = cell
                    .bytes
                    .chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                text = char::decode_utf16(signs)
                    .map(|sign| sign.unwrap_or('\u{fffd}'))
                    .collect::<String>();
                Value::Text(up_to_zero(text.as_bytes()))
            } else {
                value(field, cell, part.element.unwrap_or(0))
            };
            rows.pieces.push(at, value);
        }
        if !rows.pieces.end_row() {
            return Ok(());
        }
    }
    Ok(())
}

/// The bytes of one field in one row.
struct Cell<'a> {
    bytes: &'a [u8],
    is_missing: bool,
}

/// Takes a row from the rest; `None` if there is not enough of it.
fn row<'a>(rest: &mut &'a [u8], fields: &[Field], has_flags: bool, cells: &mut Vec<Cell<'a>>) -> Option<()> {
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at_checked(count)?;
        *rest = after;
        Some(taken)
    };
    cells.clear();
    let flags = if has_flags {
        take(fields.len().div_ceil(8))?
    } else {
        &[]
    };
    for (place, field) in fields.iter().enumerate() {
        let count = match field.size {
            Size::Fixed(count) => count,
            Size::Variable => usize::try_from(u32::from_be_bytes(take(4)?.try_into().ok()?)).ok()?,
        };
        let bytes = take(field.of.bytes(count)?)?;
        let is_missing = flags
            .get(place / 8)
            .is_some_and(|flags| flags & (0x80 >> (place % 8)) != 0);
        cells.push(Cell { bytes, is_missing });
    }
    Some(())
}

fn up_to_zero(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    text[..end].trim_ascii()
}

/// Value `element` of a field.
fn value<'a>(field: &Field, cell: &Cell<'a>, element: usize) -> Value<'a> {
    let bytes = |length: usize| cell.bytes.get(element * length..(element + 1) * length);
    let whole = |number: Option<i64>| match number {
        Some(number) if field.null.as_deref().and_then(|null| null.parse().ok()) != Some(number) => {
            Value::Whole(number)
        }
        _ => Value::Missing,
    };
    match field.of {
        Type::Byte => whole(bytes(1).map(|bytes| bytes[0].into())),
        Type::Short => whole(array(bytes(2)).map(|bytes| i16::from_be_bytes(bytes).into())),
        Type::Int => whole(array(bytes(4)).map(|bytes| i32::from_be_bytes(bytes).into())),
        Type::Long => whole(array(bytes(8)).map(i64::from_be_bytes)),
        Type::Float => array(bytes(4)).map_or(Value::Missing, |bytes| Value::Single(f32::from_be_bytes(bytes))),
        Type::Double => array(bytes(8)).map_or(Value::Missing, |bytes| Value::Double(f64::from_be_bytes(bytes))),
        Type::Boolean => flag(bytes(1).unwrap_or_default()),
        // The largest bit by the standard; astropy writes another.
        Type::Bit => bytes(1).map_or(Value::Missing, |bytes| Value::Flag(bytes[0] != 0)),
        Type::Char => Value::Text(up_to_zero(cell.bytes)),
        // Decoded before, or not read at all.
        Type::Unicode | Type::Complex { .. } => Value::Missing,
    }
}

fn array<const N: usize>(bytes: Option<&[u8]>) -> Option<[u8; N]> {
    bytes?.try_into().ok()
}
