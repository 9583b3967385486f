//! A run as others see it while it goes on: `live.json` in the pipeline's folder, beside the journal.
//!
//! The journal has all that a run told but progress. The rest is here: which run it is, and how far the stages at work are. The file is
//! replaced now and then, and removed at the end; `live.lock` is held meanwhile, so that one that was killed is not taken for one that
//! goes on. Of several runs of one pipeline at a time the first is seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::event::{Event, Sink, Told};
use crate::journal::{self, Line};
use crate::store::files::{self, Keep, is_at};
use crate::store::lock::{KeyLock, TryLock, is_held};

const FILE: &str = "live.json";
const LOCK: &str = "live.lock";

/// No more than one file in this time.
const PAUSE: Duration = Duration::from_millis(500);

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// The run, as the journal calls it.
    run: String,
    /// The last progress of each stage at work.
    progress: BTreeMap<String, Told>,
}

/// Shows a run to others. That it cannot be shown harms nothing.
pub struct Live {
    folder: PathBuf,
    seen: Seen,
    lock: Option<KeyLock>,
    /// When it was last tried to write.
    last: Option<Instant>,
}

impl Live {
    /// Of a run, in its pipeline's folder.
    pub fn new(folder: &Path, run: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            seen: Seen {
                run: run.to_owned(),
                progress: BTreeMap::new(),
            },
            lock: None,
            last: None,
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.last = Some(Instant::now());
        if self.lock.is_none() {
            std::fs::create_dir_all(&self.folder)?;
            let TryLock::Held(lock) = KeyLock::attempt(&self.folder.join(LOCK))? else {
                return Ok(());
            };
            self.lock = Some(lock);
        }
        let text = serde_json::to_vec(&self.seen)?;
        files::replace(&self.folder.join(FILE), &text, Keep::Remakable)
    }
}

impl Sink for Live {
    fn take(&mut self, event: &Event) {
        let due = match event {
            // Where nothing is to be done, nobody need look on.
            Event::RunStarted { stale, .. } => *stale > 0,
            Event::Stage {
                stage,
                told: told @ Told::Progress { .. },
            } => {
                self.seen.progress.insert(stage.clone(), told.clone());
                self.last.is_some_and(|last| last.elapsed() >= PAUSE)
            }
            Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StagePaused { stage, .. } => {
                self.seen.progress.remove(stage);
                false
            }
            _ => false,
        };
        if due {
            let _ = self.write();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = std::fs::remove_file(self.folder.join(FILE));
        }
    }
}

/// Removes what a run that was killed left in a pipeline's folder.
pub fn clear(folder: &Path) {
    let lock = folder.join(LOCK);
    if lock.exists()
        && let Ok(TryLock::Held(_held)) = KeyLock::attempt(&lock)
    {
        let _ = std::fs::remove_file(folder.join(FILE));
    }
}

/// Follows a run from elsewhere.
pub struct Follower {
    folder: PathBuf,
    run: String,
    journal: Option<BufReader<File>>,
    /// Lines of the run that were read.
    read: usize,
    /// The beginning of a line whose end is not there yet.
    torn: Vec<u8>,
    shown: BTreeMap<String, Told>,
}

impl Follower {
    /// Of the run that is at work now in a pipeline's folder; `None` if there is none.
    pub fn attach(folder: &Path) -> Option<Self> {
        let seen = seen(folder)?;
        Some(Self {
            folder: folder.to_owned(),
            run: seen.run,
            journal: None,
            read: 0,
            torn: Vec::new(),
            shown: BTreeMap::new(),
        })
    }

    /// Whether the run still goes on. What it told before its end can be read later.
    pub fn goes_on(&self) -> bool {
        seen(&self.folder).is_some_and(|seen| seen.run == self.run)
    }

    /// What it told since this was last asked for; of progress only the last.
    pub fn news(&mut self) -> io::Result<Vec<Event>> {
        let mut news = self.lines()?;
        let seen = seen(&self.folder).filter(|seen| seen.run == self.run);
        for (stage, told) in seen.unwrap_or_default().progress {
            if self.shown.get(&stage) != Some(&told) {
                self.shown.insert(stage.clone(), told.clone());
                news.push(Event::Stage { stage, told });
            }
        }
        Ok(news)
    }

