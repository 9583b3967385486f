//! `sweep:`. Each axis, each group of rows and each `zip` is a dimension of its own: a stage has an instance for every
//! combination of the dimensions that it depends on, and for nothing else.

mod combinations;
mod search;
mod values;
mod written;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(super) use self::combinations::Combinations;
pub(super) use self::search::search;
pub(super) use self::values::values;
pub(super) use self::written::{Section, Written, WrittenColumn, written};
use super::parameters::has_reference;

/// More instances of one stage than anybody wants.
pub(super) const MOST_POINTS: usize = 100_000;

/// A swept parameter.
pub(super) struct Column {
    /// The use of a file whose parameter it is.
    pub scope: usize,
    /// Its name there.
    pub parameter: String,
    /// Its name in the pipeline: `galaxies.potential`.
    pub name: Arc<str>,
    /// Dimension that it belongs to.
    pub dimension: usize,
    /// Where its values are written.
    pub section: Section,
    /// Its value in each row; `None` where the parameter's own value is meant, and depends on others.
    pub values: Vec<Option<Arc<Value>>>,
    /// For each row, the first with the same value.
    pub same: Vec<usize>,
    /// For each row, its place in the file; `None` where it leaves this column out.
    rows: Vec<Option<usize>>,
}

impl Column {
    /// Where its value in a row is written; `None` where the row leaves it out.
    pub fn place(&self, row: usize) -> Option<Vec<String>> {
        self.section.place(&self.parameter, (*self.rows.get(row)?)?)
    }
}

/// Rows that are taken one after the other, whatever other dimensions do.
pub(super) struct Dimension {
    /// Its columns.
    pub columns: Range<usize>,
    /// How many rows it has.
    pub length: usize,
    /// Which rows are possible, where that depends on other dimensions.
    condition: Option<Condition>,
}

struct Condition {
    outer: Combinations,
    /// For each combination of those, and each row.
    allowed: Vec<bool>,
}

/// The sweeps of a pipeline and of all that it uses.
#[derive(Default)]
pub(super) struct Sweep {
    /// Swept parameters.
    pub columns: Vec<Column>,
    /// What varies independently.
    pub dimensions: Vec<Dimension>,
}

impl Sweep {
    /// A setting for each dimension: the first row.
    pub fn settings(&self) -> Vec<usize> {
        vec![0; self.dimensions.len()]
    }

    /// Adds a dimension with some rows of what is written; what they leave out is as in `params`.
    pub fn add(
        &mut self,
        scope: usize,
        prefix: &str,
        written: &Written,
        rows: &[usize],
        params: Option<&Map<String, Value>>,
    ) -> usize {
        let (first, dimension) = (self.columns.len(), self.dimensions.len());
        for column in &written.columns {
            let default = params.and_then(|params| params.get(&column.parameter));
            let default = default.filter(|default| !has_reference(default));
            let default = default.map(|default| Arc::new(default.clone()));
            let values = rows
                .iter()
                .map(|&row| column.values[row].as_ref().or(default.as_ref()).cloned());
            let values: Vec<Option<Arc<Value>>> = values.collect();
            // Equal values share one index, so that points that agree share their stages.
            let mut known = HashMap::new();
            let same = values.iter().enumerate().map(|(row, value)| {
                let text = value.as_ref().map(ToString::to_string);
                *known.entry(text).or_insert(row)
            });
            self.columns.push(Column {
                scope,
                parameter: column.parameter.clone(),
                name: format!("{prefix}{}", column.parameter).into(),
                dimension,
                section: column.section.clone(),
                same: same.collect(),
                rows: column.written_rows(rows),
                values,
            });
        }
        self.dimensions.push(Dimension {
            columns: first..self.columns.len(),
            length: rows.len(),
            condition: None,
        });
        dimension
    }

    /// Notes which rows of a dimension are possible, for each combination of others.
    pub fn allow(&mut self, dimension: usize, outer: Combinations, allowed: Vec<bool>) {
        self.dimensions[dimension].condition = Some(Condition { outer, allowed });
    }

    /// Whether the rows that are set for `dimensions` are possible together.
    pub(in crate::spec) fn allows(&self, dimensions: &[usize], settings: &[usize]) -> bool {
        dimensions.iter().all(|&index| {
            let dimension = &self.dimensions[index];
            let allows = |condition: &Condition| {
                condition.allowed[condition.outer.index(settings) * dimension.length + settings[index]]
            };
            dimension.condition.as_ref().is_none_or(allows)
        })
    }
}
