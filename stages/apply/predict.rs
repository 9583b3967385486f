//! Applies a trained network to a table of stars. The body is in the worker's library.

use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::{Connected, InputPort, OutputPort, column, connected_schema};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{
    self, ACCELERATION, ACTIONS, ACTIONS_SD, ANGLES, ANGLES_SD, CARTESIAN, Column, FREQUENCIES, FREQUENCIES_SD,
    OBSERVABLES, POSITION,
};
use crate::common::potentials::PotentialParameters;
use crate::common::set_aside::OnFailure;

/// `predict`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Predict {
    /// What is predicted; it must be what the network was trained for.
    pub map: Map,
    /// Whether the stars of a stream share their actions. Only for `map: actions`.
    pub stars: Stars,
    /// What is written for `map: actions`.
    pub angles: Angles,
    /// How positions are found from actions and angles. Only for `map: inverse`.
    pub method: Method,
    /// A known potential, for frequencies and accelerations; else those of the learned field at the input `field`, if one is
    /// connected. Only for `map: actions`.
    pub potential: Option<PotentialParameters>,
    /// Networks of which the mean is taken, and the standard deviation given: those at the inputs `network`, `network_2`, … Only for
    /// `map: actions`.
    pub networks: Option<u32>,
    /// Random dropout masks of which the mean is taken, and the standard deviation given (Gal & Ghahramani 2016). Only for
    /// `network: paper`.
    pub dropout_samples: Option<u32>,
    /// Seed of the masks.
    pub seed: u64,
    /// What to do about stars without a prediction.
    pub failures: OnFailure,
}

/// How positions and velocities are found from actions and angles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a network of `train_inverse`.
    #[default]
    Learned,
    /// By the equations of an action network itself, `network: smooth`, to rounding; stars alone.
    Exact,
}

/// What is written of actions and angles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Angles {
    /// Actions and angles.
    #[default]
    With,
    /// Actions only: all that `network: fourier` can do.
    Without,
}

/// Which stars determine the actions of a star.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stars {
    /// Its own position and velocity, whatever its stream.
    #[default]
    Alone,
    /// All stars of its stream, which then get the same actions. Not for `network: paper`.
    Together,
}

/// What a network predicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Map {
    /// Positions and velocities (or observables, as the network was trained) to actions and angles.
    #[default]
    Actions,
    /// Actions and angles to positions and velocities.
    Inverse,
    /// Positions to accelerations, by a field of `train_potential`.
    Field,
    /// The same as `actions` by the toy of an action network alone: what the network starts from.
    Toy,
}

/// The inputs of an ensemble.
pub const NETWORKS: [&str; 8] = [
    "network",
    "network_2",
    "network_3",
    "network_4",
    "network_5",
    "network_6",
    "network_7",
    "network_8",
];

impl Predict {
    /// How many networks there are.
    pub fn members(&self) -> usize {
        self.networks.unwrap_or(1) as usize
    }

    /// Whether actions and angles are means of several predictions.
    pub fn is_ensemble(&self) -> bool {
        self.members() > 1 || self.dropout_samples.is_some()
    }

    /// The columns of predicted actions: of stars, and of means over streams.
    fn of_actions(&self, has_field: bool) -> (Schema, Schema) {
        let mut stars: Vec<&[Column]> = vec![&ACTIONS];
        let mut uncertain: Vec<&[Column]> = Vec::new();
        let mut streams: Vec<&[Column]> = vec![&ACTIONS];
        let mut spread: Vec<&[Column]> = vec![&ACTIONS_SD];
        if self.angles == Angles::With {
            stars.push(&ANGLES);
        }
        if has_field {
            stars.extend([&FREQUENCIES[..], &ACCELERATION]);
            streams.push(&FREQUENCIES);
            spread.push(&FREQUENCIES_SD);
        }
        if self.is_ensemble() || self.stars == Stars::Together {
            uncertain.push(&ACTIONS_SD);
        }
        if self.is_ensemble() && self.angles == Angles::With {
            uncertain.push(&ANGLES_SD);
        }
        if self.is_ensemble() && has_field {
            uncertain.push(&FREQUENCIES_SD);
        }
        let nullable = |groups: Vec<&[Column]>| -> Vec<Field> {
            groups
                .into_iter()
                .flatten()
                .map(|column| column.field().with_nullable(true))
                .collect()
        };
        let whole =
            |groups: Vec<&[Column]>| -> Vec<Field> { groups.into_iter().flatten().map(Column::field).collect() };
        let [stream, star] = columns::identity();
        let count = column(
            "stars",
            DataType::Int64,
            "",
            "",
            "stars of the stream with a prediction",
        );
        let trust = columns::trust().to_vec();
        let of_stars = [vec![stream.clone(), star], whole(stars), nullable(uncertain), trust].concat();
        let of_streams = [vec![stream, count], whole(streams), nullable(spread)].concat();
        (Schema::new(of_stars), Schema::new(of_streams))
    }
}

