//! Worker processes: bodies of [`Place::Worker`](crate::stage::Place) run in a process of their own, which loads libtorch.
//!
//! The parent writes a [`Request`] to a file and starts the worker with its path. The worker writes one line of JSON to
//! stdout for all that the body tells, and a last one with how it ended; stderr is for diagnostics. When its stdin ends,
//! the parent is gone or cancels: the body saves a checkpoint and stops. Only the parent publishes.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{ArtifactFile, Cancel, Device, StageContext, Teller};
use crate::error::StageError;
use crate::event::Told;
use crate::ports::Artifact;
use crate::stage::Outcome;
use crate::store::KeyLock;

/// For glibc: memory that a tensor leaves stays with the process, for the next one, instead of being given back and asked for again page
/// by page. Trainings take 15 % less time for it. What the user sets counts.
const KEEP_MEMORY: [(&str, &str); 3] = [
    ("MALLOC_TRIM_THRESHOLD_", "536870912"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// What a worker is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Stage kind.
    pub kind: String,
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
    /// Lock to hold while working.
    pub lock: PathBuf,
}

/// An artifact in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub artifact: RequestArtifact,
}

/// [`Artifact`] as it is written in a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestArtifact {
    /// A table.
    Table(arrow_schema::Schema),
    /// A network.
    Network,
    /// A figure.
    Figure,
}

impl From<&ArtifactFile> for RequestFile {
    fn from(file: &ArtifactFile) -> Self {
        let artifact = match &file.artifact {
            Artifact::Table(schema) => RequestArtifact::Table(schema.as_ref().clone()),
            Artifact::Network => RequestArtifact::Network,
            Artifact::Figure => RequestArtifact::Figure,
        };
        Self {
            path: file.path.clone(),
            artifact,
        }
    }
}

impl From<RequestFile> for ArtifactFile {
    fn from(file: RequestFile) -> Self {
        let artifact = match file.artifact {
            RequestArtifact::Table(schema) => Artifact::Table(Arc::new(schema)),
            RequestArtifact::Network => Artifact::Network,
            RequestArtifact::Figure => Artifact::Figure,
        };
        Self {
            path: file.path,
            artifact,
        }
    }
}

/// One line from a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Told(Told),
    Ended(Outcome),
    Failed { error: WireError },
}

/// [`StageError`] in a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
enum WireError {
    Cancelled,
    Failed { message: String, hint: Option<String> },
    Io { path: PathBuf, message: String },
    Bug { message: String },
}

impl From<StageError> for WireError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Cancelled => Self::Cancelled,
            StageError::Failed { message, hint } => Self::Failed { message, hint },
            StageError::Io { path, source } => Self::Io {
                path,
                message: source.to_string(),
            },
            StageError::Bug(message) => Self::Bug { message },
        }
    }
}

impl From<WireError> for StageError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Cancelled => Self::Cancelled,
            WireError::Failed { message, hint } => Self::Failed { message, hint },
            WireError::Io { path, message } => Self::Io {
                path,
                source: io::Error::other(message),
            },
            WireError::Bug { message } => Self::Bug(message),
        }
    }
}

/// How long a cancelled body may take to save its checkpoint.
const GRACE: Duration = Duration::from_secs(30);

/// A body by the name of its kind and its parameters.
pub type Body<'a> = &'a dyn Fn(&str, Value, &mut StageContext) -> Result<Outcome, StageError>;

/// The whole life of a worker process: reads the request, runs the body, writes lines. Gives the exit code: 0 when the
/// last line was written, whatever it says.
pub fn serve(request: &Path, body: Body<'_>) -> i32 {
    match try_serve(request, body) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("worker: {}: {error}", request.display());
            70
        }
    }
}

fn try_serve(path: &Path, body: Body<'_>) -> io::Result<()> {
    let request: Request = serde_json::from_slice(&std::fs::read(path)?)?;
    // A worker whose parent was killed may still be busy with the same stage.
    let _lock = KeyLock::wait(&request.lock)?;
    let mut go = [0];
    io::stdin().read_exact(&mut go)?;
    let cancel = Cancel::default();
    watch_stdin(cancel.clone());
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
        cancel,
        teller,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        body(&request.kind, request.parameters, &mut context)
    }));
    write_line(&match ended {
        Ok(Ok(outcome)) => Line::Ended(outcome),
        Ok(Err(error)) => Line::Failed { error: error.into() },
        Err(panic) => Line::Failed {
            error: WireError::Bug {
                message: panic_message(panic.as_ref()),
            },
        },
    })
}

