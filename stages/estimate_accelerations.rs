//! Accelerations of stars in a given potential.

use dynamics::potential::Potential;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, Values};

use crate::columns::{self, ACCELERATION, POSITION};
use crate::io::{TableContext, kept, replaced};
use crate::potentials::PotentialParameters;

/// `estimate_accelerations`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateAccelerations {
    /// The potential.
    pub potential: PotentialParameters,
}

impl Stage for EstimateAccelerations {
    const KIND: &'static str = "estimate_accelerations";
    const ABOUT: &'static str = "Compute the accelerations of stars in a given potential";
    const REVISION: u32 = 1;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&POSITION]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let schema = replaced(input, &ACCELERATION.map(|column| column.name), &ACCELERATION);
        Ok(vec![OutputPort::table("stars", schema)])
    }

    fn check(&self) -> Vec<Fault> {
        self.potential.faults("potential")
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let potential = self.potential.build()?;
        let schema = context.output_schema("stars")?;
        let mut columns = kept(&table, &schema);
        columns.retain(|(name, _)| ACCELERATION.iter().all(|column| column.name != *name));
        columns.extend(accelerations(potential.as_ref(), &table)?);
        context.write_table("stars", columns)?;
        Ok(Outcome::Complete)
    }
}

/// The columns `ax ay az` of a table's positions.
pub fn accelerations(
    potential: &dyn Potential,
    table: &RecordBatch,
) -> Result<Vec<(&'static str, Values)>, StageError> {
    let [x, y, z] = crate::io::columns(table, &POSITION)?;
    let places = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]);
    let found: Vec<[f64; 3]> = places.map(|place| potential.acceleration(place)).collect();
    let axis = |axis: usize| found.iter().map(|a| a[axis]).collect::<Vec<f64>>().into();
    Ok((0..3).map(|n| (ACCELERATION[n].name, axis(n))).collect())
}
