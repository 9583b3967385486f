//! The galaxy in which streams look as they are observed.
//!
//! Every stream is made anew in a trial galaxy (progenitor back, particles forward), its local mean track is compared with the stars, and
//! the galaxy and each stream's own seven numbers move by a Gauss–Newton step. Each iteration draws new kicks, which residuals and
//! differences share; slopes are averaged over iterations.

use super::frame::{OBSERVED, Star};
use super::galaxy::{Correction, Model, Parameter};
use super::likelihood::{Judged, judge, predicted};
use super::observed::{Observed, Stream, StreamError};
use super::particles::{OWN, Plan, Trial, orbit, plan, releases, stripped};
use super::posterior::Posterior;
use super::release::Kicks;
use super::system::{Equations, Shares};
use super::track::{Particle, floor, local_mean, scatter};
use crate::phase_space::PhaseSpace;
use crate::potential::Expansion;
use crate::sky::Sun;
use crate::units::{Gyr, Natural};
use rayon::prelude::*;

/// What a stream is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Stars stripped from a progenitor.
    #[default]
    Spray,
    /// Stars on one orbit.
    Orbit,
}

/// How a galaxy is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What streams are.
    pub source: Source,
    /// Multipoles of the correction.
    pub correction: Correction,
    /// Scales of the correction; none for 0.
    pub scales: usize,
    /// Standard deviation of its coefficients, in 1e4 (km/s)².
    pub shrinkage: f64,
    /// Releases into each tail.
    pub releases: usize,
    /// Iterations.
    pub iterations: usize,
    /// How many of them, the first, look for slopes; the others use the mean of those, and cost little.
    pub looks: usize,
    /// How many of the last iterations the result is the mean of.
    pub averaged: usize,
    /// Middle of the prior of the time since stripping began.
    pub age: Gyr,
    /// Prior standard deviation of the progenitor's place from the middle of its stars, radial periods.
    pub progenitor: f64,
    /// Middle of the prior of the progenitors' masses, M_sun.
    pub mass: f64,
    /// Seed of the kicks.
    pub seed: u64,
}

impl Settings {
    /// What works for streams of the given kind.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            correction: Correction::default(),
            scales: 5,
            shrinkage: 0.18,
            releases: 150,
            iterations: match source {
                Source::Spray => 20,
                Source::Orbit => 30,
            },
            looks: match source {
                Source::Spray => 8,
                Source::Orbit => 30,
            },
            averaged: 10,
            age: Gyr(3.0),
            progenitor: 0.03,
            mass: 2e4,
            seed: 0,
        }
    }
}

/// Why a galaxy cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A stream cannot be used.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// No stream is left.
    #[error("there are no streams to fit")]
    NoStreams,
    /// A stream's orbit has no radial period in the galaxy reached.
    #[error("stream {stream} has no orbit in the trial galaxy")]
    NoOrbit {
        /// The stream.
        stream: i64,
    },
    /// The equations have no solution.
    #[error("iteration {iteration}: the equations of the fit have no solution")]
    Singular {
        /// The iteration.
        iteration: usize,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

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
    /// Its uncertainty; none where it was held.
    pub posterior: Option<Posterior>,
    /// Every stream, in the order given.
    pub streams: Vec<FittedStream>,
    /// ln of the likelihood of all of them.
    pub ln_likelihood: f64,
    /// Distances from the centre between which the stars are, kpc.
    pub radii: (f64, f64),
}

/// Parameters of how stars leave, after those of the model: k_r, k_vφ and ln of the age in Gyr.
const STRIPPING: usize = 3;

/// The fit of a stream as it stands.
struct State {
    own: [f64; OWN],
    plan: Option<Plan>,
    scatter: [[f64; OBSERVED]; OBSERVED],
    outliers: f64,
    /// Means over iterations of the slopes, a row for each star and column.
    slopes: Vec<[f64; OBSERVED]>,
}

