//! `actionfinder table`

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use runner::stage::Role;

use super::answers::{TableRow, Tabulated, finite};
use super::common::{Loaded, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{answer, count, duration, one_line, say, significant};
use crate::report::{Data, ErrorRow, MEAN, MEAN_ABSOLUTE, StageData, State, summary, symbol};

/// Print the results of pipelines beside the published figures, as a Markdown table.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipelines
    #[arg(required = true)]
    pipelines: Vec<PathBuf>,
    /// Only these measures, such as delta_J; may be repeated
    #[arg(long = "measure", value_name = "NAME")]
    measures: Vec<String>,
    /// Only rows with this in their title; may be repeated
    #[arg(long = "row", value_name = "TEXT")]
    rows: Vec<String>,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Prints a line for each comparison and measure, in the order of the files, then one for each row that has results still to come, then
/// the findings.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let (mut found, mut open, mut findings) = (Lines::default(), String::new(), String::new());
    let (mut not_done, mut sentences) = (BTreeMap::new(), Vec::new());
    let is_row = |title: &str| args.rows.is_empty() || args.rows.iter().any(|text| title.contains(text));
    for pipeline in &args.pipelines {
        let loaded = Loaded::new(pipeline, &args.parameters, &args.results)?;
        let data = loaded.data()?;
        for stage in data.comparisons() {
            gather(&mut found, &data, stage);
        }
        let missing: Vec<&StageData> = data.stages.iter().filter(|stage| stage.state != State::Done).collect();
        for (title, runs) in unfinished(&data, &missing) {
            if is_row(&title) {
                *not_done.entry(title.clone()).or_insert(0) += runs;
                let title = one_line(&title).replace('|', "\\|");
                open.push_str(&format!("| {title}: {runs} not done{}\n", " |".repeat(COLUMNS.len())));
            }
        }
        for line in summary::findings(&data) {
            findings.push_str(&format!("\n{line}\n"));
            sentences.push(line);
        }
        if !missing.is_empty() {
            let all = count(data.stages.len(), "stage");
            say(&format!("{}: {} of {all} not done", pipeline.display(), missing.len()));
        }
    }
    let rule = " --- |".repeat(COLUMNS.len());
    let is_measure = |measure: &String| args.measures.is_empty() || args.measures.contains(measure);
    let wanted = found
        .lines
        .iter()
        .filter(|line| is_measure(&line.measure) && is_row(&line.title));
    answer(
        || Tabulated {
            rows: wanted.clone().map(Line::row).collect(),
            not_done,
            findings: sentences,
        },
        || {
            let lines: String = wanted.clone().map(Line::markdown).collect();
            format!("| {} |\n|{rule}\n{lines}{open}{findings}", COLUMNS.join(" | "))
        },
    );
    Ok(Finished::Well)
}

/// Titles of comparisons that are among the missing stages, and how many of each.
fn unfinished(data: &Data, missing: &[&StageData]) -> Vec<(String, usize)> {
    let mut rows: Vec<(String, usize)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for stage in missing.iter().filter(|stage| stage.compares) {
        let title = title(data, stage);
        match places.get(&title) {
            Some(&place) => rows[place].1 += 1,
            None => {
                places.insert(title.clone(), rows.len());
                rows.push((title, 1));
            }
        }
    }
    rows
}

const COLUMNS: [&str; 10] = [
    "row",
    "measure",
    "ours",
    "median",
    "paper",
    "ours / paper",
    "runs",
    "stars",
    "time",
    "device",
];

/// One measure of all comparisons that have one title: with several seeds there are several.
struct Line {
    title: String,
    measure: String,
    unit: String,
    means: Vec<f64>,
    /// The bits of these.
    seen: HashSet<u64>,
    medians: Vec<f64>,
    paper: Option<f64>,
    stars: i64,
    set_aside: i64,
    seconds: Vec<f64>,
    devices: BTreeSet<String>,
}

/// The lines of a table in their order, and where each is.
#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    places: HashMap<(String, String, String), usize>,
}

/// Puts the measures of a comparison into their lines.
fn gather(found: &mut Lines, data: &Data, stage: &StageData) {
    let title = title(data, stage);
    let (seconds, devices) = cost(data, stage);
    for row in stage.errors.iter().filter(|row| is(row, MEAN_ABSOLUTE)) {
        let next = found.lines.len();
        let key = (title.clone(), row.measure.clone(), row.unit.clone());
        let place = *found.places.entry(key).or_insert(next);
        if place == next {
            found.lines.push(Line::new(&title, row));
        }
        let median = stage
            .errors
            .iter()
            .find(|other| other.measure == row.measure && is(other, "median_absolute"));
        let line = &mut found.lines[place];
        // The same to the last digit is the same data by another way through the sweep, not another run.
        if !line.seen.insert(row.value.to_bits()) {
            continue;
        }
        line.means.push(row.value);
        line.medians.extend(median.map(|median| median.value));
        line.stars = line.stars.max(row.stars);
        line.set_aside = line.set_aside.max(row.set_aside);
        line.seconds.push(seconds);
        line.devices.extend(devices.iter().cloned());
    }
}

