//! The values of a column: numbers, or the labels of streams and stars.

use std::collections::HashMap;

use arrow::array::{Array, ArrayBuilder, ArrayRef, Float64Array, Float64Builder};

use crate::kept::{Kept, Type, TypeFinder};

/// Texts that stand for a missing value, in small letters.
const MISSING: [&str; 10] = ["", "null", "none", "n/a", "na", "<na>", "--", "-", "nan", "masked"];

/// Longest part of a text that a message shows.
const SHOWN: usize = 40;

/// Odd texts that are kept of a column, for messages.
const KEPT: usize = 10_000;

/// The beginning of a text, for a message.
pub fn clipped(text: &str) -> String {
    let mut clipped: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        clipped.push('…');
    }
    clipped
}

/// Bytes as text: UTF-8, or else Latin-1.
pub(crate) fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
    }
}

pub(crate) fn is_missing(text: &str) -> bool {
    text.is_empty() || (text.len() <= 6 && MISSING.contains(&text.to_ascii_lowercase().as_str()))
}

/// What a column is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Numbers.
    Number,
    /// Names or whole numbers.
    Label,
    /// As it is, of whatever type.
    Kept,
}

/// The cells of a column.
pub enum Cells {
    /// Read as numbers.
    Numbers(Numbers),
    /// Read as labels.
    Labels(Labels),
    /// Kept as it is: whole numbers, numbers, texts or truth values.
    Kept(ArrayRef),
}

/// A value as a file has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Missing,
    Whole(i64),
    Unsigned(u64),
    Double(f64),
    Single(f32),
    Flag(bool),
    Text(&'a [u8]),
}

/// Makes a column.
pub(crate) enum ColumnBuilder {
    Numbers(NumbersBuilder),
    Labels(Labels),
    Kept(Kept),
    /// A column to keep, whose type is not known yet.
    Unknown(TypeFinder),
}

impl ColumnBuilder {
    pub fn numbers() -> Self {
        Self::Numbers(NumbersBuilder::default())
    }

    pub fn labels() -> Self {
        Self::Labels(Labels::default())
    }

    pub fn kept(of: Type) -> Self {
        Self::Kept(Kept::new(of))
    }

    /// One whose type is to be found; of a file that writes all as texts, these may be numbers.
    pub fn unknown(is_text: bool) -> Self {
        Self::Unknown(TypeFinder::new(is_text))
    }

    pub fn push(&mut self, value: Value) {
        match self {
            Self::Numbers(numbers) => numbers.push_value(value),
            Self::Labels(labels) => labels.push_value(value),
            Self::Kept(kept) => kept.push(value),
            Self::Unknown(finder) => finder.push(value),
        }
    }

    /// The column; none where only its type is found.
    pub fn finish(self) -> Option<Cells> {
        match self {
            Self::Numbers(numbers) => Some(Cells::Numbers(numbers.finish())),
            Self::Labels(labels) => Some(Cells::Labels(labels)),
            Self::Kept(kept) => Some(Cells::Kept(kept.finish())),
            Self::Unknown(_) => None,
        }
    }

    /// The type of a column to keep, once all its values were seen.
    pub fn found_type(&self) -> Option<Type> {
        match self {
            Self::Unknown(finder) => Some(finder.found()),
            _ => None,
        }
    }
}

/// A column of numbers: 8 bytes each, so that many millions of rows fit into memory.
pub struct Numbers {
    values: Float64Array,
    /// What stands where there should be a number, by row.
    odd: HashMap<usize, String>,
}

impl Numbers {
    /// A finite number, or why there is none.
    pub fn get(&self, row: usize) -> Result<f64, String> {
        if self.values.is_null(row) {
            return Err(self.odd.get(&row).cloned().unwrap_or_else(|| "missing".to_owned()));
        }
        match self.values.value(row) {
            number if number.is_nan() => Err("NaN".to_owned()),
            number if number.is_infinite() => Err("infinite".to_owned()),
            number => Ok(number),
        }
    }

    /// Whether there is nothing: no value, or NaN.
    pub fn is_missing(&self, row: usize) -> bool {
        if self.values.is_null(row) {
            return !self.odd.contains_key(&row);
        }
        self.values.value(row).is_nan()
    }
}

/// Makes a column of numbers.
#[derive(Default)]
pub(crate) struct NumbersBuilder {
    values: Float64Builder,
    odd: HashMap<usize, String>,
}

impl NumbersBuilder {
    pub fn push(&mut self, value: Option<f64>) {
        self.values.append_option(value);
    }

