//! What the tests of several modules share.
#![allow(clippy::unwrap_used)]

use crate::o2gf;
use crate::phase_space::PhaseSpace;
use crate::potential::Galaxy;
use crate::units::wrap_difference;

/// The named columns of `tests/reference/{name}.csv`, row by row.
pub(crate) fn reference_table(name: &str, columns: &[&str]) -> Vec<Vec<f64>> {
    let path = format!("{}/../../tests/reference/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let places: Vec<usize> = columns
        .iter()
        .map(|name| header.iter().position(|h| h == name).unwrap())
        .collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            places.iter().map(|&place| cells[place].parse().unwrap()).collect()
        })
        .collect()
}

/// What must hold for the labels of any orbit in a galaxy whose density falls outwards, or for those of a sphere: else the labels are
/// wrong, and not what is compared with them.
#[test]
fn labels_of_the_reference_tables_are_possible() {
    for (name, limit) in [
        ("isochrone", 1e-9),
        ("plummer", 1e-9),
        ("plummer_exact", 1e-9),
        // About an axis a little less than 1 would do, but none of them is near it.
        ("orbits_dehnen_binney_98_1_halo", 0.0),
        ("orbits_dehnen_binney_98_1_disk", 0.0),
        ("orbits_piffl_14_halo", 0.0),
        ("orbits_piffl_14_disk", 0.0),
    ] {
        let columns = ["J_r", "J_z", "J_phi", "Omega_r", "Omega_z", "Omega_phi"];
        for (row, values) in reference_table(name, &columns).into_iter().enumerate() {
            let [j_r, j_z, j_phi, omega_r, omega_z, omega_phi]: [f64; 6] = values.try_into().unwrap();
            let ratio = omega_r / omega_phi.abs();
            assert!(
                j_r >= 0.0 && j_z >= 0.0 && omega_z > 0.0 && omega_phi * j_phi >= 0.0,
                "{name}, row {row}: a sign is wrong"
            );
            assert!(
                (1.0 - limit..=2.0 + limit).contains(&ratio),
                "{name}, row {row}: Ω_r/|Ω_φ| is {ratio}"
            );
        }
    }
}

/// The tables' galaxies.
type Made = fn() -> Galaxy;
const GALAXIES: [(&str, Made); 4] = [
    ("orbits_dehnen_binney_98_1_halo", || {
        Galaxy::dehnen_binney_98_1().unwrap()
    }),
    ("orbits_dehnen_binney_98_1_disk", || {
        Galaxy::dehnen_binney_98_1().unwrap()
    }),
    ("orbits_piffl_14_halo", || Galaxy::piffl_14().unwrap()),
    ("orbits_piffl_14_disk", || Galaxy::piffl_14().unwrap()),
];

/// A label whose θ_r does not wind with the orbit is off by more than a radian in the mean; the fudge of the tables, by 0.08 at most.
#[test]
fn radial_angles_of_the_reference_tables_wind_with_their_orbits() {
    for (name, _) in GALAXIES {
        for orbit in reference_table(name, &["stream", "theta_r", "fudge_theta_r"]).chunks(8) {
            let off = orbit
                .iter()
                .map(|row| wrap_difference(row[1] - row[2]).abs())
                .sum::<f64>()
                / 8.0;
            assert!(off < 0.3, "{name}, stream {}: {off}", orbit[0][0]);
        }
    }
}

/// The frequencies of every orbit in the tables are those of its spectrum in our galaxy, whose force differs from the peer's by 1e-4.
#[test]
#[ignore = "a minute: the spectra of 254 orbits"]
fn frequencies_of_the_reference_tables_are_those_of_spectra() {
    let columns = [
        "x",
        "y",
        "z",
        "vx",
        "vy",
        "vz",
        "Omega_r",
        "Omega_z",
        "Omega_phi",
        "stream",
    ];
    for (name, galaxy) in GALAXIES {
        let rows: Vec<_> = reference_table(name, &columns).into_iter().step_by(8).collect();
        let points: Vec<_> = rows
            .iter()
            .map(|row| PhaseSpace::new([row[0], row[1], row[2]], [row[3], row[4], row[5]]))
            .collect();
        let labels = o2gf::labels(&galaxy(), &points, &o2gf::Settings::default(), &|_| ());
        for (row, label) in rows.iter().zip(labels) {
            let rates = label.unwrap().action_angle.frequencies;
            for (ours, theirs) in [(rates.r, row[6]), (rates.z, row[7]), (rates.phi, row[8])] {
                assert!(
                    (ours / theirs - 1.0).abs() < 4e-3,
                    "{name}, stream {}: {ours} for {theirs}",
                    row[9]
                );
            }
        }
    }
}
