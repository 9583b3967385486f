//! What several commands share: arguments, and a loaded and planned pipeline.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use runner::graph::{Graph, Searched, StageId};
use runner::plan::{self, Entry, Plan, PlanError};
use runner::ports::Artifact;
use runner::seal::{self, Answer};
use runner::search::Outcomes;
use runner::spec::PipelineFile;
use runner::stage::Place;
use runner::store::runs::Asked;
use runner::store::{Cached, Hash256, OutputRecord, SharedLock, Store, nanoseconds};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::failure::Failure;
use super::results::Results;
use super::search;
use crate::console::{alert, say};
use crate::libtorch::{self, Libtorch};
use crate::report::{self, Data, Detail};

/// Signals that ask a run to end: Ctrl-C; `kill`, a batch system, a shutdown; a terminal that is closed.
pub const ENDS_RUNS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Parameters of the pipeline, set from the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Parameters {
    /// Set a parameter of the pipeline; the value is read as YAML
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

impl Parameters {
    /// The name of the part of a pipeline that they make; `None` for the whole.
    pub fn part(&self) -> Option<String> {
        runner::store::runs::part(&self.set, &[])
    }

    /// These `-p name=value`.
    pub fn of(set: Vec<(String, String)>) -> Self {
        Self { set }
    }

    /// What is asked of a pipeline with them, up to some stages.
    pub fn asked(&self, file: &PipelineFile, graph: &Graph, to: &[String]) -> Asked {
        let mut parameters: serde_json::Map<_, _> = graph.parameters.iter().cloned().collect();
        let mut seen = HashSet::new();
        for (name, value) in graph.points.iter().flatten() {
            let values = parameters.entry(&**name).or_insert_with(|| Vec::<Value>::new().into());
            if let Value::Array(values) = values
                && seen.insert((name, value.to_string()))
            {
                values.push((**value).clone());
            }
        }
        Asked {
            pipeline: graph.pipeline.clone(),
            file: std::path::absolute(file.path()).unwrap_or_else(|_| file.path().to_owned()),
            yaml: file.hash(),
            overrides: self.set.clone(),
            to: to.to_vec(),
            parameters,
        }
    }

    /// A pipeline with them, as commands take it.
    pub fn given(&self, pipeline: &Path, results: &Results) -> Given {
        let mut options = String::new();
        for (name, value) in &self.set {
            options.push_str(&format!(" -p {}", quoted(&format!("{name}={value}"))));
        }
        options.push_str(&results.options());
        Given {
            file: pipeline.display().to_string(),
            options,
        }
    }
}

/// A pipeline as it was given to a command.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Its file.
    pub file: String,
    /// What was set, each after a blank.
    pub options: String,
}

impl Given {
    /// The command that opens an output of it: `stage.port`.
    pub fn opens(&self, output: &str, is_figure: bool) -> String {
        let Self { file, options } = self;
        if is_figure {
            let to = output.split(['[', '.']).next().unwrap_or(output);
            return format!(
                "actionfinder export {} -o {to}.pdf{options}",
                quoted(&format!("{file}:{output}"))
            );
        }
        format!("actionfinder show {} {}{options}", quoted(file), quoted(output))
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", quoted(&self.file), self.options)
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-=/,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as streams=128")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Version of this program, with the commit it was built from, where that is known.
pub fn program() -> String {
    let version = env!("CARGO_PKG_VERSION");
    option_env!("ACTIONFINDER_COMMIT").map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}

/// Which stages a plan is for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selection {
    /// Only this stage and what it needs (may be given several times)
    #[arg(long, value_name = "STAGE")]
    to: Vec<String>,
    /// Run this stage even if it is fresh (may be given several times)
    #[arg(long, value_name = "STAGE")]
    force: Vec<String>,
}

/// A pipeline as commands take it that look at its results.
#[derive(Debug, clap::Args)]
pub struct Pipeline {
    /// The pipeline
    pub pipeline: PathBuf,
    #[command(flatten)]
    pub parameters: Parameters,
    #[command(flatten)]
    pub results: Results,
}

impl Pipeline {
    /// Reads and plans it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Loaded::new(&self.pipeline, &self.parameters, &self.results)
    }

    /// As commands take it.
    pub fn given(&self) -> Given {
        self.parameters.given(&self.pipeline, &self.results)
    }
}

/// A pipeline as `run` and `plan` take it.
#[derive(Debug, clap::Args)]
pub struct Work {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    results: Results,
}

