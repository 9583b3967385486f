//! The acceleration from a trained action map, through the worker process.

use crate::program::Place;

/// In an exact toy the map is exact, and so is what Eq. 15 says; small networks hardly trained on 16 streams follow.
const CHAIN: &str = "\
pipeline: exact
about: The field in which exact actions stay
stages:
  orbits:
    integrate_orbits:
      with:
        potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }
        sample: halo
        halo: { within: 60 }
        streams: 32
        stars: 8
        duration: 0.1
        seed: 1
  sets:
    split: { from: { stars: orbits }, with: { train: 0.5, seed: 1 } }
  truth:
    estimate_accelerations:
      from: { stars: sets.test }
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } } }
  actions:
    train_actions:
      from: { train: sets.train }
      with: { network: { smooth: { softening: 0.2, width: 8, depth: 2 } }, toy: { fixed: { mass: 3.334e11, scale: 5.0 } }, training: { epochs: 2 } }
  free:
    train_acceleration:
      from: { network: [actions, actions], train: sets.train, validation: sets.test }
      with: { network: { smooth: { width: 8 } }, training: { epochs: 3 } }
  sum:
    train_acceleration: { from: { network: actions, train: sets.train }, with: { network: linear } }
  paper:
    train_acceleration:
      from: { network: actions, train: sets.train }
      with: { network: { paper: { width: 64, depth: 2, loss: { symmetry: 0.1, frequency_spread: 0.1 } } }, training: { epochs: 2 } }
  of_free: { predict: { from: { network: free, stars: sets.test } } }
  of_sum: { predict: { from: { network: sum, stars: sets.test } } }
  of_paper: { predict: { from: { network: paper, stars: sets.test } } }
  solved_error: { compare: { from: { predicted: free.solved, truth: truth } } }
  free_error: { compare: { from: { predicted: of_free, truth: truth } } }
  sum_error: { compare: { from: { predicted: of_sum, truth: truth } } }
  bins: { bin_errors: { from: { predicted: of_sum, truth: truth } } }
  grid:
    tabulate_field:
      from: { field: sum }
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, points: 16, azimuths: 4 }
  free_grid: { tabulate_field: { from: { field: free }, with: { points: 8, azimuths: 2 } } }
  curves: { figure: { from: { free: free_grid.curve, potential: grid.curve }, with: { draw: rotation_curve } } }
  drawn: { figure: { from: { meridian: grid.meridian }, with: { draw: field } } }
";

#[test]
fn exact_actions_give_the_exact_acceleration_through_the_worker() {
    let place = Place::with(CHAIN);
    let gave = place.well(&["run", "p.yaml"]);
    let error = |stage: &str| -> f64 {
        let line = gave.out.lines().find(|line| line.contains(stage)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        words[words.iter().position(|word| *word == "%").unwrap() - 1]
            .parse()
            .unwrap()
    };
    // Relative, in %: rounding times condition numbers of up to 30; then a correction of nothing, hardly trained; then a basis
    // that holds no isochrone, on 16 streams.
    assert!(error("solved_error") < 1e-10, "{}", gave.out);
    assert!(error("free_error") < 1.0, "{}", gave.out);
    assert!(error("sum_error") < 2.6, "{}", gave.out);
    let shown = place.well(&["show", "p.yaml", "grid.curve"]);
    assert!(
        ["true_v_c", "true_potential", "16 rows"]
            .iter()
            .all(|word| shown.out.contains(word)),
        "{}",
        shown.out
    );
    let bins = place.well(&["show", "p.yaml", "bins"]);
    assert!(bins.out.contains("median"), "{}", bins.out);
}

#[test]
fn fields_and_other_files_are_told_apart() {
    let wrong = CHAIN.replace(
        "train_acceleration: { from: { network: actions, train: sets.train }, with: { network: linear } }",
        "train_acceleration: { from: { network: free, train: sets.train }, with: { network: linear } }",
    );
    assert_ne!(wrong, CHAIN);
    let place = Place::with(&wrong);
    let gave = place.run(&["plan", "p.yaml", "--to", "sum"]);
    assert_eq!(gave.code, 3, "{}", gave.err);
    assert!(
        gave.err
            .contains("input `network` takes a network of type actions/smooth or actions/paper, but `free.field` is of type field/acceleration"),
        "{}",
        gave.err
    );
    assert!(gave.err.contains("outputs that fit: `actions.network`"), "{}", gave.err);
}
