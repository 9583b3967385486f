//! How each method finds the actions of stars.

use std::collections::BTreeMap;
use std::fmt::Display;

use dynamics::finder::{self, Finder};
use dynamics::o2gf::{self, Class, Label, Libration};
use dynamics::phase_space::{ActionAngle, Actions, PhaseSpace};
use dynamics::potential::{Isochrone, Potential};
use dynamics::spherical::SphericalActions;
use dynamics::staeckel::StaeckelFudge;
use dynamics::torus;
use rayon::prelude::*;
use runner::context::{Progress, StageContext};
use runner::error::StageError;

use super::hold::{Bounds, Hold};
use super::one_orbit::OneOrbit;
use super::{Fallback, FinderParameters, Method, O2gfParameters, TorusParameters};
use crate::common::finder_file;
use crate::common::spread::{Nine, Spread};

/// What was found for one star.
pub struct Estimate {
    /// Actions, angles and frequencies.
    pub found: ActionAngle,
    /// How good they are, where the method knows.
    pub quality: Option<Quality>,
    /// What the errors of measurement make of them, where these are known.
    pub spread: Option<Box<Spread>>,
    /// What the error of the field makes of them, where that is asked for and known.
    pub of_field: Option<Nine>,
}

/// A label's own opinion of itself.
#[derive(Debug, Clone, Copy)]
pub struct Quality {
    /// km/s kpc.
    pub action_error: f64,
    /// What two windows differ by, km/s kpc.
    pub window_error: f64,
    /// Radians.
    pub angle_error: f64,
    /// The orbit's class.
    pub class: Named,
    /// Of a trapped star, where the method tells it.
    pub libration: Option<Libration>,
}

/// A class as tables have it.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// n_r and n_z of its resonance, or zeros.
    pub resonance: [i32; 2],
}

impl From<Class> for Named {
    fn from(class: Class) -> Self {
        let (name, resonance) = match class {
            Class::Regular => ("regular", [0, 0]),
            Class::Resonant { n_r, n_z } => ("resonant", [n_r, n_z]),
            Class::Chaotic => ("chaotic", [0, 0]),
            Class::NearVertical => ("near-vertical", [0, 0]),
            Class::Unconverged => ("unconverged", [0, 0]),
        };
        Self { name, resonance }
    }
}

/// Of one star; a star without actions has the reason, one line.
pub type Found = Result<Estimate, String>;

/// Finds the actions of one star.
pub type Find<'a> = Box<dyn Fn(&PhaseSpace) -> Found + Sync + 'a>;

/// Units of work done between two looks at the cancel flag.
const CHUNK: usize = 512;

impl Method {
    /// How it finds the actions of one star in a potential.
    pub fn finder<'a>(&'a self, potential: &'a dyn Potential, context: &StageContext) -> Result<Find<'a>, StageError> {
        Ok(match self {
            Self::Isochrone(with) => {
                let sphere = Isochrone::new(with.mass.get(), with.scale.get()).map_err(StageError::failed)?;
                plain(move |star| sphere.actions(star))
            }
            Self::Spherical(_) => {
                let spherical = SphericalActions::new(potential).map_err(StageError::failed)?;
                plain(move |star| spherical.actions(star))
            }
            Self::StaeckelFudge(_) => {
                let fudge = StaeckelFudge::new(potential).map_err(StageError::failed)?;
                plain(move |star| fudge.actions(star))
            }
            Self::Torus(with) => {
                let fudge = StaeckelFudge::new(potential).map_err(StageError::failed)?;
                plain(move |star| iterate(potential, &fudge, with, star))
            }
            Self::O2gf(with) => {
                let settings = with.settings();
                Box::new(move |star| {
                    let label = o2gf::label(potential, star, &settings).map_err(|error| error.to_string())?;
                    with.accept(&label)
                })
            }
            Self::Finder(with) => {
                let stored = finder_file::read(context.input("finder")?)?;
                let finder = Finder::restore(potential, stored)
                    .map_err(|error| StageError::failed(format!("input finder: {error}")))?;
                Box::new(move |star| with.find(potential, &finder, star))
            }
        })
    }
}

/// A method without an opinion of its quality.
fn plain<'a, E: Display>(find: impl Fn(&PhaseSpace) -> Result<ActionAngle, E> + Sync + 'a) -> Find<'a> {
    Box::new(move |star| {
        let found = find(star).map_err(|error| error.to_string())?;
        Ok(Estimate {
            found,
            quality: None,
            spread: None,
            of_field: None,
        })
    })
}

