//! Stages as written.

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::parameters::has_reference;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::{mapping, noun, section, unknown_keys};
use super::check_name;
use crate::catalog::{Catalog, Kind};

/// `port: stage.output`.
pub(in crate::spec) struct Source<'a> {
    /// Input port.
    pub port: &'a str,
    /// Its place, from 0, in a list.
    pub item: Option<usize>,
    /// The stage that writes, and its output after a dot; `None` if that cannot be read, which is then reported.
    pub writer: Option<&'a str>,
    /// Swept parameters, all of whose values are connected: `{ of: errors, over: seed }`.
    pub over: Vec<&'a str>,
}

/// A stage as written.
pub(in crate::spec) struct Stage<'a> {
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
    pub(in crate::spec) fn path<'k>(&self, below: impl IntoIterator<Item = &'k str>) -> Vec<String> {
        let kind = self.kind.map(|kind| kind.name);
        let start = ["stages", self.name].into_iter().chain(kind);
        start
            .map(str::to_owned)
            .chain(below.into_iter().map(str::to_owned))
            .collect()
    }
}

impl Stage<'_> {
    /// The path of what is connected to a port, or of an item of it.
    pub(in crate::spec) fn path_of_source(&self, port: &str, item: Option<usize>) -> Vec<String> {
        let mut path = self.path(["from", port]);
        path.extend(item.map(|item| item.to_string()));
        path
    }
}

/// Reads one stage.
pub(super) fn stage<'a>(
    name: &'a str,
    body: &'a Value,
    catalog: &'a Catalog,
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
            for (port, value) in from {
                match value {
                    Value::Array(items) if !items.is_empty() => {
                        let sources = items.iter().enumerate();
                        let sources = sources.map(|(item, value)| source(port, Some(item), value, path, mistakes));
                        stage.from.extend(sources);
                    }
                    value => stage.from.push(source(port, None, value, path, mistakes)),
                }
            }
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
    item: Option<usize>,
    value: &'a Value,
    path: impl Fn() -> Vec<String>,
    mistakes: &mut Vec<Mistake>,
) -> Source<'a> {
    let item_path = item.map(|item| item.to_string());
    let path = || path().into_iter().chain([port.to_owned()]).chain(item_path).collect();
    let plain = |writer| Source {
        port,
        item,
        writer,
        over: Vec::new(),
    };
    let problem = match value {
        value if has_reference(value) => Problem::ReferenceNotAllowed { place: "`from`" },
        Value::String(text) => return plain(Some(text.as_str())),
        Value::Object(map) if map.len() == 2 && map.contains_key("of") && map.contains_key("over") => {
            let over = match &map["over"] {
                Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
                one => one.as_str().map(|name| vec![name]),
            };
            match (map["of"].as_str(), over.filter(|over| !over.is_empty())) {
                (Some(writer), Some(over)) => {
                    return Source {
                        over,
                        ..plain(Some(writer))
                    };
                }
                _ => Problem::WrongShape {
                    what: format!("input `{port}`"),
                    expected: "a stage, and the names of swept parameters",
                    found: "something else".to_owned(),
                    example: format!("`{port}: {{ of: STAGE, over: PARAMETER }}`"),
                },
            }
        }
        other => Problem::WrongShape {
            what: format!("input `{port}`"),
            expected: "the name of a stage",
            found: noun(other),
            example: format!("`{port}: STAGE` or `{port}: STAGE.OUTPUT`"),
        },
    };
    mistakes.push(Mistake::at(path(), Part::Value, problem));
    plain(None)
}
