//! Learns the gravitational field from streams by conservation of energy. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN};
use crate::common::networks;
use crate::common::parameters::{FROM_ZERO, FieldSymmetry, KmPerSecond, Kpc, positive};
use crate::common::training::Training;
use crate::learn::tables;

/// `train_potential`
///
/// ½v² + Φ(x) is the same for all stars of a stream: a static potential is assumed, and nothing else. No labels are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainPotential {
    /// What Φ is made of.
    pub network: Network,
    /// How long and in which steps; not for `network: linear`, which is solved.
    pub training: Training,
    /// Seed of weights and batches, for `network: smooth`.
    pub seed: u64,
}

/// What Φ is made of, with what only it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A sum of Miyamoto–Nagai discs and multipoles by least squares, its ridge chosen on streams left out.
    Linear(Linear),
    /// A small smooth network of the position.
    Smooth(Smooth),
}

impl Default for Network {
    fn default() -> Self {
        Self::Linear(Linear::default())
    }
}

/// Of `network: linear`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// Symmetry imposed on Φ.
    pub symmetry: FieldSymmetry,
    /// Errors of the stars, one standard deviation, where they matter.
    pub errors: Errors,
}

/// Of `network: smooth`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smooth {
    /// Width of the hidden layers; left out, the network's own choice.
    pub width: Option<u32>,
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
    const REVISION: u32 = 5;
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
        Ok(match self.network {
            Network::Linear(_) => vec![OutputPort::network("field", networks::LINEAR_FIELD)],
            Network::Smooth(_) => vec![
                OutputPort::network("field", networks::SMOOTH_FIELD),
                OutputPort::table("history", tables::history("(km/s)^2").schema()),
            ],
        })
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.training.faults();
        match &self.network {
            Network::Linear(_) => {
                faults.extend(self.training.of_solved("linear"));
            }
            Network::Smooth(own) => faults.extend(positive("network.smooth.width", own.width)),
        }
        faults
    }
}
