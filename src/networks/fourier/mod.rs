//! Generating functions as Fourier series in the toy angles, found by linear least squares.

pub mod orbit;
pub mod orbits;

pub use orbit::{OrbitMap, OrbitOptions, fit_orbit};
pub use orbits::OrbitMaps;

#[cfg(test)]
mod tests;
