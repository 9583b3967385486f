//! The journal of a pipeline, `runs.jsonl`: what its runs told, one event a line. It is only appended to, but for
//! dropping the oldest runs of a long one when a run begins.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::event::{Event, Sink, Told};
use crate::store::files::{self, Keep, is_at};
use crate::store::lock::host;

/// Name of the file in the pipeline's folder.
pub const FILE: &str = "runs.jsonl";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The run.
    pub run: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Appends events to a journal: all but progress, and stages found fresh, which the last event counts.
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    run: String,
    problem: Option<io::Error>,
}

impl Journal {
    /// A journal in a pipeline's folder, made when the first event comes.
    pub fn new(folder: &Path) -> Self {
        let run = format!("{}-{}-{}", clock::now(), host(), std::process::id());
        Self {
            path: folder.join(FILE),
            file: None,
            run,
            problem: None,
        }
    }

    /// The id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn append(&mut self, event: &Event) -> io::Result<()> {
        let file = match &mut self.file {
            // Another run may have cut the journal, and put a shorter one in its place.
            Some(file) if is_at(file, &self.path) => file,
            other => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                // A journal that cannot be cut only stays long.
                let _ = trim(&self.path, LONGEST);
                let mut options = OpenOptions::new();
                let mut file = files::open(options.read(true).append(true).create(true), &self.path)?;
                // A line that a full disk cut short stays by itself.
                if !ends_a_line(&mut file)? {
                    file.write_all(b"\n")?;
                }
                other.insert(file)
            }
        };
        let line = Line {
            run: self.run.clone(),
            time: clock::now(),
            event: event.clone(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        file.write_all(&text)
    }
}

impl Sink for Journal {
    fn take(&mut self, event: &Event) {
        let skip = matches!(
            event,
            Event::StageFresh { .. }
                | Event::Stage {
                    told: Told::Progress { .. },
                    ..
                }
        );
        if !skip {
            // A journal that cannot be written must not end a run: no result depends on it.
            if let Err(error) = self.append(event) {
                self.problem.get_or_insert(error);
            }
        }
    }

    fn problem(&mut self) -> Option<String> {
        let error = self.problem.take()?;
        Some(format!("{} could not be written: {error}", self.path.display()))
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Where the first lines of runs begin.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut next = 0;
    text.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let begin = next;
        next += line.len();
        // Reading every line of a long journal as JSON would take long; few others have these words.
        let started = line.windows(MARK.len()).any(|words| words == MARK);
        let run = || serde_json::from_slice::<Line>(line);
        (started
            && matches!(
                run(),
                Ok(Line {
                    event: Event::RunStarted { .. },
                    ..
                })
            ))
        .then_some(begin)
    })
}

const MARK: &[u8] = b"\"run_started\"";

/// A longer journal is cut when a run begins.
const LONGEST: u64 = 8 << 20;

/// Drops the oldest runs of a journal that has grown longer than `longest` bytes; the newest, within half of it, stay
/// whole, and the very newest always. The file is replaced at once or not at all. A run that writes to it meanwhile
/// keeps its own results, but not the rest of its lines.
fn trim(path: &Path, longest: u64) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > longest => {}
        _ => return Ok(()),
    }
    let text = std::fs::read(path)?;
    let starts: Vec<usize> = starts(&text).collect();
    let kept = starts.iter().find(|start| (text.len() - **start) as u64 <= longest / 2);
    let Some(&begin) = kept.or(starts.last()).filter(|begin| **begin > 0) else {
        return Ok(());
    };
    files::replace(path, &text[begin..], Keep::Durable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_long_journal_keeps_its_newest_runs_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let note = |text: String| Event::Stage {
            stage: "a".into(),
            told: Told::Note { text },
        };
        let run = |name: String, notes: usize| {
            let mut journal = Journal::new(folder.path());
            journal.run = name.clone();
            journal.take(&Event::RunStarted {
                pipeline: "toys".into(),
                stages: 1,
                stale: 1,
                behind: 0,
                results: String::new(),
            });
            // Words in a note are no beginning of a run.
            for _ in 0..notes {
                journal.take(&note(format!("{name} says \"run_started\"")));
            }
        };
        for number in 0..40 {
            run(format!("run {number}"), 9);
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        let longest = whole.len() as u64;
        trim(&path, longest).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            whole,
            "not longer than allowed"
        );
        trim(&path, longest - 1).unwrap();
        let cut = std::fs::read_to_string(&path).unwrap();
        assert!(whole.ends_with(&cut) && cut.len() as u64 <= longest / 2);
        assert!(cut.len() as u64 > longest / 3, "no more is dropped than needed");
        let first: Line = serde_json::from_str(cut.lines().next().unwrap()).unwrap();
        assert!(matches!(first.event, Event::RunStarted { .. }));
        assert_eq!(cut.lines().filter(|line| line.contains(&first.run)).count(), 10);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
        // A single run stays whole, however long.
        run("long".into(), 500);
        trim(&path, 100).unwrap();
        let cut = std::fs::read_to_string(&path).unwrap();
        assert_eq!(cut.lines().count(), 501);
        trim(&path, 100).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), cut);
    }

    /// The lines of a journal that can be read.
    fn lines(folder: &Path) -> Vec<Line> {
        let text = std::fs::read_to_string(folder.join(FILE)).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    #[test]
    fn events_are_read_back_and_a_torn_line_loses_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let tell = |told| Event::Stage {
            stage: "a[x=1]".into(),
            told,
        };
        let events = [
            Event::RunStarted {
                pipeline: "toys".into(),
                stages: 3,
                stale: 1,
                behind: 0,
                results: String::new(),
            },
            tell(Told::Metric {
                name: "m".into(),
                value: f64::INFINITY,
                unit: "kpc".into(),
            }),
            Event::StageFinished {
                stage: "a[x=1]".into(),
                seconds: 1.5,
                finding: None,
            },
        ];
        let mut first = Journal::new(folder.path());
        first.take(&events[0]);
        let path = folder.path().join(FILE);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"torn")
            .unwrap();
        let mut second = Journal::new(folder.path());
        second.take(&Event::StageFresh { stage: "b".into() });
        second.take(&tell(Told::Progress {
            done: 1,
            total: 2,
            unit: "u".into(),
            message: String::new(),
        }));
        events.iter().for_each(|event| second.take(event));
        let read: Vec<Event> = lines(folder.path()).into_iter().map(|line| line.event).collect();
        assert_eq!(read, [&events[..1], &events[..]].concat());
        assert!(
            lines(folder.path())[1]
                .run
                .ends_with(&format!("-{}", std::process::id()))
        );
        assert_eq!((first.problem(), second.problem()), (None, None));
    }

    #[test]
    fn a_journal_that_was_cut_meanwhile_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let event = Event::StageSkipped {
            stage: "c".into(),
            because: "d".into(),
        };
        let mut journal = Journal::new(folder.path());
        journal.take(&event);
        let path = folder.path().join(FILE);
        files::replace(&path, b"", Keep::Durable).unwrap();
        journal.take(&event);
        assert_eq!(lines(folder.path()).len(), 1);
    }

    #[test]
    fn a_journal_that_is_a_link_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, "precious\n").unwrap();
        std::os::unix::fs::symlink(&target, folder.path().join(FILE)).unwrap();
        let mut journal = Journal::new(folder.path());
        journal.take(&Event::StageFinished {
            stage: "a".into(),
            seconds: 1.0,
            finding: None,
        });
        assert!(
            journal
                .problem()
                .unwrap()
                .contains("runs.jsonl could not be written: it is a symbolic link")
        );
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious\n");
    }
}
