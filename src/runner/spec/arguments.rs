//! `with:` → typed parameters, and `on:` → resources. serde has the last word; what is wrong is said by [`typing`], which
//! knows the schema of a kind, so that all of it is said at once, and in our words.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostics::Mistake;
use super::plain::plain;
use super::problem::Problem;
use super::spans::Part;
use super::typing::{Typing, whole};
use super::{limits, mapping, section, unknown_keys};
use crate::catalog::{Kind, ParameterError};
use crate::graph::{DeviceWish, Resources};
use crate::ports::Connected;
use crate::stage::{AnyStage, Fault};

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
    // serde takes a list for any mapping, item by item.
    let parsed = if has_list(&value) {
        None
    } else {
        (kind.parse)(&value).ok()
    };
    match parsed {
        Some(_) if !unread.is_empty() => None,
        Some(stage) => {
            let faults = stage.check();
            if !faults.is_empty() {
                report_faults(&faults, &path(), mistakes);
            }
            Some(stage)
        }
        None => explained(kind, &value, unread, &path(), mistakes),
    }
}

/// Reports faults of the parameters at `path`.
pub(super) fn report_faults(faults: &[Fault], path: &[String], mistakes: &mut Vec<Mistake>) {
    for fault in faults {
        let at = path.iter().chain(&fault.at).cloned().collect();
        let problem = Problem::Fault {
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        };
        mistakes.push(Mistake::at(at, Part::Value, problem));
    }
}

/// Puts numbers with units into the unit of their parameter, and reports all that is wrong with the types in `value`. Bad values are replaced twice, in different ways: what both stages
/// say of their other parameters and of their ports holds whatever was meant, and is looked at too.
fn explained(
    kind: &Kind,
    value: &Value,
    unread: &[String],
    path: &[String],
    mistakes: &mut Vec<Mistake>,
) -> Option<Arc<dyn AnyStage>> {
    let schema = kind.parameters();
    let before = mistakes.len();
    let mut right = value.clone();
    let mut typing = Typing::of((kind.name, schema), unread, kind.quantities, false, &mut right);
    for fault in std::mem::take(&mut typing.faults) {
        let at = path.iter().cloned().chain(fault.at).collect();
        mistakes.push(Mistake::at(at, fault.part, fault.problem));
    }
    if typing.unsure {
        return None;
    }
    let stage = match (kind.parse)(&right) {
        Ok(stage) => stage,
        Err(error) => {
            // Of an example that does not fit, nothing is to be said.
            if !typing.filled.iter().any(|filled| error.at.starts_with(filled)) {
                let at = typing.as_written(error.at.clone());
                if at.first().is_none_or(|top| !unread.contains(top)) {
                    let at = path.iter().cloned().chain(at).collect();
                    mistakes.push(Mistake::at(at, Part::Value, last_word(kind, error)));
                }
            }
            return None;
        }
    };
    if !unread.is_empty() {
        return None;
    }
    if mistakes.len() == before {
        report_faults(&stage.check(), path, mistakes);
        return Some(stage);
    }
    let mut otherwise = value.clone();
    Typing::of((kind.name, schema), unread, kind.quantities, true, &mut otherwise);
    let other = (kind.parse)(&otherwise).ok()?;
    let others = other.check();
    let mut faults = stage.check();
    faults.retain(|fault| {
        let filled = typing.filled.iter();
        let mended = filled
            .clone()
            .any(|at| fault.at.starts_with(at) || !fault.at.is_empty() && at.starts_with(&fault.at));
        !mended && others.contains(fault)
    });
    for fault in &mut faults {
        fault.at = typing.as_written(std::mem::take(&mut fault.at));
    }
    report_faults(&faults, path, mistakes);
    (stage.inputs() == other.inputs() && output_names(&*stage) == output_names(&*other)).then_some(stage)
}

/// What serde says where the schema found nothing wrong: in the kind's own words, or, where they are serde's, in ours.
fn last_word(kind: &Kind, error: ParameterError) -> Problem {
    let of_serde = [
        "invalid ",
        "unknown ",
        "missing ",
        "duplicate ",
        "expected ",
        "data did not match",
        "number out of range",
    ];
    if of_serde.iter().any(|start| error.message.starts_with(start)) {
        let name = error.at.last().map_or("with", String::as_str).to_owned();
        return Problem::NotTaken {
            name,
            kind: kind.name.to_owned(),
        };
    }
    Problem::InvalidParameter { message: error.message }
}

