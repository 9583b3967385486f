//! The parent's side: starts workers, keeps those that are free for the next stage, and ends them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use super::Request;
use super::follow::{Answer, Worker};
use crate::context::{Cancel, Teller};
use crate::error::StageError;
use crate::executor::{Ended, Executor};
use crate::stage::Place;

/// How to start a worker: its place, `here` or `worker`, and the number of this process are added as the last arguments.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Arguments before those.
    pub arguments: Vec<String>,
    /// Environment variables to set.
    pub environment: Vec<(String, String)>,
}

/// Runs every body in a process that has no other at the time.
pub struct Processes {
    /// At most so many workers wait for something to do.
    most: usize,
    idle: Mutex<Vec<Worker>>,
    starter: Starter,
}

/// What is set for a process once, and so must be the same for all that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    place: Place,
    threads: usize,
    tensor_threads: usize,
    gpu: Option<String>,
}

impl Processes {
    /// Workers started by `command`, of which at most `most` wait for something to do.
    pub fn new(command: WorkerCommand, most: usize) -> Self {
        Self {
            most,
            idle: Mutex::default(),
            starter: Starter::new(command),
        }
    }

    /// A free worker of this setting. One of another setting on the same GPU is ended: it holds some of its memory.
    fn free(&self, setting: &Setting) -> Option<Worker> {
        let mut idle = self.idle.lock().ok()?;
        if let Some(at) = idle.iter().rposition(|worker| worker.setting == *setting) {
            return Some(idle.remove(at));
        }
        if setting.gpu.is_some() {
            idle.retain(|worker| worker.setting.gpu != setting.gpu);
        }
        None
    }

    fn keep(&self, worker: Worker) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(worker);
            if idle.len() > self.most {
                idle.remove(0);
            }
        }
    }
}

impl Executor for Processes {
    fn run(&self, request: &Request, gpu: Option<&str>, teller: &Teller, cancel: &Cancel) -> Result<Ended, StageError> {
        let setting = Setting {
            place: request.place,
            threads: request.threads,
            tensor_threads: request.tensor_threads,
            gpu: gpu.map(str::to_owned),
        };
        let mut free = self.free(&setting);
        loop {
            let is_new = free.is_none();
            let mut worker = match free.take() {
                Some(worker) => worker,
                None => self.starter.start(&setting)?,
            };
            match worker.ask(request, teller, cancel) {
                // It died while it had nothing to do. Nothing was begun.
                Answer::Absent(_) if !is_new && !cancel.is_cancelled() => {}
                Answer::Absent(error) => return Err(error),
                Answer::Given(result) => {
                    if result.is_ok() && worker.can_go_on() {
                        self.keep(worker);
                    }
                    return result;
                }
            }
        }
    }
}

/// For glibc: memory that a tensor leaves stays with the process, for the next one, instead of being given back and asked for again page
/// by page. Trainings take 15 % less time for it. What the user sets counts.
const KEEP_MEMORY: [(&str, &str); 3] = [
    ("MALLOC_TRIM_THRESHOLD_", "536870912"),
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// Starts processes on one thread, which lives as long as they: a worker that is to die with its parent dies with the thread
/// that started it.
struct Starter {
    command: WorkerCommand,
    /// Taken away to end the thread.
    starts: Option<Sender<Start>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A command, and where to send the process.
type Start = (Command, Sender<io::Result<Child>>);

impl Starter {
    fn new(command: WorkerCommand) -> Self {
        let (starts, receive): (_, Receiver<Start>) = channel();
        let thread = thread::spawn(move || {
            for (mut command, reply) in receive {
                let _ = reply.send(command.spawn());
            }
        });
        Self {
            command,
            starts: Some(starts),
            thread: Some(thread),
        }
    }

    fn start(&self, setting: &Setting) -> Result<Worker, StageError> {
        let (reply, started) = channel();
        let start = (self.process(setting), reply);
        let gone = || io::Error::other("the thread that starts processes is gone");
        let sent = self.starts.as_ref().and_then(|starts| starts.send(start).ok());
        let started = sent.and_then(|()| started.recv().ok()).unwrap_or_else(|| Err(gone()));
        let process = started.map_err(|error| StageError::io(&self.command.program, error))?;
        Worker::new(process, setting.clone())
    }

    fn process(&self, setting: &Setting) -> Command {
        let WorkerCommand {
            program,
            arguments,
            environment,
        } = &self.command;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(setting.place.word())
            .arg(std::process::id().to_string())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("OMP_NUM_THREADS", setting.tensor_threads.to_string())
            .env("RAYON_NUM_THREADS", setting.threads.to_string())
            .env("OMP_WAIT_POLICY", "passive")
            // What a worker says last is told in a message, where there is no room for a list of calls. Panics tell their place.
            .env_remove("RUST_BACKTRACE")
            .envs(
                KEEP_MEMORY
                    .into_iter()
                    .filter(|(name, _)| std::env::var_os(name).is_none()),
            )
            .env("CUDA_VISIBLE_DEVICES", setting.gpu.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.starts = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
