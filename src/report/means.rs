//! The tables of means that `aggregate` writes, as rows of text.

use std::path::Path;

use runner::arrow_schema::DataType;
use runner::ports::unit_of;
use tables::{RecordBatch, TableError};

use super::results::{component, optional, symbol};
use crate::console::number;

/// The output port of such a table.
pub const PORT: &str = "means";

/// So many rows are shown.
pub const MOST: usize = 60;

/// A table of means.
pub struct Means {
    /// Headings, and whether numbers stand below.
    pub columns: Vec<(String, bool)>,
    /// Rows of cells.
    pub rows: Vec<Vec<String>>,
    /// Rows that are not among them.
    pub left_out: usize,
}

/// Reads the first rows.
pub fn read(path: &Path, most: usize) -> Result<Means, TableError> {
    let table = tables::read(path)?;
    let schema = table.schema();
    let is_derived = |name: &str| {
        let of = name.strip_suffix("_sd").or_else(|| name.strip_suffix("_se"));
        of.is_some_and(|of| schema.column_with_name(of).is_some())
    };
    let shown = table.num_rows().min(most);
    let mut columns = Vec::new();
    let mut rows = vec![Vec::new(); shown];
    for field in schema.fields().iter().filter(|field| !is_derived(field.name())) {
        let name = field.name();
        let unit = unit_of(field);
        columns.push((
            if unit.is_empty() {
                name.clone()
            } else {
                format!("{name} [{unit}]")
            },
            *field.data_type() == DataType::Float64,
        ));
        let cells = cells(&table, name, field.data_type())?;
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
    }
    Ok(Means {
        columns,
        rows,
        left_out: table.num_rows() - shown,
    })
}

fn cells(table: &RecordBatch, name: &str, of: &DataType) -> Result<Vec<String>, TableError> {
    Ok(match of {
        DataType::Utf8 => {
            let texts = tables::str_column(table, name)?.into_iter();
            texts.map(|text| component(symbol(text)).to_owned()).collect()
        }
        DataType::Int64 => tables::i64_column(table, name)?.iter().map(i64::to_string).collect(),
        DataType::Boolean => tables::bool_column(table, name)?.iter().map(bool::to_string).collect(),
        _ => {
            let [means, deviations, errors] =
                [name.to_owned(), format!("{name}_sd"), format!("{name}_se")].map(|name| optional(table, &name));
            let spread = deviations?.into_iter().zip(errors?);
            means?
                .into_iter()
                .zip(spread)
                .map(|(mean, spread)| cell(mean, spread))
                .collect()
        }
    })
}

/// `3.00 ± 0.25 (0.11)`.
fn cell(mean: Option<f64>, spread: (Option<f64>, Option<f64>)) -> String {
    match (mean, spread) {
        (None, _) => String::new(),
        (Some(mean), (Some(deviation), Some(error))) => {
            format!("{} ± {} ({})", number(mean), number(deviation), number(error))
        }
        (Some(mean), _) => number(mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_stands_beside_its_spread() {
        assert_eq!(cell(Some(3.0), (Some(0.25), Some(0.111))), "3.00 ± 0.250 (0.111)");
        assert_eq!(cell(Some(3.0), (None, None)), "3.00");
        assert_eq!(cell(None, (None, None)), "");
    }
}
