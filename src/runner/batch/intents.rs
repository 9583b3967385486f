//! What is written of jobs: intents, orders, words. See the module above for the layout.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::Device;
use crate::order::Order;
use crate::store::files::{self, Keep};
use crate::store::{Damage, Hash256, Store, nanoseconds};
use crate::worker::WireError;

/// Name of the lock of all that submit or look at intents.
pub const LOCK: &str = "jobs";

/// Tasks that are submitted together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Their pipeline.
    pub pipeline: String,
    /// What each of them is to have.
    pub want: Want,
    /// The tasks, in the order of their numbers.
    pub tasks: Vec<Task>,
    /// So many jobs share the tasks; `None` where each task is a job of its own.
    #[serde(default)]
    pub pilots: Option<usize>,
}

impl Intent {
    /// How many jobs it is.
    pub fn jobs(&self) -> usize {
        self.pilots.unwrap_or(self.tasks.len())
    }
}

/// One stage to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Stage label.
    pub label: String,
    /// Stage kind.
    pub kind: String,
    /// Fingerprint.
    pub fingerprint: Hash256,
    /// Whether it is made even if it is there.
    pub forced: bool,
    /// How often it was lost for no fault of its own.
    pub lost: u32,
}

/// What a job is to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Want {
    /// CPU threads.
    pub threads: usize,
    /// Whether it needs a GPU.
    pub gpu: bool,
    /// Memory that its body may take, in bytes.
    pub memory: Option<u64>,
    /// Time that its body may take.
    pub time: Option<Duration>,
    /// Partition.
    pub partition: Option<String>,
    /// Account.
    pub account: Option<String>,
}

impl Want {
    /// What an order asks for.
    pub fn of(order: &Order) -> Self {
        Self {
            threads: order.threads,
            gpu: order.device != Device::Cpu,
            memory: order.limits.memory,
            time: order.limits.time,
            partition: order.queue.partition.as_deref().map(str::to_owned),
            account: order.queue.account.as_deref().map(str::to_owned),
        }
    }
}

/// The number that a batch system gave an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Submitted {
    job: String,
}

/// How a task says that it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskEnd {
    /// Its outputs are published.
    Published,
    /// They were there.
    Found,
    /// It came to the epoch at which it was to pause, with this loss.
    Paused { at: u64, loss: f64 },
    /// What these ports read is damaged in the store.
    Damaged(Vec<(String, Damage)>),
    /// It failed.
    Failed(WireError),
    /// It saved a checkpoint when its time was over, and is to go on.
    Saved,
}

/// The folder of all intents of a results folder.
pub fn folder(store: &Store) -> PathBuf {
    store.results().join("cache").join("jobs")
}

/// Names of the intents that are there, the oldest first.
pub fn names(jobs: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = files::entries(jobs)?
        .iter()
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Makes the folder of a new intent, whose name says when it was made, and gives its name.
pub fn begin(jobs: &Path) -> io::Result<String> {
    fs::create_dir_all(jobs)?;
    loop {
        let now = nanoseconds(SystemTime::now()) / 1000;
        let name = format!("{now:016x}-{:x}", std::process::id());
        match fs::create_dir(jobs.join(&name)) {
            Ok(()) => break make_room(&jobs.join(&name)).map(|()| name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn make_room(folder: &Path) -> io::Result<()> {
    ["orders", "words", "logs"]
        .iter()
        .try_for_each(|name| fs::create_dir(folder.join(name)))
}

/// Keeps what is about to be submitted; it is on the disk when this returns.
pub fn keep(folder: &Path, intent: &Intent) -> io::Result<()> {
    files::replace(&folder.join("intent.json"), &serde_json::to_vec(intent)?, Keep::Durable)
}

/// The intent of a folder; `None` where it was not written to its end.
pub fn read(folder: &Path) -> Option<Intent> {
    json(&folder.join("intent.json"))
}

/// Keeps the number of its job.
pub fn keep_job(folder: &Path, job: &str) -> io::Result<()> {
    let submitted = Submitted { job: job.to_owned() };
    let text = serde_json::to_vec(&submitted)?;
    files::replace(&folder.join("submitted.json"), &text, Keep::Remakable)
}

/// The number of its job, where that was kept.
pub fn job(folder: &Path) -> Option<String> {
    json::<Submitted>(&folder.join("submitted.json")).map(|submitted| submitted.job)
}

/// Keeps what a task is to do.
pub fn keep_order(folder: &Path, task: usize, order: &Order) -> io::Result<()> {
    fs::write(order_path(folder, task), serde_json::to_vec(order)?)
}

/// What a task is to do.
pub fn order(folder: &Path, task: usize) -> io::Result<Order> {
    Ok(serde_json::from_slice(&fs::read(order_path(folder, task))?)?)
}

fn order_path(folder: &Path, task: usize) -> PathBuf {
    folder.join("orders").join(format!("{task}.json"))
}

/// Keeps how a task ended.
pub(crate) fn keep_end(folder: &Path, task: usize, end: &TaskEnd) -> io::Result<()> {
    files::replace(&end_path(folder, task), &serde_json::to_vec(end)?, Keep::Remakable)
}

/// How a task says that it ended.
pub(crate) fn end(folder: &Path, task: usize) -> Option<TaskEnd> {
    json(&end_path(folder, task))
}

/// The tasks that say how they ended.
pub(crate) fn ended(folder: &Path) -> HashSet<usize> {
    let words = files::entries(&folder.join("words")).unwrap_or_default();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok();
    words.iter().filter_map(number).collect()
}

/// A task that begins again has not ended.
pub(crate) fn forget_end(folder: &Path, task: usize) -> io::Result<()> {
    match fs::remove_file(end_path(folder, task)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn end_path(folder: &Path, task: usize) -> PathBuf {
    folder.join("words").join(format!("{task}.json"))
}

/// The last lines that a task and its system left.
pub fn last_lines(folder: &Path, task: usize) -> String {
    const LINES: usize = 5;
    let text = fs::read(folder.join("logs").join(format!("{task}.txt"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Removes an intent.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The file in a pipeline's folder whose content changes when all its jobs are to end.
pub fn stop_path(store: &Store, pipeline: &str) -> PathBuf {
    store.pipeline_folder(pipeline).join("cancel")
}
