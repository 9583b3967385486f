//! What commands print with `--json`: one object, whose fields are these. `explain answers` lists them, `schema --of COMMAND` has them for
//! programs, and a test holds every command to them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde_json::Value;

use crate::report::{Data, State, outside_tolerance};

/// Commands with an answer, each with its schema; `runs` has five.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("run", schema_for!(Ran)),
        ("plan", schema_for!(Planned)),
        ("why", schema_for!(Why)),
        ("status", schema_for!(Status)),
        ("show", schema_for!(Shown)),
        ("export", schema_for!(Exported)),
        ("import", schema_for!(Imported)),
        ("graph", schema_for!(Drawn)),
        ("sweep", schema_for!(Swept)),
        ("table", schema_for!(Tabulated)),
        ("compare", schema_for!(Compared)),
        ("report", schema_for!(Reported)),
        ("runs", schema_for!(Recorded)),
        ("runs where", schema_for!(Origins)),
        ("runs diff", schema_for!(Differences)),
        ("runs note", schema_for!(RunRow)),
        ("runs restore", schema_for!(Restored)),
        ("cancel", schema_for!(Cancelled)),
        ("cache status", schema_for!(CacheStatus)),
        ("cache push", schema_for!(CachePushed)),
        ("cache pull", schema_for!(CachePulled)),
        ("cache gc", schema_for!(Collected)),
        ("cache verify", schema_for!(CacheVerified)),
        ("explain", schema_for!(Explained)),
        ("doctor", schema_for!(Examined)),
        ("actions", schema_for!(Ran)),
        ("predict", schema_for!(Ran)),
        ("new", schema_for!(Begun)),
        ("fmt", schema_for!(Rewritten)),
    ]
}

/// A pipeline that was run: how it stands, and its report.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ran {
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
    /// The report; missing where it could not be written.
    pub report: Option<String>,
}

/// How a pipeline stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    /// Its name.
    pub pipeline: String,
    /// Every stage at every point of the sweep.
    pub stages: Vec<StageStatus>,
    /// Means over components, of every comparison.
    pub results: Vec<ResultRow>,
    /// Findings, and comparisons outside their tolerance.
    pub findings: Vec<FindingRow>,
}

/// How a stage stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StageStatus {
    /// Its name, with what is swept.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// done, failed, unfinished, skipped or not run.
    pub state: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// Seconds that it took.
    pub seconds: Option<f64>,
    /// Where it ran: cpu or cuda:0.
    pub device: Option<String>,
    /// What it told of itself: numbers by name.
    pub metrics: BTreeMap<String, Option<f64>>,
}

/// A result of a comparison.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ResultRow {
    /// The comparison, with what is swept.
    pub stage: String,
    /// Its row of the paper's table, or its name.
    pub title: String,
    /// Such as delta_J.
    pub measure: String,
    /// phi, z, r, …, or mean.
    pub component: String,
    /// Mean absolute error, in `unit`.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Divided by the mean size of what it is compared with.
    pub relative: Option<f64>,
    /// The paper's figure, in `unit`.
    pub paper: Option<f64>,
    /// Value over the paper's.
    pub ratio: Option<f64>,
    /// Stars compared.
    pub stars: i64,
    /// Stars set aside.
    pub set_aside: i64,
    /// What makes the comparison with the paper uneven.
    pub note: Option<String>,
}

/// A finding.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingRow {
    /// The stage, with what is swept.
    pub stage: String,
    /// Whether it is that a comparison is outside its tolerance.
    pub outside_tolerance: bool,
    /// What was found.
    pub title: String,
    /// More of it; may be empty.
    pub detail: String,
}

/// What would run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Planned {
    /// The pipeline.
    pub pipeline: String,
    /// Stages that would run now.
    pub stale: usize,
    /// Stages that wait for these.
    pub waiting: usize,
    /// Stages that are done.
    pub fresh: usize,
    /// Every stage that was asked for.
    pub stages: Vec<PlannedStage>,
}

/// What a stage would do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlannedStage {
    /// Its name, with what is swept.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// fresh, run, after or skip.
    pub state: String,
    /// Why, or after which stage.
    pub reason: Option<String>,
}

