//! Bodies of what applies a network to stars.

pub mod predict;
pub mod predict_actions;
pub mod predict_fourier;
pub mod predict_inverse;
pub mod recover_velocities;
pub mod stream_means;
pub mod tabulate_field;
