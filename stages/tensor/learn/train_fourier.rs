//! Body of `train_actions` for `network: fourier`: a Fourier series for the orbit of each stream.

use std::collections::{BTreeMap, BTreeSet};

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Isochrone;
use networks::Error;
use networks::features::Symmetry as Imposed;
use networks::fourier::{OrbitMap, OrbitMaps, OrbitOptions, fit_orbit};
use networks::streams::Streams;
use networks::toy::fit_toy;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::common::io::TableContext;
use stages::common::set_aside::{self, SetAside};
use stages::learn::tables::{FittedOrbit, Toy, fitted_orbits};
use stages::learn::train_actions::{Fourier, Symmetry, TrainActions};

use crate::common::sample::Sample;
use crate::common::{LearnedFrom, digits, failed, save};
use crate::learn::spread::Spread;

/// Stars of a stream from which its toy is found.
const STARS_FOR_TOY: usize = 1250;

/// Fits the series and writes them.
pub fn run(with: &TrainActions, own: &Fourier, train: &Sample, context: &StageContext) -> Result<Outcome, StageError> {
    let streams: BTreeSet<i64> = train.ids.iter().map(|id| id.stream).collect();
    let progress = context.progress(streams.len() as u64, "orbits");
    let mut maps = BTreeMap::new();
    let mut orbits = Vec::new();
    let (mut of_toys, mut held_out) = (Vec::new(), Vec::new());
    let mut lost = SetAside::default();
    for (stream, points) in streams.into_iter().zip(train.streams.points().map_err(failed)?) {
        context.check_cancelled()?;
        match fit(with, own, &points) {
            Ok((toy, map)) => {
                orbits.push(FittedOrbit {
                    stream,
                    toy: Toy {
                        mass: toy.0,
                        scale: toy.1,
                    },
                    coefficients: map.coefficients() as i64,
                    held_out_spread: map.held_out_spread,
                });
                of_toys.push(toy_actions(toy, &points)?);
                held_out.push(map.held_out_spread);
                maps.insert(stream, map);
            }
            Err(error) => {
                for id in train.ids.iter().filter(|id| id.stream == stream) {
                    lost.push(*id, format!("its stream has no series: {error}"));
                }
            }
        }
        progress.add(1);
    }
    lost.write(context, with.failures, train.stars(), "stars")?;
    if maps.is_empty() {
        return Ok(set_aside::all_set_aside(train.stars(), "stars"));
    }
    tell_spread(context, &Spread::along(&of_toys), &held_out);
    let weights = OrbitMaps { maps }.to_weights().map_err(failed)?;
    save(context, "network", weights, with, LearnedFrom::of(&train.streams))?;
    context.write_rows("orbits", &fitted_orbits(), &orbits)?;
    Ok(Outcome::Complete)
}

/// The toy (mass in M_sun, scale in kpc) and the series of one orbit.
fn fit(with: &TrainActions, own: &Fourier, points: &[PhaseSpace]) -> Result<((f64, f64), OrbitMap), Error> {
    let step = points.len().div_ceil(STARS_FOR_TOY).max(1);
    let some: Vec<_> = points.iter().step_by(step).copied().collect();
    let toy = match with.toy.given() {
        Some(toy) if with.toy.is_fixed() => toy,
        start => {
            let one = Streams::of_points(&[some])?;
            let toy = fit_toy(&one, None, start)?;
            (toy.mass(), toy.scale_kpc())
        }
    };
    let isochrone = Isochrone::new(toy.0, toy.1).map_err(|error| Error::Data(error.to_string()))?;
    Ok((toy, fit_orbit(points, isochrone, &options(own, with.seed))?))
}

/// The toy actions (φ, z, r) of an orbit's stars.
fn toy_actions((mass, scale): (f64, f64), points: &[PhaseSpace]) -> Result<Vec<[f64; 3]>, StageError> {
    let toy = Isochrone::new(mass, scale).map_err(StageError::failed)?;
    let found = points.iter().filter_map(|point| toy.actions(point).ok());
    Ok(found
        .map(|found| [found.actions.phi, found.actions.z, found.actions.r])
        .collect())
}

/// Spreads along the orbits: of the toy over all their stars, of the series over those left out of the fit.
fn tell_spread(context: &StageContext, toy: &Spread, held_out: &[f64]) {
    let held_out = Spread::of_streams(held_out);
    let metrics = [
        ("spread_toy_training", toy.mean(None)),
        ("spread_toy_training_median", toy.median(None)),
        ("spread_validation", held_out.mean(None)),
        ("spread_validation_median", held_out.median(None)),
    ];
    for (name, value) in metrics {
        if let Some(value) = value {
            context.metric(name, value, "km/s kpc");
        }
    }
    if let Some((series, toy)) = held_out
        .mean(None)
        .zip(toy.mean(None))
        .filter(|(series, toy)| series >= toy)
    {
        context.finding(format!(
            "the series are no better than their toys: the mean spread of actions of held-out stars is {} km/s kpc, the toys' {}",
            digits(series),
            digits(toy)
        ));
    }
}

fn options(own: &Fourier, seed: u64) -> OrbitOptions {
    let usual = OrbitOptions::default();
    OrbitOptions {
        symmetry: match own.symmetry {
            Symmetry::None => Imposed::None,
            Symmetry::Axisymmetric => Imposed::Axisymmetric,
            Symmetry::Spherical => Imposed::Spherical,
        },
        time_reversal: own.time_reversal,
        coefficients: own.coefficients.map_or(usual.coefficients, |count| count as usize),
        seed,
        ..usual
    }
}
