//! `actionfinder sweep`

use std::path::PathBuf;

use runner::store::Metric;

use super::common::{Loaded, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{align, print};
use crate::report::{Data, StageData, headline, measures, plain, summary, symbol};

/// Show all points of a sweep with their results, best first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
    /// Measure to order by, or a metric of a stage, such as actions.spread_validation [default: the first measure]
    #[arg(long, value_name = "MEASURE")]
    by: Option<String>,
}

/// Prints one line for each sweep point.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = Loaded::new(&args.pipeline, &args.parameters, &args.results)?;
    let data = loaded.data()?;
    let mut columns = measured(&data);
    let by = match &args.by {
        None => 0,
        Some(by) => match columns.iter().position(|column| column.is(by)) {
            Some(place) => place,
            // Numbers that stages tell of themselves are many: only the one that is asked for gets a column.
            None => {
                columns.push(told(&data, by).ok_or_else(|| nothing_called(by, &data, &columns))?);
                columns.len() - 1
            }
        },
    };
    // Parts of a pipeline that vary independently have points of their own.
    let mut swept: Vec<&str> = Vec::new();
    for (name, _) in data.points.iter().flatten() {
        if !swept.contains(&&**name) {
            swept.push(name);
        }
    }
    let found: Vec<Vec<Option<&StageData>>> = columns.iter().map(|column| column.stages(&data)).collect();
    let mut findings: Vec<Option<&str>> = vec![None; data.points.len()];
    for (stage, title, _) in data.findings() {
        for &point in &stage.points {
            findings[point].get_or_insert(title);
        }
    }
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for (n, point) in data.points.iter().enumerate() {
        let cell = |name: &&str| {
            let value = point
                .iter()
                .find(|(own, _)| **own == **name)
                .map(|(_, value)| plain(value));
            value.unwrap_or_else(|| "-".to_owned())
        };
        let mut cells: Vec<String> = swept.iter().map(cell).collect();
        let mut key = f64::INFINITY;
        for (place, column) in columns.iter().enumerate() {
            let found = found[place][n].and_then(|stage| column.value(stage));
            if place == by {
                key = found.map_or(f64::INFINITY, |(value, _)| value);
            }
            cells.push(found.map_or_else(|| "-".to_owned(), |(value, unit)| summary::with_unit(value, unit)));
        }
        cells.push(findings[n].unwrap_or_default().to_owned());
        rows.push((key, cells));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let several = columns.iter().any(|column| column.stage != columns[0].stage);
    let heading = |column: &Column| {
        if several {
            format!("{} {}", column.stage, symbol(&column.name))
        } else {
            symbol(&column.name).to_owned()
        }
    };
    let mut lines = vec![
        swept
            .iter()
            .map(|name| (*name).to_owned())
            .chain(columns.iter().map(heading))
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows.into_iter().map(|(_, cells)| cells));
    let right: Vec<usize> = (0..swept.len() + columns.len()).collect();
    print(&align(&lines, &right));
    Ok(Finished::Well)
}

/// What stands in a column.
#[derive(PartialEq)]
enum Of {
    /// A measure of a comparison.
    Comparison,
    /// A metric that a stage told.
    Metric,
}

#[derive(PartialEq)]
struct Column {
    of: Of,
    /// Name of the stage, without what is swept.
    stage: String,
    name: String,
}

impl Column {
    fn is(&self, by: &str) -> bool {
        self.name == by
            || symbol(&self.name) == by
            || by
                .strip_prefix(&self.stage)
                .is_some_and(|rest| rest.strip_prefix('.') == Some(&self.name))
    }

    /// Its stage at each sweep point.
    fn stages<'a>(&self, data: &'a Data) -> Vec<Option<&'a StageData>> {
        let mut found = vec![None; data.points.len()];
        for stage in data.stages.iter().filter(|stage| *stage.name == *self.stage) {
            for &point in &stage.points {
                found[point].get_or_insert(stage);
            }
        }
        found
    }

    /// Value and unit, of its stage at a sweep point.
    fn value<'a>(&self, stage: &'a StageData) -> Option<(f64, &'a str)> {
        match self.of {
            Of::Comparison => headline(&stage.errors, &self.name).map(|row| (row.value, row.unit.as_str())),
            // The last word counts: a metric may be told more than once.
            Of::Metric => metrics(stage)
                .rfind(|metric| metric.name == self.name)
                .map(|metric| (metric.value, metric.unit.as_str())),
        }
    }
}

/// A column for each comparison and measure, in the order of the file.
fn measured(data: &Data) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for stage in data.comparisons() {
        for measure in measures(&stage.errors) {
            let column = Column {
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

fn metrics(stage: &StageData) -> impl DoubleEndedIterator<Item = &Metric> {
    stage.manifest.iter().flat_map(|manifest| &manifest.metrics)
}

/// The metric called `by`, or `stage.metric`, of the first stage that has one.
fn told(data: &Data, by: &str) -> Option<Column> {
    let mut all = data.stages.iter().flat_map(|stage| {
        metrics(stage).map(|metric| Column {
            of: Of::Metric,
            stage: stage.name.to_string(),
            name: metric.name.clone(),
        })
    });
    all.find(|column| column.is(by))
}

fn nothing_called(by: &str, data: &Data, columns: &[Column]) -> Failure {
    let own = columns.iter().map(|column| column.name.as_str());
    let told = data
        .stages
        .iter()
        .flat_map(|stage| metrics(stage).map(|metric| metric.name.as_str()));
    let mut known: Vec<&str> = Vec::new();
    for name in own.chain(told) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    Failure::Usage(format!(
        "there are no results for {by}; there are: {}",
        known.join(", ")
    ))
}
