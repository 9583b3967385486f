//! Columns of a binary table: where their bytes stand in a row, and what they mean.

use std::path::Path;

use super::header::Header;
use crate::cells::{Value, clipped};
use crate::error::FormatError;
use crate::table::{Column, Kind};

pub(super) type Cell<'a> = Value<'a>;

/// Numbers in a row of one column, of which each is a column by itself: positions, velocities, covariances.
const MOST_NUMBERS: usize = 100;

/// How a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Flag,
    Byte,
    Short,
    Int,
    Long,
    Single,
    Double,
    Text,
    Other(&'static str),
}

/// One column of numbers or texts: a column of the file, or one number of each of its rows.
pub(super) struct Part {
    pub column: Column,
    of: Type,
    at: usize,
    bytes: usize,
    /// Value of a whole number that stands for none.
    null: Option<i64>,
    scale: Scale,
}

/// TSCAL and TZERO.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    None,
    /// A whole number is added: unsigned integers.
    Added(i128),
    Linear {
        factor: f64,
        zero: f64,
    },
}

impl Type {
    /// By the letter of TFORM, with the bytes of one value.
    fn of(letter: char) -> Option<(Self, usize)> {
        Some(match letter {
            'L' => (Self::Flag, 1),
            'B' => (Self::Byte, 1),
            'I' => (Self::Short, 2),
            'J' => (Self::Int, 4),
            'K' => (Self::Long, 8),
            'E' => (Self::Single, 4),
            'D' => (Self::Double, 8),
            'A' => (Self::Text, 1),
            'X' => (Self::Other("bits"), 1),
            'C' => (Self::Other("complex numbers"), 8),
            'M' => (Self::Other("complex numbers"), 16),
            'P' => (Self::Other("lists"), 8),
            'Q' => (Self::Other("lists"), 16),
            _ => return None,
        })
    }
}

/// What column `field` of the header is, and how many bytes it has in a row, from byte `at`.
pub(super) fn parts(path: &Path, header: &Header, field: u64, at: usize) -> Result<(Vec<Part>, usize), FormatError> {
    let key = |word: &str| format!("{word}{field}");
    let text = |word: &str| header.text(&key(word)).map(str::trim).filter(|text| !text.is_empty());
    let form = text("TFORM").unwrap_or_default();
    let unreadable = || {
        let message = format!(
            "{} is damaged: column {field} has TFORM \"{}\"",
            path.display(),
            clipped(form)
        );
        FormatError::unfit(message)
    };
    let digits = form.len() - form.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let repeat: usize = if digits == 0 {
        1
    } else {
        form[..digits].parse().map_err(|_| unreadable())?
    };
    let letter = form[digits..].chars().next().ok_or_else(unreadable)?;
    let (of, bytes) = Type::of(letter).ok_or_else(unreadable)?;
    let width = if letter == 'X' {
        Some(repeat.div_ceil(8))
    } else {
        repeat.checked_mul(bytes)
    };
    // A row has at most 2^31 bytes in all libraries.
    let width = width.filter(|width| *width < 1 << 31).ok_or_else(unreadable)?;

    let name = text("TTYPE").map_or_else(|| format!("col{field}"), str::to_owned);
    let description = text("TCOMM").or(text("TDESC")).map(str::to_owned);
    let number = |word: &str| {
        let plain = header.plain(&key(word))?;
        plain.replace(['D', 'd'], "e").parse::<f64>().ok()
    };
    let part = |name: String, kind, of, at, bytes| Part {
        column: Column {
            name,
            kind,
            unit: text("TUNIT").map(str::to_owned),
            description: description.clone(),
        },
        of,
        at,
        bytes,
        null: header.plain(&key("TNULL")).and_then(|text| text.parse().ok()),
        scale: scale(of, number("TSCAL").unwrap_or(1.0), number("TZERO").unwrap_or(0.0)),
    };
    let parts = match (of, repeat) {
        (_, 0) => Vec::new(),
        (Type::Text, _) => vec![part(name, Kind::Texts, of, at, width)],
        (Type::Flag, 1) => vec![part(name, Kind::Other("truth values"), of, at, width)],
        (Type::Other(noun), _) => vec![part(name, Kind::Other(noun), of, at, width)],
        (_, 1) => vec![part(name, Kind::Numbers, of, at, width)],
        (Type::Flag, _) | (_, MOST_NUMBERS..) => {
            vec![part(name, Kind::Other("lists"), Type::Other("lists"), at, width)]
        }
        _ => (0..repeat)
            .map(|place| part(format!("{name}[{place}]"), Kind::Numbers, of, at + place * bytes, bytes))
            .collect(),
    };
    Ok((parts, width))
}

fn scale(of: Type, factor: f64, zero: f64) -> Scale {
    let is_whole = matches!(of, Type::Byte | Type::Short | Type::Int | Type::Long);
    if factor == 1.0 && zero == 0.0 {
        Scale::None
    } else if is_whole && factor == 1.0 && zero.fract() == 0.0 && zero.abs() < 1e30 {
        Scale::Added(zero as i128)
    } else {
        Scale::Linear { factor, zero }
    }
}

impl Part {
    /// The value in a row.
    pub fn cell<'a>(&self, row: &'a [u8]) -> Cell<'a> {
        let bytes = row.get(self.at..self.at + self.bytes).unwrap_or_default();
        match self.of {
            Type::Byte => self.whole(bytes.first().map(|&byte| byte.into())),
            Type::Short => self.whole(array(bytes).map(|bytes| i16::from_be_bytes(bytes).into())),
            Type::Int => self.whole(array(bytes).map(|bytes| i32::from_be_bytes(bytes).into())),
            Type::Long => self.whole(array(bytes).map(i64::from_be_bytes)),
            Type::Single => match (array(bytes).map(f32::from_be_bytes), self.scale) {
                (Some(number), Scale::None) => Value::Single(number),
                (number, scale) => scaled(number.map(f64::from), scale),
            },
            Type::Double => scaled(array(bytes).map(f64::from_be_bytes), self.scale),
            Type::Flag => match bytes.first() {
                Some(b'T') => Value::Flag(true),
                Some(b'F') => Value::Flag(false),
                _ => Value::Missing,
            },
            Type::Text => {
                let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
                Value::Text(bytes[..end].trim_ascii_end())
            }
            Type::Other(_) => Value::Missing,
        }
    }

    fn whole<'a>(&self, number: Option<i64>) -> Cell<'a> {
        let Some(number) = number.filter(|number| Some(*number) != self.null) else {
            return Value::Missing;
        };
        match self.scale {
            Scale::None => Value::Whole(number),
            Scale::Added(zero) => {
                let sum = i128::from(number) + zero;
                match (i64::try_from(sum), u64::try_from(sum)) {
                    (Ok(sum), _) => Value::Whole(sum),
                    (Err(_), Ok(sum)) => Value::Unsigned(sum),
                    (Err(_), Err(_)) => Value::Double(sum as f64),
                }
            }
            Scale::Linear { .. } => scaled(Some(number as f64), self.scale),
        }
    }
}

fn scaled<'a>(number: Option<f64>, scale: Scale) -> Cell<'a> {
    match (number, scale) {
        (None, _) => Value::Missing,
        (Some(number), Scale::Linear { factor, zero }) => Value::Double(number * factor + zero),
        (Some(number), _) => Value::Double(number),
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
