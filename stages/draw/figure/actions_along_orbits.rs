//! Actions along each orbit, as deviations from the orbit's median: constant where the actions are right.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{self, ACTIONS};

use super::panel::{Axis, DrawError, Frame, Panel, SERIES, draw, per_unit};
use super::{Drawing, Tables, f64s, i64s, table};

/// `draw: actions_along_orbits`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActionsAlongOrbits {}

const PORT: &str = "stars";

impl Drawing for ActionsAlongOrbits {
    fn ports(&self) -> Vec<InputPort> {
        vec![InputPort::table(PORT, &columns::needs(&[&ACTIONS]))]
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        let stars = table(tables, PORT)?;
        let (tracks, along) = tracks(stars, times(stars)?)?;
        actions_along_orbits(&tracks, along).map_err(StageError::failed)
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

/// The actions, in the order of a track.
pub(super) const SYMBOLS: [&str; 3] = ["J_φ", "J_z", "J_r"];
const MOST_STREAMS: usize = SERIES.len();

/// Draws three panels over one axis, for the first streams.
pub fn actions_along_orbits(tracks: &[Track], along: &str) -> Result<String, DrawError> {
    let tracks = &tracks[..tracks.len().min(MOST_STREAMS)];
    let ends = |pick: fn(f64, f64) -> f64, start: f64| tracks.iter().flat_map(|t| &t.along).copied().fold(start, pick);
    let (first, last) = (ends(f64::min, f64::INFINITY), ends(f64::max, f64::NEG_INFINITY));
    let (first, last) = if first.is_finite() { (first, last) } else { (0.0, 1.0) };
    draw(
        (760, 640),
        "Deviation of the actions along orbits from each orbit's median",
        |canvas| {
            for (component, symbol) in SYMBOLS.iter().enumerate() {
                let curves: Vec<Vec<(f64, f64)>> = tracks.iter().map(|track| deviations(track, component)).collect();
                let reach = curves.iter().flatten().map(|(_, d)| d.abs()).fold(1e-12, f64::max) * 1.1;
                let frame = Frame {
                    left: 76,
                    top: 44 + 196 * component as i32,
                    width: 668,
                    height: 120,
                };
                let label = if component == 2 { along } else { "" };
                let y = Axis::linear(-reach, reach, format!("{symbol} − median{}", per_unit("km/s kpc")));
                let panel = Panel::new(canvas, frame, Axis::linear(first, last, label), y)?;
                for (curve, colour) in curves.iter().zip(SERIES) {
                    panel.line(curve, colour)?;
                }
                if component == 0 {
                    let names = tracks
                        .iter()
                        .zip(SERIES)
                        .map(|(track, colour)| (format!("stream {}", track.stream), colour));
                    panel.legend(&names.collect::<Vec<_>>(), 15)?;
                }
            }
            Ok(())
        },
    )
}

/// (place along the orbit, action − its median).
pub(super) fn deviations(track: &Track, component: usize) -> Vec<(f64, f64)> {
    let values = &track.actions[component];
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    track
        .along
        .iter()
        .zip(values)
        .map(|(&along, value)| (along, value - median))
        .collect()
}

/// The times of the stars of a table, where they are known.
pub(super) fn times(table: &RecordBatch) -> Result<Option<Vec<f64>>, StageError> {
    table.column_by_name("t").map(|_| f64s(table, "t")).transpose()
}

/// The rows of each stream, in the order of time where it is known.
pub(super) fn tracks(table: &RecordBatch, time: Option<Vec<f64>>) -> Result<(Vec<Track>, &'static str), StageError> {
    let actions = crate::common::io::columns(table, &ACTIONS)?;
    let (stream, star) = (i64s(table, "stream")?, i64s(table, "star")?);
    let along: Vec<f64> = time
        .clone()
        .unwrap_or_else(|| star.iter().map(|&star| star as f64).collect());
    let mut rows: Vec<usize> = (0..stream.len()).collect();
    rows.sort_by(|&a, &b| stream[a].cmp(&stream[b]).then(along[a].total_cmp(&along[b])));
    let track = |rows: &[usize]| Track {
        stream: stream[rows[0]],
        along: rows.iter().map(|&row| along[row]).collect(),
        actions: actions.map(|values| rows.iter().map(|&row| values[row]).collect()),
    };
    let tracks = rows.chunk_by(|&a, &b| stream[a] == stream[b]).map(track).collect();
    Ok((tracks, if time.is_some() { "t / Gyr" } else { "star" }))
}
