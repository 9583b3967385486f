//! Worker processes: every body runs in a process of its own, and those of [`Place::Worker`] load libtorch
//! there. So a body that crashes, or for which there is not enough memory, fails one stage and not the run.
//!
//! [`Processes`] starts a worker with its [`Place`] and its own number, and asks it on its stdin, one line of JSON at a time: a
//! [`Request`], then the go-ahead. The worker writes one line of JSON to stdout for all that the body tells, and a last one with how
//! it ended; stderr is for diagnostics. When its stdin ends, the parent is gone or cancels: the body saves a checkpoint and stops.
//! Only the parent publishes.
//!
//! A worker must never harm the results of a run that is not its own, however late it wakes:
//!
//! * It begins only when its parent has answered its `Ready`, which it says when it holds the lock of its stage. One
//!   whose parent died before gets no answer. While it is at no training it dies with its parent, where the system can see to that.
//! * Its outputs lie in a folder of this one attempt. The last line holds their hashes, which the parent compares with what
//!   it publishes.
//! * The request names the revision of the kind: a worker of another build refuses it.
//!
//! A worker whose body ended well is asked again, for starting one costs 6 ms, or 350 with libtorch. That changes no byte: what is
//! set for a process alone (its environment, with the numbers of threads and the GPU) is the same for all that it is asked, and a
//! body sets the rest itself before it uses it (libtorch's threads, its generator). A test of the program compares what every
//! kind writes in a new process and in one that did others before (`tests/integration/catalog.rs`). One whose body failed or
//! panicked, one that has grown, and one that has done many bodies are ended, and another is started.

mod follow;
mod limits;
mod processes;
mod serve;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use processes::{Processes, WorkerCommand};
pub use serve::{die_with_parent, serve};

use crate::context::{ArtifactFile, Cancel, Device, StageContext};
use crate::error::{Death, StageError};
use crate::event::Told;
use crate::graph::Limits;
use crate::ports::{Artifact, NetworkType, lasting};
use crate::stage::{Outcome, Place, Stage};
use crate::store::{Hash256, KeyLock, TryLock};

/// All that a body needs, as plain data: it can run wherever these files are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Stage kind.
    pub kind: String,
    /// Its revision.
    pub revision: u32,
    /// Where its body runs.
    pub place: Place,
    /// All parameters, with defaults filled in.
    pub parameters: Value,
    /// Inputs by port.
    pub inputs: BTreeMap<String, RequestFile>,
    /// Outputs by port.
    pub outputs: BTreeMap<String, RequestFile>,
    /// Files of the user by parameter.
    pub files: BTreeMap<String, PathBuf>,
    /// Folder for checkpoints.
    pub checkpoints: PathBuf,
    /// Device, as the worker sees it: a GPU is always its first.
    pub device: Device,
    /// CPU threads.
    pub threads: usize,
    /// Threads that share one operation on tensors.
    pub tensor_threads: usize,
    /// What it may take at most, which whoever asks sees to.
    #[serde(default)]
    pub limits: Limits,
    /// The epoch after which a training pauses.
    #[serde(default)]
    pub pause_after: Option<u64>,
    /// Lock to hold while working.
    pub lock: PathBuf,
}

/// An artifact in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub artifact: RequestArtifact,
}

/// [`Artifact`] as it is written in a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestArtifact {
    /// A table.
    Table(arrow_schema::Schema),
    /// A network of this type.
    Network(String),
    /// A figure.
    Figure,
    /// A file of this ending.
    File(String),
}

impl From<&Artifact> for RequestArtifact {
    fn from(artifact: &Artifact) -> Self {
        match artifact {
            Artifact::Table(schema) => Self::Table(schema.as_ref().clone()),
            Artifact::Network(of) => Self::Network(of.to_string()),
            Artifact::Figure => Self::Figure,
            Artifact::File(ending) => Self::File((*ending).to_owned()),
        }
    }
}

impl From<RequestFile> for ArtifactFile {
    fn from(file: RequestFile) -> Self {
        let artifact = match file.artifact {
            RequestArtifact::Table(schema) => Artifact::Table(Arc::new(schema)),
            RequestArtifact::Network(name) => Artifact::Network(NetworkType::named(&name)),
            RequestArtifact::Figure => Artifact::Figure,
            RequestArtifact::File(ending) => Artifact::File(lasting(&ending)),
        };
        Self {
            path: file.path,
            artifact,
        }
    }
}

