//! Circular orbits by energy, and the potential in the plane: tables in ln R that the look-up of a star reads.

use crate::orbit::circular::epicycle;
use crate::potential::Potential;

/// Innermost and outermost radius, kpc, and nodes per unit of ln R.
const RANGE: (f64, f64) = (1e-3, 3e3);
const DENSITY: f64 = 80.0;

/// What is known at one radius.
#[derive(Clone, Copy, Debug)]
struct Ring {
    /// Φ and dΦ/d ln R, (km/s)².
    potential: f64,
    slope: f64,
    /// Energy of the circular orbit, (km/s)², and d ln R/dE.
    energy: f64,
    spread: f64,
    /// L_c, km/s kpc, and Ω_c, km/s/kpc.
    momentum: f64,
    rate: f64,
}

/// The circular orbit of an energy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circle {
    /// ln R_c, R_c in kpc.
    pub ln_radius: f64,
    /// L_c, km/s kpc.
    pub momentum: f64,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    first: f64,
    step: f64,
    rings: Vec<Ring>,
}

/// Cubic through two values with their slopes times the interval's width, at t in [0, 1].
pub(super) fn hermite(t: f64, values: [f64; 2], slopes: [f64; 2]) -> f64 {
    let s = 1.0 - t;
    s * s * (values[0] * (1.0 + 2.0 * t) + slopes[0] * t) + t * t * (values[1] * (1.0 + 2.0 * s) - slopes[1] * s)
}

impl Plane {
    pub fn new<P: Potential + ?Sized>(potential: &P) -> Self {
        let (first, last) = (RANGE.0.ln(), RANGE.1.ln());
        let count = ((last - first) * DENSITY) as usize;
        let step = (last - first) / count as f64;
        let rings = (0..=count)
            .map(|i| {
                let radius = (first + step * i as f64).exp();
                let value = potential.potential([radius, 0.0, 0.0]);
                let epicycle = epicycle(potential, radius);
                let square = (epicycle.azimuthal * radius).powi(2);
                // dE/d ln R = κ²R²/2.
                let climb = 0.5 * (epicycle.radial * radius).powi(2);
                Ring {
                    potential: value,
                    slope: square,
                    energy: value + 0.5 * square,
                    spread: if climb > 0.0 { 1.0 / climb } else { 0.0 },
                    momentum: epicycle.azimuthal * radius * radius,
                    rate: epicycle.azimuthal,
                }
            })
            .collect();
        Self { first, step, rings }
    }

    /// Φ at radius √`square` in the plane; nothing beyond the table.
    pub fn potential(&self, square: f64) -> Option<f64> {
        let place = (0.5 * square.ln() - self.first) / self.step;
        let i = place as usize;
        let [low, high] = self.rings.get(i..i + 2)? else {
            return None;
        };
        (place >= 0.0).then(|| {
            hermite(
                place - i as f64,
                [low.potential, high.potential],
                [low.slope, high.slope].map(|slope| slope * self.step),
            )
        })
    }

    /// L_c at a radius, from the nearest ring, km/s kpc.
    pub fn momentum(&self, ln_radius: f64) -> f64 {
        let place = ((ln_radius - self.first) / self.step)
            .round()
            .clamp(0.0, (self.rings.len() - 1) as f64);
        self.rings[place as usize].momentum
    }

    /// The circular orbit of an energy; nothing beyond the table.
    pub fn circle(&self, energy: f64) -> Option<Circle> {
        let above = self.rings.partition_point(|ring| ring.energy <= energy);
        if above == 0 || above == self.rings.len() {
            return None;
        }
        let [low, high] = [self.rings[above - 1], self.rings[above]];
        let width = high.energy - low.energy;
        let t = (energy - low.energy) / width;
        let start = self.first + self.step * (above - 1) as f64;
        Some(Circle {
            ln_radius: start
                + hermite(
                    t,
                    [0.0, self.step],
                    [low.spread, high.spread].map(|spread| spread * width),
                ),
            // dL_c/dE = 1/Ω_c.
            momentum: hermite(
                t,
                [low.momentum, high.momentum],
                [low.rate, high.rate].map(|rate| width / rate),
            ),
        })
    }
}
