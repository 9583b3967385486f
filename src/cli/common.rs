//! What several commands share: arguments, and a loaded and planned pipeline.

use std::path::{Path, PathBuf};

use runner::graph::{Graph, StageId};
use runner::plan::{self, Entry, Plan, PlanError};
use runner::seal::{self, Answer};
use runner::stage::Place;
use runner::store::Store;

use super::failure::Failure;
use crate::libtorch::{self, Libtorch};
use crate::report::{self, Data, Detail};

/// Parameters of the pipeline, set from the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Parameters {
    /// Set a parameter of the pipeline; the value is read as YAML
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as streams=128")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Where results are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Results {
    /// Folder of cached outputs and reports [default: $ACTIONFINDER_RESULTS, or results]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

impl Results {
    /// The folder.
    pub fn folder(&self) -> PathBuf {
        let named = self
            .results
            .clone()
            .or_else(|| std::env::var_os("ACTIONFINDER_RESULTS").map(PathBuf::from));
        named.unwrap_or_else(|| PathBuf::from("results"))
    }
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
    /// What the run before sealed, if everything is done and nothing has changed since.
    pub fn sealed(&self) -> Option<Answer> {
        let answer = seal::answer(&self.results.folder(), &self.key()?)?;
        let same = match &answer.worker {
            Some(worker) => libtorch::look().is_ok_and(|found| *worker == spelled(&found)),
            None => true,
        };
        same.then_some(answer)
    }

    /// The key of the seal; there is none for a part of a pipeline.
    fn key(&self) -> Option<seal::Key> {
        let Selection { to, force } = &self.selection;
        let whole = to.is_empty() && force.is_empty();
        let key = || seal::Key::new(&self.results.folder(), &self.pipeline, &self.parameters.set).ok();
        whole.then(key).flatten()
    }

    /// Seals a pipeline that is done. That it cannot be sealed only costs the next run some time.
    pub fn seal(&self, loaded: &Loaded, plan: &Plan, results: String, outside_tolerance: bool) {
        let Some(key) = self.key().filter(|_| plan.is_fresh()) else {
            return;
        };
        let Loaded { graph, store, .. } = loaded;
        let answer = Answer {
            pipeline: graph.pipeline.clone(),
            fresh: plan.count(|entry| matches!(entry, Entry::Hit(_))),
            skipped: plan.count(|entry| matches!(entry, Entry::Skipped { .. })),
            worker: loaded.worker.as_ref().map(spelled),
            outside_tolerance,
            plan: super::plan::describe(graph, plan),
            results,
        };
        let folder = store.pipeline_folder(&graph.pipeline);
        let mut beside = report::files(&folder);
        beside.push(runner::store::state::path(&folder));
        let _ = seal::seal(&key, graph, plan, store, answer, &beside);
    }

    /// The results folder.
    pub fn results(&self) -> PathBuf {
        self.results.folder()
    }

    /// Reads and plans it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Loaded::select(&self.pipeline, &self.parameters, &self.results, &self.selection)
    }
}

/// Reads a pipeline, or says all that is wrong with it.
pub fn load(pipeline: &Path, parameters: &Parameters) -> Result<Graph, Failure> {
    let loaded = runner::spec::load(pipeline, &parameters.set, &crate::catalog::catalog());
    loaded.map_err(|diagnostics| Failure::Invalid(diagnostics.to_string()))
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
    /// What workers find, if the pipeline has stages that run in one.
    worker: Option<Libtorch>,
    options: plan::Options,
}

impl Loaded {
    /// Reads and plans all stages.
    pub fn new(pipeline: &Path, parameters: &Parameters, results: &Results) -> Result<Self, Failure> {
        Self::select(pipeline, parameters, results, &Selection::default())
    }