impl Stage for Predict {
    const KIND: &'static str = "predict";
    const ABOUT: &'static str = "Apply a trained network to a table of stars";
    const REVISION: u32 = 11;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = match self.map {
            // Which six columns depends on the network, and is checked against the table when it is read.
            Map::Actions | Map::Toy => columns::needs(&[]),
            Map::Inverse => columns::needs(&[&ACTIONS, &ANGLES]),
            Map::Field => columns::needs(&[&POSITION]),
        };
        let members = self.members().clamp(1, NETWORKS.len());
        let mut ports: Vec<InputPort> = NETWORKS[..members]
            .iter()
            .map(|name| InputPort::network(name))
            .collect();
        ports.push(InputPort::table("stars", &needs));
        if self.map == Map::Actions && self.potential.is_none() {
            ports.push(InputPort::network("field").optional());
        }
        ports
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if let (Map::Actions | Map::Toy, Some(schema)) = (self.map, connected_schema(connected, "stars")) {
            let has_all = |group: &[Column]| group.iter().all(|c| schema.column_with_name(c.name).is_some());
            if !has_all(&CARTESIAN) && !has_all(&OBSERVABLES) {
                return Err("stars: needs the columns x y z vx vy vz, or distance l b v_los mu_l_cosb mu_b".to_owned());
            }
        }
        let has_field = self.potential.is_some() || connected.contains_key("field");
        let outputs = match self.map {
            Map::Actions | Map::Toy => {
                let (stars, streams) = self.of_actions(has_field);
                vec![
                    OutputPort::table("predictions", stars),
                    OutputPort::table("streams", streams),
                    crate::common::set_aside::port(),
                ]
            }
            Map::Inverse => vec![
                OutputPort::table("predictions", columns::stars(&[&CARTESIAN])),
                crate::common::set_aside::port(),
            ],
            Map::Field => vec![OutputPort::table("predictions", columns::stars(&[&ACCELERATION]))],
        };
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let only = |at: &str, given: bool, map: Map, of: &str| {
            (given && self.map != map).then(|| Fault::new(at, format!("is for `map: {of}`")))
        };
        faults.extend(only("stars", self.stars != Stars::Alone, Map::Actions, "actions"));
        faults.extend(only("potential", self.potential.is_some(), Map::Actions, "actions"));
        faults.extend(only("networks", self.networks.is_some(), Map::Actions, "actions"));
        faults.extend(only(
            "dropout_samples",
            self.dropout_samples.is_some(),
            Map::Actions,
            "actions",
        ));
        faults.extend(only("method", self.method != Method::Learned, Map::Inverse, "inverse"));
        if let Some(networks) = self
            .networks
            .filter(|networks| !(2..=NETWORKS.len() as u32).contains(networks))
        {
            faults.push(Fault::new(
                "networks",
                format!("must be 2 to {}, not {networks}", NETWORKS.len()),
            ));
        }
        if let Some(samples) = self.dropout_samples.filter(|samples| *samples < 2) {
            faults.push(Fault::new(
                "dropout_samples",
                format!("must be 2 or more, not {samples}"),
            ));
        }
        if self.dropout_samples.is_some() && self.networks.is_some() {
            faults.push(Fault::new("dropout_samples", "and networks exclude each other"));
        }
        if let Some(potential) = &self.potential {
            faults.extend(potential.faults("potential"));
        }
        faults
    }
}
