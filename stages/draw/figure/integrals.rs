//! Energy against the angular momentum around the axis, where streams and accreted groups stand apart.

use runner::error::StageError;
use runner::ports::{Connected, InputPort, connected_schema, unit_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, counted, points, stars_outside, thinned};
use super::range::all_shown;
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
        // That the energy is missing is said in `fits`, with where to get it.
        vec![InputPort::table(
            PORT,
            &[("stream", ""), (ACTIONS[0].name, ACTIONS[0].unit)],
        )]
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        let Some(schema) = connected_schema(connected, PORT) else {
            return Ok(());
        };
        let unit = schema.field_with_name(ENERGY.name).ok().map(unit_of);
        match unit {
            Some(unit) if unit == ENERGY.unit => Ok(()),
            Some(unit) => Err(format!("{PORT}: {} is in \"{unit}\", not {}", ENERGY.name, ENERGY.unit)),
            None => Err(format!(
                "{PORT}: has no column {}; `map_tori` writes one in its output `tori`, `import_streams` keeps one with `keep: [{}]`, and \
                 `draw: action_space` needs none",
                ENERGY.name, ENERGY.name
            )),
        }
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
    let (across, up) = (all_shown([around.to_vec()]), all_shown([energy.to_vec()]));
    let x = Axis::over(across.into_iter(), Label::symbol("L_z"), ACTIONS[0].unit);
    let y = Axis::over(up.into_iter(), Label::symbol("E"), ENERGY.unit);
    let (every, drawn) = thinned(energy.len(), MOST_DOTS);
    let pairs = around.iter().copied().zip(energy.iter().copied()).step_by(every);
    let dots = Mark::Dots(if energy.len() > 400 { 1.0 } else { 1.8 });
    let outside = stars_outside(energy.len(), |row| !x.within(around[row]) || !y.within(energy[row]));
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
        stars_outside: outside,
        rows: vec![Row::one(190.0, panel)],
        shared: Shared::default(),
    }
}
