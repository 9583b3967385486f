//! The galaxy in which streams look as they are observed.
//!
//! Every stream is made anew in a trial galaxy (progenitor back, particles forward), its local mean track is compared with the stars, and
//! the galaxy and each stream's own seven numbers move by a Gauss–Newton step. Each iteration draws new kicks, which residuals and
//! differences share; slopes are averaged over iterations.

use super::asymmetry::Asymmetry;
use super::disc_form::alike;
use super::frame::OBSERVED;
use super::galaxy::{Model, Parameter};
use super::likelihood::Judged;
use super::observed::{Observed, Stream};
use super::particles::OWN;
use super::posterior::Posterior;
use super::problem::{OWN_STEPS, Problem, STRIPPING, State, Tracks, burn_in, mean_tracks, tempered};
use super::release::Kicks;
use super::reliability::learn;
use super::settings::{FitError, Settings, Source};
use super::slopes::mean;
use super::system::{Equations, Shares};
use crate::phase_space::PhaseSpace;
use crate::potential::Expansion;
use crate::sky::Sun;
use rayon::prelude::*;

/// A stream as fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedStream {
    /// Its number.
    pub stream: i64,
    /// Stars.
    pub stars: usize,
    /// √(mean χ² of an observable), over stars by their membership.
    pub chi: f64,
    /// ln of its likelihood.
    pub ln_likelihood: f64,
    /// The part of its stars that belong to something else.
    pub outliers: f64,
    /// Membership of each star.
    pub membership: Vec<f64>,
    /// A point of the progenitor's orbit, in the middle of its stars.
    pub orbit: PhaseSpace,
    /// How many radial periods ahead of it the progenitor is.
    pub lead: f64,
    /// Mass of the progenitor, M_sun.
    pub mass: f64,
    /// All that is its own.
    pub(crate) own: [f64; OWN],
}

/// A fitted galaxy.
#[derive(Clone, Debug)]
pub struct Fit {
    /// What the parameters mean.
    pub model: Model,
    /// All parameters that streams share: those of the model, then of how stars leave.
    pub parameters: Vec<Parameter>,
    /// Their values.
    pub values: Vec<f64>,
    /// The galaxy.
    pub galaxy: Expansion,
    /// Two galaxies whose accelerations where the streams are are alike: of the model, and of one with a disc of another form; none for orbits
    /// and where it was held.
    pub alike: Option<[Expansion; 2]>,
    /// What speaks against its symmetry; none where it has none, and where it was held.
    pub asymmetry: Option<Asymmetry>,
    /// Its uncertainty; none where it was held.
    pub posterior: Option<Posterior>,
    /// Every stream, in the order given.
    pub streams: Vec<FittedStream>,
    /// ln of the likelihood of all of them.
    pub ln_likelihood: f64,
    /// Distances from the centre between which the stars are, kpc.
    pub radii: (f64, f64),
}

/// By what the scatter is multiplied at an iteration: a search from afar is gentle.
fn heat(source: Source, iteration: usize) -> f64 {
    let first = match source {
        Source::Spray => 4.0,
        Source::Orbit => 40.0,
    };
    (1.0 + first * 0.5_f64.powi(iteration as i32)).powi(2)
}

/// Outliers among stars of these memberships, with a prior of one in twenty.
fn outlying(judged: &[Option<Judged>]) -> f64 {
    let others: f64 = judged
        .iter()
        .map(|star| star.as_ref().map_or(1.0, |star| 1.0 - star.membership))
        .sum();
    ((others + 0.5) / (judged.len() as f64 + 10.0)).clamp(1e-3, 0.9)
}

