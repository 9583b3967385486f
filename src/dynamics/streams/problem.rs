//! Streams in trial galaxies, and the state of their fit.

use super::frame::OBSERVED;
use super::galaxy::{Model, Parameter};
use super::likelihood::{Judged, judge, predicted};
use super::observed::Observed;
use super::particles::{OWN, Plan, Trial, on_orbit, plan, releases, stripped};
use super::release::Kicks;
use super::settings::{FitError, Settings, Source};
use super::track::{Made, floor, scatter};
use crate::units::Natural;
use rayon::prelude::*;

/// Parameters of how stars leave, after those of the model: k_r, k_vφ and ln of the age in Gyr.
pub(crate) const STRIPPING: usize = 3;

/// The fit of a stream as it stands.
pub(crate) struct State {
    pub own: [f64; OWN],
    pub plan: Option<Plan>,
    pub scatter: [[f64; OBSERVED]; OBSERVED],
    pub outliers: f64,
    /// Means over iterations of the slopes, a row for each star and column.
    pub slopes: Vec<[f64; OBSERVED]>,
}

pub(crate) struct Problem<'a> {
    pub settings: &'a Settings,
    pub model: Model,
    pub parameters: Vec<Parameter>,
    pub observed: Vec<Observed>,
    /// How many of the parameters are free.
    pub shared: usize,
}

/// Difference steps of a stream's own parameters.
pub(crate) const OWN_STEPS: [f64; OWN] = [4e-3, 8e-3, 1.2, 0.03, 0.03, 2e-3, 0.2];

/// Orbits have no noise of particles, and their differences are this much shorter.
const ORBIT_STEPS: f64 = 0.2;

/// The track at every star, where there is one.
pub(crate) type Tracks = Vec<Option<[f64; OBSERVED]>>;

/// Iterations with full steps and without outliers, in which a stream's scatter still changes.
pub(crate) fn burn_in(source: Source) -> usize {
    match source {
        Source::Spray => 6,
        Source::Orbit => 15,
    }
}

impl Problem<'_> {
    pub fn own_columns(&self) -> usize {
        match self.settings.source {
            Source::Spray => OWN,
            Source::Orbit => OBSERVED,
        }
    }

    pub fn step_factor(&self) -> f64 {
        match self.settings.source {
            Source::Spray => 1.0,
            Source::Orbit => ORBIT_STEPS,
        }
    }

    /// Standard deviation of the regression's window, relative to the stream's length.
    pub fn window(&self, observed: &Observed) -> f64 {
        let part = match self.settings.source {
            Source::Spray => 0.07,
            Source::Orbit => 0.03,
        };
        part * (observed.range.1 - observed.range.0).max(1e-3)
    }

    pub fn trial(&self, values: &[f64]) -> Option<Trial> {
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

    pub fn made(&self, trial: &Trial, stream: usize, own: &[f64; OWN], plan: &Plan, seed: u64) -> Option<Made> {
        let frame = &self.observed[stream].frame;
        match self.settings.source {
            Source::Spray => {
                let releases = releases(self.settings.seed, (seed << 32) + stream as u64, self.settings.releases);
                stripped(trial, frame, own, plan, &releases)
            }
            Source::Orbit => on_orbit(&trial.galaxy, frame, own),
        }
    }

    /// The track at every star.
    pub fn tracks(&self, stream: usize, made: Option<&Made>) -> Tracks {
        let observed = &self.observed[stream];
        let width = self.window(observed);
        let seen = observed.seen.iter();
        seen.map(|star| made?.track(star.along, star.values[0], width))
            .collect()
    }

    pub fn judged(
        &self,
        stream: usize,
        state: &State,
        tracks: &[Option<[f64; OBSERVED]>],
        heat: f64,
    ) -> Vec<Option<Judged>> {
        let observed = &self.observed[stream];
        let scatter = state.scatter.map(|row| row.map(|c| heat * c));
        let count = observed.seen.len();
        let part = self
            .settings
            .independent
            .map_or(1.0, |independent| (independent as f64 / count as f64).min(1.0));
        let one = |(star, track): (&super::frame::Seen, &Option<[f64; OBSERVED]>)| {
            let judged = judge(star, track.as_ref()?, &scatter, state.outliers, &observed.field)?;
            Some(judged.share(part))
        };
        observed.seen.iter().zip(tracks).map(one).collect()
    }

    /// One iteration's tracks: for every stream the base, and where slopes are looked for one for each column.
    pub fn look(&self, values: &[f64], states: &mut [State], iteration: usize) -> Result<Vec<Look>, FitError> {
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
        let mut found: Vec<(Option<Made>, Tracks)> = tasks
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
                let made = trial
                    .zip(state.plan.as_ref())
                    .and_then(|(trial, plan)| self.made(trial, stream, &own, plan, iteration as u64));
                let tracks = self.tracks(stream, made.as_ref());
                (made.filter(|_| column.is_none()), tracks)
            })
            .collect();
        let mut looks = Vec::with_capacity(states.len());
        for stream in (0..states.len()).rev() {
            let moved = found.split_off(stream * (columns + 1) + 1);
            let Some((made, tracks)) = found.pop() else {
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
            looks.push(Look { made, tracks, slopes });
        }
        looks.reverse();
        Ok(looks)
    }
}

/// The same stars with errors as many times as large as the stream's χ says where that is above 1: a stream that no galaxy fits tells little of it.
pub(crate) fn tempered(judged: &[Option<Judged>]) -> Vec<Option<Judged>> {
    let part = Judged::chi(judged).max(1.0).powi(-2);
    judged
        .iter()
        .map(|star| star.clone().map(|star| star.share(part)))
        .collect()
}

/// Looks whose slopes are kept apart for the uncertainty.
pub(crate) const KEPT: usize = 6;

/// What an iteration sees of a stream.
pub(crate) struct Look {
    pub made: Option<Made>,
    pub tracks: Tracks,
    pub slopes: Vec<[f64; OBSERVED]>,
}

/// A scatter to begin with: φ2, ln d, v_los, μ1, μ2.
const FIRST_SCATTER: [f64; OBSERVED] = [0.01, 0.03, 3.0, 0.08, 0.08];

impl State {
    pub fn new(observed: &Observed, source: Source) -> Self {
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
    pub fn learn(&mut self, observed: &Observed, look: &Look, width: f64, iteration: usize) {
        let found = look
            .made
            .as_ref()
            .and_then(|made| scatter(&made.particles, observed.range, width));
        if let (Some(found), true) = (found, iteration < burn_in(Source::Spray) + 2) {
            let old = if iteration == 0 { 0.0 } else { 0.6 };
            for (row, found) in self.scatter.iter_mut().zip(found) {
                for (value, found) in row.iter_mut().zip(found) {
                    *value = old * *value + (1.0 - old) * found;
                }
            }
        }
    }

    /// Adds an iteration's slopes to the mean, where older ones weigh at most 0.8.
    pub fn average(&mut self, slopes: &[[f64; OBSERVED]], iteration: usize) {
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