/// Why a stage would run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Why {
    /// The stage.
    pub stage: String,
    /// Sentences.
    pub reasons: Vec<String>,
}

/// The outputs of a pipeline, or one file.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Shown {
    /// The outputs, where a pipeline alone was named.
    pub outputs: Vec<OutputRow>,
    /// The file that is shown.
    pub file: Option<String>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// Rows of a table.
    pub rows: Option<usize>,
    /// Columns of a table.
    pub columns: Vec<ColumnRow>,
    /// The first rows of a table: texts, numbers and null by column.
    pub first: Vec<BTreeMap<String, Value>>,
    /// What a network says of itself.
    pub about: BTreeMap<String, String>,
    /// Tensors of a network, each with its shape.
    pub tensors: BTreeMap<String, Vec<u64>>,
}

/// An output of a pipeline.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OutputRow {
    /// `stage.port`.
    pub output: String,
    /// table, network, figure or file.
    pub what: String,
    /// Rows of a table.
    pub rows: Option<u64>,
    /// Its file; null where it is not made yet.
    pub file: Option<String>,
}

/// A column of a table.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ColumnRow {
    /// Its name.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub of: String,
    /// Its unit; empty for none.
    pub unit: String,
    /// Its frame; empty for none.
    pub frame: String,
    /// What it holds.
    pub description: String,
}

/// A file that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Exported {
    /// The file.
    pub file: String,
}

/// The graph of stages.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Drawn {
    /// Kinds by name of the stage.
    pub stages: BTreeMap<String, String>,
    /// Connections.
    pub connections: Vec<Connection>,
}

/// A connection.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Connection {
    /// The stage that writes.
    pub from: String,
    /// Its output.
    pub output: String,
    /// The stage that reads.
    pub to: String,
    /// Its input.
    pub input: String,
}

/// Points of a sweep, best first, or trials of a search.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Swept {
    /// What they are ordered by.
    pub by: Vec<String>,
    /// The points.
    pub points: Vec<SweptPoint>,
}

/// A point of a sweep.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SweptPoint {
    /// Values of the swept parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Numbers by measure, with the name of their stage: `errors.delta_J`.
    pub results: BTreeMap<String, Option<f64>>,
    /// Standard deviations of the numbers over seeds, where there are several.
    pub standard_deviations: BTreeMap<String, Option<f64>>,
    /// Points that are one here, as they differ in nothing but seeds.
    pub runs: usize,
    /// What was found, or how a trial stands.
    pub note: String,
}

/// The results of pipelines beside the published figures.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tabulated {
    /// A line for each comparison and measure.
    pub rows: Vec<TableRow>,
    /// Comparisons that are not done, each with how many runs are left.
    pub not_done: BTreeMap<String, usize>,
    /// Findings, in a sentence each.
    pub findings: Vec<String>,
}

/// A line of the table of results. With several runs, numbers are their medians.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TableRow {
    /// The comparison.
    pub row: String,
    /// Such as delta_J.
    pub measure: String,
    /// Unit of all errors.
    pub unit: String,
    /// Mean absolute error of each run.
    pub runs: Vec<Option<f64>>,
    /// Median over the runs.
    pub value: Option<f64>,
    /// Median over stars; of several runs, the median of these.
    pub median: Option<f64>,
    /// The paper's figure.
    pub paper: Option<f64>,
    /// Value over the paper's.
    pub ratio: Option<f64>,
    /// Stars compared.
    pub stars: i64,
    /// Stars set aside.
    pub set_aside: i64,
    /// Seconds of all that learns or estimates on the way.
    pub seconds: Option<f64>,
    /// Where it ran.
    pub devices: Vec<String>,
}

/// Two sides, side by side.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Compared {
    /// The left side.
    pub left: String,
    /// The right side.
    pub right: String,
    /// What both have.
    pub rows: Vec<ComparedRow>,
}

