//! The form of a pipeline: its sections, and its stages as written.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::diagnostics::{At, Mistake};
use super::parameters::has_reference;
use super::problem::Problem;
use super::spans::Part;
use super::{LONGEST_NAME, is_name, mapping, noun, section, unknown_keys};
use crate::catalog::{Catalog, Kind};
use crate::store::RESERVED;

/// `port: stage.output`.
pub(super) struct Source<'a> {
    /// Input port.
    pub port: &'a str,
    /// Index of the stage that writes; `None` if it does not exist, which is then reported.
    pub stage: Option<usize>,
    /// Output named after the dot.
    pub output: Option<&'a str>,
}

/// A stage as written.
pub(super) struct Stage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind; `None` if it has none that exists, which is then reported.
    pub kind: Option<&'a Kind>,
    /// `from`.
    pub from: Vec<Source<'a>>,
    /// `with`.
    pub with: Option<&'a Value>,
    /// `on`.
    pub on: Option<&'a Value>,
    /// Whether `from` cannot be read.
    pub broken: bool,
}

impl Stage<'_> {
    /// The path of this stage's kind, and what is below it.
    pub(super) fn path<'k>(&self, below: impl IntoIterator<Item = &'k str>) -> Vec<String> {
        let kind = self.kind.map(|kind| kind.name);
        let start = ["stages", self.name].into_iter().chain(kind);
        start
            .map(str::to_owned)
            .chain(below.into_iter().map(str::to_owned))
            .collect()
    }
}

/// A pipeline as written.
pub(super) struct Outline<'a> {
    /// `pipeline`.
    pub pipeline: String,
    /// `about`.
    pub about: String,
    /// `params`.
    pub params: Option<&'a Map<String, Value>>,
    /// `stages`.
    pub stages: Vec<Stage<'a>>,
    /// `sweep`.
    pub sweep: Option<&'a Value>,
}

impl<'a> Outline<'a> {
    /// Reads the sections of a pipeline; `None` if it is not even a mapping.
    pub(super) fn new(root: &'a Value, catalog: &'a Catalog, mistakes: &mut Vec<Mistake>) -> Option<Self> {
        let example = "`pipeline: NAME` and `stages:`, each on a line of its own";
        let root = mapping(Some(root), mistakes, || section("a pipeline", example, Vec::new()))?;
        unknown_keys(
            root,
            &["pipeline", "about", "params", "stages", "sweep"],
            mistakes,
            || ("a pipeline".to_owned(), Vec::new()),
        );
        let pipeline = text(root, "pipeline", mistakes);
        match &pipeline {
            None if !root.contains_key("pipeline") => {
                missing("pipeline", "`pipeline: NAME` in the first line", mistakes)
            }
            // Results lie in a folder of the pipeline's name, beside the store's own folders.
            Some(name) if RESERVED.contains(&name.as_str()) => mistakes.push(Mistake::at(
                vec!["pipeline".to_owned()],
                Part::Value,
                Problem::ReservedName { name: name.clone() },
            )),
            Some(name) => check_name("pipeline", name, &["pipeline"], Part::Value, mistakes),
            None => {}
        }
        let about = text(root, "about", mistakes);
        let params = mapping(root.get("params"), mistakes, || {
            section("`params`", "`params: { seed: 1 }`", vec!["params".to_owned()])
        });
        for name in params.into_iter().flat_map(Map::keys) {
            check_name("parameter", name, &["params", name], Part::Key, mistakes);
        }
        let example = "one stage a line below `stages:`, such as `orbits: { KIND: { with: {…} } }`";
        let stages = match root.get("stages") {
            None => {
                missing("stages", "`stages:`, and below it one stage a line", mistakes);
                None
            }
            Some(value) if value.is_null() || value.as_object().is_some_and(Map::is_empty) => {
                mistakes.push(Mistake::at(vec!["stages".to_owned()], Part::Key, Problem::NoStages));
                None
            }
            value => mapping(value, mistakes, || {
                section("`stages`", example, vec!["stages".to_owned()])
            }),
        };
        let index: HashMap<&str, usize> = stages
            .into_iter()
            .flat_map(Map::keys)
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let stages = stages.into_iter().flatten();
        let stages = stages
            .map(|(name, body)| stage(name, body, catalog, &index, mistakes))
            .collect();
        let (pipeline, about) = (pipeline.unwrap_or_default(), about.unwrap_or_default());
        Some(Self {
            pipeline,
            about,
            params,
            stages,
            sweep: root.get("sweep"),
        })
    }
}

fn missing(key: &'static str, example: &'static str, mistakes: &mut Vec<Mistake>) {
    mistakes.push(Mistake::new(At::Bytes(0..0), Problem::MissingKey { key, example }));
}

fn check_name(what: &'static str, name: &str, path: &[&str], part: Part, mistakes: &mut Vec<Mistake>) {
    let problem = if name.len() > LONGEST_NAME {
        Problem::LongName {
            what,
            letters: name.chars().count(),
            most: LONGEST_NAME,
        }
    } else if !is_name(name) {
        let name = name.to_owned();
        Problem::BadName { what, name }
    } else {
        return;
    };
    let path = path.iter().map(|key| (*key).to_owned()).collect();
    mistakes.push(Mistake::at(path, part, problem));
}

/// A text without references: only `$$` and what looks like one have a meaning in the language.
fn text(root: &Map<String, Value>, key: &'static str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let problem = match root.get(key)? {
        value if has_reference(value) => Problem::ReferenceNotAllowed {
            place: "the head of a pipeline",
        },
        Value::String(text) => return Some(text.clone()),
        other => {
            let (what, example) = (format!("`{key}`"), format!("`{key}: \"…\"`"));
            Problem::WrongShape {
                what,
                expected: "a text",
                found: noun(other),
                example,
            }
        }
    };
    mistakes.push(Mistake::at(vec![key.to_owned()], Part::Value, problem));
    None
}

