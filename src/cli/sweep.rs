//! `actionfinder sweep`

use std::path::PathBuf;

use super::align;
use super::common::{Loaded, Parameters, Results};
use super::failure::{Failure, Finished};
use crate::console::print;
use crate::report::{headline, measures, plain, summary, symbol};

/// Show all points of a sweep with their results, best first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
    /// Measure to order by [default: the first]
    #[arg(long, value_name = "MEASURE")]
    by: Option<String>,
}

/// Prints one line for each sweep point.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = Loaded::new(&args.pipeline, &args.parameters, &args.results)?;
    let data = loaded.data()?;
    // A column for each comparison and measure, in the order of the file.
    let mut columns: Vec<(&str, &str)> = Vec::new();
    for stage in data.comparisons() {
        for measure in measures(&stage.errors) {
            if !columns.contains(&(&stage.name, measure)) {
                columns.push((&stage.name, measure));
            }
        }
    }
    let by = match &args.by {
        None => 0,
        Some(by) => columns
            .iter()
            .position(|(_, measure)| measure == by || symbol(measure) == by)
            .ok_or_else(|| {
                let known: Vec<&str> = columns.iter().map(|(_, measure)| *measure).collect();
                Failure::Usage(format!(
                    "there are no results for {by}; there are: {}",
                    known.join(", ")
                ))
            })?,
    };
    let swept: Vec<String> = data
        .points
        .first()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for (n, point) in data.points.iter().enumerate() {
        let mut cells: Vec<String> = point.iter().map(|(_, value)| plain(value)).collect();
        let mut key = f64::INFINITY;
        for (column, (name, measure)) in columns.iter().enumerate() {
            let stage = data
                .comparisons()
                .find(|stage| stage.name == *name && stage.points.contains(&n));
            let row = stage.and_then(|stage| headline(&stage.errors, measure));
            if column == by {
                key = row.map_or(f64::INFINITY, |row| row.value);
            }
            cells.push(
                row.map(|row| summary::with_unit(row.value, &row.unit))
                    .unwrap_or_else(|| "-".to_owned()),
            );
        }
        let finding = data.findings().find(|(stage, ..)| stage.points.contains(&n));
        cells.push(finding.map(|(_, title, _)| title.to_owned()).unwrap_or_default());
        rows.push((key, cells));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let several = columns.iter().any(|(name, _)| *name != columns[0].0);
    let heading = |(name, measure): &(&str, &str)| {
        if several {
            format!("{name} {}", symbol(measure))
        } else {
            symbol(measure).to_owned()
        }
    };
    let mut lines = vec![
        swept
            .iter()
            .cloned()
            .chain(columns.iter().map(heading))
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows.into_iter().map(|(_, cells)| cells));
    let right: Vec<usize> = (0..swept.len() + columns.len()).collect();
    print(&align(&lines, &right));
    Ok(Finished::Well)
}
