//! What goes into a crate of a pipeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner::error::reason;
use runner::graph::{Graph, StageInstance};
use runner::plan::{Entry, Plan};
use runner::spec::PipelineFile;
use runner::store::runs::Asked;
use runner::store::{Cached, Manifest, Store};

use super::lock::{FORMAT, Lock, LockedStage};
use super::read::{in_results, is_inside};
use super::{Item, METADATA, metadata};

/// What a crate is made of.
pub struct Source<'a> {
    /// The pipeline's file.
    pub file: &'a PipelineFile,
    /// The pipeline.
    pub graph: &'a Graph,
    /// What is there of it.
    pub plan: &'a Plan,
    /// Where its results are.
    pub store: &'a Store,
    /// What is asked of it.
    pub asked: Asked,
    /// Folders of the report, and its files.
    pub report: (&'a Path, Vec<PathBuf>),
    /// The folder of the project that the pipeline's file is in.
    pub project: &'a Path,
    /// Whether the data that it reads goes with it.
    pub with_data: bool,
    /// The licence of the results, as its URL or its SPDX identifier.
    pub licence: Option<String>,
}

/// A crate before it is packed.
pub struct Gathered {
    /// Its files.
    pub items: Vec<Item>,
    /// The lock, without files.
    pub lock: Lock,
    /// Files of the user that are read and are not in it, with the reason.
    pub left_out: Vec<String>,
}

/// A stage with its entry.
pub struct Made<'a> {
    /// Its place in the graph.
    pub index: usize,
    /// The stage.
    pub stage: &'a StageInstance,
    /// Its entry.
    pub cached: &'a Arc<Cached>,
    /// What that says of itself.
    pub manifest: Manifest,
}

/// Licences and citation of the program.
const OWN: [(&str, &str); 3] = [
    ("actionfinder/CITATION.cff", include_str!("../../CITATION.cff")),
    ("actionfinder/LICENSE-APACHE", include_str!("../../LICENSE-APACHE")),
    ("actionfinder/LICENSE-MIT", include_str!("../../LICENSE-MIT")),
];

/// What the names of files begin with that say how a project may be used.
const NAMED: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "CITATION"];

/// Gathers it; or says what is missing or damaged.
pub fn gather(source: &Source<'_>) -> Result<Gathered, String> {
    let made = made(source)?;
    let (mut items, left_out, main) = inputs(source)?;
    for (path, text) in OWN {
        items.push(Item::text(path, text.to_owned()));
    }
    items.extend(of_project(source.project)?);
    let mut known = std::collections::BTreeSet::new();
    for one in &made {
        if known.insert(one.cached.fingerprint) {
            items.extend(entry(source.store, one)?);
        }
    }
    let (folder, files) = &source.report;
    let pipeline = &source.graph.pipeline;
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        items.push(read(format!("results/{pipeline}/{name}"), file)?);
    }
    let stage = |one: &Made<'_>| LockedStage {
        stage: one.stage.label.to_string(),
        kind: one.stage.kind.to_owned(),
        fingerprint: one.cached.fingerprint,
    };
    let asked = &source.asked;
    let lock = Lock {
        format: FORMAT,
        pipeline: pipeline.clone(),
        file: main,
        yaml: asked.yaml,
        overrides: asked.overrides.clone(),
        to: asked.to.clone(),
        parameters: asked.parameters.clone(),
        program: source.store.program().to_owned(),
        stages: made.iter().map(stage).collect(),
        files: std::collections::BTreeMap::new(),
    };
    let text = metadata::metadata(source, &lock, &made, &items);
    items.push(Item::text(METADATA, text));
    Ok(Gathered { items, lock, left_out })
}

fn read(path: String, file: &Path) -> Result<Item, String> {
    Item::file(path, file.to_owned()).map_err(|error| format!("{}: {}", file.display(), reason(&error)))
}

/// Every stage that was asked for, which must be done, or be skipped for a finding.
fn made<'a>(source: &'a Source<'_>) -> Result<Vec<Made<'a>>, String> {
    let mut made = Vec::new();
    for (index, (stage, planned)) in source.graph.stages.iter().zip(&source.plan.entries).enumerate() {
        let cached = match planned {
            Entry::Hit(cached) => cached,
            Entry::Skipped { .. } | Entry::Unselected => continue,
            Entry::Stale(_) | Entry::Waiting { .. } => return Err(format!("{} is not done", stage.label)),
        };
        let manifest = source.store.manifest(stage.kind, &cached.fingerprint);
        let manifest = manifest.ok_or_else(|| format!("the outputs of {} are gone", stage.label))?;
        made.push(Made {
            index,
            stage,
            cached,
            manifest,
        });
    }
    Ok(made)
}

