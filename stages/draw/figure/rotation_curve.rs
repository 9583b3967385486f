//! Circular speed against radius of learned fields and of the true one, and their differences below.

use runner::error::StageError;
use runner::ports::{Connected, InputPort};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw};
use super::{Drawing, Tables, any_of, f64s};

/// `draw: rotation_curve`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotationCurve {}

/// The inputs, which name what is drawn.
const PORTS: [&str; 3] = ["free", "potential", "energy"];

impl Drawing for RotationCurve {
    fn ports(&self) -> Vec<InputPort> {
        let needs = [("R", "kpc"), ("v_c", "km/s")];
        PORTS.map(|port| InputPort::table(port, &needs).optional()).to_vec()
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        any_of(&PORTS, connected)
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        let curves: Vec<_> = tables.iter().map(curve).collect::<Result<_, _>>()?;
        rotation_curve(&curves).map_err(StageError::failed)
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
    /// The true ones, where they are known.
    pub truth: Option<Vec<f64>>,
}

/// Draws the curves over the first known truth; below, how far each is from its own, in % (logarithmic).
pub fn rotation_curve(curves: &[Curve]) -> Result<String, DrawError> {
    let truth = curves
        .iter()
        .find_map(|curve| Some((&curve.radius, curve.truth.as_ref()?)));
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let or_unit = |(low, high): (f64, f64)| if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let (first, last) = or_unit(ends(&mut curves.iter().flat_map(|curve| curve.radius.iter().copied())));
    let all = curves.iter().flat_map(|curve| &curve.speed);
    let (low, high) = or_unit(ends(
        &mut all.chain(truth.iter().flat_map(|(_, speed)| *speed)).copied(),
    ));
    let room = 0.05 * (high - low);
    draw((760, 470), "Circular speed against radius, and its error", |canvas| {
        let frame = |top, height| Frame {
            left: 64,
            top,
            width: 680,
            height,
        };
        let label = if truth.is_some() { "" } else { "R / kpc" };
        let panel = Panel::new(
            canvas,
            frame(44, 200),
            Axis::linear(first, last, label),
            Axis::linear(low - room, high + room, "v_c / km/s"),
        )?;
        let mut legend = Vec::new();
        if let Some((radius, speed)) = truth {
            panel.line(&pairs(radius, speed), INK)?;
            legend.push(("truth".to_owned(), INK));
        }
        for (curve, colour) in curves.iter().zip(SERIES) {
            panel.line(&pairs(&curve.radius, &curve.speed), colour)?;
            legend.push((curve.name.clone(), colour));
        }
        panel.legend(&legend, 15)?;
        if truth.is_none() {
            return Ok(());
        }
        let errors: Vec<Vec<(f64, f64)>> = curves.iter().map(errors).collect();
        let (least, most) = ends(&mut errors.iter().flatten().map(|point| point.1));
        let (least, most) = if least.is_finite() { (least, most) } else { (0.1, 1.0) };
        // Where a curve crosses the truth its error is nothing: four decades are enough.
        let least = least.max(most * 1e-4);
        let panel = Panel::new(
            canvas,
            frame(300, 110),
            Axis::linear(first, last, "R / kpc"),
            Axis::log(least, most, "|v_c / true v_c − 1| / %"),
        )?;
        for (points, colour) in errors.iter().zip(SERIES) {
            let shown: Vec<(f64, f64)> = points
                .iter()
                .map(|&(radius, error)| (radius, error.max(least)))
                .collect();
            panel.line(&shown, colour)?;
        }
        Ok(())
    })
}

fn pairs(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    x.iter().copied().zip(y.iter().copied()).collect()
}

fn errors(curve: &Curve) -> Vec<(f64, f64)> {
    let truth = curve.truth.iter().flatten();
    let each = curve.radius.iter().zip(curve.speed.iter().zip(truth));
    each.filter(|(_, (_, truth))| **truth != 0.0)
        .map(|(&radius, (speed, truth))| (radius, (100.0 * (speed / truth - 1.0)).abs()))
        .collect()
}

/// Circular speeds of the table of an input.
fn curve((name, table): &(&'static str, RecordBatch)) -> Result<Curve, StageError> {
    let truth = table.column_by_name("true_v_c").map(|_| f64s(table, "true_v_c"));
    Ok(Curve {
        name: (*name).to_owned(),
        radius: f64s(table, "R")?,
        speed: f64s(table, "v_c")?,
        truth: truth.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_without_truth_has_one_panel_and_one_with_it_two() {
        let curve = |truth: Option<Vec<f64>>| Curve {
            name: "learned".to_owned(),
            radius: vec![1.0, 2.0, 3.0],
            speed: vec![200.0, 210.0, 220.0],
            truth,
        };
        let with = rotation_curve(&[curve(Some(vec![200.0, 220.0, 219.0]))]).unwrap_or_default();
        assert!(with.contains("truth") && with.contains("true v_c"), "{with}");
        let without = rotation_curve(&[curve(None)]).unwrap_or_default();
        assert!(!without.contains("truth") && without.contains("R / kpc"));
        assert!((errors(&curve(Some(vec![0.0, 200.0, 220.0])))[0].1 - 5.0).abs() < 1e-9);
        assert!(rotation_curve(&[]).is_ok_and(|svg| !svg.contains("NaN") && !svg.contains("inf")));
    }
}
