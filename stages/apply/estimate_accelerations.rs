//! Accelerations of stars in a given potential.

use dynamics::potential::Potential;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, take_rows};

use crate::common::columns::{self, ACCELERATION, POSITION};
use crate::common::io::{TableContext, identity, kept, replaced};
use crate::common::potentials::PotentialParameters;
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
        let schema = replaced(input, &ACCELERATION.map(|column| column.name), &ACCELERATION);
        Ok(vec![OutputPort::table("stars", schema), set_aside::port()])
    }

    fn check(&self) -> Vec<Fault> {
        self.potential.faults("potential")
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let potential = self.potential.build()?;
        let found = accelerations(potential.as_ref(), &table)?;
        let (stream, star) = identity(&table)?;
        let mut without = SetAside::default();
        let mut there = Vec::with_capacity(found.len());
        for (row, acceleration) in found.iter().enumerate() {
            if acceleration.iter().all(|value| value.is_finite()) {
                there.push(row);
            } else {
                without.push(
                    stream[row],
                    star[row],
                    "its acceleration is not finite: it is at a singular point",
                );
            }
        }
        without.write(context, self.failures, found.len(), "stars")?;
        if there.is_empty() && !found.is_empty() {
            return Ok(set_aside::all_set_aside(found.len(), "stars"));
        }
        let table = take_rows(&table, &there).map_err(StageError::failed)?;
        let schema = context.output_schema("stars")?;
        let mut columns = kept(&table, &schema);
        columns.retain(|(name, _)| ACCELERATION.iter().all(|column| column.name != *name));
        let axis = |axis: usize| there.iter().map(|&row| found[row][axis]).collect::<Vec<f64>>().into();
        columns.extend((0..3).map(|n| (ACCELERATION[n].name, axis(n))));
        context.write_table("stars", columns)?;
        Ok(Outcome::Complete)
    }
}

/// The accelerations at a table's positions.
fn accelerations(potential: &dyn Potential, table: &RecordBatch) -> Result<Vec<[f64; 3]>, StageError> {
    let [x, y, z] = crate::common::io::columns(table, &POSITION)?;
    let places = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]);
    Ok(places.map(|place| potential.acceleration(place)).collect())
}
