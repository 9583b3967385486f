//! Bodies of the stages that run on libtorch. The program loads this library in a worker process, so that it does not
//! itself pay for loading libtorch. Folders are those of `stages`: `learn`, `apply`, and what both share in `common`.

pub mod apply;
pub mod common;
pub mod entry;
pub mod learn;

use runner::worker::Body;

/// The bodies of all kinds that run in a worker.
pub fn bodies() -> Vec<Body> {
    learn::BODIES.into_iter().chain(apply::BODIES).collect()
}

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
        let all = bodies();
        let bodies: BTreeMap<_, _> = all.iter().map(|body| (body.kind, body.revision)).collect();
        assert_eq!(bodies, wanted);
        assert_eq!(bodies.len(), all.len(), "a kind has two bodies");
    }
}
