//! Canonical JSON: sorted keys, no spaces, shortest numbers that read back the same. Equal values have equal texts.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

/// A JSON value as canonical text, shared by all that have it. It takes a tenth of what the value does, and is hashed as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Canonical(Arc<str>);

impl Canonical {
    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        let mut text = String::new();
        push_value(&mut text, value);
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of the value a type has; `None` where it is of another shape.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }
}

/// `,"key":`, with or without the comma.
pub(crate) fn push_key(text: &mut String, comma: &str, key: &str) {
    text.push_str(comma);
    push_text(text, key);
    text.push(':');
}

/// A string of JSON.
pub(crate) fn push_text(text: &mut String, content: &str) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if content.bytes().all(plain) {
        text.push('"');
        text.push_str(content);
        text.push('"');
    } else {
        text.push_str(&serde_json::to_string(content).unwrap_or_default());
    }
}

/// A JSON value with its keys sorted at every level.
fn push_value(text: &mut String, value: &Value) {
    let mut comma = "";
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                push_key(text, std::mem::replace(&mut comma, ","), key);
                push_value(text, value);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                text.push_str(std::mem::replace(&mut comma, ","));
                push_value(text, value);
            }
            text.push(']');
        }
        Value::String(content) => push_text(text, content),
        Value::Number(number) => push_number(text, number),
        plain => drop(write!(text, "{plain}")),
    }
}

/// A number, of which it does not matter how it was written: 1000 for 1e3 and 1000.0.
fn push_number(text: &mut String, number: &serde_json::Number) {
    /// Above, not every whole number is one of these.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = number
        .as_f64()
        .filter(|value| value.fract() == 0.0 && value.abs() < EXACT);
    let _ = match whole {
        Some(whole) if number.is_f64() => write!(text, "{}", whole as i64),
        _ => write!(text, "{number}"),
    };
}
