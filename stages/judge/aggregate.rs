//! Means over several tables with the same columns, such as those of several seeds.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use runner::arrow_schema::{DataType, Field, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Artifact, Connected, InputPort, OutputPort, column, unit_of};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, Values};

use crate::common::columns::{ANGLES, STAR, STREAM};
use crate::common::io::TableContext;

/// `aggregate`
///
/// Rows of several tables that agree in some columns become one: of every other column of numbers its mean m = Σx/n, its standard deviation
/// s = √(Σ(x − m)²/(n − 1)) and the standard error of the mean s/√n, in the unit of the column. `from: { tables: { of: errors, over: seed } }`
/// connects all of a stage over a swept parameter.
///
/// ```yaml
/// spread:
///   aggregate: { from: { tables: { of: errors, over: seed } } }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aggregate {
    /// Columns in which rows must agree: texts, whole numbers or truth values. Left out, all texts and truth values, `stream`, `star` and
    /// `epoch`, as far as the tables have them.
    pub by: Vec<String>,
    /// Columns of numbers. Left out, all that are not in `by`, but for angles from 0 to 2π, which have no mean of this kind.
    pub of: Vec<String>,
}

/// The output.
const PORT: &str = "means";

/// The input; the others after it are `tables.2` and so on.
const TABLES: &str = "tables";

/// Whole numbers that name a row.
const IDENTITY: [&str; 3] = [STREAM, STAR, "epoch"];

/// The number of tables that have a row.
const COUNT: &str = "tables";

/// How the columns of the tables are taken.
struct Parts {
    by: Vec<Field>,
    of: Vec<Field>,
}

impl Aggregate {
    fn parts(&self, schema: &Schema) -> Result<Parts, String> {
        let field = |at: &str, name: &String, fits: fn(&DataType) -> bool, wanted: &str| {
            let found = schema.field_with_name(name);
            let found = found.map_err(|_| format!("{at}: the tables have no column {name}"))?;
            if fits(found.data_type()) {
                Ok(found.clone())
            } else {
                let noun = tables::noun(found.data_type());
                Err(format!("{at}: {name} is a column of {noun}, where {wanted} are wanted"))
            }
        };
        let whole = |field: &Field| *field.data_type() == DataType::Int64;
        let is_name =
            |field: &Field| tells(field.data_type()) && (!whole(field) || IDENTITY.contains(&field.name().as_str()));
        let by: Vec<Field> = if self.by.is_empty() {
            let fields = schema
                .fields()
                .iter()
                .filter(|field| is_name(field) && !field.is_nullable());
            fields.map(|field| field.as_ref().clone()).collect()
        } else {
            let all = self.by.iter();
            all.map(|name| field("by", name, tells, "texts, whole numbers or truth values"))
                .collect::<Result<_, _>>()?
        };
        let of: Vec<Field> = if self.of.is_empty() {
            let left_out = |name: &str| {
                by.iter().any(|field| field.name() == name) || ANGLES.iter().any(|angle| angle.name == name)
            };
            let fields = schema.fields().iter();
            let fields = fields.filter(|field| counts(field.data_type()) && !left_out(field.name()));
            fields.map(|field| field.as_ref().clone()).collect()
        } else {
            let all = self.of.iter();
            all.map(|name| field("of", name, counts, "numbers"))
                .collect::<Result<_, _>>()?
        };
        if of.is_empty() {
            return Err(format!("{TABLES}: no column of numbers is left to take means of"));
        }
        if let Some(twice) = of
            .iter()
            .find(|field| by.iter().any(|other| other.name() == field.name()))
        {
            return Err(format!("of: {} is in `by`, too", twice.name()));
        }
        let parts = Parts { by, of };
        let names: Vec<String> = parts.fields().iter().map(|field| field.name().clone()).collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, name)) => Err(format!("of: two columns of the output would be {name}")),
            None => Ok(parts),
        }
    }
}

/// Whether rows can be told apart by it.
fn tells(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::Int64 | DataType::Boolean)
}

/// Whether it has a mean.
fn counts(of: &DataType) -> bool {
    matches!(of, DataType::Float64 | DataType::Int64)
}

/// The names of the columns that are made of one.
fn names(field: &Field) -> [String; 3] {
    let name = field.name();
    [name.clone(), format!("{name}_sd"), format!("{name}_se")]
}

