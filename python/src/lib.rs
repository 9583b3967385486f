//! The dynamics of actionfinder as the Python module `actionfinder._native`: arrays of 64-bit numbers in and out.
//!
//! Units are those of `dynamics`: kpc, km/s, M_sun, Gyr, km/s kpc, radians, km/s/kpc. Rows that have no answer are NaN, and come with
//! their reasons. Work is done on all cores without the interpreter's lock. The Python beside it has units, names and documentation.

use pyo3::prelude::*;

mod actions;
mod arrays;
mod errors;
mod orbits;
mod potential;
mod sky;
mod tori;

/// The module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<potential::PyPotential>()?;
    module.add_class::<tori::PyTorus>()?;
    module.add_function(wrap_pyfunction!(potential::schema, module)?)?;
    module.add_function(wrap_pyfunction!(actions::actions, module)?)?;
    module.add_function(wrap_pyfunction!(actions::methods, module)?)?;
    module.add_function(wrap_pyfunction!(actions::isochrone_points, module)?)?;
    module.add_function(wrap_pyfunction!(orbits::orbits, module)?)?;
    module.add_function(wrap_pyfunction!(orbits::extents, module)?)?;
    module.add_function(wrap_pyfunction!(tori::tori, module)?)?;
    module.add_function(wrap_pyfunction!(sky::default_sun, module)?)?;
    module.add_function(wrap_pyfunction!(sky::observe, module)?)?;
    module.add_function(wrap_pyfunction!(sky::locate, module)?)?;
    module.add_function(wrap_pyfunction!(sky::icrs_to_galactic, module)?)
}
