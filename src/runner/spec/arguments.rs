//! `with:` → typed parameters, and `on:` → resources. serde stops at the first mistake; here each one found is mended
//! in a copy and the rest is tried again, so that all are reported.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostics::Mistake;
use super::parameters::plain;
use super::problem::Problem;
use super::spans::Part;
use super::{mapping, noun, section, suggest, unknown_keys};
use crate::catalog::{Kind, ParameterError};
use crate::graph::Resources;
use crate::stage::AnyStage;

/// So many mistakes of one stage are reported at most.
const MOST: usize = 50;

/// Types the parameters in `with`; `path` makes its path, or that of the kind where there is no `with`.
///
/// `unread` are the keys whose values cannot be known, which is reported already: nothing is said about their values, and
/// there is no stage. A stage whose parameters have faults is given all the same, so that its ports can be checked; its
/// faults are among the mistakes.
pub(super) fn stage(
    kind: &Kind,
    with: Option<Cow<'_, Value>>,
    unread: &[String],
    path: impl Fn() -> Vec<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Arc<dyn AnyStage>> {
    // All of it is unread.
    if with.is_none() && !unread.is_empty() {
        return None;
    }
    let value = with
        .filter(|with| !with.is_null())
        .unwrap_or_else(|| Cow::Owned(Value::Object(Map::new())));
    if !value.is_object() {
        mapping(Some(&value), mistakes, || {
            section("`with`", "`with: { NAME: VALUE }`", path())
        })?;
    }
    match (kind.parse)(&value) {
        Ok(_) if !unread.is_empty() => None,
        Ok(stage) => {
            let faults = stage.check();
            for fault in &faults {
                let at = path().into_iter().chain(fault.at.iter().cloned()).collect();
                let problem = Problem::Fault {
                    message: fault.message.clone(),
                    hint: fault.hint.clone(),
                };
                mistakes.push(Mistake::at(at, Part::Value, problem));
            }
            Some(stage)
        }
        Err(error) => {
            Explainer {
                kind,
                path: &path(),
                mistakes,
                unread,
                excused: Vec::new(),
                renamed: Vec::new(),
            }
            .explain(value.into_owned(), error);
            None
        }
    }
}

struct Explainer<'a> {
    kind: &'a Kind,
    path: &'a [String],
    mistakes: &'a mut Vec<Mistake>,
    unread: &'a [String],
    /// Paths below `with` that are missing only because a mistake was mended.
    excused: Vec<Vec<String>>,
    /// Paths below `with` of keys that were mended, with the key as the user wrote it.
    renamed: Vec<(Vec<String>, String)>,
}

