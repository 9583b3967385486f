//! Steps of their own length wherever a particle is: short where it passes the centre, or the galaxy's disc.

/// A part of what a particle of the given speed takes to pass the centre at its distance.
const CENTRE: f64 = 0.05;

/// A part of what it takes to pass the disc.
const DISC: f64 = 0.25;

/// Half the disc's thickness beside R, where that is more than its height: far out there is little of it.
const WIDENING: f64 = 0.04;

/// The least and the greatest height of a disc that steps are made for, kpc.
const HEIGHTS: (f64, f64) = (0.05, 1.0);

/// Least distance from the centre that steps are made for, kpc.
const NEAREST: f64 = 0.1;

/// No particle and no orbit makes more steps: what needs more is nowhere.
pub(crate) const MOST_STEPS: usize = 100_000;

/// How long steps are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// km/s.
    speed: f64,
    /// Square of the disc's height, kpc².
    height2: f64,
}

impl Pace {
    /// For particles that are about as fast as `speed` km/s, and a disc of this height in kpc.
    pub fn new(speed: f64, height: f64) -> Self {
        Self {
            speed: speed.max(1.0),
            height2: height.clamp(HEIGHTS.0, HEIGHTS.1).powi(2),
        }
    }

    /// Steps in a unit of time, kpc/(km/s), at these R² and z².
    #[inline(always)]
    pub fn rate(&self, around: f64, above: f64) -> f64 {
        let centre = CENTRE * CENTRE * (around + above + NEAREST * NEAREST);
        let disc = DISC * DISC * (above + self.height2 + WIDENING * WIDENING * around);
        self.speed * ((centre + disc) / (centre * disc)).sqrt()
    }
}

/// What follows a rate of steps whose mean with it is `middle`, as far as it stays positive.
///
/// **Source**: the reversible Adaptive Verlet method of Huang & Leimkuhler (1997).
#[inline(always)]
pub(crate) fn next_rate(rate: f64, middle: f64) -> f64 {
    (2.0 * middle - rate).max(0.25 * middle)
}

/// Position, velocity and acceleration along one axis.
pub(crate) type Moving = [f64; 3];

/// Position and velocity a part `t` of a `step` after `from`, which ends at `to`: the quintic that has all of both.
#[inline(always)]
pub(crate) fn quintic(from: Moving, to: Moving, step: f64, t: f64) -> [f64; 2] {
    let (v, a) = (step * from[1], 0.5 * step * step * from[2]);
    let far = to[0] - from[0] - v - a;
    let fast = step * (to[1] - from[1]) - 2.0 * a;
    let bent = 0.5 * step * step * (to[2] - from[2]);
    let c = 10.0 * far - 4.0 * fast + bent;
    let d = -15.0 * far + 7.0 * fast - 2.0 * bent;
    let e = 6.0 * far - 3.0 * fast + bent;
    let place = from[0] + t * (v + t * (a + t * (c + t * (d + t * e))));
    let slope = v + t * (2.0 * a + t * (3.0 * c + t * (4.0 * d + 5.0 * t * e)));
    [place, slope / step]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quintic_is_itself() {
        let of = |t: f64| {
            let place = 1.0 - 2.0 * t + 0.5 * t * t - t.powi(3) + 0.3 * t.powi(4) + 0.7 * t.powi(5);
            let speed = -2.0 + t - 3.0 * t * t + 1.2 * t.powi(3) + 3.5 * t.powi(4);
            let pull = 1.0 - 6.0 * t + 3.6 * t * t + 14.0 * t.powi(3);
            [place, speed, pull]
        };
        for (from, step) in [(0.2, 0.7), (1.0, -0.4)] {
            for t in [0.0, 0.3, 1.0] {
                let found = quintic(of(from), of(from + step), step, t);
                let expected = of(from + t * step);
                assert!((found[0] - expected[0]).abs() < 1e-12 && (found[1] - expected[1]).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn steps_are_short_at_the_centre_and_at_the_disc() {
        let pace = Pace::new(200.0, 0.3);
        let step = |x: f64, z: f64| 200.0 / pace.rate(x * x, z * z);
        // kpc: next to the disc, over it, and next to the centre.
        let (beside, above, within) = (step(8.0, 0.0), step(0.0, 12.0), step(0.5, 1.0));
        assert!(beside < DISC * 0.44 && beside > 0.9 * DISC * 0.44, "{beside}");
        assert!(above < CENTRE * 12.1 && above > 0.9 * CENTRE * 12.0, "{above}");
        assert!(within < CENTRE * 1.2, "{within}");
        assert!((next_rate(1.0, 1.1) - 1.2).abs() < 1e-12 && next_rate(4.0, 1.0) == 0.25);
    }
}
