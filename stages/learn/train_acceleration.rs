//! Learns the acceleration from a trained action network: actions stay along orbits. The body is in the worker's library.

use runner::ports::{Connected, InputPort, NetworkType, OutputPort, connected_schema};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, ACCELERATION, CARTESIAN, OBSERVABLES};
use crate::common::networks;
use crate::common::parameters::positive;

/// `train_acceleration`
///
/// A field a(x) under which the actions of the network at `network` do not change: Ibata et al. (2021), section 4. No labels
/// are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainAcceleration {
    /// What the field is made of.
    pub network: Network,
    /// Whether the field is free or has a potential; `network: linear` always has one.
    pub field: FieldKind,
    /// Weights of the terms of the loss, Eq. 17.
    pub loss: Losses,
    /// Largest condition number at which Eq. 15 is solved for the acceleration of a star.
    pub condition: Condition,
    /// Whether the potential is made axisymmetric, and the same on both sides of the plane; only for `network: linear`.
    pub axisymmetric: bool,
    /// Passes over the training streams; left out, the network's own choice, as for all that follow.
    pub epochs: Option<u32>,
    /// Streams in one optimisation step.
    pub batch: Option<u32>,
    /// Learning rate at its highest.
    pub learning_rate: Option<f64>,
    /// Width of the hidden layers; for `network: paper` that of the widest block.
    pub width: Option<u32>,
    /// Number of hidden layers; for `network: paper` of blocks.
    pub depth: Option<u32>,
    /// Probability of dropping a unit, in [0, 1), for `network: paper`.
    pub dropout: Option<f64>,
    /// Seed of weights and batches.
    pub seed: u64,
}

/// What the field is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A small smooth network of the position, as a correction to the toy isochrone.
    #[default]
    Smooth,
    /// net_a of Ibata et al. (2021), Eq. 14, as a correction to the toy isochrone.
    Paper,
    /// A sum of Miyamoto–Nagai discs and multipoles: Eq. 15 is linear in its coefficients. Only with `field: potential`.
    Linear,
}

/// Whether the field is free or has a potential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Three components of the acceleration, each for itself.
    #[default]
    Acceleration,
    /// a = −∇Φ: curl-free by construction. Not for `network: paper`, whose gradient is piecewise constant.
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
pub const NETWORKS: [&str; 4] = ["network", "network_2", "network_3", "network_4"];

impl Stage for TrainAcceleration {
    const KIND: &'static str = "train_acceleration";
    const ABOUT: &'static str = "Learn the acceleration from a trained action network: actions stay along orbits";
    const REVISION: u32 = 6;
    const ROLE: Role = Role::Learn;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        // Which six columns depends on the network, and is checked against the tables when they are read.
        let needs = columns::needs(&[]);
        let more = NETWORKS[1..]
            .iter()
            .map(|name| InputPort::network(name, &networks::ACTIONS).optional());
        let mut ports = vec![InputPort::network(NETWORKS[0], &networks::ACTIONS)];
        ports.extend(more);
        ports.push(InputPort::table("train", &needs));
        ports.push(InputPort::table("validation", &needs).optional());
        ports
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
            OutputPort::table("solved", columns::stars(&[&ACCELERATION])),
        ];
        if self.network != Network::Linear {
            outputs.push(OutputPort::table("history", columns::history("(km/s)^2")));
        }
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        faults.extend(positive("condition", Some(self.condition.0)));
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
        faults.extend(self.faults_of_losses());
        faults.extend(self.foreign_to_its_network());
        faults
    }
}

impl TrainAcceleration {
    fn field_type(&self) -> NetworkType {
        match (self.network, self.field) {
            (Network::Linear, _) => networks::LINEAR_FIELD,
            (Network::Smooth, FieldKind::Potential) => networks::MLP_FIELD,
            (Network::Smooth | Network::Paper, _) => networks::FREE_FIELD,
        }
    }

    fn faults_of_losses(&self) -> Vec<Fault> {
        let Losses {
            action_rates,
            symmetry,
            frequency_spread,
            solved,
        } = self.loss;
        let weights = [
            ("loss.action_rates", action_rates),
            ("loss.symmetry", symmetry),
            ("loss.frequency_spread", frequency_spread),
            ("loss.solved", solved),
        ];
        let wrong = weights
            .iter()
            .filter(|(_, weight)| !(*weight >= 0.0 && weight.is_finite()));
        let mut faults: Vec<Fault> = wrong
            .map(|(at, weight)| Fault::new(at, format!("must not be negative, not {weight}")))
            .collect();
        if faults.is_empty() && action_rates + solved == 0.0 {
            let message = "action_rates and solved are both 0: nothing says how large the acceleration is";
            faults.push(Fault::new("loss", message));
        }
        faults
    }

    /// Parameters that the network has not.
    fn foreign_to_its_network(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut refuse = |at: &str, given: bool, message: &str| {
            if given {
                faults.push(Fault::new(at, message));
            }
        };
        match self.network {
            Network::Linear => {
                let potential = self.field == FieldKind::Potential;
                refuse(
                    "field",
                    !potential,
                    "network: linear is a potential: write `field: potential`",
                );
                let other = self.loss != Losses::default();
                refuse("loss", other, "network: linear minimises the rates of the actions only");
                let given = [
                    ("epochs", self.epochs.is_some()),
                    ("batch", self.batch.is_some()),
                    ("learning_rate", self.learning_rate.is_some()),
                    ("width", self.width.is_some()),
                    ("depth", self.depth.is_some()),
                ];
                for (at, given) in given {
                    refuse(at, given, "is not for network: linear, which is solved, not trained");
                }
            }
            Network::Paper => {
                let potential = self.field == FieldKind::Potential;
                refuse(
                    "field",
                    potential,
                    "the gradient of the paper's network is piecewise constant",
                );
            }
            Network::Smooth => {}
        }
        refuse(
            "axisymmetric",
            self.axisymmetric && self.network != Network::Linear,
            "is for network: linear; loss.symmetry is for the others",
        );
        refuse(
            "dropout",
            self.dropout.is_some() && self.network != Network::Paper,
            "is for network: paper",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(with: TrainAcceleration) -> Vec<String> {
        with.check().iter().map(|fault| format!("{fault:?}")).collect()
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let usual = TrainAcceleration::default();
        assert_eq!(faults(usual.clone()), Vec::<String>::new());
        let linear = TrainAcceleration {
            network: Network::Linear,
            ..usual.clone()
        };
        assert_eq!(faults(linear.clone()).len(), 1);
        let potential = TrainAcceleration {
            field: FieldKind::Potential,
            ..linear
        };
        assert_eq!(faults(potential.clone()).len(), 0);
        let trained = TrainAcceleration {
            epochs: Some(3),
            width: Some(8),
            ..potential
        };
        assert_eq!(faults(trained).len(), 2);
        let paper = TrainAcceleration {
            network: Network::Paper,
            field: FieldKind::Potential,
            axisymmetric: true,
            ..usual.clone()
        };
        assert_eq!(faults(paper).len(), 2);
        let nothing = Losses {
            action_rates: 0.0,
            symmetry: 1.0,
            ..Losses::default()
        };
        for (loss, count) in [
            (nothing, 1),
            (
                Losses {
                    solved: -1.0,
                    ..nothing
                },
                1,
            ),
        ] {
            let with = TrainAcceleration { loss, ..usual.clone() };
            assert_eq!(faults(with).len(), count, "{loss:?}");
        }
    }
}
