//! What every command has: answers in JSON with documented fields, quiet, more, and colours.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::data::{SMALL, swept};
use crate::program::{Gave, PROGRAM, Place, project};

/// A place where a sweep was run, with a table for commands that take one.
fn place() -> Place {
    let place = Place::with(&swept());
    place.write("small.yaml", &SMALL.replace("pipeline: small", "pipeline: other"));
    place.well(&["run", "p.yaml"]);
    place.well(&["run", "small.yaml"]);
    std::fs::copy(project("tests/reference/clusters.csv"), place.path("stars.csv")).unwrap();
    place
}

/// Every command that answers, with arguments of its own.
fn calls(place: &Place) -> Vec<(&'static str, Vec<String>)> {
    let recorded = json(&place.well(&["runs", "--json"]));
    let run = |n: usize| recorded["runs"][n]["run"].as_str().unwrap().to_owned();
    let shown = json(&place.well(&["show", "small.yaml", "--json"]));
    let file = shown["outputs"][0]["file"].as_str().unwrap().to_owned();
    let of = |words: &str| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let shared = format!("file://{}", place.path("shared").display());
    vec![
        ("run", of("run p.yaml")),
        ("plan", of("plan p.yaml -p seed=9")),
        ("why", of("why small.yaml truth")),
        ("status", of("status p.yaml")),
        ("show", of("show small.yaml truth")),
        ("show", of("show small.yaml")),
        ("export", of("export small.yaml:truth -o truth.fits")),
        ("graph", of("graph p.yaml")),
        ("sweep", of("sweep p.yaml")),
        ("table", of("table p.yaml")),
        ("compare", of("compare small.yaml small.yaml")),
        ("report", of("report p.yaml")),
        ("runs", of("runs")),
        ("runs where", [of("runs where"), vec![file]].concat()),
        ("runs diff", [of("runs diff"), vec![run(0), run(1)]].concat()),
        ("runs note", [of("runs note"), vec![run(0)], of("--tag good")].concat()),
        ("runs restore", [of("runs restore"), vec![run(0)], of("again")].concat()),
        ("runs", of("runs --tag good")),
        ("cancel", of("cancel small.yaml")),
        ("cache gc", of("cache gc")),
        ("cache gc", of("cache gc --list")),
        (
            "cache status",
            of("cache status --cache file:///tmp/none-of-these --cache-mode read"),
        ),
        (
            "cache push",
            vec![
                "cache".to_owned(),
                "push".to_owned(),
                "small.yaml".to_owned(),
                "--cache".to_owned(),
                shared.clone(),
            ],
        ),
        (
            "cache pull",
            vec![
                "cache".to_owned(),
                "pull".to_owned(),
                "small.yaml".to_owned(),
                "--cache".to_owned(),
                shared,
            ],
        ),
        ("cache verify", of("cache verify")),
        ("export", of("export small.yaml -o small.zip")),
        ("import", of("import small.zip -o theirs")),
        ("explain", of("explain isochrone")),
        ("explain", of("explain")),
        ("doctor", of("doctor")),
        (
            "actions",
            of("actions stars.csv --potential mcmillan_17 --samples 0 -o a.csv"),
        ),
        ("new", of("new mine.yaml")),
        ("fmt", of("fmt --edition 2 --check p.yaml")),
    ]
}

fn json(gave: &Gave) -> Value {
    serde_json::from_str(&gave.out).unwrap_or_else(|error| panic!("{error}\n{}", gave.out))
}

/// Commands whose answer is no object: JSON already, a shell's, a picture that moves, or none; `predict` is `actions` with a network.
const OTHERS: [&str; 4] = ["schema", "completions", "predict", "watch"];

