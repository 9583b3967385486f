//! Kepler's equation η − ε sin η = m.

use std::f64::consts::PI;

/// A step below this part of η is the last: what is left is its fifth power.
const LAST: f64 = 3e-4;

/// An eccentric anomaly with the sine and cosine of its half.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anomaly {
    pub(crate) eta: f64,
    /// sin ½η and cos ½η.
    pub(crate) half: (f64, f64),
}

impl Anomaly {
    /// This one.
    pub(crate) fn new(eta: f64) -> Self {
        Self {
            eta,
            half: (0.5 * eta).sin_cos(),
        }
    }

    /// sin η and cos η.
    #[inline]
    pub(crate) fn whole(&self) -> (f64, f64) {
        let (sin, cos) = self.half;
        (2.0 * sin * cos, 1.0 - 2.0 * sin * sin)
    }

    /// η − sin η, with the digits of a small one.
    #[inline]
    fn excess(&self) -> f64 {
        let eta = self.eta;
        if eta.abs() > 0.5 {
            return eta - self.whole().0;
        }
        let x = eta * eta;
        let series = [1.0 / 156.0, 1.0 / 110.0, 1.0 / 72.0, 1.0 / 42.0, 1.0 / 20.0]
            .iter()
            .fold(1.0, |sum, n| 1.0 - x * sum * n);
        eta * x / 6.0 * series
    }

    /// That of m in [−π, π], for 0 ≤ ε < 1, to rounding.
    ///
    /// **Source**: Markley (1995, Celest. Mech. Dyn. Astron. 63, 101): start, good to a few 1e-4, and step of fifth order.
    pub(crate) fn solve(m: f64, epsilon: f64) -> Self {
        refined(m, epsilon, markley(m.abs(), epsilon))
    }

    /// [`solve`](Self::solve) from an anomaly that is nearly right, of the same sign as m, by a step of Halley's first.
    pub(crate) fn solve_near(m: f64, epsilon: f64, near: &Self) -> Self {
        let (sin, cos) = near.whole();
        let (f, slope) = (near.eta.abs() - epsilon * sin.abs() - m.abs(), 1.0 - epsilon * cos);
        let newton = f / slope;
        let start = near.eta.abs() - newton / (1.0 - 0.5 * newton * epsilon * sin.abs() / slope);
        refined(m, epsilon, start)
    }
}

/// η of m in [−π, π].
pub(crate) fn solve_kepler(m: f64, epsilon: f64) -> f64 {
    Anomaly::solve(m, epsilon).eta
}

/// The root from a start for |m|, inside a bracket.
fn refined(m: f64, epsilon: f64, start: f64) -> Anomaly {
    let target = m.abs();
    let (mut low, mut high) = (target, (target + epsilon).min(PI));
    let mut now = Anomaly::new(start.max(low).min(high));
    for _ in 0..60 {
        let (sin, cos) = now.whole();
        let f = (1.0 - epsilon) * now.eta + epsilon * now.excess() - target;
        if f > 0.0 {
            high = now.eta
        } else {
            low = now.eta
        }
        let (slope, second, third) = (1.0 - epsilon * cos, epsilon * sin, epsilon * cos);
        let d = -f / (slope - 0.5 * f * second / slope);
        let d = -f / (slope + d * (0.5 * second + d * third / 6.0));
        let d = -f / (slope + d * (0.5 * second + d * (third / 6.0 - d * second / 24.0)));
        let next = now.eta + d;
        if !(next >= low && next <= high) {
            let middle = 0.5 * (low + high);
            let last = (middle - now.eta).abs() <= 1e-16 * middle;
            now = Anomaly::new(middle);
            if last {
                break;
            }
        } else if d.abs() <= LAST * next {
            let (x, (s, c)) = (0.5 * d, now.half);
            let (sin, cos) = (x * (1.0 - x * x / 6.0), 1.0 - 0.5 * x * x);
            now = Anomaly {
                eta: next,
                half: (s * cos + c * sin, c * cos - s * sin),
            };
            break;
        } else {
            now = Anomaly::new(next);
        }
    }
    Anomaly {
        eta: now.eta.copysign(m),
        half: (now.half.0.copysign(m), now.half.1),
    }
}

/// The root of Kepler's equation with a rational function for the sine, which makes it a cubic.
fn markley(m: f64, epsilon: f64) -> f64 {
    let alpha = (3.0 * PI * PI + 1.6 * PI * (PI - m) / (1.0 + epsilon)) / (PI * PI - 6.0);
    let less = 1.0 - epsilon;
    let d = 3.0 * less + alpha * epsilon;
    let q = 2.0 * alpha * d * less - m * m;
    let r = m * (3.0 * alpha * d * (d - less) + m * m);
    let w = (r + (q * q * q + r * r).sqrt()).cbrt().powi(2);
    let eta = (2.0 * r * w / (w * w + w * q + q * q) + m) / d;
    // At m = 0 with ε near 1 the fraction is 0/0.
    if eta.is_finite() { eta } else { m }
}
