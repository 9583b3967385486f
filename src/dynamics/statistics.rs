//! Numbers that stand for many.

/// The quantile at `fraction` of 1, linear between the two values next to it: the median is the mean of the two in the middle.
/// Nothing of nothing.
///
/// **Source**: Hyndman & Fan (1996), definition 7.
pub fn quantile(mut values: Vec<f64>, fraction: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = fraction.clamp(0.0, 1.0) * values.len().saturating_sub(1) as f64;
    let (low, t) = (place.floor(), place.fract());
    let (low, high) = (values.get(low as usize)?, values.get(place.ceil() as usize)?);
    Some(if t == 0.0 { *low } else { (1.0 - t) * low + t * high })
}

/// The median; nothing of nothing.
pub fn median(values: Vec<f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// The mean; nothing of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The root of the mean square; nothing of nothing.
pub fn rms(values: impl Iterator<Item = f64>) -> Option<f64> {
    mean(values.map(|value| value * value)).map(f64::sqrt)
}

/// The root of the mean square deviation from the mean; nothing of nothing.
pub fn scatter(values: &[f64]) -> Option<f64> {
    let middle = mean(values.iter().copied())?;
    rms(values.iter().map(|value| value - middle))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_linear_between_values() {
        let values = || vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!(median(values()), Some(2.5));
        assert_eq!(median(vec![7.0, 5.0, 6.0]), Some(6.0));
        assert_eq!(quantile(values(), 0.0), Some(1.0));
        assert_eq!(quantile(values(), 1.0), Some(4.0));
        assert!((quantile(values(), 0.9).unwrap() - 3.7).abs() < 1e-15);
        assert_eq!(quantile(vec![1.0, f64::INFINITY], 0.0), Some(1.0));
        assert_eq!(
            (median(Vec::new()), mean(std::iter::empty()), scatter(&[])),
            (None, None, None)
        );
    }

    #[test]
    fn roots_of_mean_squares() {
        assert_eq!(mean([1.0, 2.0, 6.0].into_iter()), Some(3.0));
        assert_eq!(rms([3.0, 4.0, 0.0, 0.0].into_iter()), Some(2.5));
        assert_eq!(scatter(&[1.0, 3.0, 1.0, 3.0]), Some(1.0));
    }
}
