//! Finds line-of-sight velocities that were not measured, from the actions that the stars of a stream share. The body is in the
//! worker's library.

use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::{Connected, InputPort, OutputPort, column, connected_schema, unit_of};
use runner::stage::{Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, Column, OBSERVABLES};
use crate::common::networks;
use crate::common::parameters::SunParameters;
use crate::common::set_aside::OnFailure;

/// `recover_velocities`
///
/// A star without a `v_los` gets the one with which its actions, by a trained map, agree with those of its stream: of the stars that
/// have one, or, where none has, of each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecoverVelocities {
    /// Of each stream, only this many stars keep their `v_los`; those of the others are not looked at. For tests against known ones.
    /// Left out, all that are there are used.
    pub known_stars: Option<u32>,
    /// The Sun.
    pub sun: SunParameters,
    /// What to do about stars that get no velocity.
    pub failures: OnFailure,
}

/// Line-of-sight velocity.
pub const V_LOS: Column = OBSERVABLES[3];

/// Its uncertainty.
pub const V_LOS_SD: Column = Column {
    name: "v_los_sd",
    unit: "km/s",
    frame: "heliocentric",
    description: "standard deviation of a recovered line-of-sight velocity",
};

impl Stage for RecoverVelocities {
    const KIND: &'static str = "recover_velocities";
    const ABOUT: &'static str =
        "Find line-of-sight velocities that are missing, by the actions that a stream's stars share";
    const REVISION: u32 = 4;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Worker;

    fn inputs(&self) -> Vec<InputPort> {
        let others: Vec<Column> = OBSERVABLES.into_iter().filter(|column| *column != V_LOS).collect();
        vec![
            InputPort::network("network", &[networks::SMOOTH]),
            InputPort::table("stars", &columns::needs(&[&others])),
        ]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let found = connected_schema(connected, "stars").and_then(|schema| schema.column_with_name(V_LOS.name));
        if let Some((_, field)) = found
            && unit_of(field) != V_LOS.unit
        {
            return Err(format!("stars: v_los is in \"{}\", not in km/s", unit_of(field)));
        }
        let recovered = column(
            "recovered",
            DataType::Boolean,
            "",
            "",
            "whether v_los was found here, not measured",
        );
        let all = OBSERVABLES.iter().chain(&CARTESIAN).map(Column::field);
        let deviation = V_LOS_SD.field().with_nullable(true);
        let whole: Vec<Field> = columns::identity()
            .into_iter()
            .chain(all)
            .chain([deviation, recovered])
            .collect();
        let outputs = vec![
            OutputPort::table("stars", Schema::new(whole)),
            OutputPort::table("recovered", columns::stars(&[&[V_LOS, V_LOS_SD]])),
            crate::common::set_aside::port(),
        ];
        Ok(columns::named(outputs, connected))
    }
}
