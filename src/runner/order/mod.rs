//! All that is to be done for a stage, as plain data: whoever sees the results folder can do it, in this process or in a job on
//! another machine.

mod perform;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use perform::Means;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Device;
use crate::graph::{Limits, Queue};
use crate::stage::Place;
use crate::store::{Cached, Damage, Hash256, Identity, OutputRecord};
use crate::worker::RequestArtifact;

/// A stage whose inputs have settled, and is to be made. It names the user's files and no other place: where inputs and outputs
/// lie follows from the store in which it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Stage label.
    pub label: String,
    /// Stage kind.
    pub kind: String,
    /// Its revision.
    pub revision: u32,
    /// Where its body runs.
    pub place: Place,
    /// All parameters, with defaults filled in.
    pub parameters: Value,
    /// Hash of the fingerprint.
    pub fingerprint: Hash256,
    /// The fingerprint as canonical JSON.
    pub json: String,
    /// Whether it is made even if it is there.
    pub forced: bool,
    /// Whether its outputs are to be here, where a shared cache has them.
    #[serde(default)]
    pub wanted: bool,
    /// What it reads of the store.
    pub inputs: Vec<Input>,
    /// What it writes.
    pub outputs: Vec<Output>,
    /// The files of the user that it reads.
    pub files: Vec<File>,
    /// Device, as the run counts them.
    pub device: Device,
    /// CPU threads.
    pub threads: usize,
    /// Threads that share one operation on tensors.
    pub tensor_threads: usize,
    /// What it may take at most.
    pub limits: Limits,
    /// How often it is begun again where its process died.
    pub retries: u32,
    /// Where a batch system queues it.
    pub queue: Queue,
    /// The epoch after which a training pauses.
    #[serde(default)]
    pub pause_after: Option<u64>,
}

/// An output of another stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Input port.
    pub port: String,
    /// Kind of the entry.
    pub kind: String,
    /// The entry.
    pub fingerprint: Hash256,
    /// Its output.
    pub output: OutputRecord,
    /// What that holds.
    pub artifact: RequestArtifact,
    /// Whether its content was read and found right in this run.
    pub verified: bool,
}

/// An output to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Output port.
    pub port: String,
    /// Its file in the folder of the entry.
    pub file: String,
    /// What it holds.
    pub artifact: RequestArtifact,
}

/// A file of the user, as the fingerprint speaks of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Parameter that names it, with its place in a list.
    pub parameter: String,
    /// Where it is.
    pub path: PathBuf,
    /// What a stat told of it.
    pub identity: Identity,
    /// Hash of its content.
    pub sha256: Hash256,
}

/// What an order tells on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The body is to begin.
    Begins,
    /// The body has ended well, after so long; what follows waits for the disk and needs no processor.
    Publishes(Duration),
}

/// What came of an order, when it did not fail.
#[derive(Debug)]
pub enum Done {
    /// The body ran, its outputs are published.
    Published {
        /// The entry.
        cached: Cached,
        /// Wall-clock seconds of the body.
        seconds: f64,
    },
    /// The body came to the epoch at which it was to pause, with the least validation loss until then.
    Paused {
        /// Epochs.
        at: u64,
        /// The loss.
        loss: f64,
    },
    /// Someone else published it meanwhile.
    Found(Arc<Cached>),
    /// Nothing was begun: what these ports read is damaged in the store.
    Damaged(Vec<(String, Damage)>),
}
