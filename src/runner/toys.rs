//! Toy stage kinds and hand-made graphs for tests. Their tables are text files that hold one number.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::catalog::{Catalog, Kind};
use crate::context::StageContext;
use crate::error::StageError;
use crate::graph::{Connection, Graph, Resources, StageId, StageInstance, UserFile};
use crate::ports::{Connected, InputPort, OutputPort, column};
use crate::stage::{FileParameter, Outcome, Place, Role, Stage};
use crate::worker::Body;

/// All toy kinds.
pub fn toy_catalog() -> Catalog {
    Catalog::default()
        .with::<Source>()
        .with::<Join>()
        .with::<Round>()
        .with::<Slow>()
        .with::<Fill>()
        .with::<Fail>()
        .with::<Find>()
        .with::<Remote>()
}

fn number_port(name: &'static str) -> OutputPort {
    OutputPort::table(
        name,
        Schema::new(vec![column("value", DataType::Float64, "kpc", "", "a number")]),
    )
}

fn need(name: &'static str) -> InputPort {
    InputPort::table(name, &[("value", "kpc")])
}

fn read(context: &StageContext, port: &str) -> Result<f64, StageError> {
    let path = context.input(port)?;
    let text = fs::read_to_string(path).map_err(|error| StageError::io(path, error))?;
    text.trim()
        .parse()
        .map_err(|_| StageError::failed(format!("{} holds no number", path.display())))
}

fn write(context: &StageContext, port: &str, value: f64) -> Result<(), StageError> {
    let path = context.output(port)?;
    fs::write(path, format!("{value}\n")).map_err(|error| StageError::io(path, error))
}

/// Writes its seed, plus the number in its file where it has one. Two outputs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The number.
    pub seed: i64,
    /// Scale of the number.
    #[serde(default = "one")]
    pub scale: f64,
    /// A file with a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

fn one() -> f64 {
    1.0
}

impl Default for Source {
    fn default() -> Self {
        Self {
            seed: 0,
            scale: 1.0,
            file: None,
        }
    }
}

impl Stage for Source {
    const KIND: &'static str = "source";
    const ABOUT: &'static str = "Writes its seed";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("values"), number_port("negative")])
    }

    fn files(&self) -> Vec<FileParameter> {
        self.file
            .iter()
            .map(|path| FileParameter {
                parameter: "file".into(),
                place: None,
                called: None,
                path: path.clone(),
            })
            .collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "seeds are small")]
    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let mut value = self.seed as f64 * self.scale;
        if self.file.is_some() {
            let path = context.file("file")?;
            let text = fs::read_to_string(path).map_err(|error| StageError::io(path, error))?;
            value += text.trim().parse::<f64>().map_err(StageError::failed)?;
        }
        context.metric("value", value, "kpc");
        write(context, "values", value)?;
        write(context, "negative", -value)?;
        Ok(Outcome::Complete)
    }
}

/// Adds its inputs and a constant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Join {
    /// The constant.
    pub add: f64,
}

impl Stage for Join {
    const KIND: &'static str = "join";
    const ABOUT: &'static str = "Adds its inputs";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a"), need("b").optional()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("sum")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let b = if context.has_input("b") {
            read(context, "b")?
        } else {
            0.0
        };
        write(context, "sum", read(context, "a")? + b + self.add)?;
        Ok(Outcome::Complete)
    }
}

/// Rounds its input down to a multiple.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// The multiple.
    pub to: f64,
}

impl Stage for Round {
    const KIND: &'static str = "round";
    const ABOUT: &'static str = "Rounds its input down";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a")]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("rounded")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        write(context, "rounded", (read(context, "a")? / self.to).floor() * self.to)?;
        Ok(Outcome::Complete)
    }
}

/// Counts up slowly, with a checkpoint after each step, and writes the count. Notes where it began and its threads.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Tells two of them apart.
    #[serde(default)]
    pub seed: i64,
    /// Steps.
    pub steps: u64,
    /// Milliseconds a step.
    pub milliseconds: u64,
    /// Whether to stop with an error after this many steps of one run.
    #[serde(default)]
    pub break_after: Option<u64>,
}