    pub fn push_value(&mut self, value: Value) {
        match value {
            Value::Missing => self.push(None),
            Value::Whole(number) => self.push(Some(number as f64)),
            Value::Unsigned(number) => self.push(Some(number as f64)),
            Value::Double(number) => self.push(Some(number)),
            Value::Single(number) => self.push(Some(number.into())),
            Value::Flag(flag) => self.push_text(if flag { b"true" } else { b"false" }),
            Value::Text(text) => self.push_text(text),
        }
    }

    /// A number as it is written.
    pub fn push_text(&mut self, bytes: &[u8]) {
        let text = decoded(bytes.trim_ascii());
        let number = text.parse().ok().or_else(|| {
            // Fortran writes 1.5D+02.
            let is_fortran = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            is_fortran.then(|| text.replace(['d', 'D'], "e").parse().ok()).flatten()
        });
        if number.is_none() && !is_missing(&text) && self.odd.len() < KEPT {
            let reason = format!("\"{}\", {}", clipped(&text), unlike_a_number(&text));
            self.odd.insert(self.values.len(), reason);
        }
        self.values.append_option(number);
    }

    pub fn finish(mut self) -> Numbers {
        Numbers {
            values: self.values.finish(),
            odd: self.odd,
        }
    }
}

/// Why a text is no number.
fn unlike_a_number(text: &str) -> &'static str {
    let is_sexagesimal = text.split(':').count() == 3 && text.split(':').all(|part| part.parse::<f64>().is_ok());
    if is_sexagesimal {
        "not a number: write degrees"
    } else if text.matches(',').count() == 1 && text.replace(',', ".").parse::<f64>().is_ok() {
        "not a number: write a point for the comma"
    } else {
        "not a number"
    }
}

/// What a stream or star is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Nothing.
    Missing,
    /// A whole number, written as such.
    Number(i64),
    /// Any other text: its place among the column's names.
    Name(u32),
    /// What can be neither: the place of its reason.
    Bad(u32),
}

