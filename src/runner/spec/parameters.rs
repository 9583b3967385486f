//! `params:`, `$name` for a whole value, and `${name}` in a longer text.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::diagnostics::{At, Mistake};
use super::problem::Problem;
use super::spans::Part;
use super::sweep::Sweep;
use super::yaml;
use super::{is_name, noun};

/// The longest value that substitution may make, in values and bytes of text.
const LONGEST: usize = 1 << 20;

/// A path of keys on the way down a tree; written out only for a mistake.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Keys(&'a [&'a str]),
    Key(&'a str),
    Index(usize),
}

impl<'a> Trail<'a> {
    /// A path from the top.
    pub(super) fn new(keys: &'a [&'a str]) -> Self {
        Self {
            parent: None,
            step: Step::Keys(keys),
        }
    }

    /// One step down.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// The path as keys.
    pub(super) fn path(&self) -> Vec<String> {
        let mut path = self.parent.map_or_else(Vec::new, Trail::path);
        match self.step {
            Step::Keys(keys) => path.extend(keys.iter().map(|key| (*key).to_owned())),
            Step::Key(key) => path.push(key.to_owned()),
            Step::Index(index) => path.push(index.to_string()),
        }
        path
    }

    fn mistake(&self, problem: Problem) -> Mistake {
        Mistake::at(self.path(), Part::Value, problem)
    }
}

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
    Bad(&'a str),
}

/// The name in a text that is a reference and nothing else: `$name`, or, as in the first edition, `${name}`.
pub(super) fn whole_reference(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').map_or(Some(name), |name| name.strip_suffix('}'))?;
    is_name(name).then_some(name)
}

/// Splits a text at its references; `$$` is a plain `$`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    if let Some(name) = whole_reference(text) {
        return vec![Piece::Name(name)];
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..start]));
        rest = &rest[start..];
        let (piece, length) = if rest.starts_with("$$") {
            (Piece::Text("$"), 2)
        } else if rest.starts_with("${") {
            let length = rest.find('}').map_or(rest.len(), |stop| stop + 1);
            let name = rest[2..length].strip_suffix('}').filter(|name| is_name(name));
            (name.map_or(Piece::Bad(&rest[..length]), Piece::Name), length)
        } else {
            let word = |next: char| next.is_ascii_alphanumeric() || next == '_';
            let length = 1 + rest[1..].find(|next| !word(next)).unwrap_or(rest.len() - 1);
            (Piece::Bad(&rest[..length]), length)
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

/// Calls `visit` with the name of every reference in `value`.
pub(super) fn references<'v>(value: &'v Value, visit: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) if text.contains('$') => {
            for piece in pieces(text) {
                if let Piece::Name(name) = piece {
                    visit(name);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        Value::Object(map) => map.values().for_each(|value| references(value, visit)),
        _ => {}
    }
}

/// Whether `value` refers to any parameter, well or badly, or holds a `$$`.
pub(super) fn has_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(map) => map.values().any(has_reference),
        _ => false,
    }
}

/// Values given on the command line, by parameter.
pub(super) fn overrides(
    given: &[(String, String)],
    names: &[&str],
    mistakes: &mut Vec<Mistake>,
) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    for (name, text) in given {
        let problem = if !names.contains(&name.as_str()) {
            let allowed = names.iter().map(|name| (*name).to_owned()).collect();
            Problem::UnknownOverride {
                name: name.clone(),
                allowed,
            }
        } else {
            match yaml::read_value(text) {
                Ok(value) if has_reference(&value) => Problem::BadOverride {
                    name: name.clone(),
                    reason: "a value here cannot refer to parameters".to_owned(),
                },
                Ok(value) => {
                    found.insert(name.clone(), value);
                    continue;
                }
                Err(reason) => Problem::BadOverride {
                    name: name.clone(),
                    reason,
                },
            }
        };
        mistakes.push(Mistake::new(At::CommandLine, problem));
    }
    found
}

/// The parameters of a pipeline.
pub(super) struct Parameters<'a> {
    all: Vec<Parameter<'a>>,
    index: HashMap<&'a str, usize>,
    sweep: &'a Sweep,
}

