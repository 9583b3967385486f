//! Trainings through the worker process: both networks, the inverse, same bytes, interruption and resuming.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::Place;

/// From orbits to errors, with a small network and a toy that is 10 % off.
pub const CHAIN: &str = "\
pipeline: chain
about: A small training
params: { streams: 32, epochs: 5, width: 8, depth: 2 }
stages:
  orbits:
    integrate_orbits:
      with:
        potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }
        sample: halo
        halo: { within: 60 }
        streams: $streams
        stars: 8
        duration: 0.1
        seed: 1
  truth:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
  sky:
    observe: { from: { stars: truth } }
  sets:
    split: { from: { stars: sky }, with: { train: 0.5, seed: 1 } }
  actions:
    train_actions:
      from: { train: sets.train, validation: sets.test }
      with:
        network: { smooth: { width: $width, depth: $depth } }
        toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }
        inputs: observables
        training: { epochs: $epochs }
        seed: 1
  predicted:
    predict: { from: { network: actions, stars: sets.test } }
  errors:
    compare: { from: { predicted: predicted, truth: sets.test } }
  inverse:
    train_inverse: { from: { network: actions, train: sets.train, validation: sets.test }, with: { training: { epochs: 3 }, seed: 1 } }
  located:
    predict: { from: { network: inverse, stars: predicted } }
";