struct Problem<'a> {
    settings: &'a Settings,
    model: Model,
    parameters: Vec<Parameter>,
    observed: Vec<Observed>,
    /// How many of the parameters are free.
    shared: usize,
}

/// Difference steps of a stream's own parameters.
const OWN_STEPS: [f64; OWN] = [4e-3, 8e-3, 1.2, 0.03, 0.03, 2e-3, 0.2];

/// Orbits have no noise of particles, and their differences are this much shorter.
const ORBIT_STEPS: f64 = 0.2;

/// The track at every star, where there is one.
type Tracks = Vec<Option<[f64; OBSERVED]>>;

/// Iterations without outliers, with full steps, and in which a stream's scatter still changes.
const BURN_IN: usize = 6;

impl Problem<'_> {
    fn own_columns(&self) -> usize {
        match self.settings.source {
            Source::Spray => OWN,
            Source::Orbit => OBSERVED,
        }
    }

    fn step_factor(&self) -> f64 {
        match self.settings.source {
            Source::Spray => 1.0,
            Source::Orbit => ORBIT_STEPS,
        }
    }

    /// Standard deviation of the regression's window, relative to the stream's length.
    fn window(&self, observed: &Observed) -> f64 {
        let part = match self.settings.source {
            Source::Spray => 0.07,
            Source::Orbit => 0.03,
        };
        part * (observed.range.1 - observed.range.0).max(1e-3)
    }

    fn trial(&self, values: &[f64]) -> Option<Trial> {
        let (galaxy, stripping) = values.split_at(values.len() - STRIPPING);
        let galaxy = self.model.galaxy(galaxy)?;
        Some(Trial {
            pull: super::lanes::Pull::new(&galaxy),
            galaxy,
            kicks: Kicks {
                radius: stripping[0],
                speed: stripping[1],
                ..Kicks::default()
            },
            age_factor: stripping[2].exp() / self.settings.age.0,
        })
    }

    fn particles(
        &self,
        trial: &Trial,
        stream: usize,
        own: &[f64; OWN],
        plan: &Plan,
        seed: u64,
    ) -> Option<Vec<Particle>> {
        let frame = &self.observed[stream].frame;
        match self.settings.source {
            Source::Spray => {
                let releases = releases(self.settings.seed, (seed << 32) + stream as u64, self.settings.releases);
                stripped(trial, frame, own, plan, &releases)
            }
            Source::Orbit => orbit(&trial.galaxy, frame, own),
        }
    }

    /// The track at every star.
    fn tracks(&self, stream: usize, particles: Option<&Vec<Particle>>) -> Tracks {
        let observed = &self.observed[stream];
        let width = self.window(observed);
        let at = |particles: &Vec<Particle>, star: &super::frame::Seen| {
            local_mean(particles, star.along, star.values[0], width)
        };
        observed
            .seen
            .iter()
            .map(|star| particles.and_then(|particles| at(particles, star)))
            .collect()
    }

    fn judged(
        &self,
        stream: usize,
        state: &State,
        tracks: &[Option<[f64; OBSERVED]>],
        heat: f64,
    ) -> Vec<Option<Judged>> {
        let observed = &self.observed[stream];
        let scatter = state.scatter.map(|row| row.map(|c| heat * c));
        let one = |(star, track): (&super::frame::Seen, &Option<[f64; OBSERVED]>)| {
            judge(star, track.as_ref()?, &scatter, state.outliers, &observed.field)
        };
        observed.seen.iter().zip(tracks).map(one).collect()
    }

    /// One iteration's tracks: for every stream the base, and where slopes are looked for one for each column.
    fn look(&self, values: &[f64], states: &mut [State], iteration: usize) -> Result<Vec<Look>, FitError> {
        let base = self.trial(values).ok_or(FitError::Singular { iteration })?;
        let age = Natural::from(self.settings.age).0;
        for (stream, state) in states.iter_mut().enumerate() {
            let observables = std::array::from_fn(|k| state.own[k]);
            let start = self.observed[stream].frame.locate(0.0, observables);
            state.plan = match self.settings.source {
                Source::Spray => plan(&base.galaxy, start, state.plan, age).or(state.plan),
                Source::Orbit => Some(Plan {
                    period: 1.0,
                    periods: 1.0,
                    steps: 1.0,
                }),
            };
            if state.plan.is_none() {
                let stream = self.observed[stream].stream;
                return Err(FitError::NoOrbit { stream });
            }
        }
        // Differences forwards and backwards in turn, so that their means are central.
        let sign = if iteration.is_multiple_of(2) { 1.0 } else { -1.0 } * self.step_factor();
        let moved = (0..if iteration < self.settings.looks {
            self.shared
        } else {
            0
        })
            .map(|column| {
                let mut moved = values.to_vec();
                moved[column] += sign * self.parameters[column].step;
                self.trial(&moved)
            });
        let trials: Vec<Option<Trial>> = moved.collect();
        let columns = if iteration < self.settings.looks {
            self.shared + self.own_columns()
        } else {
            0
        };
        let tasks: Vec<(usize, Option<usize>)> = (0..states.len())
            .flat_map(|stream| {
                std::iter::once((stream, None)).chain((0..columns).map(move |column| (stream, Some(column))))
            })
            .collect();
        let states = &*states;
        let mut found: Vec<(Option<Vec<Particle>>, Tracks)> = tasks
            .into_par_iter()
            .map(|(stream, column)| {
                let state = &states[stream];
                let mut own = state.own;
                let trial = match column {
                    None => Some(&base),
                    Some(column) if column < self.shared => trials[column].as_ref(),
                    Some(column) => {
                        own[column - self.shared] += sign * OWN_STEPS[column - self.shared];
                        Some(&base)
                    }
                };
                let particles = trial
                    .zip(state.plan.as_ref())
                    .and_then(|(trial, plan)| self.particles(trial, stream, &own, plan, iteration as u64));
                let tracks = self.tracks(stream, particles.as_ref());
                (particles.filter(|_| column.is_none()), tracks)
            })
            .collect();
        let mut looks = Vec::with_capacity(states.len());
        for stream in (0..states.len()).rev() {
            let moved = found.split_off(stream * (columns + 1) + 1);
            let Some((particles, tracks)) = found.pop() else {
                continue;
            };
            let seen = &self.observed[stream].seen;
            let mut slopes = vec![[0.0; OBSERVED]; seen.len() * columns];
            for (column, (_, moved)) in moved.iter().enumerate() {
                let step = match column.checked_sub(self.shared) {
                    None => self.parameters[column].step,
                    Some(own) => OWN_STEPS[own],
                };
                for (star, (track, moved)) in tracks.iter().zip(moved).enumerate() {
                    if let (Some(track), Some(moved)) = (track, moved) {
                        let (from, to) = (predicted(&seen[star], *track), predicted(&seen[star], *moved));
                        slopes[star * columns + column] = std::array::from_fn(|k| (to[k] - from[k]) / (sign * step));
                    }
                }
            }
            looks.push(Look {
                particles,
                tracks,
                slopes,
            });
        }
        looks.reverse();
        Ok(looks)
    }
}

