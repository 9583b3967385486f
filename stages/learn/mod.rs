//! Networks trained on streams, whose bodies are in the worker's library, and galaxies fitted to them.

pub mod fit_galaxy;
pub mod tables;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_inverse;
pub mod train_potential;
