//! Networks trained on streams. Their bodies are in the worker's library.

pub mod tables;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_inverse;
pub mod train_potential;
