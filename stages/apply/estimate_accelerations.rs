//! Accelerations of stars in a given potential.

use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::take_rows;

use crate::common::columns::{self, POSITION};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::layout::Layout;
use crate::common::potentials::{self, PotentialParameters};
use crate::common::quantities::{Acceleration, Position};
use crate::common::set_aside::{self, OnFailure, SetAside};

/// `estimate_accelerations`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateAccelerations {
    /// The potential.
    pub potential: PotentialParameters,
    /// What to do about stars where the acceleration is not finite.
    #[serde(default)]
    pub failures: OnFailure,
}

/// What is written beside the columns of the input.
fn layout() -> Layout<Acceleration> {
    Layout::new().quantity(|row: &Acceleration| *row)
}

impl Stage for EstimateAccelerations {
    const KIND: &'static str = "estimate_accelerations";
    const ABOUT: &'static str = "Compute the accelerations of stars in a given potential";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Apply;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&POSITION]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let schema = layout().beside(input, &[]);
        Ok(vec![OutputPort::table("stars", schema), set_aside::port()])
    }

    fn files(&self) -> Vec<FileParameter> {
        potentials::files(&self.potential, "potential")
    }

    fn check(&self) -> Vec<Fault> {
        potentials::faults(&self.potential, "potential")
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let potential = potentials::build(&self.potential, context, "potential")?;
        let places: Vec<Position> = quantity(&table)?;
        let found = places.iter().map(|place| potential.acceleration(place.0));
        let mut without = SetAside::default();
        let (mut there, mut kept) = (Vec::new(), Vec::new());
        for ((row, id), acceleration) in star_ids(&table)?.into_iter().enumerate().zip(found) {
            if acceleration.iter().all(|value| value.is_finite()) {
                there.push(row);
                kept.push(Acceleration(acceleration));
            } else {
                without.push(id, "its acceleration is not finite: it is at a singular point");
            }
        }
        without.write(context, self.failures, places.len(), "stars")?;
        if there.is_empty() && !places.is_empty() {
            return Ok(set_aside::all_set_aside(places.len(), "stars"));
        }
        let table = take_rows(&table, &there).map_err(StageError::failed)?;
        context.write_beside("stars", &table, &layout(), &kept)?;
        Ok(Outcome::Complete)
    }
}
