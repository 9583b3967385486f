//! Running, planning, and saying why.

use crate::data::{SMALL, swept};
use crate::program::Place;

#[test]
fn a_second_run_runs_nothing() {
    let place = Place::with(SMALL);
    let first = place.well(&["run", "p.yaml"]);
    assert!(first.err.contains("5 ran, 0 fresh"), "{}", first.err);
    let report = std::fs::read_to_string(place.path("results/small/report.html")).unwrap();
    let second = place.well(&["run", "p.yaml"]);
    insta::assert_snapshot!("second_run", second.err);
    assert_eq!(first.out, second.out, "both print the results");
    assert_eq!(
        std::fs::read_to_string(place.path("results/small/report.html")).unwrap(),
        report
    );
}

#[test]
fn results_are_printed_beside_the_paper() {
    let place = Place::with(SMALL);
    let gave = place.well(&["run", "p.yaml", "-p", "scale=5.8"]);
    let head = gave.out.lines().next().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(head, ["measure", "component", "ours", "paper", "ratio"], "{}", gave.out);
    assert!(
        gave.out
            .lines()
            .any(|line| line.starts_with("δJ") && line.contains("mean") && line.contains("1.00 km/s kpc"))
    );
    assert!(
        gave.out.contains("results/small/parts/scale=5.8/report.html"),
        "{}",
        gave.out
    );
}

#[test]
fn dry_runs_and_plans_write_nothing() {
    let place = Place::with(SMALL);
    let plan = place.well(&["plan", "p.yaml"]);
    assert_eq!(place.well(&["run", "p.yaml", "--dry-run"]).out, plan.out);
    assert_eq!(place.run(&["plan", "p.yaml", "--check"]).code, 1, "something would run");
    assert!(!place.path("results").exists());
    insta::assert_snapshot!("plan_of_a_first_run", plan.out);
    place.well(&["run", "p.yaml"]);
    assert_eq!(place.run(&["plan", "p.yaml", "--check"]).code, 0);
    insta::assert_snapshot!(
        "plan_of_a_changed_scale",
        place.well(&["plan", "p.yaml", "-p", "scale=5.8"]).out
    );
}

#[test]
fn why_names_the_field_that_changed() {
    let place = Place::with(SMALL);
    let never = place.well(&["why", "p.yaml", "guess"]).out;
    assert!(never.contains("never"), "{never}");
    place.well(&["run", "p.yaml"]);
    let fresh = place.well(&["why", "p.yaml", "guess"]).out;
    assert!(fresh.contains("fresh"), "{fresh}");
    let changed = place.well(&["why", "p.yaml", "guess", "-p", "scale=5.8"]).out;
    assert!(changed.contains("scale: 5.5 → 5.8"), "{changed}");
}

#[test]
fn comments_and_order_change_nothing() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let reordered = SMALL
        .replace("streams: 6, seed: 1", "seed: 1,   streams: 6")
        .replace("about: O", "# why not\nabout: o");
    place.write("p.yaml", &reordered);
    assert_eq!(place.run(&["plan", "p.yaml", "--check"]).code, 0);
}

#[test]
fn to_runs_only_what_a_stage_needs() {
    let place = Place::with(SMALL);
    assert!(place.well(&["run", "p.yaml", "--to", "truth"]).err.contains("2 ran"));
    let forced = place.well(&["run", "p.yaml", "--to", "truth", "--force", "truth"]).err;
    assert!(forced.contains("1 ran, 1 fresh"), "{forced}");
}

#[test]
fn sweeps_share_stages_and_rank_their_points() {
    let place = Place::with(&swept());
    let gave = place.well(&["run", "p.yaml"]);
    assert!(
        gave.err.contains("7 ran"),
        "orbits, truth and sample once, guess and errors twice: {}",
        gave.err
    );
    let board = place.well(&["sweep", "p.yaml"]).out;
    let rows: Vec<&str> = board.lines().collect();
    assert!(
        rows[0].contains("scale") && rows[0].contains("δJ") && rows[0].contains("δθ"),
        "{board}"
    );
    assert!(
        rows[1].contains("5.2") && rows[2].contains("5.8"),
        "the better scale is first: {board}"
    );
    let beside = place.well(&["compare", "p.yaml@scale=5.2", "p.yaml@scale=5.8"]).out;
    assert!(beside.contains("δJ") && beside.contains("scale = 5.8"), "{beside}");
    assert_eq!(
        place.run(&["compare", "p.yaml", "p.yaml@scale=5.8"]).code,
        2,
        "two points fit the first"
    );
    assert_eq!(
        place.run(&["compare", "p.yaml@scale=7", "p.yaml@scale=5.8"]).code,
        2,
        "no point fits the first"
    );
}

/// What stages told is remembered in one file, which changes nothing: not when it is lost, damaged, or of another manifest.
#[test]
fn what_stages_told_is_remembered_and_made_again() {
    let place = Place::with(&(SMALL.to_owned() + "sweep: { axes: { scale: { range: [5.1, 6.8, 0.1] } } }\n"));
    place.well(&["run", "p.yaml"]);
    let look = || ["status", "sweep", "table"].map(|command| place.well(&[command, "p.yaml"]).out);
    let told = place.path("results/cache/v1/told");
    let (kept, before) = (std::fs::read_to_string(&told).unwrap(), look());
    assert_eq!(kept.lines().count(), 39, "a line for each stage");
    assert_eq!(std::fs::read_to_string(&told).unwrap(), kept, "nothing is read twice");
    std::fs::remove_file(&told).unwrap();
    assert_eq!(look(), before);
    let mut again: Vec<String> = std::fs::read_to_string(&told)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let mut lines: Vec<&str> = kept.lines().collect();
    lines.sort_unstable();
    again.sort_unstable();
    assert_eq!(again, lines);
    std::fs::write(&told, kept.replace("\"seconds\":0", "\"seconds\":9")).unwrap();
    assert_eq!(look(), before, "no damaged line is believed");
    // A stage made again has a manifest that looks different.
    place.well(&["run", "p.yaml", "--force", "orbits"]);
    let shown = place.well(&["status", "p.yaml"]).out;
    std::fs::remove_file(&told).unwrap();
    assert_eq!(place.well(&["status", "p.yaml"]).out, shown);
}

