//! Bodies of the trainings.

mod doubts;
pub mod spread;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_fourier;
pub mod train_inverse;
pub mod train_potential;
pub mod unbound;
