//! Potentials, orbits, actions and angles in plain f64.

pub mod isochrone;
pub mod orbit;
pub mod phase_space;
pub mod potential;
pub mod sample;
pub mod sky;
pub mod units;

#[cfg(test)]
mod testing;