impl Parts {
    /// The columns of the output.
    fn fields(&self) -> Vec<Field> {
        let mut fields = self.by.clone();
        let about = "tables with this row";
        fields.push(column(COUNT, DataType::Int64, "", "", about));
        for field in &self.of {
            let (unit, name) = (unit_of(field), field.name());
            let own = field.metadata().get("description").cloned().unwrap_or_default();
            let [mean, deviation, error] = names(field);
            let of = |name: &str, about: &str| column(name, DataType::Float64, &unit, "", about);
            let is_missing = field.is_nullable();
            fields.push(of(&mean, &format!("mean over the tables of: {own}")).with_nullable(is_missing));
            let about = format!("standard deviation of {name} over the tables; missing where only one has the row");
            fields.push(of(&deviation, &about).with_nullable(true));
            let about = format!("standard error of the mean of {name}; missing where only one table has the row");
            fields.push(of(&error, &about).with_nullable(true));
        }
        fields
    }

    fn schema(&self) -> Schema {
        Schema::new(self.fields())
    }

    /// Whether another table can be taken the same way.
    fn agree(&self, other: &Self) -> Result<(), String> {
        let differ =
            |(a, b): &(&Field, &Field)| (a.name(), a.data_type(), unit_of(a)) != (b.name(), b.data_type(), unit_of(b));
        let all = |parts: &Self| parts.by.iter().chain(&parts.of).cloned().collect::<Vec<_>>();
        let (own, others) = (all(self), all(other));
        match own.iter().zip(&others).find(differ) {
            Some((a, _)) => Err(format!(
                "does not have the column {} of the first, in its unit",
                a.name()
            )),
            None if own.len() != others.len() => Err("has other columns than the first".to_owned()),
            None => Ok(()),
        }
    }
}

impl Stage for Aggregate {
    const KIND: &'static str = "aggregate";
    const ABOUT: &'static str =
        "Means, standard deviations and standard errors over several tables, such as those of several seeds";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Judge;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table(TABLES, &[]).any_number()]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let mut first: Option<Parts> = None;
        for (port, artifact) in connected {
            let Artifact::Table(schema) = artifact else { continue };
            let parts = self.parts(schema)?;
            match &first {
                Some(first) => first.agree(&parts).map_err(|reason| format!("{port}: {reason}"))?,
                None => first = Some(parts),
            }
        }
        let schema = first.map_or_else(Schema::empty, |parts| parts.schema());
        Ok(vec![OutputPort::table(PORT, schema)])
    }

    fn check(&self) -> Vec<Fault> {
        let twice = |at: &'static str, names: &[String]| {
            let again = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name));
            again.map(|(_, name)| Fault::new(at, format!("{name} is there twice")))
        };
        twice("by", &self.by).into_iter().chain(twice("of", &self.of)).collect()
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let mut tables = vec![context.read_table(TABLES)?];
        loop {
            let name = format!("{TABLES}.{}", tables.len() + 1);
            if !context.has_input(&name) {
                break;
            }
            tables.push(context.read_table(&name)?);
        }
        let parts = self.parts(tables[0].schema_ref()).map_err(StageError::failed)?;
        let rows = rows(&parts, &tables)?;
        let whole = rows.iter().filter(|row| row.tables == tables.len()).count();
        context.metric("tables", tables.len() as f64, "");
        if whole < rows.len() {
            let missing = rows.len() - whole;
            context.finding(format!("{missing} of {} rows are not in all tables", rows.len()));
        }
        tell(context, &parts, &rows);
        context.write_table(PORT, columns(&parts, &rows))?;
        Ok(Outcome::Complete)
    }
}

/// What rows are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Text(String),
    Whole(i64),
    Flag(bool),
}

/// A row of the output: what the tables have in one row.
struct Row {
    key: Vec<Cell>,
    tables: usize,
    /// The last table that has it.
    last: Option<usize>,
    /// Of each column of numbers, those that are there, in the order of the tables.
    values: Vec<Vec<f64>>,
}

/// All rows, in the order in which they come first.
fn rows(parts: &Parts, tables: &[RecordBatch]) -> Result<Vec<Row>, StageError> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: HashMap<Vec<Cell>, usize> = HashMap::new();
    for (number, table) in tables.iter().enumerate() {
        let keys: Vec<Vec<Cell>> = parts
            .by
            .iter()
            .map(|field| cells(table, field.name()))
            .collect::<Result<_, _>>()?;
        let numbers: Vec<Vec<Option<f64>>> = parts
            .of
            .iter()
            .map(|field| numbers(table, field.name()))
            .collect::<Result<_, _>>()?;
        for n in 0..table.num_rows() {
            let key: Vec<Cell> = keys.iter().map(|column| column[n].clone()).collect();
            let place = *places.entry(key.clone()).or_insert(rows.len());
            if place == rows.len() {
                let values = vec![Vec::new(); parts.of.len()];
                rows.push(Row {
                    key,
                    tables: 0,
                    last: None,
                    values,
                });
            }
            let row = &mut rows[place];
            if row.last.replace(number) == Some(number) {
                return Err(twice(parts, number));
            }
            row.tables += 1;
            for (values, column) in row.values.iter_mut().zip(&numbers) {
                values.extend(column[n]);
            }
        }
    }
    Ok(rows)
}

