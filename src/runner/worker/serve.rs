//! The worker's side.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use super::{Body, GRACE, Line, Request, RequestFile, WireError, lock_unless, panic_message};
use crate::context::{ArtifactFile, Cancel, StageContext, Teller};
use crate::error::StageError;
use crate::stage::{Outcome, Place};
use crate::store::Hash256;

/// The exit code of a worker that stops because its parent is gone or has cancelled it: nobody waits for it.
const PARENT_GONE: i32 = 75;

/// The whole life of a worker process: reads the request, runs the body, writes lines. Gives the exit code: 0 when the
/// last line was written, whatever it says.
pub fn serve(request: &Path, bodies: &[Body]) -> i32 {
    match try_serve(request, bodies) {
        Ok(true) => 0,
        Ok(false) => PARENT_GONE,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "worker: {}: {error}", request.display());
            70
        }
    }
}

/// Lets this process, a worker that has not begun, end when its parent does; `false` if the `parent` that wrote the request
/// is gone already. Where the system has no such thing, an orphan ends when it would begin.
pub fn die_with_parent(parent: u32) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have died before that was asked for.
    Ok(is_parent(parent))
}

/// A training at work outlives its parent, to save a checkpoint.
fn outlive_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(None)?;
    Ok(())
}

fn is_parent(process: u32) -> bool {
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    parent.and_then(|parent| u32::try_from(parent).ok()) == Some(process)
}

/// Reads a request.
pub fn read(path: &Path) -> io::Result<Request> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Whether the parent heard how the body ended.
fn try_serve(path: &Path, bodies: &[Body]) -> io::Result<bool> {
    let request = read(path)?;
    let cancel = Cancel::default();
    let go = listen(cancel.clone());
    // Another worker may be busy with the same stage, for a run that was killed.
    let Some(_lock) = lock_unless(&cancel, &request.lock)? else {
        return Ok(false);
    };
    if write_line(&Line::Ready).is_err() || go.recv().is_err() || cancel.is_cancelled() {
        return Ok(false);
    }
    let body = find(bodies, &request.kind, request.revision);
    if body.as_ref().is_ok_and(|body| body.place == Place::Worker) {
        outlive_parent()?;
    }
    let teller: Teller = Arc::new(|told| {
        // A parent that is gone reads no more; the end of stdin tells so.
        let _ = write_line(&Line::Told(told));
    });
    let files = |files: BTreeMap<String, RequestFile>| files.into_iter().map(|(port, file)| (port, file.into()));
    let mut context = StageContext {
        inputs: files(request.inputs).collect(),
        outputs: files(request.outputs).collect(),
        files: request.files,
        checkpoints: request.checkpoints,
        device: request.device,
        threads: request.threads,
        tensor_threads: request.tensor_threads,
        cancel,
        teller,
    };
    let work = || -> Result<(Outcome, BTreeMap<String, Hash256>), StageError> {
        let outcome = (body?.run)(request.parameters, &mut context)?;
        Ok((outcome, hashes(&context.outputs)?))
    };
    note_panics();
    let ended = catch_unwind(AssertUnwindSafe(work));
    write_line(&match ended {
        Ok(Ok((how, outputs))) => Line::Ended { how, outputs },
        Ok(Err(error)) => Line::Failed { error: error.into() },
        Err(panic) => Line::Failed {
            error: WireError::Bug {
                message: format!("{}{}", panic_message(panic.as_ref()), place_of_panic()),
            },
        },
    })?;
    Ok(true)
}

/// Where a panic was, for whoever mends it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let (Some(place), Ok(mut noted)) = (panic.location(), PANIC.lock()) {
            *noted = Some(format!(" ({}:{})", place.file(), place.line()));
        }
    }));
}

fn place_of_panic() -> String {
    PANIC.lock().ok().and_then(|mut noted| noted.take()).unwrap_or_default()
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

/// Listens to stdin: the first byte is the go-ahead; its end cancels, and a body that does not stop then is ended after a
/// while.
fn listen(cancel: Cancel) -> Receiver<()> {
    let (send, go) = channel();
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        if stdin.read_exact(&mut [0]).is_ok() {
            let _ = send.send(());
            let _ = io::copy(&mut stdin, &mut io::sink());
        }
        cancel.cancel();
        drop(send);
        std::thread::sleep(GRACE);
        std::process::exit(PARENT_GONE);
    });
    go
}

/// A line in one write, after a newline: whatever a library printed before stays apart.
fn write_line(line: &Line) -> io::Result<()> {
    let mut text = vec![b'\n'];
    serde_json::to_writer(&mut text, line)?;
    text.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}