/// An error on both sides.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparedRow {
    /// The comparison.
    pub stage: String,
    /// Such as delta_J.
    pub measure: String,
    /// Its component.
    pub component: String,
    /// mean_absolute, median_absolute or root_mean_square.
    pub statistic: String,
    /// Unit of both.
    pub unit: String,
    /// On the left.
    pub left: Option<f64>,
    /// On the right.
    pub right: Option<f64>,
}

/// A report that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reported {
    /// The page.
    pub report: String,
    /// Stages that are not done.
    pub not_done: usize,
}

/// The recorded runs, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Recorded {
    /// The runs.
    pub runs: Vec<RunRow>,
}

/// A recorded run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunRow {
    /// Its name.
    pub run: String,
    /// The pipeline's file.
    pub file: String,
    /// When it began, RFC 3339 in UTC.
    pub began: String,
    /// When it ended; null where it has not, or was killed.
    pub ended: Option<String>,
    /// Results that it needs.
    pub stages: usize,
    /// The program.
    pub program: String,
    /// What was set on the command line.
    pub set: BTreeMap<String, String>,
    /// Stages it was asked to run to.
    pub to: Vec<String>,
    /// How it ended: well, outside tolerance, failed or interrupted; null where it has not.
    pub how: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// What was noted of it.
    pub notes: Vec<String>,
}

/// The pipeline of a run, written into a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Restored {
    /// The files; the first is the pipeline.
    pub files: Vec<String>,
    /// The command that runs it again.
    pub command: String,
    /// Whether names of files that it uses are others here.
    pub renamed: bool,
}

/// Jobs of a pipeline that were ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cancelled {
    /// The pipeline.
    pub pipeline: String,
    /// How many waited or ran.
    pub jobs: usize,
}

/// Where a file comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Origins {
    /// Every entry of the cache with this content.
    pub origins: Vec<Origin>,
}

/// An entry of the cache.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Origin {
    /// The output's file name.
    pub file: String,
    /// The kind of stage.
    pub kind: String,
    /// Its folder.
    pub folder: String,
    /// When it was made, RFC 3339 in UTC.
    pub made: Option<String>,
    /// By which program.
    pub program: Option<String>,
    /// Parameters of the stage.
    pub parameters: BTreeMap<String, Value>,
    /// Runs that need it.
    pub runs: Vec<String>,
}

/// What differs between two runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Differences {
    /// One thing each; none where the runs do not differ.
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Difference {
    /// What.
    pub what: String,
    /// On the left, in words.
    pub left: String,
    /// On the right.
    pub right: String,
}

/// Results that were taken in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Imported {
    /// Stages whose outputs it has.
    pub stages: usize,
    /// Those that were not here before.
    pub new: usize,
    /// Bytes of all its files, unpacked.
    pub bytes: u64,
    /// The results folder.
    pub results: String,
    /// The pipeline's file, where it was unpacked.
    pub pipeline: Option<String>,
}

/// Where a shared cache is, and what is there and here.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct CacheStatus {
    /// The results folder.
    pub results: String,
    /// Entries here.
    pub here: usize,
    /// Entries that are known to be in the shared cache, and were not fetched.
    pub away: usize,
    /// The shared cache, if one is named.
    pub remote: Option<String>,
    /// read or read-write.
    pub mode: Option<String>,
    /// Why it does not answer.
    pub problem: Option<String>,
    /// Entries in it, by kind.
    pub entries: BTreeMap<String, usize>,
    /// Files of outputs in it.
    pub files: usize,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What was put into a shared cache.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachePushed {
    /// Entries that were put there.
    pub written: usize,
    /// Bytes of their outputs, without those that were there.
    pub bytes: u64,
    /// Entries that were there.
    pub there: usize,
    /// Entries that are damaged here, and were left out.
    pub damaged: usize,
}

/// What was fetched from a shared cache.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachePulled {
    /// Entries that were fetched.
    pub fetched: usize,
    /// Bytes of their outputs.
    pub bytes: u64,
    /// Entries that were here.
    pub here: usize,
    /// Stages whose outputs are not to be had.
    pub missing: usize,
}

