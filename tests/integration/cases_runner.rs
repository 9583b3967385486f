//! Cases of the runner: what goes on while it runs, and the folder it writes to.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::data::{SMALL, swept};
use crate::program::{Gave, Place, project};

fn case(name: &str) -> Place {
    let yaml = project(&format!("tests/cases/{name}/p.yaml"));
    Place::with(&std::fs::read_to_string(yaml).unwrap())
}

/// A run that goes on, whose events are read one by one.
struct Going<'a> {
    place: &'a Place,
    child: Child,
    events: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl<'a> Going<'a> {
    fn start(place: &'a Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        command.args(["--log", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { place, child, events }
    }

    /// Waits until this event comes, of this stage if one is named.
    fn until(&mut self, event: &str, stage: &str) {
        let found = self.events.by_ref().any(|line| {
            let told: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            told["event"] == event && (stage.is_empty() || told["stage"] == stage)
        });
        assert!(found, "{event} {stage} did not come");
    }

    fn end(mut self) -> Gave {
        self.events.by_ref().for_each(drop);
        self.place.gave(self.child.wait_with_output().unwrap())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path);
        }
    }
    files
}

/// The only record of a run whose name begins so.
fn record(place: &Place, pipeline: &str, begins: &str) -> serde_json::Value {
    let folder = place.path(&format!("results/cache/runs/{pipeline}"));
    let mut found = files_below(&folder).into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(begins) && name.ends_with(".json")
    });
    let path = found.next().unwrap_or_else(|| panic!("no record {begins}"));
    assert_eq!(found.next(), None);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn gc_during_run() {
    let place = case("gc_during_run");
    let mut run = Going::start(&place, &["run", "p.yaml"]);
    run.until("stage_started", "actions");
    let gc = place.run(&["gc", "--remove", "--checkpoints"]);
    assert_eq!(gc.code, 4, "{}{}", gc.out, gc.err);
    assert!(
        gc.err.contains("a run goes on") && gc.err.contains("process "),
        "{}",
        gc.err
    );
    // Only looking is allowed, and finds that the run may need all.
    assert_eq!(place.well(&["gc"]).out.lines().count(), 1);
    let gave = run.end();
    assert_eq!(gave.code, 0, "{}", gave.err);
    assert!(place.well(&["gc", "--remove"]).out.starts_with("nothing is unused"));
    assert_eq!(place.run(&["plan", "p.yaml", "--check"]).code, 0);
}

/// What a run made that was killed before its end stays.
#[test]
fn gc_after_a_killed_run() {
    let place = case("gc_during_run");
    let mut run = Going::start(&place, &["run", "p.yaml"]);
    run.until("stage_started", "actions");
    run.kill();
    let gc = place.well(&["gc", "--remove"]).out;
    assert!(gc.starts_with("nothing is unused"), "{gc}");
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("2 fresh"), "{plan}");
    let listed = place.well(&["gc", "--list"]).out;
    assert!(listed.contains("p/whole-") && listed.contains("not ended"), "{listed}");
}

#[test]
fn seal_yaml_edited_during_run() {
    let place = case("seal_yaml_edited_during_run");
    let text = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    let mut run = Going::start(&place, &["run", "p.yaml", "-p", "epochs=2"]);
    run.until("run_started", "");
    place.write("p.yaml", &text.replace("seed: 1, epochs", "seed: 2, epochs"));
    assert_eq!(run.end().code, 0);
    let plan = place.well(&["plan", "p.yaml", "-p", "epochs=2"]).out;
    assert!(plan.contains("parameter seed: 1 → 2"), "{plan}");
    place.well(&["run", "p.yaml", "-p", "epochs=2"]);
    let entries = files_below(&place.path("results/cache/v1/integrate_orbits"));
    let fingerprints = entries.iter().filter(|path| path.ends_with("fingerprint.json"));
    let mut seeds: Vec<bool> = fingerprints
        .map(|path| std::fs::read_to_string(path).unwrap().contains("\"seed\":2"))
        .collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [false, true]);
    // Each record has the text that its run read.
    let copies = files_below(&place.path("results/cache/runs/p"));
    let copies = copies
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let mut copies: Vec<String> = copies.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    copies.sort_by_key(|copy| *copy != text);
    assert_eq!(copies.len(), 2);
    assert!(copies[0] == text && copies[1].contains("seed: 2, epochs"));
}

