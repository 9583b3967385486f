//! Trains a network that maps actions and angles back to positions and velocities. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN};
use crate::common::networks;
use crate::common::parameters::positive;
use crate::common::set_aside::{self, OnFailure};

/// `train_inverse`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainInverse {
    /// Passes over the training streams; left out, the network's own choice, as for all that follow.
    pub epochs: Option<u32>,
    /// Streams in one optimisation step.
    pub batch: Option<u32>,
    /// Learning rate at its highest.
    pub learning_rate: Option<f64>,
    /// Width of the hidden layers.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Probability of dropping a unit, in [0, 1).
    pub dropout: Option<f64>,
    /// Seed of weights and batches.
    pub seed: u64,
    /// What to do about stars to which the action network gives no actions.
    pub failures: OnFailure,
}

impl Stage for TrainInverse {
    const KIND: &'static str = "train_inverse";
    const ABOUT: &'static str =
        "Train the inverse of a trained network: actions and angles to positions and velocities";
    const REVISION: u32 = 5;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&CARTESIAN]);
        vec![
            InputPort::network("network", &networks::ACTIONS),
            InputPort::table("train", &needs),
            InputPort::table("validation", &needs).optional(),
        ]
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![
            OutputPort::network("network", networks::INVERSE),
            OutputPort::table("history", columns::history("")),
            set_aside::port(),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(positive("epochs", self.epochs));
        faults.extend(positive("batch", self.batch));
        faults.extend(positive("learning_rate", self.learning_rate));
        faults.extend(positive("width", self.width));
        faults.extend(positive("depth", self.depth));
        if let Some(dropout) = self.dropout.filter(|dropout| !(0.0..1.0).contains(dropout)) {
            faults.push(Fault::new(
                "dropout",
                format!("must be at least 0 and below 1, not {dropout}"),
            ));
        }
        faults
    }
}
