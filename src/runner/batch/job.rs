//! A task of a job: makes one stage, and says how that ended.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::intents::{self, TaskEnd};
use crate::context::{Cancel, Teller};
use crate::error::{Death, StageError};
use crate::executor::Executor;
use crate::order::{Done, Means, Order};
use crate::store::{KeyLock, Store, files};
use crate::worker::{WireError, lock_unless};

/// What a task has to work with.
pub struct Surroundings<'a> {
    /// The results folder.
    pub store: &'a Store,
    /// Runs the body.
    pub executor: &'a dyn Executor,
    /// Identity of the GPU.
    pub gpu: Option<String>,
    /// Stops it: its time is nearly over, or it is being ended.
    pub cancel: &'a Cancel,
    /// Whether it is its time that is over.
    pub time_is_over: &'a dyn Fn() -> bool,
    /// Has its system begin it again; whether that was granted.
    pub requeue: &'a dyn Fn() -> bool,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnded {
    /// Its outputs are there.
    Well,
    /// It failed, and said so.
    Failed,
    /// It was stopped, and is begun again.
    Stopped,
}

/// Does the task of this number of an intent.
pub fn perform(folder: &Path, task: usize, around: &Surroundings<'_>) -> io::Result<TaskEnded> {
    let order = intents::order(folder, task)?;
    intents::forget_end(folder, task)?;
    around.store.prepare()?;
    let _hold = around.store.hold()?;
    let path = around.store.lock_path(&order.fingerprint);
    // Someone else may be at it: then it is there when the lock is free.
    let Some(lock) = lock_unless(around.cancel, &path)? else {
        return Ok(TaskEnded::Stopped);
    };
    make(folder, (task, &order), lock, around)
}

/// Makes what is ordered, and keeps how that ended.
pub(super) fn make(
    folder: &Path,
    (task, order): (usize, &Order),
    lock: KeyLock,
    around: &Surroundings<'_>,
) -> io::Result<TaskEnded> {
    let before = saved(around.store, order);
    let silent: Teller = Arc::new(|_| {});
    let means = Means {
        store: around.store,
        executor: around.executor,
        gpu: around.gpu.clone(),
        cancel: around.cancel.clone(),
        tell: silent,
    };
    let (end, ended) = match order.perform(&means, lock, &|_| {}) {
        Ok(Done::Published { .. }) => (TaskEnd::Published, TaskEnded::Well),
        Ok(Done::Paused { at, loss }) => (TaskEnd::Paused { at, loss }, TaskEnded::Well),
        Ok(Done::Found(_)) => (TaskEnd::Found, TaskEnded::Well),
        Ok(Done::Damaged(ports)) => (TaskEnd::Damaged(ports), TaskEnded::Failed),
        Err(StageError::Cancelled) if !(around.time_is_over)() => return Ok(TaskEnded::Stopped),
        Err(StageError::Cancelled) if saved(around.store, order) == before => {
            (TaskEnd::Failed(out_of_time(order)), TaskEnded::Failed)
        }
        Err(StageError::Cancelled) if (around.requeue)() => return Ok(TaskEnded::Stopped),
        Err(StageError::Cancelled) => (TaskEnd::Saved, TaskEnded::Stopped),
        Err(error) => (TaskEnd::Failed(error.into()), TaskEnded::Failed),
    };
    intents::keep_end(folder, task, &end)?;
    Ok(ended)
}

fn out_of_time(order: &Order) -> WireError {
    WireError::from(StageError::Died {
        why: Death::Time,
        message: format!("{} saved nothing before the time of its job was over", order.kind),
        hint: Some("give it more: `on: { timeout }`, or `time` in the profile".to_owned()),
    })
}

/// What a stage has saved so far.
fn saved(store: &Store, order: &Order) -> Vec<(std::path::PathBuf, u64, Option<SystemTime>)> {
    let found = files::entries(&store.checkpoints(&order.fingerprint)).unwrap_or_default();
    let look = |path: std::path::PathBuf| {
        let found = fs::metadata(&path).ok()?;
        Some((path, found.len(), found.modified().ok()))
    };
    let mut saved: Vec<_> = found.into_iter().filter_map(look).collect();
    saved.sort_unstable();
    saved
}
