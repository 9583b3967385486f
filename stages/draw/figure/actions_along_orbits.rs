//! Actions along each orbit, as deviations from the orbit's median: constant where the actions are right.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::names::StreamNames;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, counted, points, stars_outside, thinned};
use super::range::all_shown;
use super::style::{Colour, SERIES};
use super::text::Label;
use super::{Drawing, Tables, f64s, i64s, table};
use crate::common::columns::{self, ACTIONS};

/// `draw: actions_along_orbits`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionsAlongOrbits {}

const PORT: &str = "stars";

impl Drawing for ActionsAlongOrbits {
    fn ports(&self) -> Vec<InputPort> {
        vec![InputPort::table(PORT, &columns::needs(&[&ACTIONS]))]
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let stars = table(tables, PORT)?;
        let (tracks, along) = tracks(stars, times(stars)?)?;
        Ok(actions_along_orbits(&tracks, along, &StreamNames::of(stars)?))
    }
}

/// What stars are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Along {
    /// Time, Gyr.
    Time,
    /// The number of the star.
    Number,
}

impl Along {
    /// Its axis over values.
    pub fn axis(self, values: impl Iterator<Item = f64>) -> Axis {
        match self {
            Self::Time => Axis::over(values, Label::symbol("t"), "Gyr"),
            Self::Number => Axis::over(values, Label::plain("star"), ""),
        }
    }

    /// A noun for captions.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Number => "the number of the star",
        }
    }
}

/// The actions of the stars of one stream, along it.
pub struct Track {
    /// The stream.
    pub stream: i64,
    /// Time in Gyr, or the number of the star.
    pub along: Vec<f64>,
    /// Actions by component, in the order φ, z, r.
    pub actions: [Vec<f64>; 3],
}

const MOST_STREAMS: usize = SERIES.len();
/// More dots of a stream than this say no more, and make the picture heavy.
const MOST_DOTS: usize = 6000;

/// Draws three panels over one axis, for the first streams.
pub fn actions_along_orbits(all: &[Track], along: Along, names: &StreamNames) -> Picture {
    let tracks = &all[..all.len().min(MOST_STREAMS)];
    let x = along.axis(tracks.iter().flat_map(|track| track.along.iter().copied()));
    let curves: Vec<Vec<Vec<(f64, f64)>>> = (0..ACTIONS.len())
        .map(|component| tracks.iter().map(|track| deviations(track, component)).collect())
        .collect();
    let reaches: Vec<f64> = curves.iter().map(|curves| reach(curves)).collect();
    let stars: usize = tracks.iter().map(|track| track.along.len()).sum();
    let longest = tracks.iter().map(|track| track.along.len()).max().unwrap_or(0);
    let (every, drawn) = thinned(longest, MOST_DOTS);
    // All stars one after the other, by component.
    let flat: Vec<Vec<f64>> = curves
        .iter()
        .map(|curves| curves.iter().flatten().map(|point| point.1.abs()).collect())
        .collect();
    let outside = stars_outside(stars, |star| {
        flat.iter().zip(&reaches).any(|(sizes, reach)| sizes[star] > *reach)
    });
    let rows = ACTIONS
        .iter()
        .zip(curves)
        .zip(&reaches)
        .map(|((action, curves), &reach)| {
            let quantity = Label::plain("Δ").then(&Label::symbol(action.name));
            let y = Axis::linear(-reach, reach, quantity, action.unit);
            let panel = Panel::new(action.name, x.clone(), y).guide(Guide::Level(0.0));
            let panel = tracks
                .iter()
                .zip(curves)
                .enumerate()
                .fold(panel, |panel, (n, (track, curve))| {
                    let (name, colour) = (names.call(track.stream), Colour::Series(n));
                    let dots = Mark::Dots(dot(curve.len()));
                    panel.with(Series::new(
                        name,
                        dots,
                        colour,
                        points(curve.into_iter().step_by(every)),
                    ))
                });
            Row::one(78.0, panel)
        });
    let of = if all.len() > tracks.len() {
        format!("the first {} of ", tracks.len())
    } else {
        String::new()
    };
    Picture {
        title: "Actions along orbits".to_owned(),
        caption: format!(
            "Actions minus their median over the stream, against {}: {} of {of}{}. Right actions are constant.{drawn}",
            along.noun(),
            counted(stars, "star"),
            counted(all.len(), "stream"),
        ),
        stars_outside: outside,
        rows: rows.collect(),
        shared: Shared { x: true, y: false },
    }
}

/// The half-width of the axis of deviations.
fn reach(curves: &[Vec<(f64, f64)>]) -> f64 {
    let sizes = |curve: &Vec<(f64, f64)>| curve.iter().map(|point| point.1.abs()).collect();
    let [_, reach] = all_shown(curves.iter().map(sizes));
    let reach = 1.1 * reach.max(1e-12);
    if reach.is_finite() { reach } else { 1.0 }
}

/// Diameter of dots, smaller where there are many.
pub(super) fn dot(count: usize) -> f64 {
    match count {
        0..=40 => 2.2,
        41..=300 => 1.6,
        _ => 1.0,
    }
}

/// (place along the orbit, action − its median).
pub(super) fn deviations(track: &Track, component: usize) -> Vec<(f64, f64)> {
    let values = &track.actions[component];
    let median = median(values);
    let pairs = track.along.iter().zip(values);
    pairs.map(|(&along, value)| (along, value - median)).collect()
}

pub(super) fn median(values: &[f64]) -> f64 {
    dynamics::statistics::median(values.to_vec()).unwrap_or(0.0)
}

/// The times of the stars of a table, where they are known.
pub(super) fn times(table: &RecordBatch) -> Result<Option<Vec<f64>>, StageError> {
    table.column_by_name("t").map(|_| f64s(table, "t")).transpose()
}

/// The rows of each stream, in the order of time where it is known.
pub(super) fn tracks(table: &RecordBatch, time: Option<Vec<f64>>) -> Result<(Vec<Track>, Along), StageError> {
    let actions = crate::common::io::columns(table, &ACTIONS)?;
    let (stream, star) = (i64s(table, "stream")?, i64s(table, "star")?);
    let by = if time.is_some() { Along::Time } else { Along::Number };
    let along: Vec<f64> = time.unwrap_or_else(|| star.iter().map(|&star| star as f64).collect());
    let mut rows: Vec<usize> = (0..stream.len()).collect();
    rows.sort_by(|&a, &b| stream[a].cmp(&stream[b]).then(along[a].total_cmp(&along[b])));
    let track = |rows: &[usize]| Track {
        stream: stream[rows[0]],
        along: rows.iter().map(|&row| along[row]).collect(),
        actions: actions.map(|values| rows.iter().map(|&row| values[row]).collect()),
    };
    let tracks = rows.chunk_by(|&a, &b| stream[a] == stream[b]).map(track).collect();
    Ok((tracks, by))
}
