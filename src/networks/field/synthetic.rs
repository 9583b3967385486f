//! Streams that never were: orbits in a learned field, started from training stars and from perturbed copies of them.

use dynamics::orbit::dense;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::units::{Gyr, Natural};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::isochrone::Isochrone;
use crate::random::generator;
use crate::streams::Streams;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Perturbed copies of training stars, besides one orbit through each training stream.
    pub copies: usize,
    /// Stars on each orbit.
    pub stars: usize,
    /// Length of an orbit in radial periods of the toy.
    pub periods: f64,
    /// Perturbation of each coordinate of a copy, in units of its distance from the centre.
    pub position: f64,
    /// Perturbation of each component of its velocity, in units of the training stars' root mean square component.
    pub velocity: f64,
    /// Accuracy of the integration.
    pub tolerance: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            copies: 6144,
            stars: 24,
            periods: 7.0,
            position: 0.15,
            velocity: 0.15,
            tolerance: 1e-7,
            seed: 1,
        }
    }
}

/// Synthetic streams.
#[derive(Debug)]
pub struct Synthetic {
    /// The streams, those of the training stars first.
    pub streams: Streams,
    /// Starts whose orbit failed, or left what the toy binds, or went further than three times the farthest training star.
    pub rejected: usize,
}

/// Integrates one star of each stream, and perturbed copies of stars, in `field`; each orbit becomes a stream of stars at
/// random times within the given number of radial periods.
///
/// Every orbit has random numbers of its own, so the result does not depend on the number of threads.
///
/// **Fails when** no orbit is left.
pub fn synthetic_streams(
    field: &(impl Potential + ?Sized),
    streams: &Streams,
    toy: &Isochrone,
    options: &Options,
) -> Result<Synthetic, Error> {
    let plain = streams.points()?;
    let stars: Vec<PhaseSpace> = plain.iter().flatten().copied().collect();
    let toy = toy.plain()?;
    let square = |y: [f64; 3]| y.iter().map(|c| c * c).sum::<f64>();
    let farthest = stars.iter().map(|star| square(star.x)).fold(0.0, f64::max).sqrt();
    let component = (stars.iter().map(|star| square(star.v)).sum::<f64>() / (3.0 * stars.len().max(1) as f64)).sqrt();
    let originals = plain.len();
    let orbit = |number: usize| {
        let mut random = generator(options.seed, "synthetic streams", number as u64);
        let start = if let Some(stream) = plain.get(number) {
            *stream.first()?
        } else {
            let star = stars[random.random_range(0..stars.len())];
            let distance = square(star.x).sqrt();
            let mut moved = |value: f64, scale: f64| {
                let normal: f64 = StandardNormal.sample(&mut random);
                value + scale * normal
            };
            PhaseSpace {
                x: star.x.map(|c| moved(c, options.position * distance)),
                v: star.v.map(|c| moved(c, options.velocity * component)),
            }
        };
        let phase = options.periods * std::f64::consts::TAU;
        let span = Gyr::from(Natural::of_phase(phase, toy.radial_frequency(&start)?)).0;
        let mut times: Vec<f64> = (0..options.stars).map(|_| random.random_range(0.0..span)).collect();
        times.sort_by(f64::total_cmp);
        let orbit = dense::integrate(field, &start, &Gyr::all(&times), options.tolerance).ok()?;
        let good = orbit.points.iter().all(|point| {
            // Bound in the toy with a margin: its actions are meaningless close to escape.
            let energy = toy.energy(point);
            energy < -0.02 * point.kinetic_energy() && square(point.x).sqrt() < 3.0 * farthest
        });
        good.then_some(orbit.points)
    };
    let orbits: Vec<Option<Vec<PhaseSpace>>> = (0..originals + options.copies)
        .into_par_iter()
        .with_max_len(1)
        .map(orbit)
        .collect();
    let all = orbits.len();
    let kept: Vec<Vec<PhaseSpace>> = orbits.into_iter().flatten().collect();
    if kept.is_empty() {
        return Err(Error::Data("no orbit in the learned field is bound".to_owned()));
    }
    Ok(Synthetic {
        rejected: all - kept.len(),
        streams: Streams::of_points(&kept)?,
    })
}