    /// Reads and plans some stages.
    pub fn select(
        pipeline: &Path,
        parameters: &Parameters,
        results: &Results,
        selection: &Selection,
    ) -> Result<Self, Failure> {
        // The store's index is read meanwhile: with thousands of stages that takes a while too.
        let folder = results.folder();
        let (graph, store) = std::thread::scope(|scope| {
            let store = scope.spawn(|| Store::open(&folder));
            let graph = load(pipeline, parameters);
            (graph, store.join().unwrap_or_else(|_| Store::open(&folder)))
        });
        let graph = graph?;
        let (to, force) = (selection.to.clone(), selection.force.clone());
        // Only trainings and predictions depend on libtorch; other pipelines do not even look for it.
        let worker = if graph.stages.iter().any(|stage| stage.place == Place::Worker) {
            Some(libtorch::look().map_err(Failure::Work)?)
        } else {
            None
        };
        let found = worker.clone().unwrap_or_default();
        let gpus = found.gpus();
        let options = plan::Options {
            to,
            force,
            gpus: gpus.len(),
            libtorch: found.libtorch,
        };
        let plan = plan::plan(&graph, &store, &options).map_err(plan_failure)?;
        Ok(Self {
            graph,
            store,
            plan,
            options,
            gpus,
            worker,
        })
    }

    /// The results as they are in the store now.
    pub fn data(&self) -> Result<Data, Failure> {
        Ok(report::collect(
            &self.graph,
            &self.store,
            &self.whole_plan()?,
            Detail::Whole,
        ))
    }

    /// A plan of all stages, made now.
    pub fn whole_plan(&self) -> Result<Plan, Failure> {
        let options = plan::Options {
            to: Vec::new(),
            force: Vec::new(),
            ..self.options.clone()
        };
        plan::plan(&self.graph, &self.store, &options).map_err(plan_failure)
    }

    /// The only stage with this name or label.
    pub fn stage(&self, name: &str) -> Result<StageId, Failure> {
        let named = |label: bool| {
            let stages = self.graph.stages.iter().enumerate();
            let fits = stages.filter(move |(_, stage)| if label { stage.label == name } else { stage.name == name });
            fits.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let (labels, names) = (named(true), named(false));
        match (labels.as_slice(), names.as_slice()) {
            ([index], _) | ([], [index]) => Ok(StageId(u32::try_from(*index).unwrap_or(u32::MAX))),
            (_, []) => {
                let mut known: Vec<&str> = self.graph.stages.iter().map(|stage| stage.name.as_str()).collect();
                known.dedup();
                Err(Failure::Usage(format!(
                    "there is no stage {name}; there are: {}",
                    known.join(", ")
                )))
            }
            (_, several) => {
                let labels: Vec<&str> = several
                    .iter()
                    .map(|index| self.graph.stages[*index].label.as_str())
                    .collect();
                Err(Failure::Usage(format!(
                    "{name} is swept; name one of: {}",
                    labels.join(", ")
                )))
            }
        }
    }

    /// The file of `stage` or `stage.port`.
    pub fn output_file(&self, output: &str) -> Result<PathBuf, Failure> {
        let (id, port) = match (self.stage(output), output.rsplit_once('.')) {
            (Ok(id), _) => (id, None),
            (Err(_), Some((stage, port))) => (self.stage(stage)?, Some(port)),
            (Err(failure), None) => return Err(failure),
        };
        let stage = &self.graph.stages[id.index()];
        let first = stage.outputs.first().map(|output| output.name);
        let port = port.or(first).unwrap_or_default();
        if !stage.outputs.iter().any(|output| output.name == port) {
            let names: Vec<&str> = stage.outputs.iter().map(|output| output.name).collect();
            return Err(Failure::Usage(format!(
                "{} has no output {port}; it has: {}",
                stage.name,
                names.join(", ")
            )));
        }
        let cached = match &self.plan.entries[id.index()] {
            Entry::Hit(cached) => Some(cached),
            _ => None,
        };
        let record = cached.and_then(|cached| Some((cached, cached.output(port)?)));
        let Some((cached, record)) = record else {
            let hint = "make it with: actionfinder run";
            return Err(Failure::Usage(format!(
                "{}.{port} is not there yet; {hint} … --to {}",
                stage.label, stage.name
            )));
        };
        Ok(self.store.folder(stage.kind, &cached.fingerprint).join(&record.file))
    }
}

/// Version, GPUs, and which of them may be used.
fn spelled(found: &Libtorch) -> String {
    format!("{found:?} {:?}", found.gpus())
}

/// A wrong name on the command line is wrong use; the rest is about the pipeline.
fn plan_failure(errors: Vec<PlanError>) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
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
