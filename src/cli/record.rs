//! The record of a run, while it runs and when it has ended.

use std::io;

use runner::clock;
use runner::execute::RunSummary;
use runner::plan::Entry;
use runner::spec::PipelineFile;
use runner::store::Hash256;
use runner::store::lock::host;
use runner::store::runs::{Asked, How, Reached, Record};

use super::common::Loaded;
use super::failure::{Failure, with_hint};

/// A record that is being made.
pub struct Recorded<'a> {
    file: &'a PipelineFile,
    record: Record,
    begun: bool,
}

impl<'a> Recorded<'a> {
    /// Begins the record. Where something is to run it is kept at once, so that what a killed run made is known.
    pub fn begin(loaded: &Loaded, file: &'a PipelineFile, asked: Asked, run: &str) -> Self {
        let record = Record {
            asked,
            run: run.to_owned(),
            program: loaded.store.program().to_owned(),
            host: host(),
            began: clock::now(),
            ended: None,
            how: None,
            needs: hits(&loaded.plan.entries),
        };
        // A failure shows again at the end.
        let begun = !loaded.plan.is_fresh()
            && loaded
                .store
                .keep_run(record.clone(), file.text().as_bytes(), Reached::Part)
                .is_ok();
        Self { file, record, begun }
    }

    /// The name of the part that was asked for.
    pub fn part(&self) -> Option<String> {
        self.record.asked.part()
    }

    /// Keeps what the run needs. That this fails matters where something ran: nothing else keeps its outputs from `gc`.
    /// A search knows what was asked for at the end only.
    pub fn end(&mut self, loaded: &Loaded, done: &RunSummary, asked: Asked) -> Result<(), Failure> {
        let mut record = Record {
            asked,
            ..self.record.clone()
        };
        record.ended = Some(clock::now());
        record.how = Some(how(done));
        record.needs = hits(&done.plan.entries);
        record.needs.extend(&done.unfinished);
        record.needs.extend(&loaded.pruning.kept);
        let reached = if done.failures.is_empty() && !done.interrupted {
            Reached::All
        } else {
            Reached::Part
        };
        let (store, text) = (&loaded.store, self.file.text());
        let kept = store.keep_run(record, text.as_bytes(), reached).and_then(|()| {
            match store.keep_file_of(&loaded.graph.pipeline, self.file.path()) {
                // A pipeline from a pipe has no file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        });
        match kept {
            Err(error) if self.begun || done.ran > 0 => Err(Failure::Work(with_hint("the record of this run", &error))),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn how(done: &RunSummary) -> How {
    if !done.failures.is_empty() {
        How::Failed
    } else if done.interrupted {
        How::Interrupted
    } else if !done.outside_tolerance.is_empty() {
        How::OutsideTolerance
    } else {
        How::Well
    }
}

fn hits(entries: &[Entry]) -> Vec<Hash256> {
    let hit = |entry: &Entry| match entry {
        Entry::Hit(cached) => Some(cached.fingerprint),
        _ => None,
    };
    entries.iter().filter_map(hit).collect()
}
