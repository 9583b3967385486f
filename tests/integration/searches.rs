//! Sweeps that search.

use std::time::{Duration, Instant};

use crate::data::SMALL;
use crate::program::Place;

/// A search for the scale and the mass of the potential, which are those of the orbits: 5 kpc and 3.334e11 M_sun.
pub fn searching(trials: usize, more: &str) -> String {
    let text = SMALL.replace("scale: 5.5 }", "scale: 5.5, mass: 3.334e11 }");
    let text = text.replace("mass: 3.334e11, scale: $scale", "mass: $mass, scale: $scale");
    format!(
        "{text}sweep:\n  search:\n    over: {{ scale: {{ uniform: [\"4 kpc\", \"7 kpc\"] }}, mass: {{ log: [2e11, 5e11] }} }}\n    \
         minimize: errors.delta_J\n    trials: {trials}\n    batch: 4\n{more}"
    )
}

fn trials(place: &Place) -> Vec<Vec<String>> {
    let board = place.well(&["sweep", "p.yaml"]).out;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    board.lines().skip(1).map(words).collect()
}

#[test]
fn a_search_learns_and_goes_on() {
    let place = Place::with(&searching(12, ""));
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(
        plan.contains("search: 4 of 12 trials are known; the next depend on their results"),
        "{plan}"
    );
    place.well(&["run", "p.yaml", "--threads", "2"]);
    let first = trials(&place);
    assert_eq!(first.len(), 12);
    let errors: Vec<f64> = first.iter().map(|line| line[4].parse().unwrap()).collect();
    assert!(errors.is_sorted(), "best first: {errors:?}");
    assert_eq!(place.well(&["sweep", "p.yaml", "--top", "3"]).out.lines().count(), 4);
    assert!(
        place
            .well(&["plan", "p.yaml", "--check"])
            .out
            .contains("search: all 12 trials are known")
    );
    // Enlarged, it goes on from there: only new trials run.
    place.write("p.yaml", &searching(16, ""));
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(
        plan.contains("search: all 16 trials are known") && plan.contains("4 would run, 4 after them, 27 fresh"),
        "{plan}"
    );
    place.well(&["run", "p.yaml"]);
    let mut numbers: Vec<usize> = trials(&place).iter().map(|line| line[0].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
}

/// One that was killed in the middle, with other threads, gives what one that was not gives.
#[test]
fn an_interrupted_search_gives_the_same_trials() {
    let whole = Place::with(&searching(20, ""));
    whole.well(&["run", "p.yaml", "--threads", "1"]);
    let place = Place::with(&searching(20, ""));
    let guesses = place.path("results/cache/v1/estimate_actions");
    for wanted in [3, 9, 15] {
        let mut child = place.command(&["run", "p.yaml", "--threads", "3"]).spawn().unwrap();
        let begun = Instant::now();
        let count = || std::fs::read_dir(&guesses).map_or(0, Iterator::count);
        while count() < wanted && child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.well(&["run", "p.yaml"]);
    assert_eq!(trials(&place), trials(&whole));
    // What the last run kept of its trials only saves time.
    std::fs::write(place.path("results/small/search.json"), "{}").unwrap();
    assert_eq!(trials(&place), trials(&whole));
    std::fs::write(
        place.path("results/small/search.json"),
        "{\"[1,2]\":{\"objectives\":[1.0],\"violation\":0.0,\"seconds\":1.0}}",
    )
    .unwrap();
    assert_eq!(trials(&place), trials(&whole));
}

/// A trial that fails has no result, is not tried again in the same run, and the search goes on.
#[test]
fn trials_may_fail_or_be_out_of_bounds() {
    let bounds = "    within: { errors.delta_theta: { at_most: 20 } }\n";
    let place = Place::with(&searching(8, bounds));
    place.well(&["run", "p.yaml"]);
    let board = place.well(&["sweep", "p.yaml"]).out;
    let marks: Vec<bool> = board
        .lines()
        .skip(1)
        .map(|line| line.contains("out of bounds by"))
        .collect();
    assert!(marks.is_sorted(), "those out of bounds come behind: {board}");
    let two = searching(8, "").replace(
        "minimize: errors.delta_J",
        "minimize: [errors.delta_J, errors.delta_theta]",
    );
    place.write("p.yaml", &two);
    place.well(&["run", "p.yaml"]);
    assert!(place.well(&["sweep", "p.yaml"]).out.contains("front"));
    place.write("p.yaml", &searching(8, "").replace("errors.delta_J", "errors.delta_E"));
    let wrong = place.run(&["plan", "p.yaml"]);
    assert_eq!(wrong.code, 3);
    assert!(
        wrong
            .err
            .contains("the search wants errors.delta_E, which no stage told; there are: delta_J"),
        "{}",
        wrong.err
    );
}
