//! Doing what is ordered, from verified inputs to published outputs.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Done, Input, Moment, Order, Output};
use crate::clock;
use crate::context::{Cancel, Device, Teller};
use crate::error::StageError;
use crate::event::Told;
use crate::executor::{Ended, Executor};
use crate::fingerprint::STORE_VERSION;
use crate::stage::Outcome;
use crate::store::publish::Partial;
use crate::store::{Cached, Damage, Hash256, Identity, KeyLock, Lookup, Manifest, Metric, OutputRecord, Store};
use crate::worker::{Request, RequestFile, lock_unless};

/// With what an order is done.
pub struct Means<'a> {
    /// Where outputs are kept.
    pub store: &'a Store,
    /// Runs the body.
    pub executor: &'a dyn Executor,
    /// Identity of the GPU.
    pub gpu: Option<String>,
    /// Stops it.
    pub cancel: Cancel,
    /// Where to tell what the body tells.
    pub tell: Teller,
}

impl Order {
    /// Does it, holding the lock of its fingerprint.
    pub fn perform(&self, means: &Means<'_>, lock: KeyLock, at: &dyn Fn(Moment)) -> Result<Done, StageError> {
        if !self.forced
            && let Some(cached) = self.found(means.store, &lock)
        {
            return Ok(Done::Found(cached));
        }
        let damaged = self.damaged_inputs(means.store);
        if !damaged.is_empty() {
            return Ok(Done::Damaged(damaged));
        }
        at(Moment::Begins);
        let partial = self.begin(means, lock)?;
        let told = Arc::new(Mutex::new(Kept::default()));
        let begun = Instant::now();
        let ended = self.attempts(means, &partial, &told);
        let took = begun.elapsed();
        if let Err(StageError::Paused { at, loss }) = ended {
            let (store, fingerprint) = (means.store, &self.fingerprint);
            let kept = store.keep_rung(fingerprint, (at, loss), took.as_secs_f64(), self.threads);
            kept.map_err(|error| StageError::io(store.checkpoints(fingerprint), error))?;
            return Ok(Done::Paused { at, loss });
        }
        let ended = ended?;
        let seconds = took.as_secs_f64();
        let outputs = self.written(&partial, &ended)?;
        self.files_unchanged()?;
        at(Moment::Publishes(took));
        let Ok(mut told) = told.lock() else {
            return Err(StageError::Bug("what the body told is lost".to_owned()));
        };
        let told = std::mem::take(&mut *told);
        let manifest = Manifest {
            store: STORE_VERSION,
            kind: self.kind.clone(),
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
            version: means.store.program().to_owned(),
        };
        let cached = partial.publish(&self.json, &manifest)?;
        Ok(Done::Published { cached, seconds })
    }

    /// Its entry, here or in a shared cache.
    fn found(&self, store: &Store, lock: &KeyLock) -> Option<Arc<Cached>> {
        let (kind, fingerprint) = (&self.kind, &self.fingerprint);
        match store.lookup(kind, fingerprint) {
            Lookup::Found(cached) if cached.is_here || !self.wanted => return Some(cached),
            Lookup::Absent if !self.wanted => {
                store.ask(&[(kind, *fingerprint)]);
                return match store.lookup(kind, fingerprint) {
                    Lookup::Found(cached) => Some(cached),
                    _ => None,
                };
            }
            _ => {}
        }
        store.bring_holding(kind, fingerprint, lock).map(Arc::new)
    }

    /// Runs the body, and again where its process died, as often as the stage asks for.
    fn attempts(&self, means: &Means<'_>, partial: &Partial<'_>, told: &Arc<Mutex<Kept>>) -> Result<Ended, StageError> {
        let request = self.request(means.store, partial);
        let teller = keeping(told.clone(), means.tell.clone());
        let retries = self.retries;
        let mut again = Vec::new();
        loop {
            let ended = means
                .executor
                .run(&request, means.gpu.as_deref(), &teller, &means.cancel);
            let why = match &ended {
                Err(StageError::Died { why, .. }) if again.len() < retries as usize => *why,
                _ => return ended,
            };
            if means.cancel.is_cancelled() {
                return Err(StageError::Cancelled);
            }
            again.push(format!("retry {} of {retries}: it {}", again.len() + 1, why.words()));
            // What it told and wrote until then is not part of what it gives; a checkpoint is.
            if let Ok(mut told) = told.lock() {
                *told = Kept::default();
            }
            partial.empty()?;
            if let Some(text) = again.last() {
                (means.tell)(Told::Note { text: text.clone() });
            }
            if let Ok(mut told) = told.lock() {
                told.notes.clone_from(&again);
            }
        }
    }

