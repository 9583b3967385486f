//! Potentials, orbits, actions and angles in plain f64.

pub mod phase_space;
pub mod potential;
pub mod units;

#[cfg(test)]
mod testing;
