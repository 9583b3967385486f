//! A pipeline with its parameters substituted and its sweep points expanded. Nothing is hashed or read yet.

use std::fmt;
use std::ops::{Index, IndexMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::ports::OutputPort;
use crate::search::{Known, Search};
use crate::stage::{AnyStage, Place, Role};

/// A stage instance of a [`Graph`]: its place among them. What is known of each stage is kept in a [`StageMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(usize);

impl StageId {
    /// The stage at `index` of [`Graph::stages`].
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// The same as an index.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Something for each stage of a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageMap<T>(Vec<T>);

impl<T> StageMap<T> {
    /// The stages and what there is for each, in the order of the graph.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StageId, &T)> + ExactSizeIterator {
        self.0.iter().enumerate().map(|(index, value)| (StageId(index), value))
    }

    /// What there is for each stage, in the order of the graph.
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// What there is for each stage, taken out.
    pub fn into_values(self) -> std::vec::IntoIter<T> {
        self.0.into_iter()
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }
}

impl<T> FromIterator<T> for StageMap<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<T> Index<StageId> for StageMap<T> {
    type Output = T;

    fn index(&self, id: StageId) -> &T {
        &self.0[id.0]
    }
}

impl<T> IndexMut<StageId> for StageMap<T> {
    fn index_mut(&mut self, id: StageId) -> &mut T {
        &mut self.0[id.0]
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Input port of the stage that reads.
    pub port: &'static str,
    /// The stage that writes.
    pub from: StageId,
    /// Its output port.
    pub output: &'static str,
}

/// The device that a stage asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceWish {
    /// `auto`: a GPU where there is one and the stage gains by it; see [`Stage::gains_by_gpu`](crate::stage::Stage::gains_by_gpu).
    #[default]
    Auto,
    /// `cpu`
    Cpu,
    /// `cuda`: any GPU.
    Cuda,
    /// `cuda:N`: this GPU, of those that may be used.
    Numbered(u16),
}

impl DeviceWish {
    /// Reads one; `None` of what is none.
    pub fn of(text: &str) -> Option<Self> {
        let number = |text: &str| !text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        match (text, text.strip_prefix("cuda:")) {
            ("auto", _) => Some(Self::Auto),
            ("cpu", _) => Some(Self::Cpu),
            ("cuda", _) => Some(Self::Cuda),
            (_, Some(digits)) if number(digits) => digits.parse().ok().map(Self::Numbered),
            _ => None,
        }
    }
}

impl fmt::Display for DeviceWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda => f.write_str("cuda"),
            Self::Numbered(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// The `on:` of a stage: where and with how much. Never part of the fingerprint, except the device class of a worker and the
/// threads of its tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// What it runs on.
    pub device: DeviceWish,
    /// CPU threads the body may use; `None` for its share of the machine.
    pub threads: Option<usize>,
    /// What it may take at most.
    pub limits: Limits,
    /// How often it is begun again where it was ended for its limits, or crashed.
    pub retries: u32,
    /// Those of higher priority begin first, with all that they need.
    pub priority: i32,
    /// What part of a GPU it takes, in thousandths; `None` for a whole one. Beside it others may run there.
    pub gpu_share: Option<u32>,
    /// Where a batch system queues it.
    pub queue: Queue,
}

/// Where a batch system queues a stage, for those that run by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Partition.
    pub partition: Option<String>,
    /// Account.
    pub account: Option<String>,
}

/// What a body may take at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory that its process and all that this started hold for themselves, in bytes.
    pub memory: Option<u64>,
    /// Wall-clock time.
    pub time: Option<Duration>,
}

impl Resources {
    /// Threads that share one operation on tensors, in a worker: those that are stated, or one. How a sum is rounded depends on
    /// their number, so it is neither what the machine has free nor what it has.
    pub fn tensor_threads(&self) -> usize {
        self.threads.unwrap_or(1)
    }
}

/// A file of the user, resolved against the folder of the YAML file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserFile {
    /// Parameter that names it, with its place in a list.
    pub parameter: String,
    /// Where it is.
    pub path: PathBuf,
}