/// The body of a kind, as the worker's library has it.
pub struct Body {
    /// Stage kind.
    pub kind: &'static str,
    /// The revision it was built with.
    pub revision: u32,
    /// Where it runs. One of [`Place::Worker`] outlives its parent for as long as it takes to save a checkpoint, which is the
    /// work of hours, and one of [`Place::Command`] for as long as it takes to end what it started; another ends with it.
    pub place: Place,
    /// Runs it, from its parameters.
    pub run: RunBody,
}

/// A body as a function of its parameters.
pub type RunBody = fn(Value, &mut StageContext) -> Result<Outcome, StageError>;

impl Body {
    /// The body of the kind `S`.
    pub const fn of<S: Stage>(run: RunBody) -> Self {
        Self {
            kind: S::KIND,
            revision: S::REVISION,
            place: S::PLACE,
            run,
        }
    }
}

/// Runs a body on its share of threads.
pub(crate) fn on_threads(
    threads: usize,
    body: impl FnOnce() -> Result<Outcome, StageError> + Send,
) -> Result<Outcome, StageError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| StageError::failed(format!("cannot start threads: {error}")))?;
    pool.install(body)
}

/// A line to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// What is to be done; to be answered with [`Line::Ready`].
    Work(Box<Request>),
    /// The go-ahead.
    Go,
}

/// One line from a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    /// It holds the lock, and waits for the go-ahead.
    Ready,
    Told(Told),
    Ended {
        how: Outcome,
        outputs: BTreeMap<String, Hash256>,
    },
    Failed {
        error: WireError,
    },
}

/// [`StageError`] in a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub(crate) enum WireError {
    Cancelled,
    Paused {
        at: u64,
        loss: f64,
    },
    Failed {
        message: String,
        hint: Option<String>,
    },
    Died {
        why: Death,
        message: String,
        hint: Option<String>,
    },
    Io {
        path: PathBuf,
        message: String,
        /// The system's number of the error.
        code: Option<i32>,
    },
    Bug {
        message: String,
    },
}

impl From<StageError> for WireError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Cancelled => Self::Cancelled,
            StageError::Paused { at, loss } => Self::Paused { at, loss },
            StageError::Failed { message, hint } => Self::Failed { message, hint },
            StageError::Died { why, message, hint } => Self::Died { why, message, hint },
            StageError::Io { path, source } => Self::Io {
                path,
                message: source.to_string(),
                code: source.raw_os_error().or_else(|| {
                    // A library may have wrapped it.
                    let full = source.kind() == io::ErrorKind::StorageFull;
                    full.then_some(rustix::io::Errno::NOSPC.raw_os_error())
                }),
            },
            StageError::Bug(message) => Self::Bug { message },
        }
    }
}

impl From<WireError> for StageError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Cancelled => Self::Cancelled,
            WireError::Paused { at, loss } => Self::Paused { at, loss },
            WireError::Failed { message, hint } => Self::Failed { message, hint },
            WireError::Died { why, message, hint } => Self::Died { why, message, hint },
            WireError::Io { path, message, code } => Self::Io {
                path,
                source: code.map_or_else(|| io::Error::other(message), io::Error::from_raw_os_error),
            },
            WireError::Bug { message } => Self::Bug(message),
        }
    }
}

/// How long a cancelled training may take to save its checkpoint.
const GRACE: Duration = Duration::from_secs(30);

/// How long another cancelled body may take to look at the flag; most have nothing to save.
const SHORT_GRACE: Duration = Duration::from_secs(10);

/// Takes a lock, waiting for whoever holds it; `None` if the run is cancelled meanwhile.
pub(crate) fn lock_unless(cancel: &Cancel, path: &std::path::Path) -> io::Result<Option<KeyLock>> {
    loop {
        match KeyLock::attempt(path)? {
            TryLock::Held(lock) => return Ok(Some(lock)),
            TryLock::Busy(_) if cancel.is_cancelled() => return Ok(None),
            TryLock::Busy(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body says of an error is the same on both sides: a full disk stays a full disk.
    #[test]
    fn a_full_disk_is_one_on_both_sides() {
        let full = [
            io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()),
            io::Error::new(io::ErrorKind::StorageFull, "wrapped by a library"),
        ];
        for source in full {
            let there = WireError::from(StageError::io("table.parquet", source));
            match StageError::from(there) {
                StageError::Io { path, source } => {
                    assert_eq!(path, PathBuf::from("table.parquet"));
                    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
                }
                other => panic!("{other}"),
            }
        }
    }
}
