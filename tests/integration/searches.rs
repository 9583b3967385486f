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
    let report = std::fs::read_to_string(place.path("results/small/report.html")).unwrap();
    let said = "<h2>Search for errors.delta_J</h2>";
    assert!(
        report.contains(said) && report.contains("12 trials with a result"),
        "how much each parameter matters"
    );
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
            .contains("the search wants errors.delta_E, which no stage told; there are: errors.delta_J"),
        "{}",
        wrong.err
    );
}

/// A search for the learning rate of a small training, half of each batch given up after two epochs.
fn halving(epochs: usize) -> String {
    let text = crate::trainings::CHAIN
        .split("  inverse:")
        .next()
        .unwrap()
        .replace("epochs: 5,", "epochs: 6, rate: 1e-3,");
    let text = text.replace(
        "training: { epochs: $epochs }",
        "training: { epochs: $epochs, learning_rate: $rate }",
    );
    format!(
        "{text}sweep:\n  search:\n    over: {{ rate: {{ log: [1e-4, 1e-2] }} }}\n    minimize: errors.delta_J\n    \
         trials: 8\n    batch: 4\n    method: sobol\n    prune: {{ stage: actions, at: [2, {epochs}] }}\n"
    )
}

/// Half of a batch is given up after two epochs and half of the rest after four: the same ones when it is killed in between, and with
/// other threads. They keep their checkpoints, and go on from there.
#[test]
fn trials_that_are_given_up_are_the_same_after_an_interruption() {
    let whole = Place::with(&halving(4));
    let plan = whole.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("4 of 8 trials are known, 0 given up early"), "{plan}");
    let run = whole.well(&["run", "p.yaml", "--threads", "1", "--log", "plain"]);
    let board = whole.well(&["sweep", "p.yaml"]).out;
    let count = |words: &str| board.lines().filter(|line| line.contains(words)).count();
    assert_eq!(
        [count("given up after 2 epochs"), count("given up after 4 epochs")],
        [4, 2],
        "{board}\n{}",
        run.err
    );
    let pauses = run.err.lines().filter(|line| line.starts_with("  pause ")).count();
    assert_eq!(pauses, 8 + 4, "each once: {}", run.err);
    // Nothing is left to do.
    assert_eq!(whole.run(&["plan", "p.yaml", "--check"]).code, 0);
    let again = whole.well(&["run", "p.yaml", "--log", "plain"]);
    assert!(again.err.contains("0 ran"), "{}", again.err);
    let place = Place::with(&halving(4));
    let trained = place.path("results/checkpoints");
    for wanted in [2, 5] {
        let mut child = place.command(&["run", "p.yaml", "--threads", "2"]).spawn().unwrap();
        let begun = Instant::now();
        let count = || {
            let folders = std::fs::read_dir(&trained).into_iter().flatten().flatten();
            folders
                .filter(|folder| folder.path().join("rungs.json").exists())
                .count()
        };
        while count() < wanted && child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.well(&["run", "p.yaml", "--threads", "2"]);
    assert_eq!(place.well(&["sweep", "p.yaml"]).out, board);
    // What gc would remove is none of their checkpoints.
    let before = std::fs::read_dir(&trained).unwrap().count();
    assert_eq!(before, 6);
    place.well(&["gc", "--remove"]);
    assert_eq!(std::fs::read_dir(&trained).unwrap().count(), before);
    // One of them goes on where it is run by itself: to the same bytes as one that was never paused.
    let trial = board.lines().find(|line| line.contains("given up after 4")).unwrap();
    let rate = format!("rate={}", trial.split_whitespace().nth(1).unwrap());
    let plan = place.well(&["plan", "p.yaml", "-p", &rate]).out;
    assert!(plan.contains("unfinished: goes on from its checkpoint"), "{plan}");
    place.well(&["run", "p.yaml", "-p", &rate]);
    let alone = Place::with(&halving(4));
    alone.well(&["run", "p.yaml", "-p", &rate]);
    let bytes = |place: &Place| {
        let shown = place.well(&["show", "p.yaml", "actions", "-p", &rate]).out;
        std::fs::read(place.path(shown.lines().next().unwrap())).unwrap()
    };
    assert!(bytes(&place) == bytes(&alone));
    // That its training is done now changes no trial.
    assert_eq!(place.well(&["sweep", "p.yaml"]).out, board);
}
