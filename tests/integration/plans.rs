//! Which instances every shipped pipeline has, whatever they are called: kind, parameters, files and inputs of each, kept in short in
//! `tests/golden/plans`. A change of the language that is not meant to change a pipeline fails here.
//!
//! `GOLDEN=write cargo nextest run plans` writes the files anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use runner::graph::{Graph, StageInstance};
use runner::spec::{apply, load, parse_str, second_edition};
use runner::store::Hash256;
use serde_json::Value;

use crate::pipelines::shipped;
use crate::program::project;

#[path = "../../src/catalog.rs"]
mod kinds;

/// Kind and hash of instances: neither names nor labels are part of it, nor the title of a comparison.
type Instances = BTreeSet<(&'static str, String)>;

fn resolved(path: &Path) -> Graph {
    load(path, &[], &kinds::catalog()).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn instances(graph: &Graph) -> Instances {
    let mut hashes: Vec<String> = Vec::new();
    for stage in &graph.stages {
        let inputs = stage.inputs.iter();
        let inputs = inputs.map(|input| (input.port, &hashes[input.from.index()], input.output));
        let content = (stage.kind, parameters(stage), files(stage), inputs.collect::<Vec<_>>());
        hashes.push(Hash256::of(serde_json::to_vec(&content).unwrap()).hex());
    }
    let kinds = graph.stages.iter().map(|stage| stage.kind);
    kinds.zip(hashes).collect()
}

fn parameters(stage: &StageInstance) -> Value {
    let mut parameters = stage.stage.parameters();
    for file in stage.stage.files() {
        file.remove_from(&mut parameters);
    }
    if let Value::Object(map) = &mut parameters
        && stage.kind == "compare"
    {
        map.remove("row");
    }
    parameters.sort_all_objects();
    parameters
}

fn files(stage: &StageInstance) -> Vec<(&str, String)> {
    let own = |path: &Path| {
        let path = path.canonicalize().unwrap();
        path.strip_prefix(project("").canonicalize().unwrap())
            .unwrap()
            .display()
            .to_string()
    };
    let files = stage.files.iter();
    files.map(|file| (file.parameter.as_str(), own(&file.path))).collect()
}

/// A line for each kind: how many instances, and a hash of them all.
fn summary(instances: &Instances) -> String {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, hash) in instances {
        kinds.entry(kind).or_default().push(hash);
    }
    let line = |(kind, hashes): (&str, Vec<&str>)| {
        let all = Hash256::of(hashes.concat()).hex();
        format!("{kind}\t{}\t{}\n", hashes.len(), &all[..12])
    };
    kinds.into_iter().map(line).collect()
}

#[test]
fn every_shipped_pipeline_has_its_instances() {
    let write = std::env::var("GOLDEN").is_ok_and(|golden| golden == "write");
    let folder = project("tests/golden/plans");
    let mut names = BTreeSet::new();
    for path in shipped() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (golden, found) = (
            folder.join(format!("{name}.tsv")),
            summary(&instances(&resolved(&path))),
        );
        if write {
            std::fs::write(&golden, &found).unwrap();
        } else {
            let known = std::fs::read_to_string(&golden).unwrap_or_default();
            assert_eq!(
                found, known,
                "{name}: instances are others than before; if that is meant: GOLDEN=write"
            );
        }
        names.insert(name);
    }
    let kept = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    assert_eq!(kept.collect::<BTreeSet<_>>(), names, "tests/golden/plans and pipelines");
}

/// What the paper's pipeline was in the first edition of the language, all of it, is in that of today.
#[test]
fn the_paper_has_all_instances_of_its_first_edition() {
    let first = instances(&resolved(&project("tests/golden/editions/paper_1.yaml")));
    let today = instances(&resolved(&project("pipelines/paper.yaml")));
    assert!(first.len() > 500, "{}", first.len());
    let missing: Vec<_> = first.difference(&today).map(|(kind, _)| *kind).collect();
    assert_eq!(missing, Vec::<&str>::new(), "instances that are gone");
}

/// What `fmt` makes of a pipeline of the first edition is the same experiment; of one of the second it makes nothing.
#[test]
fn fmt_keeps_every_instance() {
    let old = project("tests/golden/editions/paper_1.yaml");
    let mut paths = shipped();
    paths.push(old.clone());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let changes = second_edition(&text);
        if changes.is_empty() {
            continue;
        }
        let made = apply(&text, &changes);
        assert!(!made.contains("zip:"), "{}", path.display());
        assert_eq!(second_edition(&made), [], "{}", path.display());
        let name = path.display().to_string();
        let graph = parse_str(&made, &name, path.parent().unwrap(), &[], &kinds::catalog());
        let graph = graph.unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{made}"));
        assert_eq!(graph.notes, Vec::<String>::new(), "{name}");
        assert!(instances(&graph) == instances(&resolved(&path)), "{name}");
    }
    assert!(!second_edition(&std::fs::read_to_string(&old).unwrap()).is_empty());
}
