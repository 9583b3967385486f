//! What a report is made of: plain data, read from the store and the journal.

use std::path::PathBuf;

use runner::stage::{Outcome, Role};
use runner::store::Manifest;
use serde_json::Value;

use super::results::ErrorRow;

/// A pipeline with its results.
pub struct Data {
    /// Name.
    pub pipeline: String,
    /// The YAML's `about`.
    pub about: String,
    /// Sweep points.
    pub points: Vec<Vec<(String, Value)>>,
    /// Parameters that are not swept.
    pub parameters: Vec<(String, Value)>,
    /// Stage instances, inputs before those who read them.
    pub stages: Vec<StageData>,
    /// Lines about the run for the provenance section: name and value.
    pub facts: Vec<(String, String)>,
}

/// A stage instance with what is known of it.
pub struct StageData {
    /// Name in the YAML file.
    pub name: String,
    /// Name with swept parameters.
    pub label: String,
    /// Kind.
    pub kind: String,
    /// What the kind does in the experiment.
    pub role: Role,
    /// Whether it writes a table of errors.
    pub compares: bool,
    /// Sweep points that share it.
    pub points: Vec<usize>,
    /// Stages it reads.
    pub inputs: Vec<usize>,
    /// Parameters with defaults filled in.
    pub parameters: Value,
    /// How it stands.
    pub state: State,
    /// The manifest of its cached outputs.
    pub manifest: Option<Manifest>,
    /// Its output files by port.
    pub outputs: Vec<(String, PathBuf)>,
    /// Rows of its `errors` table, for a `compare` stage.
    pub errors: Vec<ErrorRow>,
}

/// How a stage stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its outputs are there.
    Done,
    /// It failed in the newest run.
    Failed {
        /// The error.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It was interrupted.
    Unfinished {
        /// Whether it goes on from a checkpoint.
        checkpoint: bool,
    },
    /// It was not run because of another stage.
    Skipped {
        /// Label of that stage.
        because: String,
    },
    /// It has no outputs yet.
    NotRun,
}

impl StageData {
    /// The parameter `row` of a comparison.
    pub fn row(&self) -> Option<&str> {
        self.parameters.get("row")?.as_str()
    }
}

impl Data {
    /// The swept parameters that a stage instance depends on: those that vary over the sweep, but not over its points.
    pub fn settings(&self, stage: &StageData) -> Vec<(&str, &Value)> {
        let Some(&first) = stage.points.first() else {
            return Vec::new();
        };
        let Some(point) = self.points.get(first) else {
            return Vec::new();
        };
        // Parts of a pipeline that vary independently have points of their own, with other parameters.
        let value = |n: usize, name: &str| {
            let point = self.points.get(n)?;
            point.iter().find(|(own, _)| own == name).map(|(_, value)| value)
        };
        let own = point.iter().filter(|(name, own)| {
            let here = stage.points.iter().all(|&n| value(n, name) == Some(own));
            here && (0..self.points.len()).any(|n| value(n, name).is_some_and(|other| other != own))
        });
        let own: Vec<&(String, Value)> = own.collect();
        // Where a text names the rows of a sweep, what goes with it need not be repeated.
        let needless = |at: usize, name: &str| {
            let mut texts = own.iter().enumerate().filter(|(_, (_, value))| value.is_string());
            texts.any(|(other_at, (other, _))| {
                other != name && self.follows(name, other) && (other_at < at || !self.follows(other, name))
            })
        };
        let kept = own.iter().enumerate().filter(|(at, (name, _))| !needless(*at, name));
        kept.map(|(_, (name, value))| (name.as_str(), value)).collect()
    }

    /// The pipeline's parameters with the values that a stage instance had, swept ones included where all its points agree.
    pub fn parameters_of(&self, stage: &StageData) -> Vec<(String, Value)> {
        let mut all = self.parameters.clone();
        let mut points = stage.points.iter().filter_map(|&n| self.points.get(n));
        let mut swept = points.next().cloned().unwrap_or_default();
        for point in points {
            swept.retain(|pair| point.contains(pair));
        }
        all.extend(swept);
        all
    }

    /// Whether the value of `name` is given by the value of `other` over the whole sweep.
    fn follows(&self, name: &str, other: &str) -> bool {
        let value =
            |point: &[(String, Value)], name: &str| point.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let mut seen: Vec<(Option<Value>, Option<Value>)> = Vec::new();
        let points = self.points.iter().filter(|point| value(point, name).is_some());
        let mut points = points.map(|point| (value(point, name), value(point, other)));
        points.all(|(own, key)| match seen.iter().find(|(known, _)| *known == key) {
            Some((_, before)) => *before == own,
            None => {
                seen.push((key, own));
                true
            }
        })
    }

    /// The settings of a stage in one line; empty outside a sweep.
    pub fn setting_line(&self, stage: &StageData) -> String {
        let settings = self.settings(stage);
        let part = |(name, value): &(&str, &Value)| match value {
            Value::String(text) => text.clone(),
            value => format!("{name} = {}", plain(value)),
        };
        let parts: Vec<String> = settings.iter().map(part).collect();
        parts.join(", ")
    }

    /// The row of the paper's table that a comparison is, or else its name; with its settings where others have the same.
    pub fn title(&self, stage: &StageData) -> String {
        let row = |stage: &StageData| stage.row().unwrap_or(&stage.name).to_owned();
        let (own, line) = (row(stage), self.setting_line(stage));
        let alike = self.comparisons().filter(|other| row(other) == own).count();
        if alike < 2 || line.is_empty() {
            own
        } else if stage.row().is_none() && alike == self.comparisons().count() {
            line
        } else {
            format!("{own} ({line})")
        }
    }

    /// `compare` stages with results.
    pub fn comparisons(&self) -> impl Iterator<Item = &StageData> {
        self.stages.iter().filter(|stage| !stage.errors.is_empty())
    }

    /// Findings with which stages ended, and those about their outputs: title, detail.
    pub fn findings(&self) -> impl Iterator<Item = (&StageData, &str, &str)> {
        let manifests = self
            .stages
            .iter()
            .filter_map(|stage| Some((stage, stage.manifest.as_ref()?)));
        manifests.flat_map(|(stage, manifest)| {
            let ended = match &manifest.outcome {
                Outcome::Finding { title, detail } => Some((title.as_str(), detail.as_str())),
                Outcome::Complete => None,
            };
            let told = manifest.findings.iter().map(|text| (text.as_str(), ""));
            ended
                .into_iter()
                .chain(told)
                .map(move |(title, detail)| (stage, title, detail))
        })
    }
}

/// A YAML value as a person would write it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && (float.abs() >= 1e5 || float.abs() < 1e-3) && float != 0.0 => {
                format!("{float:e}")
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}