#[test]
fn every_command_answers_in_json_with_the_fields_that_are_documented() {
    let place = place();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (command, words) in calls(&place) {
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        let answer = json(&place.well(&words));
        let schema = json(&place.well(&["schema", "--of", command]));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{words:?}: {wrong:?}\n{answer}");
        // No field is missing from the page.
        let known = schema["properties"].as_object().unwrap();
        for field in answer.as_object().unwrap().keys() {
            assert!(known.contains_key(field), "{words:?}: {field} is not documented");
        }
        seen.insert(command);
    }
    // Nor is a command of the page, of commands within one.
    let documented = place.well(&["explain", "answers"]).out;
    let documented = documented.lines().filter_map(|line| line.strip_prefix("## "));
    for command in documented
        .flat_map(|line| line.split(", "))
        .filter(|command| *command != "predict")
    {
        assert!(seen.contains(command), "{command} is not tried with --json");
    }
    let seen: BTreeSet<&str> = seen.iter().filter_map(|command| command.split(' ').next()).collect();
    let help = place.well(&["--help"]).out;
    let commands = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with('-'));
    let commands: BTreeSet<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 18, "{commands:?}");
    for command in commands {
        assert!(
            seen.contains(command) || OTHERS.contains(&command),
            "{command} is not tried with --json"
        );
    }
}

