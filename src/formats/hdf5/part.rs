//! Columns of datasets: where their bytes stand, and what they mean.

use hdf5_reader::messages::datatype::{StringSize, VarLenKind};
use hdf5_reader::{ByteOrder, Dataset, Datatype};

use super::text;
use crate::cells::Value;
use crate::table::{Column, Kind};

/// Numbers in a row of one dataset, of which each is a column by itself.
const MOST_NUMBERS: u64 = 100;

/// How a value is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Type {
    Integer {
        bytes: usize,
        is_signed: bool,
    },
    Single,
    Double,
    Flag,
    Text(usize),
    /// Texts of any length, kept apart.
    Strings,
    /// One number for all rows, which stands in a header.
    Constant(f64),
    Other(&'static str),
}

/// A column.
pub(super) struct Part {
    pub column: Column,
    pub of: Type,
    /// Place of its dataset in those of the table.
    pub dataset: Option<usize>,
    is_big: bool,
    /// Byte of its first value, and bytes from row to row.
    at: usize,
    stride: usize,
}

/// Whether a dataset is a table by itself.
pub(super) fn is_compound(dataset: &Dataset) -> bool {
    matches!(dataset.dtype(), Datatype::Compound { .. }) && dataset.ndim() == 1
}

/// The columns of a dataset.
pub(super) fn parts(dataset: &Dataset, number: usize) -> Vec<Part> {
    let attribute = |names: &[&str]| names.iter().find_map(|name| text(&dataset.attribute(name).ok()?));
    let unit = attribute(&["unit", "units", "Unit", "Units", "UNIT"]);
    let description = attribute(&["description", "VAR_DESCRIPTION", "Description"]);
    let column = |name: String, kind| Column {
        name,
        kind,
        unit: unit.clone(),
        description: description.clone(),
    };
    let part = |name: String, of: (Type, bool), at, stride| Part {
        column: column(name, kind(of.0)),
        of: of.0,
        dataset: Some(number),
        is_big: of.1,
        at,
        stride,
    };
    if let Datatype::Compound { size, fields } = dataset.dtype() {
        let stride = *size as usize;
        let mut parts = Vec::new();
        for field in fields {
            let at = field.byte_offset as usize;
            match &field.datatype {
                Datatype::Array { base, dims } if is_short(dims) => {
                    let (of, bytes) = (of(base), size_of(base));
                    let places = 0..dims.iter().product::<u64>() as usize;
                    parts.extend(
                        places.map(|place| part(format!("{}[{place}]", field.name), of, at + place * bytes, stride)),
                    );
                }
                Datatype::Array { .. } => {
                    parts.push(part(field.name.clone(), (Type::Other("lists"), false), at, stride))
                }
                // Their bytes are elsewhere in the file.
                other if of(other).0 == Type::Strings => {
                    parts.push(part(
                        field.name.clone(),
                        (Type::Other("texts of any length"), false),
                        at,
                        stride,
                    ));
                }
                other => parts.push(part(field.name.clone(), of(other), at, stride)),
            }
        }
        return parts;
    }
    let (of, bytes, name) = (of(dataset.dtype()), size_of(dataset.dtype()), dataset.name().to_owned());
    match dataset.shape() {
        [_] => vec![part(name, of, 0, bytes)],
        [_, numbers] if is_short(&[*numbers]) && of.0 != Type::Strings => {
            let numbers = *numbers as usize;
            (0..numbers)
                .map(|place| part(format!("{name}[{place}]"), of, place * bytes, numbers * bytes))
                .collect()
        }
        _ => vec![part(name, (Type::Other("lists"), false), 0, bytes)],
    }
}

/// A column that has the same number in every row.
pub(super) fn constant(name: &str, number: f64, unit: Option<String>, description: &str) -> Part {
    Part {
        column: Column {
            name: name.to_owned(),
            kind: Kind::Numbers,
            unit,
            description: Some(description.to_owned()),
        },
        of: Type::Constant(number),
        dataset: None,
        is_big: false,
        at: 0,
        stride: 0,
    }
}

fn is_short(dims: &[u64]) -> bool {
    matches!(
        dims.iter().try_fold(1_u64, |all, &dim| all.checked_mul(dim)),
        Some(1..=MOST_NUMBERS)
    )
}

