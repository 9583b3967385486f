//! A pipeline file, read once, with the files that it uses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::Diagnostics;
use super::problem::Problem;
use super::sources::{Source, Sources};
use super::spans::Part;
use super::{parse, read, spans};
use crate::catalog::Catalog;
use crate::graph::Graph;
use crate::search::Outcomes;
use crate::store::Hash256;

/// A pipeline file and those that it uses, as they were when they were read. What is planned, what a seal answers for, and
/// what is kept beside the results are all of these texts, whatever is written to the files meanwhile.
#[derive(Debug, Clone)]
pub struct PipelineFile {
    path: PathBuf,
    sources: Arc<Sources>,
}

impl PipelineFile {
    /// Reads the file and those that it uses. That one of the latter cannot be read is a mistake for [`Self::resolve`] to tell.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let file = path.display().to_string();
        let content = read::read(path).map_err(|reason| Diagnostics::whole(&file, Problem::Unreadable { reason }))?;
        let text = String::from_utf8(content.bytes).map_err(|error| {
            Diagnostics::whole(
                &file,
                Problem::NotText {
                    offset: error.utf8_error().valid_up_to(),
                },
            )
        })?;
        let first = Source::new(file, content.folder, text);
        Ok(Self {
            path: path.to_owned(),
            sources: Arc::new(Sources::of(first, Some(path))),
        })
    }

    /// Where it is, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text, and after it those of the files that it uses, each below a line `--- # FILE`.
    pub fn text(&self) -> String {
        let (first, used) = (self.first(), &self.sources.0[1..]);
        let used = used
            .iter()
            .map(|source| format!("\n--- # {}\n{}", source.name, source.text));
        first.text.clone() + &used.collect::<String>()
    }

    /// Its text, without those of the files that it uses.
    pub fn own_text(&self) -> &str {
        &self.first().text
    }

    /// Hash of its text and of those of the files that it uses.
    pub fn hash(&self) -> Hash256 {
        Hash256::of(self.text())
    }

    /// Resolves it. `overrides` are the `-p name=value` of the command line; each value is read as YAML.
    pub fn resolve(&self, overrides: &[(String, String)], catalog: &Catalog) -> Result<Graph, Diagnostics> {
        self.resolve_knowing(overrides, catalog, &Outcomes::new())
    }

    /// The same of one that searches, with what came of trials before.
    pub fn resolve_knowing(
        &self,
        overrides: &[(String, String)],
        catalog: &Catalog,
        outcomes: &Outcomes,
    ) -> Result<Graph, Diagnostics> {
        parse(&self.sources, overrides, catalog, outcomes)
    }

    /// The file and the line, from 1, of what `keys` lead to in a stage: `stages`, its name, its kind and so on; for mistakes
    /// that only a plan can find.
    pub fn place(&self, stage: &str, keys: &[&str]) -> Option<String> {
        let mut file = 0;
        let (uses, name) = stage.rsplit_once('.').unwrap_or(("", stage));
        for used in uses.split('.').filter(|used| !used.is_empty()) {
            let source = &self.sources.0[file];
            let path = source
                .document()
                .ok()?
                .value
                .get("use")?
                .get(used)?
                .get("pipeline")?
                .as_str()?;
            file = *source.uses.get(path)?.as_ref().ok()?;
        }
        let source = &self.sources.0[file];
        let keys: Vec<String> = ["stages", name]
            .iter()
            .chain(keys)
            .map(|key| (*key).to_owned())
            .collect();
        let found = spans(source).find(&keys, Part::Value);
        let before = source.plain().get(..found.span.start)?;
        (found.steps > 1).then(|| format!("{}:{}", source.name, 1 + before.matches('\n').count()))
    }

    /// What it says after `pipeline:`, if it can be read.
    pub fn name(&self) -> Option<String> {
        let document = self.first().document().ok()?;
        document.value.get("pipeline")?.as_str().map(str::to_owned)
    }

    /// It, and the files that it uses, whether they are there or not.
    pub fn files(&self) -> Vec<PathBuf> {
        let used = self.sources.0.iter();
        let used = used.flat_map(|source| source.uses.keys().map(|used| source.folder.join(used)));
        std::iter::once(self.path.clone()).chain(used).collect()
    }

    fn first(&self) -> &Source {
        &self.sources.0[0]
    }
}
