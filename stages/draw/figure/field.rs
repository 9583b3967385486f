//! A field in the meridional plane: learned over true arrows, and where it is how wrong.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw, tick_label};
use super::{Drawing, Tables, f64s, table};
use plotters::style::Color;

/// `draw: field`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Field {}

const PORT: &str = "meridian";

impl Drawing for Field {
    fn ports(&self) -> Vec<InputPort> {
        let pull = "(km/s)^2/kpc";
        let needs = [("R", "kpc"), ("z", "kpc"), ("a_R", pull), ("a_z", pull)];
        vec![InputPort::table(PORT, &needs)]
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        field(&arrows(table(tables, PORT)?)?).map_err(StageError::failed)
    }
}

/// A field at one place.
#[derive(Clone, Copy)]
pub struct Arrow {
    /// R and z, kpc.
    pub place: (f64, f64),
    /// a_R and a_z, (km/s)²/kpc.
    pub a: (f64, f64),
    /// The true ones and the relative error in %, where they are known.
    pub truth: Option<((f64, f64), f64)>,
}

const WIDTH: i32 = 290;
const HEIGHT: i32 = 290;

/// Draws the arrows, thinned, and where the truth is known the relative errors as squares of growing darkness.
pub fn field(arrows: &[Arrow]) -> Result<String, DrawError> {
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        // Room for the arrows at the edges.
        let room = 0.08 * (high - low);
        if low.is_finite() {
            (low - room, high + room)
        } else {
            (0.0, 1.0)
        }
    };
    let radii = ends(&mut arrows.iter().map(|arrow| arrow.place.0));
    let heights = ends(&mut arrows.iter().map(|arrow| arrow.place.1));
    let errors: Vec<f64> = arrows.iter().filter_map(|arrow| Some(arrow.truth?.1)).collect();
    let axes = |title: String| {
        (
            Axis::linear(radii.0, radii.1, "R / kpc"),
            Axis::linear(heights.0, heights.1, title),
        )
    };
    let width = if errors.is_empty() { 1 } else { 2 };
    draw(
        (64 + width * (WIDTH + 66), HEIGHT + 110),
        "Acceleration in the meridional plane, and its relative error",
        |canvas| {
            let frame = |column: i32| Frame {
                left: 64 + column * (WIDTH + 76),
                top: 56,
                width: WIDTH,
                height: HEIGHT,
            };
            let (x, y) = axes("z / kpc, lengths as √|a|".to_owned());
            let panel = Panel::new(canvas, frame(0), x, y)?;
            let largest = arrows
                .iter()
                .map(|arrow| arrow.a.0.hypot(arrow.a.1))
                .fold(1e-300, f64::max);
            let unit = (radii.1 - radii.0) * 0.1;
            let tip = |place: (f64, f64), a: (f64, f64)| {
                let size = a.0.hypot(a.1).max(1e-300);
                let length = unit * (size / largest).sqrt();
                (place.0 + length * a.0 / size, place.1 + length * a.1 / size)
            };
            let shown = thinned(arrows);
            for arrow in &shown {
                if let Some((truth, _)) = arrow.truth {
                    panel.line(&[arrow.place, tip(arrow.place, truth)], INK)?;
                }
            }
            for arrow in &shown {
                panel.line(&[arrow.place, tip(arrow.place, arrow.a)], SERIES[0])?;
                panel.dots(&[arrow.place], 5, SERIES[0].mix(1.0))?;
            }
            let mut legend = vec![("learned".to_owned(), SERIES[0])];
            if !errors.is_empty() {
                legend.insert(0, ("truth".to_owned(), INK));
            }
            panel.legend(&legend, 34)?;
            if errors.is_empty() {
                return Ok(());
            }
            let edges = edges(&errors);
            let label = |value: f64| tick_label(format!("{value:.1e}").parse().unwrap_or_default());
            let title = format!(
                "error / %: light below {}, dark above {}",
                label(edges[0]),
                label(edges[2])
            );
            let (x, y) = axes(title);
            let panel = Panel::new(canvas, frame(1), x, y)?;
            for arrow in arrows {
                let Some((_, error)) = arrow.truth else { continue };
                let class = edges.iter().filter(|edge| error >= **edge).count();
                let colour = SERIES[1].mix([0.12, 0.35, 0.65, 1.0][class]);
                panel.dots(&[arrow.place], 8, colour)?;
            }
            Ok(())
        },
    )
}

/// Every second place along each axis, so that arrows do not touch.
fn thinned(arrows: &[Arrow]) -> Vec<Arrow> {
    let mut rows: Vec<Vec<Arrow>> = Vec::new();
    for arrow in arrows {
        match rows.last_mut() {
            Some(row) if row[0].place.1 == arrow.place.1 => row.push(*arrow),
            _ => rows.push(vec![*arrow]),
        }
    }
    let every_second = |row: &Vec<Arrow>| row.iter().step_by(2).copied().collect::<Vec<_>>();
    rows.iter().step_by(2).flat_map(every_second).collect()
}

/// The quartiles of the errors.
fn edges(errors: &[f64]) -> [f64; 3] {
    let mut sorted = errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

/// Accelerations in the meridional plane.
fn arrows(table: &RecordBatch) -> Result<Vec<Arrow>, StageError> {
    let pairs = |first: &str, second: &str| -> Result<Vec<(f64, f64)>, StageError> {
        Ok(f64s(table, first)?.into_iter().zip(f64s(table, second)?).collect())
    };
    let (places, accelerations) = (pairs("R", "z")?, pairs("a_R", "a_z")?);
    let truth: Vec<Option<_>> = match table.column_by_name("error") {
        Some(_) => {
            let exact = pairs("true_a_R", "true_a_z")?.into_iter();
            exact.zip(f64s(table, "error")?).map(Some).collect()
        }
        None => vec![None; places.len()],
    };
    let all = places.into_iter().zip(accelerations).zip(truth);
    Ok(all.map(|((place, a), truth)| Arrow { place, a, truth }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_thinned_and_errors_fall_into_quarters() {
        let grid = |n: i32| f64::from(n);
        let arrows: Vec<Arrow> = (0..6)
            .flat_map(|z| (0..6).map(move |radius| (grid(radius), grid(z))))
            .map(|place| Arrow {
                place,
                a: (-1.0 - place.0, -place.1),
                truth: Some(((-1.0 - place.0, -place.1), 0.1 + place.0)),
            })
            .collect();
        assert_eq!(thinned(&arrows).len(), 9);
        assert_eq!(edges(&[5.0, 1.0, 2.0, 4.0, 3.0]), [2.0, 3.0, 4.0]);
        let svg = field(&arrows).unwrap_or_default();
        // 36 errors, 9 arrows with a dot each.
        assert_eq!(svg.matches("<circle").count(), 45);
        assert!(field(&[]).is_ok_and(|svg| !svg.contains("NaN")));
    }
}
