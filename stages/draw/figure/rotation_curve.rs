//! Circular speed against radius of learned fields and of the true one, with bands, and their relative differences below.

use runner::error::StageError;
use runner::ports::{Connected, InputPort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::{Axis, ends};
use super::names::or_usual;
use super::picture::{Guide, Mark, Panel, Picture, Point, Row, Series, Shared, points};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, any_of, f64s};
use dynamics::statistics::quantile;

/// `draw: rotation_curve`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotationCurve {
    /// What the curves are called in the legend.
    pub names: CurveNames,
}

/// Names in the legend, by input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CurveNames {
    /// Of `free`.
    pub free: Option<String>,
    /// Of `potential`.
    pub potential: Option<String>,
    /// Of `energy`.
    pub energy: Option<String>,
    /// Of `galaxy`.
    pub galaxy: Option<String>,
}

impl CurveNames {
    /// In the order of the ports.
    fn all(&self) -> [&Option<String>; 4] {
        [&self.free, &self.potential, &self.energy, &self.galaxy]
    }
}

/// The inputs, which name what is drawn.
const PORTS: [&str; 4] = ["free", "potential", "energy", "galaxy"];

/// Their names in the legend.
const SHOWN: [&str; 4] = [
    "free acceleration",
    "potential from a map",
    "potential from energies",
    "fitted galaxy",
];

impl Drawing for RotationCurve {
    fn ports(&self) -> Vec<InputPort> {
        let needs = [("R", "kpc"), ("v_c", "km/s")];
        PORTS.map(|port| InputPort::table(port, &needs).optional()).to_vec()
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        any_of(&PORTS, connected)
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let named = |(port, table): &(&'static str, RecordBatch)| {
            let place = PORTS.iter().position(|known| known == port).unwrap_or(0);
            curve(or_usual(self.names.all()[place], SHOWN[place]), table)
        };
        let curves: Vec<_> = tables.iter().map(named).collect::<Result<_, _>>()?;
        Ok(rotation_curve(&curves))
    }
}

/// A field's circular speeds.
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Radii, kpc.
    pub radius: Vec<f64>,
    /// Circular speeds, km/s.
    pub speed: Vec<f64>,
    /// Half the width of the band around it, km/s, where it is known.
    pub band: Vec<Option<f64>>,
    /// What the band is.
    pub band_is: &'static str,
    /// The true ones, where they are known.
    pub truth: Option<Vec<f64>>,
}

const DEVIATION: &str = "one standard deviation";
const AZIMUTHS: &str = "the deviation over azimuths";

/// Draws the curves, the first known truth over them; below, how far each is from its own, in %.
pub fn rotation_curve(curves: &[Curve]) -> Picture {
    let radii = || curves.iter().flat_map(|curve| curve.radius.iter().copied());
    let x = Axis::over(radii(), Label::symbol("R"), "kpc");
    let truth = curves
        .iter()
        .find_map(|curve| Some((&curve.radius, curve.truth.as_ref()?)));
    let around = curves.iter().flat_map(|curve| {
        let half = curve.band.iter().map(|half| half.unwrap_or(0.0));
        curve
            .speed
            .iter()
            .zip(half)
            .flat_map(|(speed, half)| [speed - half, speed + half])
    });
    let known = truth.iter().flat_map(|(_, speed)| speed.iter().copied());
    let y = Axis::over(around.chain(known), Label::symbol("v_c"), "km/s");
    let panel = Panel::new("v_c", x.clone(), y);
    let panel = curves.iter().enumerate().fold(panel, |panel, (n, curve)| {
        let (band, line) = drawn(curve, n, |_, speed| Some(speed));
        if curve.band.iter().any(Option::is_some) {
            panel.with(band).with(line)
        } else {
            panel.with(line)
        }
    });
    let panel = match truth {
        Some((radius, speed)) => {
            let places = points(radius.iter().copied().zip(speed.iter().copied()));
            panel.with(Series::new("truth", Mark::Dashes, Colour::Ink, places))
        }
        None => panel,
    };
    let mut rows = vec![Row::one(120.0, panel)];
    if truth.is_some() {
        rows.push(Row::one(64.0, differences(curves, x)));
    }
    Picture {
        title: "Circular speed against radius".to_owned(),
        caption: caption(curves, truth.is_some()),
        stars_outside: None,
        rows,
        shared: Shared { x: true, y: false },
    }
}

