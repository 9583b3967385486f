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
    let (mut from, mut edge) = (low, finest.max(1e-32 * high));
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

/// ln Γ(a), a > 0, to 1e-14: Lanczos' sum with g = 7 and nine terms.
pub(crate) fn ln_gamma(a: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if a < 0.5 {
        return ln_gamma(a + 1.0) - a.ln();
    }
    let a = a - 1.0;
    let t = a + 7.5;
    let rest = TERMS.iter().enumerate().skip(1).map(|(k, term)| term / (a + k as f64));
    let sum = TERMS[0] + rest.sum::<f64>();
    0.5 * (2.0 * std::f64::consts::PI).ln() + (a + 0.5) * t.ln() - t + sum.ln()
}

/// The regularised incomplete Γ functions P(a, x) and Q(a, x) = 1 − P, a > 0, x ≥ 0: whichever is small, to 1e-13 of itself.
///
/// **Source**: the power series below x = a + 1, Lentz' continued fraction above (Abramowitz & Stegun 6.5.29, 6.5.31).
pub(crate) fn incomplete_gamma(a: f64, x: f64) -> (f64, f64) {
    const MOST: u32 = 300;
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..MOST {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < 1e-16 * sum {
                break;
            }
        }
        let lower = front * sum;
        return (lower, 1.0 - lower);
    }
    let mut b = x + 1.0 - a;
    let mut c = f64::MAX;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for k in 1..MOST {
        let k = f64::from(k);
        let numerator = k * (a - k);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    let upper = front * fraction;
    (1.0 - upper, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Γ(½) = √π, Γ(n + 1) = n!; P(1, x) = 1 − e^−x; P(½, x) = erf √x; and P satisfies P(a + 1, x) = P(a, x) − x^a e^−x/Γ(a + 1).
    #[test]
    fn gamma_functions_are_what_they_are() {
        assert!((ln_gamma(0.5) - 0.5 * std::f64::consts::PI.ln()).abs() < 1e-14);
        assert!((ln_gamma(0.1) - 2.252_712_651_734_206).abs() < 1e-13);
        assert!((ln_gamma(11.0) - 3_628_800f64.ln()).abs() < 1e-13);
        assert!((incomplete_gamma(0.5, 0.25).0 - 0.520_499_877_813_046_5).abs() < 1e-14);
        assert!((incomplete_gamma(0.5, 4.0).1 / 0.004_677_734_981_047_266 - 1.0).abs() < 1e-13);
        for x in [1e-6, 0.01, 0.5, 1.0, 1.59, 1.61, 3.0, 20.0] {
            let (p, q) = incomplete_gamma(1.0, x);
            assert!(
                (p / -(-x).exp_m1() - 1.0).abs() < 1e-13 && (q / (-x).exp() - 1.0).abs() < 1e-13,
                "{x}"
            );
            for a in [0.1, 0.6, 1.5] {
                let jump = (a * f64::ln(x) - x - ln_gamma(a + 1.0)).exp();
                let off = incomplete_gamma(a, x).0 - jump - incomplete_gamma(a + 1.0, x).0;
                assert!(off.abs() < 2e-14, "{a}, {x}: {off}");
            }
        }
    }

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
