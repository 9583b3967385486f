//! What fails: arguments as `ValueError`, rows by their numbers and reasons.

use std::fmt::Display;

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

/// An argument that is none.
pub fn invalid(why: impl Display) -> PyErr {
    PyValueError::new_err(why.to_string())
}

/// Rows without an answer, with the reason of each.
pub type Reasons = Vec<(usize, String)>;

/// The answers, NaN where there is none, and the reasons why.
pub fn parted<T, E: Display>(found: Vec<Result<T, E>>, mut put: impl FnMut(usize, T)) -> Reasons {
    let mut reasons = Reasons::new();
    for (row, found) in found.into_iter().enumerate() {
        match found {
            Ok(found) => put(row, found),
            Err(error) => reasons.push((row, error.to_string())),
        }
    }
    reasons
}