fn twice(parts: &Parts, number: usize) -> StageError {
    let names: Vec<&str> = parts.by.iter().map(|field| field.name().as_str()).collect();
    let message = match names.is_empty() {
        true => format!("table {} has several rows, and nothing tells them apart", number + 1),
        false => format!("table {} has rows that agree in {}", number + 1, names.join(", ")),
    };
    StageError::with_hint(message, "name in `by` the columns that tell rows apart")
}

fn cells(table: &RecordBatch, name: &str) -> Result<Vec<Cell>, StageError> {
    let of = table.column_by_name(name).map(|column| column.data_type().clone());
    let cells = match of {
        Some(DataType::Utf8) => {
            tables::str_column(table, name).map(|all| all.into_iter().map(|text| Cell::Text(text.to_owned())).collect())
        }
        Some(DataType::Boolean) => {
            tables::bool_column(table, name).map(|all| all.into_iter().map(Cell::Flag).collect())
        }
        _ => tables::i64_column(table, name).map(|all| all.iter().copied().map(Cell::Whole).collect()),
    };
    cells.map_err(StageError::failed)
}

fn numbers(table: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>, StageError> {
    let Some(column) = table.column_by_name(name) else {
        return Err(StageError::failed(format!("a table has no column {name}")));
    };
    Ok(match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.map(|value| value as f64))
            .collect(),
        _ => column.as_primitive::<Float64Type>().iter().collect(),
    })
}

/// Mean, standard deviation and standard error; the latter of two values at least.
fn statistics(values: &[f64]) -> (Option<f64>, Option<[f64; 2]>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    (
        Some(mean),
        (values.len() > 1).then(|| [deviation, deviation / n.sqrt()]),
    )
}

fn columns<'a>(parts: &'a Parts, rows: &[Row]) -> Vec<(&'a str, Values)> {
    let mut columns: Vec<(&str, Values)> = Vec::new();
    for (n, field) in parts.by.iter().enumerate() {
        let texts = || {
            rows.iter().map(|row| match &row.key[n] {
                Cell::Text(text) => text.as_str(),
                _ => "",
            })
        };
        let wholes = || {
            rows.iter().map(|row| match row.key[n] {
                Cell::Whole(whole) => whole,
                _ => 0,
            })
        };
        let flags = || rows.iter().map(|row| row.key[n] == Cell::Flag(true));
        let values = match field.data_type() {
            DataType::Utf8 => texts().collect::<Vec<_>>().into(),
            DataType::Boolean => flags().collect::<Vec<_>>().into(),
            _ => wholes().collect::<Vec<_>>().into(),
        };
        columns.push((field.name(), values));
    }
    let counted: Vec<i64> = rows.iter().map(|row| row.tables as i64).collect();
    columns.push((COUNT, counted.into()));
    for (n, field) in parts.of.iter().enumerate() {
        let all: Vec<_> = rows.iter().map(|row| statistics(&row.values[n])).collect();
        let means: Vec<Option<f64>> = all.iter().map(|(mean, _)| *mean).collect();
        let spread = |which: usize| {
            all.iter()
                .map(|(_, spread)| spread.map(|spread| spread[which]))
                .collect::<Vec<_>>()
        };
        let [mean, deviation, error] = names(field).map(|name| runner::ports::lasting(&name));
        columns.push((mean, means.into()));
        columns.push((deviation, spread(0).into()));
        columns.push((error, spread(1).into()));
    }
    columns
}

