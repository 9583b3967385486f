//! Every kind of stage on a small input, `tests/golden/kinds.yaml`: what holds of all kinds is held here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::program::{Place, project};

/// A place with the small pipeline of every kind.
pub fn place() -> Place {
    let place = Place::new();
    for name in ["kinds.yaml", "streams.csv", "field.safetensors", "speeds.sh"] {
        std::fs::copy(project("tests/golden").join(name), place.path(name)).unwrap();
    }
    place
}

/// Names of its stages and their kinds, in the order of the plan: each after those that it needs.
pub fn stages(place: &Place) -> Vec<(String, String)> {
    let plan = place.well(&["plan", "kinds.yaml"]).out;
    let rows = plan
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|cells| cells.len() > 2 && ["run", "after"].contains(&cells[0]));
    rows.map(|cells| (cells[1].to_owned(), cells[2].to_owned())).collect()
}

/// Contents of all outputs by kind, fingerprint and file.
pub fn outputs(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    crate::trainings::outputs(&place.path("results"))
}

#[test]
fn every_kind_of_the_catalog_is_in_the_small_pipeline() {
    let place = place();
    let schema: serde_json::Value = serde_json::from_str(&place.well(&["schema"]).out).unwrap();
    let kinds: BTreeSet<&str> = schema["$defs"]["stage"]["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let stages = stages(&place);
    let here: BTreeSet<&str> = stages.iter().map(|(_, kind)| kind.as_str()).collect();
    assert!(kinds.len() >= 19, "{kinds:?}");
    assert_eq!(here, kinds, "add a stage of each kind to tests/golden/kinds.yaml");
}

/// Each stage alone in a run, so that it is granted all threads there are, in a process that did nothing before; beside a run of all, in
/// which a few processes do one stage after the other. Tensors of the trainings are large enough that libtorch shares
/// them among its threads.
#[test]
fn every_kind_gives_the_same_bytes_on_one_two_and_three_threads() {
    let one = place();
    one.well(&["run", "kinds.yaml", "--threads", "1"]);
    let stages = stages(&place());
    let expected = outputs(&one);
    for threads in ["2", "3"] {
        let place = place();
        for (stage, kind) in &stages {
            place.well(&["run", "kinds.yaml", "--threads", threads, "--to", stage]);
            let wrong = |(path, bytes): &(&PathBuf, &Vec<u8>)| expected.get(*path) != Some(bytes);
            let found = outputs(&place);
            let wrong: Vec<_> = found.iter().filter(wrong).map(|(path, _)| path).collect();
            assert!(
                wrong.is_empty(),
                "{threads} threads change what {stage}, of kind {kind}, gives: {wrong:?}"
            );
        }
        assert_eq!(outputs(&place).len(), expected.len());
    }
}

/// Where a sum on tensors is shared as `on` states, the number is in the key: another one is another stage.
#[test]
fn threads_that_are_stated_are_in_the_key_of_a_training_and_of_no_other() {
    let place = place();
    let text = std::fs::read_to_string(place.path("kinds.yaml")).unwrap();
    let field = "train_potential: { from: { train: sets.train } }\n";
    let orbits = "seed: 1 }\n  tori:";
    assert!(text.contains(field) && text.contains(orbits));
    place.well(&["run", "kinds.yaml", "--to", "field"]);
    let plan = |text: String| {
        place.write("kinds.yaml", &text);
        let plan = place.well(&["plan", "kinds.yaml", "--to", "field"]).out;
        plan.lines().filter(|line| line.trim_start().starts_with("run")).count()
    };
    let on = |threads: u32| field.replace("} }\n", &format!("}}, on: {{ threads: {threads} }} }}\n"));
    assert_eq!(plan(text.replace(field, &on(1))), 0);
    assert_eq!(plan(text.replace(field, &on(2))), 1);
    let of_orbits = orbits.replace("}\n", "}\n      on: { threads: 2 }\n");
    assert_eq!(plan(text.replace(orbits, &of_orbits)), 0);
}
