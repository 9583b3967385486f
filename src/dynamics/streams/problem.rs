//! Streams in trial galaxies, and the state of their fit.

use super::frame::OBSERVED;
use super::galaxy::{Model, Parameter};
use super::likelihood::{Judged, judge, predicted};
use super::made::Made;
use super::observed::Observed;
use super::particles::{OWN, Plan, Release, Trial, on_orbit, plan, releases, seen, stars};
use super::release::Kicks;
use super::settings::{FitError, Settings, Source};
use super::slopes::{Looks, Slopes};
use super::system::DAMPING;
use super::track::{Square, floor};
use crate::phase_space::PhaseSpace;
use crate::potential::Expansion;
use crate::potential::expansion::Term;
use crate::units::Natural;
use rayon::prelude::*;

/// Parameters of how stars leave, after those of the model: k_r, k_vφ and ln of the age in Gyr.
pub(crate) const STRIPPING: usize = 3;

/// The fit of a stream as it stands.
pub(crate) struct State {
    pub own: [f64; OWN],
    pub plan: Option<Plan>,
    /// The stream's own covariance where each star is.
    pub scatter: Vec<Square>,
    pub outliers: f64,
    /// Means over iterations of the slopes, a row for each star and column.
    pub slopes: Slopes,
    /// Slopes for the uncertainty, and those of what is watched.
    pub kept: Looks,
    pub watched: Looks,
    /// Where it was likeliest, and how likely; not yet known again where it has gone back there.
    best: ([f64; OWN], Option<f64>),
    /// Marquardt's addition to the diagonal.
    pub damping: f64,
    /// Mean of the second looks.
    fresh: Slopes,
    /// The part of each star that counts, once there are looks enough to tell (module `reliability`).
    pub reliability: Option<Vec<f64>>,
}

pub(crate) struct Problem<'a> {
    pub settings: &'a Settings,
    pub model: Model,
    pub parameters: Vec<Parameter>,
    pub observed: Vec<Observed>,
    /// How many of the parameters are free.
    pub shared: usize,
    /// Terms that the galaxy does not have, which are looked at but not fitted.
    pub watched: Vec<Term>,
}

/// Difference steps of a stream's own parameters.
pub(crate) const OWN_STEPS: [f64; OWN] = [4e-3, 8e-3, 1.2, 0.03, 0.03, 2e-3, 0.2];

/// By how much differences are shorter than that for particles, whose noise grows as they shrink, and for orbits, which have none.
const SPRAY_STEPS: f64 = 0.3;
const ORBIT_STEPS: f64 = 0.2;

/// The same of the coefficient of a term that is watched.
const WATCHED_STEP: f64 = 0.3;

/// What a slope is by: a parameter that streams share, one of a stream's own, or a term that is watched.
#[derive(Clone, Copy)]
enum Column {
    Shared(usize),
    Own(usize),
    Watched(usize),
}

