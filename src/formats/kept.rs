//! Columns that are kept as the file has them, of whatever type: whole numbers, numbers, texts, truth values.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};

use crate::cells::{Value, decoded, is_missing, whole};

/// Makes a column of the type of its first value.
pub(crate) struct Kept {
    column: Typed,
    /// Whether texts may be numbers, as all are in a text file.
    infers: bool,
}

enum Typed {
    /// Nothing yet, in so many rows.
    Unknown(usize),
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Flag(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
}

impl Kept {
    pub fn new(infers: bool) -> Self {
        Self {
            column: Typed::Unknown(0),
            infers,
        }
    }

    pub fn push(&mut self, value: Value) {
        let text = match value {
            Value::Text(bytes) => Some(decoded(bytes.trim_ascii()).into_owned()).filter(|text| !is_missing(text)),
            Value::Unsigned(number) => Some(number.to_string()),
            _ => None,
        };
        if let Typed::Unknown(rows) = self.column {
            self.column = match value {
                Value::Missing => Typed::Unknown(rows),
                Value::Whole(_) => Typed::Whole(vec![None; rows]),
                Value::Double(_) | Value::Single(_) => Typed::Number(vec![None; rows]),
                Value::Flag(_) => Typed::Flag(vec![None; rows]),
                Value::Unsigned(_) | Value::Text(_) => Typed::Text(vec![None; rows]),
            };
        }
        match (&mut self.column, value) {
            (Typed::Unknown(rows), _) => *rows += 1,
            (Typed::Whole(rows), Value::Whole(number)) => rows.push(Some(number)),
            (Typed::Whole(rows), Value::Missing) => rows.push(None),
            (Typed::Number(rows), Value::Whole(number)) => rows.push(Some(number as f64)),
            (Typed::Number(rows), Value::Double(number)) => rows.push(Some(number).filter(|number| number.is_finite())),
            (Typed::Number(rows), Value::Single(number)) => {
                rows.push(Some(f64::from(number)).filter(|number| number.is_finite()));
            }
            (Typed::Number(rows), Value::Missing) => rows.push(None),
            (Typed::Flag(rows), Value::Flag(flag)) => rows.push(Some(flag)),
            (Typed::Flag(rows), Value::Missing) => rows.push(None),
            (Typed::Text(rows), Value::Missing) => rows.push(None),
            (Typed::Text(rows), Value::Whole(number)) => rows.push(Some(number.to_string())),
            (Typed::Text(rows), _) => rows.push(text),
            // A whole number of 64 bits without sign among others: digits hold both.
            (Typed::Whole(rows), _) => {
                let mut texts: Vec<_> = rows
                    .iter()
                    .map(|number| number.map(|number| number.to_string()))
                    .collect();
                texts.push(text);
                self.column = Typed::Text(texts);
            }
            // A column has one type; the readers give no other.
            (Typed::Number(rows), _) => rows.push(None),
            (Typed::Flag(rows), _) => rows.push(None),
        }
    }

    /// The column, and nothing of the type where there is no value.
    pub fn finish(self) -> ArrayRef {
        match self.column {
            Typed::Unknown(rows) => numbers(vec![None; rows]),
            Typed::Whole(rows) => wholes(rows),
            Typed::Number(rows) => numbers(rows),
            Typed::Flag(rows) => flags(rows),
            Typed::Text(rows) if self.infers => inferred(rows),
            Typed::Text(rows) => texts(rows),
        }
    }
}

fn wholes(rows: Vec<Option<i64>>) -> ArrayRef {
    let mut builder = Int64Builder::with_capacity(rows.len());
    builder.extend(rows);
    Arc::new(builder.finish())
}

fn numbers(rows: Vec<Option<f64>>) -> ArrayRef {
    let mut builder = Float64Builder::with_capacity(rows.len());
    builder.extend(rows);
    Arc::new(builder.finish())
}

fn flags(rows: Vec<Option<bool>>) -> ArrayRef {
    let mut builder = BooleanBuilder::with_capacity(rows.len());
    builder.extend(rows);
    Arc::new(builder.finish())
}

fn texts(rows: Vec<Option<String>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    builder.extend(rows);
    Arc::new(builder.finish())
}

/// All whole numbers, all numbers, all truth values, or texts. `007` is a text: as a number it would be another.
fn inferred(rows: Vec<Option<String>>) -> ArrayRef {
    /// All rows read by `read`, if all that are there can be.
    fn all<T>(rows: &[Option<String>], read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
        rows.iter()
            .map(|row| match row {
                Some(text) => read(text).map(Some),
                None => Some(None),
            })
            .collect()
    }
    let is_padded = |text: &str| {
        let digits = text.trim_start_matches(['+', '-']);
        digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && !is_padded(text))
    };
    let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    // 7.0 is a number, not a whole one.
    if let Some(rows) = all(&rows, |text| whole(text).filter(|_| !text.contains('.'))) {
        wholes(rows)
    } else if let Some(rows) = all(&rows, number) {
        numbers(rows)
    } else if let Some(rows) = all(&rows, flag) {
        flags(rows)
    } else {
        texts(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(infers: bool, values: &[Value]) -> String {
        let mut kept = Kept::new(infers);
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
        assert_eq!(of(&["1", "2.5", "nan"]), "Float64: 1.0 2.5 -");
        assert_eq!(of(&["7.0", "8.0"]), "Float64: 7.0 8.0");
        assert_eq!(of(&["007", "8"]), "Utf8: 007 8");
        assert_eq!(of(&["True", "false", ""]), "Boolean: true false -");
        assert_eq!(of(&["GD-1", "5"]), "Utf8: GD-1 5");
    }
}
