//! Everything a stage body may touch: inputs, outputs, files, randomness, progress, checkpoints, device, cancellation.
//! There is nothing ambient: no working folder, clock or environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_schema::SchemaRef;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use crate::error::StageError;
use crate::event::Told;
use crate::ports::{Artifact, NetworkType};

/// A flag shared by everything that should stop together.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks all holders to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether stopping was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The device a body runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU by index, as CUDA counts visible devices.
    Cuda(usize),
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// Takes what a body tells.
pub type Teller = Arc<dyn Fn(Told) + Send + Sync>;

/// An artifact in a file: an input to read, or an output to write.
#[derive(Debug, Clone)]
pub struct ArtifactFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub artifact: Artifact,
}

/// What a body gets.
pub struct StageContext {
    /// Inputs by port.
    pub inputs: BTreeMap<String, ArtifactFile>,
    /// Outputs by port: where to write them.
    pub outputs: BTreeMap<String, ArtifactFile>,
    /// Files of the user by parameter.
    pub files: BTreeMap<String, PathBuf>,
    /// A folder for checkpoints, kept until the stage ends well; it exists.
    pub checkpoints: PathBuf,
    /// The device to use.
    pub device: Device,
    /// CPU threads the body may use for pieces of work whose result does not depend on how many there are.
    pub threads: usize,
    /// Threads that share one operation on tensors, in a worker; part of its fingerprint.
    pub tensor_threads: usize,
    /// The epoch after which a training pauses, so that it can be compared with others.
    pub pause_after: Option<u64>,
    /// Says whether to stop.
    pub cancel: Cancel,
    /// Where to tell progress, metrics and notes.
    pub teller: Teller,
}

impl StageContext {
    /// Whether an optional input is connected.
    pub fn has_input(&self, port: &str) -> bool {
        self.inputs.contains_key(port)
    }

    /// The file of a connected input.
    pub fn input(&self, port: &str) -> Result<&Path, StageError> {
        let file = self
            .inputs
            .get(port)
            .ok_or_else(|| StageError::Bug(format!("no input port {port}")))?;
        Ok(&file.path)
    }

    /// The type of the network at a connected input.
    pub fn network_type(&self, port: &str) -> Result<NetworkType, StageError> {
        match self.inputs.get(port).map(|file| &file.artifact) {
            Some(Artifact::Network(of)) => Ok(*of),
            _ => Err(StageError::Bug(format!("no network at the input {port}"))),
        }
    }

    /// The schema of the table at a connected input.
    pub fn input_schema(&self, port: &str) -> Result<SchemaRef, StageError> {
        match self.inputs.get(port).map(|file| &file.artifact) {
            Some(Artifact::Table(schema)) => Ok(schema.clone()),
            _ => Err(StageError::Bug(format!("no table at the input {port}"))),
        }
    }

    /// The file to write an output to.
    pub fn output(&self, port: &str) -> Result<&Path, StageError> {
        let file = self
            .outputs
            .get(port)
            .ok_or_else(|| StageError::Bug(format!("no output port {port}")))?;
        Ok(&file.path)
    }

    /// The schema an output table was declared with.
    pub fn output_schema(&self, port: &str) -> Result<SchemaRef, StageError> {
        match self.outputs.get(port).map(|file| &file.artifact) {
            Some(Artifact::Table(schema)) => Ok(schema.clone()),
            _ => Err(StageError::Bug(format!("no output table {port}"))),
        }
    }

    /// The user's file that `parameter` names.
    pub fn file(&self, parameter: &str) -> Result<&Path, StageError> {
        let file = self.files.get(parameter);
        file.map(PathBuf::as_path)
            .ok_or_else(|| StageError::Bug(format!("no file parameter {parameter}")))
    }

    /// A generator for one purpose, from the stage's `seed` parameter. Two purposes never share a stream.
    pub fn random(&self, seed: u64, purpose: &str) -> ChaCha8Rng {
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(purpose.as_bytes())
            .finalize();
        ChaCha8Rng::from_seed(digest.into())
    }

    /// Begins to tell progress over `total` units (plural noun).
    pub fn progress(&self, total: u64, unit: &str) -> Progress {
        let progress = Progress {
            done: Arc::new(AtomicU64::new(0)),
            total,
            unit: unit.to_owned(),
            teller: self.teller.clone(),
        };
        progress.at(0, "");
        progress
    }

    /// Keeps a number in the manifest and the report.
    pub fn metric(&self, name: &str, value: f64, unit: &str) {
        (self.teller)(Told::Metric {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }

    /// Keeps a sentence in the manifest and the report.
    pub fn note(&self, text: impl Into<String>) {
        (self.teller)(Told::Note { text: text.into() });
    }

    /// Says that what the stage gives is not to be believed, or only in part; see [`Told::Finding`]. A stage that cannot give its
    /// outputs ends with [`crate::stage::Outcome::Finding`] instead.
    pub fn finding(&self, text: impl Into<String>) {
        (self.teller)(Told::Finding { text: text.into() });
    }

    /// Records that a comparison is outside its tolerance; see [`Told::OutsideTolerance`].
    pub fn outside_tolerance(&self, text: impl Into<String>) {
        (self.teller)(Told::OutsideTolerance { text: text.into() });
    }

    /// Returns early when the run was cancelled.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.cancel.is_cancelled() {
            Err(StageError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// A counter that tells progress; cheap to clone and to use from many threads (the coordinator thins it out).
#[derive(Clone)]
pub struct Progress {
    done: Arc<AtomicU64>,
    total: u64,
    unit: String,
    teller: Teller,
}

impl Progress {
    /// Counts `units` more as done; tells at most about a thousand times over the whole.
    pub fn add(&self, units: u64) {
        let before = self.done.fetch_add(units, Ordering::Relaxed);
        let step = (self.total / 1000).max(1);
        if before / step != (before + units) / step {
            self.tell(before + units, "");
        }
    }

    /// Sets the count and tells it with a short state.
    pub fn at(&self, done: u64, message: &str) {
        self.done.store(done, Ordering::Relaxed);
        self.tell(done, message);
    }

    fn tell(&self, done: u64, message: &str) {
        let (total, unit, message) = (self.total, self.unit.clone(), message.to_owned());
        (self.teller)(Told::Progress {
            done,
            total,
            unit,
            message,
        });
    }
}
