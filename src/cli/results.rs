//! Where results are kept: in one folder for a project, from wherever the program is started.

use std::path::{Path, PathBuf};

use runner::store::Store;

use super::common::program;

/// The folder of results in a project.
const FOLDER: &str = "results";

/// An empty file that makes its folder a project.
pub const MARKER: &str = ".actionfinder";

/// Where results are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Results {
    /// Folder of cached outputs and reports [default: $ACTIONFINDER_RESULTS, or results in the pipeline's project: the nearest folder
    /// above its file with results/, .git or a file .actionfinder, else the file's own]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

impl Results {
    /// This folder, whatever the environment says.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { results: Some(folder) }
    }

    /// The folder for the results of a pipeline.
    pub fn folder_of(&self, pipeline: &Path) -> PathBuf {
        self.named().unwrap_or_else(|| {
            // Links are followed: a pipeline is where its file is. One that comes through a pipe is where it is asked for.
            let file = pipeline.canonicalize().ok().filter(|file| file.is_file());
            match file.as_deref().and_then(Path::parent) {
                Some(folder) => in_project(folder),
                None => here(),
            }
        })
    }

    /// The folder where no pipeline is named.
    pub fn folder_here(&self) -> PathBuf {
        self.named().unwrap_or_else(here)
    }

    /// The store for the results of a pipeline.
    pub fn store_of(&self, pipeline: &Path) -> Store {
        open(&self.folder_of(pipeline))
    }

    /// The store where no pipeline is named.
    pub fn store_here(&self) -> Store {
        open(&self.folder_here())
    }

    /// The folder that the command line says.
    pub fn asked(&self) -> Option<&Path> {
        self.results.as_deref()
    }

    /// What the command line or the environment says.
    fn named(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os("ACTIONFINDER_RESULTS").filter(|named| !named.is_empty());
        self.results.clone().or_else(|| variable().map(PathBuf::from))
    }
}

fn open(folder: &Path) -> Store {
    Store::open(folder).of_program(program())
}

/// The results of the project that the current folder is in.
fn here() -> PathBuf {
    std::env::current_dir().map_or_else(|_| PathBuf::from(FOLDER), |folder| in_project(&folder))
}

/// The results of the project that `folder` is in, as a path from the current folder where they are below it.
fn in_project(folder: &Path) -> PathBuf {
    let results = project(folder).join(FOLDER);
    let here = std::env::current_dir();
    let below = here.ok().and_then(|here| results.strip_prefix(here).ok());
    below.map_or_else(|| results.clone(), Path::to_owned)
}

/// The nearest folder upwards that is marked as a project, or the folder itself.
fn project(folder: &Path) -> &Path {
    let is_project =
        |folder: &&Path| folder.join(FOLDER).is_dir() || folder.join(".git").exists() || folder.join(MARKER).is_file();
    folder.ancestors().find(is_project).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_marked_folder_is_the_project() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        let deep = top.join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(project(&deep), deep, "no mark: beside the file");
        fs::create_dir(top.join(".git")).unwrap();
        assert_eq!(project(&deep), top);
        fs::write(top.join("a").join(MARKER), "").unwrap();
        assert_eq!(project(&deep), top.join("a"));
        fs::create_dir(top.join("a/b/results")).unwrap();
        assert_eq!(project(&deep), top.join("a/b"));
        fs::write(deep.join("results"), "a file is no folder of results").unwrap();
        assert_eq!(project(&deep), top.join("a/b"));
    }

    #[test]
    fn a_link_to_a_pipeline_has_the_results_of_its_file() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("project/results")).unwrap();
        fs::create_dir(top.join("elsewhere")).unwrap();
        fs::write(top.join("project/p.yaml"), "").unwrap();
        std::os::unix::fs::symlink(top.join("project/p.yaml"), top.join("elsewhere/link.yaml")).unwrap();
        let results = Results::default();
        for file in ["project/p.yaml", "elsewhere/link.yaml", "elsewhere/../project/p.yaml"] {
            assert_eq!(
                results.folder_of(&top.join(file)),
                top.join("project/results"),
                "{file}"
            );
        }
        let named = Results {
            results: Some("there".into()),
        };
        assert_eq!(named.folder_of(&top.join("project/p.yaml")), Path::new("there"));
    }
}
