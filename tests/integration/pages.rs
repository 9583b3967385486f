//! Every pipeline and every command of the manual and README.md runs, page by page, in the order of the page: pipelines in small.

use std::path::Path;

use crate::pipelines::documents;
use crate::program::{Place, project};

/// A block of code of a page: its language, and what it says.
type Block<'a> = (&'a str, &'a str);

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let inside = page.split("```").skip(1).step_by(2);
    inside.filter_map(|block| block.split_once('\n')).collect()
}

/// What makes a pipeline of a page quick, by its name: what is written, and what stands for it here.
const SMALLER: [(&str, &[(&str, &str)]); 8] = [
    (
        "example",
        &[
            ("streams: 128", "streams: 16"),
            ("network: smooth, toy", "network: smooth, training: { epochs: 2 }, toy"),
            ("range: [1, 3]", "range: [1, 2]"),
        ],
    ),
    // What reads Parquet is no part of Python.
    (
        "own_speeds",
        &[("with:\n        run", "with:\n        tables: csv\n        run")],
    ),
    ("own_limits", &[("with: { run", "with: { tables: csv, run")]),
    (
        "on_a_gpu",
        &[
            ("streams: 256", "streams: 16"),
            (
                "network: paper",
                "network: { paper: { width: 8, depth: 2 } }, training: { epochs: 1 }",
            ),
        ],
    ),
    ("with_errors", &[("samples: 64", "samples: 40")]),
    (
        "noisy_streams",
        &[
            ("streams: 16, stars: 100", "streams: 6, stars: 24"),
            (
                "galaxy: { from: { stars: seen }, with: { seed",
                "galaxy: { from: { stars: seen }, with: { releases: 20, scales: 0, seed",
            ),
        ],
    ),
    (
        "example_sweep",
        &[("unbound: set_aside,", "unbound: set_aside, training: { epochs: 2 },")],
    ),
    ("find_members", &[("stars: 60", "stars: 30")]),
];

/// Pipelines that are planned and not run, and why.
const PLANNED: [(&str, &str); 1] = [(
    "from_snapshots",
    "the snapshots that are kept for tests are of one time",
)];

/// Commands that run elsewhere, and where.
const ELSEWHERE: [(&str, &str); 11] = [
    ("make ", "they build, pack, and run the tests"),
    ("alias ", "the tutorial has a test of its own"),
    ("cargo nextest", "they run the tests"),
    ("cargo install", "it builds the program"),
    ("actionfinder run share/actionfinder", "scripts/dist.sh try"),
    ("GOLDEN=write ", "it writes what tests compare with"),
    ("pip install", "make test-python"),
    ("actionfinder run sweep.yaml --executor", "make test-slurm"),
    ("actionfinder cancel sweep.yaml", "make test-slurm"),
    (
        "actionfinder run example_sweep.yaml --watch",
        "watching.rs; it does not end",
    ),
    ("actionfinder watch example_sweep.yaml --json", "watching.rs"),
];

/// What makes a shipped pipeline quick that a page runs.
const SET: [(&str, &[&str]); 2] = [
    (
        "pipelines/isochrone.yaml",
        &["orbits=28", "validation_streams=4", "test_streams=8", "streams=16"],
    ),
    ("pipelines/quickstart.yaml", &["streams=16"]),
];

/// A program that writes what it is asked for.
const SPEEDS: &str = r#"
import csv, json, os
request = json.load(open(os.environ["ACTIONFINDER_REQUEST"]))
stars = list(csv.DictReader(open(request["inputs"]["stars"]["path"])))
for star in stars:
    star["speed"] = sum(float(star[v]) ** 2 for v in ("vx", "vy", "vz")) ** 0.5
