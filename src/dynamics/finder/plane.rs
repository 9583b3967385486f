//! Circular orbits by energy, and the potential in the plane: tables in ln R that the look-up of a star reads.

use crate::orbit::circular::epicycle;
use crate::potential::Potential;

/// Innermost and outermost radius, kpc, and nodes per unit of ln R.
const RANGE: (f64, f64) = (1e-3, 3e3);
const DENSITY: f64 = 80.0;

/// Equal steps of energy, for each of which it is known which rings have such.
const STEPS: usize = 4096;

/// What is known at one radius.
struct Ring {
    /// kpc.
    radius: f64,
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
    /// R_c, kpc.
    pub radius: f64,
    /// L_c, km/s kpc.
    pub momentum: f64,
}

/// c₀ + c₁ t + c₂ t² + c₃ t³.
#[derive(Clone, Copy, Debug)]
struct Cubic([f64; 4]);

impl Cubic {
    /// Through two values with their slopes times the interval's width, at t = 0 and 1.
    fn through(values: [f64; 2], slopes: [f64; 2]) -> Self {
        let rise = values[1] - values[0];
        let [from, to] = slopes;
        Self([values[0], from, 3.0 * rise - 2.0 * from - to, from + to - 2.0 * rise])
    }

    #[inline(always)]
    fn at(&self, t: f64) -> f64 {
        let [a, b, c, d] = self.0;
        a + t * (b + t * (c + t * d))
    }
}

/// The circles between two rings, in parts of the interval of their energies.
#[derive(Clone, Copy, Debug)]
struct Between {
    ln_radius: Cubic,
    radius: Cubic,
    momentum: Cubic,
    /// Of the inner ring, (km/s)², and 1 over the interval.
    energy: f64,
    per_energy: f64,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    first: f64,
    per_step: f64,
    /// Of the rings.
    energies: Vec<f64>,
    momenta: Vec<f64>,
    /// Of the intervals: Φ, and the circles.
    potentials: Vec<Cubic>,
    circles: Vec<Between>,
    /// How many rings are below each step of energy, and how many steps there are to a (km/s)².
    below: Vec<usize>,
    per_energy: f64,
}

/// Cubic through two values with their slopes times the interval's width, at t in [0, 1].
#[inline(always)]
pub(super) fn hermite(t: f64, values: [f64; 2], slopes: [f64; 2]) -> f64 {
    let s = 1.0 - t;
    s * s * (values[0] * (1.0 + 2.0 * t) + slopes[0] * t) + t * t * (values[1] * (1.0 + 2.0 * s) - slopes[1] * s)
}

/// The step that an energy is in: the first or the last for one that is beyond them.
#[inline(always)]
fn step_of(energy: f64, first: f64, per_energy: f64) -> usize {
    (((energy - first) * per_energy) as usize).min(STEPS - 1)
}

impl Plane {
    pub fn new<P: Potential + ?Sized>(potential: &P) -> Self {
        let (first, last) = (RANGE.0.ln(), RANGE.1.ln());
        let count = ((last - first) * DENSITY) as usize;
        let step = (last - first) / count as f64;
        let rings: Vec<Ring> = (0..=count)
            .map(|i| {
                let radius = (first + step * i as f64).exp();
                let value = potential.potential([radius, 0.0, 0.0]);
                let epicycle = epicycle(potential, radius);
                let square = (epicycle.azimuthal * radius).powi(2);
                // dE/d ln R = κ²R²/2.
                let climb = 0.5 * (epicycle.radial * radius).powi(2);
                Ring {
                    radius,
                    potential: value,
                    slope: square,
                    energy: value + 0.5 * square,
                    spread: if climb > 0.0 { 1.0 / climb } else { 0.0 },
                    momentum: epicycle.azimuthal * radius * radius,
                    rate: epicycle.azimuthal,
                }
            })
            .collect();
        let potentials = rings.windows(2).map(|pair| {
            let both = |of: fn(&Ring) -> f64| [of(&pair[0]), of(&pair[1])];
            Cubic::through(
                both(|ring| ring.potential),
                both(|ring| ring.slope).map(|slope| slope * step),
            )
        });
        let circles = rings.windows(2).enumerate().map(|(i, pair)| {
            let both = |of: fn(&Ring) -> f64| [of(&pair[0]), of(&pair[1])];
            let energy = pair[0].energy;
            let width = pair[1].energy - energy;
            let start = first + step * i as f64;
            Between {
                ln_radius: Cubic::through(
                    [start, start + step],
                    both(|ring| ring.spread).map(|spread| spread * width),
                ),
                radius: Cubic::through(
                    both(|ring| ring.radius),
                    both(|ring| ring.radius * ring.spread).map(|spread| spread * width),
                ),
                // dL_c/dE = 1/Ω_c.
                momentum: Cubic::through(
                    both(|ring| ring.momentum),
                    both(|ring| ring.rate).map(|rate| width / rate),
                ),
                energy,
                per_energy: 1.0 / width,
            }
        });
        let (potentials, circles) = (potentials.collect(), circles.collect());
        let energies: Vec<f64> = rings.iter().map(|ring| ring.energy).collect();
        let per_energy = STEPS as f64 / (energies[count] - energies[0]);
        let below = (0..=STEPS)
            .map(|at| energies.partition_point(|&energy| step_of(energy, energies[0], per_energy) < at))
            .collect();
        Self {
            first,
            per_step: 1.0 / step,
            momenta: rings.iter().map(|ring| ring.momentum).collect(),
            potentials,
            circles,
            below,
            per_energy,
            energies,
        }
    }

    /// Φ at radius √`square` in the plane; nothing beyond the table.
    #[inline]
    pub fn potential(&self, square: f64) -> Option<f64> {
        let place = (0.5 * square.ln() - self.first) * self.per_step;
        let i = place as usize;
        let between = self.potentials.get(i)?;
        (place >= 0.0).then(|| between.at(place - i as f64))
    }

    /// L_c at a radius, from the nearest ring, km/s kpc.
    pub fn momentum(&self, ln_radius: f64) -> f64 {
        let place = ((ln_radius - self.first) * self.per_step)
            .round()
            .clamp(0.0, (self.momenta.len() - 1) as f64);
        self.momenta[place as usize]
    }

    /// The circular orbit of an energy; nothing beyond the table.
    #[inline]
    pub fn circle(&self, energy: f64) -> Option<Circle> {
        let step = step_of(energy, self.energies[0], self.per_energy);
        let (from, to) = (self.below[step], self.below[step + 1]);
        let above = from + self.energies[from..to].partition_point(|&ring| ring <= energy);
        let between = self.circles.get(above.checked_sub(1)?)?;
        let t = (energy - between.energy) * between.per_energy;
        Some(Circle {
            ln_radius: between.ln_radius.at(t),
            radius: between.radius.at(t),
            momentum: between.momentum.at(t),
        })
    }
}
