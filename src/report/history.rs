//! Results and metrics as columnar tables: `metrics.parquet` for the pipeline as it stands, and `history.parquet` with
//! every result that was ever reported, over all runs and sweep points.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use runner::store::files::{Keep, put_aside};
use runner::store::{KeyLock, Store};

use super::data::Data;
use super::rows::{Row, Rows, load, save};

/// The table of the pipeline as it stands.
pub const METRICS: &str = "metrics.parquet";
/// The table of every state that was reported.
pub const HISTORY: &str = "history.parquet";

/// Writes the table of the pipeline as it stands.
pub fn write_metrics(data: &Data, folder: &Path) -> io::Result<()> {
    save(&folder.join(METRICS), &rows(data), Keep::Remakable)
}

/// Adds what is new to the table of every state, one run after the other. A table that is damaged is kept aside, and said
/// in a warning.
pub fn add_to_history(data: &Data, store: &Store) -> io::Result<Option<String>> {
    let _lock = lock(data, store)?;
    let path = store.pipeline_folder(&data.pipeline).join(HISTORY);
    let (before, warning) = read(&path)?;
    let count = before.rows.len();
    let known: BTreeSet<Vec<String>> = before.rows.iter().map(Row::key).collect();
    let mut all = before;
    all.add(rows(data), |row| !known.contains(&row.key()));
    if all.rows.len() > count || !path.exists() {
        save(&path, &all, Keep::Durable)?;
    }
    Ok(warning)
}

/// Whether there is a history, and it can be read.
pub fn is_whole(pipeline: &str, store: &Store) -> bool {
    load(&store.pipeline_folder(pipeline).join(HISTORY)).is_ok()
}

fn lock(data: &Data, store: &Store) -> io::Result<KeyLock> {
    // The folder of locks is there once anything ran.
    store.prepare()?;
    KeyLock::wait(&store.lock_named(&format!("{}.history", data.pipeline)))
}

fn read(path: &Path) -> io::Result<(Rows, Option<String>)> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok((Rows::default(), None));
    }
    let problem = match load(path) {
        Ok(rows) => return Ok((rows, None)),
        Err(problem) => problem,
    };
    // What the system does not let us read may be whole.
    if let tables::TableError::Io { source, .. } = &problem
        && !path.is_dir()
        && source.kind() != io::ErrorKind::UnexpectedEof
    {
        return Err(io::Error::new(source.kind(), problem.to_string()));
    }
    let aside = put_aside(path)?;
    let warning = format!(
        "{} is damaged; it is kept as {}, and a new one begins",
        path.display(),
        aside.file_name().unwrap_or_default().to_string_lossy()
    );
    Ok((Rows::default(), Some(warning)))
}

fn rows(data: &Data) -> Rows {
    let mut rows = Rows::default();
    let finite = |value: f64| value.is_finite().then_some(value);
    for stage in &data.stages {
        let Some(manifest) = &stage.manifest else { continue };
        let parameters = Arc::new(data.parameters_of(stage));
        let (point, hash) = (data.setting_line(stage), manifest.fingerprint.hex());
        let texts = |metric: &str, component: &str, statistic: &str, unit: &str| {
            let (when, device) = (&manifest.when, &manifest.device);
            let own: [&str; 6] = [when, &stage.name, &stage.kind, &point, &hash, device];
            let [when, name, kind, point, hash, device] = own;
            [
                when, name, kind, point, hash, device, metric, component, statistic, unit,
            ]
            .map(str::to_owned)
        };
        let mut push = |texts, value, paper, ratio| {
            let parameters = parameters.clone();
            rows.push(Row {
                texts,
                value,
                paper,
                ratio,
                parameters,
            });
        };
        for row in &stage.errors {
            let texts = texts(&row.measure, &row.component, &row.statistic, &row.unit);
            push(texts, finite(row.value), row.paper, row.ratio.and_then(finite));
        }
        for metric in &manifest.metrics {
            push(
                texts(&metric.name, "", "", &metric.unit),
                finite(metric.value),
                None,
                None,
            );
        }
    }
    rows
}
