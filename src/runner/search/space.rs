//! What a searched parameter may be, and its place between 0 and 1.

use serde::Serialize;
use serde_json::Value;

/// A searched parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// The parameter.
    pub name: String,
    /// What it may be.
    pub values: Values,
    /// Its unit, if its ends have one.
    pub unit: Option<String>,
    /// When it is searched; otherwise it is as in `params`.
    pub when: Option<Condition>,
}

/// That another searched parameter has one of some values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// The other parameter.
    pub name: String,
    /// The values.
    pub is: Vec<Value>,
}

/// What a parameter may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// A number between two, all alike.
    Uniform(f64, f64),
    /// A number between two, its logarithms all alike.
    Log(f64, f64),
    /// A whole number from one to another, all alike.
    Integer(i64, i64),
    /// The same, their logarithms all alike.
    LogInteger(i64, i64),
    /// One of some values.
    Choice(Vec<Value>),
}

impl Values {
    /// How many there are, if they are no numbers with an order.
    pub(super) fn choices(&self) -> Option<usize> {
        match self {
            Self::Choice(all) => Some(all.len()),
            _ => None,
        }
    }
}

impl Axis {
    /// The value at a place between 0 and 1.
    pub(super) fn at(&self, place: f64) -> Value {
        let between = |from: f64, to: f64| from + (to - from) * place;
        let number = |value: f64, from: f64, to: f64| {
            let short = format!("{value:.3e}").parse().unwrap_or(value);
            self.with_unit(Value::from(if from < to { short.clamp(from, to) } else { from }))
        };
        let whole = |value: f64, least: i64, most: i64| {
            #[expect(clippy::cast_possible_truncation, reason = "within the ends")]
            let whole = value.floor() as i64;
            self.with_unit(Value::from(whole.clamp(least, most)))
        };
        match &self.values {
            Values::Uniform(from, to) => number(between(*from, *to), *from, *to),
            Values::Log(from, to) => number(from * (to / from).powf(place), *from, *to),
            Values::Integer(least, most) => whole(between(*least as f64, *most as f64 + 1.0), *least, *most),
            Values::LogInteger(least, most) => {
                let (from, to) = (*least as f64, *most as f64 + 1.0);
                whole(from * (to / from).powf(place), *least, *most)
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the list")]
            Values::Choice(all) => all[((place * all.len() as f64) as usize).min(all.len() - 1)].clone(),
        }
    }

    /// The place of a value between 0 and 1: of a whole number or a choice, the middle of its share.
    pub(super) fn place(&self, value: &Value) -> f64 {
        let number = match (value, &self.unit) {
            (Value::String(text), Some(unit)) => text
                .strip_suffix(unit.as_str())
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(f64::NAN),
            (value, _) => value.as_f64().unwrap_or(f64::NAN),
        };
        let place = match &self.values {
            Values::Uniform(from, to) => (number - from) / (to - from),
            Values::Log(from, to) => (number / from).ln() / (to / from).ln(),
            Values::Integer(least, most) => (number + 0.5 - *least as f64) / (most - least + 1) as f64,
            Values::LogInteger(least, most) => {
                let (from, to) = (*least as f64, *most as f64 + 1.0);
                ((number * (number + 1.0)).sqrt() / from).ln() / (to / from).ln()
            }
            Values::Choice(all) => {
                let index = all.iter().position(|choice| choice == value).unwrap_or(0);
                (index as f64 + 0.5) / all.len() as f64
            }
        };
        if place.is_nan() { 0.5 } else { place.clamp(0.0, 1.0) }
    }

    fn with_unit(&self, number: Value) -> Value {
        match &self.unit {
            Some(unit) => Value::String(format!("{number} {unit}")),
            None => number,
        }
    }
}
