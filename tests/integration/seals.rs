//! What a finished run seals for the next one changes nothing but the time it takes.

use std::path::PathBuf;

use crate::data::{SMALL, swept};
use crate::program::Place;

/// The seals of a place.
fn seals(place: &Place) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(place.path("results/cache/seals"));
    folder.map_or(Vec::new(), |folder| folder.map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn a_sealed_pipeline_says_what_planning_says() {
    for yaml in [SMALL.to_owned(), swept()] {
        let place = Place::with(&yaml);
        place.well(&["run", "p.yaml"]);
        assert_eq!(seals(&place).len(), 1);
        let commands: [&[&str]; 3] = [&["run", "p.yaml"], &["run", "p.yaml", "--dry-run"], &["plan", "p.yaml"]];
        for command in commands {
            let sealed = place.well(command);
            seals(&place)
                .iter()
                .for_each(|seal| std::fs::remove_file(seal).unwrap());
            let planned = place.well(command);
            assert_eq!((sealed.out, sealed.err), (planned.out, planned.err), "{command:?}");
            place.well(&["run", "p.yaml"]);
        }
    }
}

#[test]
fn a_run_that_seals_nothing_new_is_in_the_journal() {
    let place = Place::with(SMALL);
    let finished = || {
        let journal = std::fs::read_to_string(place.path("results/small/runs.jsonl")).unwrap();
        journal.lines().filter(|line| line.contains("run_finished")).count()
    };
    place.well(&["run", "p.yaml"]);
    place.well(&["run", "p.yaml"]);
    assert_eq!(finished(), 2);
}

#[test]
fn damage_after_sealing_is_repaired() {
    let place = Place::with(SMALL);
    let first = place.well(&["run", "p.yaml"]);
    let orbits = place.path("results/cache/v1/integrate_orbits");
    let entry = std::fs::read_dir(orbits).unwrap().next().unwrap().unwrap().path();
    let table = entry.join("stars.parquet");
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let repaired = place.well(&["run", "p.yaml"]);
    assert!(repaired.err.contains("1 ran"), "{}", repaired.err);
    assert_eq!(repaired.out, first.out);
    std::fs::remove_file(place.path("results/small/report.html")).unwrap();
    place.well(&["run", "p.yaml"]);
    assert!(place.path("results/small/report.html").exists());
}

#[test]
fn a_seal_does_not_answer_for_a_part_or_for_force() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let forced = place.well(&["run", "p.yaml", "--force", "truth"]).err;
    assert!(forced.contains("1 ran"), "{forced}");
    assert!(!place.well(&["plan", "p.yaml", "--to", "truth"]).out.contains("guess"));
    assert_eq!(place.run(&["plan", "p.yaml", "--to", "nothing"]).code, 2);
}

#[test]
fn removing_what_is_unused_removes_seals() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    place.well(&["run", "p.yaml", "-p", "seed=2"]);
    assert_eq!(seals(&place).len(), 2);
    place.well(&["gc", "--remove"]);
    assert_eq!(seals(&place).len(), 2, "nothing is unused");
    place.well(&["gc", "--remove", "--run", "small"]);
    assert_eq!(seals(&place).len(), 0);
}
