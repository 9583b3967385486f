//! The sample of stars: seen from above, and in the meridional plane.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{self, POSITION};

use super::panel::{Axis, Canvas, DrawError, Frame, INK, Panel, SERIES, draw};
use super::{Drawing, Tables, i64s, table};
use plotters::style::Color;

/// `draw: orbits`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Orbits {}

const PORT: &str = "stars";

impl Drawing for Orbits {
    fn ports(&self) -> Vec<InputPort> {
        vec![InputPort::table(PORT, &columns::needs(&[&POSITION]))]
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        orbits(&stars(table(tables, PORT)?)?).map_err(StageError::failed)
    }
}

/// Stars with the number of their stream.
pub struct Stars {
    /// Stream of each star.
    pub stream: Vec<i64>,
    /// Positions, kpc.
    pub position: Vec<[f64; 3]>,
}

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 6000;

/// Draws x–y and R–z, with three streams picked out.
pub fn orbits(stars: &Stars) -> Result<String, DrawError> {
    let stride = stars.position.len().div_ceil(MOST_DOTS).max(1);
    let cylindrical = |p: &[f64; 3]| (p[0].hypot(p[1]), p[2]);
    let above = |p: &[f64; 3]| (p[0], p[1]);
    let reach = |value: fn(&[f64; 3]) -> f64| stars.position.iter().map(value).fold(1e-9, f64::max) * 1.05;
    let (wide, far, high) = (
        reach(|p| p[0].abs().max(p[1].abs())),
        reach(|p| p[0].hypot(p[1])),
        reach(|p| p[2].abs()),
    );
    let mut streams = stars.stream.clone();
    streams.dedup();
    let picked: Vec<i64> = streams.iter().take(SERIES.len()).copied().collect();
    let title = "Positions of the stars from above and in the meridional plane";
    draw((760, 412), title, |canvas| {
        let draw_panel =
            |frame, x, y, at: &dyn Fn(&[f64; 3]) -> (f64, f64)| one(canvas, frame, (x, y), stars, &picked, stride, at);
        let frame = |left| Frame {
            left,
            top: 56,
            width: 300,
            height: 300,
        };
        draw_panel(
            frame(56),
            Axis::linear(-wide, wide, "x / kpc"),
            Axis::linear(-wide, wide, "y / kpc"),
            &above,
        )?;
        let right = draw_panel(
            frame(444),
            Axis::linear(0.0, far, "R / kpc"),
            Axis::linear(-high, high, "z / kpc"),
            &cylindrical,
        )?;
        let names = picked
            .iter()
            .zip(SERIES)
            .map(|(stream, colour)| (format!("stream {stream}"), colour));
        right.legend(&names.collect::<Vec<_>>(), 42)
    })
}

fn one<'a, 'b>(
    canvas: &'a Canvas<'b>,
    frame: Frame,
    (x, y): (Axis, Axis),
    stars: &Stars,
    picked: &[i64],
    stride: usize,
    at: &dyn Fn(&[f64; 3]) -> (f64, f64),
) -> Result<Panel<'a, 'b>, DrawError> {
    let panel = Panel::new(canvas, frame, x, y)?;
    let all: Vec<(f64, f64)> = stars.position.iter().step_by(stride).map(at).collect();
    panel.dots(&all, 3, INK.mix(0.3))?;
    for (stream, colour) in picked.iter().zip(SERIES) {
        let rows = stars.stream.iter().zip(&stars.position).filter(|(of, _)| *of == stream);
        let own: Vec<(f64, f64)> = rows.map(|(_, position)| at(position)).collect();
        panel.dots(&own, 7, colour.mix(1.0))?;
    }
    Ok(panel)
}

fn stars(table: &RecordBatch) -> Result<Stars, StageError> {
    let [x, y, z] = crate::common::io::columns(table, &POSITION)?;
    let position = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]).collect();
    Ok(Stars {
        stream: i64s(table, "stream")?.to_vec(),
        position,
    })
}
