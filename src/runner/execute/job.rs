//! One stage, from verified inputs to published outputs. Runs on a thread of its own.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock;
use crate::context::{Cancel, Device, Teller};
use crate::error::StageError;
use crate::event::Told;
use crate::executor::{self, Executor};
use crate::fingerprint::{Hash256, STORE_VERSION};
use crate::graph::{StageId, StageInstance};
use crate::plan::Facts;
use crate::ports::{Artifact, OutputPort};
use crate::stage::Outcome;
use crate::store::publish::Partial;
use crate::store::{Cached, Damage, KeyLock, Lookup, Manifest, Metric, OutputRecord, Store};
use crate::worker::{Request, RequestArtifact, RequestFile, lock_unless};

/// A stage to run.
pub(super) struct Job<'a> {
    pub stage: &'a StageInstance,
    pub store: &'a Store,
    pub facts: &'a Facts,
    pub executor: &'a dyn Executor,
    pub fingerprint: Hash256,
    /// The fingerprint as canonical JSON.
    pub json: String,
    pub forced: bool,
    pub inputs: Vec<JobInput>,
    pub device: Device,
    /// Identity of the GPU.
    pub gpu: Option<String>,
    pub threads: usize,
    pub cancel: Cancel,
    pub tell: Teller,
}

/// An input with the entry that it comes from.
pub(super) struct JobInput {
    pub port: &'static str,
    pub from: StageId,
    pub kind: &'static str,
    pub output: &'static str,
    pub artifact: Artifact,
    pub cached: Arc<Cached>,
    /// Whether its content was read and found right in this run.
    pub verified: bool,
}

/// What a job tells on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The body is to begin.
    Begins,
    /// The body has ended well, after so long; what follows waits for the disk and needs no processor.
    Publishes(Duration),
}

/// How a job ended, when it did not fail.
pub(super) enum Ended {
    /// The body ran, its outputs are published.
    Published { cached: Cached, seconds: f64 },
    /// Another run published it meanwhile.
    Found(Arc<Cached>),
    /// Inputs whose cached content is damaged, and those that are not.
    DamagedInputs {
        damaged: Vec<(StageId, Damage)>,
        verified: Vec<(StageId, &'static str)>,
    },
}

impl Job<'_> {
    /// Does it, holding the lock of its fingerprint.
    pub fn run(self, lock: KeyLock, at: &dyn Fn(Moment)) -> Result<Ended, StageError> {
        if !self.forced
            && let Lookup::Found(cached) = self.store.lookup(self.stage.kind, &self.fingerprint)
        {
            return Ok(Ended::Found(cached));
        }
        let damaged = self.damaged_inputs();
        if !damaged.is_empty() {
            let mut verified: Vec<_> = self.inputs.iter().map(|input| (input.from, input.output)).collect();
            verified.retain(|(id, _)| damaged.iter().all(|(bad, _)| bad != id));
            return Ok(Ended::DamagedInputs { damaged, verified });
        }
        at(Moment::Begins);
        let partial = self.begin(lock)?;
        let told = Arc::new(Mutex::new(Kept::default()));
        let teller = keeping(told.clone(), self.tell.clone());
        let begun = Instant::now();
        let ended = self.attempts(&partial, &told, &teller)?;
        let took = begun.elapsed();
        let seconds = took.as_secs_f64();
        let outputs = self.outputs(&partial, &ended)?;
        self.files_unchanged()?;
        at(Moment::Publishes(took));
        let Ok(mut told) = told.lock() else {
            return Err(StageError::Bug("what the body told is lost".to_owned()));
        };
        let told = std::mem::take(&mut *told);
        let manifest = Manifest {
            store: STORE_VERSION,
            kind: self.stage.kind.to_owned(),
            fingerprint: self.fingerprint,
            outputs,
            outcome: ended.outcome,
            metrics: told.metrics,
            notes: told.notes,
            findings: told.findings,
            outside_tolerance: told.outside_tolerance,
            seconds,
            device: self.device.to_string(),
            threads: self.threads,
            when: clock::now(),
            version: self.store.program().to_owned(),
        };
        let cached = partial.publish(&self.json, &manifest)?;
        Ok(Ended::Published { cached, seconds })
    }

    /// Runs the body, and again where its process died, as often as the stage asks for.
    fn attempts(
        &self,
        partial: &Partial<'_>,
        told: &Mutex<Kept>,
        teller: &Teller,
    ) -> Result<executor::Ended, StageError> {
        let request = self.request(partial);
        let retries = self.stage.resources.retries;
        let mut again = Vec::new();
        loop {
            let ended = self.executor.run(&request, self.gpu.as_deref(), teller, &self.cancel);
            let why = match &ended {
                Err(StageError::Died { why, .. }) if again.len() < retries as usize => *why,
                _ => return ended,
            };
            if self.cancel.is_cancelled() {
                return Err(StageError::Cancelled);
            }
            again.push(format!("retry {} of {retries}: it {}", again.len() + 1, why.words()));
            // What it told and wrote until then is not part of what it gives; a checkpoint is.
            if let Ok(mut told) = told.lock() {
                *told = Kept::default();
            }
            partial.empty()?;
            if let Some(text) = again.last() {
                (self.tell)(Told::Note { text: text.clone() });
            }
            if let Ok(mut told) = told.lock() {
                told.notes.clone_from(&again);
            }
        }
    }

