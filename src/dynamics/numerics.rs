//! Quadrature and root finding.

use std::sync::LazyLock;

/// Points of the Gauss–Legendre rule used on every panel.
pub(crate) const PANEL_POINTS: usize = 20;

/// Nodes and weights on [0, 1].
static PANEL: LazyLock<[(f64, f64); PANEL_POINTS]> = LazyLock::new(gauss_legendre);

/// The `N`-point Gauss–Legendre rule on [0, 1].
pub(crate) fn gauss_legendre<const N: usize>() -> [(f64, f64); N] {
    std::array::from_fn(|i| gauss_legendre_node(N, i, |step, _| step == 8))
}

/// The rule of `order` points, which is known only when the program runs.
pub(crate) fn gauss_legendre_of(order: usize) -> Vec<(f64, f64)> {
    (0..order)
        .map(|i| gauss_legendre_node(order, i, |step, correction| step == 100 || correction < 1e-15))
        .collect()
}

/// The `i`-th node on [0, 1] and its weight: a root of P_n by Newton's method, until `enough(steps, last correction)`: one more step may change
/// the last bit.
fn gauss_legendre_node(order: usize, i: usize, enough: impl Fn(u32, f64) -> bool) -> (f64, f64) {
    let n = order as f64;
    let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n + 0.5)).cos();
    let mut steps = 0;
    loop {
        let (mut before, mut value) = (1.0, x);
        for k in 2..=order {
            let k = k as f64;
            (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
        }
        let slope = n * (x * value - before) / (x * x - 1.0);
        let correction = value / slope;
        x -= correction;
        steps += 1;
        if enough(steps, correction.abs()) {
            return (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope));
        }
    }
}

/// ∫ of `M` functions at once over [low, high], by one panel.
pub(crate) fn integrate_panel<const M: usize>(low: f64, high: f64, f: &mut impl FnMut(f64) -> [f64; M]) -> [f64; M] {
    let mut sum = [0.0; M];
    for (node, weight) in *PANEL {
        let values = f(low + (high - low) * node);
        for i in 0..M {
            sum[i] += weight * (high - low) * values[i];
        }
    }
    sum
}

/// ∫ of `M` functions over [low, high], 0 ≤ low, on panels whose edges grow threefold from `finest`.
pub(crate) fn integrate_graded<const M: usize>(
    low: f64,
    high: f64,
    finest: f64,
    mut f: impl FnMut(f64) -> [f64; M],
) -> [f64; M] {
    let mut sum = [0.0; M];
    let (mut from, mut edge) = (low, finest.max(1e-16 * high));
    while from < high {
        if edge > from * 1.000_001 {
            let to = if edge * 1.5 > high { high } else { edge };
            let part = integrate_panel(from, to, &mut f);
            for i in 0..M {
                sum[i] += part[i];
            }
            from = to;
        }
        edge *= 3.0;
    }
    sum
}

/// The root of `f` between `low` and `high`, where its signs differ, to rounding: Chandrupatla's method.
///
/// If the signs do not differ, the end with the smaller |f|.
pub(crate) fn root(low: f64, high: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    if fa == 0.0 || fb == 0.0 || (fa > 0.0) == (fb > 0.0) {
        return if fa.abs() < fb.abs() { a } else { b };
    }
    let (mut c, mut fc);
    let mut fraction = 0.5;
    for _ in 0..200 {
        let x = a + fraction * (b - a);
        let fx = f(x);
        if (fx < 0.0) == (fa < 0.0) {
            (c, fc) = (a, fa);
        } else {
            (c, b, fc, fb) = (b, a, fb, fa);
        }
        (a, fa) = (x, fx);
        let (best, least) = if fa.abs() < fb.abs() { (a, fa) } else { (b, fb) };
        let tolerance = 2.0 * f64::EPSILON * best.abs() + f64::MIN_POSITIVE;
        let limit = tolerance / (b - a).abs();
        if limit > 0.5 || least == 0.0 {
            return best;
        }
        // Inverse quadratic interpolation where the three points allow it, otherwise bisection.
        let xi = (a - b) / (c - b);
        let phi = (fa - fb) / (fc - fb);
        fraction = if phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi {
            fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        } else {
            0.5
        };
        fraction = fraction.clamp(limit, 1.0 - limit);
    }
    if fa.abs() < fb.abs() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact_to_its_degree() {
        for power in 0..2 * PANEL_POINTS as i32 {
            let [integral] = integrate_panel(0.0, 1.0, &mut |x: f64| [x.powi(power)]);
            assert!(
                (integral * f64::from(power + 1) - 1.0).abs() < 1e-14,
                "x^{power} gives {integral}"
            );
        }
    }

    #[test]
    fn rules_of_any_order_are_exact_to_their_degree() {
        for order in [1, 2, 5, 16, 40] {
            let degree = 2 * order - 1;
            let sum: f64 = gauss_legendre_of(order)
                .iter()
                .map(|(t, w)| w * t.powi(degree as i32))
                .sum();
            assert!((sum * (degree + 1) as f64 - 1.0).abs() < 1e-12, "order {order}");
        }
    }

    #[test]
    fn graded_panels_cover_the_interval_once() {
        for (low, high) in [(0.0, 3.0), (0.01, 3.0), (1e-9, 1e-8), (0.0, 1e-9), (2.9, 3.0)] {
            let [length, square] = integrate_graded(low, high, 1e-3, |x| [1.0, x * x]);
            assert!((length - (high - low)).abs() <= 1e-14 * high);
            assert!((square - (high.powi(3) - low.powi(3)) / 3.0).abs() <= 1e-14 * high.powi(3));
        }
        // A Lorentzian of width 1e-6.
        let [peak] = integrate_graded(0.0, 1.0, 1e-6, |x| [1e-6 / (x * x + 1e-12)]);
        assert!((peak - (1e6f64).atan()).abs() < 1e-12);
    }

    #[test]
    fn roots_are_found_to_rounding() {
        let sqrt2 = root(0.0, 2.0, |x| x * x - 2.0);
        assert!((sqrt2 - std::f64::consts::SQRT_2).abs() < 1e-15);
        assert!(root(-1.0, 3.0, |x| (x - 1.0).powi(9)).is_finite());
        // A root at an end is that end, whatever happens at the other.
        assert_eq!((root(0.0, 2.0, |x| x), root(-2.0, 0.0, |x| x)), (0.0, 0.0));
        assert_eq!((root(0.0, 2.0, |x| -x), root(-2.0, 0.0, |x| -x)), (0.0, 0.0));
        // Signs that only rounding could tell apart.
        assert_eq!(root(1.0, 2.0, |x| x - 1.0 + 1e-200), 1.0);
    }
}
