//! What a report is made of: plain data, read from the store and the journal.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use runner::graph::Point;
use runner::search::Importance;
use runner::stage::{Outcome, Role};
use runner::store::Manifest;
use serde_json::Value;

use super::results::ErrorRow;
use super::varying::Varying;

/// A pipeline with its results.
pub struct Data {
    /// Name.
    pub pipeline: String,
    /// The YAML's `about`.
    pub about: String,
    /// Sweep points.
    pub points: Vec<Point>,
    /// Parameters that are not swept.
    pub parameters: Vec<(String, Value)>,
    /// Stage instances, inputs before those who read them.
    pub stages: Vec<StageData>,
    /// Lines about the run for the provenance section: name and value.
    pub facts: Vec<(String, String)>,
    /// What a search says of its parameters, for each objective.
    pub search: Vec<Explained>,
    /// Made when it is first needed.
    pub index: OnceLock<Index>,
}

/// An objective of a search, and how much each parameter matters to it.
pub struct Explained {
    /// The objective.
    pub objective: String,
    /// Trials that have it.
    pub trials: usize,
    /// The parameters, the most important first.
    pub parameters: Vec<Importance>,
}

/// What is found out once for all stages.
pub struct Index {
    varying: Varying,
    /// How many comparisons have each row of the paper's table, or else each name.
    alike: HashMap<String, usize>,
    comparisons: usize,
}

/// A stage instance with what is known of it.
pub struct StageData {
    /// Name in the YAML file.
    pub name: Arc<str>,
    /// Name with swept parameters.
    pub label: Arc<str>,
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
    /// Its parameter `row`, if it has one: of a comparison, the row of the paper's table.
    pub row: Option<String>,
    /// Its parameter `seed`, if it has one.
    pub seed: Option<String>,
    /// Of a comparison, whether it has a truth; without one, it says how far predictions of one stream differ among each other.
    pub has_truth: bool,
    /// Of a comparison, how many streams the paper's figures were learned from, where the pipeline says.
    pub paper_streams: Option<u64>,
    /// Of such a comparison, how many streams were learned from on the way to it; `None` where no stage says, or several differ.
    pub learned_from: Option<u64>,
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
    /// The row of the paper's table that a comparison is, or else its name.
    fn row_or_name(&self) -> &str {
        self.row.as_deref().unwrap_or(&self.name)
    }

    /// What makes a comparison with the paper uneven: that its map was learned from more streams, or from fewer.
    pub fn unevenness(&self) -> Option<String> {
        let published = self.errors.iter().any(|row| row.paper.is_some());
        let (own, paper) = self.learned_from.zip(self.paper_streams).filter(|_| published)?;
        (own != paper).then(|| format!("learned from {own} streams, the paper's figure from {paper}"))
    }
}

impl Data {
    /// The swept parameters that a stage instance depends on: those that vary over the sweep, but not over its points.
    pub fn settings<'a>(&'a self, stage: &StageData) -> Vec<(&'a str, &'a Value)> {
        let all = &self.index().varying;
        let mut points = stage.points.iter().filter_map(|&n| self.points.get(n));
        let mut own: Vec<&(Arc<str>, Arc<Value>)> = points.next().into_iter().flatten().collect();
        own.retain(|(name, _)| all.varies(name));
        // Parts of a pipeline that vary independently have points of their own, with other parameters.
        for point in points {
            own.retain(|pair| point.contains(pair));
        }
        // Where a text names the rows of a sweep, what goes with it need not be repeated.
        let needless = |at: usize, name: &str| {
            let mut texts = own.iter().enumerate().filter(|(_, (_, value))| value.is_string());
            texts.any(|(other_at, (other, _))| {
                **other != *name && all.follows(name, other) && (other_at < at || !all.follows(other, name))
            })
        };
        let kept = own.iter().enumerate().filter(|(at, (name, _))| !needless(*at, name));
        kept.map(|(_, (name, value))| (&**name, &**value)).collect()
    }

    /// The pipeline's parameters with the values that a stage instance had, swept ones included where all its points agree.
    pub fn parameters_of(&self, stage: &StageData) -> Vec<(String, Value)> {
        let mut all = self.parameters.clone();
        let mut points = stage.points.iter().filter_map(|&n| self.points.get(n));
        let mut swept = points.next().map(|point| point.to_vec()).unwrap_or_default();
        for point in points {
            swept.retain(|pair| point.contains(pair));
        }
        all.extend(
            swept
                .into_iter()
                .map(|(name, value)| (name.to_string(), (*value).clone())),
        );
        all
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
        let (own, line) = (stage.row_or_name(), self.setting_line(stage));
        let Index { alike, comparisons, .. } = self.index();
        let alike = alike.get(own).copied().unwrap_or(0);
        if alike < 2 || line.is_empty() {
            own.to_owned()
        } else if stage.row.is_none() && alike == *comparisons {
            line
        } else {
            format!("{own} ({line})")
        }
    }

    /// What is found out once for all stages.
    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut alike: HashMap<String, usize> = HashMap::new();
            for stage in self.comparisons() {
                *alike.entry(stage.row_or_name().to_owned()).or_default() += 1;
            }
            Index {
                varying: Varying::new(&self.points),
                comparisons: alike.values().sum(),
                alike,
            }
        })
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

/// What a stage told by this name, the last time.
pub fn metric(manifest: &Manifest, name: &str) -> Option<f64> {
    let told = manifest.metrics.iter().rfind(|metric| metric.name == name);
    told.map(|metric| metric.value)
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