/// A stream of one draw of kicks, and its stars.
struct Drawn {
    made: Made,
    /// None where an orbit stands for the stream, and no releases.
    stars: Vec<PhaseSpace>,
    releases: Vec<Release>,
}

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
            Source::Spray => SPRAY_STEPS,
            Source::Orbit => ORBIT_STEPS,
        }
    }

    pub fn trial(&self, values: &[f64]) -> Option<Trial> {
        self.trial_of(values, |model, values| model.galaxy(values))
    }

    fn trial_of(&self, values: &[f64], galaxy: impl Fn(&Model, &[f64]) -> Option<Expansion>) -> Option<Trial> {
        let (values, stripping) = values.split_at(values.len() - STRIPPING);
        let galaxy = galaxy(&self.model, values)?;
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
        self.drawn(trial, stream, own, plan, seed).map(|drawn| drawn.made)
    }

    fn drawn(&self, trial: &Trial, stream: usize, own: &[f64; OWN], plan: &Plan, seed: u64) -> Option<Drawn> {
        let frame = &self.observed[stream].frame;
        match self.settings.source {
            Source::Spray => {
                let releases = releases(self.settings.seed, (seed << 32) + stream as u64, self.settings.releases);
                let stars = stars(trial, frame, own, plan, &releases)?;
                Some(Drawn {
                    made: seen(trial, frame, own, plan, &stars)?,
                    stars,
                    releases,
                })
            }
            Source::Orbit => Some(Drawn {
                made: on_orbit(&trial.galaxy, frame, own)?,
                stars: Vec::new(),
                releases: Vec::new(),
            }),
        }
    }

    /// The stream of the same draw in another trial galaxy, or on another orbit.
    fn moved(&self, trial: &Trial, stream: usize, own: &[f64; OWN], plan: &Plan, before: &Drawn) -> Option<Made> {
        let frame = &self.observed[stream].frame;
        match self.settings.source {
            Source::Spray => {
                let stars = stars(trial, frame, own, plan, &before.releases)?;
                before.made.moved(frame, &before.stars, &stars)
            }
            Source::Orbit => on_orbit(&trial.galaxy, frame, own),
        }
    }

    /// The track at every star.
    pub fn tracks(&self, stream: usize, made: Option<&Made>) -> Tracks {
        let seen = self.observed[stream].seen.iter();
        seen.map(|star| made?.predicted(star)).collect()
    }

    pub fn judged(
        &self,
        stream: usize,
        state: &State,
        tracks: &[Option<[f64; OBSERVED]>],
        heat: f64,
    ) -> Vec<Option<Judged>> {
        let observed = &self.observed[stream];
        let count = observed.seen.len();
        let part = self
            .settings
            .independent
            .map_or(1.0, |independent| (independent as f64 / count as f64).min(1.0));
        let stars = observed.seen.iter().zip(tracks).zip(&state.scatter);
        stars
            .map(|((star, track), scatter)| {
                let scatter = scatter.map(|row| row.map(|c| heat * c));
                let judged = judge(star, track.as_ref()?, &scatter, state.outliers, &observed.field)?;
                Some(judged.share(part))
            })
            .collect()
    }

    /// By what slopes are looked for at an iteration.
    fn columns(&self, iteration: usize) -> Vec<Column> {
        let (mut columns, settings) = (Vec::new(), self.settings);
        if settings.looks_at(iteration) {
            columns.extend((0..self.shared).map(Column::Shared));
            columns.extend((0..self.own_columns()).map(Column::Own));
        }
        if settings.keeps(iteration) {
            columns.extend((0..self.watched.len()).map(Column::Watched));
        }
        columns
    }

    /// Difference step of a column, before it is shortened.
    fn step(&self, column: Column) -> f64 {
        match column {
            Column::Shared(place) => self.parameters[place].step,
            Column::Own(place) => OWN_STEPS[place],
            Column::Watched(_) => WATCHED_STEP,
        }
    }

    /// One iteration's tracks: for every stream the base, and where slopes are looked for one for each column.
    pub fn look(&self, values: &[f64], states: &mut [State], iteration: usize) -> Result<Vec<Look>, FitError> {
        let base = self.trial(values).ok_or(FitError::Singular { iteration })?;
        let age = Natural::from(self.settings.age).0;
        for (stream, state) in states.iter_mut().enumerate() {
            let (observed, window) = (&self.observed[stream], self.settings.window);
            state.plan = match self.settings.source {
                Source::Spray => plan(&base, observed, &state.own, age, window).or(state.plan),
                Source::Orbit => Some(Plan {
                    periods: 1.0,
                    range: (0.0, 0.0),
                    width: 0.0,
                }),
            };
            if state.plan.is_none() {
                let stream = self.observed[stream].stream;
                return Err(FitError::NoOrbit { stream });
            }
        }
        // Differences forwards and backwards in turn, so that their means are central.
        let sign = if iteration.is_multiple_of(2) { 1.0 } else { -1.0 } * self.step_factor();
        let columns = self.columns(iteration);
        // None where it is that of the base.
        let trials: Vec<Option<Trial>> = (columns.iter())
            .map(|column| match *column {
                Column::Shared(place) => {
                    let mut moved = values.to_vec();
                    moved[place] += sign * self.step(*column);
                    self.trial(&moved)
                }
                Column::Watched(place) => {
                    let (term, by) = (self.watched[place], sign * self.step(*column));
                    self.trial_of(values, |model, values| model.with(values, term, by))
                }
                Column::Own(_) => None,
            })
            .collect();
        // The base and each column share one draw of kicks; the base has some more.
        let draws = match self.settings.source {
            Source::Spray => self.settings.draws.max(1),
            Source::Orbit => 1,
        };
        let states = &*states;
        let pairs = |count: usize| -> Vec<(usize, usize)> {
            (0..states.len())
                .flat_map(|stream| (0..count).map(move |task| (stream, task)))
                .collect()
        };
        let mut bases: Vec<(Option<Drawn>, Tracks)> = (pairs(draws).into_par_iter())
            .map(|(stream, draw)| {
                let state = &states[stream];
                let made = (state.plan.as_ref()).and_then(|plan| {
                    self.drawn(&base, stream, &state.own, plan, (iteration + draw * DRAWS_APART) as u64)
                });
                let tracks = self.tracks(stream, made.as_ref().map(|drawn| &drawn.made));
                (made.filter(|_| draw == 0), tracks)
            })
            .collect();
        let mut moved: Vec<Tracks> = (pairs(columns.len()).into_par_iter())
            .map(|(stream, number)| {
                let state = &states[stream];
                let mut own = state.own;
                let trial = match columns[number] {
                    Column::Shared(_) | Column::Watched(_) => trials[number].as_ref(),
                    Column::Own(place) => {
                        own[place] += sign * self.step(columns[number]);
                        Some(&base)
                    }
                };
                let before = bases[stream * draws].0.as_ref();
                let made = trial.zip(state.plan.as_ref()).zip(before);
                let made = made.and_then(|((trial, plan), before)| self.moved(trial, stream, &own, plan, before));
                self.tracks(stream, made.as_ref())
            })
            .collect();
        let mut looks = Vec::with_capacity(states.len());
        for stream in (0..states.len()).rev() {
            let moved = moved.split_off(stream * columns.len());
            let bases = bases.split_off(stream * draws);
            let all: Vec<&Tracks> = bases.iter().map(|(_, tracks)| tracks).collect();
            let mean = mean_tracks(&all);
            let Some((drawn, tracks)) = bases.into_iter().next() else {
                continue;
            };
            let made = drawn.map(|drawn| drawn.made);
            let seen = &self.observed[stream].seen;
            let (mut slopes, mut watched) = (Slopes::new(), Slopes::new());
            for (star, track) in tracks.iter().enumerate() {
                for (column, moved) in columns.iter().zip(&moved) {
                    let by = sign * self.step(*column);
                    let slope = track.zip(moved[star]).map(|(track, moved)| {
                        let (from, to) = (predicted(&seen[star], track), predicted(&seen[star], moved));
                        std::array::from_fn(|k| (to[k] - from[k]) / by)
                    });
                    match column {
                        Column::Shared(_) | Column::Own(_) => &mut slopes,
                        Column::Watched(_) => &mut watched,
                    }
                    .push(slope.unwrap_or([0.0; OBSERVED]));
                }
            }
            looks.push(Look {
                made,
                tracks: mean,
                slopes,
                watched,
            });
        }
        looks.reverse();
        Ok(looks)
    }
}

