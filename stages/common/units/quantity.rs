//! A number with its unit, as a pipeline writes it: `100 Myr`.

use runner::quantity::NotAQuantity;

use super::{Mismatch, Ratio, examples, ratio};

/// Reads `text` as a number in the unit `ours`, to the last bit where the units differ by a whole factor: 700 pc are 0.7 kpc.
pub fn read(text: &str, ours: &str) -> Result<f64, NotAQuantity> {
    let (number, unit) = split(text.trim()).ok_or(NotAQuantity::NoQuantity)?;
    let ratio = ratio(unit, ours).map_err(|mismatch| match mismatch {
        Mismatch::NotUnderstood { unit } => NotAQuantity::UnknownUnit {
            unit,
            allowed: examples(ours).split(", ").map(str::to_owned).collect(),
        },
        Mismatch::Measures { found, .. } => NotAQuantity::OtherDimension {
            found: found.to_string(),
        },
    })?;
    number.times(ratio).ok_or(NotAQuantity::NoQuantity)
}

/// A number as it is written.
struct Decimal<'t> {
    /// Sign, digits and a point.
    digits: &'t str,
    /// Power of ten.
    exponent: i32,
}

impl Decimal<'_> {
    fn times(&self, Ratio { coefficient, decimals }: Ratio) -> Option<f64> {
        // Powers of ten are moved in the text, which is rounded once, when it is read.
        let exponent = self.exponent.checked_add(decimals)?;
        let number: f64 = format!("{}e{exponent}", self.digits).parse().ok()?;
        let (multiple, part) = (whole(coefficient), whole(coefficient.recip()));
        let number = match (multiple, part) {
            (Some(multiple), _) => number * multiple,
            (None, Some(part)) => number / part,
            (None, None) => number * coefficient,
        };
        number.is_finite().then_some(number)
    }
}

/// The whole number that `ratio` is, but for the rounding of the two coefficients that it was made of.
fn whole(ratio: f64) -> Option<f64> {
    let whole = ratio.round();
    (whole >= 1.0 && (ratio / whole - 1.0).abs() < 4.0 * f64::EPSILON).then_some(whole)
}

/// A number and the unit after it.
fn split(text: &str) -> Option<(Decimal<'_>, &str)> {
    let bytes = text.as_bytes();
    let digits_from = |start: usize| start + bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(bytes.first().is_some_and(|byte| b"+-".contains(byte)));
    let mut end = digits_from(sign);
    let mut count = end - sign;
    if bytes.get(end) == Some(&b'.') {
        let after = digits_from(end + 1);
        count += after - end - 1;
        end = after;
    }
    let digits = (count > 0).then(|| &text[..end])?;
    let mut exponent = 0;
    if bytes.get(end).is_some_and(|byte| b"eE".contains(byte)) {
        let signed = end + 1 + usize::from(bytes.get(end + 1).is_some_and(|byte| b"+-".contains(byte)));
        let after = digits_from(signed.min(bytes.len()));
        // Without digits it begins a unit.
        if after > signed {
            exponent = text[end + 1..after].parse().ok()?;
            end = after;
        }
    }
    let unit = text[end..].trim_start();
    // After other signs a number was meant to go on: 3,3e11 or 1'000 or 1/2.
    let begins = unit.starts_with(|c: char| c.is_alphabetic() || "(%°⊙′″".contains(c)) || ["'", "\""].contains(&unit);
    begins.then_some((Decimal { digits, exponent }, unit))
}