    fn damaged_inputs(&self) -> Vec<(StageId, Damage)> {
        let mut damaged: Vec<(StageId, _)> = Vec::new();
        for input in self.inputs.iter().filter(|input| !input.verified) {
            let Some(output) = input.cached.output(input.output) else {
                continue;
            };
            if let Err(damage) = self.store.verify(input.kind, &input.cached.fingerprint, output)
                && damaged.iter().all(|(id, _)| *id != input.from)
            {
                damaged.push((input.from, damage));
            }
        }
        damaged
    }

    /// Makes room for the outputs and for checkpoints, when no worker that a killed run left behind is at this work.
    fn begin(&self, lock: KeyLock) -> Result<Partial<'_>, StageError> {
        let worker_lock = self.store.worker_lock_path(&self.fingerprint);
        let free = lock_unless(&self.cancel, &worker_lock);
        let free = free.map_err(|error| StageError::io(&worker_lock, error))?;
        drop(free.ok_or(StageError::Cancelled)?);
        let checkpoints = self.store.checkpoints(&self.fingerprint);
        if self.forced {
            let _ = fs::remove_dir_all(&checkpoints);
        }
        // It goes with the folder of checkpoints, if nothing is saved there, while the lock is held.
        let partial = self.store.begin(self.fingerprint, lock)?;
        fs::create_dir_all(&checkpoints).map_err(|error| StageError::io(&checkpoints, error))?;
        Ok(partial)
    }

    /// What the body is asked for.
    fn request(&self, partial: &Partial<'_>) -> Request {
        let stage = self.stage;
        let file = |path, artifact: &Artifact| RequestFile {
            path,
            artifact: RequestArtifact::from(artifact),
        };
        let input = |input: &JobInput| {
            let record = input.cached.output(input.output)?;
            let folder = self.store.folder(input.kind, &input.cached.fingerprint);
            Some((input.port.to_owned(), file(folder.join(&record.file), &input.artifact)))
        };
        let output = |port: &OutputPort| {
            let path = partial.folder().join(file_name(port));
            (port.name.to_owned(), file(path, &port.artifact))
        };
        let files = stage.files.iter();
        Request {
            kind: stage.kind.to_owned(),
            revision: stage.revision,
            place: stage.place,
            parameters: stage.stage.parameters(),
            inputs: self.inputs.iter().filter_map(input).collect(),
            outputs: stage.outputs.iter().map(output).collect(),
            files: files.map(|file| (file.parameter.clone(), file.path.clone())).collect(),
            checkpoints: self.store.checkpoints(&self.fingerprint),
            device: match self.device {
                Device::Cpu => Device::Cpu,
                Device::Cuda(_) => Device::Cuda(0),
            },
            threads: self.threads,
            tensor_threads: stage.resources.tensor_threads(),
            limits: stage.resources.limits,
            lock: self.store.worker_lock_path(&self.fingerprint),
        }
    }

    /// The outputs, which are those that the body wrote, and all of them where it is complete.
    fn outputs(&self, partial: &Partial<'_>, ended: &executor::Ended) -> Result<Vec<OutputRecord>, StageError> {
        let mut records = Vec::new();
        for port in &*self.stage.outputs {
            let record = partial.describe(&file_name(port))?;
            let written = ended.outputs.get(port.name).copied();
            if record.as_ref().map(|record| record.sha256) != written {
                let message = format!(
                    "output {} is not what the stage wrote: another process changed it, or the disk or the memory is bad",
                    port.name
                );
                return Err(StageError::with_hint(message, "run again"));
            }
            if record.is_none() && ended.outcome == Outcome::Complete {
                let (kind, output) = (self.stage.kind, port.name);
                return Err(StageError::Bug(format!(
                    "kind {kind} did not write its output {output}"
                )));
            }
            records.extend(record);
        }
        Ok(records)
    }

    /// The user's files are still those that the fingerprint speaks of.
    fn files_unchanged(&self) -> Result<(), StageError> {
        let changed = |path: &Path| {
            let unchanged = self.facts.is_unchanged(path);
            unchanged
                .map(|unchanged| !unchanged)
                .map_err(|error| StageError::io(path, error))
        };
        for file in &*self.stage.files {
            if changed(&file.path)? {
                let message = format!("{} was changed while the stage ran", file.path.display());
                return Err(StageError::with_hint(message, "run again"));
            }
        }
        Ok(())
    }
}

fn file_name(port: &OutputPort) -> String {
    format!("{}.{}", port.name, port.artifact.extension())
}

/// What goes into the manifest of all that a body tells.
#[derive(Default)]
struct Kept {
    metrics: Vec<Metric>,
    notes: Vec<String>,
    findings: Vec<String>,
    outside_tolerance: Vec<String>,
    /// When progress was last passed on.
    passed: Option<Instant>,
    finished: bool,
}

/// Passes on what a body tells, progress at most ten times a second, and keeps the rest for the manifest.
fn keeping(kept: Arc<Mutex<Kept>>, tell: Teller) -> Teller {
    Arc::new(move |told| {
        let Ok(mut kept) = kept.lock() else { return };
        match &told {
            Told::Progress { done, total, .. } => {
                let is_last = done >= total && !std::mem::replace(&mut kept.finished, done >= total);
                let now = Instant::now();
                if !is_last && kept.passed.is_some_and(|last| now - last < Duration::from_millis(100)) {
                    return;
                }
                kept.passed = Some(now);
            }
            Told::Metric { name, value, unit } => {
                kept.metrics.push(Metric {
                    name: name.clone(),
                    value: *value,
                    unit: unit.clone(),
                });
            }
            Told::Note { text } => kept.notes.push(text.clone()),
            Told::Finding { text } => kept.findings.push(text.clone()),
            Told::OutsideTolerance { text } => kept.outside_tolerance.push(text.clone()),
        }
        drop(kept);
        tell(told);
    })
}
