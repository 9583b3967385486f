//! One table of an output at several points of a sweep, with the swept parameters as columns before its own.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use formats::{FormatError, Rows};
use runner::graph::{Graph, StageId};
use runner::ports::{column, unit_of};
use serde_json::Value;
use tables::RecordBatch;

use super::Failure;

/// The files of an output at one point, and what was kept of its stars.
pub type Files = (PathBuf, Option<PathBuf>);

/// The rows at one point.
struct Part<'a> {
    /// The values of the swept parameters, in the order of the columns; `None` of one that it does not depend on.
    values: Vec<Option<Value>>,
    rows: Box<dyn Rows + 'a>,
}

/// The rows at all points, one after the other.
pub struct Swept<'a> {
    parts: Vec<Part<'a>>,
    schema: SchemaRef,
    /// How many columns are swept parameters.
    swept: usize,
}

impl<'a> Swept<'a> {
    /// Of instances of one stage, with the rows of each.
    pub fn new(graph: &Graph, instances: &[StageId], rows: Vec<Box<dyn Rows + 'a>>) -> Result<Self, Failure> {
        let settings: Vec<Vec<(String, Value)>> = instances.iter().map(|id| setting(graph, *id)).collect();
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in settings.iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let of = |setting: &[(String, Value)], name: &String| -> Option<Value> {
            let found = setting.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone())
        };
        // What has one value everywhere is no column.
        let first = |name: &String| of(&settings[0], name);
        names.retain(|name| settings.iter().any(|setting| of(setting, name) != first(name)));
        let parts: Vec<Part> = settings
            .iter()
            .zip(rows)
            .map(|(setting, rows)| Part {
                values: names.iter().map(|name| of(setting, name)).collect(),
                rows,
            })
            .collect();
        let own = common(&parts, graph, instances)?;
        let taken = |name: &str| own.fields().iter().any(|field| field.name() == name);
        let parameters = names.iter().enumerate().map(|(n, name)| {
            let values: Vec<Option<&Value>> = parts.iter().map(|part| part.values[n].as_ref()).collect();
            let name = if taken(name) {
                format!("swept_{name}")
            } else {
                (*name).clone()
            };
            let is_missing = values.iter().any(Option::is_none);
            column(&name, type_of(&values), "", "", "swept parameter").with_nullable(is_missing)
        });
        let fields = parameters.map(Arc::new).chain(own.fields().iter().cloned());
        Ok(Self {
            swept: names.len(),
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            parts,
        })
    }
}

/// The parameters that have one value at all points of an instance.
fn setting(graph: &Graph, id: StageId) -> Vec<(String, Value)> {
    let points = || graph[id].points.iter().filter_map(|&n| graph.points.get(n));
    let Some(first) = points().next() else {
        return Vec::new();
    };
    let is_one = |name: &Arc<str>, value: &Arc<Value>| {
        points().all(|point| point.iter().any(|(own, other)| own == name && other == value))
    };
    let own = first.iter().filter(|(name, value)| is_one(name, value));
    own.map(|(name, value)| (name.to_string(), (**value).clone())).collect()
}

/// The columns of all parts, which must be the same.
fn common(parts: &[Part], graph: &Graph, instances: &[StageId]) -> Result<Schema, Failure> {
    let schemas: Vec<SchemaRef> = parts.iter().map(|part| part.rows.schema()).collect();
    let told = |field: &Field| (field.name().clone(), field.data_type().clone(), unit_of(field));
    let of = |schema: &SchemaRef| schema.fields().iter().map(|field| told(field)).collect::<Vec<_>>();
    let Some(first) = schemas.first() else {
        return Ok(Schema::empty());
    };
    if let Some(other) = schemas.iter().position(|schema| of(schema) != of(first)) {
        let [one, other] = [instances[0], instances[other]].map(|id| graph[id].label.to_string());
        return Err(Failure::Usage(format!(
            "{one} and {other} have different columns, which are no one table\n  help: name one of them"
        )));
    }
    let nullable = |n: usize| schemas.iter().any(|schema| schema.field(n).is_nullable());
    let fields = first.fields().iter().enumerate();
    let fields = fields.map(|(n, field)| field.as_ref().clone().with_nullable(nullable(n)));
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Of what type a column is that has all these values.
fn type_of(values: &[Option<&Value>]) -> DataType {
    let all = |is: fn(&Value) -> bool| values.iter().flatten().all(|value| is(value));
    match (all(Value::is_i64), all(Value::is_number), all(Value::is_boolean)) {
        (true, _, _) => DataType::Int64,
        (_, true, _) => DataType::Float64,
        (_, _, true) => DataType::Boolean,
        _ => DataType::Utf8,
    }
}

/// A column of one value.
fn repeated(of: &DataType, value: Option<&Value>, rows: usize) -> ArrayRef {
    let text = || value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match of {
        DataType::Int64 => Arc::new(Int64Array::from(vec![value.and_then(Value::as_i64); rows])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![value.and_then(Value::as_f64); rows])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![value.and_then(Value::as_bool); rows])),
        _ => Arc::new(StringArray::from(vec![text(); rows])),
    }
}

impl Rows for Swept<'_> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        for part in &self.parts {
            part.rows.each(&mut |piece| {
                let parameters = self.schema.fields().iter().take(self.swept).zip(&part.values);
                let parameters =
                    parameters.map(|(field, value)| repeated(field.data_type(), value.as_ref(), piece.num_rows()));
                let columns = parameters.chain(piece.columns().iter().cloned()).collect();
                let all = RecordBatch::try_new(self.schema.clone(), columns).map_err(|error| FormatError::Unfit {
                    message: format!("a table is not as its columns say: {error}"),
                    hint: None,
                })?;
                take(&all)
            })?;
        }
        Ok(())
    }
}
