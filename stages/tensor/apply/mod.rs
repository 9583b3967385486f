//! Bodies of what applies a network to stars.

pub mod predict;
pub mod predict_actions;
mod predict_errors;
pub mod predict_fourier;
pub mod predict_inverse;
pub mod recover_velocities;
pub mod stream_means;
pub mod tabulate_field;

use runner::worker::Body;
use stages::apply::predict::Predict;
use stages::apply::recover_velocities::RecoverVelocities;
use stages::apply::tabulate_field::TabulateField;

/// The body of each kind.
pub const BODIES: [Body; 3] = [
    Body::of::<Predict>(predict::run),
    Body::of::<RecoverVelocities>(recover_velocities::run),
    Body::of::<TabulateField>(tabulate_field::run),
];
