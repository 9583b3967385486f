//! What a stage kind is.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::StageContext;
use crate::error::StageError;
use crate::ports::{Connected, Counts, InputPort, OutputPort};

/// Where a body runs: always in a process of its own, so that one that crashes does no harm to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// With what the program itself has, on CPU threads.
    Here,
    /// With libtorch, which the process loads, on the CPU or a GPU.
    Worker,
    /// In a program that the process starts, which ends with it. As for [`Place::Worker`], the threads that are stated are part of
    /// the fingerprint.
    Command,
}

impl Place {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Worker => "worker",
            Self::Command => "command",
        }
    }

    /// The place of this word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Here, Self::Worker, Self::Command]
            .into_iter()
            .find(|place| place.word() == word)
    }
}

/// What a kind does in an experiment; the order is that of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Makes or brings in data.
    Sample,
    /// Shows data as they would be measured, and chooses among them.
    Observe,
    /// Learns from data.
    Learn,
    /// Applies what was learned, or a method that needs no learning.
    Apply,
    /// Measures how far apart two answers are.
    Judge,
    /// Draws.
    Draw,
}

impl Role {
    /// The word for it, which is also the folder of its kinds.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Observe => "observe",
            Self::Learn => "learn",
            Self::Apply => "apply",
            Self::Judge => "judge",
            Self::Draw => "draw",
        }
    }
}

/// How a body ended when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All outputs are written.
    Complete,
    /// The stage found that it cannot give its outputs for these data, and that this is a result to report
    /// (for example: these orbits are unbound in the toy potential). Outputs written so far are kept, stages
    /// downstream are skipped, the run goes on and ends well. What speaks against outputs that are there is told by
    /// [`StageContext::finding`] instead.
    Finding {
        /// One line.
        title: String,
        /// The numbers and rows.
        detail: String,
    },
}

/// A parameter whose value is wrong in a way its type cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Path below `with`, such as `["toy", "mass"]`; empty for the parameters as a whole.
    pub at: Vec<String>,
    /// What is wrong, with the number.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of the parameter at `at`, a dotted path below `with`.
    pub fn new(at: &str, message: impl Into<String>) -> Self {
        let at = at
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            at,
            message: message.into(),
            hint: None,
        }
    }
}

/// A file outside the store that a stage reads. Its content, not its path, enters the fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileParameter {
    /// The parameter that holds the path: a dotted path below `with`.
    pub parameter: Cow<'static, str>,
    /// Its place, from 0, where the parameter is a list of paths.
    pub place: Option<usize>,
    /// What the body calls it, where that means something to the body; or else it is called after the parameter.
    pub called: Option<String>,
    /// The path as the user wrote it: absolute, or relative to the YAML file.
    pub path: PathBuf,
}

impl FileParameter {
    /// Takes the parameter out of all the parameters: the file's content stands for it.
    pub fn remove_from(&self, parameters: &mut serde_json::Value) {
        let (above, last) = self.parameter.rsplit_once('.').unwrap_or(("", &self.parameter));
        let mut at = parameters;
        for part in above.split('.').filter(|part| !part.is_empty()) {
            let next = match at {
                serde_json::Value::Array(list) => part.parse().ok().and_then(|place: usize| list.get_mut(place)),
                other => other.get_mut(part),
            };
            let Some(next) = next else { return };
            at = next;
        }
        if let serde_json::Value::Object(map) = at {
            map.shift_remove(last);
        }
    }

    /// What the file is called in a context and in the fingerprint: `path`, or `snapshots.3`.
    pub fn name(&self) -> String {
        match (&self.called, self.place) {
            (Some(called), _) => called.clone(),
            (None, None) => self.parameter.clone().into_owned(),
            (None, Some(place)) => format!("{}.{place}", self.parameter),
        }
    }
}