#[test]
fn results_dangling_link() {
    let place = case("results_dangling_link");
    std::os::unix::fs::symlink("nowhere", place.path("results")).unwrap();
    for command in [
        ["run", "p.yaml"],
        ["plan", "p.yaml"],
        ["status", "p.yaml"],
        ["gc", "--remove"],
    ] {
        let gave = place.run(&command);
        assert_eq!(gave.code, 4, "{command:?}: {}{}", gave.out, gave.err);
        assert!(
            gave.err.contains("results is a link to nowhere, which is not there"),
            "{command:?}: {}",
            gave.err
        );
    }
    std::fs::create_dir(place.path("nowhere")).unwrap();
    place.well(&["run", "p.yaml"]);
    std::fs::remove_file(place.path("results")).unwrap();
    place.write("results", "a file");
    assert!(place.run(&["run", "p.yaml"]).err.contains("results is no folder"));
}

#[test]
fn results_env_empty() {
    let place = case("results_env_empty");
    let mut run = place.command(&["run", "p.yaml"]);
    let gave = place.gave(run.env("ACTIONFINDER_RESULTS", "").output().unwrap());
    assert_eq!(gave.code, 0, "{}", gave.err);
    let names: BTreeSet<_> = std::fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["p.yaml", "results"]);
}

#[test]
fn a_part_has_its_own_report() {
    let place = Place::with(&swept());
    place.well(&["run", "p.yaml"]);
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    let whole = ["report.html", "metrics.parquet"].map(|name| format!("results/small/{name}"));
    let before = whole.clone().map(|name| read(&name));
    for arguments in [["-p", "scale=5.8"], ["-p", "seed=2"], ["--to", "truth"]] {
        let part = format!(
            "results/small/parts/{}/report.html",
            arguments[1].replace("truth", "to=truth")
        );
        let gave = place.well(&["run", "p.yaml", arguments[0], arguments[1]]);
        assert!(gave.out.contains(&part), "{}", gave.out);
        assert!(place.path(&part).exists());
        // Sealed or not, it says the same.
        assert_eq!(place.well(&["run", "p.yaml", arguments[0], arguments[1]]).out, gave.out);
    }
    assert_eq!(whole.map(|name| read(&name)), before);
}

#[test]
fn two_files_cannot_have_one_name() {
    let place = Place::with(SMALL);
    place.write("q.yaml", SMALL);
    place.well(&["run", "p.yaml"]);
    for command in ["run", "plan"] {
        let gave = place.run(&[command, "q.yaml"]);
        assert_eq!(gave.code, 3, "{}", gave.err);
        assert!(
            gave.err.contains("q.yaml") && gave.err.contains("p.yaml") && gave.err.contains("`pipeline: small`"),
            "{}",
            gave.err
        );
    }
    place.well(&["plan", "p.yaml"]);
    // A file that was renamed, or that has another name now, does not stand in the way.
    std::fs::rename(place.path("p.yaml"), place.path("r.yaml")).unwrap();
    place.well(&["run", "q.yaml"]);
    place.write("q.yaml", &SMALL.replace("pipeline: small", "pipeline: other"));
    place.well(&["run", "r.yaml"]);
}

