//! Tori.

use dynamics::torus::{Settings, Torus};
use pyo3::prelude::*;

use crate::arrays::{Made, Table, actions, angles, each, made, of_star, rows};
use crate::errors::{Reasons, invalid, parted};
use crate::potential::PyPotential;

/// A torus.
#[pyclass(frozen, name = "Torus", module = "actionfinder._native")]
pub struct PyTorus(Torus);

#[pymethods]
impl PyTorus {
    /// J_φ, J_z, J_r.
    fn actions(&self) -> [f64; 3] {
        let found = self.0.actions();
        [found.phi, found.z, found.r]
    }

    /// Ω_φ, Ω_z, Ω_r.
    fn frequencies(&self) -> [f64; 3] {
        let found = self.0.frequencies();
        [found.phi, found.z, found.r]
    }

    /// Mean of H.
    fn energy(&self) -> f64 {
        self.0.energy()
    }

    /// Root mean square of ΔH/|H|.
    fn dispersion(&self) -> f64 {
        self.0.dispersion()
    }

    /// By how much actions of orbits on it may differ from its own.
    fn action_error(&self) -> f64 {
        self.0.action_error()
    }

    /// Least distance from the centre.
    fn pericentre(&self, py: Python) -> f64 {
        py.detach(|| self.0.pericentre())
    }

    /// Number of modes of its generating function.
    fn modes(&self) -> usize {
        self.0.modes()
    }

    /// Stars at angles; reasons of rows without.
    fn points<'py>(&self, py: Python<'py>, theta: Table) -> PyResult<(Made<'py>, Reasons)> {
        let theta = rows::<3>(&theta)?;
        let mut points = vec![[f64::NAN; 6]; theta.len()];
        let find = |theta: &[f64; 3]| {
            self.0
                .point(&angles(*theta))
                .ok_or("its angles are not those of a point of the torus")
        };
        let reasons = parted(each(py, &theta, find)?, |row, star| points[row] = of_star(&star));
        Ok((made(py, points)?, reasons))
    }
}

/// Tori of actions, nothing where there is none; reasons of these.
#[pyfunction]
pub fn tori(
    py: Python,
    potential: &PyPotential,
    j: Table,
    tolerance: f64,
) -> PyResult<(Vec<Option<PyTorus>>, Reasons)> {
    if !(tolerance > 0.0 && tolerance < 1.0) {
        return Err(invalid(format!("tolerance must be between 0 and 1, not {tolerance}")));
    }
    let wanted = rows::<3>(&j)?;
    let (field, settings) = (potential.field(), Settings::within(tolerance));
    let found = each(py, &wanted, |j| Torus::new(&field, &actions(*j), &settings))?;
    let mut tori: Vec<Option<PyTorus>> = wanted.iter().map(|_| None).collect();
    let reasons = parted(found, |row, torus| tori[row] = Some(PyTorus(torus)));
    Ok((tori, reasons))
}