/// Fits a galaxy to `streams`; where `hold` has the values of all shared parameters, only what is the streams' own. `begin` are values to
/// begin with; `go_on(iteration)` is asked before each.
///
/// **Source**: the recipe in `docs/notebook/streams.md`; track likelihoods go back to Koposov, Rix & Hogg (2010) and Bonaca et al. (2014).
/// **Accuracy**: that of finitely many particles and iterations; see there. The same numbers for any number of threads.
/// **Fails when** a stream has too few stars or no distances, or its orbit none in the trial galaxy.
pub fn fit(
    streams: &[Stream],
    sun: &Sun,
    settings: &Settings,
    begin: Option<&[f64]>,
    hold: bool,
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Fit, FitError> {
    let observed = observed(streams, sun, settings)?;
    let radii = Observed::radii(&observed);
    let model = Model::new(radii.0.max(1.0), radii.1.max(2.0), settings);
    fit_model(model, observed, radii, settings, begin, hold, go_on)
}

/// The same with the model of another fit, whose values are the ones to hold or to begin with.
pub fn fit_as(
    like: &Fit,
    streams: &[Stream],
    sun: &Sun,
    settings: &Settings,
    hold: bool,
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Fit, FitError> {
    let observed = observed(streams, sun, settings)?;
    fit_model(
        like.model.clone(),
        observed,
        like.radii,
        settings,
        Some(&like.values),
        hold,
        go_on,
    )
}

/// The streams of a fit, as they are seen; there must be some.
pub(crate) fn observed(streams: &[Stream], sun: &Sun, settings: &Settings) -> Result<Vec<Observed>, FitError> {
    let one = |stream| Observed::new(stream, sun, settings.progenitor, settings.mass.ln());
    let all = streams.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    (!all.is_empty()).then_some(all).ok_or(FitError::NoStreams)
}

pub(crate) fn fit_model(
    model: Model,
    observed: Vec<Observed>,
    radii: (f64, f64),
    settings: &Settings,
    begin: Option<&[f64]>,
    hold: bool,
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Fit, FitError> {
    let mut parameters = model.parameters.clone();
    let usual = Kicks::default();
    for (name, mean, deviation, step) in [
        ("release_radius", usual.radius, 0.3, 0.2),
        ("release_speed", usual.speed, 0.15, 0.1),
        ("ln_age", settings.age.0.ln(), 0.4, 0.15),
    ] {
        parameters.push(Parameter {
            name: name.to_owned(),
            mean,
            deviation,
            step,
        });
    }
    let shared = match (hold, settings.source) {
        (true, _) => 0,
        (false, Source::Spray) => parameters.len(),
        (false, Source::Orbit) => parameters.len() - STRIPPING,
    };
    let mut values: Vec<f64> = parameters.iter().map(|parameter| parameter.mean).collect();
    if let Some(begin) = begin.filter(|begin| begin.len() == values.len()) {
        values.copy_from_slice(begin);
    }
    let problem = Problem {
        settings,
        parameters,
        watched: match settings.asks && shared > 0 {
            true => model.missing(),
            false => Vec::new(),
        },
        model,
        observed,
        shared,
    };
    let mut states: Vec<State> = problem
        .observed
        .iter()
        .map(|one| State::new(one, settings.source))
        .collect();
    let columns = shared + problem.own_columns();
    let last = settings.averaged.clamp(1, settings.iterations.max(1));
    let mut sums = vec![0.0; values.len()];
    let mut own_sums = vec![[0.0; OWN]; states.len()];
    let iterations = settings.iterations.max(1);
    let settled = burn_in(settings.source);
    for iteration in 0..iterations {
        if !go_on(iteration) {
            return Err(FitError::Stopped);
        }
        let second = settings.second_looks();
        if !hold && iteration == settled {
            rescue(&problem, &values, &mut states, radii, go_on)?;
        }
        let looks = problem.look(&values, &mut states, iteration)?;
        let heat = heat(settings.source, iteration);
        let mut equations = Vec::with_capacity(states.len());
        let mut moving = Vec::with_capacity(states.len());
        let mut all = Vec::with_capacity(states.len());
        for (stream, (state, look)) in states.iter_mut().zip(looks).enumerate() {
            let one = &problem.observed[stream];
            if settings.learns_at(iteration) {
                state.learn(one, &look, iteration);
            }
            let judged = problem.judged(stream, state, &look.tracks, heat);
            if iteration < STEADY || settings.learns_anew(iteration) {
                state.forget();
            }
            let stays = state.stays(&judged);
            let judged = if iteration > settled {
                state.outliers = outlying(&judged);
                tempered(&judged)
            } else {
                judged
            };
            // Later residuals meet slopes of other kicks than their own, which are not correlated with them.
            let looked = settings.looks_at(iteration);
            let apart = iteration > settled;
            if looked && !apart {
                state.average(&look.slopes, iteration);
            }
            let shares = Shares {
                shared,
                columns,
                prior: (&one.start, &one.deviations),
                own: &state.own,
            };
            // A stream that goes back to where it was says nothing this time.
            let silent = || judged.iter().map(|_| None).collect::<Vec<_>>();
            let judged = if stays { judged } else { silent() };
            let mut one = match &state.reliability {
                Some(parts) => Equations::of_draws(&shares, state.kept.all(), &judged, parts),
                None => Equations::new(&shares, &state.slopes, &judged),
            };
            one.damping = state.damping;
            equations.push(one);
            all.push(judged);
            moving.push(stays);
            if settings.keeps(iteration) {
                state.keep(&look);
            }
            if second.contains(&iteration) {
                state.refresh(&look.slopes);
            } else if looked && apart {
                state.average(&look.slopes, iteration);
            }
        }
        if second.contains(&iteration) {
            learn(&mut states, &equations, &all, &problem.parameters[..shared], &values)
                .ok_or(FitError::Singular { iteration })?;
        }
        let steps = Equations::solve(&equations, &problem.parameters[..shared], &values)
            .ok_or(FitError::Singular { iteration })?;
        let full = match settings.source {
            Source::Spray => iterations.saturating_sub(last),
            Source::Orbit => settled,
        };
        let part = if iteration < full { 1.0 } else { 0.5 };
        let most = match settings.source {
            Source::Spray => 1.0,
            Source::Orbit => 0.5,
        };
        for ((value, step), parameter) in values.iter_mut().zip(&steps.shared).zip(&problem.parameters) {
            *value += part * step.clamp(-2.0 * most * parameter.step, 2.0 * most * parameter.step);
        }
        for ((state, step), _) in states
            .iter_mut()
            .zip(&steps.own)
            .zip(moving)
            .filter(|(_, moving)| *moving)
        {
            for ((value, step), size) in state.own.iter_mut().zip(step).zip(OWN_STEPS) {
                *value += part * step.clamp(-6.0 * size, 6.0 * size);
            }
        }
        if iteration + last >= iterations {
            sums.iter_mut()
                .zip(&values)
                .for_each(|(sum, value)| *sum += value / last as f64);
            for (sum, state) in own_sums.iter_mut().zip(&states) {
                sum.iter_mut()
                    .zip(state.own)
                    .for_each(|(sum, value)| *sum += value / last as f64);
            }
        }
    }
    values = sums;
    for (state, own) in states.iter_mut().zip(own_sums) {
        state.own = own;
    }
    finish(&problem, values, &states, radii)
}

/// From this iteration on a step that makes a stream much less likely is taken back; before it the scatter still falls too fast.
const STEADY: usize = 3;

/// A stream whose χ is above this after the first iterations may be stuck in a place where it does not belong.
const STUCK: f64 = 1.6;

/// Fits streams that may be stuck once more from where they began, in the galaxy that the others have found; they stay as they are where that is
/// no likelier.
fn rescue(
    problem: &Problem,
    values: &[f64],
    states: &mut [State],
    radii: (f64, f64),
    go_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<(), FitError> {
    let now = finish(problem, values.to_vec(), states, radii)?;
    let settings = Settings {
        iterations: RESCUE,
        looks: RESCUE,
        again: 0,
        averaged: 2,
        ..problem.settings.clone()
    };
    // To the caller all this is part of one iteration.
    let go_on = |_| go_on(burn_in(problem.settings.source));
    for ((state, observed), stream) in states.iter_mut().zip(&problem.observed).zip(&now.streams) {
        if stream.chi <= STUCK {
            continue;
        }
        let again = fit_model(
            problem.model.clone(),
            vec![observed.clone()],
            radii,
            &settings,
            Some(values),
            true,
            &go_on,
        );
        match again {
            Ok(again) if again.ln_likelihood > stream.ln_likelihood => {
                if let Some(found) = again.streams.first() {
                    state.own = found.own;
                    state.slopes.clear();
                    state.forget();
                }
            }
            Err(FitError::Stopped) => return Err(FitError::Stopped),
            _ => {}
        }
    }
    Ok(())
}

/// Iterations of a rescue.
const RESCUE: usize = 9;

/// Sets of kicks that the last tracks are the mean of.
const LAST_DRAWS: usize = 16;

/// Likelihood, streams and uncertainty at the end of a fit.
fn finish(problem: &Problem, values: Vec<f64>, states: &[State], radii: (f64, f64)) -> Result<Fit, FitError> {
    let iteration = problem.settings.iterations;
    let trial = problem.trial(&values).ok_or(FitError::Singular { iteration })?;
    let columns = problem.shared + problem.own_columns();
    // What the stars are judged to be, and where they would be on their track.
    type Seen = (Vec<Option<Judged>>, Vec<[f64; 3]>);
    let all: Vec<Seen> = (states.par_iter().enumerate())
        .map(|(stream, state)| {
            let draws: Vec<Tracks> = (0..LAST_DRAWS)
                .map(|draw| {
                    let seed = (iteration + 1 + draw) as u64;
                    let made = state
                        .plan
                        .as_ref()
                        .and_then(|plan| problem.made(&trial, stream, &state.own, plan, seed));
                    problem.tracks(stream, made.as_ref())
                })
                .collect();
            let mean = mean_tracks(&draws.iter().collect::<Vec<_>>());
            let observed = &problem.observed[stream];
            let places = observed.seen.iter().zip(&mean);
            let places = places.filter_map(|(star, track)| Some(observed.frame.locate(star.along, (*track)?).x));
            let places = places.collect();
            (problem.judged(stream, state, &mean, 1.0), places)
        })
        .collect();
    let mut streams = Vec::with_capacity(states.len());
    let (mut equations, mut asked) = (Vec::new(), Vec::new());
    for (stream, (state, (judged, _))) in states.iter().zip(&all).enumerate() {
        let one = &problem.observed[stream];
        let known = judged.iter().flatten();
        // A star without a prediction is as likely as one of the field.
        let lost: f64 = judged.iter().filter(|star| star.is_none()).count() as f64;
        streams.push(FittedStream {
            stream: one.stream,
            stars: one.seen.len(),
            chi: Judged::chi(judged),
            ln_likelihood: known.map(|star| star.ln_likelihood).sum::<f64>() - 10.0 * lost,
            outliers: outlying(judged),
            membership: judged
                .iter()
                .map(|star| star.as_ref().map_or(0.0, |star| star.membership))
                .collect(),
            orbit: one.frame.locate(0.0, std::array::from_fn(|k| state.own[k])),
            lead: state.own[OBSERVED],
            mass: state.own[OBSERVED + 1].exp(),
            own: state.own,
        });
        let shares = Shares {
            shared: problem.shared,
            columns,
            prior: (&one.start, &one.deviations),
            own: &state.own,
        };
        let judged = tempered(judged);
        let draws = state.kept.all();
        equations.push(match problem.settings.source {
            Source::Spray => {
                let of = |parts: &[f64]| Equations::of_draws(&shares, draws, &judged, parts);
                let all = of(&vec![1.0; judged.len()]);
                match &state.reliability {
                    Some(parts) => of(parts).informed_by(all),
                    None => all,
                }
            }
            Source::Orbit => Equations::exact(&shares, &mean(draws), &judged),
        });
        if state.watched.len() > 0 && !problem.watched.is_empty() {
            let (fitted, watched) = (state.kept.robust_mean(), state.watched.robust_mean());
            asked.push(Equations::with_watched(&shares, &fitted, &watched, &judged));
        }
    }
    let posterior = (problem.shared > 0)
        .then(|| Posterior::new(&equations, &problem.parameters[..problem.shared]))
        .flatten();
    let free = &problem.parameters[..problem.shared];
    let places: Vec<[f64; 3]> = all.iter().flat_map(|(_, places)| places.iter().copied()).collect();
    let base = &values[..problem.model.parameters.len()];
    let like = |model: &Model| alike(model, &trial.galaxy, &places, base);
    let pair = || Some([like(&problem.model)?, like(&problem.model.with_another_disc())?]);
    // Orbits are few and told too well for the comparison to be one of discs alone.
    let alike = (posterior.is_some() && problem.settings.source == Source::Spray)
        .then(pair)
        .flatten();
    let asymmetry = Asymmetry::new(
        &asked,
        free,
        &values,
        &problem.watched,
        problem.settings.shrinkage,
        (&trial.galaxy, &places),
    );
    let misfit = posterior.as_ref().map_or(1.0, |posterior| posterior.misfit);
    Ok(Fit {
        asymmetry: asymmetry.map(|asymmetry| asymmetry.beside(misfit)),
        alike,
        galaxy: trial.galaxy,
        ln_likelihood: streams.iter().map(|stream| stream.ln_likelihood).sum(),
        model: problem.model.clone(),
        parameters: problem.parameters.clone(),
        values,
        posterior,
        streams,
        radii,
    })
}
