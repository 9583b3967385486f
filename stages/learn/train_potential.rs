//! Learns the gravitational field from streams by conservation of energy. The body is in the worker's library.

use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN};
use crate::common::networks;
use crate::common::parameters::{FROM_ZERO, FieldSymmetry, KmPerSecond, Kpc, MasPerYear, not_negative, positive};
use crate::common::training::Training;
use crate::learn::tables;

/// `train_potential`
///
/// ½v² + Φ(x) is the same for all stars of a stream: a static potential is assumed, and nothing else. No labels are read.
///
/// Where stars have errors, `network: linear` finds field and stars in turn: a star is where the energy of its stream makes it likeliest to
/// be. So does L_z, which is conserved but for its torque; the stars' likelihood says how well. It also says how wide the priors of the sum's
/// coefficients are. The errors are those of the columns `distance_error`,
/// `v_los_error` and so on, as `observe` and `import_streams` write them, or the parameter `errors`. An input `field`, such as a fitted galaxy,
/// is what Φ is near to: a correction to it is learned.
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
    /// A sum of Miyamoto–Nagai discs and multipoles by least squares; its ridge is chosen on streams left out, of stars with errors by likelihood.
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
    /// Symmetry imposed on Φ; that L_z differs along streams speaks against it, and is a finding.
    pub symmetry: FieldSymmetry,
    /// Errors of the stars, one standard deviation, beside the columns of errors (`distance_error`, `v_los_error`, …).
    pub errors: Errors,
}

/// Of `network: smooth`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smooth {
    /// Width of the hidden layers; left out, the network's own choice.
    pub width: Option<u32>,
}

/// Gaussian errors of what was measured of the stars, and of their positions and velocities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Of positions, the same in every direction, kpc: beside what was measured, how wide streams are.
    pub position: Kpc<FROM_ZERO>,
    /// Of velocities likewise, km/s.
    pub velocity: KmPerSecond<FROM_ZERO>,
    /// Of distances from the Sun, as a fraction of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub distance: f64,
    /// Of line-of-sight velocities, km/s.
    #[serde(skip_serializing_if = "is_still")]
    pub v_los: KmPerSecond<FROM_ZERO>,
    /// Of each proper motion, mas/yr.
    #[serde(skip_serializing_if = "is_fixed")]
    pub proper_motion: MasPerYear<FROM_ZERO>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_still(value: &KmPerSecond<FROM_ZERO>) -> bool {
    value.get() == 0.0
}

fn is_fixed(value: &MasPerYear<FROM_ZERO>) -> bool {
    value.get() == 0.0
}

impl Errors {
    /// Whether they are of what was measured from the Sun.
    pub fn are_measured(&self) -> bool {
        self.distance > 0.0 || self.v_los.get() > 0.0 || self.proper_motion.get() > 0.0
    }
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            position: Kpc(0.0),
            velocity: KmPerSecond(0.0),
            distance: 0.0,
            v_los: KmPerSecond(0.0),
            proper_motion: MasPerYear(0.0),
        }
    }
}

impl Stage for TrainPotential {
    const KIND: &'static str = "train_potential";
    const ABOUT: &'static str = "Learn the gravitational field from streams by conservation of energy";
    const REVISION: u32 = 9;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&CARTESIAN]);
        let mut ports = vec![
            InputPort::table("train", &needs),
            InputPort::table("validation", &needs).optional(),
        ];
        if matches!(self.network, Network::Linear(_)) {
            ports.push(InputPort::network("field", &[networks::LINEAR_FIELD]).optional());
        }
        ports
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
            Network::Linear(own) => {
                faults.extend(self.training.of_solved("linear"));
                let errors = &own.errors;
                faults.extend(not_negative("network.linear.errors.distance", errors.distance));
            }
            Network::Smooth(own) => faults.extend(positive("network.smooth.width", own.width)),
        }
        faults
    }
}
