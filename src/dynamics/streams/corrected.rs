//! Streams as if they were orbits: stars without what sets their stream apart from the orbit of its progenitor.
//!
//! In a galaxy that is held, each stream's own numbers are fitted. The mean track of its particles less the progenitor's orbit at the same angle ψ
//! along it is the offset, which is taken from every star: as differences of direction, ln d, v_los and proper motion. What a star is off
//! from its stream's mean stays, and so do errors.
//!
//! **Source**: Ibata et al. (2021), footnote 1.

use super::condensed::condensed;
use super::fit::{self, FittedStream, fit_model};
use super::frame::{Distance, Frame, OBSERVED, Seen, Star};
use super::galaxy::Model;
use super::lanes::Pull;
use super::made::Made;
use super::observed::{Observed, Stream};
use super::particles::{Plan, Trial, orbit_of, plan, releases, stripped};
use super::release::Kicks;
use super::settings::{FitError, Settings, Source};
use super::track::{Curve, Plane};
use crate::phase_space::PhaseSpace;
use crate::potential::Expansion;
use crate::sky::Sun;
use crate::units::Natural;
use crate::vector::{dot, scaled};
use rayon::prelude::*;

/// What is seen in the frame of a stream's own great circle: φ1 and φ2 in degrees, distance in kpc, v_los in km/s, μ_φ1 cos φ2 and μ_φ2 in mas/yr.
pub type Sight = [f64; 6];

/// A star on its progenitor's orbit.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectedStar {
    /// Where it is then.
    pub now: PhaseSpace,
    /// What was added to it: the orbit less the stream, at its angle along the orbit.
    pub offset: Sight,
}

/// A point of a stream's mean track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackPoint {
    /// Angle along the orbit about the galaxy's centre, rad.
    pub angle: f64,
    /// The mean of the stream's particles there.
    pub stream: Sight,
    /// The orbit less that.
    pub offset: Sight,
}

/// Why a star cannot be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCorrected {
    /// It cannot be placed.
    #[error("it has no distance")]
    NoDistance,
    /// It has no velocity.
    #[error("it has no line-of-sight velocity")]
    NoSpeed,
    /// It has no velocity.
    #[error("it has no proper motion")]
    NoMotion,
    /// It is one of the field.
    #[error("it does not belong to the stream that was fitted")]
    NoMember,
    /// The simulated stream is nowhere.
    #[error("the stream that was simulated has no track there")]
    NoTrack,
}

/// A stream, corrected.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// How it was fitted.
    pub fitted: FittedStream,
    /// Its stars, in their order.
    pub stars: Vec<Result<CorrectedStar, NotCorrected>>,
    /// Its track, from end to end.
    pub track: Vec<TrackPoint>,
}

/// A galaxy to begin with: an exponential disc of 5e10 M_sun, R_d = 2.6 and b = 0.3 kpc in a logarithmic halo of 180 km/s, core 5 kpc and
/// q = 0.95, which are the middles of the priors of [`super::fit`].
pub fn first_guess() -> Option<Expansion> {
    let settings = Settings {
        scales: 0,
        ..Settings::of(Source::Spray)
    };
    let model = Model::new(1.0, 2.0, &settings);
    model.galaxy(&model.means())
}

/// How streams are fitted in a galaxy that is held.
pub fn settings() -> Settings {
    Settings {
        iterations: 30,
        looks: 8,
        again: 6,
        averaged: 10,
        ..Settings::of(Source::Spray)
    }
}

/// Streams as they would be on their progenitors' orbits in this galaxy; `go_on(iteration)` is asked before each iteration.
///
/// **Accuracy**: that of [`super::fit`]; a field of many terms is replaced by one of few, within 0.03 %. The same numbers for any number of threads.
/// **Fails when** a stream has too few stars or no distances, or its orbit no radial period in the galaxy.
pub fn correct(
    galaxy: &Expansion,
    streams: &[Stream],
    sun: &Sun,
    settings: &Settings,
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Vec<Corrected>, FitError> {
    let observed = fit::observed(streams, sun, settings)?;
    let (inner, outer) = Observed::radii(&observed);
    let galaxy = &condensed(galaxy, (BEYOND.recip() * inner, BEYOND * outer), CLOSE);
    let model = Model::held(galaxy.clone());
    let fitted = fit_model(model, observed.clone(), (0.0, 0.0), settings, None, true, go_on)?;
    let trial = Trial {
        pull: Pull::new(galaxy),
        galaxy: galaxy.clone(),
        kicks: Kicks::default(),
        age_factor: 1.0,
    };
    let all = (fitted.streams.into_par_iter().enumerate())
        .map(|(number, fitted)| of_stream(&trial, number, &streams[number], &observed[number], fitted, settings));
    all.collect()
}

/// How far progenitors go beyond the stars that are seen, to both sides.
const BEYOND: f64 = 2.0;

/// Relative difference between a field of many terms and that in which streams are simulated.
const CLOSE: f64 = 3e-4;

/// Sets of kicks that a track is the mean of.
const DRAWS: usize = 16;

/// Points of a track.
const POINTS: usize = 40;

fn of_stream(
    trial: &Trial,
    number: usize,
    stream: &Stream,
    observed: &Observed,
    fitted: FittedStream,
    settings: &Settings,
) -> Result<Corrected, FitError> {
    let no_orbit = FitError::NoOrbit { stream: stream.stream };
    let (frame, own) = (&observed.frame, &fitted.own);
    let age = Natural::from(settings.age).0;
    let plan = plan(trial, observed, own, age, settings.window).ok_or(no_orbit.clone())?;
    let (plane, orbit) = orbit_of(&trial.galaxy, frame, own).ok_or(no_orbit)?;
    let made: Vec<Made> = (0..DRAWS)
        .filter_map(|draw| {
            let seed = ((settings.iterations + 1 + draw) as u64) << 32;
            let releases = releases(settings.seed, seed + number as u64, settings.releases);
            stripped(trial, frame, own, &plan, &releases)
        })
        .collect();
    let simulated = Simulated {
        frame,
        plane,
        orbit,
        made,
    };
    let stars = observed.seen.iter().zip(&stream.stars).zip(&fitted.membership);
    let stars = stars.map(|((seen, star), &membership)| {
        if membership < 0.5 {
            return Err(NotCorrected::NoMember);
        }
        simulated.corrected(seen, star)
    });
    Ok(Corrected {
        stars: stars.collect(),
        track: simulated.track(&plan),
        fitted,
    })
}

/// A stream's particles beside their progenitor's orbit.
struct Simulated<'a> {
    frame: &'a Frame,
    plane: Plane,
    orbit: Curve,
    made: Vec<Made>,
}

