//! Histograms of predicted − true, one panel for each component.

use runner::arrow_schema::{DataType, SchemaRef};
use runner::error::StageError;
use runner::ports::{Connected, InputPort, connected_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns;

use super::panel::{Axis, DrawError, Frame, INK, Panel, SERIES, draw, per_unit, tick_label};
use super::{Drawing, Tables, f64s, table, unit};
use plotters::style::Color;

/// `draw: residuals`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Residuals {}

const PORT: &str = "residuals";

impl Drawing for Residuals {
    fn ports(&self) -> Vec<InputPort> {
        vec![InputPort::table(PORT, &columns::needs(&[]))]
    }

    fn fits(&self, connected: &Connected) -> Result<(), String> {
        match connected_schema(connected, PORT).map(residual_columns) {
            Some(columns) if columns.is_empty() => {
                Err(format!("{PORT}: has no column of numbers besides stream and star"))
            }
            _ => Ok(()),
        }
    }

    fn draw(&self, tables: &Tables) -> Result<String, StageError> {
        residuals(&residual_values(table(tables, PORT)?)?).map_err(StageError::failed)
    }
}

/// The residuals of one quantity.
pub struct Quantity {
    /// Column name, such as `J_phi`.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// Predicted − true.
    pub values: Vec<f64>,
}

const BINS: usize = 41;

/// Draws the histograms, three in a row.
pub fn residuals(columns: &[Quantity]) -> Result<String, DrawError> {
    let rows = columns.len().div_ceil(3).max(1) as i32;
    let across = columns.len().clamp(1, 3) as i32;
    draw(
        (760, 250 * rows),
        "Histograms of predicted minus true values, in stars",
        |canvas| {
            for (n, column) in columns.iter().enumerate() {
                let (row, place) = (n as i32 / 3, n as i32 % 3);
                let pitch = 760 / across;
                let frame = Frame {
                    left: place * pitch + 52,
                    top: row * 250 + 30,
                    width: pitch - 76,
                    height: 158,
                };
                panel(canvas, frame, column, n % 3)?;
            }
            Ok(())
        },
    )
}

fn panel(canvas: &super::panel::Canvas, frame: Frame, column: &Quantity, series: usize) -> Result<(), DrawError> {
    let reach = reach(&column.values);
    let (bars, beyond) = histogram(&column.values, reach);
    let highest = bars.iter().map(|bar| bar.2).fold(1.0, f64::max);
    let label = format!("Δ{}{}", symbol(&column.name), per_unit(&column.unit));
    let beyond = if beyond > 0 {
        format!(", {beyond} outside")
    } else {
        String::new()
    };
    let heading = format!(
        "median |Δ| {}{beyond}",
        tick_label(round(quantile(&column.values, 0.5), 2))
    );
    let y = Axis::linear(0.0, highest * 1.08, heading);
    let panel = Panel::new(canvas, frame, Axis::linear(-reach, reach, label), y)?;
    panel.vertical(0.0, INK.mix(0.4))?;
    panel.bars(&bars, SERIES[series])
}

/// Column names with the letters of the papers.
fn symbol(name: &str) -> String {
    name.replace("theta", "θ").replace("Omega", "Ω").replace("_phi", "_φ")
}

/// The half-width that shows all but the widest tail: four times the 75th percentile of |Δ|, or the largest.
fn reach(values: &[f64]) -> f64 {
    let largest = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
    let reach = (5.0 * quantile(values, 0.75)).min(largest);
    if reach > 0.0 {
        reach
    } else if largest > 0.0 {
        largest
    } else {
        1.0
    }
}

/// The quantile of |values|.
fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let place = (fraction * sizes.len().saturating_sub(1) as f64).round() as usize;
    sizes.get(place).copied().unwrap_or(0.0)
}

/// Bars over [−reach, reach], and how many values lie beyond.
fn histogram(values: &[f64], reach: f64) -> (Vec<(f64, f64, f64)>, usize) {
    let width = 2.0 * reach / BINS as f64;
    let mut counts = vec![0.0; BINS];
    let mut beyond = 0;
    for value in values {
        if value.abs() <= reach * (1.0 + 1e-12) {
            let bin = ((value + reach) / width) as usize;
            counts[bin.min(BINS - 1)] += 1.0;
        } else {
            beyond += 1;
        }
    }
    let edge = |n: usize| -reach + n as f64 * width;
    (
        counts
            .into_iter()
            .enumerate()
            .map(|(n, count)| (edge(n), edge(n + 1), count))
            .collect(),
        beyond,
    )
}

/// To `digits` significant digits.
fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let power = 10f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    (value * power).round() / power
}

fn residual_columns(schema: &SchemaRef) -> Vec<&str> {
    let numbers = schema
        .fields()
        .iter()
        .filter(|field| field.data_type() == &DataType::Float64);
    numbers.map(|field| field.name().as_str()).collect()
}

fn residual_values(table: &RecordBatch) -> Result<Vec<Quantity>, StageError> {
    let schema = table.schema();
    let column = |name: &str| {
        Ok(Quantity {
            name: name.to_owned(),
            unit: unit(&schema, name),
            values: f64s(table, name)?,
        })
    };
    residual_columns(&schema).into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let values: Vec<f64> = (-50..=50).map(|n| f64::from(n * n * n)).collect();
        let reach = reach(&values);
        let (bars, beyond) = histogram(&values, reach);
        assert_eq!(
            bars.iter().map(|bar| bar.2).sum::<f64>() as usize + beyond,
            values.len()
        );
        assert!((bars[0].0 + reach).abs() < 1e-9 && (bars[BINS - 1].1 - reach).abs() < 1e-9 * reach);
    }

    #[test]
    fn exact_predictions_still_have_a_panel() {
        let column = Quantity {
            name: "J_r".to_owned(),
            unit: "km/s kpc".to_owned(),
            values: vec![0.0; 8],
        };
        assert!(residuals(&[column]).is_ok_and(|svg| svg.contains("ΔJ_r / km/s kpc")));
    }

    #[test]
    fn rounding_keeps_significant_digits() {
        assert_eq!(round(0.012345, 2), 0.012);
        assert_eq!(round(9876.0, 2), 9900.0);
        assert_eq!(round(0.0, 2), 0.0);
    }
}
