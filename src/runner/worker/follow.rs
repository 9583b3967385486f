//! One worker process, as its parent sees it: asks it, follows its lines, and says how it ended.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::limits::{Excess, Watch, memory_of};
use super::processes::Setting;
use super::{Ask, GRACE, Line, Request, SHORT_GRACE};
use crate::context::{Cancel, Teller};
use crate::error::{Death, StageError};
use crate::executor::Ended;
use crate::stage::Place;

/// A worker process. Ends when it is dropped, whatever it is at.
pub(super) struct Worker {
    pub setting: Setting,
    process: Child,
    /// `None` once the worker is to end.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it last said on stderr, or on stdout in no words of ours.
    tail: Arc<Mutex<VecDeque<String>>>,
    errors: JoinHandle<()>,
    bodies: usize,
}

/// What came of asking.
pub(super) enum Answer {
    /// It was gone before anything began.
    Absent(StageError),
    /// How the body ended.
    Given(Result<Ended, StageError>),
}

/// How long a body that takes too much memory may take to end what it started.
const SHORTEST_GRACE: Duration = Duration::from_secs(1);

/// After so many bodies a worker is ended: threads and memory that bodies leave behind then go.
const MOST_BODIES: usize = 64;

/// One that holds more memory than this between two bodies is ended, in bytes.
const MOST_MEMORY: u64 = 256 << 20;

impl Worker {
    pub fn new(mut process: Child, setting: Setting) -> Result<Self, StageError> {
        let bug = |what: &str| StageError::Bug(format!("worker without {what}"));
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().ok_or_else(|| bug("stdout"))?;
        let stderr = process.stderr.take().ok_or_else(|| bug("stderr"))?;
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
        Ok(Self {
            setting,
            process,
            stdin,
            lines,
            tail,
            errors,
            bodies: 0,
        })
    }

    /// Asks for a body, and follows it to its end.
    pub fn ask(&mut self, request: &Request, teller: &Teller, cancel: &Cancel) -> Answer {
        let mut excess = None;
        match self.follow(request, teller, cancel, &mut excess) {
            // However it ended then, it was for this.
            Answer::Given(Err(_)) if !cancel.is_cancelled() && excess.is_some() => {
                let error = excess.map(|excess| excess.error(&request.kind));
                Answer::Given(Err(error.unwrap_or(StageError::Cancelled)))
            }
            answer => answer,
        }
    }

    fn follow(&mut self, request: &Request, teller: &Teller, cancel: &Cancel, excess: &mut Option<Excess>) -> Answer {
        self.bodies += 1;
        if let Ok(mut tail) = self.tail.lock() {
            tail.clear();
        }
        // One that is gone is noticed below.
        let _ = self.say(&Ask::Work(Box::new(request.clone())));
        let grace = match request.place {
            Place::Here | Place::Command => SHORT_GRACE,
            Place::Worker => GRACE,
        };
        let (mut watch, mut deadline) = (None::<Watch>, None);
        loop {
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => match serde_json::from_str(&text) {
                    Ok(Line::Ready) => {
                        watch = Some(Watch::new(request.limits, self.process.id()));
                        let _ = self.say(&Ask::Go);
                    }
                    Ok(Line::Told(told)) => teller(told),
                    Ok(Line::Ended { how, outputs }) => {
                        return Answer::Given(Ok(Ended { outcome: how, outputs }));
                    }
                    Ok(Line::Failed { error }) => return Answer::Given(Err(error.into())),
                    Err(_) => push_tail(&self.tail, text),
                },
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if cancel.is_cancelled() && deadline.is_none() {
                self.stdin = None;
                deadline = Some(Instant::now() + grace);
            }
            if deadline.is_none()
                && let Some(found) = watch.as_mut().and_then(Watch::excess)
            {
                *excess = Some(found);
                // The body is told, for it may have something to save, or to end.
                self.stdin = None;
                let grace = if found.may_save() { grace } else { SHORTEST_GRACE };
                deadline = Some(Instant::now() + grace);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                let _ = self.process.kill();
            }
        }
        let error = self.died(&request.kind, cancel);
        if watch.is_some() {
            Answer::Given(Err(error))
        } else {
            Answer::Absent(error)
        }
    }

    /// Whether it may be asked again.
    pub fn can_go_on(&self) -> bool {
        self.stdin.is_some() && self.bodies < MOST_BODIES && memory_of(self.process.id()) < MOST_MEMORY
    }

    fn say(&mut self, ask: &Ask) -> io::Result<()> {
        let mut text = serde_json::to_vec(ask)?;
        text.push(b'\n');
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(&text),
            None => Ok(()),
        }
    }

    /// Why there was no last word.
    fn died(&mut self, kind: &str, cancel: &Cancel) -> StageError {
        self.stdin = None;
        let status = match self.process.wait() {
            Ok(status) => status,
            Err(error) => return StageError::io("worker", error),
        };
        // A worker's child could keep stderr open; do not wait for that.
        let since = Instant::now();
        while !self.errors.is_finished() && since.elapsed() < Duration::from_millis(200) {
            std::thread::sleep(Duration::from_millis(2));
        }
        if cancel.is_cancelled() || interrupted(status, cancel) {
            return StageError::Cancelled;
        }
        died(kind, status, &self.tail)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to save any more. Killing one that has ended does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
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
    StageError::Died {
        why: how.why,
        message: format!("{kind} {}{said}", how.what),
        hint: how.hint.map(str::to_owned),
    }
}

/// How a process ended, in words, and what helps.
struct How {
    why: Death,
    what: String,
    hint: Option<&'static str>,
}

const LESS_MEMORY: &str = "free memory, or ask for less: fewer stars, a smaller batch or a smaller network";

fn how(status: ExitStatus, said: &str) -> How {
    let plain = |what: String| How {
        why: Death::Crash,
        what,
        hint: None,
    };
    let of_memory = |what: String| How {
        why: Death::Memory,
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
