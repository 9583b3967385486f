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

pub use collect::collect;
pub use data::{Data, State, plain};
pub use results::{ErrorRow, headline, measures, symbol};

/// The files of a report.
pub struct Written {
    /// The page.
    pub html: PathBuf,
}

/// Writes `report.html`, `metrics.parquet` (this state of the pipeline) and `history.parquet` (every state that was
/// reported) into the pipeline's folder.
pub fn write(data: &Data, folder: &Path) -> io::Result<Written> {
    std::fs::create_dir_all(folder)?;
    let html = folder.join("report.html");
    let page = html::page(&data.pipeline, &sections::body(data));
    replace(&html, |path| std::fs::write(path, &page))?;
    history::write(data, folder)?;
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
