//! Energy against the angular momentum around the axis, where streams and accreted groups stand apart.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, counted, points, thinned};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, count_streams, f64s, i64s, table};
use crate::common::columns::{ACTIONS, ENERGY};

/// `draw: integrals`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Integrals {}

const PORT: &str = "stars";

impl Drawing for Integrals {
    fn ports(&self) -> Vec<InputPort> {
        let needs = [ENERGY, ACTIONS[0]].map(|column| (column.name, column.unit));
        vec![InputPort::table(PORT, &[&[("stream", "")], &needs[..]].concat())]
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let table = table(tables, PORT)?;
        let streams = count_streams(i64s(table, "stream")?);
        Ok(integrals(
            &f64s(table, ACTIONS[0].name)?,
            &f64s(table, ENERGY.name)?,
            streams,
        ))
    }
}

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 6000;

/// Draws E, (km/s)², against L_z, which is J_φ in an axisymmetric potential.
pub fn integrals(around: &[f64], energy: &[f64], streams: usize) -> Picture {
    let x = Axis::over(around.iter().copied(), Label::symbol("L_z"), ACTIONS[0].unit);
    let y = Axis::over(energy.iter().copied(), Label::symbol("E"), ENERGY.unit);
    let (every, drawn) = thinned(energy.len(), MOST_DOTS);
    let pairs = around.iter().copied().zip(energy.iter().copied()).step_by(every);
    let dots = Mark::Dots(if energy.len() > 400 { 1.0 } else { 1.8 });
    let panel = Panel::new("E L_z", x, y).guide(Guide::Upright(0.0)).with(Series::new(
        "stars",
        dots,
        Colour::Series(0),
        points(pairs),
    ));
    Picture {
        title: "Energy against angular momentum".to_owned(),
        caption: format!(
            "Energy against the angular momentum around the axis, J_φ, of {} in {}.{drawn}",
            counted(energy.len(), "row"),
            counted(streams, "stream"),
        ),
        rows: vec![Row::one(190.0, panel)],
        shared: Shared::default(),
    }
}