/// A stage kind: the parameter struct is the stage.
///
/// Parameters are deserialised from `with:` (deny unknown fields), defaults filled in; their serialised form enters the
/// fingerprint, except the parameters named by [`Stage::files`].
pub trait Stage: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The key in YAML.
    const KIND: &'static str;
    /// One line for `schema`, `new` and the docs.
    const ABOUT: &'static str;
    /// Raised whenever output bytes or their meaning change.
    const REVISION: u32;
    /// What it does in an experiment.
    const ROLE: Role;
    /// Where the body runs.
    const PLACE: Place = Place::Here;

    /// Input ports; may depend on the parameters.
    fn inputs(&self) -> Vec<InputPort>;

    /// The input port of this name, where a pipeline may name others than [`Stage::inputs`].
    fn other_input(&self, _name: &str) -> Option<InputPort> {
        None
    }

    /// Output ports, given what is connected; `Err` says why these inputs do not fit, naming the input port.
    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String>;

    /// Whether `device: auto` takes a GPU where there is one; a GPU only waits for a small network.
    fn gains_by_gpu(&self, _connected: &Connected) -> bool {
        false
    }

    /// Checks beyond types: ranges, exclusive parameters. All faults, not only the first.
    fn check(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// What is known of the output tables, given what is known of the inputs; or the faults of parameters that ask for more
    /// than there is.
    fn counts(&self, _inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::default())
    }

    /// Files of the user that the body reads through [`StageContext::file`].
    fn files(&self) -> Vec<FileParameter> {
        Vec::new()
    }

    /// The same stage, with parameters that were left out filled in by what its files say of themselves; nothing where none is. `at` says where
    /// a file is. An error without faults is of a file that cannot be found, which is reported by whoever looks for all files.
    fn settled(&self, _at: &dyn Fn(&Path) -> PathBuf) -> Result<Option<Self>, Vec<Fault>> {
        Ok(None)
    }

    /// The body. That of a kind of [`Place::Worker`] is in the worker's library instead.
    fn run(&self, _context: &mut StageContext) -> Result<Outcome, StageError> {
        Err(StageError::Bug(format!(
            "the body of {} is not in this program",
            Self::KIND
        )))
    }
}

/// [`Stage`] without its type, as the runner holds it.
pub trait AnyStage: Send + Sync {
    /// See [`Stage::inputs`].
    fn inputs(&self) -> Vec<InputPort>;
    /// See [`Stage::other_input`].
    fn other_input(&self, name: &str) -> Option<InputPort>;
    /// See [`Stage::outputs`].
    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String>;
    /// See [`Stage::gains_by_gpu`].
    fn gains_by_gpu(&self, connected: &Connected) -> bool;
    /// See [`Stage::check`].
    fn check(&self) -> Vec<Fault>;
    /// See [`Stage::counts`].
    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>>;
    /// See [`Stage::files`].
    fn files(&self) -> Vec<FileParameter>;
    /// See [`Stage::settled`].
    fn settled(&self, at: &dyn Fn(&Path) -> PathBuf) -> Result<Option<Arc<dyn AnyStage>>, Vec<Fault>>;
    /// Parameters with defaults filled in.
    fn parameters(&self) -> serde_json::Value;
}

impl<S: Stage> AnyStage for S {
    fn inputs(&self) -> Vec<InputPort> {
        Stage::inputs(self)
    }

    fn other_input(&self, name: &str) -> Option<InputPort> {
        Stage::other_input(self, name)
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Stage::outputs(self, connected)
    }

    fn gains_by_gpu(&self, connected: &Connected) -> bool {
        Stage::gains_by_gpu(self, connected)
    }

    fn check(&self) -> Vec<Fault> {
        Stage::check(self)
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Stage::counts(self, inputs)
    }

    fn files(&self) -> Vec<FileParameter> {
        Stage::files(self)
    }

    fn settled(&self, at: &dyn Fn(&Path) -> PathBuf) -> Result<Option<Arc<dyn AnyStage>>, Vec<Fault>> {
        let settled = Stage::settled(self, at)?;
        Ok(settled.map(|settled| Arc::new(settled) as Arc<dyn AnyStage>))
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
