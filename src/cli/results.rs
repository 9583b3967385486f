//! Where results are kept: in one folder for a project, from wherever the program is started.

use std::path::{Path, PathBuf};

use runner::store::Store;

use super::cache::Cache;
use super::common::{program, quoted};
use super::failure::Failure;

/// The folder of results in a project.
const FOLDER: &str = "results";

/// A file that makes its folder a project; it may be empty, or hold settings.
pub const MARKER: &str = ".actionfinder";

/// Where results are kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Results {
    /// Folder of cached outputs and reports [default: $ACTIONFINDER_RESULTS, or results in the pipeline's project: the nearest folder
    /// above its file with results/, .git or a file .actionfinder, else the file's own]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    #[command(flatten)]
    cache: Cache,
}

impl Results {
    /// The same in this folder, whatever the environment says.
    pub fn in_folder(&self, folder: PathBuf) -> Self {
        Self {
            results: Some(folder),
            ..self.clone()
        }
    }

    /// The store for the results of a pipeline, above the shared cache that is named for it, if one is.
    pub fn shared_store_of(&self, pipeline: &Path) -> Result<Store, Failure> {
        let file = pipeline.canonicalize().ok().filter(|file| file.is_file());
        let project = file.as_deref().and_then(Path::parent).map(project);
        self.above(self.store_of(pipeline), project)
    }

    /// The same where no pipeline is named.
    pub fn shared_store_here(&self) -> Result<Store, Failure> {
        let here = std::env::current_dir().ok();
        self.above(self.store_here(), here.as_deref().map(project))
    }

    fn above(&self, store: Store, project: Option<&Path>) -> Result<Store, Failure> {
        let marker = project.map(|project| project.join(MARKER));
        let shared = self.cache.open(marker.as_deref(), store.results())?;
        Ok(store.above(shared))
    }

    /// Whether a folder is named, by the command line or by the environment.
    pub fn is_named(&self) -> bool {
        self.named().is_some()
    }

    /// Whether the command line names a shared cache.
    pub fn names_cache(&self) -> bool {
        self.cache.is_named()
    }

    /// The options that name it, each after a blank.
    pub fn options(&self) -> String {
        let folder = self.results.as_ref().map(|folder| folder.display().to_string());
        let folder = folder.map(|folder| format!(" --results {}", quoted(&folder)));
        folder.unwrap_or_default() + &self.cache.options()
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
pub fn project(folder: &Path) -> &Path {
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
            ..Results::default()
        };
        assert_eq!(named.folder_of(&top.join("project/p.yaml")), Path::new("there"));
    }
}
