//! Learns the acceleration from a trained action network: actions stay along orbits. The body is in the worker's library.

use runner::ports::{Connected, InputPort, NetworkType, OutputPort, connected_schema};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, OBSERVABLES};
use crate::common::layout::{Layout, OfStar};
use crate::common::networks;
use crate::common::parameters::{FieldSymmetry, dropout, not_negative, positive};
use crate::common::quantities::Acceleration;
use crate::common::training::Training;
use crate::learn::tables;

/// `train_acceleration`
///
/// A field a(x) under which the actions of the network at `network` do not change: Ibata et al. (2021), section 4. No labels
/// are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainAcceleration {
    /// What the field is made of.
    pub network: Network,
    /// Largest condition number at which Eq. 15 is solved for the acceleration of a star.
    pub condition: Condition,
    /// How long and in which steps; not for `network: linear`, which is solved.
    pub training: Training,
    /// Seed of weights and batches.
    pub seed: u64,
}

/// What the field is made of, with what only it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A small smooth network of the position, as a correction to the toy isochrone.
    Smooth(Smooth),
    /// net_a of Ibata et al. (2021), Eq. 14, as a correction to the toy isochrone.
    Paper(Paper),
    /// A potential: a sum of Miyamoto–Nagai discs and multipoles. Eq. 15 is linear in its coefficients, and nothing else is minimised.
    Linear(Linear),
}

impl Default for Network {
    fn default() -> Self {
        Self::Smooth(Smooth::default())
    }
}

/// Of `network: smooth`. What is left out of width and depth is the network's own choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smooth {
    /// Whether the field is free or has a potential.
    pub field: FieldKind,
    /// Width of the hidden layers.
    pub width: Option<u32>,
    /// Number of hidden layers.
    pub depth: Option<u32>,
    /// Weights of the terms of the loss, Eq. 17.
    pub loss: Losses,
}

/// Of `network: paper`. What is left out of width, depth and dropout is the network's own choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paper {
    /// Width of the widest block.
    pub width: Option<u32>,
    /// Number of blocks.
    pub depth: Option<u32>,
    /// Probability of dropping a unit, in [0, 1).
    pub dropout: Option<f64>,
    /// Weights of the terms of the loss, Eq. 17.
    pub loss: Losses,
}

/// Of `network: linear`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// Symmetry imposed on the potential.
    pub symmetry: FieldSymmetry,
}

/// Whether the field is free or has a potential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Three components of the acceleration, each for itself.
    #[default]
    Acceleration,
    /// a = −∇Φ: curl-free by construction.
    Potential,
}

/// Weights of the terms of the loss, each a mean over stars in units of a length and a speed (20 kpc and 200 km/s for
/// `network: paper`, the medians of the training stars for `network: smooth`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Losses {
    /// Of |dJ_i/dt|, Eq. 15.
    pub action_rates: f64,
    /// α₂, of 1 + a_R·R/(|a_R| |R|): axisymmetry, the cosine between the parts of acceleration and position in the plane.
    pub symmetry: f64,
    /// α₃, of the spread of the frequencies (Eq. 16) within each stream.
    pub frequency_spread: f64,
    /// Of the relative distance from the solution of Eq. 15 by linear algebra, at stars below the condition number.
    pub solved: f64,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            action_rates: 1.0,
            symmetry: 0.0,
            frequency_spread: 0.0,
            solved: 0.0,
        }
    }
}

/// A condition number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Condition(pub f64);

impl Default for Condition {
    fn default() -> Self {
        Self(30.0)
    }
}

/// The inputs for action networks: several of the same toy and data, such as of several seeds, are an ensemble, whose equations
/// are all used.
pub const NETWORKS: [&str; 4] = ["network", "network.2", "network.3", "network.4"];