/// Between the seeds of the draws of one iteration; there are fewer iterations.
const DRAWS_APART: usize = 1 << 12;

/// The mean of tracks of several draws; none where one of them is not there.
pub(crate) fn mean_tracks(draws: &[&Tracks]) -> Tracks {
    let stars = draws.first().map_or(0, |first| first.len());
    (0..stars)
        .map(|star| {
            let of = draws
                .iter()
                .map(|draw| draw[star])
                .collect::<Option<Vec<[f64; OBSERVED]>>>()?;
            Some(std::array::from_fn(|k| {
                of.iter().map(|track| track[k]).sum::<f64>() / of.len() as f64
            }))
        })
        .collect()
}

/// The same stars with errors as many times as large as the stream's χ says where that is above 1: a stream that no galaxy fits tells little of it.
pub(crate) fn tempered(judged: &[Option<Judged>]) -> Vec<Option<Judged>> {
    let part = Judged::chi(judged).max(1.0).powi(-2);
    judged
        .iter()
        .map(|star| star.clone().map(|star| star.share(part)))
        .collect()
}

/// By how much ln L of a star, in the mean over a stream, may fall with a step.
const WORSE: f64 = 0.5;

/// By how much Marquardt's addition grows after a step that is taken back.
const SHORTER: f64 = 10.0;

