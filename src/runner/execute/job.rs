//! One stage, from verified inputs to published outputs. Runs on a thread of its own.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock;
use crate::context::{ArtifactFile, Cancel, Device, StageContext, Teller};
use crate::error::StageError;
use crate::event::Told;
use crate::fingerprint::{Hash256, STORE_VERSION};
use crate::graph::{StageId, StageInstance};
use crate::plan::Facts;
use crate::ports::{Artifact, OutputPort};
use crate::stage::{Outcome, Place};
use crate::store::publish::Partial;
use crate::store::{Cached, Damage, KeyLock, Lookup, Manifest, Metric, OutputRecord, Store};
use crate::worker::{self, Request, WorkerCommand};

/// A stage to run.
pub(super) struct Job<'a> {
    pub stage: &'a StageInstance,
    pub store: &'a Store,
    pub facts: &'a Facts,
    pub worker: Option<&'a WorkerCommand>,
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
    pub fn run(self, lock: KeyLock, started: &dyn Fn()) -> Result<Ended, StageError> {
        let fingerprint = self.fingerprint;
        if !self.forced
            && let Lookup::Found(cached) = self.store.lookup(self.stage.kind, &fingerprint)
        {
            return Ok(Ended::Found(cached));
        }
        let damaged = self.damaged_inputs();
        if !damaged.is_empty() {
            let mut verified: Vec<_> = self.inputs.iter().map(|input| (input.from, input.output)).collect();
            verified.retain(|(id, _)| damaged.iter().all(|(bad, _)| bad != id));
            return Ok(Ended::DamagedInputs { damaged, verified });
        }
        started();
        let checkpoints = self.store.checkpoints(&fingerprint);
        if self.forced {
            let _ = fs::remove_dir_all(&checkpoints);
        }
        self.work(lock, &checkpoints)
    }

    /// Runs the body and publishes its outputs.
    fn work(self, lock: KeyLock, checkpoints: &Path) -> Result<Ended, StageError> {
        let fingerprint = self.fingerprint;
        // Wait for a worker that a killed run left behind.
        let worker_lock = self.store.worker_lock_path(&fingerprint);
        let free = worker::lock_unless(&self.cancel, &worker_lock);
        let free = free.map_err(|error| StageError::io(&worker_lock, error))?;
        drop(free.ok_or(StageError::Cancelled)?);
        let Self {
            stage,
            store,
            facts,
            worker,
            json,
            inputs,
            device,
            gpu,
            threads,
            cancel,
            tell,
            ..
        } = self;
        // It goes with the folder of checkpoints, if nothing is saved there, while the lock is held.
        let partial = store.begin(fingerprint, lock)?;
        fs::create_dir_all(checkpoints).map_err(|error| StageError::io(checkpoints, error))?;
        let memory = Arc::new(Mutex::new(Memory::default()));
        let mut context = StageContext {
            inputs: inputs
                .iter()
                .filter_map(|input| Some((input.port.to_owned(), input.file(store)?)))
                .collect(),
            outputs: outputs(stage, &partial),
            files: stage
                .files
                .iter()
                .map(|file| (file.parameter.clone(), file.path.clone()))
                .collect(),
            checkpoints: checkpoints.to_owned(),
            device,
            threads,
            tensor_threads: stage.resources.tensor_threads(),
            cancel,
            teller: remembering(memory.clone(), tell),
        };
        let begun = Instant::now();
        let (outcome, written) = match (worker, stage.place) {
            (Some(command), _) => {
                let request = request(stage, &context, worker_lock);
                let path = partial.folder().join("request.json");
                let ended = worker::run(
                    command,
                    stage.place,
                    &request,
                    &path,
                    gpu.as_deref(),
                    &context.cancel,
                    &context.teller,
                )?;
                fs::remove_file(&path).map_err(|error| StageError::io(&path, error))?;
                (ended.outcome, Some(ended.outputs))
            }
            (None, Place::Here) => (here(stage, &mut context)?, None),
            (None, Place::Worker) => return Err(StageError::Bug("no worker command was given".to_owned())),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let mut records = Vec::new();
        for port in &stage.outputs {
            let record = partial.seal(&file_name(port))?;
            if let Some(written) = &written {
                as_written(port, record.as_ref(), written)?;
            }
            match record {
                Some(record) => records.push(record),
                None if outcome == Outcome::Complete => {
                    return Err(StageError::Bug(format!(
                        "kind {} did not write its output {}",
                        stage.kind, port.name
                    )));
                }
                None => {}
            }
        }
        for file in &stage.files {
            if !facts
                .is_unchanged(&file.path)
                .map_err(|error| StageError::io(&file.path, error))?
            {
                return Err(StageError::with_hint(
                    format!("{} was changed while the stage ran", file.path.display()),
                    "run again",
                ));
            }
        }
        let memory = std::mem::take(
            &mut *memory
                .lock()
                .map_err(|_| StageError::Bug("poisoned memory".to_owned()))?,
        );
        let manifest = Manifest {
            store: STORE_VERSION,
            kind: stage.kind.to_owned(),
            fingerprint,
            outputs: records,
            outcome,
            metrics: memory.metrics,
            notes: memory.notes,
            findings: memory.findings,
            outside_tolerance: memory.outside_tolerance,
            seconds,
            device: device.to_string(),
            threads,
            when: clock::now(),
            version: store.program().to_owned(),
        };
        let cached = partial.publish(&json, &manifest)?;
        Ok(Ended::Published { cached, seconds })
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
}

impl JobInput {
    fn file(&self, store: &Store) -> Option<ArtifactFile> {
        let record = self.cached.output(self.output)?;
        let path = store.folder(self.kind, &self.cached.fingerprint).join(&record.file);
        Some(ArtifactFile {
            path,
            artifact: self.artifact.clone(),
        })
    }
}

fn file_name(port: &OutputPort) -> String {
    format!("{}.{}", port.name, port.artifact.extension())
}

/// Checks that an output is still what the worker wrote.
fn as_written(
    port: &OutputPort,
    record: Option<&OutputRecord>,
    written: &BTreeMap<String, Hash256>,
) -> Result<(), StageError> {
    if record.map(|record| record.sha256) == written.get(port.name).copied() {
        return Ok(());
    }
    let message = format!(
        "output {} is not what the stage wrote: another process changed it, or the disk or the memory is bad",
        port.name
    );
    Err(StageError::with_hint(message, "run again"))
}

fn outputs(stage: &StageInstance, partial: &Partial<'_>) -> BTreeMap<String, ArtifactFile> {
    let file = |port: &OutputPort| ArtifactFile {
        path: partial.folder().join(file_name(port)),
        artifact: port.artifact.clone(),
    };
    stage
        .outputs
        .iter()
        .map(|port| (port.name.to_owned(), file(port)))
        .collect()
}

/// Runs a body in this process, on its share of threads.
fn here(stage: &StageInstance, context: &mut StageContext) -> Result<Outcome, StageError> {
    let body = AssertUnwindSafe(|| worker::on_threads(context.threads, || stage.stage.run(context)));
    catch_unwind(body).unwrap_or_else(|panic| {
        let (label, said) = (&stage.label, worker::panic_message(panic.as_ref()));
        Err(StageError::Bug(format!("stage {label} {said}")))
    })
}

fn request(stage: &StageInstance, context: &StageContext, lock: PathBuf) -> Request {
    let files = |files: &BTreeMap<String, ArtifactFile>| {
        files
            .iter()
            .map(|(port, file)| (port.clone(), file.into()))
            .collect::<BTreeMap<_, _>>()
    };
    Request {
        parent: std::process::id(),
        kind: stage.kind.to_owned(),
        revision: stage.revision,
        parameters: stage.stage.parameters(),
        inputs: files(&context.inputs),
        outputs: files(&context.outputs),
        files: context.files.clone(),
        checkpoints: context.checkpoints.clone(),
        device: if context.device == Device::Cpu {
            Device::Cpu
        } else {
            Device::Cuda(0)
        },
        threads: context.threads,
        tensor_threads: context.tensor_threads,
        lock,
    }
}

/// What goes into the manifest of all that a body tells.
#[derive(Default)]
struct Memory {
    metrics: Vec<Metric>,
    notes: Vec<String>,
    findings: Vec<String>,
    outside_tolerance: Vec<String>,
    told: Option<Instant>,
    finished: bool,
}

/// Passes on what a body tells, progress at most ten times a second, and remembers the rest for the manifest.
fn remembering(memory: Arc<Mutex<Memory>>, tell: Teller) -> Teller {
    Arc::new(move |told| {
        let Ok(mut memory) = memory.lock() else { return };
        match &told {
            Told::Progress { done, total, .. } => {
                let is_last = done >= total && !std::mem::replace(&mut memory.finished, done >= total);
                let now = Instant::now();
                if !is_last && memory.told.is_some_and(|last| now - last < Duration::from_millis(100)) {
                    return;
                }
                memory.told = Some(now);
            }
            Told::Metric { name, value, unit } => {
                memory.metrics.push(Metric {
                    name: name.clone(),
                    value: *value,
                    unit: unit.clone(),
                });
            }
            Told::Note { text } => memory.notes.push(text.clone()),
            Told::Finding { text } => memory.findings.push(text.clone()),
            Told::OutsideTolerance { text } => memory.outside_tolerance.push(text.clone()),
        }
        drop(memory);
        tell(told);
    })
}