impl Work {
    /// All of a pipeline, as it stands.
    pub fn of(pipeline: PathBuf, results: Results) -> Self {
        Self {
            pipeline,
            parameters: Parameters::default(),
            selection: Selection::default(),
            results,
        }
    }

    /// Reads the pipeline file: once, for all that follows.
    pub fn read(&self) -> Result<PipelineFile, Failure> {
        read(&self.pipeline)
    }

    /// What the run before sealed, if everything is done and nothing has changed since.
    pub fn sealed(&self, file: &PipelineFile) -> Option<Answer> {
        // What the command line says of a cache is looked at.
        if self.results.names_cache() {
            return None;
        }
        let answer = seal::answer(&self.results_folder(), &self.key(file)?)?;
        let same = match &answer.worker {
            Some(worker) => libtorch::look().is_ok_and(|found| *worker == spelled(&found)),
            None => true,
        };
        same.then_some(answer)
    }

    /// The key of the seal; there is none for a part of a pipeline.
    fn key(&self, file: &PipelineFile) -> Option<seal::Key> {
        let Selection { to, force } = &self.selection;
        let whole = to.is_empty() && force.is_empty();
        let key = || seal::Key::new(&self.results_folder(), file, &self.parameters.set).ok();
        whole.then(key).flatten()
    }

    /// Seals a pipeline that is done. That it cannot be sealed only costs the next run some time.
    pub fn seal(&self, file: &PipelineFile, loaded: &Loaded, plan: &Plan, results: String, outside_tolerance: bool) {
        let Some(key) = self.key(file).filter(|_| plan.is_fresh()) else {
            return;
        };
        let Loaded { graph, store, .. } = loaded;
        let asked = self.asked(file, graph);
        let folder = store.report_folder(&graph.pipeline, asked.part().as_deref());
        let pipeline_folder = store.pipeline_folder(&graph.pipeline);
        let mut beside = report::files(&folder, &pipeline_folder);
        beside.push(runner::store::state::path(&pipeline_folder));
        let answer = Answer {
            asked,
            fresh: plan.count(|entry| matches!(entry, Entry::Hit(_))),
            skipped: plan.count(|entry| matches!(entry, Entry::Skipped { .. })),
            worker: loaded.worker.as_ref().map(spelled),
            outside_tolerance,
            plan: crate::console::describe_plan(graph, plan),
            results,
        };
        let now = nanoseconds(SystemTime::now());
        let _ = seal::seal(&key, graph, plan, store, answer, &beside, now);
    }

    /// What a run of it asks for, for its record.
    pub fn asked(&self, file: &PipelineFile, graph: &Graph) -> Asked {
        self.parameters.asked(file, graph, &self.selection.to)
    }

    /// The pipeline as commands take it.
    pub fn given(&self) -> Given {
        self.parameters.given(&self.pipeline, &self.results)
    }

    /// The files that it is made of, and those of the user that its stages read: where it can be read, and as far.
    pub fn files(&self) -> Vec<PathBuf> {
        let Ok(file) = self.read() else {
            return vec![self.pipeline.clone()];
        };
        let graph = file.resolve(&self.parameters.set, &crate::catalog::catalog());
        let read = graph
            .iter()
            .flat_map(|graph| &graph.stages)
            .flat_map(|stage| &*stage.files);
        let mut files = file.files();
        files.extend(read.map(|file| file.path.clone()));
        files.sort();
        files.dedup();
        files
    }

    /// The results folder.
    pub fn results_folder(&self) -> PathBuf {
        self.results.folder_of(&self.pipeline)
    }

    /// Reads and plans it.
    pub fn load(&self, file: &PipelineFile) -> Result<Loaded, Failure> {
        let loaded = Loaded::of(
            file,
            &self.parameters,
            &self.results,
            &self.selection,
            Purpose::Look,
            None,
        )?;
        own_name(file, &loaded)?;
        Ok(loaded)
    }

    /// The same for a run: from before the plan to the end, nothing is removed from the store. `gpus` are those of other machines, where
    /// it runs on these.
    pub fn load_to_run(&self, file: &PipelineFile, gpus: Option<Vec<String>>) -> Result<Loaded, Failure> {
        let loaded = Loaded::of(
            file,
            &self.parameters,
            &self.results,
            &self.selection,
            Purpose::Run,
            gpus,
        )?;
        own_name(file, &loaded)?;
        Ok(loaded)
    }
}

