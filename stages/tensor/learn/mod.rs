//! Bodies of the trainings.

mod doubts;
pub mod spread;
mod stretch;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_fourier;
pub mod train_inverse;
pub mod train_potential;
pub mod unbound;

use runner::worker::Body;
use stages::learn::train_acceleration::TrainAcceleration;
use stages::learn::train_actions::TrainActions;
use stages::learn::train_inverse::TrainInverse;
use stages::learn::train_potential::TrainPotential;

/// The body of each kind.
pub const BODIES: [Body; 4] = [
    Body::of::<TrainAcceleration>(train_acceleration::run),
    Body::of::<TrainActions>(train_actions::run),
    Body::of::<TrainInverse>(train_inverse::run),
    Body::of::<TrainPotential>(train_potential::run),
];
