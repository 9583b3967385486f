//! Learned fields that are not to be believed say so; good ones say nothing.

use crate::program::{Place, project};

/// A field from the streams of a file, and the actions of their stars in it.
fn chain(file: &str, with: &str) -> Place {
    let place = Place::new();
    let from = project("tests/cases/streams_tidal").join(file);
    std::fs::copy(from, place.path("streams.csv")).unwrap();
    place.write(
        "p.yaml",
        &format!(
            "\
pipeline: streams
about: A field from streams
stages:
  streams:
    import_streams:
      with: {{ path: streams.csv, columns: {{ stream: stream, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz }} }}
  field: {{ train_potential: {{ from: {{ train: streams }}, with: {{ network: {{ linear: {{ {with} }} }} }} }} }}
  curve: {{ tabulate_field: {{ from: {{ field: field }}, with: {{ from: 12, to: 25, points: 14, azimuths: 4 }} }} }}
  actions:
    estimate_actions:
      from: {{ stars: streams, field: field }}
      with: {{ method: {{ staeckel_fudge: {{}} }}, failures: set_aside }}
"
        ),
    );
    place
}

/// A metric of a stage.
fn metric(place: &Place, stage: &str, name: &str) -> f64 {
    let mut folders = vec![place.path("results/cache/v1").join(stage)];
    while let Some(folder) = folders.pop() {
        let manifest = folder.join("manifest.json");
        if let Ok(text) = std::fs::read(&manifest) {
            let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let metrics = manifest["metrics"].as_array().unwrap();
            let found = metrics.iter().find(|metric| metric["name"] == name);
            return found.unwrap()["value"].as_f64().unwrap();
        }
        let entries = std::fs::read_dir(folder).unwrap();
        folders.extend(entries.map(|entry| entry.unwrap().path()));
    }
    panic!("no manifest of {stage}")
}

/// Sentences of a run that say that a field is not to be believed.
fn findings(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains("FINDING")).collect()
}

#[test]
fn the_field_of_clean_arcs_is_good_and_nothing_is_said_against_it() {
    let place = chain("arcs_12deg.csv", "symmetry: axisymmetric");
    let gave = place.well(&["run", "p.yaml"]);
    assert_eq!(findings(&gave.err), Vec::<&str>::new());
    assert!(metric(&place, "train_potential", "held_out_energy_spread") < 2.0);
    assert!(metric(&place, "train_potential", "acceleration_scatter") < 0.1);
    assert_eq!(metric(&place, "estimate_actions", "set_aside"), 0.0);
    let curve = place.well(&["show", "p.yaml", "curve.curve", "--rows", "20"]).out;
    let rows = curve.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let speed = |radius: f64| -> f64 {
        let mut rows = rows.clone().filter(|cells| cells.len() > 2);
        let row = rows.find(|cells| cells[0].parse() == Ok(radius)).unwrap();
        row[1].parse().unwrap()
    };
    for (radius, right) in [(12.0, 229.84), (15.0, 226.59), (20.0, 222.80), (25.0, 220.21)] {
        assert!(
            (speed(radius) / right - 1.0).abs() < 1e-3,
            "{radius}: {}",
            speed(radius)
        );
    }
    // Without the symmetry it is 0.1 % off.
    let place = chain("arcs_12deg.csv", "");
    let gave = place.well(&["run", "p.yaml"]);
    assert_eq!(findings(&gave.err), Vec::<&str>::new());
}

/// Energies differ along tidal streams; the force comes out a fifth too weak, and 5 % where symmetry helps.
#[test]
fn the_field_of_tidal_streams_is_not_believed() {
    for (with, least) in [("", 40.0), ("symmetry: axisymmetric", 10.0)] {
        let place = chain("tidal_12deg.csv", with);
        let gave = place.well(&["run", "p.yaml", "--to", "field"]);
        let said = findings(&gave.err).join("\n");
        assert!(
            said.contains("of the variance of ½v² along streams unexplained"),
            "{}",
            gave.err
        );
        assert!(said.contains("uncertain by"), "{}", gave.err);
        let unexplained = metric(&place, "train_potential", "held_out_unexplained_variance");
        let scatter = metric(&place, "train_potential", "acceleration_scatter");
        assert!(unexplained > least && scatter > 0.8 * least, "{unexplained} {scatter}");
    }
    // With errors too small for what the streams do, that is said; with errors large enough, that a good χ flatters.
    for (velocity, said) in [("0.3", "times as much as their stated errors"), ("20", "flatters")] {
        let place = chain("tidal_12deg.csv", &format!("errors: {{ velocity: {velocity} }}"));
        let gave = place.well(&["run", "p.yaml", "--to", "field"]);
        assert!(gave.err.contains(said), "{velocity}: {}", gave.err);
    }
}

#[test]
fn a_field_that_repels_says_so_and_holds_no_star() {
    let place = chain("arcs_12deg_3_percent.csv", "");
    let gave = place.run(&["run", "p.yaml"]);
    let said = findings(&gave.err).join("\n");
    for part in [
        "the field repels",
        "is rough",
        "negative density",
        "explains nothing",
        "uncertain",
    ] {
        assert!(said.contains(part), "{part}: {}", gave.err);
    }
    let left = metric(&place, "estimate_actions", "set_aside");
    let shown = place
        .well(&["show", "p.yaml", "actions.set_aside", "--rows", "400"])
        .out;
    assert!(shown.contains("the learned field does not hold it"), "{shown}");
    // None has absurd actions: none has any.
    assert!((left - 320.0).abs() < 0.5, "{left}");
}

/// L_z of a triaxial galaxy differs along a stream, and no axisymmetric field says otherwise: with errors and without.
#[test]
fn an_axisymmetric_field_of_a_triaxial_galaxy_is_not_believed() {
    let place = Place::new();
    let run = |axes: &str| {
        place.write(
            "p.yaml",
            &format!(
                "\
pipeline: halo
about: An axisymmetric field
stages:
  streams:
    integrate_orbits:
      with: {{ potential: {{ logarithmic: {{ velocity: 190, core: 4, axes: {axes} }} }}, sample: halo, streams: 48, stars: 8, duration: 1, energy_tolerance: 1.0e-4 }}
  seen: {{ observe: {{ from: {{ stars: streams }}, with: {{ errors: {{ distance: 0.03, v_los: 1, mu_l_cosb: 0.02, mu_b: 0.02 }} }} }} }}
  exact: {{ train_potential: {{ from: {{ train: streams }}, with: {{ network: {{ linear: {{ symmetry: axisymmetric }} }} }} }} }}
  noisy: {{ train_potential: {{ from: {{ train: seen }}, with: {{ network: {{ linear: {{ symmetry: axisymmetric }} }} }} }} }}
"
            ),
        );
        let gave = place.well(&["run", "p.yaml"]);
        let said = findings(&gave.err);
        said.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let of_momentum = |said: Vec<String>| said.into_iter().filter(|said| said.contains("L_z")).collect::<Vec<_>>();
    assert_eq!(of_momentum(run("[1, 1, 0.85]")), Vec::<String>::new());
    let said = of_momentum(run("[1, 0.93, 0.85]"));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|said| said.contains("of |L|")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("errors let it")), "{said:?}");
}
