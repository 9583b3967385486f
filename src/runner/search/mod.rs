//! Searching: which values of some parameters are tried next, given what was found with those before.
//!
//! Trials are proposed in batches of a fixed size. A batch depends on the search and on the results of the batches before it, and on
//! nothing else; so an interrupted search goes on where it was, one with more trials begins with the same ones, and it does not matter
//! how many of them run at once.

mod propose;
mod prune;
mod rank;
mod slices;
mod space;
mod tpe;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use prune::{Limit, Prune};
pub use rank::{front, order};
pub use slices::{Importance, Slice, importance};
pub use space::{Axis, Condition, Values};

/// A search over some parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    /// The parameters and what they may be. A condition is on one before it.
    pub axes: Vec<Axis>,
    /// How trials are chosen.
    pub method: Method,
    /// How many trials.
    pub trials: usize,
    /// How many of them are proposed at a time.
    pub batch: usize,
    /// What random numbers depend on.
    pub seed: u64,
    /// No batch begins after so many hours of stages, all trials together.
    pub hours: Option<f64>,
    /// The same of hours times threads.
    pub core_hours: Option<f64>,
    /// Which trials of a batch are given up early.
    pub prune: Option<Prune>,
    /// What is sought, the most important first.
    pub objectives: Vec<Objective>,
    /// What must hold.
    pub bounds: Vec<Bound>,
}

/// How trials are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Independent and uniform.
    Random,
    /// An Owen-scrambled Sobol sequence, which fills the space evenly.
    Sobol,
    /// A tree-structured Parzen estimator, after a Sobol sequence.
    Tpe,
}

/// A number that a search makes small or large.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Objective {
    /// `stage.measure`: of a comparison or a metric.
    pub of: String,
    /// Which is better.
    pub sense: Sense,
}

/// Which of two numbers is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sense {
    /// The smaller.
    Minimize,
    /// The larger.
    Maximize,
}

/// A number that must stay within bounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// `stage.measure`.
    pub of: String,
    /// The least that is allowed.
    pub least: Option<f64>,
    /// The most that is allowed.
    pub most: Option<f64>,
}

/// The values of a trial, for each axis; `None` where its condition does not hold.
pub type Trial = Vec<Option<Value>>;

/// What came of a trial, at its end or until now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether all its stages ended.
    #[serde(default = "yes")]
    pub ended: bool,
    /// Its objectives; `None` where it failed, ended with a finding, or has not ended.
    pub objectives: Option<Vec<f64>>,
    /// By how much it is out of bounds, all together, each in units of its bound.
    pub violation: f64,
    /// Seconds of its own stages.
    pub seconds: f64,
    /// The same, times their threads.
    #[serde(default)]
    pub core_seconds: f64,
    /// The validation loss by which it is compared with others of its batch, at each place of [`Prune::at`] that it reached.
    #[serde(default)]
    pub rungs: Vec<f64>,
    /// At which of these it was given up.
    #[serde(skip)]
    pub pruned: Option<usize>,
}

fn yes() -> bool {
    true
}

/// Outcomes by trial.
pub type Outcomes = HashMap<String, Outcome>;

/// What tells a trial from others.
pub fn key(trial: &Trial) -> String {
    serde_json::to_string(trial).unwrap_or_default()
}

/// How far a search is.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// All trials that can be known.
    pub trials: Vec<Trial>,
    /// How far each of them is to go.
    pub limits: Vec<Limit>,
    /// Whether these are all that there will be, apart from those that still run.
    pub last: bool,
}

impl Known {
    /// What came of a trial, if it has ended or was given up.
    pub fn outcome(&self, number: usize, outcomes: &Outcomes) -> Option<Outcome> {
        let outcome = outcomes.get(&key(self.trials.get(number)?))?;
        self.limits.get(number)?.judge(outcome)
    }
}

impl Search {
    /// The search without parameters that are set from elsewhere; `None` where nothing is left.
    pub fn without(mut self, set: impl Fn(&str) -> bool) -> Option<Self> {
        self.axes.retain(|axis| !set(&axis.name));
        let left: Vec<String> = self.axes.iter().map(|axis| axis.name.clone()).collect();
        for axis in &mut self.axes {
            // What a condition was on is not searched any more: it holds, or the parameter would not be in the file.
            let gone = |on: &Condition| !left.contains(&on.name);
            if axis.when.as_ref().is_some_and(gone) {
                axis.when = None;
            }
        }
        (!self.axes.is_empty()).then_some(self)
    }

    /// All trials that can be known: batch by batch, as long as every trial of the batches before has an outcome.
    pub fn known(&self, outcomes: &Outcomes) -> Known {
        let (mut trials, mut limits): (Vec<Trial>, Vec<Limit>) = Default::default();
        let mut found: Vec<Outcome> = Vec::new();
        while trials.len() < self.trials && !self.is_spent(&found) {
            let budget = self.hours.or(self.core_hours).is_some();
            let adaptive = self.method == Method::Tpe || budget || self.prune.is_some();
            let count = if adaptive { self.batch } else { self.trials };
            let count = count.min(self.trials - trials.len());
            trials.extend(self.propose(&trials, &found, count));
            let batch = &trials[found.len()..];
            let own: Vec<Option<&Outcome>> = batch.iter().map(|trial| outcomes.get(&key(trial))).collect();
            let own_limits = self.limits(&own);
            let judged = own
                .iter()
                .zip(&own_limits)
                .map(|(outcome, limit)| limit.judge((*outcome)?));
            let judged: Option<Vec<Outcome>> = judged.collect();
            limits.extend(own_limits);
            let Some(judged) = judged else {
                let last = trials.len() >= self.trials;
                return Known { trials, limits, last };
            };
            found.extend(judged);
        }
        Known {
            trials,
            limits,
            last: true,
        }
    }

    /// Whether the hours are over.
    fn is_spent(&self, found: &[Outcome]) -> bool {
        let is_over = |hours: Option<f64>, seconds: f64| hours.is_some_and(|hours| seconds >= hours * 3600.0);
        is_over(self.hours, found.iter().map(|outcome| outcome.seconds).sum())
            || is_over(self.core_hours, found.iter().map(|outcome| outcome.core_seconds).sum())
    }
}

#[cfg(test)]
mod tests;