impl Stage for TrainAcceleration {
    const KIND: &'static str = "train_acceleration";
    const ABOUT: &'static str = "Learn the acceleration from a trained action network: actions stay along orbits";
    const REVISION: u32 = 8;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        // Which six columns depends on the network, and is checked against the tables when they are read.
        let needs = columns::needs(&[]);
        vec![
            InputPort::network(NETWORKS[0], &networks::ACTIONS).repeated(&NETWORKS[1..]),
            InputPort::table("train", &needs),
            InputPort::table("validation", &needs).optional(),
        ]
    }

    fn gains_by_gpu(&self, _: &Connected) -> bool {
        matches!(self.network, Network::Paper(_))
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        for port in ["train", "validation"] {
            let Some(schema) = connected_schema(connected, port) else {
                continue;
            };
            let has_all = |group: &[columns::Column]| group.iter().all(|c| schema.column_with_name(c.name).is_some());
            if !has_all(&CARTESIAN) && !has_all(&OBSERVABLES) {
                return Err(format!(
                    "{port}: needs the columns x y z vx vy vz, or distance l b v_los mu_l_cosb mu_b"
                ));
            }
        }
        let mut outputs = vec![
            OutputPort::network("field", self.field_type()),
            // Of the validation stars, or the training stars where there are none.
            OutputPort::table("solved", Layout::<OfStar<Acceleration>>::of_one().schema()),
        ];
        if !matches!(self.network, Network::Linear(_)) {
            outputs.push(OutputPort::table("history", tables::history("(km/s)^2").schema()));
        }
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.training.faults();
        faults.extend(positive("condition", Some(self.condition.0)));
        match &self.network {
            Network::Smooth(own) => {
                faults.extend(positive("network.smooth.width", own.width));
                faults.extend(positive("network.smooth.depth", own.depth));
                faults.extend(own.loss.faults("network.smooth.loss"));
            }
            Network::Paper(own) => {
                faults.extend(positive("network.paper.width", own.width));
                faults.extend(positive("network.paper.depth", own.depth));
                faults.extend(dropout("network.paper.dropout", own.dropout));
                faults.extend(own.loss.faults("network.paper.loss"));
            }
            Network::Linear(_) => faults.extend(self.training.of_solved("linear")),
        }
        faults
    }
}

impl TrainAcceleration {
    fn field_type(&self) -> NetworkType {
        match &self.network {
            Network::Linear(_) => networks::LINEAR_FIELD,
            Network::Smooth(own) if own.field == FieldKind::Potential => networks::SMOOTH_FIELD,
            // The gradient of the paper's network is piecewise constant, so it is an acceleration and no potential.
            Network::Smooth(_) | Network::Paper(_) => networks::FREE_FIELD,
        }
    }
}

impl Losses {
    fn faults(&self, at: &str) -> Vec<Fault> {
        let Self {
            action_rates,
            symmetry,
            frequency_spread,
            solved,
        } = *self;
        let weights = [
            ("action_rates", action_rates),
            ("symmetry", symmetry),
            ("frequency_spread", frequency_spread),
            ("solved", solved),
        ];
        let wrong = weights.map(|(name, weight)| not_negative(&format!("{at}.{name}"), weight));
        let mut faults: Vec<Fault> = wrong.into_iter().flatten().collect();
        if faults.is_empty() && action_rates + solved == 0.0 {
            let message = "action_rates and solved are both 0: nothing says how large the acceleration is";
            faults.push(Fault::new(at, message));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::faults;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let of = |with: serde_json::Value| faults::<TrainAcceleration>(with).len();
        assert_eq!(of(json!({})), 0);
        assert_eq!(of(json!({ "network": { "linear": {} } })), 0);
        assert_eq!(
            of(json!({ "network": { "linear": {} }, "training": { "epochs": 3 } })),
            1
        );
        let loss = |network: &str, loss: serde_json::Value| of(json!({ "network": { network: { "loss": loss } } }));
        for network in ["smooth", "paper"] {
            assert_eq!(loss(network, json!({ "action_rates": 0.0, "symmetry": 1.0 })), 1);
            assert_eq!(loss(network, json!({ "action_rates": 0.0, "solved": -1.0 })), 1);
            assert_eq!(loss(network, json!({ "action_rates": 0.0, "solved": 1.0 })), 0);
        }
    }
}