impl Line {
    fn new(title: &str, row: &ErrorRow) -> Self {
        Self {
            title: title.to_owned(),
            measure: row.measure.clone(),
            unit: row.unit.clone(),
            means: Vec::new(),
            seen: HashSet::new(),
            medians: Vec::new(),
            paper: row.paper,
            stars: 0,
            set_aside: 0,
            seconds: Vec::new(),
            devices: BTreeSet::new(),
        }
    }

    fn row(&self) -> TableRow {
        let middle = |values: &[f64]| Range::of(values).and_then(|range| finite(range.middle));
        let value = middle(&self.means);
        TableRow {
            row: self.title.clone(),
            measure: self.measure.clone(),
            unit: self.unit.clone(),
            runs: self.means.iter().map(|mean| finite(*mean)).collect(),
            value,
            median: middle(&self.medians),
            paper: self.paper,
            ratio: value.zip(self.paper).map(|(value, paper)| value / paper),
            stars: self.stars,
            set_aside: self.set_aside,
            seconds: middle(&self.seconds),
            devices: self.devices.iter().cloned().collect(),
        }
    }

    fn markdown(&self) -> String {
        let unit = |value: f64| summary::beside_unit(two_digits(value), &self.unit);
        let (ours, medians) = (Range::of(&self.means), Range::of(&self.medians));
        let ratio = ours.as_ref().zip(self.paper).map(|(ours, paper)| ours.middle / paper);
        let set_aside = match self.set_aside {
            0 => String::new(),
            count => format!(" ({count} set aside)"),
        };
        let cells = [
            self.title.clone(),
            symbol(&self.measure).to_owned(),
            ours.map(|range| range.text(unit)).unwrap_or_default(),
            medians.map(|range| range.text(unit)).unwrap_or_default(),
            self.paper.map(unit).unwrap_or_default(),
            ratio.map(two_digits).unwrap_or_default(),
            self.means.len().to_string(),
            format!("{}{set_aside}", self.stars),
            Range::of(&self.seconds)
                .map(|range| duration(range.middle))
                .unwrap_or_default(),
            self.devices.iter().cloned().collect::<Vec<_>>().join(", "),
        ];
        // A bar or a line break in a title must not make cells of its own.
        let cells = cells.map(|cell| one_line(&cell).replace('|', "\\|"));
        format!("| {} |\n", cells.join(" | "))
    }
}

/// The median of some runs, with the least and the greatest.
struct Range {
    least: f64,
    middle: f64,
    greatest: f64,
}

impl Range {
    /// `None` of nothing.
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let middle = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            (sorted[half - 1] + sorted[half]) / 2.0
        };
        Some(Self {
            least,
            middle,
            greatest,
        })
    }

    fn text(&self, unit: impl Fn(f64) -> String) -> String {
        let middle = unit(self.middle);
        if self.least == self.greatest {
            return middle;
        }
        format!("{middle} ({} to {})", two_digits(self.least), two_digits(self.greatest))
    }
}

/// More digits than these differ from seed to seed.
fn two_digits(value: f64) -> String {
    significant(value, 2)
}

fn is(row: &ErrorRow, statistic: &str) -> bool {
    row.component == MEAN && row.statistic == statistic
}

/// The comparison's `row`, or its name with what is swept.
fn title(data: &Data, stage: &StageData) -> String {
    stage.row.as_deref().map_or_else(
        || format!("{} {}", stage.name, data.setting_line(stage)).trim().to_owned(),
        str::to_owned,
    )
}

/// Wall-clock seconds of what learns or estimates on the way to a comparison's predictions, and where it ran; samples and truth are not
/// counted.
fn cost(data: &Data, stage: &StageData) -> (f64, BTreeSet<String>) {
    let mut open: Vec<usize> = stage.inputs.first().copied().into_iter().collect();
    let mut seen = BTreeSet::new();
    let (mut sum, mut devices) = (0.0, BTreeSet::new());
    while let Some(place) = open.pop() {
        let Some(stage) = data.stages.get(place).filter(|_| seen.insert(place)) else {
            continue;
        };
        let counts = matches!(stage.role, Role::Learn | Role::Apply);
        if let Some(manifest) = stage.manifest.as_ref().filter(|_| counts) {
            sum += manifest.seconds;
            devices.insert(manifest.device.clone());
        }
        open.extend(&stage.inputs);
    }
    (sum, devices)
}