impl Stage for Slow {
    const KIND: &'static str = "slow";
    const ABOUT: &'static str = "Counts up slowly";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a").optional()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("count")])
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let checkpoint = context.checkpoints.join("steps");
        let begun = fs::read_to_string(&checkpoint)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0_u64);
        context.note(format!("from step {begun}"));
        context.note(format!(
            "threads {} of {}",
            rayon::current_num_threads(),
            context.threads
        ));
        let progress = context.progress(self.steps, "steps");
        for step in begun..self.steps {
            context.check_cancelled()?;
            if self.break_after.is_some_and(|limit| step - begun >= limit) {
                return Err(StageError::failed("broke"));
            }
            std::thread::sleep(Duration::from_millis(self.milliseconds));
            let next = checkpoint.with_extension("next");
            let saved = fs::write(&next, (step + 1).to_string()).and_then(|()| fs::rename(&next, &checkpoint));
            saved.map_err(|error| StageError::io(&checkpoint, error))?;
            progress.at(step + 1, "");
        }
        let a = if context.has_input("a") {
            read(context, "a")?
        } else {
            0.0
        };
        write(context, "count", self.steps as f64 + a)?;
        Ok(Outcome::Complete)
    }
}

/// Writes many bytes: a number with many zeros before it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// How many.
    pub bytes: usize,
}

impl Stage for Fill {
    const KIND: &'static str = "fill";
    const ABOUT: &'static str = "Writes many bytes";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("zeros")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let path = context.output("zeros")?;
        fs::write(path, "0".repeat(self.bytes)).map_err(|error| StageError::io(path, error))?;
        Ok(Outcome::Complete)
    }
}

/// Ends badly.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fail {
    /// Whether to panic.
    pub panic: bool,
    /// Whether to forget the output.
    pub forget: bool,
    /// Whether to crash.
    pub crash: bool,
}

impl Stage for Fail {
    const KIND: &'static str = "fail";
    const ABOUT: &'static str = "Ends badly";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a").optional()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("nothing")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        if self.forget {
            return Ok(Outcome::Complete);
        }
        write(context, "nothing", 0.0)?;
        assert!(!self.panic, "row 7 is odd");
        if self.crash {
            std::process::abort();
        }
        Err(StageError::with_hint("orbit 3 escapes", "use fewer orbits"))
    }
}

/// Ends with a finding.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Find {}

impl Stage for Find {
    const KIND: &'static str = "find";
    const ABOUT: &'static str = "Ends with a finding";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a").optional()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("network"), number_port("unbound")])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        write(context, "unbound", 3.0)?;
        context.outside_tolerance("twice the paper's figure");
        Ok(Outcome::Finding {
            title: "3 orbits are unbound".to_owned(),
            detail: "streams 1, 2, 5".to_owned(),
        })
    }
}

/// Runs in a worker process, see [`toy_bodies`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// What the worker does: `add`, `fail`, `panic`, `kill`, `abort`, `exit`, `wait`, `find`, `tell`, `mark`.
    pub act: String,
    /// Tells two of them apart.
    #[serde(default)]
    pub seed: i64,
}

impl Stage for Remote {
    const KIND: &'static str = "remote";
    const ABOUT: &'static str = "Runs in a worker process";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        vec![need("a").optional()]
    }

    fn outputs(&self, _: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![number_port("sum")])
    }

    fn gains_by_gpu(&self, _: &Connected) -> bool {
        true
    }
}

/// The bodies of a worker for toys.
pub fn toy_bodies() -> Vec<Body> {
    let remote = Body::of::<Remote>(remote_body);
    let catalog = toy_catalog();
    let here = catalog.kinds().iter().filter_map(Kind::body);
    std::iter::once(remote).chain(here).collect()
}

