//! A pipeline that uses others, from the first run to every command that reads its results.

use crate::data::SMALL;
use crate::program::Place;

const OUTER: &str = "\
pipeline: outer
params: { seed: 1 }
use:
  toys: { pipeline: inner/small.yaml, with: { seed: $seed } }
stages:
  again: { compare: { from: { predicted: toys.guess, truth: toys.truth }, with: { row: \"seed ${seed}\" } } }
sweep: { axes: { seed: [1, 2] } }
";

const ROWS: &str = "sweep: { rows: [{ scale: 5.8 }, { scale: 5.2 }] }\n";

fn place() -> Place {
    let place = Place::with(OUTER);
    std::fs::create_dir(place.path("inner")).unwrap();
    place.write("inner/small.yaml", &format!("{SMALL}{ROWS}"));
    place
}

#[test]
fn used_stages_run_and_are_shown_under_their_names() {
    let place = place();
    let ran = place.well(&["run", "p.yaml"]);
    // Per seed: orbits, truth, sample; per seed and row: guess, errors, again.
    assert!(ran.err.contains("18 ran"), "{}", ran.err);
    let status = place.well(&["status", "p.yaml"]).out;
    assert!(status.contains("outer: 18 of 18 stages done"), "{status}");
    for label in [
        "toys.orbits[seed=2]",
        "toys.guess[seed=1,scale=5.8]",
        "again[seed=2,toys.scale=5.2]",
    ] {
        assert!(status.contains(label), "{label}\n{status}");
    }
    let table = place.well(&["table", "p.yaml"]).out;
    assert!(table.contains("| seed 1 |") && table.contains("toys.errors"), "{table}");
    let sweep = place
        .well(&["sweep", "p.yaml", "--by", "toys.errors.delta_J", "--each"])
        .out;
    let heading = sweep.lines().next().unwrap();
    assert!(heading.contains("seed") && heading.contains("toys.scale"), "{sweep}");
    assert_eq!(sweep.lines().count(), 5, "{sweep}");
    place.well(&["show", "p.yaml", "toys.truth[seed=1].stars"]);
    place.well(&["why", "p.yaml", "toys.guess[seed=1,scale=5.8]"]);
    place.well(&["graph", "p.yaml"]);
    let report = std::fs::read_to_string(place.path("results/outer/report.html")).unwrap();
    assert!(
        report.contains("toys.errors") && report.contains("toys: compare"),
        "the report"
    );
    // What the used pipeline ran is not run again on its own.
    let alone = place.well(&["run", "inner/small.yaml"]);
    assert!(alone.err.contains("all fresh"), "{}", alone.err);
    let part = place.well(&["plan", "p.yaml", "--to", "toys"]).out;
    assert!(part.contains("14 fresh"), "{part}");
}

/// The seal of a pipeline answers for the files that it uses too.
#[test]
fn a_changed_used_file_is_seen() {
    let place = place();
    place.well(&["run", "p.yaml"]);
    assert!(place.well(&["run", "p.yaml"]).err.contains("all fresh"));
    let changed = format!("{SMALL}{ROWS}").replace("scale: 5.2", "scale: 5.3");
    place.write("inner/small.yaml", &changed);
    let ran = place.well(&["run", "p.yaml"]);
    assert!(ran.err.contains("6 ran"), "{}", ran.err);
    std::fs::remove_file(place.path("inner/small.yaml")).unwrap();
    let refused = place.run(&["run", "p.yaml"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(
        refused.err.contains("p.yaml:4:21") && refused.err.contains("does not exist"),
        "{}",
        refused.err
    );
    // The texts of both files are kept with the record of the run.
    let runs = place.path("results/cache/runs/outer");
    let texts = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
    let mut texts = texts.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    assert!(texts.any(|path| std::fs::read_to_string(path).unwrap().contains("scale: 5.3")));
}

#[test]
fn the_first_edition_runs_with_a_note() {
    let place = Place::with(&SMALL.replace("$seed", "\"${seed}\""));
    let planned = place.well(&["plan", "p.yaml"]);
    assert_eq!(
        planned.err.matches("note: p.yaml is in the first edition").count(),
        1,
        "{}",
        planned.err
    );
    let refused = place.run(&["plan", "p.yaml", "-p", "toys.seed=1"]);
    assert!(
        refused.err.contains("there is no parameter `toys.seed`"),
        "{}",
        refused.err
    );
}
