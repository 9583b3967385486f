//! Cases of the language: what a pipeline may say, and what is said of its mistakes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Gave, Place, project};

/// A folder with the files of a case.
fn case(name: &str) -> Place {
    let place = Place::new();
    for entry in std::fs::read_dir(project("tests/cases").join(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    place
}

/// Refused before anything ran, with all these parts said.
fn refused(gave: &Gave, parts: &[&str]) {
    assert_eq!(gave.code, 3, "{}{}", gave.out, gave.err);
    for part in parts {
        assert!(gave.err.contains(part), "{part} is not in\n{}", gave.err);
    }
}

#[test]
fn choices_named_wrongly() {
    let place = case("choice_messages");
    let gave = place.run(&["run", "p.yaml"]);
    refused(
        &gave,
        &[
            "`plummer` needs `mass` and `scale`",
            "write `plummer: { mass: …, scale: … }`",
            "p.yaml:4:44",
            "`piffl14` is not one of the choices",
            "did you mean `piffl_14`?",
            "p.yaml:6:44",
            "`piffl_14` has no parameters",
            "p.yaml:8:46",
            "3 mistakes",
        ],
    );
    assert!(!place.path("results").exists());
}

#[test]
fn whole_numbers_in_any_form() {
    let place = case("whole_numbers");
    place.well(&["run", "p.yaml"]);
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    let parameter = "pipeline: p\nparams: { streams: 7 }\n";
    let swept = yaml
        .replace("streams: 1e3", "streams: $streams")
        .replace("pipeline: p\n", parameter);
    let forms = [
        yaml.replace("1e3", "1000"),
        yaml.replace("1e3", "1000.0").replace("stars: 2", "stars: 2.0"),
    ];
    for form in forms {
        place.write("p.yaml", &form);
        assert!(place.well(&["run", "p.yaml"]).err.contains("all fresh"), "{form}");
    }
    place.write("p.yaml", &swept);
    let gave = place.well(&["run", "p.yaml", "-p", "streams=1e3"]);
    assert!(gave.err.contains("all fresh"), "{}", gave.err);
    place.write("half.yaml", &yaml.replace("1e3", "2.5"));
    refused(&place.run(&["plan", "half.yaml"]), &["expected a whole number", "2.5"]);
}

#[test]
fn a_range_reaches_its_end() {
    let gave = case("range_of_floats").run(&["run", "p.yaml"]);
    refused(
        &gave,
        &[
            "0.5 is not reached from 0.1 in steps of 1",
            "p.yaml:7:",
            "both ends count",
        ],
    );
}

#[test]
fn errors_on_the_sky_are_of_few_degrees() {
    let gave = case("observe_errors_b").run(&["run", "p.yaml"]);
    refused(&gave, &["at most 45 deg, not 500", "p.yaml:9:"]);
}

#[test]
fn names_are_short_enough_for_files() {
    let place = case("pipeline_name_long");
    let gave = place.run(&["run", "p.yaml"]);
    refused(&gave, &["has 300 letters", "at most 100", "p.yaml:1:11"]);
    assert!(!place.path("results").exists());
    let short = "pipeline: ".to_owned() + &"x".repeat(100);
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write(
        "p.yaml",
        &yaml.replace(&("pipeline: ".to_owned() + &"x".repeat(300)), &short),
    );
    place.well(&["run", "p.yaml"]);
}

/// What the program says of a pipeline that comes through a pipe.
fn piped(place: &Place, arguments: &[&str], yaml: &str) -> Gave {
    let mut command = place.command(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let yaml = yaml.to_owned();
    // A writer as slow as another program may be.
    let writer = std::thread::spawn(move || {
        for half in [&yaml[..yaml.len() / 2], &yaml[yaml.len() / 2..]] {
            stdin.write_all(half.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    writer.join().unwrap();
    place.gave(child.wait_with_output().unwrap())
}

#[test]
fn a_pipeline_comes_from_a_pipe() {
    let place = case("pipeline_from_pipe");
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    let gave = piped(&place, &["run", "/dev/stdin"], &yaml);
    assert_eq!(gave.code, 0, "{}{}", gave.out, gave.err);
    assert!(
        place.well(&["run", "p.yaml"]).err.contains("all fresh"),
        "it is the same pipeline"
    );
    // Relative paths start here.
    let place = case("observe_errors_b");
    let yaml = std::fs::read_to_string(place.path("p.yaml"))
        .unwrap()
        .replace("500", "5");
    let gave = piped(&place, &["run", "/dev/stdin"], &yaml);
    assert_eq!(gave.code, 0, "{}{}", gave.out, gave.err);
    let gave = piped(&place, &["plan", "/dev/stdin"], "pipeline: p\nstages: [");
    refused(&gave, &["/dev/stdin:2:", "not valid YAML"]);
}

#[test]
fn what_never_ends_is_no_pipeline() {
    let place = Place::new();
    let fifo = place.path("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for (path, part) in [
        ("/dev/zero", "device"),
        ("/dev/urandom", "device"),
        ("/dev/null", "device"),
        ("fifo", "nothing was written to"),
        (".", "folder"),
        ("nowhere.yaml", "does not exist"),
    ] {
        for command in ["plan", "run", "graph", "status"] {
            let begun = Instant::now();
            let mut started = place.command(&[command, path]);
            let gave = place.gave(started.stdin(Stdio::null()).output().unwrap());
            refused(&gave, &[part]);
            assert!(begun.elapsed() < Duration::from_secs(20), "{command} {path}");
        }
    }
}

/// However it is made, a file is refused in a moment.
#[test]
fn monstrous_files_are_refused_in_a_moment() {
    let place = Place::new();
    let texts = [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        format!("{}: 1\n", "k".repeat(70_000)),
        format!("pipeline: p\nstages: {{ a: {{ {}: {{}} }} }}\n", "k".repeat(70_000)),
        format!("pipeline: p\nparams: {{ l: [{}] }}\n", "1, ".repeat(1_000_001)),
    ];
    for text in texts {
        place.write("p.yaml", &text);
        let begun = Instant::now();
        let gave = place.run(&["plan", "p.yaml"]);
        refused(&gave, &["p.yaml"]);
        assert!(gave.err.len() < 20_000, "{} bytes are said", gave.err.len());
        assert!(!gave.err.contains("alias"), "there are no aliases: {}", gave.err);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

/// Points share what they have in common: 20,000 of five stages fit where each could have 60 kB.
#[test]
fn many_points_are_planned_in_little_memory() {
    let place = Place::with(
        "pipeline: p
params: { seed: 1 }
stages:
  orbits:
    integrate_orbits: { with: { potential: { isochrone: { mass: 3e11, scale: 5 } }, streams: 40, stars: 8, seed: $seed } }
  actions: { estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3e11, scale: 5 } } } } }
  seen: { observe: { from: { stars: actions } } }
  sets: { split: { from: { stars: seen } } }
  errors: { compare: { from: { predicted: sets.test, truth: actions } } }
sweep: { axes: { seed: { range: [1, 20000] } } }
",
    );
    // What the program reserves, which is more than it uses.
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "ulimit -v 1200000; exec \"$0\" plan p.yaml",
        crate::program::PROGRAM,
    ]);
    let output = shell.current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A plan knows how many streams there are.
#[test]
fn counts_are_held_against_each_other() {
    let place = Place::with(
        "pipeline: p
stages:
  orbits:
    integrate_orbits: { with: { potential: { isochrone: { mass: 3e11, scale: 5 } }, streams: 40, stars: 8 } }
  seen:
    observe: { from: { stars: orbits } }
  sets:
    split: { from: { stars: seen }, with: { train_streams: 32, test_streams: 16 } }
",
    );
    let gave = place.run(&["plan", "p.yaml"]);
    refused(
        &gave,
        &["the sets need 48 streams, and there are 40", "p.yaml:8:", "1 mistake"],
    );
}

/// All columns that are missing are one mistake; what does not fit is shown where it is.
#[test]
fn missing_columns_are_one_mistake_where_they_are_missed() {
    let place = Place::with(
        "pipeline: p
stages:
  orbits:
    integrate_orbits: { with: { potential: { isochrone: { mass: 3e11, scale: 5 } }, streams: 40, stars: 8 } }
  picture:
    figure: { from: { stars: orbits }, with: { draw: actions_along_orbits } }
  errors:
    compare: { from: { predicted: orbits, truth: orbits }, with: { paper: { delta_J: 2 } } }
",
    );
    let gave = place.run(&["plan", "p.yaml"]);
    refused(
        &gave,
        &[
            "input `stars` needs the columns `J_phi`, `J_z` and `J_r`",
            "p.yaml:6:30",
            "the tables do not both have J_phi",
            "p.yaml:8:86",
            "2 mistakes",
        ],
    );
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        let skipped = ["target", "third_party", "results"].contains(&name) || name.starts_with('.');
        if path.is_dir() && !skipped {
            files_below(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// What the program says in any test that keeps it is in our words: nothing of the libraries behind it, and no option that it
/// does not have.
#[test]
fn no_golden_message_has_words_of_a_library() {
    const FOREIGN: [&str; 36] = [
        "serde",
        "polars",
        "arrow",
        "safetensors::",
        "parquet::",
        "Disabled feature",
        "newtype variant",
        "tuple variant",
        "unit variant",
        "expected unit",
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown variant",
        "unknown field",
        "missing field",
        "data did not match",
        "Schema",
        "RecordBatch",
        "DataType",
        "Utf8",
        "Float64",
        "Int64",
        "truncate_ragged_lines",
        "infer_schema",
        "ignore_errors",
        "os error",
        "panicked",
        "thread '",
        "called `",
        "while parsing a",
        "while scanning",
        "block mapping",
        "flow sequence",
        "usize",
        "f64",
    ];
    let mut snapshots = Vec::new();
    files_below(&project(""), ".snap", &mut snapshots);
    assert!(snapshots.len() > 80, "{} snapshots", snapshots.len());
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let help = snapshots
        .iter()
        .find(|path| path.ends_with("integration__commands__help.snap"));
    let help = text(help.unwrap());
    let mut found = Vec::new();
    for path in &snapshots {
        // Its head is of the library that keeps it.
        let whole = text(path).replace("JSON Schema", "description for editors");
        let said = whole.splitn(3, "---\n").nth(2).unwrap();
        for line in said.lines() {
            let foreign = FOREIGN.iter().filter(|word| line.contains(**word));
            found.extend(foreign.map(|word| format!("{}: {word}: {line}", path.display())));
            for word in line.split(|c: char| c.is_whitespace() || "`=,;:()[]".contains(c)) {
                let option = word
                    .strip_prefix("--")
                    .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
                let unknown = option.filter(|name| !help.contains(&format!("--{name}")));
                found.extend(unknown.map(|name| format!("{}: no option --{name}: {line}", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A case that no test looks at is none.
#[test]
fn every_case_has_its_test() {
    let mut sources = Vec::new();
    files_below(&project("tests/integration"), ".rs", &mut sources);
    let cases = sources
        .iter()
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("cases_"));
    let text: String = cases.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut count = 0;
    for entry in std::fs::read_dir(project("tests/cases")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let quoted = [
            format!("\"{name}\""),
            format!("/{name}/"),
            format!("\"{name}/"),
            format!("/{name}\""),
        ];
        assert!(
            quoted.iter().any(|quoted| text.contains(quoted)),
            "no test of tests/cases/{name}"
        );
        let readme = ["README", "README.md"].iter().any(|readme| path.join(readme).exists());
        assert!(readme, "tests/cases/{name} does not say what it is");
        count += 1;
    }
    assert!(count >= 6, "{count} cases");
}
