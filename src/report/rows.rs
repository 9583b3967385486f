//! The rows of `metrics.parquet` and `history.parquet`, with a column for every parameter of the pipeline, and a checksum
//! over all values: a damaged history is found out, not believed.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::column;
use runner::store::Hash256;
use runner::store::files::{Keep, replace_with};
use serde_json::Value;
use tables::{RecordBatch, TableError, Values};

use super::data::plain;
use super::results::optional;

/// Text columns, with their descriptions.
pub const TEXTS: [(&str, &str); 10] = [
    ("when", "when the stage ran, RFC 3339 in UTC"),
    ("stage", "name of the stage in the YAML file"),
    ("kind", "kind of the stage"),
    ("point", "values of the swept parameters that the stage depends on"),
    ("fingerprint", "SHA-256 of all that the stage's outputs depend on"),
    ("device", "where the stage ran"),
    ("metric", "measure of a comparison, or name of a metric"),
    ("component", "component of the measure; empty for a metric"),
    ("statistic", "statistic of the measure; empty for a metric"),
    ("unit", "unit of value and paper"),
];

const NUMBERS: [(&str, &str); 3] = [
    ("value", "the number, in `unit`; missing where it is not finite"),
    ("paper", "the paper's figure"),
    ("ratio", "value over the paper's figure"),
];

/// The checksum's place in the metadata of the table.
const CHECK: &str = "check";

/// One number of one stage instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// In the order of [`TEXTS`].
    pub texts: [String; TEXTS.len()],
    /// The number.
    pub value: Option<f64>,
    /// The paper's.
    pub paper: Option<f64>,
    /// Their ratio.
    pub ratio: Option<f64>,
    /// The pipeline's parameters in the run that first reported it.
    pub parameters: Arc<Vec<(String, Value)>>,
}

impl Row {
    /// What makes two rows the same: all texts but the time.
    pub fn key(&self) -> Vec<String> {
        self.texts[1..].to_vec()
    }
}

/// Rows, and the names of all parameters that some of them have, in the order they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    names: Vec<String>,
}

impl Rows {
    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        for (name, _) in row.parameters.iter() {
            if !self.names.contains(name) {
                self.names.push(name.clone());
            }
        }
        self.rows.push(row);
    }

    /// Adds the rows of others that are wanted.
    pub fn add(&mut self, others: Self, wanted: impl Fn(&Row) -> bool) {
        others.rows.into_iter().filter(wanted).for_each(|row| self.push(row));
    }
}

/// A parameter's column has its name, unless another column has it.
fn column_name(parameter: &str) -> String {
    let taken = TEXTS.iter().chain(&NUMBERS).any(|(name, _)| *name == parameter);
    if taken {
        format!("{parameter}{MARK}")
    } else {
        parameter.to_owned()
    }
}

/// No name of a parameter has a blank.
const MARK: &str = " (parameter)";

/// A column of whole numbers where all values are, of numbers where these are exact, or else of texts.
fn parameter_column(name: &str, rows: &[Row]) -> (Field, ArrayRef) {
    let find = |row: &Row| {
        row.parameters
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
    };
    let values: Vec<Option<Value>> = rows
        .iter()
        .map(|row| find(row).filter(|value| !value.is_null()))
        .collect();
    let all = |fits: fn(&Value) -> bool| values.iter().flatten().all(fits);
    let exact = |value: &Value| value.is_f64() || value.as_i64().is_some_and(|whole| whole.abs() <= 1 << 53);
    let array: ArrayRef = if all(Value::is_i64) {
        let numbers = values.iter().map(|value| value.as_ref().and_then(Value::as_i64));
        Arc::new(numbers.collect::<Int64Array>())
    } else if all(exact) {
        let numbers = values.iter().map(|value| value.as_ref().and_then(Value::as_f64));
        Arc::new(numbers.collect::<Float64Array>())
    } else {
        let texts = values.iter().map(|value| value.as_ref().map(plain));
        Arc::new(texts.collect::<StringArray>())
    };
    let about = "parameter of the pipeline, in the run that first reported the row";
    let field = column(&column_name(name), array.data_type().clone(), "", "", about).with_nullable(true);
    (field, array)
}

fn table(rows: &Rows) -> Result<RecordBatch, TableError> {
    let texts = TEXTS.map(|(name, about)| column(name, DataType::Utf8, "", "", about));
    let numbers = NUMBERS.map(|(name, about)| column(name, DataType::Float64, "", "", about).with_nullable(true));
    let mut fields: Vec<Field> = texts.into_iter().chain(numbers).collect();
    let mut columns: Vec<Values> = Vec::new();
    for n in 0..TEXTS.len() {
        let texts: Vec<&str> = rows.rows.iter().map(|row| row.texts[n].as_str()).collect();
        columns.push(texts.into());
    }
    let mut number = |of: fn(&Row) -> Option<f64>| columns.push(rows.rows.iter().map(of).collect::<Vec<_>>().into());
    number(|row| row.value);
    number(|row| row.paper);
    number(|row| row.ratio);
    for name in &rows.names {
        let (field, array) = parameter_column(name, &rows.rows);
        fields.push(field);
        columns.push(array.into());
    }
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let named = |columns: Vec<Values>| names.iter().map(String::as_str).zip(columns).collect();
    let table = tables::build(&Arc::new(Schema::new(fields.clone())), named(columns))?;
    let check = std::collections::HashMap::from([(CHECK.to_owned(), sum(&table).hex())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, check));
    let columns = table.columns().iter().cloned().map(Values::from);
    tables::build(&schema, named(columns.collect()))
}