struct Parameter<'a> {
    name: &'a str,
    raw: &'a Value,
    /// Column of the sweep that sets it.
    column: Option<usize>,
    /// Columns of the sweep that it depends on.
    columns: BTreeSet<usize>,
    /// Its value, where it does not depend on the sweep and is not broken.
    fixed: Option<Value>,
}

impl<'a> Parameters<'a> {
    /// Reads `params`; values of the command line and columns of the sweep take the place of what is written there.
    pub(super) fn new(
        params: &'a Map<String, Value>,
        overrides: &'a HashMap<String, Value>,
        sweep: &'a Sweep,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut found = Self {
            all: Vec::with_capacity(params.len()),
            index: HashMap::new(),
            sweep,
        };
        for (name, written) in params {
            let raw = overrides.get(name).unwrap_or(written);
            let column = sweep.columns.iter().position(|column| column.name == *name);
            let mut parameter = Parameter {
                name,
                raw,
                column,
                columns: column.into_iter().collect(),
                fixed: None,
            };
            let keys = ["params", name.as_str()];
            let trail = Trail::new(&keys);
            if column.is_none() {
                let mut good = true;
                references(raw, &mut |other| match found.index.get(other) {
                    Some(&index) => parameter.columns.extend(&found.all[index].columns),
                    None if params.contains_key(other) => {
                        good = false;
                        let problem = Problem::LaterParameter {
                            name: other.to_owned(),
                            by: name.clone(),
                        };
                        mistakes.push(trail.mistake(problem));
                    }
                    None => {}
                });
                if good && parameter.columns.is_empty() {
                    parameter.fixed = found.substitute(raw, trail, &[], mistakes).map(Cow::into_owned);
                }
            }
            found.index.insert(name, found.all.len());
            found.all.push(parameter);
        }
        found
    }

    /// Those that the sweep does not set, with their values; one that depends on a swept one is as it is written.
    pub(super) fn unswept(&self) -> Vec<(String, Value)> {
        let unswept = self.all.iter().filter(|parameter| parameter.column.is_none());
        let value = |parameter: &Parameter<'_>| parameter.fixed.as_ref().unwrap_or(parameter.raw).clone();
        unswept
            .map(|parameter| (parameter.name.to_owned(), value(parameter)))
            .collect()
    }

    /// Columns of the sweep on which the references in `value` depend.
    pub(super) fn columns(&self, value: &Value) -> BTreeSet<usize> {
        let mut columns = BTreeSet::new();
        references(value, &mut |name| {
            if let Some(&index) = self.index.get(name) {
                columns.extend(&self.all[index].columns);
            }
        });
        columns
    }

    /// `value` with its references replaced, at a sweep point given by the value index of each column; `None` if
    /// something is wrong, which is then reported here or was before.
    pub(super) fn substitute<'v>(
        &self,
        value: &'v Value,
        trail: Trail<'_>,
        point: &[usize],
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Cow<'v, Value>> {
        if !has_reference(value) {
            return Some(Cow::Borrowed(value));
        }
        Substitution {
            parameters: self,
            point,
            left: LONGEST,
            mistakes,
        }
        .value(value, &trail)
        .map(Cow::Owned)
    }
}

struct Substitution<'a> {
    parameters: &'a Parameters<'a>,
    point: &'a [usize],
    left: usize,
    mistakes: &'a mut Vec<Mistake>,
}

