//! The table `data` of a figure: every point that is drawn, and every one that its axes leave out.

use super::picture::{Panel, Picture, Point, Series};
use crate::common::layout::Layout;

/// A point with its panel and its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    panel: String,
    series: String,
    x_shows: String,
    y_shows: String,
    point: Point,
    inside: bool,
}

/// The table.
pub fn layout() -> Layout<Row> {
    let axes = "in the unit that its axis states";
    Layout::new()
        .text("panel", "panel of the figure", |row: &Row| &row.panel)
        .text("series", "name in the legend", |row| &row.series)
        .text("x_axis", "quantity and unit of x", |row| &row.x_shows)
        .text("y_axis", "quantity and unit of y", |row| &row.y_shows)
        .number(("x", "", axes), |row| row.point.x)
        .number(("y", "", axes), |row| row.point.y)
        .number_or_none(("x_low", "", "where a bar, tile or arrow begins across"), |row| {
            row.point.across.map(|ends| ends.0)
        })
        .number_or_none(("x_high", "", "where it ends across"), |row| {
            row.point.across.map(|ends| ends.1)
        })
        .number_or_none(("y_low", "", "where a band, tile or arrow begins upwards"), |row| {
            row.point.up.map(|ends| ends.0)
        })
        .number_or_none(("y_high", "", "where it ends upwards"), |row| {
            row.point.up.map(|ends| ends.1)
        })
        .number_or_none(("value", "", "what the colour of a tile tells"), |row| row.point.value)
        .flag("inside", "whether it lies inside the axes, and so is seen", |row| {
            row.inside
        })
}

/// Its rows, panel by panel.
pub fn rows(picture: &Picture) -> Vec<Row> {
    let each = |panel: &Panel, series: &Series| -> Vec<Row> {
        let row = |point: &Point| Row {
            panel: panel.name.clone(),
            series: series.name.clone(),
            x_shows: shows(&panel.x),
            y_shows: shows(&panel.y),
            point: *point,
            inside: panel.shows(point),
        };
        series.points.iter().map(row).collect()
    };
    let panels = picture.panels();
    panels
        .flat_map(|panel| panel.series.iter().flat_map(move |series| each(panel, series)))
        .collect()
}

/// Quantity and unit, without the power of ten that numbers at the axis are divided by.
fn shows(axis: &super::axis::Axis) -> String {
    let unit = axis.unit.text();
    match unit.is_empty() {
        true => axis.quantity.text(),
        false => format!("{} ({unit})", axis.quantity.text()),
    }
}
