//! The report of a pipeline: an HTML page and two tables, made from the store and the journal only, so that they can be
//! made again at any time.

mod collect;
mod column;
mod data;
mod graph;
mod history;
mod html;
mod means;
mod outcomes;
pub mod picture;
mod results;
mod rows;
mod sections;
pub mod summary;
mod told;
mod varying;

use std::io;
use std::path::{Path, PathBuf};

pub use collect::{Detail, collect};
use runner::graph::Graph;
use runner::plan::{Entry, Plan};
use runner::store::files::{self as store_files, Keep};
use runner::store::{Hash256, Store};

use crate::cli::Given;
pub use column::Column;
pub use data::{Data, StageData, State, plain};
pub use outcomes::outcomes;
pub use results::{ErrorRow, MEAN, MEAN_ABSOLUTE, symbol};
pub use summary::outside_tolerance;

/// The report of a run: where it is, and what there was to say about it.
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// Damage that was found, and what was done about it.
    pub warnings: Vec<String>,
}

/// What a report was made from, and hashes of its files, kept beside it.
const SOURCES: &str = "report.sources";

/// What a report of this plan is made from: this program, and the outputs of every stage.
pub fn sources(graph: &Graph, plan: &Plan, program: &str) -> String {
    let mut text = format!("actionfinder {program}\n{}\n", graph.about);
    for (stage, entry) in graph.stages.iter().zip(&plan.entries) {
        let outputs = match entry {
            Entry::Hit(cached) => cached.fingerprint.to_string(),
            _ => "none".to_owned(),
        };
        text.extend([&*stage.label, " ", &outputs, "\n"]);
    }
    text
}

/// The page of a report in its folder.
pub fn page(folder: &Path) -> PathBuf {
    folder.join("report.html")
}

/// All files of a report in its folder, and the history in that of the pipeline.
pub fn files(folder: &Path, pipeline_folder: &Path) -> Vec<PathBuf> {
    vec![
        page(folder),
        folder.join(history::METRICS),
        folder.join(SOURCES),
        pipeline_folder.join(history::HISTORY),
    ]
}

/// The report that was made from the same sources, if there is one, and all its files are whole.
pub fn made_before(folder: &Path, sources: &str, pipeline: &str, store: &Store) -> Option<Written> {
    let before = std::fs::read_to_string(folder.join(SOURCES)).ok()?;
    let hashes = before.strip_prefix(sources)?;
    let whole = self::hashes(folder).is_ok_and(|now| now == hashes) && history::is_whole(pipeline, store);
    whole.then(|| Written {
        html: page(folder),
        warnings: Vec::new(),
    })
}

/// A line with the hash of each file that is made with a report.
fn hashes(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for path in [page(folder), folder.join(history::METRICS)] {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{name} {}\n", Hash256::of_file(&path)?));
    }
    Ok(text)
}

/// Writes `report.html` and `metrics.parquet` (this state of the pipeline) into a folder, and adds to `history.parquet`
/// (every state that was reported) in the pipeline's.
///
/// `given` is the pipeline as commands take it: its file, and what was set.
pub fn write(data: &Data, given: &Given, sources: &str, folder: &Path, store: &Store) -> io::Result<Written> {
    std::fs::create_dir_all(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    let html = page(folder);
    let mut warnings = Vec::new();
    for path in [&html, &folder.join(history::METRICS), &folder.join(SOURCES)] {
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            let aside = store_files::put_aside(path)?;
            warnings.push(format!(
                "{} was a folder; it is kept as {}",
                path.display(),
                aside.display()
            ));
        }
    }
    let text = html::page(&data.pipeline, &sections::body(data, &sections::Here { given, folder }));
    store_files::replace(&html, text.as_bytes(), Keep::Remakable)?;
    // Another run may write the same files.
    store_files::again(|| history::write_metrics(data, folder))?;
    warnings.extend(store_files::again(|| history::add_to_history(data, store))?);
    let sources = format!("{sources}{}", store_files::again(|| hashes(folder))?);
    store_files::replace(&folder.join(SOURCES), sources.as_bytes(), Keep::Remakable)?;
    Ok(Written { html, warnings })
}

#[cfg(test)]
mod tests;
