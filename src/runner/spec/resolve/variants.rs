//! The parameters of a stage, typed, once for each different set of them over the sweep.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::arguments;
use super::super::diagnostics::{At, Mistake, Setting};
use super::super::nodes::Node;
use super::super::parameters::Trail;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::sweep::{Column, Combinations, Sweep};
use super::Resolver;
use crate::canonical::Canonical;
use crate::graph::{Resources, UserFile};
use crate::ports::InputPort;
use crate::stage::AnyStage;

/// A stage with one set of parameters.
pub(super) struct Variant {
    /// Whether its parameters have faults: then only its inputs are looked at.
    pub faulty: bool,
    pub stage: Arc<dyn AnyStage>,
    pub parameters: Canonical,
    pub files: Arc<[UserFile]>,
    pub resources: Resources,
    pub inputs: Arc<[InputPort]>,
}

impl<'a> Resolver<'a, '_> {
    /// Columns of the sweep that a stage mentions itself.
    pub fn own_columns(&self, node: &Node<'a>) -> BTreeSet<usize> {
        let defaults = node.defaults(self.scopes).into_iter().flatten();
        let defaults = defaults.filter(|(key, _)| node.stage.with.is_none_or(|with| with.get(key).is_none()));
        let own = [node.stage.with, node.stage.on].into_iter().flatten();
        let all = own.chain(defaults.map(|(_, value)| value));
        all.flat_map(|value| self.values.columns(node.scope, value)).collect()
    }

    /// The different sets of parameters of a stage over the sweep, and which of them each combination has; `None` where its
    /// rows are not possible together.
    pub fn variants(
        &mut self,
        node: &Node<'a>,
        own: &BTreeSet<usize>,
        combinations: &Combinations,
    ) -> (Vec<Option<Variant>>, Vec<Option<usize>>) {
        let sweep = &self.values.sweep;
        let mut settings = sweep.settings();
        let mut variants = Vec::new();
        let classes = Classes::new(sweep, own);
        let mut by_values: HashMap<usize, usize> = HashMap::new();
        let mut by_parameters: HashMap<(Canonical, Arc<[UserFile]>), usize> = HashMap::new();
        let mut chosen = Vec::with_capacity(combinations.count);
        for combination in 0..combinations.count {
            if !combinations.set(sweep, combination, &mut settings) {
                chosen.push(None);
                continue;
            }
            let index = match by_values.entry(classes.index(&settings)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let variant = self.variant(node, &settings, own);
                    // Different values may give the same parameters (2 and 2.0).
                    let key = variant.as_ref().filter(|_| !own.is_empty());
                    let key = key.map(|variant| (variant.parameters.clone(), variant.files.clone()));
                    let next = variants.len();
                    let index = key.map_or(next, |key| *by_parameters.entry(key).or_insert(next));
                    if index == next {
                        variants.push(variant);
                    }
                    *new.insert(index)
                }
            };
            chosen.push(Some(index));
        }
        (variants, chosen)
    }

    fn variant(&mut self, node: &Node<'a>, settings: &[usize], own: &BTreeSet<usize>) -> Option<Variant> {
        let stage = node.stage;
        let kind = stage.kind?;
        let before = self.mistakes.len();
        let keys = ["stages", stage.name, kind.name];
        let head = Trail::new(&keys);
        let (mut with, mut unread) = self.with(node, head, settings);
        self.lay_under(node, settings, &mut with, &mut unread);
        let on = stage.on.map(|on| {
            self.values
                .substitute(node.scope, on, head.key("on"), settings, self.mistakes)
        });
        let mut resources = Resources::default();
        if let Some(on) = on.flatten() {
            resources = arguments::resources(Some(on.as_ref()), || stage.path(["on"]), self.mistakes);
        }
        let path = || node.path_of_with(self.scopes);
        let found = arguments::stage(kind, with, &unread, path, self.mistakes);
        let faulty = self.mistakes.len() > before;
        let variant = found.map(|found| self.finish_variant(node, found, resources, faulty));
        if self.mistakes.len() > before {
            let columns = own.iter().map(|&column| &self.values.sweep.columns[column]);
            let setting = |column: &Column| {
                Some(Setting {
                    scope: column.scope,
                    name: column.parameter.clone(),
                    place: column.place(settings[column.dimension])?,
                })
            };
            let settings: Vec<Setting> = columns.filter_map(setting).collect();
            for mistake in &mut self.mistakes[before..] {
                mistake.settings.clone_from(&settings);
            }
        }
        variant
    }

    /// `with` with its references replaced, and the keys whose values cannot be known; those become nothing, so that all
    /// others are looked at.
    fn with(&mut self, node: &Node<'a>, head: Trail<'_>, settings: &[usize]) -> (Option<Cow<'a, Value>>, Vec<String>) {
        let mut unread = Vec::new();
        let (scope, Some(with)) = (node.scope, node.stage.with) else {
            return (None, unread);
        };
        let trail = head.key("with");
        let before = self.mistakes.len();
        if let Some(value) = self.values.substitute(scope, with, trail, settings, self.mistakes) {
            return (Some(value), unread);
        }
        let Value::Object(map) = with else {
            // All of it is one bad reference.
            return (None, vec![String::new()]);
        };
        let reported = self.mistakes.split_off(before);
        let known = map.iter().map(|(key, value)| {
            let value = self
                .values
                .substitute(scope, value, trail.key(key), settings, self.mistakes);
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

    /// Lays the defaults of the kind under `with`.
    fn lay_under(
        &mut self,
        node: &Node<'a>,
        settings: &[usize],
        with: &mut Option<Cow<'a, Value>>,
        unread: &mut Vec<String>,
    ) {
        let (Some(defaults), Some(kind)) = (node.defaults(self.scopes), node.stage.kind) else {
            return;
        };
        let all_unread = with.is_none() && !unread.is_empty();
        let with = with.get_or_insert_with(|| Cow::Owned(Value::Null));
        if with.is_null() {
            *with = Cow::Owned(Value::Object(Map::new()));
        }
        for (key, value) in defaults {
            if all_unread || with.as_object().is_none_or(|with| with.contains_key(key)) {
                continue;
            }
            let keys = ["defaults", kind.name, key.as_str()];
            let value = self
                .values
                .substitute(node.scope, value, Trail::new(&keys), settings, self.mistakes);
            if value.is_none() {
                unread.push(key.clone());
            }
            if let Value::Object(with) = with.to_mut() {
                with.insert(key.clone(), value.map_or(Value::Null, Cow::into_owned));
            }
        }
    }

    /// The stage with what its files say of parameters that were left out; nothing where that cannot be known.
    fn settled(&mut self, node: &Node<'a>, stage: &Arc<dyn AnyStage>) -> Option<Arc<dyn AnyStage>> {
        let folder = &self.sources.0[self.scopes[node.scope].file].folder;
        let path = node.path_of_with(self.scopes);
        let before = self.mistakes.len();
        let settled = match stage.settled(&|path| folder.join(path)) {
            Ok(None) => return Some(stage.clone()),
            Ok(Some(settled)) => Some(settled),
            Err(faults) => {
                arguments::report_faults(&faults, &path, self.mistakes);
                None
            }
        };
        if let Some(settled) = &settled {
            arguments::report_faults(&settled.check(), &path, self.mistakes);
        }
        settled.filter(|_| self.mistakes.len() == before)
    }

    fn finish_variant(
        &mut self,
        node: &Node<'a>,
        found: Arc<dyn AnyStage>,
        resources: Resources,
        mut faulty: bool,
    ) -> Variant {
        let found = if faulty {
            found
        } else {
            let settled = self.settled(node, &found);
            faulty = settled.is_none();
            settled.unwrap_or(found)
        };
        let mut parameters = found.parameters();
        let mut files = Vec::new();
        for file in found.files() {
            file.remove_from(&mut parameters);
            let path = self.sources.0[self.scopes[node.scope].file].folder.join(&file.path);
            let shown = file.path.display().to_string();
            let mut at = node
                .stage
                .path(std::iter::once("with").chain(file.parameter.split('.')));
            let problem = match std::fs::metadata(&path) {
                // What is wrong with the parameter, or that it is missing, is reported already.
                _ if faulty && (!node.is_given(self.scopes, &file.parameter) || is_reported(self.mistakes, &at)) => {
                    None
                }
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
        let mut inputs = found.inputs();
        for source in &node.from {
            if inputs.iter().all(|port| port.name != source.port) {
                inputs.extend(found.other_input(source.port));
            }
        }
        let inputs = match &self.inputs {
            Some(last) if **last == *inputs => last.clone(),
            _ => self.inputs.insert(inputs.into()).clone(),
        };
        Variant {
            faulty,
            stage: found,
            parameters: Canonical::of(&parameters),
            files: files.into(),
            resources,
            inputs,
        }
    }
}

/// The rows of some dimensions, of which those with the same values in some columns are taken for one.
struct Classes {
    /// Each dimension, and for each of its rows the first that is the same.
    dimensions: Vec<(usize, Vec<usize>)>,
}

impl Classes {
    fn new(sweep: &Sweep, columns: &BTreeSet<usize>) -> Self {
        let dimensions: BTreeSet<usize> = columns.iter().map(|&column| sweep.columns[column].dimension).collect();
        let class = |dimension: usize| {
            let within = &sweep.dimensions[dimension].columns;
            let own = columns.iter().filter(|column| within.contains(column));
            let own: Vec<&Vec<usize>> = own.map(|&column| &sweep.columns[column].same).collect();
            if let [one] = own[..] {
                return (dimension, one.clone());
            }
            let mut first = HashMap::new();
            let same = |row: usize| own.iter().map(|same| same[row]).collect::<Vec<usize>>();
            let rows = 0..sweep.dimensions[dimension].length;
            (
                dimension,
                rows.map(|row| *first.entry(same(row)).or_insert(row)).collect(),
            )
        };
        let dimensions = dimensions.into_iter().map(class).collect();
        Self { dimensions }
    }

    /// A number for the rows that are set, which is the same for those that are taken for one.
    fn index(&self, settings: &[usize]) -> usize {
        let dimensions = self.dimensions.iter();
        dimensions.fold(0, |index, (dimension, class)| {
            index * class.len() + class[settings[*dimension]]
        })
    }
}

/// Whether a mistake at this path, or below it, is known.
fn is_reported(mistakes: &[Mistake], path: &[String]) -> bool {
    let below = |mistake: &Mistake| matches!(&mistake.at, At::Path(at, _) if at.starts_with(path));
    mistakes.iter().any(below)
}
