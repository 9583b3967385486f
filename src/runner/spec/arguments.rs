//! `with:` → typed parameters, and `on:` → resources. serde stops at the first mistake; here each one found is mended
//! in a copy and the rest is tried again, so that all are reported.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostics::Mistake;
use super::parameters::plain;
use super::problem::Problem;
use super::spans::Part;
use super::{example, mapping, noun, section, suggest, unknown_keys};
use crate::catalog::{Kind, ParameterError};
use crate::graph::Resources;
use crate::ports::Connected;
use crate::stage::{AnyStage, Fault};

/// So many mistakes of one stage are reported at most.
const MOST: usize = 50;

/// Types the parameters in `with`; `path` makes its path, or that of the kind where there is no `with`.
///
/// `unread` are the keys whose values cannot be known, which is reported already: nothing is said about their values, and
/// there is no stage. A stage whose parameters have faults, or wrong types that its ports do not depend on, is given all the
/// same, so that its ports can be checked; what is wrong is among the mistakes.
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
            report_faults(&stage.check(), &path(), mistakes);
            Some(stage)
        }
        Err(error) => explained(kind, value.into_owned(), &error, unread, &path(), mistakes),
    }
}

fn report_faults(faults: &[Fault], path: &[String], mistakes: &mut Vec<Mistake>) {
    for fault in faults {
        let at = path.iter().chain(&fault.at).cloned().collect();
        let problem = Problem::Fault {
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        };
        mistakes.push(Mistake::at(at, Part::Value, problem));
    }
}

/// Reports all that is wrong with the types in `value`. Bad values are mended twice, in different ways: what both stages
/// say of their other parameters and of their ports holds whatever was meant, and is looked at too.
fn explained(
    kind: &Kind,
    value: Value,
    error: &ParameterError,
    unread: &[String],
    path: &[String],
    mistakes: &mut Vec<Mistake>,
) -> Option<Arc<dyn AnyStage>> {
    let mut unsaid = Vec::new();
    let explain = |second, mistakes: &mut Vec<Mistake>| {
        let mut explainer = Explainer {
            kind,
            path,
            mistakes,
            unread,
            second,
            filled: Vec::new(),
            excused: Vec::new(),
            renamed: Vec::new(),
        };
        let stage = explainer.explain(value.clone(), error.clone());
        (stage, explainer.filled, explainer.renamed)
    };
    let (stage, filled, renamed) = explain(false, mistakes);
    let (other, ..) = explain(true, &mut unsaid);
    let (stage, other) = (stage.filter(|_| unread.is_empty())?, other?);
    let others = other.check();
    let mut faults = stage.check();
    faults.retain(|fault| {
        let mended = filled
            .iter()
            .any(|at| fault.at.starts_with(at) || !fault.at.is_empty() && at.starts_with(&fault.at));
        !mended && others.contains(fault)
    });
    for fault in &mut faults {
        as_written(&mut fault.at, &renamed);
    }
    report_faults(&faults, path, mistakes);
    (stage.inputs() == other.inputs() && output_names(&*stage) == output_names(&*other)).then_some(stage)
}

/// Names of a stage's outputs, where nothing need be connected to know them.
pub(super) fn output_names(stage: &dyn AnyStage) -> Option<Vec<&'static str>> {
    let outputs = stage.outputs(&Connected::new()).ok()?;
    Some(outputs.iter().map(|output| output.name).collect())
}

struct Explainer<'a> {
    kind: &'a Kind,
    path: &'a [String],
    mistakes: &'a mut Vec<Mistake>,
    unread: &'a [String],
    /// Which of two values takes the place of a bad one.
    second: bool,
    /// Paths below `with` of values that were replaced.
    filled: Vec<Vec<String>>,
    /// Paths below `with` that are missing only because a mistake was mended.
    excused: Vec<Vec<String>>,
    /// Paths below `with` of keys that were mended, with the key as the user wrote it.
    renamed: Vec<(Vec<String>, String)>,
}

