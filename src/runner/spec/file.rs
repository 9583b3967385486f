//! A pipeline file, read once.

use std::path::{Path, PathBuf};

use super::diagnostics::Diagnostics;
use super::problem::Problem;
use super::spans::{Part, Spans};
use super::{parse_str, read, yaml};
use crate::catalog::Catalog;
use crate::graph::Graph;
use crate::store::Hash256;

/// A pipeline file as it was when it was read. What is planned, what a seal answers for, and what is kept beside the
/// results are all of this one text, whatever is written to the file meanwhile.
#[derive(Debug, Clone)]
pub struct PipelineFile {
    path: PathBuf,
    folder: PathBuf,
    text: String,
}

impl PipelineFile {
    /// Reads the file.
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
        Ok(Self {
            path: path.to_owned(),
            folder: content.folder,
            text,
        })
    }

    /// Where it is, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Hash of its text.
    pub fn hash(&self) -> Hash256 {
        Hash256::of(&self.text)
    }

    /// Resolves it. `overrides` are the `-p name=value` of the command line; each value is read as YAML.
    pub fn resolve(&self, overrides: &[(String, String)], catalog: &Catalog) -> Result<Graph, Diagnostics> {
        let file = self.path.display().to_string();
        parse_str(&self.text, &file, &self.folder, overrides, catalog)
    }

    /// The line of the value with this path of keys, from 1; for mistakes that only a plan can find.
    pub fn line(&self, keys: &[&str]) -> Option<usize> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = Spans::new(text, &yaml::protect(text)).find(&keys, Part::Value);
        let before = text.get(..found.span.start)?;
        (found.steps > 0).then(|| 1 + before.matches('\n').count())
    }

    /// What it says after `pipeline:`, if it can be read.
    pub fn name(&self) -> Option<String> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let document = yaml::read(&yaml::protect(text)).ok()?;
        document.value.get("pipeline")?.as_str().map(str::to_owned)
    }
}