/// The body of [`Remote`].
fn remote_body(parameters: serde_json::Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let remote: Remote = serde_json::from_value(parameters).map_err(StageError::failed)?;
    let environment = |name: &str| std::env::var(name).unwrap_or_default();
    let (gpus, threads) = (environment("CUDA_VISIBLE_DEVICES"), environment("OMP_NUM_THREADS"));
    context.note(format!("device {} gpus [{gpus}] threads {threads}", context.device));
    context.progress(10, "steps").at(5, "half");
    match remote.act.as_str() {
        "fail" => Err(StageError::with_hint("orbit 3 escapes", "use fewer orbits")),
        "panic" => panic!("row 7 is odd"),
        "kill" => {
            eprintln!("allocating a lot");
            let itself = rustix::process::getpid();
            let _ = rustix::process::kill_process(itself, rustix::process::Signal::KILL);
            Ok(Outcome::Complete)
        }
        "abort" => {
            eprintln!("memory allocation of 3200000000000 bytes failed");
            std::process::abort()
        }
        "exit" => std::process::exit(3),
        // Tells which process it is in.
        "tell" => {
            context.metric("process", f64::from(std::process::id()), "");
            write(context, "sum", 0.0)?;
            Ok(Outcome::Complete)
        }
        // Writes what the environment says, when the file that it names is there. Says in a file beside it that it waits.
        "mark" => {
            let gate = environment("RUNNER_GATE");
            if !gate.is_empty() {
                let waits = Path::new(&gate).with_extension("waits");
                fs::write(&waits, "").map_err(|error| StageError::io(&waits, error))?;
            }
            while !gate.is_empty() && !Path::new(&gate).exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
            let mark = environment("RUNNER_MARK").parse().map_err(StageError::failed)?;
            write(context, "sum", mark)?;
            Ok(Outcome::Complete)
        }
        "wait" => {
            let checkpoint = context.checkpoints.join("waited");
            if checkpoint.exists() {
                write(context, "sum", 2.0)?;
                return Ok(Outcome::Complete);
            }
            while !context.cancel.is_cancelled() {
                std::thread::sleep(Duration::from_millis(5));
            }
            fs::write(&checkpoint, "yes").map_err(|error| StageError::io(&checkpoint, error))?;
            Err(StageError::Cancelled)
        }
        // Takes 300 MB, and keeps them.
        "take" => {
            let taken = vec![1_u8; 300_000_000];
            while !context.cancel.is_cancelled() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(StageError::failed(format!("{} bytes", taken.len())))
        }
        "find" => Ok(Outcome::Finding {
            title: "3 orbits are unbound".to_owned(),
            detail: "streams 1, 2, 5".to_owned(),
        }),
        _ => {
            println!("a library talks");
            context.metric("loss", f64::NAN, "");
            let a = if context.has_input("a") {
                read(context, "a")?
            } else {
                0.0
            };
            write(context, "sum", a + 1.0)?;
            Ok(Outcome::Complete)
        }
    }
}

/// Builds a graph by hand, in topological order.
#[derive(Default)]
pub struct Toys {
    /// The stages so far.
    pub stages: Vec<StageInstance>,
}

impl Toys {
    /// Adds a stage; `from` holds (port, `stage` or `stage.output`).
    ///
    /// # Panics
    /// When `from` names what is not there.
    pub fn add<S: Stage>(&mut self, name: &str, stage: S, from: &[(&str, &str)]) -> &mut StageInstance {
        let ports = stage.inputs();
        let find = |&(port, source): &(&str, &str)| {
            let (upstream, output) = source.split_once('.').unwrap_or((source, ""));
            let index = self.stages.iter().position(|stage| *stage.label == *upstream);
            let Some(index) = index else {
                panic!("no stage {upstream}")
            };
            let outputs = &self.stages[index].outputs;
            let output = outputs.iter().find(|port| output.is_empty() || port.name == output);
            let port = ports.iter().find(|declared| declared.name == port);
            let (Some(output), Some(port)) = (output, port) else {
                panic!("no such port: {source}")
            };
            Connection {
                port: port.name,
                from: StageId::new(index),
                output: output.name,
            }
        };
        let inputs: Vec<_> = from.iter().map(find).collect();
        let mut parameters = serde_json::to_value(&stage).unwrap_or_default();
        let mut files = Vec::new();
        for file in stage.files() {
            file.remove_from(&mut parameters);
            files.push(UserFile {
                parameter: file.name(),
                path: file.path,
            });
        }
        let outputs = stage.outputs(&Connected::new()).unwrap_or_default();
        self.stages.push(StageInstance {
            name: name.into(),
            label: name.into(),
            kind: S::KIND,
            revision: S::REVISION,
            role: S::ROLE,
            place: S::PLACE,
            stage: Arc::new(stage),
            parameters: Canonical::of(&parameters),
            inputs: inputs.into(),
            outputs: outputs.into(),
            files: files.into(),
            resources: Resources::default(),
            points: vec![0],
        });
        let last = self.stages.len() - 1;
        &mut self.stages[last]
    }
}

/// A graph of toy stages.
pub fn toy_graph(build: impl FnOnce(&mut Toys)) -> Graph {
    let mut toys = Toys::default();
    build(&mut toys);
    Graph {
        pipeline: "toys".to_owned(),
        about: String::new(),
        folder: PathBuf::from("."),
        stages: toys.stages,
        search: None,
        points: vec![Box::default()],
        parameters: Vec::new(),
        notes: Vec::new(),
    }
}
