//! All of a pipeline as one file to be handed over.

use std::path::{Path, PathBuf};

use runner::store::runs::KeptRun;

use super::Args;
use crate::cli::common::{Loaded, Parameters};
use crate::cli::failure::{Failure, with_hint};
use crate::cli::results::{Results, project};
use crate::console::{count, say};
use crate::handover::gather::{Source, gather, stated_licence};
use crate::handover::write::write as pack;
use crate::report::{self, Detail};

/// Packs what is named.
pub fn write(args: &Args) -> Result<(), Failure> {
    let (file, parameters, to) = named(args)?;
    let loaded = Loaded::up_to(&file, &parameters, &args.results, to.clone())?;
    let given = parameters.given(&file, &args.results);
    let missing = loaded.plan.stale()
        + loaded
            .plan
            .count(|entry| matches!(entry, runner::plan::Entry::Waiting { .. }));
    if missing > 0 {
        return Err(Failure::Usage(format!(
            "{} not done, and a crate has all of a pipeline\n  help: make them with: actionfinder run {given}",
            count(missing, "stage")
        )));
    }
    let entries = loaded.entries();
    let gone = loaded.bring(&entries);
    if gone > 0 {
        return Err(Failure::Work(format!(
            "the outputs of {} cannot be fetched",
            count(gone, "stage")
        )));
    }
    let asked = parameters.asked(loaded.pipeline_file(), &loaded.graph, &to);
    let folder = loaded
        .store
        .report_folder(&loaded.graph.pipeline, asked.part().as_deref());
    let folder_of_pipeline = file.canonicalize().map_err(|error| Failure::file(&file, &error))?;
    let project = project(folder_of_pipeline.parent().unwrap_or(Path::new("/"))).to_owned();
    let report = reported(&loaded, &given, &folder)?;
    let read = loaded.graph.stages.iter().flat_map(|stage| stage.files.iter());
    super::spare(&args.to, read.map(|file| file.path.as_path()))?;
    let source = Source {
        file: loaded.pipeline_file(),
        graph: &loaded.graph,
        plan: &loaded.plan,
        store: &loaded.store,
        asked,
        report: (&loaded.store.pipeline_folder(&loaded.graph.pipeline), report),
        licence: args.license.clone().or_else(|| stated_licence(&project)),
        project: &project,
        with_data: !args.without_data,
    };
    let gathered = gather(&source).map_err(Failure::Work)?;
    let files = gathered.items.len() + 1;
    for left in &gathered.left_out {
        say(&format!("note: left out: {left}"));
    }
    if source.licence.is_none() {
        say("note: it states no licence: --license CC-BY-4.0, or `license` in the project's CITATION.cff");
    }
    let stages = gathered.lock.stages.len();
    let bytes = pack(&args.to, gathered.items, gathered.lock);
    let bytes = bytes.map_err(|error| Failure::Work(with_hint("the crate", &error)))?;
    say(&format!(
        "{}: {} of {}, {bytes} bytes; taken in by: actionfinder import",
        args.to.display(),
        count(files, "file"),
        count(stages, "stage"),
    ));
    Ok(())
}

/// The pipeline that is named, or that of the run that is.
fn named(args: &Args) -> Result<(PathBuf, Parameters, Vec<String>), Failure> {
    let (file, output) = super::split(&args.output);
    let is_pipeline = file
        .extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml");
    if is_pipeline && let Some(output) = output {
        return Err(Failure::Usage(format!(
            "a .zip holds all of a pipeline: leave out :{output}, or name a file of another ending"
        )));
    }
    if is_pipeline || file.is_file() {
        return Ok((file, args.parameters.clone(), Vec::new()));
    }
    let run = recorded(&args.results, &args.output)?;
    let asked = run.record.asked;
    let same = runner::spec::PipelineFile::read(&asked.file).is_ok_and(|now| now.hash() == asked.yaml);
    if !same {
        return Err(Failure::Usage(format!(
            "{} is not the file any more that the run read\n  help: write it out with: actionfinder runs restore {} FOLDER, and export that",
            asked.file.display(),
            args.output
        )));
    }
    Ok((asked.file, Parameters::of(asked.overrides), asked.to))
}

fn recorded(results: &Results, name: &str) -> Result<KeptRun, Failure> {
    let runs = results.store_here().kept_runs().map_err(Failure::work)?;
    let mut fits: Vec<KeptRun> = runs.iter().filter(|run| run.name == name).cloned().collect();
    if fits.is_empty() {
        fits = runs.iter().filter(|run| run.name.starts_with(name)).cloned().collect();
    }
    match (fits.len(), fits.pop()) {
        (1, Some(run)) => Ok(run),
        (0, _) | (_, None) => Err(Failure::Usage(format!(
            "{name} is no pipeline (a .yaml file), and no recorded run of {}: actionfinder runs lists them",
            results.folder_here().display()
        ))),
        (several, _) => Err(Failure::Usage(format!(
            "{several} runs begin with {name}: name one whole"
        ))),
    }
}

/// The files of the report, which is made where it is not there as it would be.
fn reported(loaded: &Loaded, given: &crate::cli::Given, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Loaded { graph, store, plan, .. } = loaded;
    let sources = report::sources(graph, plan, store.program());
    if report::made_before(folder, &sources, &graph.pipeline, store).is_none() {
        let data = report::collect(graph, store, plan, Detail::Whole);
        let written = report::write(&data, given, &sources, folder, store);
        written.map_err(|error| Failure::Work(with_hint("the report", &error)))?;
    }
    let files = report::files(folder, folder).into_iter().take(2);
    Ok(files.filter(|file| file.is_file()).collect())
}
