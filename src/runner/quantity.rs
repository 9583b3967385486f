//! Numbers with units in a pipeline: which parameters have a unit, their schema says; what a unit is, the program knows.

/// Key of a schema that says what a number measures, with its article: `a length`.
pub const NOUN: &str = "x-noun";
/// Key of a schema that says the unit of a number.
pub const UNIT: &str = "x-unit";

/// Reads a text such as `100 Myr` as a number in `unit`.
pub type ReadQuantity = fn(text: &str, unit: &str) -> Result<f64, NotAQuantity>;

/// Why a text is not a quantity of the unit that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAQuantity {
    /// It is not a number followed by something else.
    NoQuantity,
    /// Nothing is called so.
    UnknownUnit {
        /// What follows the number.
        unit: String,
        /// Units that could stand there.
        allowed: Vec<String>,
    },
    /// It measures something else.
    OtherDimension {
        /// What it measures, with its article: `a time`.
        found: String,
    },
}

/// What a text must look like to be a quantity, as a regular expression for the JSON Schema.
pub const PATTERN: &str = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*[^\s0-9.,/*+_-].*$";

/// Whether a text is a number, a space, and a word or a product of words: `100 Myr`, `3 km/s kpc`.
pub(crate) fn looks_like_quantity(text: &str) -> bool {
    let unit = |unit: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _/^%".contains(&byte);
        unit.starts_with(|first: char| first.is_ascii_alphabetic() || first == '%') && unit.bytes().all(plain)
    };
    text.split_once(' ')
        .is_some_and(|(number, rest)| number.parse::<f64>().is_ok() && unit(rest))
}

/// The number and the unit of a text such as `100 Myr` or `5kpc`.
pub(crate) fn parts(text: &str) -> Option<(f64, &str)> {
    /// No number needs more characters.
    const LONGEST: usize = 40;
    let text = text.trim();
    let ends = text.char_indices().map(|(at, _)| at).take(LONGEST).filter(|at| *at > 0);
    let ends: Vec<usize> = ends.collect();
    ends.into_iter().rev().find_map(|at| {
        let (number, unit) = (text[..at].trim_end(), text[at..].trim_start());
        let digits = number.ends_with(|last: char| last.is_ascii_digit() || last == '.');
        let number = number.parse().ok().filter(|_| digits)?;
        (!unit.is_empty()).then_some((number, unit))
    })
}

/// Whether two texts are the same quantity, but for rounding: `5 kpc` and `5000 pc`.
pub(crate) fn are_equal(one: &str, other: &str, read: ReadQuantity) -> bool {
    let Some((number, unit)) = parts(one) else { return false };
    read(other, unit).is_ok_and(|other| (other - number).abs() <= 1e-14 * number.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_a_number_and_a_unit() {
        for (text, expected) in [
            ("100 Myr", Some((100.0, "Myr"))),
            ("3.3e11 M_sun", Some((3.3e11, "M_sun"))),
            (" -5kpc ", Some((-5.0, "kpc"))),
            ("5e3pc", Some((5000.0, "pc"))),
            ("1. km/s kpc", Some((1.0, "km/s kpc"))),
            ("5", None),
            ("kpc", None),
            ("inf kpc", None),
            ("", None),
            ("φ", None),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
