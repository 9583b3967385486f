//! The table `errors`.

use crate::common::layout::Layout;

/// One row of `errors`.
pub struct Row {
    pub measure: &'static str,
    pub component: &'static str,
    pub statistic: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub relative: f64,
    pub paper: Option<f64>,
    pub source: String,
    /// Stars compared.
    pub stars: i64,
    /// Those that could not be.
    pub set_aside: i64,
}

/// Its columns.
pub fn layout() -> Layout<Row> {
    let measure = "delta_J, delta_theta, delta_x, delta_v, delta_a, delta_Omega, delta_v_los: what differs";
    let component = "component, or mean over the three (of accelerations, the size of the difference)";
    let statistic = "mean_absolute, median_absolute or root_mean_square over the stars";
    let relative = ("relative", "", "the error divided by the mean absolute truth");
    let paper = ("paper", "", "the published figure, where there is one");
    Layout::new()
        .text("measure", measure, |row: &Row| row.measure)
        .text("component", component, |row| row.component)
        .text("statistic", statistic, |row| row.statistic)
        .number(("value", "", "the error, in the unit of column unit"), |row| row.value)
        .text("unit", "unit of value and paper", |row| row.unit)
        .number(relative, |row| row.relative)
        .number_or_none(paper, |row| row.paper)
        .number_or_none(("ratio", "", "value / paper"), |row| {
            row.paper.map(|paper| row.value / paper)
        })
        .text("source", "where it was published", |row| &row.source)
        .count("stars", "stars compared", |row| row.stars)
        .count("set_aside", "stars of the truth without a prediction", |row| {
            row.set_aside
        })
}
