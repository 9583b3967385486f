//! Bodies of the stages that run on libtorch. The program loads this library in a worker process, so that it does not
//! itself pay for loading libtorch. Folders are those of `stages`: `learn`, `apply`, and what both share in `common`.

pub mod apply;
pub mod common;
pub mod entry;
pub mod learn;

use runner::worker::Body;
use stages::apply::predict::Predict;
use stages::apply::recover_velocities::RecoverVelocities;
use stages::apply::tabulate_field::TabulateField;
use stages::learn::train_acceleration::TrainAcceleration;
use stages::learn::train_actions::TrainActions;
use stages::learn::train_inverse::TrainInverse;
use stages::learn::train_potential::TrainPotential;

/// The bodies of all kinds that run in a worker.
pub const BODIES: [Body; 7] = [
    Body::of::<TabulateField>(apply::tabulate_field::run),
    Body::of::<TrainAcceleration>(learn::train_acceleration::run),
    Body::of::<TrainActions>(learn::train_actions::run),
    Body::of::<TrainInverse>(learn::train_inverse::run),
    Body::of::<TrainPotential>(learn::train_potential::run),
    Body::of::<Predict>(apply::predict::run),
    Body::of::<RecoverVelocities>(apply::recover_velocities::run),
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