/// Cancels when stdin ends; a body that does not stop then is ended after a while.
fn watch_stdin(cancel: Cancel) {
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        cancel.cancel();
        std::thread::sleep(GRACE);
        std::process::exit(75);
    });
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

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("without a message"))
}

/// How to start a worker: the path of the request is added as the last argument.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Arguments before the path.
    pub arguments: Vec<String>,
    /// Environment variables to set.
    pub environment: Vec<(String, String)>,
}

/// Runs a request in a worker process until it ends or was cancelled. `gpu` is the identity of the GPU it may see.
pub(crate) fn run(
    command: &WorkerCommand,
    request: &Request,
    request_path: &Path,
    gpu: Option<&str>,
    cancel: &Cancel,
    teller: &Teller,
) -> Result<Outcome, StageError> {
    let text = serde_json::to_vec(request).map_err(|error| StageError::Bug(error.to_string()))?;
    std::fs::write(request_path, text).map_err(|error| StageError::io(request_path, error))?;
    let threads = request.threads.to_string();
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .arg(request_path)
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .env("OMP_NUM_THREADS", &threads)
        .env("RAYON_NUM_THREADS", &threads)
        .env("OMP_WAIT_POLICY", "passive")
        .envs(
            KEEP_MEMORY
                .into_iter()
                .filter(|(name, _)| std::env::var_os(name).is_none()),
        )
        .env("CUDA_VISIBLE_DEVICES", gpu.unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| StageError::io(&command.program, error))?;
    let result = follow(&mut child, cancel, teller);
    if result.is_err() {
        // Whatever went wrong, no worker is left behind. Killing one that has ended does nothing.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Reads a worker's lines until they end.
fn follow(child: &mut Child, cancel: &Cancel, teller: &Teller) -> Result<Outcome, StageError> {
    let bug = |what: &str| StageError::Bug(format!("worker without {what}"));
    let mut stdin = child.stdin.take();
    let stdout = child.stdout.take().ok_or_else(|| bug("stdout"))?;
    let stderr = child.stderr.take().ok_or_else(|| bug("stderr"))?;
    // The go-ahead; a worker that died before reading it is noticed below.
    let _ = stdin.as_mut().map(|stdin| stdin.write_all(b"g"));
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let keep = tail.clone();
    let errors = std::thread::spawn(move || keep_tail(stderr, &keep));
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let (mut ended, mut deadline) = (None, None);
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => match serde_json::from_str(&text) {
                Ok(Line::Told(told)) => teller(told),
                Ok(Line::Ended(outcome)) => ended = Some(Ok(outcome)),
                Ok(Line::Failed { error }) => ended = Some(Err(error.into())),
                Err(_) => push_tail(&tail, text),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancel.is_cancelled() && deadline.is_none() {
            stdin = None;
            deadline = Some(Instant::now() + GRACE);
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let _ = child.kill();
        }
    }
    drop(stdin);
    let status = child.wait().map_err(|error| StageError::io("worker", error))?;
    // A worker's child could keep stderr open; do not wait for that.
    let since = Instant::now();
    while !errors.is_finished() && since.elapsed() < Duration::from_millis(200) {
        std::thread::sleep(Duration::from_millis(2));
    }
    match ended {
        Some(result) => result,
        None if cancel.is_cancelled() => Err(StageError::Cancelled),
        None => Err(died(status, &tail)),
    }
}

/// Lines of stderr that are kept for a message.
const TAIL: usize = 12;

fn keep_tail(stderr: impl Read, tail: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        push_tail(tail, String::from_utf8_lossy(&line).into_owned());
    }
}

fn push_tail(tail: &Mutex<VecDeque<String>>, line: String) {
    if let Ok(mut tail) = tail.lock() {
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

/// The error for a worker that ended without a last word.
fn died(status: ExitStatus, tail: &Mutex<VecDeque<String>>) -> StageError {
    let said = tail
        .lock()
        .map(|tail| Vec::from(tail.clone()).join("\n"))
        .unwrap_or_default();
    let said = if said.trim().is_empty() {
        String::new()
    } else {
        format!("; it last said:\n{said}")
    };
    match (status.signal(), status.code()) {
        (Some(9), _) => StageError::with_hint(
            format!("the worker was killed by signal 9 (out of memory?){said}"),
            "free memory, or give the stage a smaller batch",
        ),
        (Some(signal), _) => StageError::failed(format!("the worker was ended by signal {signal}{said}")),
        (_, Some(code)) => StageError::failed(format!("the worker ended with exit code {code} and no result{said}")),
        _ => StageError::failed(format!("the worker ended with {status}{said}")),
    }
}
