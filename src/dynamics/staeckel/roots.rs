//! Where the momenta of the separated motions vanish.

/// A root of f and the slope there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub at: f64,
    pub slope: f64,
}

/// The root of f in (inside, limit), where f ≥ 0 inside and < 0 beyond: Newton's method in a bracket.
pub(super) fn climb(inside: f64, guess: f64, limit: f64, mut f: impl FnMut(f64) -> (f64, f64)) -> Root {
    let (mut low, mut high, mut x) = (inside, limit, guess);
    let mut slope = f64::NAN;
    for _ in 0..60 {
        let (value, tangent) = f(x);
        slope = tangent;
        if value >= 0.0 {
            low = low.max(x)
        } else {
            high = high.min(x)
        }
        let step = -value / tangent;
        let mut next = x + step;
        if !(tangent < 0.0 && next >= low && next <= high) {
            next = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * x };
        }
        let close = (next - x).abs() <= 1e-5 * (next - inside).abs().max(1e-9 * next);
        x = next;
        if close || !x.is_finite() {
            break;
        }
    }
    Root { at: x, slope }
}

/// The same below `inside`, above 0; f gives the deflated value and slope, and the slope itself.
pub(super) fn descend(inside: f64, guess: f64, mut f: impl FnMut(f64) -> (f64, f64, f64)) -> Root {
    let (mut low, mut high, mut x) = (0.0, inside, guess);
    let mut slope = f64::NAN;
    for _ in 0..60 {
        let (value, tangent, own) = f(x);
        slope = own;
        if value >= 0.0 {
            high = x
        } else {
            low = x
        }
        let mut next = x - value / tangent;
        if !(tangent > 0.0 && next >= low && next <= high) {
            next = if low > 0.0 { (low * high).sqrt() } else { 0.1 * high };
        }
        // The slope is wanted too, and changes over a distance of the root itself.
        let close = (next - x).abs() <= (1e-5 * (inside - next).abs().max(1e-9 * next)).min(1e-4 * next);
        x = next;
        if close || x < 1e-40 * inside {
            break;
        }
    }
    Root { at: x, slope }
}
