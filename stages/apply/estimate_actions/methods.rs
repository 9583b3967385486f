//! How each method finds the actions of stars.

use std::collections::BTreeMap;
use std::fmt::Display;

use dynamics::o2gf::{self, Class, Label};
use dynamics::phase_space::{ActionAngle, Actions, PhaseSpace};
use dynamics::potential::{Isochrone, Potential};
use dynamics::spherical::SphericalActions;
use dynamics::staeckel::StaeckelFudge;
use dynamics::torus;
use rayon::prelude::*;
use runner::context::StageContext;
use runner::error::StageError;
use tables::RecordBatch;

use super::hold::{Bounds, Hold};
use super::one_orbit::OneOrbit;
use super::{Method, O2gfParameters, TorusParameters};
use crate::common::io::{column, identity};
use crate::common::learned_field::LearnedField;
use crate::common::potentials;

/// What was found for one star.
pub struct Estimate {
    /// Actions, angles and frequencies.
    pub found: ActionAngle,
    /// How good they are, where the method knows.
    pub quality: Option<Quality>,
}

/// A label's own opinion of itself.
pub struct Quality {
    /// km/s kpc.
    pub action_error: f64,
    /// What two windows differ by, km/s kpc.
    pub window_error: f64,
    /// Radians.
    pub angle_error: f64,
    /// Name of the orbit's class.
    pub class: &'static str,
}

/// For every star; a star without actions has the reason, one line.
pub type Estimates = Vec<Result<Estimate, String>>;

/// Units of work done between two looks at the cancel flag.
const CHUNK: usize = 512;

/// Finds the actions of one unit of work: rows that belong together.
type Work<'a> = Box<dyn Fn(&[usize]) -> Vec<Result<Estimate, String>> + Sync + 'a>;

impl Method {
    /// The actions of every row.
    pub fn estimate(
        &self,
        context: &StageContext,
        table: &RecordBatch,
        stars: &[PhaseSpace],
    ) -> Result<Estimates, StageError> {
        let (potential, hold) = match self.potential() {
            Some(potential) => {
                let method = (self.name(), self.symmetry());
                (potentials::build_for(&potential, context, &self.place(), method)?, None)
            }
            None => field(context, stars).map(|(field, hold)| (field, Some(hold)))?,
        };
        let (potential, hold) = (potential.as_ref(), hold.as_ref());
        let singly: Vec<Vec<usize>> = (0..stars.len()).map(|row| vec![row]).collect();
        match self {
            Self::Isochrone(with) => {
                let sphere = Isochrone::new(with.mass.get(), with.scale.get()).map_err(StageError::failed)?;
                let work = one_by_one(stars, move |star| sphere.actions(star));
                all(context, potential, hold, stars, &singly, &work)
            }
            Self::Spherical(_) => {
                let spherical = SphericalActions::new(potential).map_err(StageError::failed)?;
                let work = one_by_one(stars, move |star| spherical.actions(star));
                all(context, potential, hold, stars, &singly, &work)
            }
            Self::StaeckelFudge(_) => {
                let fudge = StaeckelFudge::new(potential).map_err(StageError::failed)?;
                let work = one_by_one(stars, move |star| fudge.actions(star));
                all(context, potential, hold, stars, &singly, &work)
            }
            Self::Torus(with) => {
                let fudge = StaeckelFudge::new(potential).map_err(StageError::failed)?;
                let work = one_by_one(stars, move |star| iterate(potential, &fudge, with, star));
                all(context, potential, hold, stars, &singly, &work)
            }
            Self::O2gf(with) if with.one_orbit_per_stream => {
                let times = column(table, "t")?;
                let streams = rows_of_streams(identity(table)?.0);
                let work: Work = Box::new(|rows| OneOrbit::new(potential, with, stars, times, rows).estimates());
                all(context, potential, hold, stars, &streams, &work)
            }
            Self::O2gf(with) => {
                let settings = with.settings();
                let label = |&row: &usize| {
                    let label = o2gf::label(potential, &stars[row], &settings).map_err(|error| error.to_string())?;
                    with.accept(&label)
                };
                let work: Work = Box::new(|rows| rows.iter().map(label).collect());
                all(context, potential, hold, stars, &singly, &work)
            }
        }
    }
}

/// The axisymmetric part of the field that is connected, and what it can hold; what it leaves out of the acceleration of `stars` is a
/// metric.
fn field(context: &StageContext, stars: &[PhaseSpace]) -> Result<(Box<dyn Potential>, Hold), StageError> {
    let LearnedField {
        expansion: whole,
        extent,
    } = crate::common::learned_field::read(context.input("field")?)?;
    let part = whole.axisymmetric_part();
    let part = part.ok_or_else(|| StageError::failed("input field: has no axisymmetric part"))?;
    let left_out = |star: &PhaseSpace| {
        let (whole, part) = (whole.acceleration(star.x), part.acceleration(star.x));
        let length = |a: [f64; 3]| a.iter().map(|c| c * c).sum::<f64>().sqrt();
        length([0, 1, 2].map(|i| whole[i] - part[i])) / length(whole).max(f64::MIN_POSITIVE)
    };
    let mean = stars.iter().map(left_out).sum::<f64>() / stars.len().max(1) as f64;
    context.metric("not_axisymmetric", 100.0 * mean, "%");
    let hold = Hold::new(&part, extent);
    Ok((Box::new(part), hold))
}