/// A stage at one or several sweep points with the same parameters and inputs. There may be hundreds of thousands: what instances have in
/// common they share.
pub struct StageInstance {
    /// Name in the YAML file; that of a used one after the name under which it is used: `galaxies.sets`.
    pub name: Arc<str>,
    /// Name with the swept parameters it depends on: `actions[toy_mass=3e11]`; just the name outside a sweep.
    pub label: Arc<str>,
    /// Stage kind.
    pub kind: &'static str,
    /// Its revision.
    pub revision: u32,
    /// What it does in the experiment.
    pub role: Role,
    /// Where its body runs.
    pub place: Place,
    /// Typed parameters and the body.
    pub stage: Arc<dyn AnyStage>,
    /// Parameters with defaults filled in, less the file parameters.
    pub parameters: Canonical,
    /// Inputs, in port order.
    pub inputs: Box<[Connection]>,
    /// Outputs; the first is the default.
    pub outputs: Arc<[OutputPort]>,
    /// Files of the user it reads.
    pub files: Arc<[UserFile]>,
    /// Its `on:`.
    pub resources: Resources,
    /// Sweep points that share it, as indices into [`Graph::points`].
    pub points: Vec<usize>,
}

/// One sweep point: its swept parameters with their values, in the order of the axes. Empty outside a sweep.
pub type Point = Box<[(Arc<str>, Arc<serde_json::Value>)]>;

/// A search of a pipeline, with the trials that are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// What is searched, less what the command line sets.
    pub search: Search,
    /// The trials.
    pub known: Known,
    /// Of each sweep point, its trial; `None` of points that no trial is part of.
    pub trials: Vec<Option<usize>>,
}

/// A resolved pipeline. Stages are in topological order: inputs come before those who read them.
pub struct Graph {
    /// `pipeline:`.
    pub pipeline: String,
    /// `about:`.
    pub about: String,
    /// Folder of the YAML file.
    pub folder: PathBuf,
    /// Stage instances.
    pub stages: Vec<StageInstance>,
    /// Sweep points; one empty point outside a sweep. Where parts of a pipeline vary independently, each has points of its
    /// own, with the parameters that it depends on.
    pub points: Vec<Point>,
    /// The search, where there is one.
    pub search: Option<Searched>,
    /// The parameters that are not swept, with their values. One that depends on a swept one is as it is written.
    pub parameters: Vec<(String, serde_json::Value)>,
    /// What is to be said of the files, and is no mistake.
    pub notes: Vec<String>,
}

impl Graph {
    /// The stages with their ids, in topological order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StageId, &StageInstance)> + ExactSizeIterator {
        self.stages
            .iter()
            .enumerate()
            .map(|(index, stage)| (StageId(index), stage))
    }

    /// How many stages lie between each stage and one that needs nothing, at most.
    pub fn depths(&self) -> StageMap<usize> {
        let mut depths = StageMap(Vec::with_capacity(self.stages.len()));
        for stage in &self.stages {
            let after = stage.inputs.iter().map(|input| depths[input.from] + 1);
            depths.0.push(after.max().unwrap_or(0));
        }
        depths
    }

    /// The highest priority of each stage and of those that need it.
    pub fn priorities(&self) -> StageMap<i32> {
        let own = self.stages.iter().map(|stage| stage.resources.priority);
        let mut priorities = StageMap(own.collect());
        // A stage comes after all that it needs.
        for (index, stage) in self.stages.iter().enumerate().rev() {
            for input in &stage.inputs {
                priorities.0[input.from.0] = priorities.0[input.from.0].max(priorities.0[index]);
            }
        }
        priorities
    }
}

impl Index<StageId> for Graph {
    type Output = StageInstance;

    fn index(&self, id: StageId) -> &StageInstance {
        &self.stages[id.0]
    }
}

impl StageInstance {
    /// The stages that it needs, each once.
    pub fn needs(&self) -> impl Iterator<Item = StageId> {
        let inputs = self.inputs.iter().enumerate();
        let first = |(index, input): (usize, &Connection)| {
            let before = &self.inputs[..index];
            (!before.iter().any(|other| other.from == input.from)).then_some(input.from)
        };
        inputs.filter_map(first)
    }
}
