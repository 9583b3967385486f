//! Where bodies run. A [`Request`] says all that a body needs, so an executor may run it anywhere: on a thread, in a
//! process, as a job of a batch system. It need not know how outputs are published.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::context::{ArtifactFile, Cancel, StageContext, Teller};
use crate::error::StageError;
use crate::stage::Outcome;
use crate::store::Hash256;
use crate::worker::{Body, Request, RequestFile, panic_message};

/// Runs bodies.
pub trait Executor: Sync {
    /// Runs the body that a request asks for until it ended, failed or was cancelled. `gpu` is the identity of the GPU that it may
    /// see, if any. It is called on a thread of its own, at most as often at a time as the budget of the run allows.
    fn run(&self, request: &Request, gpu: Option<&str>, teller: &Teller, cancel: &Cancel) -> Result<Ended, StageError>;
}

/// How a body ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Hashes of the outputs that it wrote, by port.
    pub outputs: BTreeMap<String, Hash256>,
}

/// Runs bodies on threads of this process, where a crash ends all: for tests, and for programs that trust their bodies.
pub struct Threads {
    bodies: Vec<Body>,
}

impl Threads {
    /// With these bodies.
    pub fn new(bodies: Vec<Body>) -> Self {
        Self { bodies }
    }
}

impl Executor for Threads {
    fn run(&self, request: &Request, _: Option<&str>, teller: &Teller, cancel: &Cancel) -> Result<Ended, StageError> {
        perform(&self.bodies, request.clone(), teller.clone(), cancel.clone())
    }
}

/// Does what a request asks for with one of these bodies. A panic becomes an error.
pub(crate) fn perform(bodies: &[Body], request: Request, teller: Teller, cancel: Cancel) -> Result<Ended, StageError> {
    let body = find(bodies, &request.kind, request.revision)?;
    let files = |files: BTreeMap<String, RequestFile>| files.into_iter().map(|(port, file)| (port, file.into()));
    let mut context = StageContext {
        inputs: files(request.inputs).collect(),
        outputs: files(request.outputs).collect(),
        files: request.files,
        checkpoints: request.checkpoints,
        device: request.device,
        threads: request.threads,
        tensor_threads: request.tensor_threads,
        pause_after: request.pause_after,
        cancel,
        teller,
    };
    let work = AssertUnwindSafe(|| {
        let outcome = (body.run)(request.parameters, &mut context)?;
        let outputs = hashes(&context.outputs)?;
        Ok(Ended { outcome, outputs })
    });
    catch_unwind(work).unwrap_or_else(|panic| Err(StageError::Bug(panic_message(panic.as_ref()))))
}

/// The body of a kind, if it is of the revision that the program knows.
fn find<'a>(bodies: &'a [Body], kind: &str, revision: u32) -> Result<&'a Body, StageError> {
    let body = bodies.iter().find(|body| body.kind == kind);
    let body = body.ok_or_else(|| StageError::Bug(format!("no worker body for stage kind {kind}")))?;
    if body.revision == revision {
        return Ok(body);
    }
    Err(StageError::with_hint(
        format!(
            "the program knows revision {revision} of {kind}, its library of network stages revision {}",
            body.revision
        ),
        "build both at once: cargo build",
    ))
}

/// Hashes of the outputs that were written; a finding may leave some out.
fn hashes(outputs: &BTreeMap<String, ArtifactFile>) -> Result<BTreeMap<String, Hash256>, StageError> {
    let mut hashes = BTreeMap::new();
    for (port, file) in outputs {
        match Hash256::of_file(&file.path) {
            Ok(hash) => {
                hashes.insert(port.clone(), hash);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StageError::io(&file.path, error)),
        }
    }
    Ok(hashes)
}
