//! The pipeline of a run, as that read it.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use runner::spec::PipelineFile;
use runner::store::Store;
use runner::store::runs::KeptRun;

use crate::cli::answers::Restored;
use crate::cli::failure::Failure;

/// What stands before each file that the pipeline uses: see `PipelineFile::text`.
const NEXT: &str = "\n--- # ";

/// What was written, in words.
pub fn words(restored: &Restored) -> String {
    let mut said = String::new();
    for file in &restored.files {
        let _ = writeln!(said, "{file}");
    }
    let _ = writeln!(said, "run it with: {}", restored.command);
    if restored.renamed {
        let _ = writeln!(
            said,
            "note: names of files that it uses are others here, which changes no result"
        );
    }
    said
}

/// Writes the files into a folder.
pub fn restore(store: &Store, run: &KeptRun, folder: &Path) -> Result<Restored, Failure> {
    let copy = run.file.with_extension("yaml");
    let text = std::fs::read_to_string(&copy).map_err(|error| Failure::file(&copy, &error))?;
    let asked = &run.record.asked;
    let mut parts = text.split(NEXT);
    let own = parts.next().unwrap_or_default();
    let name = asked
        .file
        .file_name()
        .map_or_else(|| PathBuf::from("pipeline.yaml"), PathBuf::from);
    let mut files = vec![(folder.join(&name), own.to_owned())];
    let base = asked.file.parent().unwrap_or(Path::new(""));
    for part in parts {
        let (used, text) = part.split_once('\n').unwrap_or((part, ""));
        let place = inside(base, Path::new(used)).ok_or_else(|| {
            Failure::Work(format!(
                "{used} is not below the folder of {}; it stands in {}",
                asked.file.display(),
                copy.display()
            ))
        })?;
        files.push((folder.join(place), text.to_owned()));
    }
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Failure::Usage(format!(
            "{} is there already; name an empty folder",
            there.display()
        )));
    }
    for (path, text) in &files {
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, &error))?;
        std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
    }
    let set = asked
        .overrides
        .iter()
        .map(|(name, value)| format!(" -p '{name}={value}'"));
    let to = asked.to.iter().map(|stage| format!(" --to {stage}"));
    let more: String = set.chain(to).collect();
    let results = store.results().display();
    Ok(Restored {
        command: format!("actionfinder run {}{more} --results {results}", files[0].0.display()),
        renamed: PipelineFile::read(&files[0].0).is_ok_and(|file| file.hash() != asked.yaml),
        files: files.iter().map(|(path, _)| path.display().to_string()).collect(),
    })
}

/// Where a file that was used lies below the folder of the pipeline. Its path was from where the program was started, or absolute.
fn inside(base: &Path, used: &Path) -> Option<PathBuf> {
    if let Ok(below) = used.strip_prefix(base) {
        return Some(below.to_owned());
    }
    // The longest end of the folder that its path begins with.
    let mut ends: Vec<PathBuf> = Vec::new();
    let parts: Vec<Component<'_>> = base.components().collect();
    for first in 0..parts.len() {
        ends.push(parts[first..].iter().collect());
    }
    let below = ends.iter().find_map(|end| used.strip_prefix(end).ok());
    let place = below.unwrap_or(used);
    let is_plain = place.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_files_keep_their_place_beside_the_pipeline() {
        let place = |used: &str| inside(Path::new("/home/a/pipelines"), Path::new(used));
        assert_eq!(place("pipelines/tori.yaml"), Some("tori.yaml".into()));
        assert_eq!(place("tori.yaml"), Some("tori.yaml".into()));
        assert_eq!(place("/home/a/pipelines/more/tori.yaml"), Some("more/tori.yaml".into()));
        assert_eq!(place("pipelines/more/tori.yaml"), Some("more/tori.yaml".into()));
        assert_eq!(place("../tori.yaml"), None);
        assert_eq!(place("/elsewhere/tori.yaml"), None);
    }
}
