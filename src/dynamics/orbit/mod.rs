//! Orbits in a static potential.

pub mod circular;
pub mod dense;
mod dop853_tableau;
pub mod leapfrog;
pub mod tubes;

use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::{Gyr, Natural};
use crate::vector::norm;
use rayon::prelude::*;

/// Where a star was at the times asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Orbit {
    /// One point per time asked for.
    pub points: Vec<PhaseSpace>,
    /// The greatest |E(t) − E(0)| / |E(0)| over every step and every point.
    pub energy_error: f64,
    /// How many steps were taken.
    pub steps: usize,
    /// The step, or the mean of all.
    pub step: Gyr,
}

/// Why an orbit has no points.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OrbitError {
    /// A time is not finite, or out of order.
    #[error("times must be finite and must not turn back, but time {index} is {} Gyr", .time.0)]
    Times {
        /// Its index.
        index: usize,
        /// The time.
        time: Gyr,
    },
    /// The step is not positive and finite.
    #[error("the step must be positive and finite, not {} Gyr", .step.0)]
    Step {
        /// The step.
        step: Gyr,
    },
    /// The start, or the potential there, is not finite.
    #[error(
        "the star has no energy that could be conserved: it is at a singular point of the potential, or its energy is zero"
    )]
    Start {
        /// Energy in (km/s)².
        energy: f64,
    },
    /// The integration reached a point that is not finite.
    #[error("the orbit ceases to be finite at {:.3e} Gyr", .time.0)]
    NotFinite {
        /// The time.
        time: Gyr,
    },
    /// No step within reach conserves energy well enough.
    #[error("energy is conserved only to {achieved:.1e}, not to {tolerance:.1e}, with as many steps as it may take")]
    Tolerance {
        /// The least error achieved.
        achieved: f64,
        /// How many steps that took.
        steps: usize,
        /// The error asked for.
        tolerance: f64,
    },
    /// More steps than an orbit of its duration may take.
    #[error("the orbit takes more than {steps} steps: it passes too close to the centre")]
    TooManySteps {
        /// How many were tried.
        steps: usize,
    },
}

/// The shorter of the times to fall and to fly across the distance to the centre.
pub(crate) fn dynamical_time<P: Potential + ?Sized>(potential: &P, start: &PhaseSpace) -> Gyr {
    let r = norm(start.x);
    let fall = (r / norm(potential.acceleration(start.x))).sqrt();
    let fly = r / norm(start.v);
    let natural = fall.min(fly);
    if natural > 0.0 && natural.is_finite() {
        Natural(natural).into()
    } else {
        Gyr(0.01)
    }
}

/// Integrates many orbits in parallel by leapfrog, each with the step that conserves its energy to `tolerance`.
///
/// `times[i]`, in order, are those of orbit `i`. `progress(n)` is told how many more orbits are done. An orbit that
/// fails has its error at its place.
pub fn integrate_all<P: Potential + ?Sized>(
    potential: &P,
    starts: &[PhaseSpace],
    times: &[Vec<Gyr>],
    tolerance: f64,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<Result<Orbit, OrbitError>> {
    (starts, times)
        .into_par_iter()
        .map(|(start, times)| {
            let orbit = leapfrog::integrate_to_tolerance(potential, start, times, tolerance);
            progress(1);
            orbit
        })
        .collect()
}
