//! Bodies of the stages that run on libtorch. The program loads this library in a worker process, so that it does not
//! itself pay for loading libtorch.

pub mod action_network;
pub mod common;
mod cuda;
mod doubts;
pub mod entry;
pub mod field;
pub mod pieces;
pub mod predict;
pub mod predict_actions;
pub mod predict_fourier;
pub mod predict_inverse;
pub mod recover_velocities;
pub mod sample;
pub mod spread;
pub mod stream_means;
mod stretch;
pub mod tabulate_field;
pub mod train_acceleration;
pub mod train_actions;
pub mod train_fourier;
pub mod train_inverse;
pub mod train_potential;

use runner::worker::Body;
use stages::predict::Predict;
use stages::recover_velocities::RecoverVelocities;
use stages::tabulate_field::TabulateField;
use stages::train_acceleration::TrainAcceleration;
use stages::train_actions::TrainActions;
use stages::train_inverse::TrainInverse;
use stages::train_potential::TrainPotential;

/// The bodies of all kinds that run in a worker.
pub const BODIES: [Body; 7] = [
    Body::of::<TabulateField>(tabulate_field::run),
    Body::of::<TrainAcceleration>(train_acceleration::run),
    Body::of::<TrainActions>(train_actions::run),
    Body::of::<TrainInverse>(train_inverse::run),
    Body::of::<TrainPotential>(train_potential::run),
    Body::of::<Predict>(predict::run),
    Body::of::<RecoverVelocities>(recover_velocities::run),
];

#[cfg(test)]
#[path = "../../src/catalog.rs"]
mod catalog;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use runner::stage::Place;

    use super::*;

    /// Every kind that runs in a worker has a body of its revision here, and no other kind has one.
    #[test]
    fn every_worker_kind_of_the_catalog_has_a_body() {
        let catalog = catalog::catalog();
        let kinds = catalog.kinds().iter().filter(|kind| kind.place == Place::Worker);
        let wanted: BTreeMap<_, _> = kinds.map(|kind| (kind.name, kind.revision)).collect();
        let bodies: BTreeMap<_, _> = BODIES.iter().map(|body| (body.kind, body.revision)).collect();
        assert_eq!(bodies, wanted);
        assert_eq!(bodies.len(), BODIES.len(), "a kind has two bodies");
    }
}
