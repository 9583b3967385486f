//! Ranges of panels that are compared.

/// Ranges that differ by more than this are not made one: in the wider the narrower would be a spike.
const TOO_MANY: f64 = 12.0;

/// The largest of half-widths for all, where they are of one size; else each its own.
pub fn agreed(reaches: &[f64]) -> Vec<f64> {
    let most = reaches.iter().copied().fold(0.0, f64::max);
    let least = reaches.iter().copied().fold(f64::INFINITY, f64::min);
    match most <= TOO_MANY * least {
        true => vec![most; reaches.len()],
        false => reaches.to_vec(),
    }
}

/// To `digits` significant digits.
pub fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let power = 10f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    (value * power).round() / power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_significant_digits() {
        assert_eq!(round(0.012345, 2), 0.012);
        assert_eq!(round(9876.0, 2), 9900.0);
        assert_eq!(round(0.0, 2), 0.0);
    }
}