/// Looks whose slopes are kept apart for the uncertainty.
const KEPT: usize = 6;

/// What an iteration sees of a stream.
struct Look {
    particles: Option<Vec<Particle>>,
    tracks: Tracks,
    slopes: Vec<[f64; OBSERVED]>,
}

/// A scatter to begin with: φ2, ln d, v_los, μ1, μ2.
const FIRST_SCATTER: [f64; OBSERVED] = [0.01, 0.03, 3.0, 0.08, 0.08];

impl State {
    fn new(observed: &Observed, source: Source) -> Self {
        let mut scatter = floor(1.0);
        if source == Source::Spray {
            for (k, first) in FIRST_SCATTER.iter().enumerate() {
                scatter[k][k] = first * first;
            }
        }
        Self {
            own: observed.start,
            plan: None,
            scatter,
            outliers: 0.0,
            slopes: Vec::new(),
        }
    }

    /// Takes the scatter of new particles into account, while it still may change.
    fn learn(&mut self, observed: &Observed, look: &Look, width: f64, iteration: usize) {
        let found = look
            .particles
            .as_ref()
            .and_then(|particles| scatter(particles, observed.range, width));
        if let (Some(found), true) = (found, iteration < BURN_IN + 2) {
            let old = if iteration == 0 { 0.0 } else { 0.6 };
            for (row, found) in self.scatter.iter_mut().zip(found) {
                for (value, found) in row.iter_mut().zip(found) {
                    *value = old * *value + (1.0 - old) * found;
                }
            }
        }
    }