    /// New events in the journal.
    fn lines(&mut self) -> io::Result<Vec<Event>> {
        let path = self.folder.join(journal::FILE);
        let mut skip = 0;
        // Another run may have cut it.
        if !self.journal.as_ref().is_some_and(|file| is_at(file.get_ref(), &path)) {
            self.journal = match File::open(&path) {
                Ok(file) => Some(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            skip = self.read;
            self.torn.clear();
        }
        let mut found = Vec::new();
        let Some(file) = &mut self.journal else {
            return Ok(found);
        };
        while file.read_until(b'\n', &mut self.torn)? > 0 && self.torn.ends_with(b"\n") {
            let line = serde_json::from_slice::<Line>(&self.torn);
            self.torn.clear();
            match line {
                Ok(line) if line.run == self.run && skip > 0 => skip -= 1,
                Ok(line) if line.run == self.run => {
                    self.read += 1;
                    found.push(line.event);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// What a run that goes on shows.
fn seen(folder: &Path) -> Option<Seen> {
    if !is_held(&folder.join(LOCK)) {
        return None;
    }
    serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::journal::Journal;

    fn started(stale: usize) -> Event {
        Event::RunStarted {
            pipeline: "toys".into(),
            stages: 2,
            stale,
            behind: 0,
            results: String::new(),
        }
    }

    fn progress(done: u64) -> Event {
        Event::Stage {
            stage: "a".into(),
            told: Told::Progress {
                done,
                total: 9,
                unit: "epochs".into(),
                message: format!("loss {done}"),
            },
        }
    }

    fn note(text: &str) -> Event {
        Event::Stage {
            stage: "a".into(),
            told: Told::Note { text: text.to_owned() },
        }
    }

    #[test]
    fn a_run_is_followed_from_its_beginning_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Follower::attach(folder.path()).is_none());
        let mut journal = Journal::new(folder.path());
        let mut live = Live::new(folder.path(), journal.run());
        let mut tell = |event: &Event| {
            live.take(event);
            journal.take(event);
            live.last = None.or(live.last.map(|_| Instant::now() - PAUSE));
        };
        tell(&started(2));
        tell(&note("one"));
        tell(&progress(1));
        tell(&progress(2));
        let mut follower = Follower::attach(folder.path()).unwrap();
        assert_eq!(follower.news().unwrap(), [started(2), note("one"), progress(2)]);
        assert_eq!(follower.news().unwrap(), []);
        tell(&note("two"));
        // Cut by another run: nothing is told twice, or lost.
        let path = folder.path().join(journal::FILE);
        let text = std::fs::read(&path).unwrap();
        files::replace(&path, &text, Keep::Durable).unwrap();
        tell(&progress(3));
        tell(&note("three"));
        assert_eq!(follower.news().unwrap(), [note("two"), note("three"), progress(3)]);
        assert!(follower.goes_on());
        tell(&note("last"));
        drop(live);
        assert!(!follower.goes_on());
        assert_eq!(follower.news().unwrap(), [note("last")]);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "only the journal is left"
        );
    }

    #[test]
    fn what_a_killed_run_left_goes_on_no_more() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), r#"{"run":"dead","progress":{}}"#).unwrap();
        std::fs::write(folder.path().join(LOCK), "process 1 on x\n").unwrap();
        assert!(Follower::attach(folder.path()).is_none());
        let mut next = Live::new(folder.path(), "next");
        next.take(&started(0));
        assert!(Follower::attach(folder.path()).is_none(), "it has nothing to do");
        next.take(&started(1));
        assert_eq!(Follower::attach(folder.path()).unwrap().run, "next");
        // A second one at the same time is not seen, until the first has ended.
        let mut second = Live::new(folder.path(), "second");
        second.take(&started(1));
        assert_eq!(Follower::attach(folder.path()).unwrap().run, "next");
        drop(next);
        second.take(&started(1));
        assert_eq!(Follower::attach(folder.path()).unwrap().run, "second");
        clear(folder.path());
        assert!(Follower::attach(folder.path()).is_some(), "it is at work");
        // Killed: its lock is free, and its files are there.
        drop(second.lock.take());
        std::fs::write(folder.path().join(LOCK), "process 1 on x\n").unwrap();
        clear(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
