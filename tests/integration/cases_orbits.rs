//! Cases of `tests/cases` about orbits: labels by O2GF, and stars and orbits that fail alone.

use tables::RecordBatch;

use crate::program::{Place, find, project};

/// A folder with the case's files.
fn case(name: &str) -> Place {
    let place = Place::new();
    for entry in std::fs::read_dir(project("tests/cases").join(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    place
}

/// The output table `file` of the stage kind `kind`, of which the place has one.
fn table(place: &Place, kind: &str, file: &str) -> RecordBatch {
    let folder = place.path("results/cache/v1").join(kind);
    tables::read(&find(&folder, file).unwrap()).unwrap()
}

fn numbers(table: &RecordBatch, column: &str) -> Vec<f64> {
    tables::f64_column(table, column).unwrap().to_vec()
}

fn reasons(table: &RecordBatch) -> Vec<&str> {
    tables::str_column(table, "reason").unwrap()
}

fn streams(table: &RecordBatch) -> Vec<i64> {
    tables::i64_column(table, "stream").unwrap().to_vec()
}

#[test]
fn o2gf_circular_galaxy() {
    let place = case("o2gf_circular_galaxy");
    place.well(&["run", "p.yaml", "--log", "plain"]);
    let stars = table(&place, "estimate_actions", "stars.parquet");
    assert_eq!(streams(&stars), [0, 1, 2, 3]);
    let (j_r, omega_r) = (numbers(&stars, "J_r"), numbers(&stars, "Omega_r"));
    for (found, right) in omega_r.iter().zip([43.53, 107.8, 2.447, 2.447]) {
        // The digits of the right answer are four.
        assert!((found / right - 1.0).abs() < 1e-3, "{omega_r:?}");
    }
    assert!(j_r[..2].iter().all(|&j| (0.0..1e-8).contains(&j)), "{j_r:?}");
    assert!(j_r.iter().all(|&j| j < 0.1), "{j_r:?}");
    assert!(numbers(&stars, "J_error").iter().all(|&error| error < 0.05));
    assert!(
        tables::str_column(&stars, "class")
            .unwrap()
            .iter()
            .all(|class| *class == "regular")
    );
}

#[test]
fn o2gf_centre() {
    let place = case("o2gf_centre");
    place.well(&["run", "p.yaml", "--log", "plain"]);
    let aside = table(&place, "estimate_actions", "set_aside.parquet");
    assert!(streams(&aside).contains(&0));
    assert!(
        reasons(&aside)[0].contains("rests at the centre"),
        "{:?}",
        reasons(&aside)
    );
    for reason in reasons(&aside) {
        assert!(reason.len() < 140 && !reason.contains("000000"), "{reason}");
    }
    if !streams(&aside).contains(&1) {
        let stars = table(&place, "estimate_actions", "stars.parquet");
        assert!((numbers(&stars, "J_r")[0] - 47.94).abs() < 0.01);
    }
}

#[test]
fn o2gf_times_in_myr() {
    let place = case("o2gf_times_in_myr");
    place.well(&["run", "p.yaml", "--log", "plain"]);
    let stars = table(&place, "estimate_actions", "stars.parquet");
    assert_eq!(stars.num_rows(), 1, "the star that the orbit is taken from");
    let aside = table(&place, "estimate_actions", "set_aside.parquet");
    assert_eq!(aside.num_rows(), 5);
    for reason in reasons(&aside) {
        assert!(reason.contains("if they are in Myr"), "{reason}");
    }

    // With the times that are right all have labels, whose angles advance with them.
    let place = case("o2gf_times_in_myr");
    std::fs::copy(place.path("right_times.csv"), place.path("s.csv")).unwrap();
    place.well(&["run", "p.yaml", "--log", "plain"]);
    let stars = table(&place, "estimate_actions", "stars.parquet");
    assert_eq!(stars.num_rows(), 6);
    for (name, right) in [("J_r", 33.0641), ("J_z", 39.8986), ("J_phi", 1440.0)] {
        for found in numbers(&stars, name) {
            assert!((found - right).abs() < 1e-3, "{name}: {found}");
        }
    }
    assert!(numbers(&stars, "theta_error").iter().all(|&error| error < 1e-5));
}

#[test]
fn one_orbit_fails_all() {
    let place = case("one_orbit_fails_all");
    place.well(&["run", "p.yaml", "--log", "plain"]);
    let stars = table(&place, "integrate_orbits", "stars.parquet");
    assert_eq!(streams(&stars), [7; 5]);
    let aside = table(&place, "integrate_orbits", "set_aside.parquet");
    assert_eq!(streams(&aside), [42]);
    assert!(
        reasons(&aside)[0].contains("integrator: dop853"),
        "{:?}",
        reasons(&aside)
    );

    // What the hint says helps, and by choice one failure fails all, by its name.
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write(
        "adaptive.yaml",
        &yaml
            .replace("pipeline: p", "pipeline: adaptive")
            .replace("stars: 5", "stars: 5, integrator: dop853"),
    );
    place.well(&["run", "adaptive.yaml", "--log", "plain"]);
    place.write(
        "strict.yaml",
        &yaml
            .replace("pipeline: p", "pipeline: strict")
            .replace("stars: 5", "stars: 5, failures: fail"),
    );
    let gave = place.run(&["run", "strict.yaml", "--log", "plain"]);
    assert_ne!(gave.code, 0);
    assert!((gave.err + &gave.out).contains("first stream 42, star 0"));
}