for output in request["outputs"].values():
    with open(output["path"], "w", newline="") as file:
        if output["type"] == "table":
            writer = csv.DictWriter(file, list(output["columns"]), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(stars)
        elif output["type"] == "figure":
            file.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
        else:
            file.write("{}")
"#;

/// A folder with what the pages suppose to be there: stars, a network, shipped pipelines.
fn place() -> Place {
    let place = Place::new();
    for folder in ["pipelines", "tests"] {
        std::os::unix::fs::symlink(project(folder), place.path(folder)).unwrap();
    }
    let clusters = std::fs::read_to_string(project("tests/reference/clusters.csv")).unwrap();
    let few: Vec<&str> = clusters.lines().take(17).collect();
    place.write("stars.csv", &few.join("\n"));
    place.write(
        "made.yaml",
        "pipeline: made\nstages:\n  stars: { import_streams: { with: { path: stars.csv, columns: { stream: name, ra: ra, dec: dec, \
         distance: distance, pmra: pmra, pmdec: pmdec, radial_velocity: vlos, distance_error: distance_e } } } }\n  orbits: { \
         integrate_orbits: { with: { potential: { isochrone: { mass: 9.0e+11, scale: 5 } }, streams: 12, stars: 4, seed: 1 } } }\n  \
         actions: { train_actions: { from: { train: orbits }, with: { network: smooth, training: { epochs: 1 }, seed: 1 } } }\n",
    );
    place.well(&["run", "made.yaml", "--results", "of_made"]);
    place.well(&["export", "made.yaml:stars", "-o", "stars.fits", "--results", "of_made"]);
    let shown = place.well(&["show", "made.yaml", "--results", "of_made"]).out;
    let network = shown
        .split_whitespace()
        .find(|word| word.ends_with(".safetensors"))
        .unwrap();
    for name in ["actions.safetensors", "network.safetensors"] {
        std::fs::copy(place.path(network), place.path(name)).unwrap();
    }
    std::fs::copy(
        project("tests/golden/field.safetensors"),
        place.path("given.safetensors"),
    )
    .unwrap();
    for name in ["snapshot_000.hdf5", "snapshot_001.hdf5"] {
        std::fs::copy(project("tests/reference/formats/arepo.hdf5"), place.path(name)).unwrap();
    }
    for name in ["snapshot_000", "snapshot_001", "snapshot_002"] {
        let snapshot = project("tests/reference/formats/snapshot.csv");
        std::fs::copy(snapshot, place.path(&format!("{name}.csv"))).unwrap();
    }
    place.write("speeds.py", SPEEDS);
    place.write(
        "sweep.yaml",
        "pipeline: sweep\nparams: { seed: 1 }\nstages:\n  orbits: { integrate_orbits: { with: { potential: { isochrone: { mass: \
         9.0e+11, scale: 5 } }, streams: 2, stars: 2, seed: $seed } } }\nsweep: { axes: { seed: [1, 2] } }\n",
    );
    place
}

/// Words as a shell parts them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words
}

/// Runs a pipeline of a page, or plans it, under its name.
fn pipeline(place: &Place, page: &Path, yaml: &str) {
    let name = yaml.lines().next().unwrap().trim_start_matches("pipeline: ").trim();
    let mut text = yaml.to_owned();
    for (from, to) in SMALLER.iter().filter(|(of, _)| *of == name).flat_map(|(_, all)| *all) {
        assert!(
            text.contains(from),
            "{}: {name} has no \"{from}\" to make it small",
            page.display()
        );
        text = text.replace(from, to);
    }
    let file = format!("{name}.yaml");
    place.write(&file, &text);
    let verb = if PLANNED.iter().any(|(of, _)| *of == name) {
        "plan"
    } else {
        "run"
    };
    let gave = place.run(&[verb, &file, "--results", "results"]);
    assert_eq!(
        gave.code,
        0,
        "{}: {verb} {name}\n{}\n{}",
        page.display(),
        gave.out,
        gave.err
    );
}

/// Runs a command of a page.
fn command(place: &Place, page: &Path, line: &str) {
    let line = line.split(" #").next().unwrap();
    if ELSEWHERE.iter().any(|(begins, _)| line.starts_with(begins)) {
        return;
    }
    let Some(own) = line.strip_prefix("actionfinder ") else {
        panic!("{}: {line}: says nobody where this runs", page.display());
    };
    let mut all = words(own);
    let is_of_project = line.contains("theirs/") || ["cache", "import"].contains(&all[0].as_str());
    if !is_of_project && !["explain", "doctor", "new"].contains(&all[0].as_str()) {
        all.extend(["--results", "results"].map(str::to_owned));
    }
    for (file, set) in SET {
        if all.iter().any(|word| word == file) {
            for &value in set {
                let name = value.split('=').next();
                match all.iter_mut().find(|word| word.split('=').next() == name) {
                    Some(own) => *own = value.to_owned(),
                    None => all.extend(["-p", value].map(str::to_owned)),
                }
            }
        }
    }
    let gave = place.run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(gave.code, 0, "{}: {line}\n{}\n{}", page.display(), gave.out, gave.err);
}

/// Goes through a page; gives the number of its pipelines and commands.
fn page(path: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(path).unwrap();
    let place = place();
    let (mut pipelines, mut commands) = (0, 0);
    for (language, block) in blocks(&text) {
        if language == "yaml" && block.starts_with("pipeline:") {
            pipeline(&place, path, block);
            pipelines += 1;
        }
        if block.starts_with("cache:") {
            let shared = format!("file://{}", place.path("shared").display());
            place.write(".actionfinder", &block.replace("s3://my-bucket/galaxy", &shared));
        }
        if language == "console" {
            for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
                command(&place, path, line);
                commands += 1;
            }
        }
    }
    (pipelines, commands)
}

/// A test for each page: how many pipelines it has, and how many commands.
macro_rules! pages {
    ($($test:ident: $page:literal, $pipelines:literal, $commands:literal;)*) => {
        /// Pages that have a test here.
        const PAGES: &[&str] = &[$($page),*];

        $(#[test]
        fn $test() {
            assert_eq!(page(&project(concat!("docs/", $page))), ($pipelines, $commands));
        })*
    };
}