/// Contents of the cached outputs by path; manifests tell times, so they are left out.
pub fn outputs(results: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![results.join("cache/v1")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_output = ["parquet", "safetensors", "svg"]
                .iter()
                .any(|e| path.extension().is_some_and(|x| x == *e));
            if path.is_dir() {
                folders.push(path);
            } else if is_output {
                found.insert(
                    path.strip_prefix(results).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

#[test]
fn the_same_pipeline_gives_the_same_bytes() {
    let places = [Place::with(CHAIN), Place::with(CHAIN)];
    let [first, second] = places.map(|place| {
        place.well(&["run", "p.yaml"]);
        outputs(&place.path("results"))
    });
    assert!(first.len() >= 12, "{:?}", first.keys());
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (path, bytes) in &first {
        assert!(second[path] == *bytes, "{} differs", path.display());
    }
}

/// The networks of the paper, small, on 64 streams: through the worker, to predictions and their errors.
#[test]
fn the_papers_network_trains_a_few_epochs() {
    let place = Place::with(&CHAIN.replace("{ smooth:", "{ paper:"));
    let small = ["-p", "streams=128", "-p", "epochs=3", "-p", "width=16", "-p", "depth=3"];
    let gave = place.well(&[&["run", "p.yaml", "--to", "errors"][..], &small].concat());
    assert!(gave.out.contains("δθ"), "{}", gave.out);
    let history = place.well(&[&["show", "p.yaml", "actions.history"][..], &small].concat());
    assert!(history.out.contains("3 rows"), "{}", history.out);
}

/// A run that is killed while it trains leaves a checkpoint, from which the next goes on to the same bytes.
#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let long = ["run", "p.yaml", "-p", "epochs=1500", "--to", "actions", "--log", "json"];
    let undisturbed = Place::with(CHAIN);
    undisturbed.well(&long);

    let place = Place::with(CHAIN);
    let mut run = place
        .command(&long)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trains = BufReader::new(run.stdout.take().unwrap()).lines().any(|line| {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        event["unit"] == "epochs" && event["done"].as_u64().is_some_and(|done| done > 0)
    });
    assert!(trains, "the training told no progress");
    run.kill().unwrap();
    run.wait().unwrap();
    // The worker sees that the run is gone, writes its state and ends; a minute is far more than it needs.
    let checkpoints = place.path("results/checkpoints");
    let begun = Instant::now();
    let saved = || {
        files_below(&checkpoints)
            .iter()
            .any(|path| path.metadata().is_ok_and(|data| data.len() > 0))
    };
    while !saved() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint was left");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        !outputs(&place.path("results"))
            .keys()
            .any(|path| path.ends_with("network.safetensors"))
    );

    place.well(&long);
    assert!(
        files_below(&checkpoints).is_empty(),
        "checkpoints are dropped when the stage has ended"
    );
    assert!(
        outputs(&place.path("results")) == outputs(&undisturbed.path("results")),
        "other bytes than undisturbed"
    );
}

/// Ctrl-C once: the training saves where it is, and the next run goes on from there. Twice: it ends at once, and what was
/// saved before stays good.
#[test]
fn interrupted_trainings_go_on() {
    let endless = [
        "run",
        "p.yaml",
        "-p",
        "epochs=1000000",
        "--to",
        "actions",
        "--log",
        "json",
    ];
    let place = Place::with(CHAIN);
    // The first epoch that is told of, after which `signals` interrupts are sent, and what the run says then.
    let interrupted = |signals: usize| {
        let mut command = place.command(&endless);
        let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let epoch = BufReader::new(run.stdout.take().unwrap()).lines().find_map(|line| {
            let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let done = event["done"].as_u64().filter(|_| event["unit"] == "epochs");
            done.filter(|done| *done > 0)
        });
        let mut said = String::new();
        let mut lines = BufReader::new(run.stderr.take().unwrap());
        for _ in 0..signals {
            rustix::process::kill_process(rustix::process::Pid::from_child(&run), rustix::process::Signal::INT)
                .unwrap();
            // The next one comes when the first is heard.
            while !said.contains("press Ctrl-C again") && lines.read_line(&mut said).unwrap() > 0 {}
        }
        lines.read_to_string(&mut said).unwrap();
        let gave = place.gave(run.wait_with_output().unwrap());
        assert_eq!(gave.code, 130, "{said}");
        (epoch.unwrap(), said)
    };
    let (first, said) = interrupted(1);
    assert!(
        said.contains("press Ctrl-C again") && said.contains("go on from their last checkpoint"),
        "{said}"
    );
    let saved = files_below(&place.path("results/checkpoints"));
    assert!(!saved.is_empty());
    let plan = place
        .well(&["plan", "p.yaml", "-p", "epochs=1000000", "--to", "actions"])
        .out;
    assert!(plan.contains("unfinished: goes on from its checkpoint"), "{plan}");
    let (second, said) = interrupted(2);
    assert!(second > first, "began anew: {second} after {first}");
    assert!(
        said.contains("stopped at once") || said.contains("go on from"),
        "{said}"
    );
    let (third, _) = interrupted(1);
    assert!(third > first, "began anew: {third} after {first}");
    // Nobody but the user removes it.
    assert!(place.well(&["gc"]).out.starts_with("nothing is unused"));
    let listed = place.well(&["gc", "--checkpoints"]).out;
    assert!(
        listed.contains("1 unused folder;") && listed.contains("gc --remove --checkpoints"),
        "{listed}"
    );
    place.well(&["gc", "--remove", "--checkpoints"]);
    assert!(files_below(&place.path("results/checkpoints")).is_empty());
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

#[test]
fn a_training_goes_on_from_another_network() {
    let warm = format!(
        "{CHAIN}  again:\n    train_actions:\n      from: {{ train: sets.train, validation: sets.test, start: actions }}\n      \
         with: {{ inputs: observables, training: {{ epochs: 3 }}, seed: 2 }}\n"
    );
    let place = Place::with(&warm);
    place.well(&["run", "p.yaml", "--to", "again"]);
    let losses = |stage: &str| -> Vec<f64> {
        let shown = place.well(&["show", "p.yaml", &format!("{stage}.history")]);
        let rows = shown
            .out
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.filter(|cells| cells.len() == 5 && cells[0].parse::<u32>().is_ok());
        rows.filter_map(|cells| cells[1].parse().ok()).collect()
    };
    let (first, again) = (losses("actions"), losses("again"));
    assert!(first.len() == 5 && again.len() == 3, "{first:?} {again:?}");
    assert!(again[0] < first[0], "{first:?} {again:?}");
    // Width and depth are those of the start; another size cannot be gone on from.
    let wide = warm.replace(
        "inputs: observables, training",
        "inputs: observables, network: { smooth: { width: 9 } }, training",
    );
    let place = Place::with(&wide);
    let gave = place.run(&["run", "p.yaml", "--to", "again"]);
    assert_eq!(gave.code, 4, "{}", gave.err);
    assert!(gave.err.contains("input start: has"), "{}", gave.err);
}

/// Radii stretched by the learned field, then resonances where the first map says that they are; each needs its inputs.
#[test]
fn a_training_takes_up_resonances_of_the_field() {
    let pipeline = "\
pipeline: resonant
about: A map with terms of resonances
stages:
  orbits:
    integrate_orbits:
      with:
        potential: { miyamoto_nagai: { mass: 1.0e11, radius: 3.0, height: 0.5 } }
        sample: halo
        halo: { within: 40 }
        streams: 48
        stars: 8
        duration: 2
        seed: 1
  sets: { split: { from: { stars: orbits }, with: { train: 0.75, seed: 1 } } }
  field: { train_potential: { from: { train: sets.train } } }
  first:
    train_actions:
      from: { train: sets.train, validation: sets.test, field: field }
      with:
        network: { smooth: { width: 8, depth: 2, point_transformation: true, saturation: 5, synthetic: { copies: 6 } } }
        unbound: set_aside
        training: { epochs: 6 }
  actions:
    train_actions:
      from: { train: sets.train, validation: sets.test, field: field, start: first.network }
      with:
        network: { smooth: { resonances: [[1, -1], [20, -1]], synthetic: { copies: 6 } } }
        unbound: set_aside
        training: { epochs: 3 }
  found: { predict: { from: { network: actions.network, stars: sets.test } } }
";
    let place = Place::with(pipeline);
    let told = place.well(&["run", "p.yaml", "--log", "plain"]);
    let said = format!("{}{}", told.out, told.err);
    assert!(said.contains("radii are stretched by "), "{said}");
    assert!(said.contains("hardly an orbit comes near n_r = 20, n_z = -1"), "{said}");
    assert!(!said.contains("near n_r = 1,"), "{said}");
    let spread = place.well(&["show", "p.yaml", "actions.spread"]).out;
    assert!(spread.contains("network"), "{spread}");

    let refused = |from: &str, to: &str| {
        let edited = pipeline.replace(from, to);
        assert_ne!(edited, pipeline);
        let gave = Place::with(&edited).run(&["plan", "p.yaml"]);
        assert_eq!(gave.code, 3, "{}{}", gave.out, gave.err);
        gave.err
    };
    let without = refused(", field: field, start: first.network", ", field: field");
    assert!(without.contains("needs a network at the input `start`"), "{without}");
    let without = refused("validation: sets.test, field: field }", "validation: sets.test }");
    assert!(without.contains("point_transformation: needs a field"), "{without}");
    assert!(refused("[20, -1]", "[20, 0]").contains("n_r and n_z must be from 1 to 20"));
    assert!(refused("[20, -1]", "[1, -1]").contains("is there twice"));
    assert!(refused("saturation: 5", "saturation: -5").contains("saturation"));
}
