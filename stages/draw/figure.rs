//! Draws a picture of a table, as SVG for the report and for papers.

mod action_space;
mod actions_along_orbits;
mod agreement;
mod axis;
mod convergence;
mod data;
mod field;
mod integrals;
mod layout;
mod loss_curves;
mod methods;
mod names;
mod orbits;
mod picture;
mod range;
mod residuals;
mod rotation_curve;
mod sample;
mod style;
mod svg;
mod text;

use std::collections::BTreeSet;

use runner::arrow_schema::SchemaRef;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, unit_of};
use runner::stage::{Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::io::TableContext;
use picture::Picture;

/// `figure`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What is drawn.
    pub draw: Draw,
}

/// What is drawn; each drawing is one file, and one choice here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Draw {
    /// Training and validation loss against epoch, from `history`: one, or a list of up to four, side by side.
    LossCurves(loss_curves::LossCurves),
    /// Histograms of predicted − true, from `residuals`, the second output of `compare`.
    Residuals(residuals::Residuals),
    /// Positions from above and in the meridional plane, from `stars`.
    Orbits(orbits::Orbits),
    /// Each action against each, from `stars` with actions, and from `beside`, the same stars otherwise.
    ActionSpace(action_space::ActionSpace),
    /// Energy against J_phi, from `stars` with both, as the output `tori` of `map_tori` has them.
    Integrals(integrals::Integrals),
    /// Deviations of the actions along each orbit, from `stars` with actions.
    ActionsAlongOrbits(actions_along_orbits::ActionsAlongOrbits),
    /// Actions along one orbit by several methods, from the inputs that are connected of `staeckel_fudge`, `torus`, `o2gf`
    /// and `network`.
    Methods(methods::Methods),
    /// Predicted minus true actions against true ones, from `predicted` and `truth`, star by star.
    Agreement(agreement::Agreement),
    /// Circular speed against radius, of the tables `curve` of `tabulate_field` that are connected to `free`, `potential` and
    /// `energy`, and of the table `galaxy` of `fit_galaxy`, with the truth.
    RotationCurve(rotation_curve::RotationCurve),
    /// Acceleration in the meridional plane and its errors, from the table `meridian` of `tabulate_field`.
    Field(field::Field),
    /// How well streams that are simulated in one field after the other agree with those that are seen, from the tables `streams` of
    /// `correct_streams`, a list of up to eight at `turns`, and from one of `correct_streams` or `fit_galaxy` at `beside`.
    Convergence(convergence::Convergence),
}

/// The tables that are connected, in the order of the ports, with their names.
type Tables = [(&'static str, RecordBatch)];

/// A drawing: what it is made from, and how.
trait Drawing {
    /// The tables that it can be made from.
    fn ports(&self) -> Vec<InputPort>;

    /// Why what is connected does not do, beyond the columns that its ports ask for.
    fn fits(&self, _connected: &Connected) -> Result<(), String> {
        Ok(())
    }

    /// The picture.
    fn draw(&self, tables: &Tables) -> Result<Picture, StageError>;
}

impl Draw {
    fn drawing(&self) -> &dyn Drawing {
        match self {
            Self::LossCurves(drawing) => drawing,
            Self::Residuals(drawing) => drawing,
            Self::Orbits(drawing) => drawing,
            Self::ActionSpace(drawing) => drawing,
            Self::Integrals(drawing) => drawing,
            Self::ActionsAlongOrbits(drawing) => drawing,
            Self::Methods(drawing) => drawing,
            Self::Agreement(drawing) => drawing,
            Self::RotationCurve(drawing) => drawing,
            Self::Field(drawing) => drawing,
            Self::Convergence(drawing) => drawing,
        }
    }
}

impl Stage for Figure {
    const KIND: &'static str = "figure";
    const ABOUT: &'static str = "Draw loss curves, residuals, orbits, actions, actions along orbits or against the truth, energies, rotation curves, a field, or how turns converge";
    const REVISION: u32 = 8;
    const ROLE: Role = Role::Draw;

    fn inputs(&self) -> Vec<InputPort> {
        self.draw.drawing().ports()
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        self.draw.drawing().fits(connected)?;
        Ok(vec![
            OutputPort::figure("figure"),
            OutputPort::table("data", data::layout().schema()),
        ])
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let drawing = self.draw.drawing();
        let ports = drawing.ports();
        let names = ports
            .iter()
            .flat_map(InputPort::names)
            .filter(|name| context.has_input(name));
        let names: Vec<&'static str> = names.collect();
        let share = sample::share(context, &names)?;
        let (mut tables, mut taken) = (Vec::new(), None);
        for name in names {
            let (table, part) = sample::read(context, name, share)?;
            tables.push((name, table));
            taken = taken.or(part);
        }
        let mut picture = drawing.draw(&tables)?;
        picture.caption += &taken.map(sample::Taken::says).unwrap_or_default();
        let path = context.output("figure")?;
        std::fs::write(path, svg::svg(&picture)).map_err(|source| StageError::io(path, source))?;
        context.write_rows("data", &data::layout(), &data::rows(&picture))?;
        Ok(Outcome::Complete)
    }
}

/// The table at a port.
fn table<'t>(tables: &'t Tables, port: &str) -> Result<&'t RecordBatch, StageError> {
    let found = tables.iter().find(|(name, _)| *name == port);
    found
        .map(|(_, table)| table)
        .ok_or_else(|| StageError::Bug(format!("no table at the input {port}")))
}

/// Refuses that nothing is connected to `ports`.
fn any_of(ports: &[&str], connected: &Connected) -> Result<(), String> {
    match connected.is_empty() {
        true => Err(format!("needs at least one of {}", ports.join(", "))),
        false => Ok(()),
    }
}

fn f64s(table: &RecordBatch, name: &str) -> Result<Vec<f64>, StageError> {
    tables::f64_column(table, name)
        .map(<[f64]>::to_vec)
        .map_err(StageError::failed)
}

fn i64s<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a [i64], StageError> {
    tables::i64_column(table, name).map_err(StageError::failed)
}

/// How many streams there are among the streams of stars.
fn count_streams(stream: &[i64]) -> usize {
    stream.iter().collect::<BTreeSet<_>>().len()
}

/// How many streams a table of stars has.
fn streams_of(table: &RecordBatch) -> Result<usize, StageError> {
    Ok(count_streams(i64s(table, "stream")?))
}

fn unit(schema: &SchemaRef, name: &str) -> String {
    schema
        .column_with_name(name)
        .map(|(_, field)| unit_of(field))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
