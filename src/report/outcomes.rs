//! What came of the trials of a search.

use std::collections::BTreeSet;

use runner::graph::Searched;
use runner::search::{Bound, Outcome, Outcomes, key};

use super::column::Column;
use super::data::{Data, StageData, State};

/// The outcome of every trial whose stages are done, failed, or were skipped. An objective is the mean over all points of a trial, such as
/// several seeds. Or says which number there is not.
pub fn outcomes(data: &Data, searched: &Searched) -> Result<Outcomes, String> {
    let search = &searched.search;
    let mut told = Vec::new();
    for of in search
        .objectives
        .iter()
        .map(|objective| &objective.of)
        .chain(search.bounds.iter().map(|bound| &bound.of))
    {
        told.push(Told::new(data, searched, of)?);
    }
    let (objectives, bounds) = told.split_at(search.objectives.len());
    let seconds = seconds(data, searched);
    let mut found = Outcomes::new();
    for (n, trial) in searched.known.trials.iter().enumerate() {
        if told.iter().any(|told| told.open[n]) {
            continue;
        }
        let value = |told: &Told| told.mean(n);
        let out = search.bounds.iter().zip(bounds);
        let violation = out
            .map(|(bound, told)| value(told).map_or(0.0, |value| violation(bound, value)))
            .sum();
        let failed = told.iter().any(|told| told.mean(n).is_none());
        let outcome = Outcome {
            ended: true,
            objectives: objectives
                .iter()
                .map(value)
                .collect::<Option<Vec<f64>>>()
                .filter(|_| !failed),
            violation,
            seconds: seconds[n].0,
            core_seconds: seconds[n].1,
            ..Outcome::default()
        };
        found.insert(key(trial), outcome);
    }
    Ok(found)
}

/// By how much a number is out of bounds, in units of the bound, or of 1 where that is less.
fn violation(bound: &Bound, value: f64) -> f64 {
    let above = bound.most.map_or(0.0, |most| (value - most) / most.abs().max(1.0));
    let below = bound.least.map_or(0.0, |least| (least - value) / least.abs().max(1.0));
    let most = above.max(below).max(0.0);
    if value.is_nan() { f64::INFINITY } else { most }
}

/// One number of all trials.
struct Told {
    values: Vec<Vec<f64>>,
    /// Whether some stage of it is still to be done.
    open: Vec<bool>,
    /// Whether some stage of it failed, was skipped, or does not tell the number.
    failed: Vec<bool>,
}

impl Told {
    fn new(data: &Data, searched: &Searched, of: &str) -> Result<Self, String> {
        let is_of = |stage: &&StageData| of.strip_prefix(&*stage.name).is_some_and(|rest| rest.starts_with('.'));
        let column = Column::find(data, of);
        let count = searched.known.trials.len();
        let mut told = Self {
            values: vec![Vec::new(); count],
            open: vec![false; count],
            failed: vec![false; count],
        };
        let mut reached = vec![false; count];
        for stage in data.stages.iter().filter(is_of) {
            for trial in trials(stage, searched) {
                reached[trial] = true;
                match (&stage.state, column.as_ref().and_then(|column| column.value(stage))) {
                    (State::Done, Some((value, _))) => told.values[trial].push(value),
                    (State::Done | State::Failed { .. } | State::Skipped { .. }, _) => told.failed[trial] = true,
                    (State::Unfinished { .. } | State::NotRun, _) => told.open[trial] = true,
                }
            }
        }
        let is_done = |stage: &StageData| stage.state == State::Done;
        if column.is_none() && data.stages.iter().filter(is_of).any(is_done) {
            let known = Column::names(data).join(", ");
            return Err(format!(
                "the search wants {of}, which no stage told; there are: {known}"
            ));
        }
        if reached.contains(&false) {
            return Err(format!(
                "the search wants {of}, which does not depend on what is searched"
            ));
        }
        Ok(told)
    }

    fn mean(&self, trial: usize) -> Option<f64> {
        let values = &self.values[trial];
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (!self.failed[trial] && !values.is_empty()).then_some(mean)
    }
}

/// The trials that share a stage.
fn trials(stage: &StageData, searched: &Searched) -> BTreeSet<usize> {
    let points = stage.points.iter();
    points
        .filter_map(|&point| searched.trials.get(point).copied().flatten())
        .collect()
}

/// Seconds of the stages that each trial has for itself, and the same times their threads.
fn seconds(data: &Data, searched: &Searched) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); searched.known.trials.len()];
    for stage in &data.stages {
        let (own, manifest) = (trials(stage, searched), stage.manifest.as_ref());
        if let (1, Some(&trial), Some(manifest)) = (own.len(), own.first(), manifest) {
            sums[trial].0 += manifest.seconds;
            sums[trial].1 += manifest.seconds * manifest.threads as f64;
        }
    }
    sums
}