impl Explainer<'_> {
    /// Reports all mistakes in `value`. The stage without them, where all could be mended by putting another value or the
    /// right key in place.
    fn explain(&mut self, mut value: Value, mut error: ParameterError) -> Option<Arc<dyn AnyStage>> {
        for _ in 0..MOST {
            if !self.mend(&mut value, &error) {
                return None;
            }
            match (self.kind.parse)(&value) {
                Ok(stage) => return Some(stage).filter(|_| self.excused.is_empty()),
                Err(next) => error = next,
            }
        }
        None
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
            } else {
                // Nobody knows what it was to say.
                self.excused.push(below(&parent, &field));
            }
            return true;
        }
        if let Some((field, _)) = named(&error.message, "missing field ") {
            let Some(top) = at.first() else {
                return self.missing(value);
            };
            if !self.excused.contains(&below(at, &field)) {
                let owner = self.owner(at);
                self.report(at.clone(), Part::Key, Problem::MissingParameter { name: field, owner });
            }
            // Without the parameter that holds it, the others can be looked at.
            self.excused.push(vec![top.clone()]);
            return value.as_object_mut().is_some_and(|map| map.shift_remove(top).is_some());
        }
        // What a replaced value brings with it is not the user's mistake.
        if !self.filled.contains(at) {
            let other = self.wrong_value(get(value, at), error);
            if let Some((place, other)) = get(value, at).zip(other) {
                *place = other;
                self.filled.push(at.clone());
                return true;
            }
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

    /// Reports a wrong value. What could be in its place, if that can be said.
    fn wrong_value(&mut self, value: Option<&mut Value>, error: &ParameterError) -> Option<Value> {
        let at = &error.at;
        let Some((given, allowed)) = named(&error.message, "unknown variant ") else {
            let problem = mismatch(&error.message, value).unwrap_or_else(|| Problem::InvalidParameter {
                message: error.message.clone(),
            });
            self.report(at.clone(), Part::Value, problem);
            return replacement(&error.message, self.second);
        };
        let key = value.is_some_and(|value| value.is_object());
        let path = if key { below(at, &given) } else { at.clone() };
        let part = if key { Part::Key } else { Part::Value };
        let other = if self.second { allowed.last() } else { allowed.first() };
        let other = other.filter(|_| !key).map(|name| Value::from(name.as_str()));
        self.report(path, part, Problem::UnknownChoice { given, allowed });
        other
    }

    /// Reports all required parameters that are absent, of which serde names only the first, and puts examples in their
    /// place; false if there is none for one of them.
    fn missing(&mut self, value: &mut Value) -> bool {
        let schema = (self.kind.schema)();
        let required = schema.get("required").and_then(Value::as_array);
        let mut mended = true;
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_some() {
                continue;
            }
            let at = vec![name.to_owned()];
            if !self.excused.contains(&at) {
                let problem = Problem::MissingParameter {
                    name: name.to_owned(),
                    owner: self.owner(&[]),
                };
                self.report(Vec::new(), Part::Key, problem);
            }
            match (value.as_object_mut(), example::of_property(&schema, name, self.second)) {
                (Some(map), Some(example)) => {
                    map.insert(name.to_owned(), example);
                    self.excused.retain(|excused| *excused != at);
                    self.filled.push(at);
                }
                _ => mended = false,
            }
        }
        mended
    }

    fn owner(&self, at: &[String]) -> String {
        at.last()
            .map_or_else(|| format!("`{}`", self.kind.name), |last| format!("`{last}`"))
    }

    fn report(&mut self, mut at: Vec<String>, part: Part, problem: Problem) {
        as_written(&mut at, &self.renamed);
        if part == Part::Value && at.first().is_some_and(|top| self.unread.contains(top)) {
            return;
        }
        let path = self.path.iter().cloned().chain(at).collect();
        self.mistakes.push(Mistake::at(path, part, problem));
    }
}

/// Puts the keys that the user wrote into a path.
fn as_written(at: &mut [String], renamed: &[(Vec<String>, String)]) {
    for (path, written) in renamed {
        if at.starts_with(path) {
            at[path.len() - 1].clone_from(written);
        }
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

/// One of two values that serde takes where it said this of another.
fn replacement(message: &str, second: bool) -> Option<Value> {
    let (_, expected) = message.strip_prefix("invalid ")?.rsplit_once(", expected ")?;
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            Some(Value::from(if second { 100 } else { 1 }))
        }
        "f32" | "f64" => Some(Value::from(if second { 100.0 } else { 0.5 })),
        "a boolean" => Some(Value::from(second)),
        _ => None,
    }
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
