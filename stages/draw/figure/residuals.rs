//! Histograms of predicted − true, one panel for each component.

use dynamics::statistics::quantile;
use runner::arrow_schema::{DataType, SchemaRef};
use runner::error::StageError;
use runner::ports::{Connected, InputPort, connected_schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::picture::{Guide, Mark, Panel, Picture, Point, Row, Series, Shared, counted, stars_outside};
use super::range::{agreed, round};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, f64s, streams_of, table, unit};
use crate::common::columns;

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

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let table = table(tables, PORT)?;
        Ok(residuals(&residual_values(table)?, streams_of(table)?))
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
/// Panels in a row: actions, angles and frequencies have three components.
const ACROSS: usize = 3;

/// Draws the histograms, three in a row over one height.
pub fn residuals(columns: &[Quantity], streams: usize) -> Picture {
    let mut shared = true;
    let reaches: Vec<Vec<f64>> = columns
        .chunks(ACROSS)
        .map(|row| agreed(&row.iter().map(|column| reach(&column.values)).collect::<Vec<_>>()))
        .collect();
    let outside = stars_outside(columns.first().map_or(0, |column| column.values.len()), |star| {
        let mut all = columns.iter().zip(reaches.iter().flatten());
        all.any(|(column, reach)| !is_within(column.values[star], *reach))
    });
    let rows = columns.chunks(ACROSS).zip(reaches).map(|(row, reaches)| {
        shared &= reaches.windows(2).all(|pair| pair[0] == pair[1]);
        let histograms: Vec<_> = row
            .iter()
            .zip(&reaches)
            .map(|(column, &reach)| histogram(&column.values, reach))
            .collect();
        let highest = histograms
            .iter()
            .flat_map(|(bars, _)| bars)
            .map(|bar| bar.y)
            .fold(1.0, f64::max);
        let panels = row.iter().zip(reaches).zip(histograms);
        let mut panels: Vec<Option<Panel>> = panels
            .map(|((column, reach), histogram)| Some(panel(column, reach, highest, histogram)))
            .collect();
        panels.resize_with(if columns.len() < ACROSS { row.len() } else { ACROSS }, || None);
        Row { panels, height: 74.0 }
    });
    let rows: Vec<Row> = rows.collect();
    let stars = columns.first().map_or(0, |column| column.values.len());
    let ranges = if shared {
        ""
    } else {
        " Ranges differ between the panels."
    };
    Picture {
        title: "Histograms of predicted minus true values".to_owned(),
        caption: format!(
            "Predicted minus true values of {} in {}, by component. Dashed lines are the 16th, 50th and 84th percentiles; above each \
             panel, the median of |Δ|.{ranges}",
            counted(stars, "star"),
            counted(streams, "stream"),
        ),
        stars_outside: outside,
        rows,
        shared: Shared { x: false, y: true },
    }
}

fn panel(column: &Quantity, reach: f64, highest: f64, (bars, beyond): (Vec<Point>, usize)) -> Panel {
    let delta = |symbol: Label| Label::plain("Δ").then(&symbol);
    let x = Axis::linear(-reach, reach, delta(Label::symbol(&column.name)), &column.unit);
    let y = Axis::linear(0.0, highest * 1.06, Label::plain("stars"), "");
    let sizes: Vec<f64> = column.values.iter().map(|value| value.abs()).collect();
    let median = Label::plain("median ").then(&Label::number(round(quantile(sizes, 0.5).unwrap_or(0.0), 2)));
    let mut series = Series::new("predicted − true", Mark::Bars, Colour::Series(0), bars);
    series.beyond = beyond;
    let panel = Panel::new(column.name.clone(), x, y).headed(median).with(series);
    let percentiles = [0.16, 0.5, 0.84].into_iter();
    let percentiles = percentiles.filter_map(|part| quantile(column.values.clone(), part));
    percentiles.fold(panel, |panel, value| panel.guide(Guide::Dashed(value)))
}

/// The half-width that shows all but the widest tail: five times the 75th percentile of |Δ|, or the largest.
fn reach(values: &[f64]) -> f64 {
    let sizes: Vec<f64> = values
        .iter()
        .map(|value| value.abs())
        .filter(|size| size.is_finite())
        .collect();
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let reach = (5.0 * quantile(sizes, 0.75).unwrap_or(0.0)).min(largest);
    match (reach > 0.0, largest > 0.0) {
        (true, _) => reach,
        (false, true) => largest,
        (false, false) => 1.0,
    }
}

fn is_within(value: f64, reach: f64) -> bool {
    value.abs() <= reach * (1.0 + 1e-12)
}

/// Bars over [−reach, reach], and how many values lie beyond.
fn histogram(values: &[f64], reach: f64) -> (Vec<Point>, usize) {
    let width = 2.0 * reach / BINS as f64;
    let mut counts = vec![0usize; BINS];
    let mut beyond = 0;
    for value in values {
        if is_within(*value, reach) {
            let bin = ((value + reach) / width) as usize;
            counts[bin.min(BINS - 1)] += 1;
        } else {
            beyond += 1;
        }
    }
    (bars(&counts, -reach, width), beyond)
}

/// Counts over equal intervals.
pub fn bars(counts: &[usize], low: f64, width: f64) -> Vec<Point> {
    let bar = |(n, &count): (usize, &usize)| Point {
        x: low + (n as f64 + 0.5) * width,
        y: count as f64,
        across: Some((low + n as f64 * width, low + (n + 1) as f64 * width)),
        ..Point::default()
    };
    counts.iter().enumerate().map(bar).collect()
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

    fn quantity(name: &str, values: Vec<f64>) -> Quantity {
        Quantity {
            name: name.to_owned(),
            unit: "km/s kpc".to_owned(),
            values,
        }
    }

    #[test]
    fn every_value_is_counted_once() {
        let values: Vec<f64> = (-50..=50).map(|n| f64::from(n * n * n)).collect();
        let reach = reach(&values);
        let (bars, beyond) = histogram(&values, reach);
        assert_eq!(
            bars.iter().map(|bar| bar.y).sum::<f64>() as usize + beyond,
            values.len()
        );
        let ends = [
            bars[0].across.map(|ends| ends.0),
            bars[BINS - 1].across.map(|ends| ends.1),
        ];
        assert!(
            ends.iter()
                .flatten()
                .all(|end| (end.abs() - reach).abs() < 1e-9 * reach)
        );
        // The caption counts those beyond, of all.
        let picture = residuals(&[quantity("J_r", values)], 4);
        assert_eq!(picture.outside(), (beyond, 101));
        assert!(picture.full_caption().contains("101 stars in 4 streams"));
    }

    #[test]
    fn exact_predictions_still_have_a_panel() {
        let picture = residuals(&[quantity("J_r", vec![0.0; 8])], 1);
        let title = picture.panels().next().map(|panel| panel.x.title().text());
        assert_eq!(title.as_deref(), Some("ΔJ_r (km s⁻¹ kpc)"));
    }

    #[test]
    fn components_of_one_size_have_one_range() {
        let spread = |scale: f64| (-50..=50).map(|n| scale * f64::from(n)).collect::<Vec<_>>();
        let ranges = |scales: [f64; 2]| -> Vec<f64> {
            let columns = [quantity("J_z", spread(scales[0])), quantity("J_r", spread(scales[1]))];
            residuals(&columns, 1).panels().map(|panel| panel.x.high).collect()
        };
        assert_eq!(ranges([1.0, 3.0]), [150.0, 150.0]);
        assert_eq!(ranges([1.0, 300.0]), [50.0, 15000.0]);
    }
}