/// Rows of one unit, and what was found for each.
type Done = (Vec<usize>, Vec<Result<Estimate, String>>);

/// Work on one row at a time, without an opinion of its quality.
fn one_by_one<'a, E: Display>(
    stars: &'a [PhaseSpace],
    find: impl Fn(&PhaseSpace) -> Result<ActionAngle, E> + Sync + 'a,
) -> Work<'a> {
    Box::new(move |rows| {
        let estimate = |&row: &usize| {
            let found = find(&stars[row]).map_err(|error| error.to_string())?;
            Ok(Estimate { found, quality: None })
        };
        rows.iter().map(estimate).collect()
    })
}

/// Does all units of `work` in parallel; stars that are unbound, or that a learned field does not hold, never reach it.
fn all(
    context: &StageContext,
    potential: &dyn Potential,
    hold: Option<&Hold>,
    stars: &[PhaseSpace],
    units: &[Vec<usize>],
    work: &Work,
) -> Result<Estimates, StageError> {
    let limit = potential.potential_at_infinity();
    let bounds = |star: &PhaseSpace| {
        let energy = potential.energy(star);
        match hold {
            Some(hold) => hold.bounds(star, energy).map(Some),
            None if energy < limit => Ok(None),
            None => Err(format!("unbound: energy {energy:.1} (km/s)², {limit:.1} at infinity")),
        }
    };
    let bounds: Vec<Result<Option<Bounds>, String>> = stars.iter().map(bounds).collect();
    let progress = context.progress(stars.len() as u64, "stars");
    let mut estimates: Vec<Option<Result<Estimate, String>>> = stars.iter().map(|_| None).collect();
    for units in units.chunks(CHUNK) {
        context.check_cancelled()?;
        let one = |rows: &Vec<usize>| {
            let bound: Vec<usize> = rows.iter().copied().filter(|&row| bounds[row].is_ok()).collect();
            let found = if bound.is_empty() { Vec::new() } else { work(&bound) };
            progress.add(rows.len() as u64);
            (bound, found)
        };
        let done: Vec<Done> = units.par_iter().with_max_len(1).map(one).collect();
        for (rows, found) in done {
            for (row, found) in rows.into_iter().zip(found) {
                let within = |estimate: Estimate| match &bounds[row] {
                    Ok(Some(bounds)) => bounds.check(&estimate.found).map(|()| estimate),
                    _ => Ok(estimate),
                };
                estimates[row] = Some(found.and_then(finite).and_then(within));
            }
        }
    }
    let every = estimates.into_iter().zip(bounds);
    Ok(every
        .map(|(estimate, bounds)| estimate.unwrap_or_else(|| Err(bounds.err().unwrap_or_default())))
        .collect())
}

/// What is not finite must not travel on.
fn finite(estimate: Estimate) -> Result<Estimate, String> {
    let ActionAngle {
        actions,
        angles,
        frequencies,
    } = &estimate.found;
    let values = [
        actions.phi,
        actions.z,
        actions.r,
        angles.phi,
        angles.z,
        angles.r,
        frequencies.phi,
        frequencies.z,
        frequencies.r,
    ];
    if values.iter().all(|value| value.is_finite()) {
        Ok(estimate)
    } else {
        Err("an action, angle or frequency is not finite".to_owned())
    }
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

impl O2gfParameters {
    pub(super) fn settings(&self) -> o2gf::Settings {
        o2gf::Settings {
            target: self.target.get(),
            ..o2gf::Settings::default()
        }
    }

    /// The label as an estimate, or why it is not good enough.
    pub(super) fn accept(&self, label: &Label) -> Result<Estimate, String> {
        let class = class_name(label.class);
        let limit = self.largest_error.map(|limit| limit.get());
        if let Some(limit) = limit.filter(|&limit| label.action_error.is_nan() || label.action_error > limit) {
            return Err(format!(
                "{class}: its actions are known to {:.2} km/s kpc only, not to {limit}",
                label.action_error
            ));
        }
        Ok(Estimate {
            found: label.action_angle,
            quality: Some(Quality {
                action_error: label.action_error,
                window_error: label.window_error,
                angle_error: label.angle_error,
                class,
            }),
        })
    }
}

/// The rows of each stream, streams in the order of their first row.
fn rows_of_streams(stream: &[i64]) -> Vec<Vec<usize>> {
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

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Regular => "regular",
        Class::Resonant { .. } => "resonant",
        Class::Chaotic => "chaotic",
        Class::NearVertical => "near-vertical",
        Class::Unconverged => "unconverged",
    }
}

/// How many stars are of each class, and how many labels are better than some errors, as metrics.
pub fn count_classes(context: &StageContext, estimates: &[Estimate]) {
    let qualities: Vec<&Quality> = estimates.iter().filter_map(|star| star.quality.as_ref()).collect();
    let mut classes = BTreeMap::new();
    for quality in &qualities {
        *classes.entry(quality.class).or_insert(0.0) += 1.0;
    }
    for (class, count) in classes {
        context.metric(class, count, "");
    }
    for limit in [0.01, 0.1, 0.5] {
        let better = qualities.iter().filter(|quality| quality.action_error < limit).count();
        context.metric(&format!("J_error_below_{limit}"), better as f64, "");
    }
    let better = qualities.iter().filter(|quality| quality.window_error < 0.5).count();
    context.metric("J_window_error_below_0.5", better as f64, "");
}
