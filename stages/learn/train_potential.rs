//! Learns the gravitational field from streams by conservation of energy. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN};
use crate::common::networks;
use crate::common::parameters::{FROM_ZERO, KmPerSecond, Kpc, positive};

/// `train_potential`
///
/// ½v² + Φ(x) is the same for all stars of a stream: a static potential is assumed, and nothing else. No labels are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainPotential {
    /// What Φ is made of.
    pub model: Model,
    /// Whether Φ is made axisymmetric, and the same on both sides of the plane; only for `model: linear`.
    pub axisymmetric: bool,
    /// Errors of the stars, one standard deviation, where they matter; only for `model: linear`.
    pub errors: Errors,
    /// Passes over the training streams, for `model: network`; left out, the model's own choice.
    pub epochs: Option<u32>,
    /// Width of the hidden layers, for `model: network`.
    pub width: Option<u32>,
    /// Seed of weights and batches, for `model: network`.
    pub seed: u64,
}

/// What Φ is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// A sum of Miyamoto–Nagai discs and multipoles by least squares, its ridge chosen on streams left out.
    #[default]
    Linear,
    /// A small network of the position.
    Network,
}

/// Gaussian errors, the same in every direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Of positions, kpc.
    pub position: Kpc<FROM_ZERO>,
    /// Of velocities, km/s.
    pub velocity: KmPerSecond<FROM_ZERO>,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            position: Kpc(0.0),
            velocity: KmPerSecond(0.0),
        }
    }
}

impl Stage for TrainPotential {
    const KIND: &'static str = "train_potential";
    const ABOUT: &'static str = "Learn the gravitational field from streams by conservation of energy";
    const REVISION: u32 = 3;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&CARTESIAN]);
        vec![
            InputPort::table("train", &needs),
            InputPort::table("validation", &needs).optional(),
        ]
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let of = match self.model {
            Model::Linear => networks::LINEAR_FIELD,
            Model::Network => networks::MLP_FIELD,
        };
        let mut outputs = vec![OutputPort::network("field", of)];
        if self.model == Model::Network {
            outputs.push(OutputPort::table("history", columns::history("(km/s)^2")));
        }
        Ok(outputs)
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        faults.extend(positive("epochs", self.epochs));
        faults.extend(positive("width", self.width));
        match self.model {
            Model::Linear => {
                let given = [("epochs", self.epochs), ("width", self.width)];
                let given = given.into_iter().filter(|(_, value)| value.is_some());
                faults.extend(given.map(|(at, _)| Fault::new(at, "is for model: network")));
            }
            Model::Network => {
                if self.axisymmetric {
                    faults.push(Fault::new("axisymmetric", "is for model: linear"));
                }
                if self.errors != Errors::default() {
                    faults.push(Fault::new("errors", "are for model: linear"));
                }
            }
        }
        faults
    }
}
