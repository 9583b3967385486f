//! Searching: which values of some parameters are tried next, given what was found with those before.
//!
//! Trials are proposed in batches of a fixed size. A batch depends on the search and on the results of the batches before it, and on
//! nothing else; so an interrupted search goes on where it was, one with more trials begins with the same ones, and it does not matter
//! how many of them run at once.

mod propose;
mod rank;
mod space;
mod tpe;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use rank::{front, order};
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

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its objectives; `None` where it failed or ended with a finding.
    pub objectives: Option<Vec<f64>>,
    /// By how much it is out of bounds, all together, each in units of its bound.
    pub violation: f64,
    /// Seconds of its own stages.
    pub seconds: f64,
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
    /// Whether these are all that there will be, apart from those that still run.
    pub last: bool,
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
        let mut trials: Vec<Trial> = Vec::new();
        let mut found: Vec<Outcome> = Vec::new();
        let is_spent = |found: &[Outcome]| {
            let seconds: f64 = found.iter().map(|outcome| outcome.seconds).sum();
            self.hours.is_some_and(|hours| seconds >= hours * 3600.0)
        };
        while trials.len() < self.trials && !is_spent(&found) {
            let adaptive = self.method == Method::Tpe || self.hours.is_some();
            let count = if adaptive { self.batch } else { self.trials };
            let count = count.min(self.trials - trials.len());
            trials.extend(self.propose(&trials, &found, count));
            let own: Vec<Option<&Outcome>> = trials[found.len()..]
                .iter()
                .map(|trial| outcomes.get(&key(trial)))
                .collect();
            if own.iter().any(Option::is_none) {
                let last = trials.len() >= self.trials;
                return Known { trials, last };
            }
            found.extend(own.into_iter().flatten().cloned());
        }
        Known { trials, last: true }
    }
}

#[cfg(test)]
mod tests;
