//! Reads a pipeline file and resolves it to a [`Graph`], or says all that is wrong with it, each mistake at its place.
//!
//! The way of a file: `yaml` (text → values, by serde_yaml) → `outline` (values → stages as written) → `parameters` and
//! `sweep` → `resolve` (stages × points → instances; `arguments` types the parameters, `connect` checks the ports).
//! Mistakes carry the path of their key or value. Only when there are some is the text read again, by `spans`, to find
//! lines and columns.

mod arguments;
mod connect;
mod diagnostics;
mod example;
mod file;
#[cfg(test)]
pub(crate) mod kinds;
mod order;
mod outline;
mod parameters;
mod problem;
mod read;
mod resolve;
mod shape;
mod spans;
mod suggest;
mod sweep;
#[cfg(test)]
mod tests;
mod typing;
mod yaml;

use std::path::Path;

use serde_json::{Map, Value};

pub use diagnostics::{Diagnostic, Diagnostics, Related};
pub use file::PipelineFile;

use crate::catalog::Catalog;
use crate::graph::Graph;
use diagnostics::{At, Mistake};
use problem::Problem;
use spans::{Part, Spans};
use yaml::ReadError;

/// Reads and resolves the pipeline file `path`; see [`PipelineFile`].
pub fn load(path: &Path, overrides: &[(String, String)], catalog: &Catalog) -> Result<Graph, Diagnostics> {
    PipelineFile::read(path)?.resolve(overrides, catalog)
}

/// Resolves the pipeline in `text`. `file` names it in diagnostics; relative paths in it start at `folder`.
pub fn parse_str(
    text: &str,
    file: &str,
    folder: &Path,
    overrides: &[(String, String)],
    catalog: &Catalog,
) -> Result<Graph, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let protected = yaml::protect(text);
    let whole = |problem| Diagnostics::new(file, text, vec![Mistake::new(At::Bytes(0..0), problem)], None);
    let document = match yaml::read(&protected) {
        Ok(document) => document,
        Err(ReadError::TooMany { aliases: true }) => return Err(whole(Problem::TooManyAliases)),
        Err(ReadError::TooMany { aliases: false }) => {
            let most = yaml::MOST_VALUES;
            return Err(whole(Problem::TooManyValues { most }));
        }
        Err(ReadError::TooDeep) => return Err(whole(Problem::TooDeep)),
        Err(ReadError::Syntax(message, offset)) => {
            let mistake = syntax(text, &protected, message, offset);
            return Err(Diagnostics::new(file, text, vec![mistake], None));
        }
    };
    if document.value.is_null() && !document.several {
        return Err(whole(Problem::Empty));
    }
    let mut mistakes = Vec::new();
    let graph = resolve::resolve(&document.value, folder, overrides, catalog, &mut mistakes);
    if mistakes.is_empty()
        && !document.suspicious
        && !document.several
        && let Some(graph) = graph
    {
        return Ok(graph);
    }
    let spans = Spans::new(text, &protected);
    if document.several {
        let second = spans.second_document.clone().unwrap_or(0..0);
        mistakes.push(Mistake::new(At::Bytes(second), Problem::SeveralDocuments));
    }
    Err(Diagnostics::new(file, text, mistakes, Some(&spans)))
}

/// The mistake behind an error of the YAML parser at a byte of the protected text.
fn syntax(text: &str, protected: &str, message: String, offset: Option<usize>) -> Mistake {
    let before = offset.map_or("", |offset| protected.get(..offset).unwrap_or(protected));
    let at = text
        .char_indices()
        .nth(before.chars().count())
        .map_or(text.len(), |(offset, _)| offset);
    // A line that begins with a tab confuses the parser there or on the line after.
    let reach = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let mut start = 0;
    for line in text[..reach].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Mistake::new(At::Bytes(start + tab..start + tab + 1), Problem::Tab);
        }
        start += line.len();
    }
    let end = text[at..]
        .chars()
        .next()
        .filter(|&next| next != '\n')
        .map_or(at, |next| at + next.len_utf8());
    // At the very end of the text, the last character is a better place to show.
    let trimmed = text.trim_end();
    let span = if at >= trimmed.len() && !trimmed.is_empty() {
        let last = trimmed.char_indices().next_back().map_or(0, |(offset, _)| offset);
        last..trimmed.len()
    } else {
        at..end
    };
    Mistake::new(At::Bytes(span), Problem::Syntax { message })
}

/// The longest name of a pipeline, a stage or a parameter: names become names of files.
pub(crate) const LONGEST_NAME: usize = 100;

/// Whether `name` can name a pipeline, a stage or a parameter.
fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    first && characters.all(|next| next.is_ascii_alphanumeric() || next == '_' || next == '-')
}

/// What a value is, for messages.
fn noun(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(_) => format!("the number {}", parameters::plain(value)),
        Value::String(text) if text.chars().count() <= 40 => format!("the text {text:?}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(map) if map.is_empty() => "an empty mapping".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// `value` as a mapping; nothing where it is absent, empty, or something else, which is then reported. `describe` gives
/// its name, an example, and its path.
fn mapping<'v>(
    value: Option<&'v Value>,
    mistakes: &mut Vec<Mistake>,
    describe: impl FnOnce() -> (String, String, Vec<String>),
) -> Option<&'v Map<String, Value>> {
    match value? {
        Value::Object(map) => Some(map),
        Value::Null => None,
        other => {
            let (what, example, path) = describe();
            let problem = Problem::WrongShape {
                what,
                expected: "a mapping",
                found: noun(other),
                example,
            };
            mistakes.push(Mistake::at(path, Part::Value, problem));
            None
        }
    }
}

/// Names of a mapping that is always called the same.
fn section(what: &str, example: &str, path: Vec<String>) -> (String, String, Vec<String>) {
    (what.to_owned(), example.to_owned(), path)
}

/// Reports the keys of `map` that are not among `allowed`; `describe` gives the name and the path of `map`.
fn unknown_keys(
    map: &Map<String, Value>,
    allowed: &[&str],
    mistakes: &mut Vec<Mistake>,
    describe: impl Fn() -> (String, Vec<String>),
) {
    for key in map.keys().filter(|key| !allowed.contains(&key.as_str())) {
        let (place, mut path) = describe();
        path.push(key.clone());
        let allowed = allowed.iter().map(|key| (*key).to_owned()).collect();
        mistakes.push(Mistake::at(
            path,
            Part::Key,
            Problem::UnknownKey {
                key: key.clone(),
                place,
                allowed,
            },
        ));
    }
}
