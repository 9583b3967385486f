//! The report of a pipeline: an HTML page and two tables, made from the store and the journal only, so that they can be
//! made again at any time.

mod collect;
mod data;
mod graph;
mod history;
mod html;
mod results;
mod sections;
pub mod summary;

use std::io;
use std::path::{Path, PathBuf};

pub use collect::{Detail, collect};
use runner::graph::Graph;
use runner::plan::{Entry, Plan};

pub use data::{Data, StageData, State, plain};
pub use results::{ErrorRow, MEAN, MEAN_ABSOLUTE, headline, measures, symbol};

/// The files of a report.
pub struct Written {
    /// The page.
    pub html: PathBuf,
}

/// What a report was made from, kept beside it.
const SOURCES: &str = "report.sources";

/// What a report of this plan is made from: this program, and the outputs of every stage.
pub fn sources(graph: &Graph, plan: &Plan) -> String {
    let mut text = format!("actionfinder {}\n{}\n", env!("CARGO_PKG_VERSION"), graph.about);
    for (stage, entry) in graph.stages.iter().zip(&plan.entries) {
        let outputs = match entry {
            Entry::Hit(cached) => cached.fingerprint.to_string(),
            _ => "none".to_owned(),
        };
        text.extend([stage.label.as_str(), " ", &outputs, "\n"]);
    }
    text
}

/// The page of a pipeline's report.
pub fn page(folder: &Path) -> PathBuf {
    folder.join("report.html")
}

/// All files of a report.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let others = [SOURCES, history::METRICS, history::HISTORY];
    let others = others.iter().map(|name| folder.join(name));
    std::iter::once(page(folder)).chain(others).collect()
}

/// The page of a report made from the same sources, if there is one.
pub fn made_before(folder: &Path, sources: &str) -> Option<Written> {
    let html = page(folder);
    let same = std::fs::read_to_string(folder.join(SOURCES)).is_ok_and(|before| before == sources);
    (same && html.exists() && folder.join(history::METRICS).exists()).then_some(Written { html })
}

/// Writes `report.html`, `metrics.parquet` (this state of the pipeline) and `history.parquet` (every state that was
/// reported) into the pipeline's folder.
pub fn write(data: &Data, sources: &str, folder: &Path) -> io::Result<Written> {
    std::fs::create_dir_all(folder)?;
    let html = page(folder);
    let text = html::page(&data.pipeline, &sections::body(data));
    replace(&html, |path| std::fs::write(path, &text))?;
    history::write(data, folder)?;
    replace(&folder.join(SOURCES), |path| std::fs::write(path, sources))?;
    Ok(Written { html })
}

/// Makes a file appear whole or not at all.
fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let result = write(&draft).and_then(|()| std::fs::rename(&draft, path));
    if result.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    result
}

#[cfg(test)]
mod tests;
