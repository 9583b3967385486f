//! Learned canonical maps: generating functions and their training on libtorch.

mod about;
pub mod acceleration;
mod autograd;
mod cramer;
pub mod error;
pub mod features;
pub mod field;
pub mod fourier;
pub mod inverse;
pub mod isochrone;
pub mod map;
pub mod optimiser;
pub mod paper;
pub mod perceptron;
pub mod point_transformation;
pub mod random;
pub mod region;
pub mod sky;
pub mod smooth;
pub mod soap;
pub mod streams;
pub mod toy;
pub mod training;
pub mod velocities;
pub mod weights;

pub use error::Error;

#[cfg(test)]
mod test_support;
