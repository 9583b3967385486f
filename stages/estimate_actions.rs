//! Actions, angles and frequencies of stars in a given potential, without a network.

use dynamics::phase_space::{ActionAngle, PhaseSpace, UnboundRow};
use dynamics::potential::{Isochrone, Potential};
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, connected_schema};
use runner::stage::{Outcome, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::columns::{self, ACTIONS, ANGLES, CARTESIAN, Column, FREQUENCIES};
use crate::io::{TableContext, identity, kept, on_threads, points, replaced};
use crate::parameters::MassAndScale;

/// `estimate_actions`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateActions {
    /// How.
    pub method: Method,
    /// What to do about stars that are not bound, which have no actions.
    #[serde(default)]
    pub unbound: OnUnbound,
}

/// How actions are computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Exactly, in an isochrone sphere.
    Isochrone(MassAndScale),
}

/// What to do about stars that are not bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnbound {
    /// Fail, naming them.
    #[default]
    Error,
    /// Leave them out of the result and list them in the output `set_aside`.
    SetAside,
}

const RESULT: [Column; 9] = [
    ACTIONS[0],
    ACTIONS[1],
    ACTIONS[2],
    ANGLES[0],
    ANGLES[1],
    ANGLES[2],
    FREQUENCIES[0],
    FREQUENCIES[1],
    FREQUENCIES[2],
];

impl Stage for EstimateActions {
    const KIND: &'static str = "estimate_actions";
    const ABOUT: &'static str = "Compute actions, angles and frequencies in a given potential";
    const REVISION: u32 = 1;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&CARTESIAN]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let schema = replaced(input, &RESULT.map(|column| column.name), &RESULT);
        Ok(vec![
            OutputPort::table("stars", schema),
            OutputPort::table("set_aside", columns::unbound()),
        ])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let points = points(&table)?;
        let Method::Isochrone(with) = self.method;
        let potential = Isochrone::new(with.mass.get(), with.scale.get()).map_err(StageError::failed)?;
        let (unbound, bound): (Vec<UnboundRow>, Vec<usize>) = unbound_rows(&potential, &points);
        self.report_unbound(context, &table, &unbound)?;
        if bound.is_empty() && !unbound.is_empty() {
            return Ok(Outcome::Finding {
                title: format!("none of the {} stars is bound", points.len()),
                detail: "no actions exist in this potential".to_owned(),
            });
        }
        let points: Vec<PhaseSpace> = bound.iter().map(|&row| points[row]).collect();
        let estimated = on_threads(context, || potential.actions_of(&points))?.map_err(StageError::failed)?;
        let rows = tables::take_rows(&table, &bound).map_err(StageError::failed)?;
        write(context, &rows, &estimated)?;
        Ok(Outcome::Complete)
    }
}

impl EstimateActions {
    /// Writes `set_aside`, or fails.
    fn report_unbound(
        &self,
        context: &StageContext,
        table: &RecordBatch,
        unbound: &[UnboundRow],
    ) -> Result<(), StageError> {
        let (stream, star) = identity(table)?;
        let name = |bad: &UnboundRow| {
            format!(
                "stream {}, star {} (energy {:.1} (km/s)²)",
                stream[bad.row], star[bad.row], bad.energy
            )
        };
        if self.unbound == OnUnbound::Error && !unbound.is_empty() {
            let first: Vec<String> = unbound.iter().take(5).map(name).collect();
            let more = if unbound.len() > 5 { "; …" } else { "" };
            return Err(StageError::with_hint(
                format!(
                    "{} of {} stars are unbound and have no actions: {}{more}",
                    unbound.len(),
                    table.num_rows(),
                    first.join("; ")
                ),
                "unbound: set_aside leaves them out and lists them in the output set_aside",
            ));
        }
        context.metric("set_aside", unbound.len() as f64, "");
        context.write_table(
            "set_aside",
            vec![
                (
                    "stream",
                    unbound.iter().map(|bad| stream[bad.row]).collect::<Vec<_>>().into(),
                ),
                (
                    "star",
                    unbound.iter().map(|bad| star[bad.row]).collect::<Vec<_>>().into(),
                ),
                (
                    "energy",
                    unbound.iter().map(|bad| bad.energy).collect::<Vec<_>>().into(),
                ),
            ],
        )
    }
}

/// Rows with and without a bound orbit.
fn unbound_rows(potential: &dyn Potential, points: &[PhaseSpace]) -> (Vec<UnboundRow>, Vec<usize>) {
    let (mut unbound, mut bound) = (Vec::new(), Vec::new());
    for (row, point) in points.iter().enumerate() {
        let energy = potential.energy(point);
        if energy < potential.potential_at_infinity() {
            bound.push(row);
        } else {
            unbound.push(UnboundRow { row, energy });
        }
    }
    (unbound, bound)
}

fn write(context: &StageContext, table: &RecordBatch, estimated: &[ActionAngle]) -> Result<(), StageError> {
    let of = |value: fn(&ActionAngle) -> f64| estimated.iter().map(value).collect::<Vec<_>>().into();
    let schema = context.output_schema("stars")?;
    let mut columns = kept(table, &schema);
    columns.retain(|(name, _)| RESULT.iter().all(|column| column.name != *name));
    columns.extend([
        ("J_phi", of(|star| star.actions.phi)),
        ("J_z", of(|star| star.actions.z)),
        ("J_r", of(|star| star.actions.r)),
        ("theta_phi", of(|star| star.angles.phi)),
        ("theta_z", of(|star| star.angles.z)),
        ("theta_r", of(|star| star.angles.r)),
        ("Omega_phi", of(|star| star.frequencies.phi)),
        ("Omega_z", of(|star| star.frequencies.z)),
        ("Omega_r", of(|star| star.frequencies.r)),
    ]);
    context.write_table("stars", columns)
}