fn kind(of: Type) -> Kind {
    match of {
        Type::Integer { .. } | Type::Single | Type::Double | Type::Constant(_) => Kind::Numbers,
        Type::Text(_) | Type::Strings => Kind::Texts,
        Type::Flag => Kind::Other("truth values"),
        Type::Other(noun) => Kind::Other(noun),
    }
}

/// The type of a value, and whether its first byte is the largest.
fn of(datatype: &Datatype) -> (Type, bool) {
    match datatype {
        Datatype::FixedPoint {
            size: bytes @ (1 | 2 | 4 | 8),
            signed,
            byte_order,
        } => {
            let (bytes, is_signed) = (usize::from(*bytes), *signed);
            (Type::Integer { bytes, is_signed }, *byte_order == ByteOrder::BigEndian)
        }
        Datatype::FloatingPoint { size: 4, byte_order } => (Type::Single, *byte_order == ByteOrder::BigEndian),
        Datatype::FloatingPoint { size: 8, byte_order } => (Type::Double, *byte_order == ByteOrder::BigEndian),
        Datatype::FloatingPoint { .. } => (Type::Other("numbers of another precision"), false),
        // As h5py keeps truth values.
        Datatype::Enum { base, members } if members.len() == 2 && size_of(base) == 1 => {
            let is_flag = members
                .iter()
                .all(|member| ["FALSE", "TRUE"].contains(&member.name.as_str()));
            (
                if is_flag {
                    Type::Flag
                } else {
                    Type::Other("enumerations")
                },
                false,
            )
        }
        Datatype::String {
            size: StringSize::Fixed(bytes),
            ..
        } => (Type::Text(*bytes as usize), false),
        Datatype::String { .. }
        | Datatype::VarLen {
            kind: VarLenKind::String,
            ..
        } => (Type::Strings, false),
        Datatype::VarLen { .. } | Datatype::Array { .. } => (Type::Other("lists"), false),
        Datatype::Enum { .. } => (Type::Other("enumerations"), false),
        _ => (Type::Other("values of another type"), false),
    }
}

/// Bytes of one value.
fn size_of(datatype: &Datatype) -> usize {
    match datatype {
        Datatype::FixedPoint { size, .. } | Datatype::FloatingPoint { size, .. } | Datatype::Bitfield { size, .. } => {
            usize::from(*size)
        }
        Datatype::String {
            size: StringSize::Fixed(bytes),
            ..
        } => *bytes as usize,
        Datatype::Enum { base, .. } => size_of(base),
        _ => 0,
    }
}

impl Part {
    /// The value in a row of the bytes of its dataset.
    pub fn value<'a>(&self, bytes: &'a [u8], row: usize) -> Value<'a> {
        let begin = row.saturating_mul(self.stride).saturating_add(self.at);
        let get = |length: usize| bytes.get(begin..begin.saturating_add(length));
        match self.of {
            Type::Integer { bytes, is_signed } => {
                let Some(found) = get(bytes) else { return Value::Missing };
                let mut wide = [0; 8];
                wide[..bytes].copy_from_slice(found);
                if self.is_big {
                    wide[..bytes].reverse();
                }
                let number = u64::from_le_bytes(wide);
                if is_signed {
                    let unused = 64 - 8 * bytes as u32;
                    Value::Whole((number << unused) as i64 >> unused)
                } else {
                    i64::try_from(number).map_or(Value::Unsigned(number), Value::Whole)
                }
            }
            Type::Single => self
                .array(get(4))
                .map_or(Value::Missing, |bytes| Value::Single(f32::from_le_bytes(bytes))),
            Type::Double => self
                .array(get(8))
                .map_or(Value::Missing, |bytes| Value::Double(f64::from_le_bytes(bytes))),
            Type::Flag => get(1).map_or(Value::Missing, |byte| Value::Flag(byte != [0])),
            Type::Text(length) => get(length).map_or(Value::Missing, |text| {
                let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
                Value::Text(text[..end].trim_ascii_end())
            }),
            Type::Constant(number) => Value::Double(number),
            Type::Strings | Type::Other(_) => Value::Missing,
        }
    }

    fn array<const N: usize>(&self, bytes: Option<&[u8]>) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = bytes?.try_into().ok()?;
        if self.is_big {
            bytes.reverse();
        }
        Some(bytes)
    }
}
