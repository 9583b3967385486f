//! Actions along each orbit, as deviations from the orbit's median: constant where the actions are right.

use super::panel::{Axis, DrawError, Frame, Panel, SERIES, draw, per_unit};

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