/// Names of a stage's outputs, where nothing need be connected to know them.
pub(super) fn output_names(stage: &dyn AnyStage) -> Option<Vec<&'static str>> {
    let outputs = stage.outputs(&Connected::new()).ok()?;
    Some(outputs.iter().map(|output| output.name).collect())
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(has_list),
        _ => false,
    }
}

fn below(parent: &[String], key: &str) -> Vec<String> {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

/// Reads `on`; `path` makes its path.
pub(super) fn resources(on: Option<&Value>, path: impl Fn() -> Vec<String>, mistakes: &mut Vec<Mistake>) -> Resources {
    let mut resources = Resources::default();
    let Some(on) = mapping(on, mistakes, || {
        section("`on`", "`on: { device: auto, threads: 1 }`", path())
    }) else {
        return resources;
    };
    let known = [
        "device",
        "threads",
        "memory",
        "timeout",
        "retries",
        "priority",
        "gpu_share",
        "partition",
        "account",
    ];
    unknown_keys(on, &known, mistakes, || ("`on`".to_owned(), path()));
    let mut report = |key: &str, problem| mistakes.push(Mistake::at(below(&path(), key), Part::Value, problem));
    match on.get("device") {
        None => {}
        Some(value) => match value.as_str().and_then(DeviceWish::of) {
            Some(device) => resources.device = device,
            None => report("device", Problem::BadDevice { given: plain(value) }),
        },
    }
    match on.get("threads") {
        None => {}
        Some(value) => match count(value) {
            Some(threads) if threads > 0 => resources.threads = Some(threads),
            _ => report("threads", Problem::BadThreads { given: plain(value) }),
        },
    }
    if let Some(value) = on.get("memory") {
        match limits::memory(value) {
            Some(memory) => resources.limits.memory = Some(memory),
            None => report("memory", Problem::BadMemory { given: plain(value) }),
        }
    }
    if let Some(value) = on.get("timeout") {
        match limits::time(value) {
            Some(time) => resources.limits.time = Some(time),
            None => report("timeout", Problem::BadTimeout { given: plain(value) }),
        }
    }
    if let Some(value) = on.get("retries") {
        match count(value).and_then(|retries| u32::try_from(retries).ok()) {
            Some(retries) if retries <= MOST_RETRIES => resources.retries = retries,
            _ => report("retries", Problem::BadRetries { given: plain(value) }),
        }
    }
    if let Some(value) = on.get("priority") {
        match value
            .as_number()
            .and_then(whole)
            .and_then(|given| i32::try_from(given).ok())
        {
            Some(priority) if priority.abs() <= MOST_PRIORITY => resources.priority = priority,
            _ => report("priority", Problem::BadPriority { given: plain(value) }),
        }
    }
    if let Some(value) = on.get("gpu_share") {
        match value.as_f64().map(|share| (share * 1000.0).round()) {
            Some(share) if (1.0..=1000.0).contains(&share) => resources.gpu_share = Some(share as u32),
            _ => report("gpu_share", Problem::BadGpuShare { given: plain(value) }),
        }
    }
    let queue = &mut resources.queue;
    for (key, place) in [("partition", &mut queue.partition), ("account", &mut queue.account)] {
        match on.get(key) {
            None => {}
            Some(Value::String(name)) if is_name(name) => *place = Some(name.clone()),
            Some(value) => report(key, Problem::BadQueue { given: plain(value) }),
        }
    }
    resources
}

/// Whether a batch system may have such a name.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,+@:".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

/// What fails so often is not going to be well.
const MOST_RETRIES: u32 = 100;

/// So many steps are told apart.
const MOST_PRIORITY: i32 = 100;

/// A count, however it is written.
fn count(value: &Value) -> Option<usize> {
    let Value::Number(number) = value else { return None };
    whole(number).and_then(|count| usize::try_from(count).ok())
}
