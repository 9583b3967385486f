//! `predict` and `recover_velocities` through the worker process.

use crate::program::Place;

/// A small map of an isochrone, with everything that can be asked of it.
const CHAIN: &str = "\
pipeline: chain
about: A small map and its predictions
params: { seed: 1, networks: 2 }
stages:
  orbits:
    integrate_orbits:
      with:
        potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }
        sample: halo
        halo: { within: 40 }
        streams: 48
        stars: 8
        duration: 0.2
        seed: 1
  truth:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
  sky:
    observe: { from: { stars: truth } }
  sets:
    split: { from: { stars: sky }, with: { train: 0.75, seed: 1 } }
  field:
    train_potential: { from: { train: sets.train } }
  one:
    train_actions:
      from: { train: sets.train, validation: sets.test }
      with: { toy: { mass: 3.6674e11, scale: 5.5, free: false }, epochs: 40, width: 16, depth: 2, seed: 1 }
  two:
    train_actions:
      from: { train: sets.train, validation: sets.test }
      with: { toy: { mass: 3.6674e11, scale: 5.5, free: false }, epochs: 40, width: 16, depth: 2, seed: 2 }
  alone:
    predict: { from: { network: one, stars: sets.test }, with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
  frequencies:
    compare: { from: { predicted: alone, truth: sets.test } }
  in_field:
    predict: { from: { network: one, stars: sets.test, field: field } }
  ensemble:
    predict: { from: { network: one, network_2: two, stars: sets.test }, with: { networks: 2 } }
  together:
    predict: { from: { network: one, stars: sets.test }, with: { stars: together } }
  toy:
    predict: { from: { network: one, stars: sets.test }, with: { map: toy } }
  back:
    predict: { from: { network: one, stars: alone }, with: { map: inverse, method: exact } }
  round_trip:
    compare: { from: { predicted: back, truth: sets.test } }
  completed:
    recover_velocities: { from: { network: one, stars: sets.test }, with: { known_stars: 4 } }
  velocities:
    compare: { from: { predicted: completed.recovered, truth: sets.test } }
";

/// The number in the column `value` of the row of a table of errors.
fn value(shown: &str, measure: &str) -> f64 {
    let row = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut row =
        row.filter(|cells| cells.len() > 4 && cells[0] == measure && cells[1] == "mean" && cells[2] == "mean_absolute");
    row.next().and_then(|cells| cells[3].parse().ok()).unwrap_or(f64::NAN)
}

#[test]
fn a_map_predicts_inverts_and_completes() {
    let place = Place::with(CHAIN);
    place.well(&["run", "p.yaml"]);
    let errors = |stage: &str| {
        place
            .well(&["show", "p.yaml", &format!("{stage}.errors"), "--rows", "60"])
            .out
    };
    // The trained map is good to a per cent or so; frequencies of these orbits are 20 to 60 km/s/kpc.
    let frequencies = value(&errors("frequencies"), "delta_Omega");
    assert!(frequencies < 3.0, "{frequencies} {}", errors("frequencies"));
    // Position and velocity come back to rounding, for all stars that are not set aside.
    let back = errors("round_trip");
    assert!(
        value(&back, "delta_x") < 1e-7 && value(&back, "delta_v") < 1e-6,
        "{back}"
    );
    let velocities = value(&errors("velocities"), "delta_v_los");
    assert!(velocities < 20.0, "{velocities}");
    for (stage, columns) in [
        ("alone", &["Omega_r", "ax", "theta_phi"][..]),
        ("in_field", &["Omega_r", "az"]),
        ("ensemble", &["J_phi_sd", "theta_r_sd"]),
        ("together", &["J_z_sd"]),
        ("alone.streams", &["Omega_phi_sd", "J_r_sd", "stars"]),
        ("back.set_aside", &["reason"]),
        ("completed", &["v_los_sd", "recovered", "vx"]),
    ] {
        let shown = place.well(&["show", "p.yaml", stage]).out;
        for column in columns {
            assert!(shown.contains(column), "{stage}: no {column} in {shown}");
        }
    }
}

#[test]
fn what_cannot_be_predicted_is_said_before_or_with_a_reason() {
    let wrong = |with: &str| CHAIN.replace("with: { map: inverse, method: exact }", with);
    let plan = |text: &str| Place::with(text).run(&["plan", "p.yaml"]);
    let gave = plan(&wrong("with: { map: inverse, stars: together }"));
    assert_eq!(gave.code, 3, "{}", gave.err);
    assert!(gave.err.contains("is for `map: actions`"), "{}", gave.err);
    let gave = plan(&wrong("with: { map: inverse, method: exact, dropout_samples: 1 }"));
    assert!(gave.err.contains("must be 2 or more"), "{}", gave.err);
    let gave = plan(&CHAIN.replace("with: { networks: 2 }", "with: { networks: 9 }"));
    assert_eq!(gave.code, 3, "{}", gave.err);
    assert!(gave.err.contains("must be 2 to 8"), "{}", gave.err);
}

/// Masks of dropout give a mean and a deviation, the same in every run.
#[test]
fn draws_of_masks_give_deviations() {
    let paper = CHAIN
        .replace(
            "with: { toy: { mass: 3.6674e11, scale: 5.5, free: false }, epochs: 40, width: 16, depth: 2, seed: 1 }",
            "with: { network: paper, toy: { mass: 3.6674e11, scale: 5.5, free: false }, epochs: 1, width: 256, depth: 5, seed: 1 }",
        )
        .replace("with: { stars: together }", "with: { dropout_samples: 3, seed: 4 }");
    let show = || {
        let place = Place::with(&paper);
        place.well(&["run", "p.yaml", "--to", "together"]);
        let refused = place.run(&["run", "p.yaml", "--to", "back"]);
        assert_eq!(refused.code, 4, "{}", refused.err);
        assert!(refused.err.contains("piecewise linear"), "{}", refused.err);
        place.well(&["show", "p.yaml", "together"]).out
    };
    let first = show();
    assert!(first.contains("theta_phi_sd"), "{first}");
    assert_eq!(first, show());
}

/// More stars than one piece holds.
const MANY: &str = "\
pipeline: many
about: More stars than one piece holds
stages:
  few: { integrate_orbits: { with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, streams: 16, stars: 8, halo: { within: 40 } } } }
  many: { integrate_orbits: { with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, streams: 1200, stars: 8, halo: { within: 40 }, seed: 2 } } }
  actions: { train_actions: { from: { train: few }, with: { toy: { mass: 3.6674e11, scale: 5.5, free: false }, epochs: 4, width: 8, depth: 1 } } }
  predicted: { predict: { from: { network: actions, stars: many } } }