#[test]
fn status_tells_how_stages_stand() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml", "--to", "truth"]);
    let status = place.well(&["status", "p.yaml"]).out;
    insta::assert_snapshot!("status", status);
}

#[test]
fn json_lines_are_events() {
    let place = Place::with(SMALL);
    let gave = place.well(&["run", "p.yaml", "--log", "json"]);
    let events: Vec<serde_json::Value> = gave
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.first().unwrap()["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    assert_eq!(
        events.iter().filter(|event| event["event"] == "stage_finished").count(),
        5
    );
}

/// One project has one folder of results, from wherever the program is started.
#[test]
fn results_belong_to_the_project_of_the_pipeline() {
    let place = Place::with(SMALL);
    for folder in [".git", "pipelines", "pipelines/deep", "elsewhere"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    std::fs::rename(place.path("p.yaml"), place.path("pipelines/p.yaml")).unwrap();
    std::os::unix::fs::symlink(place.path("pipelines/p.yaml"), place.path("elsewhere/link.yaml")).unwrap();
    let first = place.well(&["run", "pipelines/p.yaml", "--to", "orbits"]);
    let line = first.err.lines().find(|line| line.starts_with("small: ")).unwrap();
    assert!(line.ends_with("; results in results"), "{line}");
    assert!(place.path("results/cache/v1").is_dir());
    for (from, file) in [
        ("pipelines", "p.yaml"),
        ("pipelines/deep", "../p.yaml"),
        ("elsewhere", "link.yaml"),
        ("elsewhere", "../pipelines/p.yaml"),
    ] {
        let in_folder = |arguments: &[&str]| {
            let mut command = place.command(arguments);
            place.gave(command.current_dir(place.path(from)).output().unwrap())
        };
        let plan = in_folder(&["plan", file, "--to", "orbits", "--check"]);
        assert_eq!(plan.code, 0, "{from}: {}{}", plan.out, plan.err);
        let doctor = in_folder(&["doctor"]);
        assert!(doctor.out.contains("[place]/results"), "{from}: {}", doctor.out);
        let runs = in_folder(&["gc", "--list"]);
        assert!(runs.out.contains("small"), "{from}: {}", runs.out);
        assert!(!place.path(from).join("results").exists(), "{from}");
    }
    // A mark nearer to the pipeline makes it a project of its own.
    place.write("pipelines/.actionfinder", "");
    assert_eq!(place.run(&["plan", "pipelines/p.yaml", "--check"]).code, 1);
}

#[test]
fn the_results_folder_can_be_named() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml", "--to", "orbits", "--results", "elsewhere"]);
    let mut plan = place.command(&["plan", "p.yaml", "--to", "orbits", "--check"]);
    assert_eq!(
        place
            .gave(plan.env("ACTIONFINDER_RESULTS", "elsewhere").output().unwrap())
            .code,
        0
    );
    assert!(!place.path("results").exists());
}

#[test]
fn a_failing_stage_ends_with_4_and_the_rest_goes_on() {
    let more = "  fast:\n    import_streams: { with: { path: mine.csv, columns: { stream: stream, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz } } }
  mine:
    estimate_actions: { from: { stars: fast }, with: { method: { isochrone: { mass: 3.0e11, scale: 5.0 } }, failures: fail } }
  sets:
    split: { from: { stars: mine } }
";
    let place = Place::with(&(SMALL.to_owned() + more));
    place.write("mine.csv", "stream,x,y,z,vx,vy,vz\n1,8,0,0,0,90000,0\n");
    let gave = place.run(&["run", "p.yaml"]);
    assert_eq!(gave.code, 4, "{}\n{}", gave.out, gave.err);
    for part in [
        "FAILED  mine",
        "skip  sets, because of mine",
        "6 ran, 0 fresh, 1 failed, 1 skipped",
    ] {
        assert!(gave.err.contains(part), "{part} is not in\n{}", gave.err);
    }
    let report = std::fs::read_to_string(place.path("results/small/report.html")).unwrap();
    assert!(report.contains("mine failed"), "the report tells of the failure");
    assert!(place.well(&["status", "p.yaml"]).out.contains("FAILED   mine"));
}

#[test]
fn a_comparison_outside_its_tolerance_ends_with_5() {
    let yaml = SMALL.replace("delta_theta: 0.7 }", "delta_theta: 1e-9 }, require: at_most_paper");
    let place = Place::with(&yaml);
    assert_eq!(place.run(&["run", "p.yaml", "-p", "scale=5.8"]).code, 5);
    assert_eq!(
        place.run(&["run", "p.yaml", "-p", "scale=5.8"]).code,
        5,
        "also when nothing runs"
    );
    assert_eq!(place.run(&["run", "p.yaml", "-p", "scale=5.0"]).code, 0);
}