impl Explainer<'_> {
    fn explain(&mut self, mut value: Value, mut error: ParameterError) {
        for _ in 0..MOST {
            if !self.mend(&mut value, &error) {
                return;
            }
            match (self.kind.parse)(&value) {
                Ok(_) => return,
                Err(next) => error = next,
            }
        }
    }

    /// Reports `error` and mends it in `value`; false if it cannot be mended.
    fn mend(&mut self, value: &mut Value, error: &ParameterError) -> bool {
        let at = &error.at;
        if let Some((field, allowed)) = named(&error.message, "unknown field ") {
            let parent: Vec<String> = if at.last() == Some(&field) {
                at[..at.len() - 1].to_vec()
            } else {
                at.clone()
            };
            let place = self.owner(&parent);
            let nearest =
                suggest::nearest(&field, &allowed.iter().map(String::as_str).collect::<Vec<_>>()).map(str::to_owned);
            self.report(
                below(&parent, &field),
                Part::Key,
                Problem::UnknownKey {
                    key: field.clone(),
                    place,
                    allowed,
                },
            );
            let Some(Value::Object(map)) = get(value, &parent) else {
                return false;
            };
            let Some(removed) = map.shift_remove(&field) else {
                return false;
            };
            if let Some(nearest) = nearest.filter(|nearest| !map.contains_key(nearest)) {
                map.insert(nearest.clone(), removed);
                self.renamed.push((below(&parent, &nearest), field));
            }
            return true;
        }
        if let Some((field, _)) = named(&error.message, "missing field ") {
            let Some(top) = at.first() else {
                self.missing(value);
                return false;
            };
            if !self.excused.contains(&below(at, &field)) {
                let owner = self.owner(at);
                self.report(at.clone(), Part::Key, Problem::MissingParameter { name: field, owner });
            }
            // Without the parameter that holds it, the others can be looked at.
            self.excused.push(vec![top.clone()]);
            return value.as_object_mut().is_some_and(|map| map.shift_remove(top).is_some());
        }
        if let Some((given, allowed)) = named(&error.message, "unknown variant ") {
            let key = get(value, at).is_some_and(|value| value.is_object());
            let path = if key { below(at, &given) } else { at.clone() };
            let part = if key { Part::Key } else { Part::Value };
            self.report(path, part, Problem::UnknownChoice { given, allowed });
        } else {
            let problem = mismatch(&error.message, get(value, at)).unwrap_or_else(|| Problem::InvalidParameter {
                message: error.message.clone(),
            });
            self.report(at.clone(), Part::Value, problem);
        }
        let Some((last, parent)) = at.split_last() else {
            return false;
        };
        match get(value, parent) {
            Some(Value::Object(map)) => {
                self.excused.push(at.clone());
                map.shift_remove(last).is_some()
            }
            Some(Value::Array(items)) => match index(last).filter(|&index| index < items.len()) {
                // The list keeps its length, so that later items keep their places.
                Some(index) => items.get(if index == 0 { 1 } else { 0 }).cloned().is_some_and(|other| {
                    let changed = items[index] != other;
                    items[index] = other;
                    changed
                }),
                None => false,
            },
            _ => false,
        }
    }

    /// Reports all required parameters that are absent: serde names only the first.
    fn missing(&mut self, value: &Value) {
        let schema = (self.kind.schema)();
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            let excused = self.excused.iter().any(|excused| excused[..] == [name.to_owned()]);
            if value.get(name).is_none() && !excused {
                let problem = Problem::MissingParameter {
                    name: name.to_owned(),
                    owner: self.owner(&[]),
                };
                self.report(Vec::new(), Part::Key, problem);
            }
        }
    }

    fn owner(&self, at: &[String]) -> String {
        at.last()
            .map_or_else(|| format!("`{}`", self.kind.name), |last| format!("`{last}`"))
    }

    fn report(&mut self, mut at: Vec<String>, part: Part, problem: Problem) {
        for (path, written) in &self.renamed {
            if at.starts_with(path) {
                at[path.len() - 1].clone_from(written);
            }
        }
        if part == Part::Value && at.first().is_some_and(|top| self.unread.contains(top)) {
            return;
        }
        let path = self.path.iter().cloned().chain(at).collect();
        self.mistakes.push(Mistake::at(path, part, problem));
    }
}

fn below(parent: &[String], key: &str) -> Vec<String> {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

fn index(step: &str) -> Option<usize> {
    step.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn get<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(items) => items.get_mut(index(step)?),
        _ => None,
    })
}

/// The name after `start` in a message of serde, and the names it lists as expected.
fn named(message: &str, start: &str) -> Option<(String, Vec<String>)> {
    let mut quoted = message
        .strip_prefix(start)?
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

/// serde's `invalid type: string "a", expected u64` in words for people.
fn mismatch(message: &str, value: Option<&mut Value>) -> Option<Problem> {
    let rest = message.strip_prefix("invalid ")?;
    let (_, expected) = rest.rsplit_once(", expected ")?;
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "path string" => "a text",
        "a boolean" => "true or false",
        "a map" => "a mapping",
        "a sequence" => "a list",
        "string or map" => "a name or a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    let found = value.map_or_else(|| "something else".to_owned(), |value| noun(value));
    Some(Problem::WrongType {
        expected: expected.to_owned(),
        found,
    })
}

/// Reads `on`; `path` makes its path.
pub(super) fn resources(on: Option<&Value>, path: impl Fn() -> Vec<String>, mistakes: &mut Vec<Mistake>) -> Resources {
    let mut resources = Resources {
        device: "auto".to_owned(),
        threads: None,
    };
    let Some(on) = mapping(on, mistakes, || {
        section("`on`", "`on: { device: auto, threads: 1 }`", path())
    }) else {
        return resources;
    };
    unknown_keys(on, &["device", "threads"], mistakes, || ("`on`".to_owned(), path()));
    let mut report = |key: &str, problem| mistakes.push(Mistake::at(below(&path(), key), Part::Value, problem));
    match on.get("device") {
        None => {}
        Some(Value::String(device)) if is_device(device) => resources.device.clone_from(device),
        Some(other) => report("device", Problem::BadDevice { given: plain(other) }),
    }
    match on.get("threads") {
        None => {}
        Some(value) => match value.as_u64().and_then(|threads| usize::try_from(threads).ok()) {
            Some(threads) if threads > 0 => resources.threads = Some(threads),
            _ => report("threads", Problem::BadThreads { given: plain(value) }),
        },
    }
    resources
}

fn is_device(name: &str) -> bool {
    let numbered = name.strip_prefix("cuda:");
    let number = |text: &str| !text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    ["auto", "cpu", "cuda"].contains(&name) || numbered.is_some_and(number)
}
