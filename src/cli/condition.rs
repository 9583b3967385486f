//! Conditions on points of a sweep: `width=64`, `errors.delta_J<5`.

use std::cmp::Ordering;

use serde_json::Value;

use crate::report::plain;

/// A condition, as it is written on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// A swept parameter, a measure or a metric.
    pub name: String,
    comparison: Comparison,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtMost,
    AtLeast,
    Not,
    Below,
    Above,
    Is,
}

/// Longer signs before those that they begin with.
const SIGNS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("!=", Comparison::Not),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Is),
];

impl Condition {
    /// Reads one; for the command line.
    pub fn read(text: &str) -> Result<Self, String> {
        let places = SIGNS
            .iter()
            .filter_map(|(sign, comparison)| Some((text.find(sign)?, sign, *comparison)));
        // Of those that begin at one place the longest, which stands first.
        let first = places.reduce(|a, b| if b.0 < a.0 { b } else { a });
        let (at, sign, comparison) = first.ok_or("write NAME=VALUE, NAME<VALUE and so on")?;
        let [name, value] = [&text[..at], &text[at + sign.len()..]].map(|part| part.trim().to_owned());
        if name.is_empty() || value.is_empty() {
            return Err("write NAME=VALUE, NAME<VALUE and so on".to_owned());
        }
        if value.parse::<f64>().is_ok_and(f64::is_nan) {
            return Err("nothing is equal to NaN, or less or more".to_owned());
        }
        Ok(Self {
            name,
            comparison,
            value,
        })
    }

    /// Whether it holds for a value of a parameter. `5` and `5.0` are the same number.
    pub fn holds(&self, is: &Value) -> bool {
        match (is.as_f64(), self.value.parse::<f64>()) {
            (Some(is), Ok(wanted)) => self.orders(is.partial_cmp(&wanted)),
            _ => match self.comparison {
                Comparison::Is => plain(is) == self.value,
                Comparison::Not => plain(is) != self.value,
                _ => false,
            },
        }
    }

    /// Whether it holds for a number.
    pub fn holds_for(&self, is: f64) -> bool {
        let wanted = self.value.parse::<f64>();
        wanted.is_ok_and(|wanted| self.orders(is.partial_cmp(&wanted)))
    }

    fn orders(&self, order: Option<Ordering>) -> bool {
        order.is_some_and(|order| match self.comparison {
            Comparison::AtMost => order.is_le(),
            Comparison::AtLeast => order.is_ge(),
            Comparison::Not => order.is_ne(),
            Comparison::Below => order.is_lt(),
            Comparison::Above => order.is_gt(),
            Comparison::Is => order.is_eq(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_compare_numbers_as_numbers_and_texts_as_texts() {
        let holds = |text: &str, value: Value| Condition::read(text).unwrap().holds(&value);
        assert!(holds("width=64", json!(64)) && holds("width = 64.0", json!(64)) && !holds("width=64", json!(65)));
        assert!(holds("rate<=1e-3", json!(0.001)) && !holds("rate<1e-3", json!(0.001)));
        assert!(holds("rate>=1e-3", json!(0.001)) && !holds("rate>1e-3", json!(0.001)));
        assert!(
            holds("row=disc, S <= 8", json!("disc, S <= 8")),
            "the first sign counts"
        );
        assert!(holds("row!=halo", json!("disc")) && !holds("row!=halo", json!("halo")));
        assert!(!holds("row<halo", json!("disc")) && holds("a=true", json!(true)));
        assert!(Condition::read("a.b<5").unwrap().holds_for(4.0));
        assert!(!Condition::read("a.b<5").unwrap().holds_for(f64::NAN));
        for wrong in ["", "width", "=3", "width<", "a.b<nan", "a.b=NaN"] {
            assert!(Condition::read(wrong).is_err(), "{wrong}");
        }
    }
}
