//! Fields of a VOTable, and the columns that they are.

use std::path::Path;

use super::damaged;
use crate::cells::{Value, clipped};
use crate::error::FormatError;
use crate::table::{Column, Kind};

/// Numbers in a row of one field, of which each is a column by itself.
const MOST_NUMBERS: usize = 100;

/// How a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Bit,
    Byte,
    Short,
    Int,
    Long,
    Char,
    Unicode,
    Float,
    Double,
    Complex { bytes: usize },
}

/// How many values a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Fixed(usize),
    /// Each row says it.
    Variable,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    name: String,
    unit: Option<String>,
    pub description: Option<String>,
    pub of: Type,
    pub size: Size,
    /// What stands for no value.
    pub null: Option<String>,
    /// Whether it is written as an array, if of one.
    is_array: bool,
}

/// A column: a field, or one number of each of its rows.
pub(super) struct Part {
    pub column: Column,
    pub field: usize,
    pub element: Option<usize>,
}

impl Type {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "boolean" => Self::Boolean,
            "bit" => Self::Bit,
            "unsignedByte" => Self::Byte,
            "short" => Self::Short,
            "int" => Self::Int,
            "long" => Self::Long,
            "char" => Self::Char,
            "unicodeChar" => Self::Unicode,
            "float" => Self::Float,
            "double" => Self::Double,
            "floatComplex" => Self::Complex { bytes: 8 },
            "doubleComplex" => Self::Complex { bytes: 16 },
            _ => return None,
        })
    }

    /// Bytes of `count` values.
    pub fn bytes(self, count: usize) -> Option<usize> {
        count.checked_mul(match self {
            Self::Bit => return Some(count.div_ceil(8)),
            Self::Boolean | Self::Byte | Self::Char => 1,
            Self::Short | Self::Unicode => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
            Self::Complex { bytes } => bytes,
        })
    }
}

impl Field {
    pub fn new(path: &Path, place: usize, attribute: &dyn Fn(&str) -> Option<String>) -> Result<Self, FormatError> {
        let name = attribute("name")
            .or_else(|| attribute("ID"))
            .filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("col{}", place + 1));
        let word = attribute("datatype").unwrap_or_default();
        let of = Type::of(&word).ok_or_else(|| {
            damaged(
                path,
                &format!("field {} has the datatype \"{}\"", clipped(&name), clipped(&word)),
            )
        })?;
        let arraysize = attribute("arraysize").filter(|size| !size.is_empty());
        let size = match &arraysize {
            None => Size::Fixed(1),
            Some(text) if text.ends_with('*') => Size::Variable,
            Some(text) => {
                let mut parts = text.split('x').map(|part| part.trim().parse::<usize>().ok());
                let product = parts.try_fold(1_usize, |all, part| all.checked_mul(part?));
                let product = product.filter(|count| *count < 1 << 31);
                Size::Fixed(product.ok_or_else(|| {
                    damaged(
                        path,
                        &format!("field {} has the arraysize \"{}\"", clipped(&name), clipped(text)),
                    )
                })?)
            }
        };
        Ok(Self {
            name,
            unit: attribute("unit").filter(|unit| !unit.is_empty()),
            description: None,
            of,
            size,
            null: None,
            is_array: arraysize.is_some(),
        })
    }
}

/// A truth value as it is written.
pub(super) fn flag<'a>(text: &[u8]) -> Value<'a> {
    match text.first() {
        Some(b'T' | b't' | b'1') => Value::Flag(true),
        Some(b'F' | b'f' | b'0') => Value::Flag(false),
        _ => Value::Missing,
    }
}

/// The columns of all fields.
pub(super) fn parts(fields: &[Field]) -> Vec<Part> {
    let of = |(place, field): (usize, &Field)| {
        let part = |name: String, kind, element| Part {
            column: Column {
                name,
                kind,
                unit: field.unit.clone(),
                description: field.description.clone(),
            },
            field: place,
            element,
        };
        let whole = |kind| vec![part(field.name.clone(), kind, None)];
        match (field.of, field.size) {
            (Type::Char | Type::Unicode, _) => whole(Kind::Texts),
            (Type::Complex { .. }, _) => whole(Kind::Other("complex numbers")),
            (Type::Boolean | Type::Bit, Size::Fixed(1)) => whole(Kind::Other("truth values")),
            (_, Size::Fixed(1)) if !field.is_array => whole(Kind::Numbers),
            (Type::Boolean | Type::Bit, _) | (_, Size::Variable | Size::Fixed(0)) => whole(Kind::Other("lists")),
            (_, Size::Fixed(1)) => whole(Kind::Numbers),
            (_, Size::Fixed(count)) if count > MOST_NUMBERS => whole(Kind::Other("lists")),
            (_, Size::Fixed(count)) => (0..count)
                .map(|element| part(format!("{}[{element}]", field.name), Kind::Numbers, Some(element)))
                .collect(),
        }
    };
    fields.iter().enumerate().flat_map(of).collect()
}
