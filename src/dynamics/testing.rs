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
