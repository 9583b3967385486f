//! `actionfinder table`

use std::path::PathBuf;

use super::common::{Loaded, Parameters, Results};
use super::failure::{Failure, Finished};
use crate::console::{duration, number, print};
use crate::report::{Data, ErrorRow, MEAN, MEAN_ABSOLUTE, StageData, State, summary, symbol};

/// Print the results of pipelines beside the published figures, as a Markdown table.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipelines
    #[arg(required = true)]
    pipelines: Vec<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Prints a line for each comparison and measure, in the order of the files.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let mut text = String::from(
        "| row | measure | ours | median | paper | ours / paper | stars | time |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for pipeline in &args.pipelines {
        let loaded = Loaded::new(pipeline, &args.parameters, &args.results)?;
        let data = loaded.data()?;
        for stage in data.comparisons() {
            let title = title(&data, stage);
            let time = duration(seconds(&data, stage));
            for row in stage.errors.iter().filter(|row| is(row, MEAN_ABSOLUTE)) {
                text.push_str(&line(&title, row, &stage.errors, &time));
            }
        }
        for stage in data.stages.iter().filter(|stage| stage.state != State::Done) {
            text.push_str(&format!("| {}: not done | | | | | | | |\n", stage.label));
        }
    }
    print(&text);
    Ok(Finished::Well)
}

fn is(row: &ErrorRow, statistic: &str) -> bool {
    row.component == MEAN && row.statistic == statistic
}

/// The comparison's `row`, or its name with what is swept.
fn title(data: &Data, stage: &StageData) -> String {
    let row = stage.parameters.get("row").and_then(|row| row.as_str());
    row.map_or_else(
        || format!("{} {}", stage.name, data.setting_line(stage)).trim().to_owned(),
        str::to_owned,
    )
}

fn line(title: &str, row: &ErrorRow, rows: &[ErrorRow], time: &str) -> String {
    let median = rows
        .iter()
        .find(|other| other.measure == row.measure && is(other, "median_absolute"));
    let cell = |value: Option<f64>| {
        value
            .map(|value| summary::with_unit(value, &row.unit))
            .unwrap_or_default()
    };
    let set_aside = match row.set_aside {
        0 => String::new(),
        count => format!(" ({count} set aside)"),
    };
    format!(
        "| {title} | {} | {} | {} | {} | {} | {}{set_aside} | {time} |\n",
        symbol(&row.measure),
        cell(Some(row.value)),
        cell(median.map(|median| median.value)),
        cell(row.paper),
        row.ratio.map(number).unwrap_or_default(),
        row.stars,
    )
}

/// Wall-clock seconds of what learns or estimates on the way to a comparison's predictions; samples and truth are not counted.
fn seconds(data: &Data, stage: &StageData) -> f64 {
    const COUNTED: [&str; 5] = [
        "train_actions",
        "train_potential",
        "train_inverse",
        "estimate_actions",
        "predict",
    ];
    let mut open: Vec<usize> = stage.inputs.first().copied().into_iter().collect();
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0.0;
    while let Some(place) = open.pop() {
        let Some(stage) = data.stages.get(place).filter(|_| seen.insert(place)) else {
            continue;
        };
        if COUNTED.contains(&stage.kind.as_str()) {
            sum += stage.manifest.as_ref().map_or(0.0, |manifest| manifest.seconds);
        }
        open.extend(&stage.inputs);
    }
    sum
}