";

/// The bytes of the table of predictions.
fn predictions(place: &Place) -> Vec<u8> {
    let shown = place.well(&["show", "p.yaml", "predicted"]).out;
    std::fs::read(place.path(shown.lines().next().unwrap())).unwrap()
}

/// Pieces of a table are predicted side by side, each as if it were alone.
#[test]
fn the_number_of_threads_changes_nothing() {
    let bytes = |threads: &str| {
        let place = Place::with(MANY);
        place.well(&["run", "p.yaml", "--threads", threads]);
        let shown = place.well(&["show", "p.yaml", "predicted"]).out;
        assert!(shown.contains("9600 rows"), "{shown}");
        predictions(&place)
    };
    assert!(bytes("1") == bytes("3"));
}

/// Masks come from libtorch's one generator, which no two pieces may use at a time: the same bytes in every run.
#[test]
fn masks_are_the_same_in_every_run_whatever_the_pieces() {
    // Only blocks this wide have dropout.
    let drawn = MANY
        .replace("streams: 1200", "streams: 520")
        .replace("with: { toy:", "with: { network: paper, toy:")
        .replace("epochs: 4, width: 8, depth: 1", "epochs: 1, width: 256, depth: 5")
        .replace("stars: many }", "stars: many }, with: { dropout_samples: 2, seed: 4 }");
    let place = Place::with(&drawn);
    let run = || {
        place.well(&["run", "p.yaml", "--threads", "3", "--force", "predicted"]);
        predictions(&place)
    };
    assert!(run() == run());
}
