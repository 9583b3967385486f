//! What every training has in common.

use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::parameters::positive;

/// How long and in which steps a network is trained. What is left out is the network's own choice, which may follow from the number of
/// streams; it stays left out in the fingerprint, and a network that chooses otherwise raises the kind's revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the training streams.
    pub epochs: Option<u32>,
    /// Streams in one optimisation step.
    pub batch: Option<u32>,
    /// Learning rate at its highest.
    pub learning_rate: Option<f64>,
}

impl Training {
    /// Faults of the values, at the parameter `training`.
    pub fn faults(&self) -> Vec<Fault> {
        let all = [
            positive("training.epochs", self.epochs),
            positive("training.batch", self.batch),
            positive("training.learning_rate", self.learning_rate),
        ];
        all.into_iter().flatten().collect()
    }

    /// The fault of a training where `network` is solved.
    pub fn of_solved(&self, network: &str) -> Option<Fault> {
        let given = *self != Self::default();
        given.then(|| Fault::new("training", format!("network: {network} is solved, not trained")))
    }

    /// These numbers, or where they are left out the network's own.
    pub fn or(&self, epochs: usize, batch: usize, learning_rate: f64) -> (usize, usize, f64) {
        (
            self.epochs.map_or(epochs, |epochs| epochs as usize),
            self.batch.map_or(batch, |batch| batch as usize),
            self.learning_rate.unwrap_or(learning_rate),
        )
    }
}
