//! Looking on at runs, and running again when something changes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::data::SMALL;
use crate::program::Place;
use crate::searches::searching;

#[test]
fn a_run_is_watched_from_elsewhere() {
    let place = Place::with(&searching(16, ""));
    let none = place.well(&["watch", "p.yaml"]);
    assert!(none.err.contains("no run of small is at work in"), "{}", none.err);
    assert!(!place.path("results").exists(), "looking writes nothing");
    let mut child = place
        .command(&["run", "p.yaml", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let lines = loop {
        let seen = place.run(&["watch", "p.yaml", "--json"]);
        if !seen.out.is_empty() {
            assert_eq!(seen.code, 0, "{}", seen.err);
            break seen.out;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never seen");
    };
    assert!(child.wait().unwrap().success());
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is = |event: &Value, name: &str| event["event"] == name;
    assert!(is(&events[0], "run_started"), "it is told from its beginning: {lines}");
    let finished = events.iter().filter(|event| is(event, "stage_finished")).count();
    let state: Value = serde_json::from_slice(&std::fs::read(place.path("results/small/state.json")).unwrap()).unwrap();
    assert_eq!(finished, state["stages"].as_object().unwrap().len());
    let trials = &events.iter().rfind(|event| is(event, "trials")).unwrap()["trials"];
    let found: Vec<f64> = trials
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| trial["objectives"]["errors.delta_J"].as_f64().unwrap())
        .collect();
    assert!(found.len() == 16 && found.is_sorted(), "all, best first: {lines}");
    for file in ["live.json", "live.lock"] {
        assert!(!place.path("results/small").join(file).exists(), "{file} is left");
    }
}

/// Lines of its standard error until one has these words.
fn until(lines: &mut impl Iterator<Item = String>, words: &str) {
    assert!(lines.any(|line| line.contains(words)), "it never said {words}");
}

#[test]
fn a_run_that_watches_runs_again_when_something_changes() {
    let place = Place::with(SMALL);
    let mut child: Child = place
        .command(&["run", "p.yaml", "--watch", "--log", "plain"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let mut lines = errors.lines().map_while(Result::ok);
    until(&mut lines, "5 ran, 0 fresh");
    until(&mut lines, "looking at 1 file;");
    place.write("p.yaml", &SMALL.replace("scale: 5.5 }", "scale: 5.8 }"));
    until(&mut lines, "p.yaml changed");
    until(&mut lines, "ran, ");
    until(&mut lines, "looking at");
    place.write("p.yaml", "pipeline: [");
    until(&mut lines, "p.yaml changed");
    until(&mut lines, "looking at");
    place.write("p.yaml", SMALL);
    until(&mut lines, "0 ran, 5 fresh");
    until(&mut lines, "looking at");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
