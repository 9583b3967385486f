//! A job that makes many stages, one after the other: for short ones, which take less time than a job does to begin.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::intents::{self, TaskEnd};
use super::job::{Surroundings, TaskEnded, make};
use crate::store::{KeyLock, TryLock};

/// How long a pilot waits for more to do. What the stages just made set free is ordered in that time.
const LINGER: Duration = Duration::from_secs(20);

/// How often it looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Does tasks of an intent that nobody else is at, then those of others that ask for the same, until there are none for a while.
pub fn perform(folder: &Path, pilot: usize, around: &Surroundings<'_>) -> io::Result<TaskEnded> {
    perform_waiting(folder, pilot, around, LINGER)
}

pub(crate) fn perform_waiting(
    folder: &Path,
    pilot: usize,
    around: &Surroundings<'_>,
    linger: Duration,
) -> io::Result<TaskEnded> {
    let none = || io::Error::other(format!("{} holds no intent", folder.display()));
    let own = intents::read(folder).ok_or_else(none)?;
    let jobs = folder.parent().ok_or_else(none)?;
    around.store.prepare()?;
    let _hold = around.store.hold()?;
    let mut idle = Instant::now();
    loop {
        let mut did = take_from(folder, pilot, around)?;
        for name in intents::names(jobs)? {
            let other = jobs.join(name);
            let same = |read: &intents::Intent| {
                read.pilots.is_some() && read.want == own.want && read.pipeline == own.pipeline
            };
            if other != folder && intents::read(&other).is_some_and(|read| same(&read)) {
                // Whoever follows it may have removed it.
                did |= take_from(&other, pilot, around).unwrap_or(false);
            }
        }
        if around.cancel.is_cancelled() {
            if (around.time_is_over)() {
                hand_back(folder)?;
            }
            return Ok(TaskEnded::Stopped);
        }
        if did {
            idle = Instant::now();
        } else if idle.elapsed() >= linger {
            return Ok(TaskEnded::Well);
        } else {
            std::thread::sleep(PAUSE.min(linger));
        }
    }
}

/// Does what nobody is at; whether there was something. Each pilot begins at another place.
fn take_from(folder: &Path, pilot: usize, around: &Surroundings<'_>) -> io::Result<bool> {
    let Some(intent) = intents::read(folder) else {
        return Ok(false);
    };
    let tasks = intent.tasks.len();
    let begin = tasks * (pilot % intent.jobs().max(1)) / intent.jobs().max(1);
    let mut did = false;
    let mut ended: HashSet<usize> = intents::ended(folder);
    for task in (begin..tasks).chain(0..begin) {
        if around.cancel.is_cancelled() {
            return Ok(did);
        }
        if ended.contains(&task) {
            continue;
        }
        let path = around.store.lock_path(&intent.tasks[task].fingerprint);
        let TryLock::Held(lock) = KeyLock::attempt(&path)? else {
            continue;
        };
        // It may have ended while the list grew old.
        if intents::end(folder, task).is_some() {
            ended.insert(task);
            continue;
        }
        let order = intents::order(folder, task)?;
        make(folder, (task, &order), lock, around)?;
        did = true;
    }
    Ok(did)
}

/// The time of the job is over: what it did not come to goes on in another.
fn hand_back(folder: &Path) -> io::Result<()> {
    let Some(intent) = intents::read(folder) else {
        return Ok(());
    };
    let ended = intents::ended(folder);
    for task in (0..intent.tasks.len()).filter(|task| !ended.contains(task)) {
        intents::keep_end(folder, task, &TaskEnd::Saved)?;
    }
    Ok(())
}
