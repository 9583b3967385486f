//! What the tests of several modules share.
#![allow(clippy::unwrap_used)]

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
