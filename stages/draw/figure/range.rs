//! Ranges of panels that are compared, and ranges that a few values far out do not rule.

use dynamics::statistics::quantile;

use super::axis::ends;

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

/// The part of values that decides what is shown.
const INNER: [f64; 2] = [0.05, 0.95];

/// From where to where values are shown: to the least and the greatest of those that are no farther from the inner nine tenths than these are
/// wide. Those of a Gaussian are all shown.
pub fn shown(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let inner = INNER.map(|part| quantile(values.clone(), part));
    let near = match inner {
        [Some(low), Some(high)] if high > low => 2.0 * low - high..=2.0 * high - low,
        // Where most are equal, nothing says how far the others may be.
        _ => f64::NEG_INFINITY..=f64::INFINITY,
    };
    ends(values.into_iter().filter(|value| near.contains(value)))
}

/// The same for several sets of values, of which a small one counts as much as a large one.
pub fn all_shown(sets: impl IntoIterator<Item = Vec<f64>>) -> [f64; 2] {
    let each = sets.into_iter().map(shown).flat_map(|(low, high)| [low, high]);
    let (low, high) = ends(each);
    [low, high]
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
    fn a_few_values_far_out_do_not_rule_a_range() {
        let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(shown(values.clone()), (0.0, 100.0), "all of them");
        values.extend([1e6, -1e6]);
        let (low, high) = shown(values.clone());
        assert_eq!((low, high), (0.0, 100.0));
        assert_eq!(all_shown([values, vec![500.0, 600.0]]), [0.0, 600.0]);
        assert_eq!(shown([3.0, 3.0, 3.0, 9.0]), (3.0, 9.0));
        assert!(shown([]).0 > shown([]).1, "of none");
    }

    #[test]
    fn rounding_keeps_significant_digits() {
        assert_eq!(round(0.012345, 2), 0.012);
        assert_eq!(round(9876.0, 2), 9900.0);
        assert_eq!(round(0.0, 2), 0.0);
    }
}