/// The results of a pipeline lie in a folder of its name, so no other file may have it.
fn own_name(file: &PipelineFile, loaded: &Loaded) -> Result<(), Failure> {
    let name = &loaded.graph.pipeline;
    let Some(other) = loaded.store.file_of(name) else {
        return Ok(());
    };
    let is_other = match (other.canonicalize(), file.path().canonicalize()) {
        (Ok(other), Ok(own)) => other != own && other.is_file(),
        // It was moved, or there is no file.
        _ => false,
    };
    let has_name = || PipelineFile::read(&other).is_ok_and(|other| other.name().as_ref() == Some(name));
    if is_other && has_name() {
        let other = other.canonicalize().unwrap_or(other);
        return Err(Failure::Invalid(format!(
            "error: {} and {} both say `pipeline: {name}`, and would write to one folder, {}\n  help: give one of them another name",
            file.path().display(),
            other.display(),
            loaded.store.pipeline_folder(name).display()
        )));
    }
    Ok(())
}

/// Why a pipeline is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To look at it: nothing is written.
    Look,
    /// To run it.
    Run,
}

/// Reads a pipeline, or says all that is wrong with it.
pub fn load(pipeline: &Path, parameters: &Parameters) -> Result<Graph, Failure> {
    let file = read(pipeline)?;
    resolve(&file, parameters, &Outcomes::new())
}

/// Resolves it, with what came of the trials of its search; what is to be said of the file is said before there are any.
fn resolve(file: &PipelineFile, parameters: &Parameters, outcomes: &Outcomes) -> Result<Graph, Failure> {
    let resolved = file.resolve_knowing(&parameters.set, &crate::catalog::catalog(), outcomes);
    let graph = resolved.map_err(invalid)?;
    for note in graph.notes.iter().filter(|_| outcomes.is_empty()) {
        say(&format!("note: {note}"));
    }
    Ok(graph)
}

/// Reads a pipeline's file, once. A table in its place is a beginner's mistake, and its content would only confuse.
pub fn read(pipeline: &Path) -> Result<PipelineFile, Failure> {
    let is_table = matches!(formats::Format::of(pipeline), Some(formats::Ending::Read(_)));
    if is_table && pipeline.is_file() {
        let file = quoted(&pipeline.display().to_string());
        return Err(Failure::Usage(format!(
            "{} is a table, no pipeline\n  help: this writes a pipeline for it: actionfinder new --from {file} my_stars.yaml",
            pipeline.display()
        )));
    }
    PipelineFile::read(pipeline).map_err(invalid)
}

/// The name of a pipeline, whatever else is wrong with its file.
pub fn name(pipeline: &Path) -> Result<String, Failure> {
    let file = read(pipeline)?;
    if file.own_text().trim().is_empty() {
        return Err(Failure::Invalid(format!(
            "error: {}: the file is empty",
            pipeline.display()
        )));
    }
    file.name().ok_or_else(|| {
        let shown = pipeline.display();
        Failure::Invalid(format!("error: {shown} has no name: `pipeline: NAME`\n  help: `actionfinder plan {shown}` says what is wrong with it"))
    })
}

fn invalid(diagnostics: runner::spec::Diagnostics) -> Failure {
    Failure::Invalid(diagnostics.to_string())
}

/// The options for all stages, none of them forced.
fn of_all(options: &plan::Options) -> plan::Options {
    plan::Options {
        to: Vec::new(),
        force: Vec::new(),
        ..options.clone()
    }
}

/// A pipeline with its plan.
pub struct Loaded {
    /// The pipeline.
    pub graph: Graph,
    /// Where its results are.
    pub store: Store,
    /// What would run.
    pub plan: Plan,
    /// The GPUs that stages may use, as `CUDA_VISIBLE_DEVICES` numbers them.
    pub gpus: Vec<String>,
    /// Held while it runs.
    pub hold: Option<SharedLock>,
    /// What is left of the plan by a search that gives trials up early.
    pub pruning: search::Pruning,
    /// What workers find, if the pipeline has stages that run in one.
    worker: Option<Libtorch>,
    options: plan::Options,
    file: PipelineFile,
    parameters: Parameters,
    given: Given,
}

impl Loaded {
    /// Reads and plans all stages.
    pub fn new(pipeline: &Path, parameters: &Parameters, results: &Results) -> Result<Self, Failure> {
        let file = read(pipeline)?;
        Self::of(&file, parameters, results, &Selection::default(), Purpose::Look, None)
    }

