//! The table `errors`.

use runner::arrow_schema::{DataType, Field, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::column;

use crate::common::io::TableContext;

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
}

/// Writes the table.
pub fn write_errors(context: &StageContext, rows: &[Row], stars: usize, set_aside: usize) -> Result<(), StageError> {
    let texts = |value: fn(&Row) -> &'static str| rows.iter().map(value).collect::<Vec<_>>().into();
    let ratio = |row: &Row| row.paper.map(|paper| row.value / paper);
    context.write_table(
        "errors",
        vec![
            ("measure", texts(|row| row.measure)),
            ("component", texts(|row| row.component)),
            ("statistic", texts(|row| row.statistic)),
            ("value", rows.iter().map(|row| row.value).collect::<Vec<_>>().into()),
            ("unit", texts(|row| row.unit)),
            (
                "relative",
                rows.iter().map(|row| row.relative).collect::<Vec<_>>().into(),
            ),
            ("paper", rows.iter().map(|row| row.paper).collect::<Vec<_>>().into()),
            ("ratio", rows.iter().map(ratio).collect::<Vec<_>>().into()),
            (
                "source",
                rows.iter().map(|row| row.source.as_str()).collect::<Vec<_>>().into(),
            ),
            ("stars", vec![stars as i64; rows.len()].into()),
            ("set_aside", vec![set_aside as i64; rows.len()].into()),
        ],
    )
}

/// Its columns.
pub fn errors_schema() -> Schema {
    let text = |name, description| column(name, DataType::Utf8, "", "", description);
    let number = |name, description| column(name, DataType::Float64, "", "", description);
    let count = |name, description| column(name, DataType::Int64, "", "", description);
    let optional = |field: Field| field.with_nullable(true);
    Schema::new(vec![
        text(
            "measure",
            "delta_J, delta_theta, delta_x, delta_v, delta_a, delta_Omega, delta_v_los: what differs",
        ),
        text(
            "component",
            "component, or mean over the three (of accelerations, the size of the difference)",
        ),
        text(
            "statistic",
            "mean_absolute, median_absolute or root_mean_square over the stars",
        ),
        number("value", "the error, in the unit of column unit"),
        text("unit", "unit of value and paper"),
        number("relative", "the error divided by the mean absolute truth"),
        optional(number("paper", "the published figure, where there is one")),
        optional(number("ratio", "value / paper")),
        text("source", "where it was published"),
        count("stars", "stars compared"),
        count("set_aside", "stars of the truth without a prediction"),
    ])
}
