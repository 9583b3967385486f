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
