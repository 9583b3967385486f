//! Actions, angles and frequencies of stars.

use dynamics::methods::{Answer, Finder, Method, finder};
use dynamics::phase_space::ActionAngle;
use pyo3::prelude::*;

use crate::arrays::{self, Made, Table, each, made, of_star, quickly, rows, stars};
use crate::errors::{Reasons, invalid, parted};
use crate::potential::PyPotential;

/// Actions, angles, frequencies, and errors of these three; reasons of rows without.
type Found<'py> = (Made<'py>, Made<'py>, Made<'py>, Made<'py>, Reasons);

/// Those that need nothing but the potential.
fn methods_of_a_potential() -> impl Iterator<Item = Method> {
    Method::ALL.into_iter().filter(|method| !method.takes_a_table())
}

/// Names of the methods, in the order of their cost.
#[pyfunction]
pub fn methods() -> Vec<&'static str> {
    methods_of_a_potential().map(Method::name).collect()
}

/// Actions, angles and frequencies of stars by a method.
#[pyfunction]
pub fn actions<'py>(py: Python<'py>, potential: &PyPotential, xv: Table, method: &str) -> PyResult<Found<'py>> {
    let stars = stars(&xv)?;
    let method = methods_of_a_potential()
        .find(|known| known.name() == method)
        .ok_or_else(|| invalid(format!("no method is called {method}")))?;
    let field = potential.field();
    let isochrone = potential.isochrone();
    let found: Option<Finder> = match method {
        Method::StaeckelFudge => potential.fudge().map(|fudge| -> Finder {
            Box::new(|star| fudge.actions(star).map(Answer::from).map_err(|error| error.to_string()))
        }),
        _ => finder(method, &field, isochrone),
    };
    let find = found.filter(|_| field.symmetry() <= method.symmetry()).ok_or_else(|| {
        let needed = match method {
            Method::Isochrone => "an isochrone",
            Method::Spherical => "a spherical potential",
            _ => "an axisymmetric potential",
        };
        invalid(format!("{} needs {needed}", method.name()))
    })?;
    let nothing = vec![[f64::NAN; 3]; stars.len()];
    let (mut actions, mut angles, mut frequencies, mut errors) =
        (nothing.clone(), nothing.clone(), nothing.clone(), nothing);
    let reasons = parted(each(py, &stars, find)?, |row, answer| {
        let ActionAngle {
            actions: j,
            angles: theta,
            frequencies: omega,
        } = answer.found;
        actions[row] = [j.phi, j.z, j.r];
        angles[row] = [theta.phi, theta.z, theta.r];
        frequencies[row] = [omega.phi, omega.z, omega.r];
        let known = [answer.action_error, answer.angle_error, answer.frequency_error];
        errors[row] = known.map(|error| error.unwrap_or(f64::NAN));
    });
    Ok((
        made(py, actions)?,
        made(py, angles)?,
        made(py, frequencies)?,
        made(py, errors)?,
        reasons,
    ))
}

/// Stars of actions and angles in an isochrone, exactly. Rows that are none are NaN.
#[pyfunction]
pub fn isochrone_points<'py>(
    py: Python<'py>,
    potential: &PyPotential,
    actions: Table,
    angles: Table,
) -> PyResult<Made<'py>> {
    let isochrone = potential.isochrone().ok_or_else(|| invalid("it is no isochrone"))?;
    let (actions, angles) = (rows::<3>(&actions)?, rows::<3>(&angles)?);
    if actions.len() != angles.len() {
        return Err(invalid(format!(
            "{} rows of actions and {} of angles",
            actions.len(),
            angles.len()
        )));
    }
    let pairs: Vec<_> = actions.into_iter().zip(angles).collect();
    let of =
        |&(j, theta): &([f64; 3], [f64; 3])| of_star(&isochrone.point(&arrays::actions(j), &arrays::angles(theta)));
    made(py, quickly(py, &pairs, of))
}