/// Second looks that are enough to use.
const ENOUGH: usize = 2;

/// What an iteration sees of a stream.
pub(crate) struct Look {
    pub made: Option<Made>,
    pub tracks: Tracks,
    pub slopes: Slopes,
    /// The same of what is watched.
    pub watched: Slopes,
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
            scatter: vec![scatter; observed.seen.len()],
            outliers: 0.0,
            slopes: Vec::new(),
            kept: Looks::default(),
            watched: Looks::default(),
            best: (observed.start, None),
            damping: DAMPING,
            fresh: Slopes::new(),
            reliability: None,
        }
    }

    /// Takes the scatter of new particles into account.
    pub fn learn(&mut self, observed: &Observed, look: &Look, iteration: usize) {
        let old = if iteration == 0 { 0.0 } else { 0.6 };
        let made = look.made.as_ref();
        let found = made.and_then(|made| made.scatter(&observed.frame, &observed.seen));
        for (scatter, found) in self.scatter.iter_mut().zip(found.into_iter().flatten()) {
            for (value, found) in scatter.iter_mut().flatten().zip(found.iter().flatten().flatten()) {
                *value = old * *value + (1.0 - old) * found;
            }
        }
    }

    /// Whether the stream is about as likely as at its likeliest place; if it is not, it goes back there, and its next steps are shorter.
    pub fn stays(&mut self, judged: &[Option<Judged>]) -> bool {
        let now = judged.iter().flatten().map(|star| star.ln_likelihood).sum::<f64>();
        match self.best.1 {
            Some(best) if now < best - WORSE * judged.len() as f64 => {
                (self.own, self.best.1) = (self.best.0, None);
                self.damping = (SHORTER * self.damping).min(10.0);
                false
            }
            best => {
                self.damping = (self.damping / SHORTER.sqrt()).max(DAMPING);
                if best.is_none_or(|best| now > best) {
                    self.best = (self.own, Some(now));
                }
                true
            }
        }
    }

    /// Forgets where it was likeliest.
    pub fn forget(&mut self) {
        self.best = (self.own, None);
    }

    /// Keeps slopes for the uncertainty.
    pub fn keep(&mut self, look: &Look) {
        self.kept.add(&look.slopes);
        self.watched.add(&look.watched);
    }

    /// Adds a second look's slopes, which are kept by now, to their mean; it takes the place of the first ones when it is of [`ENOUGH`].
    pub fn refresh(&mut self, slopes: &Slopes) {
        let count = self.kept.len();
        self.fresh.resize(slopes.len(), [0.0; OBSERVED]);
        for (mean, new) in self.fresh.iter_mut().flatten().zip(slopes.iter().flatten()) {
            *mean += (new - *mean) / count as f64;
        }
        if count >= ENOUGH {
            self.slopes.clone_from(&self.fresh);
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
