//! Programs of the user's as stages.

use std::time::{Duration, Instant};

use crate::program::{Place, project};

/// The shipped pipeline, with its programs, in a folder where they can be changed.
fn shipped() -> Place {
    let place = Place::with(&std::fs::read_to_string(project("pipelines/own_program.yaml")).unwrap());
    std::fs::create_dir(place.path("own_program")).unwrap();
    for name in ["rotate.py", "speeds.sh"] {
        let name = format!("own_program/{name}");
        std::fs::copy(project("pipelines").join(&name), place.path(&name)).unwrap();
    }
    place
}

/// In Python and in the shell: their tables are taken by other kinds, by their columns and units.
#[test]
fn programs_in_python_and_in_the_shell_are_stages() {
    let place = shipped();
    place.well(&["run", "p.yaml"]);
    // Turned by 30 degrees, and with the actions that they had.
    let shown = place.well(&["show", "p.yaml", "speeds", "-n", "1"]).out;
    assert!(shown.contains("speed") && shown.contains("32 rows"), "{shown}");
    let errors = place.well(&["table", "p.yaml"]).out;
    assert!(errors.contains("| δθ | 10° |"), "{errors}");
    let error = errors.lines().find(|line| line.contains("δJ")).unwrap();
    let (ours, _) = error.split('|').nth(3).unwrap().trim().split_once(' ').unwrap();
    let ours: f64 = ours.parse().unwrap();
    assert!(ours < 1e-6, "{error}");
    let again = place.well(&["run", "p.yaml"]);
    assert!(again.err.contains("all fresh"), "{}", again.err);
    // A change of a declared file makes its stage stale, and `why` names the file.
    let program = std::fs::read_to_string(place.path("own_program/speeds.sh")).unwrap();
    place.write("own_program/speeds.sh", &format!("{program}# said in other words\n"));
    let why = place.well(&["why", "p.yaml", "speeds"]).out;
    assert!(why.contains("file own_program/speeds.sh: content changed"), "{why}");
    let plan = place.well(&["plan", "p.yaml"]).out;
    let stale = plan.lines().filter(|line| line.trim_start().starts_with("run"));
    assert_eq!(stale.count(), 1, "{plan}");
    let other = place.well(&["why", "p.yaml", "rotated", "-p", "angle=31"]).out;
    assert!(other.contains("parameter parameters.angle: 30 → 31"), "{other}");
}

/// What does not fit is said before anything runs, at its line.
#[test]
fn outputs_of_a_program_are_connected_by_column_and_unit() {
    let pipeline = |unit: &str| {
        format!(
            "pipeline: p\nstages:\n  made:\n    command:\n      with:\n        run: [sh, -c, 'exit 1']\n        outputs:\n          \
             stars: {{ table: {{ columns: {{ stream: {{ type: integer }}, star: {{ type: integer }}, x: {{ unit: {unit} }} }} }} }}\n  \
             kept: {{ select_stars: {{ from: {{ stars: made }}, with: {{ within: {{ x: {{ above: 1 }} }} }} }} }}\n  \
             turned:\n    command: {{ from: {{ stars: kept }}, with: {{ run: [a], needs: {{ stars: {{ x: kpc }} }}, outputs: {{ f: file }} }} }}\n"
        )
    };
    let place = Place::with(&pipeline("kpc"));
    place.well(&["plan", "p.yaml"]);
    place.write("p.yaml", &pipeline("pc"));
    let gave = place.run(&["plan", "p.yaml"]);
    assert_ne!(gave.code, 0);
    assert!(
        gave.err.contains("column `x`") && gave.err.contains("p.yaml:11"),
        "{}",
        gave.err
    );
}

/// Its process, and what that started, end with the run, even where that is killed.
#[cfg(target_os = "linux")]
#[test]
fn a_program_ends_when_the_run_is_killed() {
    let place = Place::new();
    let mark = place.path("mark").display().to_string();
    let pipeline = |on: &str| {
        format!(
            "pipeline: p\nstages:\n  long:\n    command:\n      with:\n        run: [sh, -c, \"sh -c 'sleep 600; : {mark}' & sh -c \
             'sleep 600; : {mark}'\"]\n        outputs: {{ never: file }}\n      on: {{ {on} }}\n"
        )
    };
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let said = processes.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        said.filter(|said| String::from_utf8_lossy(said).contains(&mark))
            .count()
    };
    let begun = Instant::now();
    let wait = |until: &dyn Fn(usize) -> bool| {
        while !until(alive()) {
            assert!(begun.elapsed() < Duration::from_secs(100), "{} are alive", alive());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    place.write("p.yaml", &pipeline("threads: 1"));
    let mut run = place.command(&["run", "p.yaml"]).spawn().unwrap();
    wait(&|alive| alive >= 2);
    run.kill().unwrap();
    run.wait().unwrap();
    wait(&|alive| alive == 0);
    // Or where it takes longer than it may.
    place.write("p.yaml", &pipeline("timeout: 1 s, retries: 1"));
    let gave = place.run(&["run", "p.yaml"]);
    assert_eq!(alive(), 0);
    assert_ne!(gave.code, 0);
    assert!(gave.err.contains("retry 1 of 1: it ran out of time"), "{}", gave.err);
    assert!(gave.err.contains("command took longer than the "), "{}", gave.err);
}
