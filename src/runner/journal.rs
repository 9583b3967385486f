//! The journal of a pipeline, `runs.jsonl`: what its runs told, one event a line. It is only appended to, but for
//! dropping the oldest runs of a long one when a run begins.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::event::{Event, Sink, Told};
use crate::store::Metric;

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
}

impl Journal {
    /// A journal in a pipeline's folder, made when the first event comes.
    pub fn new(folder: &Path) -> Self {
        let run = format!("{}-{}", clock::now(), std::process::id());
        Self {
            path: folder.join(FILE),
            file: None,
            run,
        }
    }

    fn append(&mut self, event: &Event) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                // A journal that cannot be cut only stays long.
                let _ = trim(&self.path, LONGEST);
                empty.insert(OpenOptions::new().append(true).create(true).open(&self.path)?)
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
            let _ = self.append(event);
        }
    }
}

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// Pipeline name.
    pub pipeline: String,
    /// When it began.
    pub began: String,
    /// When it ended; `None` if it was cut short, or still runs.
    pub ended: Option<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Stage instances in the plan.
    pub stages: usize,
    /// Instances that were fresh.
    pub fresh: usize,
    /// What the journal tells of single stages, by label.
    pub records: BTreeMap<String, StageRecord>,
}

/// A stage in a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageRecord {
    /// Stage kind; empty for a stage that never began.
    pub kind: String,
    /// Why it ran.
    pub reason: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// How it ended; `None` if it did not.
    pub end: Option<End>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Numbers.
    pub metrics: Vec<Metric>,
    /// Sentences.
    pub notes: Vec<String>,
    /// Comparisons outside their tolerance.
    pub outside_tolerance: Vec<String>,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Well.
    Complete,
    /// With a finding: its title.
    Finding(String),
    /// With an error.
    Failed {
        /// The error.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It was not run.
    Skipped {
        /// Label of the stage that is the cause.
        because: String,
    },
}

/// The newest run in the journal of a pipeline's folder. Torn lines are passed over.
pub fn last_run(folder: &Path) -> io::Result<Option<RunRecord>> {
    let text = match std::fs::read(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut last: Option<RunRecord> = None;
    let begins = starts(&text).last().unwrap_or(0);
    for text in text[begins..].split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(text) else {
            continue;
        };
        if let Event::RunStarted { pipeline, stages, .. } = line.event {
            let (run, began) = (line.run, line.time);
            last = Some(RunRecord {
                run,
                pipeline,
                began,
                stages,
                ..RunRecord::default()
            });
        } else if let Some(record) = last.as_mut().filter(|record| record.run == line.run) {
            record.add(line);
        }
    }
    Ok(last)
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
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".runs").tempfile_in(folder)?;
    file.write_all(&text[begin..])?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

impl RunRecord {
    fn add(&mut self, line: Line) {
        let records = &mut self.records;
        match line.event {
            Event::RunStarted { .. } | Event::StageFresh { .. } => {}
            Event::StageStarted {
                stage: label,
                kind,
                reason,
                device,
            } => {
                records.insert(
                    label,
                    StageRecord {
                        kind,
                        reason,
                        device,
                        ..StageRecord::default()
                    },
                );
            }
            Event::Stage { stage: label, told } => match told {
                Told::Progress { .. } => {}
                Told::Metric { name, value, unit } => {
                    records
                        .entry(label)
                        .or_default()
                        .metrics
                        .push(Metric { name, value, unit })
                }
                Told::Note { text } => records.entry(label).or_default().notes.push(text),
                Told::OutsideTolerance { text } => records.entry(label).or_default().outside_tolerance.push(text),
            },
            Event::StageFinished {
                stage: label,
                seconds,
                finding,
            } => {
                let record = records.entry(label).or_default();
                record.seconds = seconds;
                record.end = Some(finding.map_or(End::Complete, End::Finding));
            }
            Event::StageFailed {
                stage: label,
                message,
                hint,
            } => {
                records.entry(label).or_default().end = Some(End::Failed { message, hint });
            }
            Event::StageSkipped { stage: label, because } => {
                records.entry(label).or_default().end = Some(End::Skipped { because })
            }
            Event::RunFinished { fresh, seconds, .. } => {
                (self.fresh, self.seconds, self.ended) = (fresh, seconds, Some(line.time));
            }
        }
    }
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

    #[test]
    fn the_last_run_is_read_back_despite_torn_lines() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_run(folder.path()).unwrap(), None);
        let start = |stages| Event::RunStarted {
            pipeline: "toys".into(),
            stages,
            stale: 1,
            behind: 0,
        };
        let tell = |told| Event::Stage {
            stage: "a[x=1]".into(),
            told,
        };
        Journal::new(folder.path()).take(&start(1));
        OpenOptions::new()
            .append(true)
            .open(folder.path().join(FILE))
            .unwrap()
            .write_all(b"{\"torn\n")
            .unwrap();
        let mut journal = Journal::new(folder.path());
        journal.run = "second".into();
        for event in [
            start(3),
            Event::StageFresh { stage: "b".into() },
            Event::StageStarted {
                stage: "a[x=1]".into(),
                kind: "k".into(),
                reason: "r".into(),
                device: "cpu".into(),
            },
            tell(Told::Progress {
                done: 1,
                total: 2,
                unit: "u".into(),
                message: String::new(),
            }),
            tell(Told::Metric {
                name: "m".into(),
                value: f64::INFINITY,
                unit: "kpc".into(),
            }),
            tell(Told::Note { text: "n".into() }),
            Event::StageFinished {
                stage: "a[x=1]".into(),
                seconds: 1.5,
                finding: None,
            },
            Event::StageSkipped {
                stage: "c".into(),
                because: "d".into(),
            },
            Event::RunFinished {
                ran: 1,
                fresh: 1,
                failed: 0,
                skipped: 1,
                seconds: 2.5,
            },
        ] {
            journal.take(&event);
        }
        let record = last_run(folder.path()).unwrap().unwrap();
        assert_eq!(
            (record.run.as_str(), record.stages, record.fresh, record.seconds),
            ("second", 3, 1, 2.5)
        );
        assert!(record.ended.is_some());
        let stage = &record.records["a[x=1]"];
        assert_eq!(
            (stage.seconds, &stage.end, stage.notes.len()),
            (1.5, &Some(End::Complete), 1)
        );
        assert!(stage.metrics[0].value.is_infinite());
        assert_eq!(record.records["c"].end, Some(End::Skipped { because: "d".into() }));
        assert_eq!(
            std::fs::read_to_string(folder.path().join(FILE))
                .unwrap()
                .lines()
                .count(),
            9
        );
    }
}