pages! {
    the_page_on_installation_runs: "howto/install.md", 0, 5;
    the_page_on_tables_runs: "howto/table.md", 1, 4;
    the_page_on_one_line_runs: "howto/one_line.md", 0, 3;
    the_page_on_snapshots_runs: "howto/snapshots.md", 1, 0;
    the_page_on_errors_runs: "howto/errors.md", 1, 0;
    the_page_on_sweeps_runs: "howto/sweep.md", 1, 15;
    the_page_on_networks_runs: "howto/network.md", 1, 3;
    the_page_on_gpus_runs: "howto/gpu.md", 1, 1;
    the_page_on_clusters_runs: "howto/cluster.md", 1, 4;
    the_page_on_sharing_runs: "howto/sharing.md", 0, 11;
    the_page_on_python_runs: "howto/python.md", 0, 1;
    the_page_on_streams_runs: "howto/streams.md", 1, 0;
    the_page_on_members_runs: "howto/members.md", 1, 0;
    the_page_on_potentials_runs: "howto/new_potential.md", 1, 2;
    the_page_on_own_programs_runs: "howto/command.md", 2, 0;
    the_page_on_kinds_runs: "howto/new_stage.md", 0, 2;
}

/// Every document with a pipeline or a command has a test.
#[test]
fn no_page_is_forgotten() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let runs = |(language, block): &Block| *language == "console" || block.starts_with("pipeline:");
        let is_known = path.ends_with("README.md")
            || path.ends_with("tutorial.md")
            || PAGES.iter().any(|page| path == project("docs").join(page));
        assert!(
            is_known || !blocks(&text).iter().any(runs),
            "{} has no test",
            path.display()
        );
    }
}

#[test]
fn the_readme_runs() {
    let place = place();
    let small = [
        "run",
        "pipelines/quickstart.yaml",
        "--results",
        "results",
        "-p",
        "streams=16",
    ];
    place.well(&small);
    let text = std::fs::read_to_string(project("README.md")).unwrap();
    let mut commands = 0;
    for (language, block) in blocks(&text) {
        if language == "yaml" && block.starts_with("pipeline:") {
            pipeline(&place, Path::new("README.md"), block);
        }
        for line in block.lines().filter(|_| language == "console") {
            command(&place, Path::new("README.md"), line.trim_start_matches("$ "));
            commands += 1;
        }
    }
    assert!(commands > 12, "{commands} commands");
}

/// Blocks that are parts of pipelines, put where they belong, can be planned; the profile of a cluster can be read.
#[test]
fn parts_of_pipelines_in_the_pages_can_be_planned() {
    let place = place();
    let example = std::fs::read_to_string(project("docs/howto/sweep.md")).unwrap();
    let example = blocks(&example)[0].1.to_owned();
    let mut found = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (language, block) in blocks(&text) {
            if language != "yaml" || block.starts_with("pipeline:") {
                continue;
            }
            found += 1;
            let whole = match block.trim_start().split(':').next().unwrap() {
                // A profile is another file.
                "partition" => {
                    let profile = runner::batch::profile::Profile::parse(block).unwrap();
                    assert_eq!(profile.partition.as_deref(), Some("cpu"));
                    continue;
                }
                // Settings of a project are another file; the page's own test reads them.
                "cache" => continue,
                "stars" => format!("pipeline: part\nstages:\n{}", block.replace(".parquet", ".csv")),
                "finder" => {
                    let stars = "stars: { integrate_orbits: { with: { potential: piffl_14, streams: 2, seed: 1 } } }\n";
                    let lines: Vec<String> = stars
                        .lines()
                        .chain(block.lines())
                        .map(|line| format!("  {line}\n"))
                        .collect();
                    format!("pipeline: part\nstages:\n{}", lines.concat())
                }
                "spread_over_seeds" => example.replace("sweep:\n", &format!("{block}sweep:\n")),
                "sweep" => {
                    let params = "params: { learning_rate: 1.0e-3, network: smooth, coefficients: 200, ";
                    let stages = example.split("sweep:\n").next().unwrap();
                    format!(
                        "{}{block}",
                        stages.replace("params: { ", params).replace("width: 32, ", "")
                    )
                }
                other => panic!("{}: nobody says where the part {other} belongs", path.display()),
            };
            place.write("part.yaml", &whole);
            let gave = place.run(&["plan", "part.yaml", "--results", "results"]);
            assert_eq!(gave.code, 0, "{}\n{whole}\n{}", path.display(), gave.err);
        }
    }
    assert!(found > 4, "{found} parts");
}

#[test]
fn words_are_parted_as_by_a_shell() {
    assert_eq!(words("a 'b c' \"d e\" f"), ["a", "b c", "d e", "f"]);
    assert_eq!(
        blocks("x\n```yaml\na: 1\n```\ny\n```console\n$ b\n```\n"),
        [("yaml", "a: 1\n"), ("console", "$ b\n")]
    );
}
