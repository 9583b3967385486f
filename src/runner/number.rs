//! Serialises numbers that JSON has no form for: NaN and the infinities become strings, so that nothing is lost.

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes a number.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        serializer.collect_str(value)
    }
}

/// Reads a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        #[expect(clippy::cast_precision_loss, reason = "JSON integers stand for the nearest f64")]
        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        #[expect(clippy::cast_precision_loss, reason = "JSON integers stand for the nearest f64")]
        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<f64, E> {
            value.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Number)
}

#[cfg(test)]
mod tests {
    use crate::event::Told;

    #[test]
    fn every_number_survives_a_line_of_json() {
        for value in [
            0.1,
            -0.0,
            3.0,
            1e300,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let told = Told::Metric {
                name: "x".into(),
                value,
                unit: String::new(),
            };
            let text = serde_json::to_string(&told).unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(Told::Metric { value: back, .. }) => {
                    assert!(
                        back.to_bits() == value.to_bits() || back.is_nan() && value.is_nan(),
                        "{text}"
                    );
                }
                other => panic!("{text} gave {other:?}"),
            }
        }
    }
}
