//! The pipelines that come with the program, and those that its documents show.

use std::path::{Path, PathBuf};

use crate::program::{Place, project};

/// What readers are given: README.md, ARCHITECTURE.md and the Markdown below docs/, but for the notebook, which tells of what was.
pub fn documents() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("notebook") {
                below(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let mut found = ["README.md", "ARCHITECTURE.md"].map(project).to_vec();
    below(&project("docs"), &mut found);
    found.sort();
    found
}

/// The blocks of a language in a document.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    let inside = text.split(opening.as_str()).skip(1);
    inside.map(|block| block.split("```").next().unwrap()).collect()
}

/// The pipelines that come with the program.
pub fn shipped() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project("pipelines")).unwrap();
    let mut paths: Vec<_> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_shipped_pipeline_can_be_planned() {
    let place = Place::new();
    let paths = shipped();
    // Those that the documents send their readers to, and those that documents know of.
    let texts: Vec<String> = documents()
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut named = 0;
    for word in texts
        .iter()
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || "`()[]".contains(c)))
    {
        if let Some(name) = word.strip_prefix("pipelines/").filter(|name| name.ends_with(".yaml")) {
            assert!(paths.iter().any(|path| path.ends_with(name)), "{name} is gone");
            named += 1;
        }
    }
    assert!(named > 0, "the documents name pipelines");
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        place.well(&["plan", &path.to_string_lossy(), "--results", "results"]);
    }
}

/// A whole chain with trainings on a file that no pipeline made, with as little training as possible.
#[test]
fn your_data_runs_end_to_end() {
    let reference = project("tests/reference").to_string_lossy().into_owned();
    let template = std::fs::read_to_string(project("pipelines/your_data.yaml")).unwrap();
    let yaml = template
        .replace("../tests/reference", &reference)
        .replace("network: smooth", "network: smooth\n        training: { epochs: 2 }");
    assert!(
        yaml.contains(&reference) && yaml.contains("epochs: 2"),
        "the template has changed"
    );
    let place = Place::with(&yaml);
    let gave = place.run(&["run", "p.yaml"]);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    assert!(gave.out.contains("δJ"), "{}", gave.out);
    let again = place.well(&["run", "p.yaml"]);
    assert!(again.err.contains("all fresh"), "{}", again.err);
}

/// Field, map, synthetic streams, labels and comparisons of section 6.2, small and hardly trained.
#[test]
fn the_galaxy_pipeline_runs_small() {
    let place = Place::new();
    let yaml = project("pipelines/dehnen_binney_orbits.yaml");
    let small = [
        "orbits=48",
        "streams=32",
        "validation_streams=8",
        "test_streams=8",
        "o2gf_streams=1",
        "epochs=2",
        "field_epochs=2",
    ];
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    arguments.extend(small.iter().flat_map(|parameter| ["-p", parameter]));
    let gave = place.run(&arguments);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    // Of 32 streams the energies alone give the field to better than the paper's 2.6 % from 1024.
    let line = gave.out.lines().find(|line| line.starts_with("δa")).unwrap();
    let ours: f64 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(ours < 2.6, "{line}");
    assert!(gave.out.contains("S = 1024 and learned field"), "{}", gave.out);
    assert!(gave.out.contains("O2GF in the learned field"), "{}", gave.out);
}

/// Accelerations from a map, star by star and as a field: each comparison must find its stars.
#[test]
fn the_acceleration_pipeline_runs_small() {
    let place = Place::new();
    let yaml = project("pipelines/acceleration.yaml");
    let small = [
        "streams=32",
        "map_epochs=3",
        "field_epochs=2",
        "galaxy.tori=48",
        "galaxy.tolerance=1e-3",
        "galaxy.validation_streams=8",
        "galaxy.test_streams=8",
    ];
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    arguments.extend(["--to", "solved_errors", "--to", "free_errors"]);
    arguments.extend(small.iter().flat_map(|parameter| ["-p", parameter]));
    let gave = place.run(&arguments);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    assert_eq!(gave.out.matches("δa ").count(), 2, "{}", gave.out);
}

/// Every method along one test orbit and on one sample of tori, with few points.
#[test]
fn the_methods_pipeline_runs_small() {
    let place = Place::new();
    let yaml = project("pipelines/methods.yaml");
    let small = [
        "points=40",
        "few_points=2",
        "streams=2",
        "orbit=thin",
        "potential=piffl_14",
        "sample=disc",
    ];
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    arguments.extend(small.iter().flat_map(|parameter| ["-p", parameter]));
    let gave = place.run(&arguments);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    for row in [
        "thin: Stäckel fudge",
        "thin: torus",
        "thin: O2GF",
        "piffl_14, disc: torus",
        "piffl_14, disc: Stäckel fudge",
    ] {
        assert!(gave.out.contains(row), "{row}\n{}", gave.out);
    }
}

