//! Generating functions as Fourier series in the toy angles, found by linear least squares.

pub mod orbit;

pub use orbit::{OrbitMap, OrbitOptions, fit_orbit};

#[cfg(test)]
mod tests;
