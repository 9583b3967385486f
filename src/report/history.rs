//! Results and metrics as columnar tables: `metrics.parquet` for the pipeline as it stands, and `history.parquet` with
//! every result that was ever reported, over all runs and sweep points.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use runner::arrow_schema::{DataType, Schema};
use runner::ports::column;
use tables::{RecordBatch, TableError};

use super::data::Data;
use super::replace;
use super::results::optional;

/// The table of the pipeline as it stands.
pub const METRICS: &str = "metrics.parquet";
/// The table of every state that was reported.
pub const HISTORY: &str = "history.parquet";

/// One number of one stage instance.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    texts: [String; TEXTS.len()],
    value: Option<f64>,
    paper: Option<f64>,
    ratio: Option<f64>,
}

/// Text columns, with their descriptions.
const TEXTS: [(&str, &str); 10] = [
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

fn schema() -> Arc<Schema> {
    let texts = TEXTS.map(|(name, about)| column(name, DataType::Utf8, "", "", about));
    let number = |name, about| column(name, DataType::Float64, "", "", about).with_nullable(true);
    let numbers = [
        number("value", "the number, in `unit`; missing where it is not finite"),
        number("paper", "the paper's figure"),
        number("ratio", "value over the paper's figure"),
    ];
    Arc::new(Schema::new(texts.into_iter().chain(numbers).collect::<Vec<_>>()))
}

/// Writes both tables.
pub fn write(data: &Data, folder: &Path) -> io::Result<()> {
    let now = rows(data);
    save(&folder.join(METRICS), &now)?;
    let history = folder.join(HISTORY);
    // A history that cannot be read is no reason to fail a run, and is begun anew.
    let mut all = if history.exists() {
        load(&history).unwrap_or_default()
    } else {
        Vec::new()
    };
    let before = all.len();
    let key = |row: &Row| -> Vec<String> { row.texts[1..].to_vec() };
    let known: BTreeSet<Vec<String>> = all.iter().map(key).collect();
    all.extend(now.into_iter().filter(|row| !known.contains(&key(row))));
    if all.len() > before || !history.exists() {
        save(&history, &all)
    } else {
        Ok(())
    }
}

fn rows(data: &Data) -> Vec<Row> {
    let mut rows = Vec::new();
    let finite = |value: f64| value.is_finite().then_some(value);
    for stage in &data.stages {
        let Some(manifest) = &stage.manifest else { continue };
        let texts = |metric: &str, component: &str, statistic: &str, unit: &str| {
            let (when, hash, device) = (&manifest.when, manifest.fingerprint.hex(), &manifest.device);
            let point = data.setting_line(stage);
            let own = [when, &stage.name, &stage.kind, &point, &hash, device].map(String::as_str);
            let [when, name, kind, point, hash, device] = own;
            [
                when, name, kind, point, hash, device, metric, component, statistic, unit,
            ]
            .map(str::to_owned)
        };
        for row in &stage.errors {
            let texts = texts(&row.measure, &row.component, &row.statistic, &row.unit);
            rows.push(Row {
                texts,
                value: finite(row.value),
                paper: row.paper,
                ratio: row.ratio.and_then(finite),
            });
        }
        for metric in &manifest.metrics {
            let texts = texts(&metric.name, "", "", &metric.unit);
            rows.push(Row {
                texts,
                value: finite(metric.value),
                paper: None,
                ratio: None,
            });
        }
    }
    rows
}

fn save(path: &Path, rows: &[Row]) -> io::Result<()> {
    let schema = schema();
    let mut columns: Vec<(&str, tables::Values)> = Vec::new();
    for (n, (name, _)) in TEXTS.iter().enumerate() {
        columns.push((
            name,
            rows.iter().map(|row| row.texts[n].clone()).collect::<Vec<_>>().into(),
        ));
    }
    columns.push(("value", rows.iter().map(|row| row.value).collect::<Vec<_>>().into()));
    columns.push(("paper", rows.iter().map(|row| row.paper).collect::<Vec<_>>().into()));
    columns.push(("ratio", rows.iter().map(|row| row.ratio).collect::<Vec<_>>().into()));
    let table = tables::build(&schema, columns).map_err(io::Error::other)?;
    replace(path, |draft| {
        tables::write(draft, &table, &schema).map_err(io::Error::other)
    })
}

fn load(path: &Path) -> Result<Vec<Row>, TableError> {
    let table: RecordBatch = tables::read(path)?;
    let mut texts = Vec::new();
    for (name, _) in TEXTS {
        texts.push(tables::str_column(&table, name)?);
    }
    let [value, paper, ratio] = [
        optional(&table, "value")?,
        optional(&table, "paper")?,
        optional(&table, "ratio")?,
    ];
    let row = |n: usize| Row {
        texts: std::array::from_fn(|column| texts[column][n].to_owned()),
        value: value[n],
        paper: paper[n],
        ratio: ratio[n],
    };
    Ok((0..table.num_rows()).map(row).collect())
}