#[test]
fn a_record_tells_what_was_run() {
    let place = Place::with(&swept());
    place.well(&["run", "p.yaml", "-p", "streams=5", "--to", "truth"]);
    let record = record(&place, "small", "streams=5,to=truth-");
    let expected = [
        ("pipeline", serde_json::json!("small")),
        ("overrides", serde_json::json!([["streams", "5"]])),
        ("to", serde_json::json!(["truth"])),
        (
            "parameters",
            serde_json::json!({ "streams": 5, "seed": 1, "scale": [5.8, 5.2] }),
        ),
    ];
    for (name, value) in expected {
        assert_eq!(record[name], value, "{name}");
    }
    assert_eq!(record["needs"].as_array().unwrap().len(), 2);
    let program = record["program"].as_str().unwrap();
    assert!(program.starts_with(env!("CARGO_PKG_VERSION")), "{program}");
    for name in ["yaml", "host", "began", "ended", "run"] {
        assert!(!record[name].as_str().unwrap().is_empty(), "{name}");
    }
    assert!(record["file"].as_str().unwrap().ends_with("/p.yaml"));
    let journal = std::fs::read_to_string(place.path("results/small/runs.jsonl")).unwrap();
    assert!(journal.contains(record["run"].as_str().unwrap()));
}

#[test]
fn every_recorded_run_is_kept_until_it_is_dropped() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    place.well(&["run", "p.yaml", "-p", "seed=2"]);
    place.write("p.yaml", &SMALL.replace("seed: 1", "seed: 3"));
    place.well(&["run", "p.yaml"]);
    let kept = place.well(&["gc", "--remove"]).out;
    assert!(kept.contains("nothing is unused: 3 recorded runs"), "{kept}");
    for seed in ["1", "2", "3"] {
        let plan = place.run(&["plan", "p.yaml", "--check", "-p", &format!("seed={seed}")]);
        assert_eq!(plan.code, 0, "{}", plan.out);
    }
    assert!(
        place
            .well(&["gc", "--older-than", "1h"])
            .out
            .starts_with("nothing is unused")
    );
    assert_eq!(place.run(&["gc", "--run", "smal"]).code, 2);
    assert_eq!(place.run(&["gc", "--older-than", "3"]).code, 2);
    let listed = place.well(&["gc", "--list"]).out;
    let name = listed.lines().find(|line| line.contains("seed=2-")).unwrap();
    let name = name.split_whitespace().next().unwrap();
    let dry = place.well(&["gc", "--run", name]).out;
    assert!(
        dry.contains("5 unused folders") && dry.contains(&format!("gc --remove --run {name}")),
        "{dry}"
    );
    place.well(&["gc", "--remove", "--run", name]);
    assert!(!place.path("results/small/parts").exists());
    let fresh = |seed: &str| place.run(&["plan", "p.yaml", "--check", "-p", seed]).code == 0;
    assert_eq!([fresh("seed=1"), fresh("seed=2"), fresh("seed=3")], [true, false, true]);
    place.well(&["gc", "--remove", "--run", "small"]);
    assert_eq!(place.well(&["gc"]).out, "nothing is unused\n");
    assert!(
        files_below(&place.path("results/cache/v1"))
            .iter()
            .all(|path| path.ends_with("index") || path.ends_with("told"))
    );
}

#[test]
fn nothing_is_removed_where_a_state_or_record_is_damaged() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let record = files_below(&place.path("results/cache/runs"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "json"))
        .unwrap();
    for path in [record, place.path("results/small/state.json")] {
        let good = std::fs::read(&path).unwrap();
        for at in [1, good.len() / 2, good.len() - 2] {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            let gave = place.run(&["gc", "--remove"]);
            assert_eq!(gave.code, 4, "{}", gave.out);
            assert!(gave.err.contains("is damaged; nothing is removed"), "{}", gave.err);
        }
        // The next run writes it anew.
        place.well(&["run", "p.yaml"]);
        assert!(place.well(&["gc"]).out.starts_with("nothing is unused"));
    }
    assert_eq!(place.run(&["plan", "p.yaml", "--check"]).code, 0);
}