/// A Fourier series for each test orbit, from few points.
#[test]
fn the_test_orbits_pipeline_runs_small() {
    let place = Place::new();
    let yaml = project("pipelines/test_orbits.yaml");
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    for parameter in ["learned=800", "points=50", "coefficients=100", "orbit=thin"] {
        arguments.extend(["-p", parameter]);
    }
    let gave = place.run(&arguments);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    // A hundred terms of the best there are bring the thin orbit below the paper's 0.034 km/s kpc.
    let line = gave
        .out
        .lines()
        .find(|line| line.contains("δJ") && line.contains("mean"))
        .unwrap();
    let ours: f64 = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(ours < 0.034, "{line}");
    // It has no angles to give.
    arguments[0] = "show";
    arguments.insert(2, "predicted");
    let shown = place.well(&arguments).out;
    assert!(shown.contains("J_r") && !shown.contains("theta"), "{shown}");
}

/// A few particles, hardly trained: every stage of section 6.5 in a chain.
#[test]
fn the_nbody_pipeline_runs_small() {
    let place = Place::new();
    let yaml = project("pipelines/plummer_small.yaml");
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    for parameter in [
        "sphere.particles=600",
        "sphere.step=1e-3",
        "sphere.train_streams=40",
        "sphere.validation_streams=40",
        "sphere.test_streams=40",
        "sphere.epochs=2",
    ] {
        arguments.extend(["-p", parameter]);
    }
    let gave = place.run(&arguments);
    assert_eq!(gave.code, 0, "{}\n{}", gave.out, gave.err);
    assert!(gave.out.contains("δJ"), "{}", gave.out);
    let again = place.run(&arguments);
    assert!(again.err.contains("all fresh"), "{}", again.err);
}

/// Files of the user that the pipelines of the documents name, and what stands in for them.
const STAND_INS: [(&str, &str); 7] = [
    ("stars.csv", "tests/reference/clusters.csv"),
    ("stars.fits", "tests/reference/formats/table.fits"),
    ("galaxy.ini", "tests/reference/formats/README.md"),
    ("snapshot_000.hdf5", "tests/reference/formats/arepo.hdf5"),
    ("snapshot_001.hdf5", "tests/reference/formats/arepo.hdf5"),
    ("given.safetensors", "tests/golden/field.safetensors"),
    ("speeds.py", "pipelines/own_program/rotate.py"),
];

/// Each ```yaml block of the documents that holds a whole pipeline is one that loads.
#[test]
fn pipelines_in_the_documents_can_be_planned() {
    let mut found = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for yaml in blocks(&text, "yaml") {
            if yaml.starts_with("pipeline:") {
                let place = Place::with(yaml);
                for (name, reference) in STAND_INS {
                    std::fs::copy(project(reference), place.path(name)).unwrap();
                }
                let gave = place.run(&["plan", "p.yaml"]);
                assert_eq!(gave.code, 0, "{}\n{yaml}\n{}", document.display(), gave.err);
                found += 1;
            }
        }
    }
    assert!(found > 8, "the documents show {found} pipelines");
}

/// Each `$ actionfinder` line of the documents has a command and options that there are.
#[test]
fn commands_in_the_documents_are_known() {
    let place = Place::new();
    let mut found = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let lines = blocks(&text, "console").into_iter().flat_map(str::lines);
        for line in lines.filter_map(|line| line.strip_prefix("$ actionfinder ")) {
            let line = line.split(" #").next().unwrap();
            let mut words = line.split_whitespace();
            let command = words.next().unwrap();
            let help = place.well(&[command, "--help"]).out;
            for option in words.filter(|word| word.starts_with('-')) {
                let name = option.split('=').next().unwrap();
                let known = help
                    .split(|c: char| c.is_whitespace() || ",[<".contains(c))
                    .any(|word| word == name);
                assert!(known, "{}: {command} has no {name}", document.display());
            }
            found += 1;
        }
    }
    assert!(found > 20, "the documents show {found} commands");
}

/// Links from one document to another lead to a file. A page of `docs/reference` is one of those that `explain --write` makes.
#[test]
fn links_in_the_documents_lead_somewhere() {
    let place = Place::new();
    place.well(&["explain", "--write", "reference"]);
    let mut found = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            let page = target
                .rsplit_once("reference/")
                .map(|(_, name)| place.path("reference").join(name));
            let there = path.exists() || page.is_some_and(|page| page.exists());
            assert!(there, "{}: {target} is not there", document.display());
            found += 1;
        }
    }
    assert!(found > 20, "the documents have {found} links");
    // The table of contents has every page.
    let summary = std::fs::read_to_string(project("docs/SUMMARY.md")).unwrap();
    let pages = std::fs::read_dir(place.path("reference")).unwrap();
    let pages = pages.map(|page| format!("reference/{}", page.unwrap().file_name().display()));
    let howtos = std::fs::read_dir(project("docs/howto")).unwrap();
    let howtos = howtos.map(|page| format!("howto/{}", page.unwrap().file_name().display()));
    for page in pages.chain(howtos) {
        assert!(summary.contains(&format!("]({page})")), "docs/SUMMARY.md lacks {page}");
    }
}
