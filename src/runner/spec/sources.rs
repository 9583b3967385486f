//! The files of a pipeline: its own, and those that it uses. Each is read once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use super::diagnostics::{At, Mistake};
use super::problem::Problem;
use super::yaml::{self, Document, ReadError};
use super::{read, syntax};

/// One file, as it was when it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// What diagnostics call it.
    pub name: String,
    /// Where relative paths in it start.
    pub folder: PathBuf,
    /// Its text.
    pub text: String,
    /// The files that it uses, by their paths as it gives them; or why one of them cannot be read.
    pub uses: HashMap<String, Result<usize, String>>,
    document: OnceLock<Result<Document, Box<Mistake>>>,
}

impl Source {
    /// A file with this text.
    pub fn new(name: String, folder: PathBuf, text: String) -> Self {
        Self {
            name,
            folder,
            text,
            uses: HashMap::new(),
            document: OnceLock::new(),
        }
    }

    /// The text that places are counted in.
    pub fn plain(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }

    /// What it says, or why it is not YAML.
    pub fn document(&self) -> Result<&Document, &Mistake> {
        let document = self.document.get_or_init(|| document(self.plain()));
        document.as_ref().map_err(|mistake| &**mistake)
    }

    /// The paths of the files that it uses.
    fn used(&self) -> Vec<String> {
        // Most pipelines use no other, and need not be parsed to know it.
        if !self.text.contains("use") {
            return Vec::new();
        }
        let Ok(document) = self.document() else {
            return Vec::new();
        };
        let uses = document.value.get("use").and_then(Value::as_object);
        let paths = uses
            .into_iter()
            .flatten()
            .filter_map(|(_, one)| one.get("pipeline")?.as_str());
        paths.map(str::to_owned).collect()
    }
}

/// All files; the pipeline's own is the first.
#[derive(Debug)]
pub(super) struct Sources(pub Vec<Source>);

impl Sources {
    /// Reads the files that the first one needs. `path` is where that one is, if it is anywhere.
    pub fn of(first: Source, path: Option<&Path>) -> Self {
        let mut all = vec![first];
        let mut known: HashMap<PathBuf, usize> = HashMap::new();
        known.extend(path.and_then(|path| path.canonicalize().ok()).map(|path| (path, 0)));
        let mut next = 0;
        while next < all.len() {
            for wanted in all[next].used() {
                let path = all[next].folder.join(&wanted);
                let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
                let key = path.canonicalize().unwrap_or_else(|_| path.clone());
                let found = match known.get(&key) {
                    Some(&index) => Ok(index),
                    None => read_used(&path).map(|source| {
                        known.insert(key, all.len());
                        all.push(source);
                        all.len() - 1
                    }),
                };
                all[next].uses.insert(wanted, found);
            }
            next += 1;
        }
        Self(all)
    }
}

fn read_used(path: &Path) -> Result<Source, String> {
    let content = read::read(path)?;
    let text = String::from_utf8(content.bytes).map_err(|_| "it is not a text file".to_owned())?;
    Ok(Source::new(path.display().to_string(), content.folder, text))
}

/// Reads the YAML of a text.
fn document(text: &str) -> Result<Document, Box<Mistake>> {
    let whole = |problem| Box::new(Mistake::new(At::Bytes(0..0), problem));
    let document = yaml::read(text).map_err(|error| match error {
        ReadError::TooMany { aliases: true } => whole(Problem::TooManyAliases),
        ReadError::TooMany { aliases: false } => whole(Problem::TooManyValues {
            most: yaml::MOST_VALUES,
        }),
        ReadError::TooDeep => whole(Problem::TooDeep),
        ReadError::Syntax(message, offset) => Box::new(syntax::mistake(text, message, offset)),
    })?;
    if document.value.is_null() && !document.several {
        return Err(whole(Problem::Empty));
    }
    Ok(document)
}