fn caption(curves: &[Curve], has_truth: bool) -> String {
    let of: Vec<String> = curves
        .iter()
        .map(|curve| format!("{} ({} radii)", curve.name, curve.radius.len()))
        .collect();
    let bands = |is: &str| {
        let mut with = curves.iter().filter(|curve| curve.band_is == is);
        with.any(|curve| curve.band.iter().any(Option::is_some))
    };
    let mut text = format!("Circular speed against radius of {}.", of.join(", "));
    for is in [DEVIATION, AZIMUTHS].into_iter().filter(|is| bands(is)) {
        text.push_str(&format!(" Bands are {is}."));
    }
    if has_truth {
        text.push_str(" Below, relative differences from the truth.");
    }
    text
}

/// The band and the line of a curve, with speeds as `of` gives them at each row.
fn drawn(curve: &Curve, n: usize, of: impl Fn(usize, f64) -> Option<f64>) -> (Series, Series) {
    let colour = Colour::Series(n);
    let rows = curve.radius.iter().zip(&curve.speed).zip(&curve.band).enumerate();
    let point = |(row, ((&radius, &speed), half)): (usize, ((&f64, &f64), &Option<f64>))| {
        let up = half.and_then(|half| Some((of(row, speed - half)?, of(row, speed + half)?)));
        Some(Point {
            up,
            ..Point::at(radius, of(row, speed)?)
        })
    };
    let places: Vec<Point> = rows.filter_map(point).collect();
    let line = places.iter().map(|place| Point::at(place.x, place.y)).collect();
    (
        Series::new(curve.name.clone(), Mark::Band, colour, places),
        Series::new(curve.name.clone(), Mark::Line, colour, line),
    )
}

/// Relative differences, %, but for the widest tail.
fn differences(curves: &[Curve], x: Axis) -> Panel {
    let mut all = Vec::new();
    for (n, curve) in curves.iter().enumerate() {
        let Some(truth) = &curve.truth else { continue };
        let relative = |row: usize, speed: f64| (truth[row] != 0.0).then(|| 100.0 * (speed / truth[row] - 1.0));
        all.push(drawn(curve, n, relative));
    }
    let sizes: Vec<f64> = all
        .iter()
        .flat_map(|(_, line)| line.points.iter().map(|point| point.y.abs()))
        .collect();
    let (_, most) = ends(sizes.iter().copied());
    let most = if most > 0.0 { most } else { 1.0 };
    // Where a field leaves its stars it is anything.
    let reach = (4.0 * quantile(sizes, 0.8).unwrap_or(most)).min(1.1 * most).max(1e-9);
    let quantity = Label::plain("Δ")
        .then(&Label::symbol("v_c"))
        .plus(" / ")
        .then(&Label::symbol("v_c"));
    let panel = Panel::new("difference", x, Axis::linear(-reach, reach, quantity, "%")).guide(Guide::Level(0.0));
    all.into_iter().fold(panel, |panel, (band, line)| {
        match band.points.iter().any(|point| point.up.is_some()) {
            true => panel.with(band).with(line),
            false => panel.with(line),
        }
    })
}

/// Circular speeds of a table.
fn curve(name: String, table: &RecordBatch) -> Result<Curve, StageError> {
    let truth = table.column_by_name("true_v_c").map(|_| f64s(table, "true_v_c"));
    let optional = |name: &str| tables::optional_f64_column(table, name).map_err(StageError::failed);
    let (band, band_is) = match optional("v_c_sd")? {
        Some(band) => (Some(band), DEVIATION),
        None => (optional("v_c_spread")?, AZIMUTHS),
    };
    Ok(Curve {
        name,
        radius: f64s(table, "R")?,
        speed: f64s(table, "v_c")?,
        band: band.unwrap_or_else(|| vec![None; table.num_rows()]),
        band_is,
        truth: truth.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_without_truth_has_one_panel_and_one_with_it_two() {
        let curve = |truth: Option<Vec<f64>>| Curve {
            name: "free".to_owned(),
            radius: vec![1.0, 2.0, 3.0],
            speed: vec![200.0, 210.0, 220.0],
            band: vec![Some(2.0), None, Some(1.0)],
            band_is: DEVIATION,
            truth,
        };
        let with = rotation_curve(&[curve(Some(vec![200.0, 220.0, 219.0]))]);
        let panels: Vec<&Panel> = with.panels().collect();
        assert_eq!(panels.len(), 2);
        assert_eq!(
            panels[0].series.last().map(|series| series.name.as_str()),
            Some("truth"),
            "above all else"
        );
        let below = &panels[1].series[1].points;
        assert!((below[1].y - 100.0 * (210.0 / 220.0 - 1.0)).abs() < 1e-9);
        assert_eq!(panels[0].series[0].points[0].up, Some((198.0, 202.0)));
        assert!(with.caption.contains("Bands are one standard deviation."));
        assert_eq!(rotation_curve(&[curve(None)]).panels().count(), 1);
        assert_eq!(rotation_curve(&[]).panels().count(), 1);
    }
}
