//! Trains a network that maps actions and angles back to positions and velocities. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort, connected_network};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN};
use crate::common::networks;
use crate::common::parameters::{dropout, positive};
use crate::common::set_aside::{self, OnFailure};
use crate::common::training::Training;
use crate::learn::tables;

/// `train_inverse`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainInverse {
    /// Width of the hidden layers; left out, the network's own choice, as for the two that follow.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Probability of dropping a unit, in [0, 1); only of the inverse of a network of type `actions/paper`.
    pub dropout: Option<f64>,
    /// How long and in which steps.
    pub training: Training,
    /// Seed of weights and batches.
    pub seed: u64,
    /// What to do about stars to which the action network gives no actions.
    pub failures: OnFailure,
}

impl Stage for TrainInverse {
    const KIND: &'static str = "train_inverse";
    const ABOUT: &'static str =
        "Train the inverse of a trained network: actions and angles to positions and velocities";
    const REVISION: u32 = 6;
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

    fn gains_by_gpu(&self, connected: &Connected) -> bool {
        connected_network(connected, "network") == Some(networks::PAPER)
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let of = connected_network(connected, "network");
        if let Some(of) = of.filter(|of| self.dropout.is_some() && *of != networks::PAPER) {
            return Err(format!("dropout: the inverse of a network of type {of} has none"));
        }
        Ok(vec![
            OutputPort::network("network", networks::INVERSE),
            OutputPort::table("history", tables::history("").schema()),
            set_aside::port(),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.training.faults();
        faults.extend(positive("width", self.width));
        faults.extend(positive("depth", self.depth));
        faults.extend(dropout("dropout", self.dropout));
        faults
    }
}
