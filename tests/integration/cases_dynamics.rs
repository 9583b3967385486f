//! Actions of stars for which methods went wrong in silence: `tests/cases`.

use crate::program::{Place, project};

/// Actions and frequencies of the case's stars agree with its `expected.csv`, which has 15 digits, to 1e-8.
fn agrees(case: &str) {
    let folder = project("tests/cases").join(case);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let place = Place::with(&read("p.yaml"));
    place.write("s.csv", &read("s.csv"));
    place.well(&["run", "p.yaml"]);
    let entries = place.path("results/cache/v1/estimate_actions");
    let entry = std::fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
    let found = tables::read(&entry.join("stars.parquet")).unwrap();
    let column = |name: &str| tables::f64_column(&found, name).unwrap().to_vec();
    let (j_r, rates) = (column("J_r"), ["Omega_r", "Omega_z", "Omega_phi"].map(column));
    let expected = read("expected.csv");
    let rows: Vec<Vec<f64>> = expected
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(expected.starts_with("id,J_r,Omega_r,Omega_z\n") && rows.len() == j_r.len());
    for (star, row) in rows.iter().enumerate() {
        let pairs = [
            ("J_r", j_r[star], row[1]),
            ("Omega_r", rates[0][star], row[2]),
            ("Omega_z", rates[1][star], row[3]),
            // In a sphere, whatever the orientation.
            ("|Omega_phi|", rates[2][star].abs(), row[3]),
        ];
        for (name, found, expected) in pairs {
            assert!(
                (found / expected - 1.0).abs() < 1e-8,
                "{case}, star {star}: {name} is {found}, not {expected}"
            );
        }
    }
}

#[test]
fn spherical_actions_of_radial_orbits_and_at_apsides() {
    agrees("spherical_radial");
}

#[test]
fn spherical_actions_at_the_centre() {
    agrees("spherical_centre");
}

#[test]
fn the_fudge_in_the_plane() {
    agrees("fudge_planar_isochrone");
}

#[test]
fn the_fudge_at_the_centre() {
    agrees("fudge_centre");
}

#[test]
fn the_fudge_on_radial_orbits() {
    agrees("fudge_radial");
}
