//! The parameters of a stage, typed, once for each different set of them over the sweep.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::super::arguments;
use super::super::diagnostics::{At, Mistake};
use super::super::outline::Stage;
use super::super::parameters::Trail;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::Resolver;
use crate::graph::{Resources, UserFile};
use crate::ports::InputPort;
use crate::stage::AnyStage;

/// A stage with one set of parameters.
pub(super) struct Variant {
    /// Whether its parameters have faults: then only its inputs are looked at.
    pub faulty: bool,
    pub stage: Arc<dyn AnyStage>,
    pub parameters: Arc<Value>,
    pub files: Vec<UserFile>,
    pub resources: Resources,
    pub inputs: Vec<InputPort>,
}

impl<'a> Resolver<'a> {
    /// The different sets of parameters of a stage over the sweep, and which of them each point has.
    pub fn variants(&mut self, stage: &Stage<'a>, own: &BTreeSet<usize>) -> (Vec<Option<Variant>>, Vec<usize>) {
        if own.is_empty() {
            let variant = self.variant(stage, &[], own);
            return (vec![variant], vec![0; self.sweep.points.len()]);
        }
        let sweep = self.sweep;
        let mut variants = Vec::new();
        let mut by_values: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut by_parameters: HashMap<String, usize> = HashMap::new();
        let mut chosen = Vec::with_capacity(sweep.points.len());
        for point in &sweep.points {
            let values: Vec<usize> = own.iter().map(|&column| point[column]).collect();
            let index = match by_values.entry(values) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let variant = self.variant(stage, point, own);
                    // Different values may give the same parameters (2 and 2.0).
                    let key = variant
                        .as_ref()
                        .map(|variant| format!("{}{:?}", variant.parameters, variant.files));
                    let next = variants.len();
                    let index = key.map_or(next, |key| *by_parameters.entry(key).or_insert(next));
                    if index == next {
                        variants.push(variant);
                    }
                    *new.insert(index)
                }
            };
            chosen.push(index);
        }
        (variants, chosen)
    }

    fn variant(&mut self, stage: &Stage<'a>, point: &[usize], own: &BTreeSet<usize>) -> Option<Variant> {
        let kind = stage.kind?;
        let before = self.mistakes.len();
        let keys = ["stages", stage.name, kind.name];
        let head = Trail::new(&keys);
        let (with, unread) = self.with(stage, head, point);
        let on = stage
            .on
            .map(|on| self.parameters.substitute(on, head.key("on"), point, self.mistakes));
        let mut resources = Resources {
            device: "auto".to_owned(),
            threads: None,
        };
        if let Some(on) = on.flatten() {
            resources = arguments::resources(Some(on.as_ref()), || stage.path(["on"]), self.mistakes);
        }
        let path = || stage.path(stage.with.map(|_| "with"));
        let found = arguments::stage(kind, with, &unread, path, self.mistakes);
        let faulty = self.mistakes.len() > before;
        let variant = found.map(|found| self.finish_variant(stage, found, resources, faulty));
        let place = |&column: &usize| {
            (
                self.sweep.columns[column].name.clone(),
                Some(self.sweep.place(column, point)),
            )
        };
        if self.mistakes.len() > before {
            let mut settings = self.settings.clone();
            settings.extend(own.iter().map(place));
            for mistake in &mut self.mistakes[before..] {
                mistake.settings.clone_from(&settings);
            }
        }
        variant
    }

    /// `with` with its references replaced, and the keys whose values cannot be known; those become nothing, so that all
    /// others are looked at.
    fn with(&mut self, stage: &Stage<'a>, head: Trail<'_>, point: &[usize]) -> (Option<Cow<'a, Value>>, Vec<String>) {
        let mut unread = Vec::new();
        let Some(with) = stage.with else {
            return (None, unread);
        };
        let trail = head.key("with");
        let before = self.mistakes.len();
        if let Some(value) = self.parameters.substitute(with, trail, point, self.mistakes) {
            return (Some(value), unread);
        }
        let Value::Object(map) = with else {
            // All of it is one bad reference.
            return (None, vec![String::new()]);
        };
        let reported = self.mistakes.split_off(before);
        let known = map.iter().map(|(key, value)| {
            let value = self.parameters.substitute(value, trail.key(key), point, self.mistakes);
            if value.is_none() {
                unread.push(key.clone());
            }
            (key.clone(), value.map_or(Value::Null, Cow::into_owned))
        });
        let known = Value::Object(known.collect());
        // The first report stands: it was made for `with` as a whole.
        self.mistakes.truncate(before);
        self.mistakes.extend(reported);
        (Some(Cow::Owned(known)), unread)
    }

    fn finish_variant(
        &mut self,
        stage: &Stage<'a>,
        found: Arc<dyn AnyStage>,
        resources: Resources,
        faulty: bool,
    ) -> Variant {
        let mut parameters = found.parameters();
        let mut files = Vec::new();
        for file in found.files() {
            if let Value::Object(map) = &mut parameters {
                map.shift_remove(file.parameter);
            }
            let path = self.folder.join(&file.path);
            let shown = file.path.display().to_string();
            let mut at = stage.path(["with", file.parameter]);
            let problem = match std::fs::metadata(&path) {
                // What is wrong with the parameter, or that it is missing, is reported already.
                _ if faulty && (!written(stage, file.parameter) || is_reported(self.mistakes, &at)) => None,
                Err(_) => Some(Problem::MissingFile { path: shown }),
                Ok(metadata) if metadata.is_dir() => Some(Problem::NotAFile { path: shown }),
                Ok(_) => None,
            };
            if let Some(problem) = problem {
                at.extend(file.place.map(|place| place.to_string()));
                self.mistakes.push(Mistake::at(at, Part::Value, problem));
            }
            files.push(UserFile {
                parameter: file.name(),
                path,
            });
        }
        let inputs = found.inputs();
        Variant {
            faulty,
            stage: found,
            parameters: Arc::new(parameters),
            files,
            resources,
            inputs,
        }
    }
}

/// Whether the user gave this parameter.
fn written(stage: &Stage<'_>, parameter: &str) -> bool {
    stage.with.is_some_and(|with| with.get(parameter).is_some())
}

/// Whether a mistake at this path, or below it, is known.
fn is_reported(mistakes: &[Mistake], path: &[String]) -> bool {
    let below = |mistake: &Mistake| matches!(&mistake.at, At::Path(at, _) if at.starts_with(path));
    mistakes.iter().any(below)
}