/// Of tables of errors, as `compare` writes them, the errors over all components are metrics, so that points of a sweep can be ordered by them.
fn tell(context: &StageContext, parts: &Parts, rows: &[Row]) {
    let place = |name: &str| parts.by.iter().position(|field| field.name() == name);
    let value = parts.of.iter().position(|field| field.name() == "value");
    let (Some(measure), Some(component), Some(statistic), Some(value)) =
        (place("measure"), place("component"), place("statistic"), value)
    else {
        return;
    };
    let unit = place("unit");
    let text = |row: &Row, place: usize| match &row.key[place] {
        Cell::Text(text) => text.clone(),
        _ => String::new(),
    };
    for row in rows {
        if text(row, component) != "mean" || text(row, statistic) != "mean_absolute" {
            continue;
        }
        let (name, unit) = (text(row, measure), unit.map(|unit| text(row, unit)).unwrap_or_default());
        let (mean, spread) = statistics(&row.values[value]);
        if let Some(mean) = mean {
            context.metric(&name, mean, &unit);
        }
        if let Some([deviation, error]) = spread {
            context.metric(&format!("{name}_sd"), deviation, &unit);
            context.metric(&format!("{name}_se"), error, &unit);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::testing::{run, stage};

    fn table(rows: &[(&str, i64, f64)]) -> RecordBatch {
        let fields = vec![
            column("measure", DataType::Utf8, "", "", "what"),
            column("stars", DataType::Int64, "", "", "how many"),
            column("value", DataType::Float64, "km/s", "", "error"),
        ];
        let schema = Arc::new(Schema::new(fields));
        let (names, stars): (Vec<&str>, Vec<i64>) = rows.iter().map(|row| (row.0, row.1)).unzip();
        let values: Vec<f64> = rows.iter().map(|row| row.2).collect();
        tables::build(
            &schema,
            vec![
                ("measure", names.into()),
                ("stars", stars.into()),
                ("value", values.into()),
            ],
        )
        .unwrap()
    }

    #[test]
    fn rows_of_one_name_become_one_with_mean_deviation_and_error() {
        let tables = [
            table(&[("a", 10, 1.0), ("b", 10, 5.0)]),
            table(&[("b", 12, 5.0), ("a", 12, 2.0)]),
            table(&[("a", 14, 6.0)]),
        ];
        let inputs = [
            ("tables", &tables[0]),
            ("tables.2", &tables[1]),
            ("tables.3", &tables[2]),
        ];
        let ran = run(&stage::<Aggregate>(json!({})), &inputs, &[]).completed();
        assert_eq!(ran.texts("means", "measure"), ["a", "b"]);
        assert_eq!(ran.i64("means", "tables"), [3, 2]);
        assert_eq!(ran.f64("means", "value"), [3.0, 5.0]);
        // Σ(x − m)² = 4 + 1 + 9; s² = 7.
        assert_eq!(ran.f64("means", "value_sd"), [7.0_f64.sqrt(), 0.0]);
        assert_eq!(ran.f64("means", "value_se"), [7.0_f64.sqrt() / 3.0_f64.sqrt(), 0.0]);
        assert_eq!(
            ran.f64("means", "stars"),
            [12.0, 11.0],
            "whole numbers that name no row have a mean"
        );
        let schema = ran.tables["means"].schema();
        assert_eq!(unit_of(schema.field_with_name("value_se").unwrap()), "km/s");
        assert_eq!(ran.metric("tables"), 3.0);
        let found = |told: &runner::event::Told| matches!(told, runner::event::Told::Finding { text } if text == "1 of 2 rows are not in all tables");
        assert!(ran.told.iter().any(found), "{:?}", ran.told);
    }

    #[test]
    fn one_table_has_no_spread_and_rows_that_agree_are_refused() {
        let one = table(&[("a", 1, 1.0), ("b", 1, 2.0)]);
        let ran = run(&stage::<Aggregate>(json!({})), &[("tables", &one)], &[]).completed();
        let spread = tables::optional_f64_column(&ran.tables["means"], "value_sd")
            .unwrap()
            .unwrap();
        assert_eq!(spread, [None, None]);
        // One that the first table does not have, too.
        for (with, name) in [(json!({ "by": ["stars"] }), "a"), (json!({}), "a"), (json!({}), "c")] {
            let double = table(&[(name, 1, 1.0), (name, 1, 2.0)]);
            let both = [("tables", &one), ("tables.2", &double)];
            let said = run(&stage::<Aggregate>(with), &both, &[]).error();
            assert!(
                said.contains("has rows that agree in") && said.contains("`by`"),
                "{said}"
            );
        }
    }

    #[test]
    fn columns_that_are_asked_for_must_be_there_and_fit() {
        let schema = table(&[]).schema();
        let refused = |with: serde_json::Value| {
            let connected = Connected::from([("tables", Artifact::Table(schema.clone()))]);
            stage::<Aggregate>(with).outputs(&connected).unwrap_err()
        };
        assert_eq!(refused(json!({ "by": ["name"] })), "by: the tables have no column name");
        assert!(refused(json!({ "by": ["value"] })).contains("is a column of numbers"));
        assert!(refused(json!({ "of": ["measure"] })).contains("is a column of texts"));
        assert_eq!(
            refused(json!({ "by": ["stars"], "of": ["stars"] })),
            "of: stars is in `by`, too"
        );
        assert_eq!(
            crate::testing::faults::<Aggregate>(json!({ "of": ["value", "value"] })).len(),
            1
        );
    }
}
