//! Applies a trained network to a table of stars. The body is in the worker's library.

use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, connected_schema};
use runner::stage::{Outcome, Place, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns::{self, ACCELERATION, ACTIONS, ANGLES, CARTESIAN, OBSERVABLES, POSITION};

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
}

impl Stage for Predict {
    const KIND: &'static str = "predict";
    const ABOUT: &'static str = "Apply a trained network to a table of stars";
    const REVISION: u32 = 4;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = match self.map {
            // Which six columns depends on the network, and is checked against the table when it is read.
            Map::Actions => columns::needs(&[]),
            Map::Inverse => columns::needs(&[&ACTIONS, &ANGLES]),
            Map::Field => columns::needs(&[&POSITION]),
        };
        vec![InputPort::network("network"), InputPort::table("stars", &needs)]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        if let (Map::Actions, Some(schema)) = (self.map, connected_schema(connected, "stars")) {
            let has_all = |group: &[columns::Column]| group.iter().all(|c| schema.column_with_name(c.name).is_some());
            if !has_all(&CARTESIAN) && !has_all(&OBSERVABLES) {
                return Err("stars: needs the columns x y z vx vy vz, or distance l b v_los mu_l_cosb mu_b".to_owned());
            }
        }
        let schema = match self.map {
            Map::Actions if self.angles == Angles::Without => columns::stars(&[&ACTIONS]),
            Map::Actions => columns::stars(&[&ACTIONS, &ANGLES]),
            Map::Inverse => columns::stars(&[&CARTESIAN]),
            Map::Field => columns::stars(&[&ACCELERATION]),
        };
        Ok(vec![OutputPort::table("predictions", schema)])
    }

    fn run(&self, _context: &mut StageContext) -> Result<Outcome, StageError> {
        Err(StageError::Bug("predict runs in the worker".to_owned()))
    }
}