/// Hash of the names and all values of a table.
fn sum(table: &RecordBatch) -> Hash256 {
    let mut text = String::new();
    for (field, array) in table.schema_ref().fields().iter().zip(table.columns()) {
        let _ = writeln!(text, "{:?} {} {}", field.name(), field.data_type(), array.len());
        let any = array.as_any();
        for row in 0..array.len() {
            let _ = if array.is_null(row) {
                writeln!(text, "-")
            } else if let Some(texts) = any.downcast_ref::<StringArray>() {
                writeln!(text, "{:?}", texts.value(row))
            } else if let Some(numbers) = any.downcast_ref::<Float64Array>() {
                writeln!(text, "{:x}", numbers.value(row).to_bits())
            } else if let Some(numbers) = any.downcast_ref::<Int64Array>() {
                writeln!(text, "{}", numbers.value(row))
            } else {
                Ok(())
            };
        }
    }
    Hash256::of(text)
}

/// Writes rows as a table.
pub fn save(path: &Path, rows: &Rows, keep: Keep) -> io::Result<()> {
    let table = table(rows).map_err(io::Error::other)?;
    replace_with(path, keep, |draft| {
        tables::write(draft, &table, table.schema_ref()).map_err(|error| match error {
            TableError::Io { source, .. } => io::Error::new(source.kind(), format!("{}: {source}", path.display())),
            other => io::Error::other(other),
        })
    })
}

/// Reads them back; an error if they are not what was written.
pub fn load(path: &Path) -> Result<Rows, TableError> {
    let table: RecordBatch = tables::read(path)?;
    if table.schema_ref().metadata().get(CHECK) != Some(&sum(&table).hex()) {
        return Err(TableError::Damaged { path: path.to_owned() });
    }
    let mut texts = Vec::new();
    for (name, _) in TEXTS {
        texts.push(tables::str_column(&table, name)?);
    }
    let [value, paper, ratio] = [
        optional(&table, "value")?,
        optional(&table, "paper")?,
        optional(&table, "ratio")?,
    ];
    let schema = table.schema();
    let others = schema
        .fields()
        .iter()
        .zip(table.columns())
        .skip(TEXTS.len() + NUMBERS.len());
    let others: Vec<(&str, &ArrayRef)> = others
        .map(|(field, array)| (field.name().trim_end_matches(MARK), array))
        .collect();
    let mut rows = Rows::default();
    for n in 0..table.num_rows() {
        let parameters = others
            .iter()
            .filter_map(|(name, array)| Some(((*name).to_owned(), cell(array, n)?)));
        rows.push(Row {
            texts: std::array::from_fn(|column| texts[column][n].to_owned()),
            value: value[n],
            paper: paper[n],
            ratio: ratio[n],
            parameters: Arc::new(parameters.collect()),
        });
    }
    Ok(rows)
}

fn cell(array: &ArrayRef, row: usize) -> Option<Value> {
    let any = array.as_any();
    if array.is_null(row) {
        None
    } else if let Some(numbers) = any.downcast_ref::<Int64Array>() {
        Some(numbers.value(row).into())
    } else if let Some(numbers) = any.downcast_ref::<Float64Array>() {
        Some(numbers.value(row).into())
    } else {
        any.downcast_ref::<StringArray>().map(|texts| texts.value(row).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn row(name: &str, parameters: &[(&str, Value)]) -> Row {
        let own = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        Row {
            texts: std::array::from_fn(|n| if n == 1 { name.to_owned() } else { n.to_string() }),
            value: Some(1.5),
            paper: None,
            ratio: Some(0.1),
            parameters: Arc::new(parameters.iter().map(own).collect()),
        }
    }

    #[test]
    fn parameters_are_columns_of_their_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        let mut rows = Rows::default();
        rows.push(row(
            "a",
            &[("seed", json!(1)), ("scale", json!(5.5)), ("unit", json!("kpc"))],
        ));
        rows.push(row(
            "b",
            &[("seed", json!(2)), ("scale", json!(5)), ("sample", json!([1, 2]))],
        ));
        rows.push(row("c", &[("large", json!(u64::MAX))]));
        save(&path, &rows, Keep::Durable).unwrap();
        let table = tables::read(&path).unwrap();
        let schema = table.schema();
        let kind = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
        assert_eq!(kind("seed"), DataType::Int64);
        assert_eq!(kind("scale"), DataType::Float64);
        for text in ["sample", "large", "unit", "unit (parameter)"] {
            assert_eq!(kind(text), DataType::Utf8, "{text}");
        }
        let read = load(&path).unwrap();
        assert_eq!(*read.rows[0].parameters, *rows.rows[0].parameters);
        assert_eq!(read.rows[2].parameters[0].1, json!(u64::MAX.to_string()));
        assert!(read.rows[1].parameters.contains(&("sample".to_owned(), json!("[1,2]"))));
        // What was read is written the same again.
        save(&path, &read, Keep::Durable).unwrap();
        assert_eq!(load(&path).unwrap(), read);
    }

    #[test]
    fn no_flipped_bit_changes_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        let mut rows = Rows::default();
        (0..9).for_each(|n| rows.push(row(&n.to_string(), &[("seed", json!(n))])));
        save(&path, &rows, Keep::Durable).unwrap();
        let good = std::fs::read(&path).unwrap();
        let mut found_out = 0;
        for at in (0..good.len()).step_by(7) {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            match load(&path) {
                Ok(read) => assert_eq!(read, rows, "byte {at}"),
                Err(_) => found_out += 1,
            }
        }
        assert!(found_out > 0);
    }
}