impl Simulated<'_> {
    /// The mean of the stream at an angle along the orbit, and the orbit there.
    fn at(&self, angle: f64) -> Option<(PhaseSpace, PhaseSpace)> {
        let mut mean = [0.0; OBSERVED];
        for made in &self.made {
            let of = made.track()?.at(angle);
            mean.iter_mut()
                .zip(of)
                .for_each(|(mean, of)| *mean += of / self.made.len() as f64);
        }
        let stream = self.plane.point(angle, mean);
        (!self.made.is_empty()).then(|| (stream, self.plane.point(angle, self.orbit.at(angle))))
    }

    fn sight(&self, point: &PhaseSpace) -> Sight {
        let (along, [across, ln_d, v_los, mu_1, mu_2]) = self.frame.observe(point);
        [along.to_degrees(), across.to_degrees(), ln_d.exp(), v_los, mu_1, mu_2]
    }

    fn offset(&self, stream: &PhaseSpace, orbit: &PhaseSpace) -> Sight {
        let (from, to) = (self.sight(stream), self.sight(orbit));
        let mut offset: Sight = std::array::from_fn(|k| to[k] - from[k]);
        offset[0] = crate::units::wrap_difference(offset[0].to_radians()).to_degrees();
        offset
    }

    /// The star with the offset of its stream where it is.
    fn corrected(&self, seen: &Seen, star: &Star) -> Result<CorrectedStar, NotCorrected> {
        let ln_d = match star.distance {
            Some(Distance::Kpc(d)) => d.value.ln(),
            Some(Distance::Parallax(p)) if p.value > 0.0 => -p.value.ln(),
            _ => return Err(NotCorrected::NoDistance),
        };
        let v_los = star.v_los.ok_or(NotCorrected::NoSpeed)?.value;
        star.proper_motion.ok_or(NotCorrected::NoMotion)?;
        let angles: Vec<f64> = self.made.iter().filter_map(|made| made.angle(seen)).collect();
        let angle = crate::statistics::mean(angles.iter().copied()).ok_or(NotCorrected::NoTrack)?;
        let (stream, orbit) = self.at(angle).ok_or(NotCorrected::NoTrack)?;
        let (from, to) = (self.frame.sight(&stream), self.frame.sight(&orbit));
        let (n_from, n_to) = ([from[0], from[1], from[2]], [to[0], to[1], to[2]]);
        let turned = |vector: [f64; 3]| turn(n_from, n_to, vector);
        let n = turned(seen.towards());
        let (own, mean) = (turned(seen.motion()), turned([from[3], from[4], from[5]]));
        let motion = [0, 1, 2].map(|i| own[i] - mean[i] + to[3 + i]);
        // What is left of it along the sight is of second order.
        let along = dot(motion, n);
        let motion = [0, 1, 2].map(|i| motion[i] - along * n[i]);
        let now = self
            .frame
            .place(n, ln_d + to[6] - from[6], v_los + to[7] - from[7], motion);
        Ok(CorrectedStar {
            now,
            offset: self.offset(&stream, &orbit),
        })
    }

    fn track(&self, plan: &Plan) -> Vec<TrackPoint> {
        let (low, high) = plan.range;
        let angles = (0..POINTS).map(|i| low + (high - low) * i as f64 / (POINTS - 1) as f64);
        let point = |angle: f64| {
            let (stream, orbit) = self.at(angle)?;
            Some(TrackPoint {
                angle,
                stream: self.sight(&stream),
                offset: self.offset(&stream, &orbit),
            })
        };
        angles.filter_map(point).collect()
    }
}

/// A vector turned as `from` is to become `to`, by the shortest way; both are of length one, and not opposite.
fn turn(from: [f64; 3], to: [f64; 3], vector: [f64; 3]) -> [f64; 3] {
    let sum = [0, 1, 2].map(|i| from[i] + to[i]);
    let back = scaled(sum, dot(sum, vector) / (1.0 + dot(from, to)).max(1e-12));
    let along = 2.0 * dot(from, vector);
    [0, 1, 2].map(|i| vector[i] - back[i] + along * to[i])
}

#[cfg(test)]
#[path = "corrected_tests.rs"]
mod tests;