    /// Adds an iteration's slopes to the mean, where older ones weigh at most 0.8.
    fn average(&mut self, slopes: &[[f64; OBSERVED]], iteration: usize) {
        let old = if self.slopes.is_empty() {
            0.0
        } else {
            (iteration as f64 / (iteration + 1) as f64).min(0.8)
        };
        self.slopes.resize(slopes.len(), [0.0; OBSERVED]);
        for (mean, new) in self.slopes.iter_mut().zip(slopes) {
            for (mean, new) in mean.iter_mut().zip(new) {
                *mean = old * *mean + (1.0 - old) * new;
            }
        }
    }
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
    let observed = streams
        .iter()
        .map(|stream| Observed::new(stream, sun, settings.progenitor, settings.mass.ln()));
    let observed = observed.collect::<Result<Vec<_>, _>>()?;
    let radii = observed.iter().map(|one| one.radii);
    let radii = radii
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        .ok_or(FitError::NoStreams)?;
    let model = Model::new(
        radii.0.max(1.0),
        radii.1.max(2.0),
        settings.scales,
        settings.shrinkage,
        settings.correction,
    );
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
    let observed = streams
        .iter()
        .map(|stream| Observed::new(stream, sun, settings.progenitor, settings.mass.ln()));
    let observed = observed.collect::<Result<Vec<_>, _>>()?;
    if observed.is_empty() {
        return Err(FitError::NoStreams);
    }
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

fn fit_model(
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
        model,
        parameters,
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
    let mut kept: Vec<Vec<Vec<[f64; OBSERVED]>>> = vec![Vec::new(); states.len()];
    let iterations = settings.iterations.max(1);
    for iteration in 0..iterations {
        if !go_on(iteration) {
            return Err(FitError::Stopped);
        }
        let looks = problem.look(&values, &mut states, iteration)?;
        let heat = heat(settings.source, iteration);
        let mut equations = Vec::with_capacity(states.len());
        for (stream, (state, look)) in states.iter_mut().zip(looks).enumerate() {
            let one = &problem.observed[stream];
            state.learn(one, &look, problem.window(one), iteration);
            let judged = problem.judged(stream, state, &look.tracks, heat);
            if iteration >= BURN_IN {
                state.outliers = outlying(&judged);
            }
            // Later residuals meet slopes of other kicks than their own, which are not correlated with them.
            let looked = iteration < settings.looks;
            let apart = iteration > BURN_IN;
            if looked && !apart {
                state.average(&look.slopes, iteration);
            }
            let shares = Shares {
                shared,
                columns,
                prior: (&one.start, &one.deviations),
                own: &state.own,
            };
            equations.push(Equations::new(&shares, &state.slopes, &judged));
            if looked && apart {
                state.average(&look.slopes, iteration);
            }
            if looked && iteration + KEPT >= settings.looks.min(iterations) {
                kept[stream].push(look.slopes);
            }
        }
        let steps = Equations::solve(&equations, &problem.parameters[..shared], &values)
            .ok_or(FitError::Singular { iteration })?;
        let part = if iteration < BURN_IN { 1.0 } else { 0.5 };
        let most = problem.step_factor().max(0.5);
        for ((value, step), parameter) in values.iter_mut().zip(&steps.shared).zip(&problem.parameters) {
            *value += part * step.clamp(-2.0 * most * parameter.step, 2.0 * most * parameter.step);
        }
        for (state, step) in states.iter_mut().zip(&steps.own) {
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
    finish(&problem, values, &states, &kept, radii)
}

/// Sets of kicks that the last tracks are the mean of.
const LAST_DRAWS: usize = 4;

/// Likelihood, streams and uncertainty at the end of a fit.
fn finish(
    problem: &Problem,
    values: Vec<f64>,
    states: &[State],
    kept: &[Vec<Vec<[f64; OBSERVED]>>],
    radii: (f64, f64),
) -> Result<Fit, FitError> {
    let iteration = problem.settings.iterations;
    let trial = problem.trial(&values).ok_or(FitError::Singular { iteration })?;
    let columns = problem.shared + problem.own_columns();
    let all: Vec<Vec<Option<Judged>>> = (states.par_iter().enumerate())
        .map(|(stream, state)| {
            let draws: Vec<Tracks> = (0..LAST_DRAWS)
                .map(|draw| {
                    let seed = (iteration + 1 + draw) as u64;
                    let particles = state
                        .plan
                        .as_ref()
                        .and_then(|plan| problem.particles(&trial, stream, &state.own, plan, seed));
                    problem.tracks(stream, particles.as_ref())
                })
                .collect();
            let mean = (0..problem.observed[stream].seen.len()).map(|star| {
                let of: Option<Vec<[f64; OBSERVED]>> = draws.iter().map(|draw| draw[star]).collect();
                of.map(|of| std::array::from_fn(|k| of.iter().map(|track| track[k]).sum::<f64>() / of.len() as f64))
            });
            problem.judged(stream, state, &mean.collect::<Vec<_>>(), 1.0)
        })
        .collect();
    let mut streams = Vec::with_capacity(states.len());
    let mut equations = Vec::new();
    for (stream, (state, judged)) in states.iter().zip(&all).enumerate() {
        let one = &problem.observed[stream];
        let known = || judged.iter().flatten();
        let freedom: f64 = known().map(|star| star.membership * star.observables as f64).sum();
        let chi2: f64 = known().map(|star| star.membership * star.chi2).sum();
        // A star without a prediction is as likely as one of the field.
        let lost: f64 = judged.iter().filter(|star| star.is_none()).count() as f64;
        streams.push(FittedStream {
            stream: one.stream,
            stars: one.seen.len(),
            chi: (chi2 / freedom.max(1e-9)).sqrt(),
            ln_likelihood: known().map(|star| star.ln_likelihood).sum::<f64>() - 10.0 * lost,
            outliers: outlying(judged),
            membership: judged
                .iter()
                .map(|star| star.as_ref().map_or(0.0, |star| star.membership))
                .collect(),
            orbit: one.frame.locate(0.0, std::array::from_fn(|k| state.own[k])),
            lead: state.own[OBSERVED],
            mass: state.own[OBSERVED + 1].exp(),
        });
        let shares = Shares {
            shared: problem.shared,
            columns,
            prior: (&one.start, &one.deviations),
            own: &state.own,
        };
        equations.push(Equations::of_draws(&shares, &kept[stream], judged));
    }
    let posterior = (problem.shared > 0)
        .then(|| Posterior::new(equations, &problem.parameters[..problem.shared]))
        .flatten();
    Ok(Fit {
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

impl Stream {
    /// A stream of these stars.
    pub fn new(stream: i64, stars: Vec<Star>) -> Self {
        Self { stream, stars }
    }
}
