//! The sample of stars: seen from above, and in the meridional plane.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::names::StreamNames;
use super::picture::{Mark, Panel, Picture, Row, Series, Shared, counted, points, stars_outside, thinned};
use super::range::shown;
use super::style::{Colour, SERIES};
use super::text::Label;
use super::{Drawing, Tables, count_streams, i64s, table};
use crate::common::columns::{self, POSITION};

/// `draw: orbits`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Orbits {}

const PORT: &str = "stars";

impl Drawing for Orbits {
    fn ports(&self) -> Vec<InputPort> {
        vec![InputPort::table(PORT, &columns::needs(&[&POSITION]))]
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        Ok(orbits(&stars(table(tables, PORT)?)?))
    }
}

/// Stars with the number of their stream.
pub struct Stars {
    /// Stream of each star.
    pub stream: Vec<i64>,
    /// Positions, kpc.
    pub position: Vec<[f64; 3]>,
    /// Names of streams.
    pub names: StreamNames,
}

/// More dots than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 6000;
/// Height of a panel; that from above is square.
const HEIGHT: f64 = 200.0;
/// Room at the edges.
const ROOM: f64 = 1.05;

/// Draws x–y and R–z, with the first streams picked out.
pub fn orbits(stars: &Stars) -> Picture {
    let most = |of: fn(&[f64; 3]) -> f64| shown(stars.position.iter().map(of)).1.max(1e-9) * ROOM;
    let wide = most(|p| p[0].abs().max(p[1].abs()));
    let (far, high) = (most(|p| p[0].hypot(p[1])), most(|p| p[2].abs()));
    let mut streams = stars.stream.clone();
    streams.dedup();
    let picked: Vec<i64> = streams.iter().take(SERIES.len() - 1).copied().collect();
    let (every, drawn) = thinned(stars.position.len(), MOST_DOTS);
    let axis = |low: f64, high: f64, name: &str| Axis::linear(low, high, Label::symbol(name), "kpc");
    let panel = |name: &str, x: Axis, y: Axis, at: fn(&[f64; 3]) -> (f64, f64)| {
        let others = stars.stream.iter().zip(&stars.position).step_by(every);
        let others = others
            .filter(|(stream, _)| !picked.contains(stream))
            .map(|(_, place)| at(place));
        let panel = Panel::new(name, x, y).with(Series::new(
            "other streams",
            Mark::Dots(1.0),
            Colour::Faint,
            points(others),
        ));
        picked.iter().enumerate().fold(panel, |panel, (n, stream)| {
            let own = || stars.stream.iter().zip(&stars.position).filter(|(of, _)| *of == stream);
            let every = if own().count() > MOST_DOTS { every } else { 1 };
            let places = points(own().step_by(every).map(|(_, place)| at(place)));
            panel.with(Series::new(
                stars.names.call(*stream),
                Mark::Dots(2.2),
                Colour::Series(n),
                places,
            ))
        })
    };
    let above = panel("from above", axis(-wide, wide, "x"), axis(-wide, wide, "y"), |p| {
        (p[0], p[1])
    });
    let beside = panel("meridional plane", axis(0.0, far, "R"), axis(-high, high, "z"), |p| {
        (p[0].hypot(p[1]), p[2])
    });
    let is_outside = |p: &[f64; 3]| {
        let radius = p[0].hypot(p[1]);
        p[0].abs() > wide || p[1].abs() > wide || radius > far || p[2].abs() > high
    };
    let meridional = (HEIGHT * 2.0 * high / far).clamp(0.35 * HEIGHT, 0.75 * HEIGHT);
    Picture {
        title: "Positions of the stars from above and in the meridional plane".to_owned(),
        caption: format!(
            "Positions of {} in {}, from above and in the meridional plane. Colours pick out {}.{drawn}",
            counted(stars.position.len(), "star"),
            counted(count_streams(&stars.stream), "stream"),
            match picked.len() {
                1 => "one".to_owned(),
                count => format!("the first {count}"),
            },
        ),
        stars_outside: stars_outside(stars.position.len(), |star| is_outside(&stars.position[star])),
        rows: vec![Row::one(HEIGHT, above), Row::one(meridional, beside)],
        shared: Shared::default(),
    }
}

fn stars(table: &RecordBatch) -> Result<Stars, StageError> {
    let [x, y, z] = crate::common::io::columns(table, &POSITION)?;
    let position = x.iter().zip(y).zip(z).map(|((&x, &y), &z)| [x, y, z]).collect();
    Ok(Stars {
        stream: i64s(table, "stream")?.to_vec(),
        position,
        names: StreamNames::of(table)?,
    })
}
