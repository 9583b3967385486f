//! Arrays of NumPy as rows of plain data, and back.

use dynamics::phase_space::{Actions, Angles, PhaseSpace};
use numpy::{PyArray2, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::errors::invalid;

/// An array of two dimensions that is only read.
pub type Table<'py> = PyReadonlyArray2<'py, f64>;

/// An array of two dimensions that is given back.
pub type Made<'py> = Bound<'py, PyArray2<f64>>;

/// The rows of an array of `N` columns.
pub fn rows<const N: usize>(array: &Table) -> PyResult<Vec<[f64; N]>> {
    let columns = array.shape()[1];
    if columns != N {
        return Err(invalid(format!("the array has {columns} columns, not {N}")));
    }
    let array = array.as_array();
    let row = |row: numpy::ndarray::ArrayView1<f64>| std::array::from_fn(|column| row[column]);
    Ok(array.outer_iter().map(row).collect())
}

/// An array of these rows.
pub fn made<'py, const N: usize>(py: Python<'py>, rows: Vec<[f64; N]>) -> PyResult<Made<'py>> {
    let count = rows.len();
    let array = numpy::ndarray::Array2::from_shape_vec((count, N), rows.into_flattened()).map_err(invalid)?;
    Ok(PyArray2::from_owned_array(py, array))
}

/// Stars of rows (x, y, z, v_x, v_y, v_z).
pub fn stars(array: &Table) -> PyResult<Vec<PhaseSpace>> {
    let star = |[x, y, z, vx, vy, vz]: [f64; 6]| PhaseSpace::new([x, y, z], [vx, vy, vz]);
    Ok(rows(array)?.into_iter().map(star).collect())
}

/// The row of a star.
pub fn of_star(star: &PhaseSpace) -> [f64; 6] {
    let ([x, y, z], [vx, vy, vz]) = (star.x, star.v);
    [x, y, z, vx, vy, vz]
}

/// Actions of rows (φ, z, r).
pub fn actions([phi, z, r]: [f64; 3]) -> Actions {
    Actions { phi, z, r }
}

/// Angles of rows (φ, z, r).
pub fn angles([phi, z, r]: [f64; 3]) -> Angles {
    Angles { phi, z, r }
}

/// Most rows worked on between two looks at whether the user interrupts.
const MOST: usize = 1 << 18;

/// What `find` says of each of `items`, on all cores and without the interpreter's lock: for what takes microseconds an item.
pub fn quickly<I: Sync, T: Send>(py: Python, items: &[I], find: impl Fn(&I) -> T + Sync) -> Vec<T> {
    py.detach(|| items.par_iter().with_min_len(512).map(&find).collect())
}

/// The same for what may take long. An interrupt ends it.
pub fn each<I: Sync, T: Send>(py: Python, items: &[I], find: impl Fn(&I) -> T + Sync) -> PyResult<Vec<T>> {
    let mut found = Vec::with_capacity(items.len());
    let start = std::time::Instant::now();
    // Where a row takes long, a few at a time; these are enough for all cores.
    let mut piece = 64;
    let mut rest = items;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        let length = (now.len() / 64).max(1);
        let began = start.elapsed();
        found.extend(py.detach(|| now.par_iter().with_max_len(length).map(&find).collect::<Vec<_>>()));
        py.check_signals()?;
        if (start.elapsed() - began).as_millis() < 20 {
            piece = (8 * piece).min(MOST);
        }
        rest = later;
    }
    Ok(found)
}
