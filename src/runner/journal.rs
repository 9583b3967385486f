//! The journal of a pipeline, `runs.jsonl`: what its runs told, one event a line. It is only appended to.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
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
    let file = match File::open(folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut last: Option<RunRecord> = None;
    for text in BufReader::new(file).split(b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(&text?) else {
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
    fn the_last_run_is_read_back_despite_torn_lines() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_run(folder.path()).unwrap(), None);
        let start = |stages| Event::RunStarted {
            pipeline: "toys".into(),
            stages,
            stale: 1,
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
