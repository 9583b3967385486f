//! Orbits.

use dynamics::orbit::{OrbitError, circular, dense};
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::units::Gyr;
use numpy::{PyArray1, PyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Made, Table, each, made, of_star, stars};
use crate::errors::{Reasons, invalid, parted};
use crate::potential::PyPotential;

/// Points at times, relative energy errors, reasons of rows without.
type Followed<'py> = (Bound<'py, PyArray3<f64>>, Bound<'py, PyArray1<f64>>, Reasons);

/// Orbits of stars, each at the times of its row or all at those of the only one, which may be of both signs and in any order.
#[pyfunction]
pub fn orbits<'py>(
    py: Python<'py>,
    potential: &PyPotential,
    xv: Table,
    times: Table,
    tolerance: f64,
) -> PyResult<Followed<'py>> {
    let stars = stars(&xv)?;
    let (sets, count) = (times.shape()[0], times.shape()[1]);
    if sets != stars.len() && sets != 1 {
        return Err(invalid(format!("{} stars have {sets} rows of times", stars.len())));
    }
    let times: Vec<f64> = times.as_array().iter().copied().collect();
    let rows: Vec<usize> = (0..stars.len()).collect();
    let field = potential.field();
    let found = each(py, &rows, |&row| {
        let first = if sets == 1 { 0 } else { row * count };
        follow(&field, &stars[row], &times[first..first + count], tolerance)
    })?;
    let mut points = numpy::ndarray::Array3::from_elem((stars.len(), count, 6), f64::NAN);
    let mut errors = vec![f64::NAN; stars.len()];
    let reasons = parted(found, |row, (found, error)| {
        errors[row] = error;
        for (at, point) in found.iter().enumerate() {
            for (column, value) in of_star(point).into_iter().enumerate() {
                points[[row, at, column]] = value;
            }
        }
    });
    Ok((
        PyArray3::from_owned_array(py, points),
        PyArray1::from_vec(py, errors),
        reasons,
    ))
}

/// The orbit at times of any order: followed both ways from 0. With the relative energy error.
fn follow<P: Potential>(
    field: &P,
    star: &PhaseSpace,
    times: &[f64],
    tolerance: f64,
) -> Result<(Vec<PhaseSpace>, f64), OrbitError> {
    if let Some(index) = times.iter().position(|time| !time.is_finite()) {
        return Err(OrbitError::Times {
            index,
            time: Gyr(times[index]),
        });
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|a, b| times[*a].total_cmp(&times[*b]));
    let later = order.partition_point(|&at| times[at] < 0.0);
    let (before, after) = order.split_at(later);
    let (mut points, mut worst) = (vec![*star; times.len()], 0.0f64);
    let before: Vec<usize> = before.iter().rev().copied().collect();
    for side in [before.as_slice(), after] {
        let at: Vec<Gyr> = side.iter().map(|&at| Gyr(times[at])).collect();
        let orbit = dense::integrate_to_tolerance(field, star, &at, tolerance)?;
        worst = worst.max(orbit.energy_error);
        side.iter()
            .zip(orbit.points)
            .for_each(|(&at, point)| points[at] = point);
    }
    Ok((points, worst))
}

/// Pericentre, apocentre and greatest |z| of orbits over some periods; reasons of rows without.
#[pyfunction]
pub fn extents<'py>(
    py: Python<'py>,
    potential: &PyPotential,
    xv: Table,
    periods: f64,
) -> PyResult<(Made<'py>, Reasons)> {
    let stars = stars(&xv)?;
    if !(1.0..=1e6).contains(&periods) {
        return Err(invalid(format!("periods must be from 1 to 1000000, not {periods}")));
    }
    let field = potential.field();
    let mut extents = vec![[f64::NAN; 3]; stars.len()];
    let found = each(py, &stars, |star| circular::extent(&field, star, periods))?;
    let reasons = parted(found, |row, extent| {
        extents[row] = [extent.pericentre, extent.apocentre, extent.z_max];
    });
    Ok((made(py, extents)?, reasons))
}