#[test]
fn a_failed_stage_says_so_the_next_time() {
    let import = "  mine:\n    import_streams: { with: { path: mine.csv, columns: { stream: stream, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz } } }\n";
    let place = Place::with(&(SMALL.to_owned() + import + "  sets:\n    split: { from: { stars: mine } }\n"));
    place.write("mine.csv", "stream,x,y,z,vx,vy,vz\n1,2,3,4,5,6,word\n");
    assert_eq!(place.run(&["run", "p.yaml"]).code, 4);
    assert_eq!(std::fs::read_dir(place.path("results/checkpoints")).unwrap().count(), 0);
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("failed last time: "), "{plan}");
    let status = place.well(&["status", "p.yaml"]).out;
    assert!(
        status.contains("FAILED   mine") && status.contains("because of mine"),
        "{status}"
    );
    assert!(!status.contains("unfinished"), "{status}");
    // A run of another part does not change what is known of it.
    place.well(&["run", "p.yaml", "--to", "truth"]);
    assert_eq!(place.well(&["status", "p.yaml"]).out, status);
    place.write("mine.csv", "stream,x,y,z,vx,vy,vz\n1,2,3,4,5,6,other\n");
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(!plan.contains("failed last time"), "{plan}");
}

#[test]
fn runs_at_once_lose_nothing_from_the_history() {
    let place = Place::with(SMALL);
    let runs: Vec<Child> = (1..=6)
        .map(|seed| {
            let mut command = place.command(&["run", "p.yaml", "-p", &format!("seed={seed}")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let gave = place.gave(run.wait_with_output().unwrap());
        assert_eq!(gave.code, 0, "{}", gave.err);
    }
    let table = tables::read(&place.path("results/small/history.parquet")).unwrap();
    let seeds = tables::i64_column(&table, "seed").unwrap();
    let measures = tables::str_column(&table, "metric").unwrap();
    let compared = seeds.iter().zip(measures).filter(|(_, measure)| *measure == "delta_J");
    let compared: Vec<i64> = compared.map(|(seed, _)| *seed).collect();
    for seed in 1..=6 {
        let count = compared.iter().filter(|own| **own == seed).count();
        assert_eq!(count, compared.len() / 6, "seed {seed}");
    }
    assert!(!compared.is_empty());
}

#[test]
fn a_killed_run_leaves_nothing_that_the_next_does_not_clear() {
    let undisturbed = Place::with(SMALL);
    undisturbed.well(&["run", "p.yaml"]);
    let names = |place: &Place| -> BTreeSet<String> {
        let root = place.path("results");
        let own = |path: PathBuf| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let names = files_below(&root).into_iter().map(own);
        // A seal is named by where the pipeline lies.
        names
            .map(|name| {
                if name.starts_with("cache/seals/") {
                    "a seal".to_owned()
                } else {
                    name
                }
            })
            .collect()
    };
    let place = Place::with(SMALL);
    for (event, stage) in [
        ("run_started", ""),
        ("stage_started", "orbits"),
        ("stage_finished", "truth"),
        ("run_finished", ""),
    ] {
        let mut run = Going::start(&place, &["run", "p.yaml"]);
        run.until(event, stage);
        run.kill();
    }
    place.well(&["run", "p.yaml"]);
    assert_eq!(names(&place), names(&undisturbed));
    assert_eq!(std::fs::read_dir(place.path("results/checkpoints")).unwrap().count(), 0);
    assert_eq!(
        std::fs::read_dir(place.path("results/cache/partial")).unwrap().count(),
        0
    );
}

#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    for arguments in [
        &["run", "p.yaml"][..],
        &["schema"],
        &["status", "p.yaml"],
        &["table", "p.yaml"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let gave = place.gave(place.command(arguments).stdout(full).output().unwrap());
        assert_eq!(gave.code, 4, "{arguments:?}");
        assert!(
            gave.err.contains("standard output could not be written"),
            "{}",
            gave.err
        );
    }
}

#[test]
fn files_have_the_mode_of_the_umask() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    let plain = place.path("plain");
    std::fs::write(&plain, "").unwrap();
    for path in files_below(&place.path("results")) {
        assert_eq!(mode(&path), mode(&plain), "{}", path.display());
    }
    let folder = place.path("folder");
    std::fs::create_dir(&folder).unwrap();
    for kind in std::fs::read_dir(place.path("results/cache/v1")).unwrap() {
        let kind = kind.unwrap().path();
        for entry in std::fs::read_dir(&kind).into_iter().flatten() {
            assert_eq!(mode(&entry.unwrap().path()), mode(&folder));
        }
    }
}