/// What keeps stars that a potential does not hold from every method, and answers that none of its orbits can have from the table.
pub struct Guard<'a> {
    potential: &'a dyn Potential,
    limit: f64,
    hold: Option<&'a Hold>,
}

impl<'a> Guard<'a> {
    /// Of a potential; of a learned field with what it can hold.
    pub fn new(potential: &'a dyn Potential, hold: Option<&'a Hold>) -> Self {
        Self {
            potential,
            limit: potential.potential_at_infinity(),
            hold,
        }
    }

    /// What bounds a star, if anything does.
    fn bounds(&self, star: &PhaseSpace) -> Result<Option<Bounds>, String> {
        let (energy, limit) = (self.potential.energy(star), self.limit);
        match self.hold {
            Some(hold) => hold.bounds(star, energy).map(Some),
            None if energy < limit => Ok(None),
            None => Err(format!("unbound: energy {energy:.1} (km/s)², {limit:.1} at infinity")),
        }
    }

    /// The actions of a star that is bound, by `find`.
    pub fn estimate(&self, star: &PhaseSpace, find: &Find) -> Found {
        let bounds = self.bounds(star)?;
        within(find(star)?, bounds.as_ref())
    }

    /// The actions of the stars of a stream that is one orbit; those that are unbound never reach it.
    pub fn estimate_stream(
        &self,
        with: &O2gfParameters,
        stars: &[PhaseSpace],
        times: &[f64],
        rows: &[usize],
    ) -> Vec<Found> {
        let bounds: Vec<_> = rows.iter().map(|&row| self.bounds(&stars[row])).collect();
        let bound = rows.iter().zip(&bounds).filter(|(_, bounds)| bounds.is_ok());
        let bound: Vec<usize> = bound.map(|(&row, _)| row).collect();
        let mut found = if bound.is_empty() {
            Vec::new()
        } else {
            OneOrbit::new(self.potential, with, stars, times, &bound).estimates()
        }
        .into_iter();
        let missing = || Err("it has no actions".to_owned());
        bounds
            .into_iter()
            .map(|bounds| {
                within(
                    found_if_bound(&bounds, &mut found).unwrap_or_else(missing)?,
                    bounds?.as_ref(),
                )
            })
            .collect()
    }
}

/// The next of those found, for a star that is bound.
fn found_if_bound(bounds: &Result<Option<Bounds>, String>, found: &mut impl Iterator<Item = Found>) -> Option<Found> {
    match bounds {
        Ok(_) => found.next(),
        Err(reason) => Some(Err(reason.clone())),
    }
}

/// What is not finite, or what no orbit within these bounds can have, must not travel on.
fn within(estimate: Estimate, bounds: Option<&Bounds>) -> Found {
    if !estimate.found.is_finite() {
        return Err("an action, angle or frequency is not finite".to_owned());
    }
    bounds.map_or(Ok(()), |bounds| bounds.check(&estimate.found))?;
    Ok(estimate)
}

/// Does `work` on all units in parallel, and gives what it found in their order.
pub fn all<T: Sync, R: Send>(
    context: &StageContext,
    progress: &Progress,
    units: &[T],
    stars: impl Fn(&T) -> usize + Sync,
    work: impl Fn(&T) -> R + Sync,
) -> Result<Vec<R>, StageError> {
    let mut all = Vec::with_capacity(units.len());
    for units in units.chunks(CHUNK) {
        context.check_cancelled()?;
        let one = |unit: &T| {
            let found = work(unit);
            progress.add(stars(unit) as u64);
            found
        };
        all.extend(units.par_iter().with_max_len(1).map(one).collect::<Vec<R>>());
    }
    Ok(all)
}

fn iterate(
    potential: &dyn Potential,
    fudge: &StaeckelFudge<&dyn Potential>,
    with: &TorusParameters,
    star: &PhaseSpace,
) -> Result<ActionAngle, String> {
    let start: Actions = fudge.actions(star).map_err(|error| error.to_string())?.actions;
    let settings = torus::Settings::within(with.tolerance);
    torus::iterate(potential, star, &start, with.iterations as usize, &settings).map_err(|error| error.to_string())
}

