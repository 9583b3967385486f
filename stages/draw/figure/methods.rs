//! J against time along one orbit, by every method: a column of panels for each, as in Sanders & Binney (2016).

use runner::error::StageError;
use runner::ports::{Connected, InputPort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{self, ACTIONS};

use super::actions_along_orbits::{SYMBOLS, Track, deviations, times, tracks};
use super::panel::{Axis, DrawError, Frame, Panel, SERIES, draw, per_unit, tick_label};
use super::{Drawing, Tables, any_of};

/// `draw: methods`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// The stream that is drawn.
    pub stream: i64,
}

/// The inputs, which name what is drawn.
const PORTS: [&str; 4] = ["staeckel_fudge", "torus", "o2gf", "network"];

impl Drawing for Methods {
    fn ports(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&ACTIONS]);
        PORTS.map(|port| InputPort::table(port, &needs).optional()).to_vec()
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        any_of(&PORTS, connected)
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        let mut drawn = Vec::new();
        for (method, table) in tables {
            let (tracks, along) = tracks(table, times_of_same_stars(table, tables)?)?;
            let track = tracks.into_iter().find(|track| track.stream == self.stream);
            let missing = || StageError::failed(format!("input {method}: there is no stream {}", self.stream));
            drawn.push((*method, track.ok_or_else(missing)?, along));
        }
        methods(&drawn).map_err(StageError::failed)
    }
}

const WIDTH: i32 = 236;
const HEIGHT: i32 = 104;
const LEFT: i32 = 70;
const TOP: i32 = 62;

/// Draws three rows (φ, z, r) of a panel per method. The scale is each panel's own, with the root mean square deviation
/// above it: methods differ by factors of a thousand. Each track comes with the name of its method and of its `along`.
pub fn methods(tracks: &[(&str, Track, &str)]) -> Result<String, DrawError> {
    let size = (
        LEFT + tracks.len() as i32 * (WIDTH + LEFT) - 44,
        TOP + 3 * (HEIGHT + 66),
    );
    draw(
        size,
        "Deviation of the actions along an orbit from their median, by method",
        |canvas| {
            for (column, (method, track, along)) in tracks.iter().enumerate() {
                let (first, last) = ends(&track.along);
                for (component, symbol) in SYMBOLS.iter().enumerate() {
                    let curve = deviations(track, component);
                    let square = curve.iter().map(|(_, d)| d * d).sum::<f64>() / curve.len().max(1) as f64;
                    let reach = curve.iter().map(|(_, d)| d.abs()).fold(1e-12, f64::max) * 1.1;
                    let frame = Frame {
                        left: LEFT + column as i32 * (WIDTH + LEFT),
                        top: TOP + component as i32 * (HEIGHT + 62),
                        width: WIDTH,
                        height: HEIGHT,
                    };
                    let label = if component == 2 { *along } else { "" };
                    let rounded: f64 = format!("{:.1e}", square.sqrt()).parse().unwrap_or_default();
                    let title = format!("{symbol} − median{}, rms {}", per_unit("km/s kpc"), tick_label(rounded));
                    let panel = Panel::new(
                        canvas,
                        frame,
                        Axis::linear(first, last, label),
                        Axis::linear(-reach, reach, title),
                    )?;
                    panel.line(&curve, SERIES[column % SERIES.len()])?;
                    if component == 0 {
                        panel.legend(&[(method.replace('_', " "), SERIES[column % SERIES.len()])], 42)?;
                    }
                }
            }
            Ok(())
        },
    )
}

fn ends(along: &[f64]) -> (f64, f64) {
    let low = along.iter().copied().fold(f64::INFINITY, f64::min);
    let high = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low.is_finite() { (low, high) } else { (0.0, 1.0) }
}

/// The same, or those of another table of the same stars: predictions have none.
fn times_of_same_stars(table: &RecordBatch, all: &Tables) -> Result<Option<Vec<f64>>, StageError> {
    let stars = crate::common::io::identity(table)?;
    for other in std::iter::once(table).chain(all.iter().map(|(_, other)| other)) {
        if other.column_by_name("t").is_some() && crate::common::io::identity(other)? == stars {
            return times(other);
        }
    }
    Ok(None)
}
