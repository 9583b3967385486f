//! The parent's side: starts a worker, follows its lines, and says how it ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Ended, GRACE, Line, Request, SHORT_GRACE, WorkerCommand};
use crate::context::{Cancel, Teller};
use crate::error::StageError;
use crate::stage::Place;

/// For glibc: memory that a tensor leaves stays with the process, for the next one, instead of being given back and asked for again page
/// by page. Trainings take 15 % less time for it. What the user sets counts.
const KEEP_MEMORY: [(&str, &str); 3] = [
    ("MALLOC_TRIM_THRESHOLD_", "536870912"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// Runs a request in a worker process until it ends or was cancelled. `gpu` is the identity of the GPU it may see.
pub(crate) fn run(
    command: &WorkerCommand,
    place: Place,
    request: &Request,
    request_path: &Path,
    gpu: Option<&str>,
    cancel: &Cancel,
    teller: &Teller,
) -> Result<Ended, StageError> {
    let text = serde_json::to_vec(request).map_err(|error| StageError::Bug(error.to_string()))?;
    std::fs::write(request_path, text).map_err(|error| StageError::io(request_path, error))?;
    let [threads, tensor_threads] = [request.threads, request.tensor_threads].map(|threads| threads.to_string());
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .arg(request_path)
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .env("OMP_NUM_THREADS", &tensor_threads)
        .env("RAYON_NUM_THREADS", &threads)
        .env("OMP_WAIT_POLICY", "passive")
        // What a worker says last is told in a message, where there is no room for a list of calls. Panics tell their place.
        .env_remove("RUST_BACKTRACE")
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
    let grace = match place {
        Place::Here => SHORT_GRACE,
        Place::Worker => GRACE,
    };
    let result = follow(&request.kind, grace, &mut child, cancel, teller);
    if result.is_err() {
        // Whatever went wrong, no worker is left behind. Killing one that has ended does nothing.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Reads a worker's lines until they end.
fn follow(
    kind: &str,
    grace: Duration,
    child: &mut Child,
    cancel: &Cancel,
    teller: &Teller,
) -> Result<Ended, StageError> {
    let bug = |what: &str| StageError::Bug(format!("worker without {what}"));
    let mut stdin = child.stdin.take();
    let stdout = child.stdout.take().ok_or_else(|| bug("stdout"))?;
    let stderr = child.stderr.take().ok_or_else(|| bug("stderr"))?;
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
                // A worker that died before it could read the go-ahead is noticed below.
                Ok(Line::Ready) => drop(stdin.as_mut().map(|stdin| stdin.write_all(b"g"))),
                Ok(Line::Told(told)) => teller(told),
                Ok(Line::Ended { how, outputs }) => ended = Some(Ok(Ended { outcome: how, outputs })),
                Ok(Line::Failed { error }) => ended = Some(Err(error.into())),
                Err(_) => push_tail(&tail, text),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if cancel.is_cancelled() && deadline.is_none() {
            stdin = None;
            deadline = Some(Instant::now() + grace);
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
        None if cancel.is_cancelled() || interrupted(status, cancel) => Err(StageError::Cancelled),
        None => Err(died(kind, status, &tail)),
    }
}

/// Whether a signal that ends runs ended the worker before it could say anything: such signals reach all processes of a
/// group, and the worker may be the first to notice.
fn interrupted(status: ExitStatus, cancel: &Cancel) -> bool {
    use rustix::process::Signal;
    let ends_runs = [Signal::INT, Signal::TERM, Signal::HUP].map(Signal::as_raw);
    if !status.signal().is_some_and(|signal| ends_runs.contains(&signal)) {
        return false;
    }
    let since = Instant::now();
    while !cancel.is_cancelled() && since.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    cancel.is_cancelled()
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
fn died(kind: &str, status: ExitStatus, tail: &Mutex<VecDeque<String>>) -> StageError {
    let said = tail
        .lock()
        .map(|tail| Vec::from(tail.clone()).join("\n"))
        .unwrap_or_default();
    let how = how(status, &said);
    let said = if said.trim().is_empty() {
        String::new()
    } else {
        format!("; it last said:\n{said}")
    };
    let message = format!("{kind} {}{said}", how.what);
    match how.hint {
        Some(hint) => StageError::with_hint(message, hint),
        None => StageError::failed(message),
    }
}

/// How a process ended, in words, and what helps.
struct How {
    what: String,
    hint: Option<&'static str>,
}

const LESS_MEMORY: &str = "free memory, or ask for less: fewer stars, a smaller batch or a smaller network";

fn how(status: ExitStatus, said: &str) -> How {
    let plain = |what: String| How { what, hint: None };
    let of_memory = |what: String| How {
        what,
        hint: Some(LESS_MEMORY),
    };
    match (status.signal(), status.code()) {
        (Some(9), _) => of_memory("was killed by signal 9 (out of memory?)".to_owned()),
        // What Rust says before it aborts.
        (Some(_), _) if said.contains("memory allocation of") => {
            of_memory("asked for more memory than there is".to_owned())
        }
        (Some(_), _) if said.contains("has overflowed its stack") => plain("crashed: its stack overflowed".to_owned()),
        (Some(4), _) => plain("crashed: signal 4, an instruction that this processor does not have".to_owned()),
        (Some(6), _) => plain("crashed: signal 6, it gave up".to_owned()),
        (Some(7), _) => plain("crashed: signal 7, memory or a file under it is gone".to_owned()),
        (Some(11), _) => plain("crashed: signal 11, it touched memory that is not its own".to_owned()),
        (Some(signal), _) => plain(format!("was ended by signal {signal}")),
        (_, Some(code)) => plain(format!("ended with exit code {code} and no result")),
        _ => plain(format!("ended with {status}")),
    }
}
