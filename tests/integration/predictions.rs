//! `predict` and `recover_velocities` through the worker process.

use crate::program::Place;

/// A small map of an isochrone, with everything that can be asked of it.
const CHAIN: &str = "\
pipeline: chain
about: A small map and its predictions
params: { seed: 1 }
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
      with: { network: { smooth: { width: 16, depth: 2 } }, toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }, training: { epochs: 40 }, seed: 1 }
  two:
    train_actions:
      from: { train: sets.train, validation: sets.test }
      with: { network: { smooth: { width: 16, depth: 2 } }, toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }, training: { epochs: 40 }, seed: 2 }
  alone:
    predict: { from: { network: one, stars: sets.test }, with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
  frequencies:
    compare: { from: { predicted: alone, truth: sets.test } }
  in_field:
    predict: { from: { network: one, stars: sets.test, field: field } }
  ensemble:
    predict: { from: { network: [one, two], stars: sets.test } }
  together:
    predict: { from: { network: one, stars: sets.test }, with: { by: stream } }
  toy:
    predict: { from: { network: one, stars: sets.test }, with: { by: toy } }
  back:
    predict: { from: { network: one, stars: alone }, with: { by: inverse } }
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
    // Line by line: a connection that does not fit, and parameters that say nothing here.
    let plan = |from: &str, to: &str| {
        assert!(CHAIN.contains(from), "{from}");
        let gave = Place::with(&CHAIN.replace(from, to)).run(&["plan", "p.yaml"]);
        assert_eq!(gave.code, 3, "{}", gave.err);
        gave.err
    };
    let back = "{ network: one, stars: alone }, with: { by: inverse }";
    let said = plan(back, "{ network: field, stars: alone }, with: { by: inverse }");
    assert!(
        said.contains("takes a network of type actions/smooth, but `field.field` is of type field/linear"),
        "{said}"
    );
    let said = plan(
        back,
        "{ network: one, stars: sets.train, field: field }, with: { by: inverse }",
    );
    assert!(said.contains("`predict` has no input `field`"), "{said}");
    let said = plan(back, "{ network: one, stars: orbits }, with: { by: inverse }");
    assert!(
        said.contains("stars: a network of type actions/smooth needs J_phi J_z J_r"),
        "{said}"
    );
    let said = plan(back, "{ network: field, stars: alone.set_aside }");
    assert!(
        said.contains("stars: a network of type field/linear needs x y z"),
        "{said}"
    );
    let said = plan(back, "{ network: field, stars: sets.test, field: field }");
    assert!(
        said.contains("field: is for networks of actions and angles, not for field/linear"),
        "{said}"
    );
    let said = plan(
        back,
        "{ network: one, stars: alone }, with: { by: { dropout: { samples: 1 } } }",
    );
    assert!(
        said.contains("must be 2 or more") && said.contains("takes a network of type actions/paper"),
        "{said}"
    );
}

/// Masks of dropout give a mean and a deviation, the same in every run.
#[test]
fn draws_of_masks_give_deviations() {
    // What follows is for the smooth map.
    let (chain, _) = CHAIN.split_once("  toy:\n").unwrap();
    let paper = chain
        .replace(
            "with: { network: { smooth: { width: 16, depth: 2 } }, toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }, training: { epochs: 40 }, seed: 1 }",
            "with: { network: { paper: { width: 256, depth: 5 } }, toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }, training: { epochs: 1 }, seed: 1 }",
        )
        .replace("with: { by: stream }", "with: { by: { dropout: { samples: 3, seed: 4 } } }");
    let show = || {
        let place = Place::with(&paper);
        place.well(&["run", "p.yaml", "--to", "together"]);
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
  actions: { train_actions: { from: { train: few }, with: { network: { smooth: { width: 8, depth: 1 } }, toy: { fixed: { mass: 3.6674e11, scale: 5.5 } }, training: { epochs: 4 } } } }
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
        .replace("smooth: { width: 8, depth: 1 }", "paper: { width: 256, depth: 5 }")
        .replace("epochs: 4", "epochs: 1")
        .replace(
            "stars: many }",
            "stars: many }, with: { by: { dropout: { samples: 2, seed: 4 } } }",
        );
    let place = Place::with(&drawn);
    let run = || {
        place.well(&["run", "p.yaml", "--threads", "3", "--force", "predicted"]);
        predictions(&place)
    };
    assert!(run() == run());
}
