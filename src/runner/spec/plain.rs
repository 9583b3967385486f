//! Values in words.

use serde_json::Value;

/// A value as a person would write it: `3.334e11`, `0.5`, `paper`, `[1,2]`.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            let magnitude = number.abs();
            if magnitude == 0.0 || (1e-4..1e7).contains(&magnitude) {
                format!("{number}")
            } else {
                format!("{number:e}")
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_short() {
        let written = [
            json!(3.334e11),
            json!(0.5),
            json!(1e-7),
            json!(128),
            json!(0.0),
            json!(5.0),
            json!("paper"),
        ];
        assert_eq!(
            written.map(|value| plain(&value)),
            ["3.334e11", "0.5", "1e-7", "128", "0", "5", "paper"]
        );
    }
}