fn entry(store: &Store, one: &Made<'_>) -> Result<Vec<Item>, String> {
    let (kind, fingerprint) = (one.stage.kind, &one.cached.fingerprint);
    let folder = store.folder(kind, fingerprint);
    let item = |file: &str| read(in_results(kind, fingerprint, file), &folder.join(file));
    let mut items = vec![item("manifest.json")?, item("fingerprint.json")?];
    let damaged = |file: &str| format!("{} of {} is damaged: actionfinder cache verify", file, one.stage.label);
    if items[1].sha256 != *fingerprint {
        return Err(damaged("fingerprint.json"));
    }
    for output in &one.manifest.outputs {
        let item = item(&output.file)?;
        if item.sha256 != output.sha256 {
            return Err(damaged(&output.file));
        }
        items.push(item);
    }
    Ok(items)
}

/// The pipeline's files and the data that it reads, each where it lies beside the others; what is left out; the pipeline's own.
fn inputs(source: &Source<'_>) -> Result<(Vec<Item>, Vec<String>, String), String> {
    let place = |path: &Path| {
        path.canonicalize()
            .map_err(|error| format!("{}: {}", path.display(), reason(&error)))
    };
    let own = place(source.file.path())?;
    let mut pipelines: Vec<PathBuf> = source.file.files().iter().filter_map(|path| place(path).ok()).collect();
    let read_files = source.graph.stages.iter().flat_map(|stage| stage.files.iter());
    let mut data: Vec<PathBuf> = read_files.filter_map(|file| place(&file.path).ok()).collect();
    data.sort();
    data.dedup();
    let mut left_out = Vec::new();
    if !source.with_data {
        left_out.extend(
            data.iter()
                .map(|path| format!("{}: asked for without data", path.display())),
        );
        data.clear();
    }
    pipelines.extend(data);
    pipelines.sort();
    pipelines.dedup();
    let project = place(source.project)?;
    let (inside, outside): (Vec<PathBuf>, Vec<PathBuf>) =
        pipelines.into_iter().partition(|path| path.starts_with(&project));
    left_out.extend(
        outside
            .iter()
            .map(|path| format!("{}: it is outside of the project", path.display())),
    );
    let base = common(&inside).unwrap_or(project);
    let mut items = Vec::new();
    let mut main = None;
    for path in &inside {
        let below = path.strip_prefix(&base).unwrap_or(path).to_string_lossy().into_owned();
        let name = format!("pipeline/{below}");
        if !is_inside(&name) {
            left_out.push(format!(
                "{}: its name has characters that not every system takes",
                path.display()
            ));
            continue;
        }
        if *path == own {
            main = Some(name.clone());
        }
        items.push(read(name, path)?);
    }
    let main = main.ok_or_else(|| format!("{} cannot be packed", source.file.path().display()))?;
    Ok((items, left_out, main))
}

/// The deepest folder that all these files are in.
fn common(files: &[PathBuf]) -> Option<PathBuf> {
    let mut folder = files.first()?.parent()?.to_owned();
    for file in files {
        while !file.starts_with(&folder) {
            folder = folder.parent()?.to_owned();
        }
    }
    Some(folder)
}

/// Licences and citation of the user's project.
fn of_project(project: &Path) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let found = std::fs::read_dir(project).into_iter().flatten().flatten();
    for file in found {
        let Ok(name) = file.file_name().into_string() else {
            continue;
        };
        if NAMED.iter().any(|start| name.starts_with(start)) && is_inside(&name) && file.path().is_file() {
            items.push(read(name, &file.path())?);
        }
    }
    Ok(items)
}

/// The licence that a project's CITATION.cff states.
pub fn stated_licence(project: &Path) -> Option<String> {
    let text = std::fs::read_to_string(project.join("CITATION.cff")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("license:"))?;
    let first = line.trim().trim_matches(['[', ']']).split(',').next()?;
    let licence = first.trim().trim_matches(['"', '\'']);
    (!licence.is_empty()).then(|| licence.to_owned())
}
