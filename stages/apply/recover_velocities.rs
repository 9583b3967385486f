//! Finds line-of-sight velocities that were not measured, from the actions that the stars of a stream share. The body is in the
//! worker's library.

use dynamics::phase_space::PhaseSpace;
use dynamics::sky::Observables;
use runner::arrow_schema::Schema;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema, unit_of};
use runner::stage::{Fault, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, Column, INSIDE, INSIDE_MEANS, OBSERVABLES};
use crate::common::layout::{Layout, StarId};
use crate::common::networks;
use crate::common::set_aside::OnFailure;
use crate::common::sun::{self, SunParameters};

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
    /// The Sun; left out, the one that the table states, or the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sun: Option<SunParameters>,
    /// What to do about stars that get no velocity.
    pub failures: OnFailure,
}

/// Line-of-sight velocity.
pub const V_LOS: Column = OBSERVABLES[3];

/// Its uncertainty.
pub const V_LOS_SD: Column = columns::heliocentric(
    "v_los_sd",
    "km/s",
    "standard deviation of a recovered line-of-sight velocity",
);

/// A star with a line-of-sight velocity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completed {
    /// Which star.
    pub id: StarId,
    /// What is seen of it.
    pub seen: Observables,
    /// Where it is by that.
    pub point: PhaseSpace,
    /// How well its velocity is known, where it was found here, km/s.
    pub deviation: Option<f64>,
    /// Whether its toy actions are where the network was trained, where that is known.
    pub inside: Option<bool>,
}

/// The table `stars`.
pub fn completed() -> Layout<Completed> {
    Layout::of_stars(|row: &Completed| row.id)
        .quantity(|row| row.seen)
        .quantity(|row| row.point)
        .number_or_none(V_LOS_SD, |row| row.deviation)
        .flag("recovered", "whether v_los was found here, not measured", |row| {
            row.deviation.is_some()
        })
        .flag_or_none(INSIDE, INSIDE_MEANS, |row| row.inside)
}

/// The table `recovered`, of those that were found here.
pub fn recovered() -> Layout<Completed> {
    Layout::of_stars(|row: &Completed| row.id)
        .number(V_LOS, |row| row.seen.v_los)
        .number(V_LOS_SD, |row| row.deviation.unwrap_or_default())
        .flag_or_none(INSIDE, INSIDE_MEANS, |row| row.inside)
}

impl Stage for RecoverVelocities {
    const KIND: &'static str = "recover_velocities";
    const ABOUT: &'static str =
        "Find line-of-sight velocities that are missing, by the actions that a stream's stars share";
    const REVISION: u32 = 6;
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
        let none = Schema::empty();
        let stars = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let sun = sun::agreed("stars", stars, self.sun)?;
        let outputs = vec![
            OutputPort::table("stars", completed().seen_from(&sun).schema()),
            OutputPort::table("recovered", recovered().seen_from(&sun).schema()),
            crate::common::set_aside::port(),
        ];
        Ok(columns::named(outputs, connected))
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let stars = inputs.at("stars");
        Ok(Counts::of("stars", stars).and("recovered", stars))
    }
}
