//! How much a stage may make of its parameters.

use runner::stage::Fault;

/// Most rows of a table that parameters may ask for: a hundred gigabytes, which no stage holds.
const MOST_ROWS: u64 = 1_000_000_000;

/// A fault at `at` where the product of `counts` is more rows than a table may have.
pub(crate) fn too_many_rows(at: &str, counts: &[u32]) -> Option<Fault> {
    let rows = counts
        .iter()
        .try_fold(1_u64, |rows, &count| rows.checked_mul(u64::from(count)));
    if rows.is_some_and(|rows| rows <= MOST_ROWS) {
        return None;
    }
    let rows = counts.iter().map(|&count| f64::from(count)).product::<f64>();
    let mut fault = Fault::new(
        at,
        format!("makes a table of {rows:.1e} rows; the most are {MOST_ROWS:.0e}"),
    );
    fault.hint = Some("make several stages of it, or a sweep over the seed".to_owned());
    Some(fault)
}
