//! Learned canonical maps: generating functions and their training on libtorch.

pub mod acceleration;
pub mod error;
pub mod exact;
pub mod field;
pub mod fourier;
pub mod inverse;
pub mod isochrone;
pub mod paper;
pub mod region;
pub mod sky;
pub mod smooth;
pub mod soap;
pub mod training;
pub mod velocities;
pub mod weights;

pub use error::Error;

#[cfg(test)]
mod test_support;
