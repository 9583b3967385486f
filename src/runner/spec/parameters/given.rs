//! What is set from outside: by the command line, and by the `with` of a `use`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::diagnostics::{At, Mistake};
use super::super::problem::Problem;
use super::super::scopes::Scope;
use super::super::spans::Part;
use super::super::yaml;
use super::text::has_reference;

/// Values of the command line, by parameter, for each use of a file.
pub(in crate::spec) type CommandLine = Vec<HashMap<String, Value>>;

/// Reads the `-p name=value` of the command line; `galaxies.seed` is the parameter `seed` of what is used as `galaxies`. `name=1,2` is the
/// list of both; a text with a comma is put in quotes, unless the file has all of it as a value of the parameter.
pub(in crate::spec) fn command_line(
    given: &[(String, String)],
    scopes: &[Scope<'_>],
    mistakes: &mut Vec<Mistake>,
) -> CommandLine {
    let mut found: CommandLine = vec![HashMap::new(); scopes.len()];
    for (name, text) in given {
        let own = name.rfind('.').map_or(0, |dot| dot + 1);
        let scope = scopes.iter().position(|scope| scope.prefix == name[..own]);
        if scope.is_some_and(|scope| scopes[scope].outline.is_none()) {
            continue;
        }
        let is_there = |params: &Map<String, Value>| params.contains_key(&name[own..]);
        let scope = scope.filter(|&scope| scopes[scope].params().is_some_and(is_there));
        let Some(scope) = scope else {
            let allowed = scopes.iter().flat_map(|scope| {
                let names = scope.params().into_iter().flat_map(Map::keys);
                names.map(|name| format!("{}{name}", scope.prefix))
            });
            let (name, allowed) = (name.clone(), allowed.collect());
            mistakes.push(Mistake::new(
                At::CommandLine,
                Problem::UnknownOverride { name, allowed },
            ));
            continue;
        };
        let reason = match value_of(text, &known(&scopes[scope], &name[own..])) {
            Ok(value) if has_reference(&value) => "a value here cannot refer to parameters".to_owned(),
            Ok(Value::Array(items))
                if items.is_empty() && !written(&scopes[scope], &name[own..]).is_some_and(Value::is_array) =>
            {
                "the list is empty".to_owned()
            }
            Ok(value) => {
                found[scope].insert(name[own..].to_owned(), value);
                continue;
            }
            Err(reason) => reason,
        };
        let name = name.clone();
        mistakes.push(Mistake::new(At::CommandLine, Problem::BadOverride { name, reason }));
    }
    found
}

/// What the file says of a parameter.
fn written<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Value> {
    scope.params()?.get(name)
}

/// The texts that the file has for a parameter, in `params` and in its sweep.
fn known<'a>(scope: &Scope<'a>, name: &str) -> Vec<&'a str> {
    let sweep = scope.outline.into_iter().flat_map(|outline| &outline.sweep);
    let columns = sweep.flat_map(|written| &written.columns);
    let own = columns.filter(|column| column.parameter == name);
    let swept = own.flat_map(|column| column.values.iter().flatten().map(|value| &**value));
    written(scope, name)
        .into_iter()
        .chain(swept)
        .filter_map(Value::as_str)
        .collect()
}

/// What stands after `name=`. With a comma it is a list, unless it is one quoted text, a list or mapping already, or a known text.
fn value_of(text: &str, known: &[&str]) -> Result<Value, String> {
    let value = yaml::read_value(text);
    let whole = match &value {
        Ok(Value::String(own)) => {
            let quoted = text.trim_start().starts_with(['"', '\'']);
            quoted || !text.contains(',') || known.contains(&own.as_str())
        }
        Ok(_) => true,
        Err(_) => false,
    };
    match yaml::read_value(&format!("[{text}]")) {
        Ok(Value::Array(items)) if !whole && items.len() > 1 => Ok(Value::Array(items)),
        _ => value,
    }
}

/// A value that is set from outside.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Given<'a> {
    pub value: &'a Value,
    /// The use of a file in whose `with` it stands, and the name given there; `None` on the command line.
    pub with: Option<(usize, &'a str)>,
}

impl Given<'_> {
    /// The values that a parameter takes one after the other: those of a list on the command line, where the file has no list.
    pub fn swept(&self, written: Option<&Value>) -> Option<&[Value]> {
        match self.value {
            Value::Array(items) if self.with.is_none() && !written.is_some_and(Value::is_array) => Some(items),
            _ => None,
        }
    }
}

/// All that is set from outside in one use of a file. What the command line says wins.
pub(in crate::spec) fn given<'a>(
    scope: &Scope<'a>,
    command_line: &'a HashMap<String, Value>,
    mistakes: &mut Vec<Mistake>,
) -> HashMap<&'a str, Given<'a>> {
    let mut found = HashMap::new();
    if let Some((parent, used)) = scope.parent {
        for (name, value) in used.with.into_iter().flatten() {
            if !scope.params().is_some_and(|params| params.contains_key(name)) {
                let allowed = scope.params().into_iter().flat_map(Map::keys).cloned().collect();
                let problem = Problem::UnknownKey {
                    key: name.clone(),
                    place: format!("`with` of `{}`", used.name),
                    allowed,
                };
                mistakes.push(Mistake::at(used.path(["with", name]), Part::Key, problem).within(parent));
                continue;
            }
            let with = Some((parent, used.name));
            found.insert(name.as_str(), Given { value, with });
        }
    }
    let own = command_line.iter();
    found.extend(own.map(|(name, value)| (name.as_str(), Given { value, with: None })));
    found
}
