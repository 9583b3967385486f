//! Averages along an orbit by a Kaiser window.
//!
//! A mean over a stretch of a quasi-periodic function contains every other line of its spectrum, weighted by the window's
//! transform at the distance between the lines. Kaiser's window has the narrowest transform for a given floor.

/// Shape parameter β: lines β/π cycles per window apart do not disturb each other, beyond a floor of 2β e^(−β) = 1e-10.
pub(crate) const BETA: f64 = 27.0;

/// `n` weights of sum 1, symmetric.
pub(crate) fn weights(n: usize) -> Vec<f64> {
    weights_of(BETA, n)
}

/// The same of another shape β.
pub(crate) fn weights_of(beta: f64, n: usize) -> Vec<f64> {
    let half = 0.5 * n as f64;
    let mut weights: Vec<f64> = (0..n)
        .map(|i| {
            let x = (i as f64 + 0.5 - half) / half;
            bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt())
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights
}

/// The transform at a frequency, for an odd number n of samples `step` apart: Σ w_i cos(ν t_i), t from the middle.
pub(crate) fn transform(n: usize, step: f64, frequency: f64) -> f64 {
    let length = n as f64 * step;
    let sampling = std::f64::consts::TAU / step;
    let near = frequency - sampling * (frequency / sampling).round();
    // The window's ends are 1e-11 of its height: the images beyond the nearest are far below the floor.
    lobe(BETA, 0.5 * near * length) / lobe(BETA, 0.0)
}

/// sinh √(β² − x²) / √(β² − x²), the transform of I₀(β √(1 − u²)) on [−1, 1].
pub(crate) fn lobe(beta: f64, x: f64) -> f64 {
    let square = beta * beta - x * x;
    let root = square.abs().sqrt();
    if root < 1e-4 {
        1.0
    } else if square > 0.0 {
        root.sinh() / root
    } else {
        root.sin() / root
    }
}

/// The modified Bessel function I₀ by its series, all terms positive.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_that_of_the_weights() {
        let (n, step) = (501, 0.1);
        let weights = weights(n);
        for frequency in [0.0, 0.3, 0.9, 1.07, 1.3, 5.0, 31.0, 62.0, 63.0] {
            let sum: f64 = weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * (frequency * step * (i as f64 + 0.5 - 0.5 * n as f64)).cos())
                .sum();
            assert!((sum - transform(n, step, frequency)).abs() < 1e-9, "{frequency} {sum}");
        }
    }
}