    /// Reads and plans what these stages need, or all where none is named.
    pub fn up_to(
        pipeline: &Path,
        parameters: &Parameters,
        results: &Results,
        to: Vec<String>,
    ) -> Result<Self, Failure> {
        let file = read(pipeline)?;
        let selection = Selection { to, force: Vec::new() };
        Self::of(&file, parameters, results, &selection, Purpose::Look, None)
    }

    /// The files that it was read from.
    pub fn pipeline_file(&self) -> &PipelineFile {
        &self.file
    }

    /// Resolves and plans some stages.
    fn of(
        file: &PipelineFile,
        parameters: &Parameters,
        results: &Results,
        selection: &Selection,
        purpose: Purpose,
        gpus: Option<Vec<String>>,
    ) -> Result<Self, Failure> {
        // The store's index is read meanwhile: with thousands of stages that takes a while too.
        let (graph, store) = std::thread::scope(|scope| {
            let store = scope.spawn(|| results.shared_store_of(file.path()));
            let graph = resolve(file, parameters, &Outcomes::new());
            (
                graph,
                store.join().unwrap_or_else(|_| results.shared_store_of(file.path())),
            )
        });
        let (graph, store) = (graph?, store?);
        store.check().map_err(Failure::work)?;
        // Where it cannot be had, nothing can be written, or removed.
        let hold = match purpose {
            Purpose::Run => store.hold().ok().flatten(),
            Purpose::Look => None,
        };
        let (to, force) = (selection.to.clone(), selection.force.clone());
        // Only trainings and predictions depend on libtorch; other pipelines do not even look for it.
        let worker = if graph.stages.iter().any(|stage| stage.place == Place::Worker) {
            Some(libtorch::look().map_err(Failure::Work)?)
        } else {
            None
        };
        let found = worker.clone().unwrap_or_default();
        let gpus = gpus.unwrap_or_else(|| found.gpus());
        let options = plan::Options {
            to,
            force,
            gpus: gpus.len(),
            environment: found.environment(),
        };
        let mut graph = graph;
        if graph.search.is_some() {
            let resolve = |outcomes: &Outcomes| resolve(file, parameters, outcomes);
            let kept = search::kept(&store, &graph.pipeline);
            // What was kept may be of another search: where it does not fit, all begins with the first trials.
            if !kept.is_empty()
                && let Ok(guessed) = file.resolve_knowing(&parameters.set, &crate::catalog::catalog(), &kept)
            {
                graph = guessed;
            }
            (graph, _) = search::known(graph, &store, &of_all(&options), resolve)?;
        }
        let mut plan = plan::plan(&graph, &store, &options).map_err(|errors| plan_failure(file, errors))?;
        tell(&store);
        Ok(Self {
            pruning: search::prune(&graph, &store, &mut plan),
            file: file.clone(),
            parameters: parameters.clone(),
            given: parameters.given(file.path(), results),
            graph,
            store,
            plan,
            options,
            gpus,
            hold,
            worker,
        })
    }

    /// Has the files of all these entries here, from the shared cache; gives how many are not to be had.
    pub fn bring(&self, entries: &[(&str, Hash256)]) -> usize {
        self.store.bring_all(entries);
        tell(&self.store);
        let gone = |(kind, fingerprint): &&(&str, Hash256)| !self.store.has(kind, fingerprint);
        entries.iter().filter(gone).count()
    }

