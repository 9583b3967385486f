//! A field in the meridional plane: learned and true arrows, and a map of where it is how wrong.

use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::picture::{Mark, Panel, Picture, Point, Row, Series, Shared, counted};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, f64s, table};

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

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        Ok(field(&arrows(table(tables, PORT)?)?))
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

const HEIGHT: f64 = 165.0;
/// Decades of errors that have colours.
const DECADES: i32 = 4;

/// Draws the arrows, thinned, and where the truth is known a map of the relative errors.
pub fn field(arrows: &[Arrow]) -> Picture {
    let radii = edges(arrows.iter().map(|arrow| arrow.place.0));
    let heights = edges(arrows.iter().map(|arrow| arrow.place.1));
    let axes = || (across(&radii, "R"), across(&heights, "z"));
    let (x, y) = axes();
    let span = x.high - x.low;
    let largest = arrows
        .iter()
        .map(|arrow| arrow.a.0.hypot(arrow.a.1))
        .fold(1e-300, f64::max);
    let point = |place: (f64, f64), a: (f64, f64)| {
        let size = a.0.hypot(a.1).max(1e-300);
        let length = 0.1 * span * (size / largest).sqrt();
        let tip = (place.0 + length * a.0 / size, place.1 + length * a.1 / size);
        Point {
            across: Some((place.0, tip.0)),
            up: Some((place.1, tip.1)),
            ..Point::at(place.0, place.1)
        }
    };
    let shown = thinned(arrows);
    let learned = shown.iter().map(|arrow| point(arrow.place, arrow.a)).collect();
    let truth: Vec<Point> = shown
        .iter()
        .filter_map(|arrow| Some(point(arrow.place, arrow.truth?.0)))
        .collect();
    let has_truth = !truth.is_empty();
    let mut panel =
        Panel::new("acceleration", x, y).with(Series::new("learned", Mark::Arrows(2.0), Colour::Series(1), learned));
    if has_truth {
        panel = panel.with(Series::new("truth", Mark::Arrows(0.7), Colour::Ink, truth));
    }
    let mut rows = vec![Row::one(HEIGHT, panel)];
    if has_truth {
        rows.push(Row::one(HEIGHT, errors(arrows, axes(), (&radii, &heights))));
    }
    let below = if has_truth {
        format!(" Below, the relative error at {}.", counted(arrows.len(), "place"))
    } else {
        String::new()
    };
    Picture {
        title: "Acceleration in the meridional plane".to_owned(),
        caption: format!(
            "Acceleration in the meridional plane at {} of {}; lengths are as √|a|.{below}",
            shown.len(),
            counted(arrows.len(), "place"),
        ),
        stars_outside: None,
        rows,
        shared: Shared::default(),
    }
}

/// The map of relative errors.
fn errors(arrows: &[Arrow], (x, y): (Axis, Axis), (radii, heights): (&[f64], &[f64])) -> Panel {
    let values = || arrows.iter().filter_map(|arrow| Some(arrow.truth?.1));
    let quantity = Label::plain("|Δ")
        .then(&Label::symbol("a"))
        .plus("| / |")
        .then(&Label::symbol("a"))
        .plus("|");
    let (low, high) = super::axis::ends(values().filter(|value| *value > 0.0));
    let low = low.max(high * 10f64.powi(-DECADES));
    let colours = Axis::log(low, high, quantity, "%");
    let tile = |arrow: &Arrow| {
        let (radius, height) = arrow.place;
        let value = Some(arrow.truth?.1);
        Some(Point {
            across: around(radii, radius),
            up: around(heights, height),
            value,
            ..Point::at(radius, height)
        })
    };
    let mut panel = Panel::new("error", x, y);
    panel.colours = Some(colours);
    panel.with(Series::new(
        "error",
        Mark::Tiles,
        Colour::Ink,
        arrows.iter().filter_map(tile).collect(),
    ))
}

/// The places of a grid along one axis, in order.
fn edges(places: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut places: Vec<f64> = places.filter(|place| place.is_finite()).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
}

/// An axis from half a step before the first place to half a step after the last.
fn across(places: &[f64], name: &str) -> Axis {
    let ends = |place: Option<&f64>| place.and_then(|place| around(places, *place)).unwrap_or((0.0, 1.0));
    Axis::linear(
        ends(places.first()).0,
        ends(places.last()).1,
        Label::symbol(name),
        "kpc",
    )
}

/// From half-way to the place before to half-way to the place after.
fn around(places: &[f64], place: f64) -> Option<(f64, f64)> {
    let at = places.iter().position(|other| *other == place)?;
    let before = at.checked_sub(1).map(|at| place - places[at]);
    let after = places.get(at + 1).map(|next| next - place);
    let (before, after) = (before.or(after).unwrap_or(1.0), after.or(before).unwrap_or(1.0));
    Some((place - 0.5 * before, place + 0.5 * after))
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
    fn places_are_thinned_and_tiles_fill_the_map() {
        let grid = |n: i32| f64::from(n);
        let arrows: Vec<Arrow> = (0..6)
            .flat_map(|z| (0..6).map(move |radius| (grid(radius), grid(z))))
            .map(|place| Arrow {
                place,
                a: (-1.0 - place.0, -place.1),
                truth: Some(((-1.0 - place.0, -place.1), 0.1 + place.0)),
            })
            .collect();
        let picture = field(&arrows);
        let panels: Vec<&Panel> = picture.panels().collect();
        assert_eq!(
            panels[0]
                .series
                .iter()
                .map(|series| series.points.len())
                .collect::<Vec<_>>(),
            [9, 9]
        );
        let tiles = &panels[1].series[0].points;
        let area: f64 = tiles
            .iter()
            .filter_map(|tile| Some((tile.across?, tile.up?)))
            .map(|(x, y)| (x.1 - x.0) * (y.1 - y.0))
            .sum();
        assert!((area - 36.0).abs() < 1e-9, "no gap and nothing twice");
        assert_eq!(
            panels[1].colours.as_ref().map(|axis| (axis.low, axis.high)),
            Some((0.1, 5.1))
        );
        assert_eq!(field(&[]).panels().count(), 1);
    }
}
