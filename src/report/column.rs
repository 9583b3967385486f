//! What can be compared over the points of a sweep: measures of comparisons, and metrics that stages told.

use runner::store::Metric;

use super::data::{Data, StageData};
use super::results::{headline, measures, symbol};

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A measure of a comparison.
    Comparison,
    /// A metric that a stage told.
    Metric,
}

/// One number of the stages of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    of: Of,
    /// Name of the stage, without what is swept.
    pub stage: String,
    /// The measure or metric.
    pub name: String,
}

impl Column {
    /// The measure or metric called `by`: its name, or `stage.name`; the first of several.
    pub fn find(data: &Data, by: &str) -> Option<Self> {
        let metrics = || {
            let stages = data.stages.iter();
            stages.flat_map(|stage| {
                metrics(stage).map(|metric| Self {
                    of: Of::Metric,
                    stage: stage.name.to_string(),
                    name: metric.name.clone(),
                })
            })
        };
        let measured = Self::measured(data).into_iter().find(|column| column.is(by));
        measured.or_else(|| metrics().find(|column| column.is(by)))
    }

    /// A column for each comparison and measure, in the order of the file.
    pub fn measured(data: &Data) -> Vec<Self> {
        let mut columns: Vec<Self> = Vec::new();
        for stage in data.comparisons() {
            for measure in measures(&stage.errors) {
                let column = Self {
                    of: Of::Comparison,
                    stage: stage.name.to_string(),
                    name: measure.to_owned(),
                };
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
        columns
    }

    /// All measures and metrics that there are, as `stage.name`.
    pub fn names(data: &Data) -> Vec<String> {
        let own = Self::measured(data).into_iter();
        let own = own.map(|column| format!("{}.{}", column.stage, column.name));
        let told = data
            .stages
            .iter()
            .flat_map(|stage| metrics(stage).map(move |metric| format!("{}.{}", stage.name, metric.name)));
        let mut known: Vec<String> = Vec::new();
        for name in own.chain(told) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        known
    }

    /// Whether it is meant by a name.
    pub fn is(&self, by: &str) -> bool {
        self.name == by
            || symbol(&self.name) == by
            || by
                .strip_prefix(&self.stage)
                .is_some_and(|rest| rest.strip_prefix('.') == Some(&self.name))
    }

    /// Its stage at each sweep point.
    pub fn stages<'a>(&self, data: &'a Data) -> Vec<Option<&'a StageData>> {
        let mut found = vec![None; data.points.len()];
        for stage in data.stages.iter().filter(|stage| *stage.name == *self.stage) {
            for &point in &stage.points {
                found[point].get_or_insert(stage);
            }
        }
        found
    }

    /// Value and unit, of its stage at a sweep point.
    pub fn value<'a>(&self, stage: &'a StageData) -> Option<(f64, &'a str)> {
        match self.of {
            Of::Comparison => headline(&stage.errors, &self.name).map(|row| (row.value, row.unit.as_str())),
            // The last word counts: a metric may be told more than once.
            Of::Metric => metrics(stage)
                .rfind(|metric| metric.name == self.name)
                .map(|metric| (metric.value, metric.unit.as_str())),
        }
    }
}

fn metrics(stage: &StageData) -> impl DoubleEndedIterator<Item = &Metric> {
    stage.manifest.iter().flat_map(|manifest| &manifest.metrics)
}
