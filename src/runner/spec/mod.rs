//! Reads a pipeline file and resolves it to a [`Graph`], or says all that is wrong with it, each mistake at its place.
//!
//! The way of a pipeline: `sources` (its file, and those that it uses) → `yaml` (text → values, by serde_yaml) → `outline`
//! (values → stages as written, once for each file) → `scopes` (each use of a file) → `parameters` and `sweep` → `nodes`
//! (the stages of all of them, connected) → `resolve` (stages × rows of the sweep → instances; `arguments` types the
//! parameters, `connect` checks the ports).
//!
//! Mistakes carry the use of the file and the path of their key or value. Only when there are some are the texts read
//! again, by `spans`, to find lines and columns.

mod arguments;
mod connect;
mod diagnostics;
mod edition;
pub(crate) mod example;
mod file;
#[cfg(test)]
pub(crate) mod kinds;
pub(crate) mod limits;
mod nodes;
mod notes;
mod order;
mod outline;
mod parameters;
mod plain;
mod problem;
mod read;
mod resolve;
mod scopes;
mod shape;
mod sources;
mod spans;
mod suggest;
mod sweep;
mod syntax;
#[cfg(test)]
mod tests;
mod typing;
mod yaml;

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

pub use diagnostics::{Diagnostic, Diagnostics, Related};
pub use edition::{Change, apply, second_edition};
pub use file::PipelineFile;

use crate::catalog::{Catalog, Kind};
use crate::graph::Graph;
use crate::search::Outcomes;
use diagnostics::{At, Mistake, Text};
use outline::Outline;
use problem::Problem;
use sources::{Source, Sources};
use spans::{Part, Spans};

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
    let first = Source::new(file.to_owned(), folder.to_owned(), text.to_owned());
    parse(&Sources::of(first, None), overrides, catalog, &Outcomes::new())
}

/// The parameters that `with` makes of a kind, defaults filled in and numbers in their units, whatever they mean together; or what is
/// wrong with it.
pub fn parameters(kind: &Kind, with: &Value) -> Result<Value, Vec<String>> {
    let mut mistakes = Vec::new();
    let with = std::borrow::Cow::Borrowed(with);
    let stage = arguments::stage(kind, Some(with), &[], Vec::new, &mut mistakes);
    let wrong = mistakes
        .iter()
        .filter(|mistake| !matches!(mistake.problem, Problem::Fault { .. }));
    let wrong: Vec<String> = wrong.map(|mistake| mistake.problem.to_string()).collect();
    let right = stage.filter(|_| wrong.is_empty());
    right.map(|stage| stage.parameters()).ok_or(wrong)
}

/// Resolves the pipeline in the first of `sources`. `outcomes` is what came of the trials of its search, as far as they are known.
fn parse(
    sources: &Sources,
    overrides: &[(String, String)],
    catalog: &Catalog,
    outcomes: &Outcomes,
) -> Result<Graph, Diagnostics> {
    let mut mistakes = Vec::new();
    // What is wrong with a file as a whole is said where the file is first used.
    let mut of_files: Vec<(usize, Mistake)> = Vec::new();
    let mut outlines = Vec::with_capacity(sources.0.len());
    for (file, source) in sources.0.iter().enumerate() {
        let before = mistakes.len();
        outlines.push(match source.document() {
            Ok(document) => Outline::new(&document.value, catalog, &mut mistakes),
            Err(mistake) => {
                mistakes.push(mistake.clone());
                None
            }
        });
        if let Some(second) = several(source) {
            mistakes.push(Mistake::new(At::Bytes(second), Problem::SeveralDocuments));
        }
        of_files.extend(mistakes.split_off(before).into_iter().map(|mistake| (file, mistake)));
    }
    let scopes = scopes::scopes(sources, &outlines, &mut mistakes);
    for (file, mistake) in of_files {
        let scope = scopes.iter().position(|scope| scope.file == file);
        mistakes.extend(scope.map(|scope| mistake.within(scope)));
    }
    let (first, mut command_line) = (&sources.0[0], Vec::new());
    let mut graph = None;
    if let Some(outline) = scopes[0].outline {
        command_line = parameters::command_line(overrides, &scopes, &mut mistakes);
        graph = resolve::resolve(
            sources,
            outline,
            &scopes,
            &command_line,
            (catalog.quantities(), outcomes),
            &mut mistakes,
        );
    }
    let is_suspicious = |source: &Source| source.document().is_ok_and(|document| document.suspicious);
    if mistakes.is_empty()
        && !sources.0.iter().any(is_suspicious)
        && let Some(graph) = graph
    {
        return Ok(Graph {
            notes: notes::notes(sources),
            folder: first.folder.clone(),
            ..graph
        });
    }
    let text = |source| Text::of(source);
    let texts: Vec<Text<'_>> = sources.0.iter().map(text).collect();
    Err(Diagnostics::new(
        &texts,
        &scopes::links(&scopes, &command_line),
        mistakes,
    ))
}

/// Where a second document begins, if there is one.
fn several(source: &Source) -> Option<Range<usize>> {
    let several = source.document().is_ok_and(|document| document.several);
    several.then(|| spans(source).second_document.unwrap_or(0..0))
}

/// The places of all that is in a file.
fn spans(source: &Source) -> Spans {
    Spans::new(source.plain())
}

impl<'a> Text<'a> {
    fn of(source: &'a Source) -> Self {
        Self {
            name: &source.name,
            text: source.plain(),
            spans: source.document().is_ok().then(|| spans(source)),
        }
    }
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

/// Whether `name` can name a pipeline, and with it the folder of its results. Names from elsewhere are asked before anything is written.
pub fn is_pipeline_name(name: &str) -> bool {
    is_name(name) && name.len() <= LONGEST_NAME && !crate::store::RESERVED.contains(&name)
}

/// What a value is, for messages.
fn noun(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(_) => format!("the number {}", plain::plain(value)),
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
