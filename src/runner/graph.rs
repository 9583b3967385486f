//! A pipeline with its parameters substituted and its sweep points expanded. Nothing is hashed or read yet.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ports::OutputPort;
use crate::stage::{AnyStage, Place, Role};

/// Index of a stage instance in [`Graph::stages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u32);

impl StageId {
    /// The same as an index.
    pub fn index(self) -> usize {
        self.0 as usize
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

/// The `on:` of a stage: where and with how much. Never part of the fingerprint, except the device class of a worker and the
/// threads of its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// CPU threads the body may use; `None` for its share of the machine.
    pub threads: Option<usize>,
}

impl Resources {
    /// Threads that share one operation on tensors, in a worker: those that are stated, or one. How a sum is rounded depends on
    /// their number, so it is neither what the machine has free nor what it has.
    pub fn tensor_threads(&self) -> usize {
        self.threads.unwrap_or(1)
    }
}

/// A file of the user, resolved against the folder of the YAML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFile {
    /// Parameter that names it, with its place in a list.
    pub parameter: String,
    /// Where it is.
    pub path: PathBuf,
}

/// A stage at one or several sweep points with the same parameters and inputs.
pub struct StageInstance {
    /// Name in the YAML file.
    pub name: String,
    /// Name with the swept parameters it depends on: `actions[toy_mass=3e11]`; just the name outside a sweep.
    pub label: String,
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
    pub parameters: Arc<serde_json::Value>,
    /// Inputs, in port order.
    pub inputs: Vec<Connection>,
    /// Outputs; the first is the default.
    pub outputs: Vec<OutputPort>,
    /// Files of the user it reads.
    pub files: Vec<UserFile>,
    /// Its `on:`.
    pub resources: Resources,
    /// Sweep points that share it, as indices into [`Graph::points`].
    pub points: Vec<usize>,
}

/// One sweep point: its swept parameters with their values, in the order of the axes. Empty outside a sweep.
pub type Point = Vec<(String, serde_json::Value)>;

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
    /// Sweep points; one empty point outside a sweep.
    pub points: Vec<Point>,
    /// The parameters that are not swept, with their values. One that depends on a swept one is as it is written.
    pub parameters: Point,
}