/// Different texts, numbered as they appear.
#[derive(Default)]
struct Texts {
    places: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// A column of labels. A whole number is exact whatever type it comes in, and a text is a number only if it is written as one: `7`,
/// but not `07`.
#[derive(Default)]
pub struct Labels {
    rows: Vec<Label>,
    names: Texts,
    reasons: Texts,
}

/// From here on a number in double precision may stand for several whole ones.
const EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;
/// From here on one in single precision may.
const EXACT_SINGLE: f64 = 16_777_216.0;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 255;

impl Labels {
    /// The numbers of `rows` rows, which come after the first `before`, from 1.
    pub fn counted(before: usize, rows: usize) -> Self {
        let before = before as i64;
        Self {
            rows: (1..=rows as i64).map(|row| Label::Number(before + row)).collect(),
            ..Self::default()
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The label in a row.
    pub fn get(&self, row: usize) -> Label {
        self.rows[row]
    }

    /// How many names there are.
    pub fn names(&self) -> usize {
        self.names.texts.len()
    }

    /// The name at `place`.
    pub fn name(&self, place: u32) -> &str {
        &self.names.texts[place as usize]
    }

    /// Why the label at `place` can be none.
    pub fn reason(&self, place: u32) -> &str {
        &self.reasons.texts[place as usize]
    }

    pub(crate) fn push(&mut self, label: Label) {
        self.rows.push(label);
    }

    fn push_bad(&mut self, reason: &str) {
        // So many different reasons are shown as one.
        let is_many = self.reasons.texts.len() >= KEPT;
        let place = self.reasons.place(if is_many { "not a label" } else { reason });
        self.rows.push(Label::Bad(place));
    }

    pub(crate) fn push_value(&mut self, value: Value) {
        match value {
            Value::Missing => self.push(Label::Missing),
            Value::Whole(number) => self.push(Label::Number(number)),
            Value::Unsigned(number) => self.push_unsigned(number),
            Value::Double(number) => self.push_float(number, false),
            Value::Single(number) => self.push_float(number.into(), true),
            Value::Flag(flag) => self.push_text(if flag { b"true" } else { b"false" }),
            Value::Text(text) => self.push_text(text),
        }
    }

    /// A whole number from 0 to 2^64.
    pub(crate) fn push_unsigned(&mut self, number: u64) {
        match i64::try_from(number) {
            Ok(number) => self.rows.push(Label::Number(number)),
            Err(_) => self.push_bad(&format!("{number}, too large for a whole number of 64 bits")),
        }
    }

    /// A whole number that was kept as a floating-point one.
    pub(crate) fn push_float(&mut self, number: f64, is_single: bool) {
        let (exact, precision) = if is_single {
            (EXACT_SINGLE, "single")
        } else {
            (EXACT_DOUBLE, "double")
        };
        if number.is_nan() {
            self.rows.push(Label::Missing);
        } else if number.fract() != 0.0 {
            self.push_bad(&format!("{number}, not a whole number"));
        } else if number.abs() >= exact {
            let reason =
                format!("{number:e}, too large for a number in {precision} precision: ids run into each other");
            self.push_bad(&reason);
        } else {
            self.rows.push(Label::Number(number as i64));
        }
    }

    /// A label as it is written.
    pub fn push_text(&mut self, bytes: &[u8]) {
        // Fixed lengths are filled with zeros or spaces.
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let text = decoded(bytes[..end].trim_ascii());
        if is_missing(&text) {
            return self.rows.push(Label::Missing);
        }
        if let Some(number) = whole(&text) {
            return self.rows.push(Label::Number(number));
        }
        if text.contains('.') && text.parse::<f64>().is_ok() {
            let is_rounded = text.contains(['e', 'E']);
            let what = if is_rounded {
                "rounded: write the whole number in full"
            } else {
                "not a whole number"
            };
            return self.push_bad(&format!("{}, {what}", clipped(&text)));
        }
        if text.len() > LONGEST_NAME {
            return self.push_bad(&format!("\"{}\", too long for a name", clipped(&text)));
        }
        let place = self.names.place(&text);
        self.rows.push(Label::Name(place));
    }
}

/// The number that `text` is the usual way to write: no zeros or plus before it, and no decimals but zeros.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_usual = digits == "0" && whole == "0" || !digits.starts_with('0');
    let is_whole = is_usual && !whole.starts_with('+') && decimals.bytes().all(|digit| digit == b'0');
    is_whole.then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn label(text: &str) -> (Label, Labels) {
        let mut labels = Labels::default();
        labels.push_text(text.as_bytes());
        (labels.get(0), labels)
    }

    #[test]
    fn numbers_are_what_is_written_as_one() {
        for (text, number) in [
            ("7", 7),
            ("0", 0),
            ("-3", -3),
            ("7.0", 7),
            ("7.", 7),
            (" 12 ", 12),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(label(text).0, Label::Number(number), "{text}");
        }
        for text in [
            "007",
            "+7",
            "-0",
            "00",
            "7a",
            "5e10",
            "1_000",
            "9223372036854775808",
            "GD-1",
            "Pal 5",
            "inf",
        ] {
            assert!(matches!(label(text).0, Label::Name(_)), "{text}");
        }
        for text in ["", " ", "nan", "NaN", "null", "--", "N/A"] {
            assert_eq!(label(text).0, Label::Missing, "{text}");
        }
        for (text, reason) in [
            ("1.5", "1.5, not a whole number"),
            ("5.85e+18", "5.85e+18, rounded: write the whole number in full"),
        ] {
            let (found, labels) = label(text);
            assert_eq!(found, Label::Bad(0), "{text}");
            assert_eq!(labels.reason(0), reason);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_of_64_bits_are_exact_from_any_type(number: i64) {
            let mut labels = Labels::default();
            labels.push_text(number.to_string().as_bytes());
            labels.push_text(format!("{number}.000").as_bytes());
            labels.push_float(number as f64, false);
            labels.push_float((number as f32).into(), true);
            prop_assert_eq!(labels.get(0), Label::Number(number));
            prop_assert_eq!(labels.get(1), Label::Number(number));
            for row in [2, 3] {
                let found = labels.get(row);
                prop_assert!(found == Label::Number(number) || matches!(found, Label::Bad(_)), "{:?}", found);
            }
        }

        #[test]
        fn names_are_never_other_names(texts in prop::collection::vec("[ -~]{0,6}", 1..20)) {
            let mut labels = Labels::default();
            texts.iter().for_each(|text| labels.push_text(text.as_bytes()));
            for (row, text) in texts.iter().enumerate() {
                match labels.get(row) {
                    Label::Name(place) => prop_assert_eq!(labels.name(place), text.trim()),
                    Label::Number(number) => prop_assert_eq!(text.trim().parse::<f64>(), Ok(number as f64)),
                    Label::Missing | Label::Bad(_) => {}
                }
            }
        }
    }
}