/// What hashing all that is kept has shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CacheVerified {
    /// Entries that are as they were written.
    pub whole: usize,
    /// Files of outputs.
    pub files: usize,
    /// Bytes of those that are as they were written.
    pub bytes: u64,
    /// Entries that are not.
    pub damaged: Vec<DamagedEntry>,
    /// What lies among the entries and belongs to none.
    pub unknown: Vec<String>,
    /// Whether what is damaged was removed.
    pub removed: bool,
}

/// An entry that is not as it was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DamagedEntry {
    /// Its folder.
    pub folder: String,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// What no recorded run needs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Collected {
    /// Recorded runs that are kept.
    pub kept: Vec<String>,
    /// Recorded runs that are dropped.
    pub dropped: Vec<String>,
    /// Folders that no run needs, with their size in bytes.
    pub unused: BTreeMap<String, u64>,
    /// Whether they were removed.
    pub removed: bool,
}

/// Pages of reference.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explained {
    /// The pages that were asked for; the list of all has no texts.
    pub pages: Vec<PageRow>,
}

/// A page of reference.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PageRow {
    /// What is explained.
    pub name: String,
    /// In a line.
    pub about: String,
    /// Markdown.
    pub text: Option<String>,
}

/// What `doctor` looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Examined {
    /// Whether all is well.
    pub sound: bool,
    /// Each thing it looked at.
    pub checks: Vec<Check>,
}

/// A thing that was looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it is well.
    pub sound: bool,
    /// What there is, or what is wrong.
    pub says: String,
    /// What to do, where something is wrong.
    pub help: Option<String>,
}

/// A pipeline that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Begun {
    /// Its file.
    pub file: String,
    /// What was found in the table that it is for.
    pub found: Vec<String>,
}

/// Pipelines that were rewritten.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rewritten {
    /// Lines, each with its file: a change, or what is left.
    pub lines: Vec<String>,
    /// Whether anything changed, or would.
    pub changed: bool,
}

/// A number that JSON has a form for.
pub fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

impl Status {
    /// What is known of a pipeline.
    pub fn of(data: &Data) -> Self {
        let stages = data.stages.iter().map(|stage| {
            let (state, reason) = match &stage.state {
                State::Done => ("done", None),
                State::Failed { message, .. } => ("failed", Some(message.clone())),
                State::Skipped { because } => ("skipped", Some(format!("because of {because}"))),
                State::Unfinished { .. } => ("unfinished", None),
                State::NotRun => ("not run", None),
            };
            let manifest = stage.manifest.as_ref();
            let metrics = manifest.iter().flat_map(|manifest| &manifest.metrics);
            StageStatus {
                stage: stage.label.to_string(),
                kind: stage.kind.clone(),
                state: state.to_owned(),
                reason,
                seconds: manifest.map(|manifest| manifest.seconds),
                device: manifest.map(|manifest| manifest.device.clone()),
                metrics: metrics
                    .map(|metric| (metric.name.clone(), finite(metric.value)))
                    .collect(),
            }
        });
        let results = data.comparisons().flat_map(|stage| {
            let rows = stage.errors.iter();
            rows.filter(|row| row.statistic == crate::report::MEAN_ABSOLUTE)
                .map(move |row| ResultRow {
                    stage: stage.label.to_string(),
                    title: data.title(stage),
                    measure: row.measure.clone(),
                    component: row.component.clone(),
                    value: finite(row.value),
                    unit: row.unit.clone(),
                    relative: finite(row.relative),
                    paper: row.paper,
                    ratio: row.ratio,
                    stars: row.stars,
                    set_aside: row.set_aside,
                    note: stage.unevenness().filter(|_| row.paper.is_some()),
                })
        });
        let found = data.findings().map(|(stage, title, detail)| FindingRow {
            stage: stage.label.to_string(),
            outside_tolerance: false,
            title: title.to_owned(),
            detail: detail.to_owned(),
        });
        let outside = outside_tolerance(data).map(|(stage, text)| FindingRow {
            stage: stage.label.to_string(),
            outside_tolerance: true,
            title: text.to_owned(),
            detail: String::new(),
        });
        Self {
            pipeline: data.pipeline.clone(),
            stages: stages.collect(),
            results: results.collect(),
            findings: found.chain(outside).collect(),
        }
    }
}
