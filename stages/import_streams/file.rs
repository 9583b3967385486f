//! Columns of a user's Parquet or CSV file.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, LargeStringArray, LargeStringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use polars::prelude::{CsvParseOptions, CsvReadOptions, SerReader};
use runner::error::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::TableError;

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Text with a header line and one line for each star.
    Csv,
}

impl Format {
    /// The format that the ending of a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" | "txt" | "dat" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Some columns of a file.
pub(super) struct Table {
    columns: Vec<(String, Cells)>,
    /// Number of rows.
    pub rows: usize,
}

impl Table {
    pub fn column(&self, name: &str) -> Result<&Cells, StageError> {
        let column = self
            .columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, cells)| cells);
        column.ok_or_else(|| StageError::Bug(format!("column {name} was not read")))
    }
}

/// The values of a column, of which some may be missing: 8 bytes a number, so that many millions of rows fit into memory.
pub(super) enum Cells {
    Integers(Int64Array),
    Numbers(Float64Array),
    Texts(LargeStringArray),
}

/// A value of an array, where there is one.
macro_rules! value {
    ($values:expr, $row:expr) => {
        $values.is_valid($row).then(|| $values.value($row))
    };
}

impl Cells {
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// A finite number, or why there is none.
    pub fn number(&self, row: usize) -> Result<f64, String> {
        let missing = || "missing".to_owned();
        let number = match self {
            Self::Integers(values) => value!(values, row).ok_or_else(missing)? as f64,
            Self::Numbers(values) => value!(values, row).ok_or_else(missing)?,
            Self::Texts(_) => {
                let text = self.text(row).ok_or_else(missing)?;
                text.parse().map_err(|_| format!("\"{text}\", not a number"))?
            }
        };
        match number {
            number if number.is_nan() => Err("NaN".to_owned()),
            number if number.is_infinite() => Err("infinite".to_owned()),
            number => Ok(number),
        }
    }

    /// A whole number, or why there is none.
    pub fn integer(&self, row: usize) -> Result<i64, String> {
        match self {
            Self::Integers(values) => value!(values, row).ok_or_else(|| "missing".to_owned()),
            Self::Texts(_) if self.text(row).is_some_and(|text| text.parse::<i64>().is_ok()) => {
                Ok(self.text(row).and_then(|text| text.parse().ok()).unwrap_or_default())
            }
            _ => {
                let number = self.number(row)?;
                // Beyond 2^53 a floating-point number no longer tells one whole number from the next.
                let is_whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
                if is_whole {
                    Ok(number as i64)
                } else {
                    Err(format!("{number}, not a whole number"))
                }
            }
        }
    }

    /// A text that is not empty.
    pub fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Texts(values) => value!(values, row).map(str::trim).filter(|text| !text.is_empty()),
            Self::Integers(_) | Self::Numbers(_) => None,
        }
    }

    /// Whether some value is a text that is not a number.
    pub fn are_names(&self) -> bool {
        (0..self.len())
            .filter_map(|row| self.text(row))
            .any(|text| text.parse::<f64>().is_err())
    }
}

/// Reads the columns called `names`.
pub(super) fn read(path: &Path, format: Format, separator: u8, names: &[&str]) -> Result<Table, StageError> {
    match format {
        Format::Parquet => read_parquet(path, names),
        Format::Csv => read_csv(path, separator, names),
    }
}

fn read_parquet(path: &Path, names: &[&str]) -> Result<Table, StageError> {
    let failed = |error| match error {
        TableError::Io { path, source } => StageError::Io { path, source },
        error => StageError::failed(error),
    };
    let schema = tables::read_schema(path).map_err(failed)?;
    let there: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    expect_columns(path, names, &there)?;
    // One column at a time: the pieces that each is joined from are then never in memory together.
    let (mut columns, mut rows) = (Vec::with_capacity(names.len()), 0);
    for &name in names {
        let table = tables::read_columns(path, &[name]).map_err(failed)?;
        let cells = cells(table.column(0)).map_err(|found| {
            StageError::failed(format!("{}: column {name} holds {found}, not numbers", path.display()))
        })?;
        rows = table.num_rows();
        columns.push((name.to_owned(), cells));
    }
    Ok(Table { columns, rows })
}

fn cells(array: &ArrayRef) -> Result<Cells, String> {
    let found = array.data_type();
    let to = |target: &DataType| cast(array, target).map_err(|_| found.to_string());
    if found.is_integer() && *found != DataType::UInt64 {
        return Ok(Cells::Integers(to(&DataType::Int64)?.as_primitive().clone()));
    }
    if found.is_numeric() {
        return Ok(Cells::Numbers(to(&DataType::Float64)?.as_primitive().clone()));
    }
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            Ok(Cells::Texts(to(&DataType::LargeUtf8)?.as_string().clone()))
        }
        _ => Err(found.to_string()),
    }
}

fn read_csv(path: &Path, separator: u8, names: &[&str]) -> Result<Table, StageError> {
    // Everything is read as text, so that a value that is no number can be shown as it stands in the file.
    let options = || {
        CsvReadOptions::default()
            .with_has_header(true)
            .with_infer_schema_length(Some(0))
            .with_parse_options(CsvParseOptions::default().with_separator(separator))
    };
    let read = |options: CsvReadOptions| {
        let failed = |error| StageError::failed(format!("{} is not a readable CSV file: {error}", path.display()));
        let reader = options
            .try_into_reader_with_file_path(Some(path.to_owned()))
            .map_err(failed)?;
        reader.finish().map_err(failed)
    };
    let header = read(options().with_n_rows(Some(0)))?;
    let there: Vec<&str> = header
        .get_column_names()
        .into_iter()
        .map(|name| name.as_str())
        .collect();
    expect_columns(path, names, &there)?;
    let wanted = names.iter().map(|&name| name.into()).collect();
    let frame = read(options().with_columns(Some(wanted)))?;
    let mut columns = Vec::with_capacity(names.len());
    for column in frame.columns() {
        let texts = column.str().map_err(|error| StageError::Bug(error.to_string()))?;
        let mut cells = LargeStringBuilder::new();
        texts.iter().for_each(|text| cells.append_option(text));
        columns.push((column.name().to_string(), Cells::Texts(cells.finish())));
    }
    Ok(Table {
        columns,
        rows: frame.height(),
    })
}

/// An error with the columns that there are, if some are not.
fn expect_columns(path: &Path, names: &[&str], there: &[&str]) -> Result<(), StageError> {
    let missing: Vec<&str> = names.iter().filter(|name| !there.contains(name)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    // Upper case and underscores are what names differ in most; of short names nothing else may differ.
    let plain = |name: &str| {
        name.chars()
            .filter(|c| c.is_alphanumeric())
            .collect::<String>()
            .to_lowercase()
    };
    let similar = |name: &str| {
        let distance = |other: &str| strsim::damerau_levenshtein(&plain(name), &plain(other));
        let best = there.iter().copied().min_by_key(|other| distance(other))?;
        (distance(best) <= name.chars().count() / 3).then(|| format!("did you mean {best} instead of {name}?"))
    };
    let mut hints: Vec<String> = missing.iter().filter_map(|name| similar(name)).collect();
    hints.push(format!("columns there are: {}", there.join(", ")));
    Err(StageError::with_hint(
        format!("{} has no {noun} {}", path.display(), missing.join(", ")),
        hints.join("; "),
    ))
}