#[test]
fn json_tells_what_words_tell() {
    let place = place();
    let recorded = json(&place.well(&["runs", "--json"]));
    let run = recorded["runs"][0]["run"].as_str().unwrap();
    let noted = json(&place.well(&["runs", "note", run, "the one of the paper", "--tag", "best", "--json"]));
    assert_eq!(
        (&noted["notes"][0], &noted["tags"][0]),
        (&"the one of the paper".into(), &"best".into())
    );
    let words = place.well(&["runs", "--tag", "best"]).out;
    assert!(
        words.contains("#best") && words.contains("the one of the paper"),
        "{words}"
    );
    let restored = json(&place.well(&["runs", "restore", run, "again", "--json"]));
    assert!(
        std::path::Path::new(restored["files"][0].as_str().unwrap()).ends_with("small.yaml"),
        "{restored}"
    );
    let here = place.path("").display().to_string();
    let command = restored["command"]
        .as_str()
        .unwrap()
        .replace("[place]", here.trim_end_matches('/'));
    let command = command.strip_prefix("actionfinder ").unwrap();
    // One name belongs to one file.
    std::fs::remove_file(place.path("small.yaml")).unwrap();
    let again = place.well(&command.split_whitespace().collect::<Vec<_>>());
    assert!(again.err.contains("all fresh"), "{}", again.err);
    let cancelled = json(&place.well(&["cancel", "again/small.yaml", "--json"]));
    assert_eq!(cancelled, serde_json::json!({ "pipeline": "other", "jobs": 0 }));
    let answer = json(&place.well(&["status", "p.yaml", "--json"]));
    let stages = answer["stages"].as_array().unwrap();
    let words = place.well(&["status", "p.yaml"]).out;
    assert!(
        words.contains(&format!("{0} of {0} stages done", stages.len())),
        "{words}"
    );
    let swept = json(&place.well(&["sweep", "p.yaml", "--json"]));
    let numbers: Vec<f64> = swept["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["results"][swept["by"][0].as_str().unwrap()].as_f64().unwrap())
        .collect();
    assert!(numbers.len() > 1 && numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn quiet_leaves_the_answer_and_errors() {
    let place = Place::with(SMALL);
    let gave = place.well(&["run", "p.yaml", "-q"]);
    assert_eq!(gave.err, "");
    assert!(gave.out.contains("δJ"), "{}", gave.out);
    let wrong = place.run(&["-q", "plan", "nowhere.yaml"]);
    assert!(wrong.code != 0 && !wrong.err.is_empty());
    place.write("bad.csv", "a,b\n1,2\n");
    place.write(
        "fails.yaml",
        "pipeline: fails\nstages: { s: { import_streams: { with: { path: bad.csv, columns: { stream: a, x: b, y: b, z: b, vx: b, vy: b, \
         vz: nothing } } } } }\n",
    );
    let failed = place.run(&["run", "fails.yaml", "-q"]);
    assert!(failed.code != 0 && failed.err.contains("nothing"), "{}", failed.err);
}

#[test]
fn verbose_tells_numbers_and_what_is_fresh() {
    let place = Place::with(SMALL);
    let gave = place.well(&["run", "p.yaml", "-v"]);
    assert!(gave.err.contains("told  orbits: largest_energy_error"), "{}", gave.err);
    let plain = place.well(&["status", "p.yaml"]).out;
    let more = place.well(&["status", "p.yaml", "-v"]).out;
    assert!(
        !plain.contains("largest_energy_error") && more.contains("largest_energy_error"),
        "{more}"
    );
}

#[test]
fn colours_come_when_they_are_told_to() {
    let place = Place::new();
    let escape = '\u{1b}';
    let of = |arguments: &[&str], no_color: &str| {
        let output = place.command(arguments).env("NO_COLOR", no_color).output().unwrap();
        place.gave(output).err
    };
    let wrong = ["show", "p.yaml"];
    assert!(!of(&wrong, "").contains(escape), "this is no terminal");
    assert!(of(&["show", "x.parquet", "--color", "always"], "1").contains(escape));
    assert!(!of(&["show", "x.parquet", "--color", "never"], "").contains(escape));
    assert!(!of(&["nonsense", "--color=never"], "").contains(escape));
    assert!(of(&["nonsense", "--color=always"], "").contains(escape));
}

/// What a newcomer may do first, and what each is told.
#[test]
fn first_errors_say_what_to_do() {
    let place = Place::new();
    place.write("stars.csv", "a,b\n1,2\n");
    for (arguments, told) in [
        (&["run"][..], "actionfinder run"),
        (&["run", "nowhere.yaml"], "nowhere.yaml"),
        (&["run", "stars.csv"], "new --from stars.csv"),
        (&["status", "stars.csv"], "new --from stars.csv"),
        (&["start"], "status"),
        (&["help", "me"], "--help"),
    ] {
        let gave = place.run(arguments);
        assert!(
            gave.code != 0 && gave.err.contains(told),
            "{arguments:?} does not say {told}:\n{}",
            gave.err
        );
    }
}

/// The ten commonest troubles, each provoked.
#[test]
fn doctor_finds_troubles_and_says_what_to_do() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    place.write("text", "no library");
    place.write("results/future", "");
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(900_000);
    let damaged = Place::with(SMALL);
    damaged.well(&["run", "p.yaml"]);
    let records = damaged.path("results/cache/runs/small");
    for record in std::fs::read_dir(records).unwrap() {
        let record = record.unwrap().path();
        if record.extension().is_some_and(|ending| ending == "json") {
            std::fs::write(record, "{").unwrap();
        }
    }
    let text = place.path("text").display().to_string();
    let variables: [(&str, &str, &str); 6] = [
        ("tensor library", "ACTIONFINDER_TENSOR_LIBRARY", "/nowhere.so"),
        ("libtorch", "ACTIONFINDER_TENSOR_LIBRARY", &text),
        ("LIBTORCH", "LIBTORCH", "/nowhere"),
        ("CPU threads", "OMP_NUM_THREADS", "all"),
        ("temporary files", "TMPDIR", "/nowhere"),
        ("results folder", "ACTIONFINDER_RESULTS", &text),
    ];
    let bad = |gave: &Gave, name: &str| {
        let line = gave
            .out
            .lines()
            .position(|line| line.starts_with("BAD") && line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not BAD:\n{}", gave.out));
        let help = gave.out.lines().nth(line + 1).unwrap_or_default();
        assert!(help.contains("help: "), "{name}:\n{}", gave.out);
        assert_eq!(gave.code, 4);
    };
    for (name, variable, value) in variables {
        let output = place.command(&["doctor"]).env(variable, value).output().unwrap();
        bad(&place.gave(output), name);
    }
    bad(&place.run(&["doctor", "--results", "/proc/self"]), "disk free");
    bad(&damaged.run(&["doctor"]), "run records");
    let file = std::fs::File::options()
        .write(true)
        .open(place.path("results/future"))
        .unwrap();
    file.set_modified(future).unwrap();
    bad(&place.run(&["doctor"]), "clock");
    for (name, limit) in [("open files", "-n 64"), ("memory", "-v 6000000")] {
        let script = format!("ulimit {limit}; exec {PROGRAM} doctor");
        let mut shell = std::process::Command::new("sh");
        let output = shell
            .args(["-c", &script])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        bad(&place.gave(output), name);
    }
}
