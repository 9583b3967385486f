//! Columns that are kept as the file has them, of whatever type: whole numbers, numbers, texts, truth values.
//!
//! A file is read twice where it has such columns: what type one has is known when its last value was seen, and by then the first rows
//! have gone on.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};

use crate::cells::{Value, decoded, is_missing, whole};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Whole,
    Number,
    Flag,
    Text,
}

/// Finds the type of a column: that of its first value. Whole numbers among which there is something else are texts, which hold both.
pub(crate) struct TypeFinder {
    first: Option<Type>,
    /// Whether texts may be numbers, as all are in a text file.
    infers: bool,
    are_whole: bool,
    are_numbers: bool,
    are_flags: bool,
}

impl TypeFinder {
    pub fn new(infers: bool) -> Self {
        Self {
            first: None,
            infers,
            are_whole: true,
            are_numbers: true,
            are_flags: true,
        }
    }

    pub fn push(&mut self, value: Value) {
        let own = match value {
            Value::Missing => return,
            Value::Whole(_) => Type::Whole,
            Value::Double(_) | Value::Single(_) => Type::Number,
            Value::Flag(_) => Type::Flag,
            // 64 bits without sign: digits hold them.
            Value::Unsigned(_) | Value::Text(_) => Type::Text,
        };
        match self.first {
            None => self.first = Some(own),
            Some(Type::Whole) if own != Type::Whole => self.first = Some(Type::Text),
            Some(_) => {}
        }
        if self.infers
            && let Some(text) = text_of(value)
        {
            // 7.0 is a number, not a whole one.
            self.are_whole = self.are_whole && whole_of(&text).is_some();
            self.are_numbers = self.are_numbers && number_of(&text).is_some();
            self.are_flags = self.are_flags && flag_of(&text).is_some();
        }
    }

    pub fn found(&self) -> Type {
        match self.first {
            None => Type::Number,
            Some(Type::Text) if self.infers && self.are_whole => Type::Whole,
            Some(Type::Text) if self.infers && self.are_numbers => Type::Number,
            Some(Type::Text) if self.infers && self.are_flags => Type::Flag,
            Some(found) => found,
        }
    }
}

/// A value that is not missing, as a text.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Text(bytes) => Some(decoded(bytes.trim_ascii()).into_owned()).filter(|text| !is_missing(text)),
        Value::Unsigned(number) => Some(number.to_string()),
        Value::Whole(number) => Some(number.to_string()),
        _ => None,
    }
}

fn whole_of(text: &str) -> Option<i64> {
    whole(text).filter(|_| !text.contains('.'))
}

/// `007` is a text, and so is an identity with more digits than a number holds: as numbers they would be others.
fn number_of(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_padded = digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    let number: f64 = text.parse().ok()?;
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_exact = !is_whole || number.abs().to_string() == digits;
    (number.is_finite() && !is_padded && is_exact).then_some(number)
}

fn flag_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Makes a column of a type; what is of another type is missing in it.
pub(crate) enum Kept {
    Whole(Int64Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Text(StringBuilder),
}

impl Kept {
    pub fn new(of: Type) -> Self {
        match of {
            Type::Whole => Self::Whole(Int64Builder::new()),
            Type::Number => Self::Number(Float64Builder::new()),
            Type::Flag => Self::Flag(BooleanBuilder::new()),
            Type::Text => Self::Text(StringBuilder::new()),
        }
    }

    pub fn push(&mut self, value: Value) {
        match self {
            Self::Whole(rows) => rows.append_option(match value {
                Value::Whole(number) => Some(number),
                value => text_of(value).and_then(|text| whole_of(&text)),
            }),
            Self::Number(rows) => {
                let number = match value {
                    Value::Whole(number) => Some(number as f64),
                    Value::Double(number) => Some(number),
                    Value::Single(number) => Some(number.into()),
                    value => text_of(value).and_then(|text| number_of(&text)),
                };
                rows.append_option(number.filter(|number| number.is_finite()));
            }
            Self::Flag(rows) => rows.append_option(match value {
                Value::Flag(flag) => Some(flag),
                value => text_of(value).and_then(|text| flag_of(&text)),
            }),
            Self::Text(rows) => rows.append_option(text_of(value)),
        }
    }

    /// The column.
    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Whole(mut rows) => Arc::new(rows.finish()),
            Self::Number(mut rows) => Arc::new(rows.finish()),
            Self::Flag(mut rows) => Arc::new(rows.finish()),
            Self::Text(mut rows) => Arc::new(rows.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(infers: bool, values: &[Value]) -> String {
        let mut finder = TypeFinder::new(infers);
        values.iter().for_each(|value| finder.push(*value));
        let mut kept = Kept::new(finder.found());
        values.iter().for_each(|value| kept.push(*value));
        let array = kept.finish();
        let shown = arrow::util::display::ArrayFormatter::try_new(
            &array,
            &arrow::util::display::FormatOptions::new().with_null("-"),
        );
        let shown = shown.map(|shown| {
            (0..array.len())
                .map(|row| shown.value(row).to_string())
                .collect::<Vec<_>>()
                .join(" ")
        });
        format!("{}: {}", array.data_type(), shown.unwrap_or_default())
    }

    #[test]
    fn types_are_those_of_the_file() {
        use Value::{Double, Flag, Missing, Text, Unsigned, Whole};
        assert_eq!(kept(false, &[Missing, Whole(7), Missing]), "Int64: - 7 -");
        assert_eq!(
            kept(false, &[Double(1.5), Missing, Double(f64::NAN)]),
            "Float64: 1.5 - -"
        );
        assert_eq!(
            kept(false, &[Whole(1), Unsigned(u64::MAX), Missing]),
            "Utf8: 1 18446744073709551615 -"
        );
        assert_eq!(
            kept(false, &[Flag(true), Missing, Flag(false)]),
            "Boolean: true - false"
        );
        assert_eq!(kept(false, &[Text(b"7"), Text(b""), Text(b"8 ")]), "Utf8: 7 - 8");
        assert_eq!(kept(false, &[Missing, Missing]), "Float64: - -");
    }

    #[test]
    fn texts_of_a_text_file_are_numbers_where_all_are() {
        let of = |texts: &[&'static str]| {
            kept(
                true,
                &texts
                    .iter()
                    .map(|text| Value::Text(text.as_bytes()))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&["9007199254740993", "", "-7"]), "Int64: 9007199254740993 - -7");
        // Beyond 64 bits, or beside what is no whole number, identities stay what they are.
        for other in ["18446744073709551615", "1.5", "340282366920938463463374607431768211457"] {
            let kept = of(&["9007199254740993", other]);
            assert_eq!(kept, format!("Utf8: 9007199254740993 {other}"));
        }
        assert_eq!(of(&["100000000000000000000", "1.5", "+7"]), "Float64: 1e20 1.5 7.0");
        assert_eq!(of(&["1", "2.5", "nan"]), "Float64: 1.0 2.5 -");
        assert_eq!(of(&["7.0", "8.0"]), "Float64: 7.0 8.0");
        assert_eq!(of(&["007", "8"]), "Utf8: 007 8");
        assert_eq!(of(&["True", "false", ""]), "Boolean: true false -");
        assert_eq!(of(&["GD-1", "5"]), "Utf8: GD-1 5");
    }
}
