//! Networks trained on streams, whose bodies are in the worker's library, galaxies fitted to them, and tables of a potential's orbits.

pub mod build_finder;
pub mod fit_galaxy;
pub mod tables;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_inverse;
pub mod train_potential;
