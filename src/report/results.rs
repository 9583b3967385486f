//! The `errors` tables of `compare` stages as plain rows: what the console, the report and the commands show.

use std::path::Path;

use arrow::array::{Array, Float64Array};
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, TableError};

/// The output port of a table of errors.
pub const PORT: &str = "errors";

/// One row of an `errors` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// `delta_J`, `delta_theta`, …
    pub measure: String,
    /// `phi`, `z`, `r`, …, or `mean`.
    pub component: String,
    /// `mean_absolute`, `median_absolute` or `root_mean_square`.
    pub statistic: String,
    /// The error.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// The error over the mean size of the truth.
    pub relative: f64,
    /// The published figure.
    pub paper: Option<f64>,
    /// `value / paper`.
    pub ratio: Option<f64>,
    /// Where it was published.
    pub source: String,
    /// Stars compared.
    pub stars: i64,
    /// Stars set aside.
    pub set_aside: i64,
}

/// The name of the row over all components.
pub const MEAN: &str = "mean";
/// The statistic that the paper reports.
pub const MEAN_ABSOLUTE: &str = "mean_absolute";
/// The statistic for comparison with other publications.
pub const ROOT_MEAN_SQUARE: &str = "root_mean_square";

/// Reads an `errors` table.
pub fn read(path: &Path) -> Result<Vec<ErrorRow>, TableError> {
    let table = tables::read(path)?;
    let (measure, component) = (
        tables::str_column(&table, "measure")?,
        tables::str_column(&table, "component")?,
    );
    let (statistic, unit) = (
        tables::str_column(&table, "statistic")?,
        tables::str_column(&table, "unit")?,
    );
    let (value, relative) = (optional(&table, "value")?, optional(&table, "relative")?);
    let (paper, ratio) = (optional(&table, "paper")?, optional(&table, "ratio")?);
    let (stars, set_aside) = (
        tables::i64_column(&table, "stars")?,
        tables::i64_column(&table, "set_aside")?,
    );
    let source = tables::str_column(&table, "source")?;
    let row = |n: usize| ErrorRow {
        measure: measure[n].to_owned(),
        component: component[n].to_owned(),
        statistic: statistic[n].to_owned(),
        value: value[n].unwrap_or(f64::NAN),
        unit: unit[n].to_owned(),
        relative: relative[n].unwrap_or(f64::NAN),
        paper: paper[n],
        ratio: ratio[n],
        source: source[n].to_owned(),
        stars: stars[n],
        set_aside: set_aside[n],
    };
    Ok((0..table.num_rows()).map(row).collect())
}

/// A column of numbers, with `None` where one is missing.
pub fn optional(table: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>, TableError> {
    let array = table
        .column_by_name(name)
        .and_then(|array| array.as_any().downcast_ref::<Float64Array>());
    match array {
        Some(array) => Ok(array.iter().collect()),
        // The typed reader knows what to say.
        None => Ok(tables::f64_column(table, name)?.iter().copied().map(Some).collect()),
    }
}

/// A measure as papers write it.
pub fn symbol(measure: &str) -> &str {
    match measure {
        "delta_J" => "δJ",
        "delta_theta" => "δθ",
        "delta_x" => "δx",
        "delta_v" => "δv",
        "delta_Omega" => "δΩ",
        "delta_v_los" => "δv_los",
        "delta_a" => "δa",
        other => other,
    }
}

/// A component as papers write it.
pub fn component(name: &str) -> &str {
    if name == "phi" { "φ" } else { name }
}

/// The measures of `rows`, each once, in their order.
pub fn measures(rows: &[ErrorRow]) -> Vec<&str> {
    let mut measures: Vec<&str> = rows.iter().map(|row| row.measure.as_str()).collect();
    measures.dedup();
    measures
}

/// The row of a measure that is set beside the paper: the mean over components and stars.
pub fn headline<'a>(rows: &'a [ErrorRow], measure: &str) -> Option<&'a ErrorRow> {
    rows.iter()
        .find(|row| row.measure == measure && row.component == MEAN && row.statistic == MEAN_ABSOLUTE)
}