impl FinderParameters {
    /// What the table says; where it has no answer or none so good, what the fallback says.
    fn find(&self, potential: &dyn Potential, finder: &Finder<&dyn Potential>, star: &PhaseSpace) -> Found {
        let answer = finder.find(star);
        let Some(Fallback::O2gf(with)) = self.fallback else {
            return answer.map(Estimate::from).map_err(|reason| reason.to_string());
        };
        match answer {
            Ok(found) if found.action_error <= with.above.get() => Ok(found.into()),
            _ => {
                let label = o2gf::label(potential, star, &o2gf::Settings::default());
                label
                    .map(|label| Estimate::from(&label))
                    .map_err(|error| error.to_string())
            }
        }
    }
}

impl From<finder::Found> for Estimate {
    fn from(found: finder::Found) -> Self {
        Self {
            found: found.action_angle,
            quality: Some(Quality {
                action_error: found.action_error,
                window_error: found.action_error,
                angle_error: found.angle_error,
                class: found.class.into(),
                libration: found.libration,
            }),
            spread: None,
            of_field: None,
        }
    }
}

impl From<&Label> for Estimate {
    fn from(label: &Label) -> Self {
        Self {
            found: label.action_angle,
            quality: Some(Quality {
                action_error: label.action_error,
                window_error: label.window_error,
                angle_error: label.angle_error,
                class: label.class.into(),
                libration: label.libration,
            }),
            spread: None,
            of_field: None,
        }
    }
}

impl O2gfParameters {
    pub(super) fn settings(&self) -> o2gf::Settings {
        o2gf::Settings {
            target: self.target.get(),
            ..o2gf::Settings::default()
        }
    }

    /// The label as an estimate, or why it is not good enough.
    pub(super) fn accept(&self, label: &Label) -> Found {
        let limit = self.largest_error.map(|limit| limit.get());
        if let Some(limit) = limit.filter(|&limit| label.action_error.is_nan() || label.action_error > limit) {
            let class = Named::from(label.class).name;
            return Err(format!(
                "{class}: its actions are known to {:.2} km/s kpc only, not to {limit}",
                label.action_error
            ));
        }
        Ok(label.into())
    }
}

/// The rows of each stream, streams in the order of their first row.
pub fn rows_of_streams(stream: &[i64]) -> Vec<Vec<usize>> {
    let mut place = BTreeMap::new();
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for (row, &stream) in stream.iter().enumerate() {
        let place = *place.entry(stream).or_insert(rows.len());
        if place == rows.len() {
            rows.push(Vec::new());
        }
        rows[place].push(row);
    }
    rows
}

/// How many stars are of each class, and how many labels are better than some errors.
#[derive(Debug, Default)]
pub struct Classes {
    counts: BTreeMap<&'static str, usize>,
    better: [usize; 3],
    of_own_torus: [usize; 3],
    better_window: usize,
}

/// Errors of actions that labels are counted by, km/s kpc.
const LIMITS: [f64; 3] = [0.01, 0.1, 0.5];

impl Classes {
    /// Counts these in.
    pub fn add<'e>(&mut self, estimates: impl IntoIterator<Item = &'e Estimate>) {
        for quality in estimates.into_iter().filter_map(|star| star.quality.as_ref()) {
            *self.counts.entry(quality.class.name).or_default() += 1;
            let of_libration = quality.libration.and_then(|libration| libration.error);
            let of_own_torus = quality.action_error.min(of_libration.unwrap_or(f64::INFINITY));
            for (k, limit) in LIMITS.into_iter().enumerate() {
                self.better[k] += usize::from(quality.action_error < limit);
                self.of_own_torus[k] += usize::from(of_own_torus < limit);
            }
            self.better_window += usize::from(quality.window_error < 0.5);
        }
    }

    /// The counts as metrics.
    pub fn tell(&self, context: &StageContext) {
        for (class, count) in &self.counts {
            context.metric(class, *count as f64, "");
        }
        for (count, limit) in self.better.into_iter().zip(LIMITS) {
            context.metric(&format!("J_error_below_{limit}"), count as f64, "");
        }
        // Of J_r and J_z, or of a trapped star's J_sharp and J_libration.
        for (count, limit) in self.of_own_torus.into_iter().zip(LIMITS) {
            context.metric(&format!("torus_known_to_{limit}"), count as f64, "");
        }
        context.metric("J_window_error_below_0.5", self.better_window as f64, "");
    }
}