    /// What of its inputs is not here as it was written. What is in a shared cache is fetched.
    fn damaged_inputs(&self, store: &Store) -> Vec<(String, Damage)> {
        let damage = |input: &Input| {
            let Input {
                kind,
                fingerprint,
                output,
                ..
            } = input;
            let whole = || store.verify(kind, fingerprint, output);
            let damage = store.bring(kind, fingerprint).and_then(|()| whole()).err()?;
            let again = store.bring_again(kind, fingerprint).is_some() && whole().is_ok();
            (!again).then(|| (input.port.clone(), damage))
        };
        let inputs = self.inputs.iter().filter(|input| !input.verified);
        inputs.filter_map(damage).collect()
    }

    /// Makes room for the outputs and for checkpoints, when no worker that a killed run left behind is at this work.
    fn begin<'a>(&self, means: &Means<'a>, lock: KeyLock) -> Result<Partial<'a>, StageError> {
        let store = means.store;
        let worker_lock = store.worker_lock_path(&self.fingerprint);
        let free = lock_unless(&means.cancel, &worker_lock);
        let free = free.map_err(|error| StageError::io(&worker_lock, error))?;
        drop(free.ok_or(StageError::Cancelled)?);
        let checkpoints = store.checkpoints(&self.fingerprint);
        if self.forced {
            let _ = fs::remove_dir_all(&checkpoints);
        }
        // It goes with the folder of checkpoints, if nothing is saved there, while the lock is held.
        let partial = store.begin(self.fingerprint, lock)?;
        fs::create_dir_all(&checkpoints).map_err(|error| StageError::io(&checkpoints, error))?;
        Ok(partial)
    }

    /// What the body is asked for.
    fn request(&self, store: &Store, partial: &Partial<'_>) -> Request {
        let input = |input: &Input| {
            let folder = store.folder(&input.kind, &input.fingerprint);
            let path = folder.join(&input.output.file);
            let artifact = input.artifact.clone();
            (input.port.clone(), RequestFile { path, artifact })
        };
        let output = |output: &Output| {
            let path = partial.folder().join(&output.file);
            let artifact = output.artifact.clone();
            (output.port.clone(), RequestFile { path, artifact })
        };
        let files = self.files.iter();
        Request {
            kind: self.kind.clone(),
            revision: self.revision,
            place: self.place,
            parameters: self.parameters.clone(),
            inputs: self.inputs.iter().map(input).collect(),
            outputs: self.outputs.iter().map(output).collect(),
            files: files.map(|file| (file.parameter.clone(), file.path.clone())).collect(),
            checkpoints: store.checkpoints(&self.fingerprint),
            device: match self.device {
                Device::Cpu => Device::Cpu,
                Device::Cuda(_) => Device::Cuda(0),
            },
            threads: self.threads,
            tensor_threads: self.tensor_threads,
            limits: self.limits,
            pause_after: self.pause_after,
            lock: store.worker_lock_path(&self.fingerprint),
        }
    }

    /// The outputs, which are those that the body wrote, and all of them where it is complete.
    fn written(&self, partial: &Partial<'_>, ended: &Ended) -> Result<Vec<OutputRecord>, StageError> {
        let mut records = Vec::new();
        for Output { port, file, .. } in &self.outputs {
            let record = partial.describe(file)?;
            let written = ended.outputs.get(port).copied();
            if record.as_ref().map(|record| record.sha256) != written {
                let message = format!(
                    "output {port} is not what the stage wrote: another process changed it, or the disk or the memory is bad"
                );
                return Err(StageError::with_hint(message, "run again"));
            }
            if record.is_none() && ended.outcome == Outcome::Complete {
                let kind = &self.kind;
                return Err(StageError::Bug(format!("kind {kind} did not write its output {port}")));
            }
            records.extend(record);
        }
        Ok(records)
    }

    /// The user's files are still those that the fingerprint speaks of.
    fn files_unchanged(&self) -> Result<(), StageError> {
        for file in &self.files {
            let path = &file.path;
            let now = Identity::of(path).map_err(|error| StageError::io(path, error))?;
            let same = || Hash256::of_file(path).map_err(|error| StageError::io(path, error));
            if now != file.identity && same()? != file.sha256 {
                let message = format!("{} was changed while the stage ran", path.display());
                return Err(StageError::with_hint(message, "run again"));
            }
        }
        Ok(())
    }
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