    /// Kind and fingerprint of what the plan found.
    pub fn entries(&self) -> Vec<(&'static str, Hash256)> {
        let stages = self.graph.stages.iter().zip(&self.plan.entries);
        let found = stages.filter_map(|(stage, entry)| match entry {
            Entry::Hit(cached) => Some((stage.kind, cached.fingerprint)),
            _ => None,
        });
        let mut found: Vec<(&str, Hash256)> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The results as they were in the store when it was planned.
    pub fn data(&self) -> Result<Data, Failure> {
        self.data_in(Detail::Stages)
    }

    /// The same, in more or less detail.
    pub fn data_in(&self, detail: Detail) -> Result<Data, Failure> {
        let made;
        let plan = if self.options.to.is_empty() && self.options.force.is_empty() {
            &self.plan
        } else {
            made = self.whole_plan()?;
            &made
        };
        let data = report::collect(&self.graph, &self.store, plan, detail);
        tell(&self.store);
        Ok(data)
    }

    /// What came of the trials of its search until now.
    pub fn outcomes(&self, data: &Data, searched: &Searched) -> Result<Outcomes, String> {
        search::outcomes(&self.graph, searched, &self.store, &self.plan, data)
    }

    /// A plan of all stages, made now.
    pub fn whole_plan(&self) -> Result<Plan, Failure> {
        let plan = plan::plan(&self.graph, &self.store, &of_all(&self.options));
        plan.map_err(|errors| plan_failure(&self.file, errors))
    }

    /// After a run, the same with the trials of its search that are known now; whether there are others than before.
    pub fn go_on(self) -> Result<(Self, bool), Failure> {
        let Some(searched) = self.graph.search.clone() else {
            return Ok((self, false));
        };
        let (mut now, outcomes) = self.again()?;
        search::keep(&now.store, &now.graph.pipeline, &outcomes);
        search::without_failed(&now.graph, &mut now.plan);
        let more = now.graph.search.as_ref().is_some_and(|now| now.known != searched.known);
        Ok((now, more))
    }

    /// The same planned again, with what has come of the trials of its search by now.
    pub fn again(self) -> Result<(Self, Outcomes), Failure> {
        let resolve = |outcomes: &Outcomes| resolve(&self.file, &self.parameters, outcomes);
        let (graph, outcomes) = search::known(self.graph, &self.store, &of_all(&self.options), resolve)?;
        let options = plan::Options {
            force: Vec::new(),
            ..self.options
        };
        let mut plan = plan::plan(&graph, &self.store, &options).map_err(|errors| plan_failure(&self.file, errors))?;
        let now = Self {
            pruning: search::prune(&graph, &self.store, &mut plan),
            graph,
            plan,
            options,
            ..self
        };
        Ok((now, outcomes))
    }

    /// The only stage with this name or label.
    pub fn stage(&self, name: &str) -> Result<StageId, Failure> {
        match self.instances(name)?.as_slice() {
            [one] => Ok(*one),
            several => {
                let labels: Vec<&str> = several.iter().map(|id| &*self.graph[*id].label).collect();
                Err(Failure::Usage(format!(
                    "{name} is swept; name one of: {}",
                    labels.join(", ")
                )))
            }
        }
    }

    /// The stages with this name, at all points of the sweep, or the one with this label.
    fn instances(&self, name: &str) -> Result<Vec<StageId>, Failure> {
        let named = |label: bool| {
            let stages = self.graph.stages.iter().enumerate();
            let fits = stages.filter(move |(_, stage)| {
                if label {
                    *stage.label == *name
                } else {
                    *stage.name == *name
                }
            });
            fits.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let (labels, names) = (named(true), named(false));
        match (labels.as_slice(), names.as_slice()) {
            ([index], _) => Ok(vec![StageId::new(*index)]),
            (_, []) => {
                let mut known: Vec<&str> = self.graph.stages.iter().map(|stage| &*stage.name).collect();
                known.dedup();
                Err(Failure::Usage(format!(
                    "there is no stage {name}; there are: {}",
                    known.join(", ")
                )))
            }
            (_, several) => Ok(several.iter().map(|index| StageId::new(*index)).collect()),
        }
    }

    /// The last stage that gives a table first, at all points of the sweep, and its port.
    pub fn last_table(&self) -> Result<(Vec<StageId>, &'static str), Failure> {
        let gives_table = |stage: &&runner::graph::StageInstance| {
            let first = stage.outputs.first();
            first.is_some_and(|output| matches!(output.artifact, Artifact::Table(_)))
        };
        match self.graph.stages.iter().rfind(gives_table) {
            Some(stage) => self.all_of(&stage.name),
            None => Err(Failure::Usage("no stage of it gives a table".to_owned())),
        }
    }

    /// All outputs: `stage.port`, the file where it is there, and rows where it is a table.
    pub fn outputs(&self) -> Vec<Output> {
        let mut all = Vec::new();
        for (index, stage) in self.graph.stages.iter().enumerate() {
            for output in stage.outputs.iter() {
                let cached = match &self.plan[StageId::new(index)] {
                    Entry::Hit(cached) => cached.output(output.name).map(|record| (cached, record)),
                    _ => None,
                };
                let file = |(cached, record): (&Arc<Cached>, &OutputRecord)| {
                    self.store.folder(stage.kind, &cached.fingerprint).join(&record.file)
                };
                all.push(Output {
                    name: format!("{}.{}", stage.label, output.name),
                    noun: output.artifact.noun(),
                    file: cached.filter(|(cached, _)| cached.is_here).map(file),
                    is_away: cached.is_some_and(|(cached, _)| !cached.is_here),
                });
            }
        }
        all
    }

    /// The stage and port that `stage` or `stage.port` names.
    pub fn output(&self, output: &str) -> Result<(StageId, &'static str), Failure> {
        let (_, port) = self.all_of(output)?;
        let name = match self.instances(output) {
            Ok(_) => output,
            Err(_) => output.rsplit_once('.').map_or(output, |(stage, _)| stage),
        };
        Ok((self.stage(name)?, port))
    }

    /// The stages, at all points of the sweep, and the port that `stage` or `stage.port` names.
    pub fn all_of(&self, output: &str) -> Result<(Vec<StageId>, &'static str), Failure> {
        let (instances, port) = match (self.instances(output), output.rsplit_once('.')) {
            (Ok(instances), _) => (instances, None),
            (Err(_), Some((stage, port))) => (self.instances(stage)?, Some(port)),
            (Err(failure), None) => return Err(failure),
        };
        let stage = &self.graph[instances[0]];
        let first = stage.outputs.first().map(|output| output.name);
        let port = port.or(first).unwrap_or_default();
        let found = stage.outputs.iter().find(|output| output.name == port);
        let Some(found) = found else {
            let names: Vec<&str> = stage.outputs.iter().map(|output| output.name).collect();
            return Err(Failure::Usage(format!(
                "{} has no output {port}; it has: {}",
                stage.name,
                names.join(", ")
            )));
        };
        Ok((instances, found.name))
    }

    /// The file of `stage` or `stage.port`.
    pub fn output_file(&self, output: &str) -> Result<PathBuf, Failure> {
        let (id, port) = self.output(output)?;
        self.file(id, port)
    }

    /// The file of an output.
    pub fn file(&self, id: StageId, port: &str) -> Result<PathBuf, Failure> {
        let stage = &self.graph[id];
        let cached = match &self.plan[id] {
            Entry::Hit(cached) => Some(cached),
            _ => None,
        };
        let record = cached.and_then(|cached| Some((cached, cached.output(port)?)));
        let Some((cached, record)) = record else {
            return Err(Failure::Usage(format!(
                "{}.{port} is not in the results folder {}\n  help: make it with: actionfinder run {} --to {}\n  help: or name the folder \
                 that it is in, with --results",
                stage.label,
                self.store.results().display(),
                self.given,
                quoted(&stage.name)
            )));
        };
        let (kind, fingerprint) = (stage.kind, &cached.fingerprint);
        let brought = self.store.bring(kind, fingerprint);
        tell(&self.store);
        brought.map_err(|damage| {
            Failure::Work(format!(
                "{}.{port}: {damage}\n  help: make it here with: actionfinder run {} --to {} --cache none",
                stage.label,
                self.given,
                quoted(&stage.name)
            ))
        })?;
        Ok(self.store.folder(kind, fingerprint).join(&record.file))
    }
}

/// Says what there is to say of the shared cache.
pub fn tell(store: &Store) {
    for warning in store.warnings() {
        alert(&format!("warning: {warning}"));
    }
}

/// An output of a pipeline.
pub struct Output {
    /// `stage.port`.
    pub name: String,
    /// What it is.
    pub noun: &'static str,
    /// Its file, where it is there.
    pub file: Option<PathBuf>,
    /// Whether it is in the shared cache, and not here.
    pub is_away: bool,
}

/// Version, GPUs, and which of them may be used.
fn spelled(found: &Libtorch) -> String {
    format!("{found:?} {:?}", found.gpus())
}

/// A wrong name on the command line is wrong use; the rest is about the pipeline.
fn plan_failure(file: &PipelineFile, errors: Vec<PlanError>) -> Failure {
    let line = |error: &PlanError| {
        let PlanError::Device { stage, kind, .. } = error else {
            return error.to_string();
        };
        let place = file.place(stage, &[kind, "on", "device"]);
        let place = place.unwrap_or_else(|| file.path().display().to_string());
        format!("{place}: {error}\n  hint: `device: auto` takes a processor where there is no GPU")
    };
    let lines: Vec<String> = errors.iter().map(line).collect();
    let text = lines.join("\nerror: ");
    if errors
        .iter()
        .all(|error| matches!(error, PlanError::UnknownStage { .. }))
    {
        Failure::Usage(text)
    } else {
        Failure::Invalid(format!("error: {text}"))
    }
}
