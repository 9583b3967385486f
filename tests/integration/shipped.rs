//! Every pipeline that comes with the program runs, from its first stage to its last, on little data and with hardly any training.

use crate::pipelines::shipped;
use crate::program::{Place, project};

/// A pipeline whose every stage ends well; findings are results.
fn runs(name: &str, parameters: &[&str]) {
    let place = Place::new();
    let yaml = project(&format!("pipelines/{name}.yaml"));
    let mut arguments = vec!["run", yaml.to_str().unwrap(), "--results", "results"];
    arguments.extend(parameters.iter().flat_map(|parameter| ["-p", parameter]));
    let gave = place.well(&arguments);
    assert!(!gave.err.contains("skipped"), "{}\n{}", gave.out, gave.err);
}

macro_rules! small {
    ($($name:ident: [$($parameter:literal),*];)*) => {
        $(#[test]
        fn $name() {
            runs(stringify!($name), &[$($parameter),*]);
        })*

        const SMALL: &[&str] = &[$(stringify!($name)),*];
    };
}

small! {
    arcs: ["streams=32", "seed=1", "symmetry=none", "epochs=2", "copies=1", "galaxy.tori=48", "galaxy.validation_streams=8", "galaxy.test_streams=8"];
    clusters: [];
    corrected_streams: ["streams=2", "stars=20", "probes=2", "copies=8", "epochs=2"];
    every_draw: ["row=\"DB98 halo, S = 16\"", "seed=1", "draws=6", "learned.tori=32", "learned.validation_streams=8", "learned.test_streams=8", "learned.epochs=2", "learned.copies=1"];
    every_draw_field: ["row=\"DB98 halo, S = 1024\"", "seed=1", "streams=32", "draws=4", "sample.tori=48", "sample.validation_streams=8", "sample.test_streams=8"];
    every_draw_resonances: ["row=\"DB98 halo, S = 1024\"", "seed=1", "streams=32", "draws=6", "copies=1", "first_epochs=2", "epochs=2", "sample.tori=48", "sample.validation_streams=8", "sample.test_streams=8"];
    finder_field: ["seed=1", "streams=32", "energies=4", "momenta=4", "tilts=6", "sample.tori=48", "sample.validation_streams=8", "sample.test_streams=8"];
    fixed_potential: ["seed=1", "streams=16", "galaxy.tori=32", "galaxy.validation_streams=8", "galaxy.test_streams=8"];
    inverse: ["streams=32", "validation_streams=8", "tori=8", "epochs=2", "inverse_epochs=2"];
    isochrone: ["seed=1", "orbits=80", "streams=32", "validation_streams=8", "test_streams=40"];
    milky_way: ["streams=orbits"];
    missing_velocities: ["streams=32", "validation_streams=8", "test_streams=8", "epochs=2"];
    noisy_streams: ["streams=2", "stars=20", "probes=1", "copies=4", "epochs=2"];
    own_program: [];
    plummer: ["particles=2000", "step=0.01", "train_streams=64", "validation_streams=16", "test_streams=64", "epochs=10"];
    quickstart: ["streams=32"];
    resonances: ["row=\"Piffl disc, S = 1024\"", "seed=1", "sample.tori=48", "sample.streams=32", "sample.validation_streams=8", "sample.test_streams=8"];
    stream_tracks: [];
    tori: ["streams=32", "epochs=2", "copies=1", "tori=48", "validation_streams=8", "test_streams=8", "o2gf_streams=1"];
    triaxial: ["orbits=128", "epochs=10"];
}

/// Rows of other pipelines, and the figure of trainings that several of them share.
const FIGURES: [(&str, &[&str]); 2] = [("paper", &["few", "more", "many"]), ("paper_quick", &["few", "more"])];

#[test]
fn figures_of_several_trainings_run_small() {
    for (name, trainings) in FIGURES {
        let place = Place::new();
        let yaml = project(&format!("pipelines/{name}.yaml"));
        let mut arguments = vec![yaml.to_str().unwrap().to_owned(), "-p".to_owned(), "seed=1".to_owned()];
        if name == "paper" {
            arguments.extend(["-p".to_owned(), "symmetry=none".to_owned()]);
        }
        for training in trainings {
            for small in [
                "tori=48",
                "streams=32",
                "copies=1",
                "epochs=2",
                "validation_streams=8",
                "test_streams=8",
            ] {
                arguments.extend(["-p".to_owned(), format!("{training}.{small}")]);
            }
        }
        let all = ["run", "--to", "figure_3", "--results", "results"];
        place.well(
            &all.iter()
                .copied()
                .chain(arguments.iter().map(String::as_str))
                .collect::<Vec<_>>(),
        );
    }
}

/// A file that is in none of the lists has no test.
#[test]
fn no_shipped_pipeline_is_forgotten() {
    // These have tests of their own, which look at more.
    let elsewhere = std::fs::read_to_string(project("tests/integration/pipelines.rs")).unwrap();
    for path in shipped() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let is_figure = FIGURES.iter().any(|(of, _)| *of == name);
        let is_run =
            is_figure || SMALL.contains(&name) || elsewhere.contains(&format!("project(\"pipelines/{name}.yaml\")"));
        // One that has no stages of its own is rows of others.
        assert!(is_run || !text.contains("\nstages:"), "{name} is never run");
    }
}