fn stage<'a>(
    name: &'a str,
    body: &'a Value,
    catalog: &'a Catalog,
    index: &HashMap<&str, usize>,
    mistakes: &mut Vec<Mistake>,
) -> Stage<'a> {
    let mut stage = Stage {
        name,
        kind: None,
        from: Vec::new(),
        with: None,
        on: None,
        broken: true,
    };
    let path = || vec!["stages".to_owned(), name.to_owned()];
    check_name("stage", name, &["stages", name], Part::Key, mistakes);
    if body.is_null() || body.as_object().is_some_and(Map::is_empty) {
        mistakes.push(Mistake::at(
            path(),
            Part::Key,
            Problem::NoKind { stage: name.to_owned() },
        ));
        return stage;
    }
    let describe = || {
        let example = match body {
            Value::String(kind) if catalog.get(kind).is_some() => format!("`{name}: {{ {kind}: {{}} }}`"),
            _ => format!("`{name}: {{ KIND: {{ from: {{…}}, with: {{…}} }} }}`"),
        };
        (format!("stage `{name}`"), example, path())
    };
    let Some(entries) = mapping(Some(body), mistakes, describe) else {
        return stage;
    };
    let Some((kind, body)) = kind(name, entries, catalog, mistakes) else {
        return stage;
    };
    let Some(known) = catalog.get(kind) else {
        let allowed = catalog.kinds().iter().map(|kind| kind.name.to_owned()).collect();
        let problem = Problem::UnknownKind {
            kind: kind.to_owned(),
            allowed,
        };
        mistakes.push(Mistake::at(
            path().into_iter().chain([kind.to_owned()]).collect(),
            Part::Key,
            problem,
        ));
        return stage;
    };
    stage.kind = Some(known);
    stage.broken = false;
    let path = || vec!["stages".to_owned(), name.to_owned(), kind.to_owned()];
    let example = || format!("`{kind}: {{ from: {{…}}, with: {{…}} }}`");
    let before = mistakes.len();
    if let Some(body) = mapping(Some(body), mistakes, || (format!("`{kind}`"), example(), path())) {
        unknown_keys(body, &["from", "with", "on"], mistakes, || {
            (format!("`{kind}`"), path())
        });
        stage.with = body.get("with");
        stage.on = body.get("on");
        let path = || vec!["stages".to_owned(), name.to_owned(), kind.to_owned(), "from".to_owned()];
        if let Some(from) = mapping(body.get("from"), mistakes, || {
            section("`from`", "`from: { PORT: STAGE }`", path())
        }) {
            let sources = from
                .iter()
                .map(|(port, value)| source(port, value, path, index, mistakes));
            stage.from = sources.collect();
        }
    }
    // Inputs that were meant are not missing.
    stage.broken = mistakes.len() > before;
    stage
}

/// The one key of a stage.
fn kind<'a>(
    name: &str,
    entries: &'a Map<String, Value>,
    catalog: &Catalog,
    mistakes: &mut Vec<Mistake>,
) -> Option<(&'a str, &'a Value)> {
    let section = |key: &str| ["from", "with", "on"].contains(&key);
    let known = entries.iter().find(|(key, _)| catalog.get(key).is_some());
    let chosen = known.or_else(|| entries.iter().find(|(key, _)| !section(key)));
    let shown = chosen.map_or("KIND", |(key, _)| key.as_str());
    for key in entries.keys().filter(|key| *key != shown) {
        let problem = if section(key) {
            Problem::Misplaced {
                key: key.clone(),
                kind: shown.to_owned(),
            }
        } else {
            let (first, second) = (shown.to_owned(), key.clone());
            Problem::SeveralKinds {
                stage: name.to_owned(),
                first,
                second,
            }
        };
        mistakes.push(Mistake::at(
            vec!["stages".to_owned(), name.to_owned(), key.clone()],
            Part::Key,
            problem,
        ));
    }
    chosen.map(|(key, body)| (key.as_str(), body))
}

fn source<'a>(
    port: &'a str,
    value: &'a Value,
    path: impl Fn() -> Vec<String>,
    index: &HashMap<&str, usize>,
    mistakes: &mut Vec<Mistake>,
) -> Source<'a> {
    let path = || path().into_iter().chain([port.to_owned()]).collect();
    let mut found = Source {
        port,
        stage: None,
        output: None,
    };
    if has_reference(value) {
        mistakes.push(Mistake::at(
            path(),
            Part::Value,
            Problem::ReferenceNotAllowed { place: "`from`" },
        ));
        return found;
    }
    let Value::String(text) = value else {
        let (what, example) = (
            format!("input `{port}`"),
            format!("`{port}: STAGE` or `{port}: STAGE.OUTPUT`"),
        );
        let problem = Problem::WrongShape {
            what,
            expected: "the name of a stage",
            found: noun(value),
            example,
        };
        mistakes.push(Mistake::at(path(), Part::Value, problem));
        return found;
    };
    let (stage, output) = match text.split_once('.') {
        Some((stage, output)) => (stage, Some(output)),
        None => (text.as_str(), None),
    };
    found.stage = index.get(stage).copied();
    found.output = output;
    if found.stage.is_none() {
        let mut allowed: Vec<_> = index.iter().map(|(name, index)| (*index, (*name).to_owned())).collect();
        allowed.sort_unstable();
        let allowed = allowed.into_iter().map(|(_, name)| name).collect();
        mistakes.push(Mistake::at(
            path(),
            Part::Value,
            Problem::UnknownStage {
                name: stage.to_owned(),
                allowed,
            },
        ));
    }
    found
}