impl Substitution<'_> {
    fn value(&mut self, value: &Value, trail: &Trail<'_>) -> Option<Value> {
        self.spend(1, trail)?;
        match value {
            Value::String(text) if text.contains('$') => self.text(text, trail),
            Value::String(text) => {
                self.spend(text.len(), trail)?;
                Some(value.clone())
            }
            Value::Array(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.value(item, &trail.index(index)));
                // All items are looked at, so that all mistakes are found.
                items
                    .collect::<Vec<_>>()
                    .into_iter()
                    .collect::<Option<Vec<_>>>()
                    .map(Value::Array)
            }
            Value::Object(map) => {
                let mut found = Map::with_capacity(map.len());
                let mut good = true;
                for (key, value) in map {
                    match self.value(value, &trail.key(key)) {
                        Some(value) => drop(found.insert(key.clone(), value)),
                        None => good = false,
                    }
                }
                good.then_some(Value::Object(found))
            }
            other => Some(other.clone()),
        }
    }

    fn text(&mut self, text: &str, trail: &Trail<'_>) -> Option<Value> {
        let pieces = pieces(text);
        if let [Piece::Name(name)] = pieces[..] {
            return self.parameter(name, trail);
        }
        let mut joined = String::new();
        let mut good = true;
        for piece in pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Bad(text) => {
                    good = false;
                    self.mistakes
                        .push(trail.mistake(Problem::BadReference { text: text.to_owned() }));
                }
                Piece::Name(name) => match self.parameter(name, trail) {
                    None => good = false,
                    Some(Value::String(text)) => joined.push_str(&text),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => joined.push_str(&plain(&value)),
                    Some(value) => {
                        good = false;
                        let problem = Problem::NotInterpolable {
                            name: name.to_owned(),
                            found: noun(&value),
                        };
                        self.mistakes.push(trail.mistake(problem));
                    }
                },
            }
            if joined.len() > LONGEST {
                self.spend(joined.len(), trail)?;
            }
        }
        self.spend(joined.len(), trail)?;
        good.then_some(Value::String(joined))
    }

    fn parameter(&mut self, name: &str, trail: &Trail<'_>) -> Option<Value> {
        let parameters = self.parameters;
        let Some(&index) = parameters.index.get(name) else {
            let allowed = parameters
                .all
                .iter()
                .map(|parameter| parameter.name.to_owned())
                .collect();
            self.mistakes.push(trail.mistake(Problem::UnknownParameter {
                name: name.to_owned(),
                allowed,
            }));
            return None;
        };
        let parameter = &parameters.all[index];
        if let Some(column) = parameter.column {
            let value = parameters.sweep.columns[column].values.get(*self.point.get(column)?)?;
            self.spend(size(value), trail)?;
            return Some(value.clone());
        }
        if parameter.columns.is_empty() {
            let value = parameter.fixed.as_ref()?;
            self.spend(size(value), trail)?;
            return Some(value.clone());
        }
        self.value(parameter.raw, &Trail::new(&["params", parameter.name]))
    }

    fn spend(&mut self, units: usize, trail: &Trail<'_>) -> Option<()> {
        if units <= self.left {
            self.left -= units;
            return Some(());
        }
        if self.left > 0 {
            self.mistakes.push(trail.mistake(Problem::TooLong));
        }
        self.left = 0;
        None
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// A value as a person would write it: `3.334e11`, `0.5`, `paper`, `[1,2]`.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            let magnitude = number.abs();
            if magnitude == 0.0 || (1e-4..1e7).contains(&magnitude) {
                format!("{number}")
            } else {
                format!("{number:e}")
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_split_at_references() {
        for whole in ["$a", "${a}"] {
            assert_eq!(pieces(whole), [Piece::Name("a")]);
        }
        assert_eq!(pieces("$a-b"), [Piece::Name("a-b")]);
        assert_eq!(
            pieces("x ${a}-${b_1}"),
            [
                Piece::Text("x "),
                Piece::Name("a"),
                Piece::Text("-"),
                Piece::Name("b_1")
            ]
        );
        assert_eq!(pieces("$${a}"), [Piece::Text("$"), Piece::Text("{a}")]);
        assert_eq!(pieces("$$a"), [Piece::Text("$"), Piece::Text("a")]);
        assert_eq!(pieces("5 $$"), [Piece::Text("5 "), Piece::Text("$")]);
        assert_eq!(pieces("${a b}"), [Piece::Bad("${a b}")]);
        assert_eq!(pieces("${a"), [Piece::Bad("${a")]);
        assert_eq!(pieces("S = $a."), [Piece::Text("S = "), Piece::Bad("$a"), Piece::Text(".")]);
        assert_eq!(pieces("$"), [Piece::Bad("$")]);
    }

    #[test]
    fn numbers_are_written_short() {
        let written = [
            json!(3.334e11),
            json!(0.5),
            json!(1e-7),
            json!(128),
            json!(0.0),
            json!(5.0),
            json!("paper"),
        ];
        assert_eq!(
            written.map(|value| plain(&value)),
            ["3.334e11", "0.5", "1e-7", "128", "0", "5", "paper"]
        );
    }
}
