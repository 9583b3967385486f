//! Parameters: those of the pipeline, and those of each use of another file.

mod given;
mod substitution;
mod text;
mod trail;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

pub(super) use self::given::{CommandLine, Given, command_line, given};
use self::substitution::Substitution;
pub(super) use self::text::{has_reference, references, whole_reference};
pub(super) use self::trail::Trail;
use super::diagnostics::{At, Mistake};
use super::plain::plain;
use super::problem::Problem;
use super::scopes::Scope;
use super::spans::Part;
use super::sweep::{Combinations, Sweep, Written, WrittenColumn};
use crate::quantity::ReadQuantity;

/// The parameters of every use of a file, and the sweep that sets some of them.
#[derive(Default)]
pub(super) struct Values<'a> {
    /// By use; those of the pipeline itself come first.
    pub scopes: Vec<Parameters<'a>>,
    /// The sweeps of all of them.
    pub sweep: Sweep,
    /// How quantities are read, where they are.
    pub quantities: Option<ReadQuantity>,
}

/// The parameters of one use of a file.
#[derive(Default)]
pub(super) struct Parameters<'a> {
    all: Vec<Parameter<'a>>,
    index: HashMap<&'a str, usize>,
}

struct Parameter<'a> {
    name: &'a str,
    /// What stands for it, where no row sets it.
    raw: &'a Value,
    /// The use of a file where that is written, and its path there.
    scope: usize,
    path: Vec<&'a str>,
    /// Column of the sweep that sets it.
    column: Option<usize>,
    /// Columns of the sweep that it depends on.
    columns: BTreeSet<usize>,
    /// Its value, where it does not depend on the sweep and is not broken.
    fixed: Option<Value>,
}

impl<'a> Parameters<'a> {
    fn get(&self, name: &str) -> Option<&Parameter<'a>> {
        self.index.get(name).map(|&index| &self.all[index])
    }

    /// The names of all.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(|parameter| parameter.name.to_owned()).collect()
    }

    /// Those that the sweep does not set, with their values; one that depends on a swept one is as it is written.
    pub fn unswept(&self) -> Vec<(String, Value)> {
        let unswept = self.all.iter().filter(|parameter| parameter.column.is_none());
        let value = |parameter: &Parameter<'_>| parameter.fixed.as_ref().unwrap_or(parameter.raw).clone();
        unswept
            .map(|parameter| (parameter.name.to_owned(), value(parameter)))
            .collect()
    }
}

impl<'a> Values<'a> {
    /// Adds the parameters of the next use of a file, and its sweep. What is given from outside takes the place of what the
    /// file says: an axis is dropped, and of rows those that agree are kept.
    pub fn add(
        &mut self,
        scope: &Scope<'a>,
        sweep: &[Written],
        given: &HashMap<&'a str, Given<'a>>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let index = self.scopes.len();
        let params = scope.params();
        let columns = self.add_sweep(index, scope, sweep, given, mistakes);
        self.scopes.push(Parameters::default());
        for (name, written) in params.into_iter().flatten() {
            let given = given.get(name.as_str());
            let column = columns.get(name).copied();
            let (raw, at, path) = match given.filter(|_| column.is_none()) {
                None => (written, index, vec!["params", name.as_str()]),
                Some(Given { value, with: None }) => (*value, index, Vec::new()),
                Some(Given {
                    value,
                    with: Some((parent, used)),
                }) => (*value, *parent, vec!["use", used, "with", name.as_str()]),
            };
            let mut parameter = Parameter {
                name,
                raw,
                scope: at,
                path,
                column,
                columns: column.into_iter().collect(),
                fixed: None,
            };
            let left_out = |column: usize| self.sweep.columns[column].values.iter().any(Option::is_none);
            if column.is_none_or(left_out) {
                let good = at != index || self.are_known(index, params, &parameter, mistakes);
                parameter.columns.extend(self.columns(at, raw));
                if good && parameter.columns.is_empty() {
                    let trail = Trail::new(&parameter.path);
                    parameter.fixed = self.substitute(at, raw, trail, &[], mistakes).map(Cow::into_owned);
                }
            }
            // Rows of which only some are possible depend on what chooses them.
            if let Some(given) = given.filter(|_| column.is_some()) {
                let from = given.with.map(|(parent, _)| self.columns(parent, given.value));
                parameter.columns.extend(from.into_iter().flatten());
            }
            let own = &mut self.scopes[index];
            own.index.insert(name, own.all.len());
            own.all.push(parameter);
        }
    }

    /// Whether the parameters that one refers to stand before it; reports those that do not.
    fn are_known(
        &self,
        scope: usize,
        params: Option<&Map<String, Value>>,
        parameter: &Parameter<'a>,
        mistakes: &mut Vec<Mistake>,
    ) -> bool {
        let mut good = true;
        references(parameter.raw, &mut |other| {
            if self.scopes[scope].get(other).is_some() || !params.is_some_and(|params| params.contains_key(other)) {
                return;
            }
            good = false;
            let problem = Problem::LaterParameter {
                name: other.to_owned(),
                by: parameter.name.to_owned(),
            };
            mistakes.push(Trail::new(&parameter.path).mistake(problem).within(scope));
        });
        good
    }

    /// Adds the dimensions of the sweep of one use of a file; gives the column of each parameter that it sets.
    fn add_sweep(
        &mut self,
        index: usize,
        scope: &Scope<'a>,
        sweep: &[Written],
        given: &HashMap<&'a str, Given<'a>>,
        mistakes: &mut Vec<Mistake>,
    ) -> HashMap<String, usize> {
        let mut columns = HashMap::new();
        let params = scope.params();
        let sweep = with_lists(sweep, params, given);
        for written in &sweep {
            let set = written
                .columns
                .iter()
                .filter_map(|column| Some((column, *given.get(column.parameter.as_str())?)));
            let set: Vec<_> = set.collect();
            if written.is_axis() && !set.is_empty() {
                continue;
            }
            let set = set.into_iter().filter(|_| !written.is_of_command_line());
            let (mut rows, mut conditions) = ((0..written.length).collect::<Vec<_>>(), Vec::new());
            for (column, given) in set {
                let varies = given
                    .with
                    .is_some_and(|(parent, _)| !self.columns(parent, given.value).is_empty());
                if varies {
                    conditions.push((column, given));
                    continue;
                }
                let value = match given.with {
                    None => Some(Cow::Borrowed(given.value)),
                    Some((parent, used)) => {
                        let path = ["use", used, "with", column.parameter.as_str()];
                        self.substitute(parent, given.value, Trail::new(&path), &[], mistakes)
                    }
                };
                let Some(value) = value else { continue };
                let default = params.and_then(|params| params.get(&column.parameter));
                let values = given.swept(default).unwrap_or(std::slice::from_ref(&*value));
                let agrees = |row: usize, value: &Value| column.agrees(row, default, value, self.quantities);
                let missing = values.iter().find(|value| !rows.iter().any(|&row| agrees(row, value)));
                if let Some(value) = missing {
                    mistakes.push(no_row(
                        scope,
                        column.values(&rows, default),
                        &column.parameter,
                        value,
                        given,
                    ));
                } else {
                    rows.retain(|&row| values.iter().any(|value| agrees(row, value)));
                }
            }
            let dimension = self.sweep.add(index, &scope.prefix, written, &rows, scope.params());
            for (column, parameter) in self.sweep.dimensions[dimension].columns.clone().zip(&written.columns) {
                columns.insert(parameter.parameter.clone(), column);
            }
            self.condition(scope, dimension, &rows, &conditions, mistakes);
        }
        columns
    }

    /// Notes which rows agree with what is given from a sweep outside.
    fn condition(
        &mut self,
        scope: &Scope<'a>,
        dimension: usize,
        rows: &[usize],
        conditions: &[(&WrittenColumn, Given<'a>)],
        mistakes: &mut Vec<Mistake>,
    ) {
        if conditions.is_empty() {
            return;
        }
        let from = conditions
            .iter()
            .filter_map(|(_, given)| Some((given.with?.0, given.value)));
        let outer: BTreeSet<usize> = from.flat_map(|(parent, value)| self.columns(parent, value)).collect();
        let outer = Combinations::new(&self.sweep, &outer);
        let mut allowed = vec![false; outer.count * rows.len()];
        let mut settings = self.sweep.settings();
        for index in 0..outer.count {
            if !outer.set(&self.sweep, index, &mut settings) {
                continue;
            }
            let mut kept: Vec<usize> = (0..rows.len()).collect();
            for (column, given) in conditions {
                let Some((parent, used)) = given.with else { continue };
                let path = ["use", used, "with", column.parameter.as_str()];
                let value = self.substitute(parent, given.value, Trail::new(&path), &settings, mistakes);
                let Some(value) = value else { continue };
                let default = scope.params().and_then(|params| params.get(&column.parameter));
                kept.retain(|&row| column.agrees(rows[row], default, &value, self.quantities));
                if kept.is_empty() {
                    mistakes.push(no_row(
                        scope,
                        column.values(rows, default),
                        &column.parameter,
                        &value,
                        *given,
                    ));
                    break;
                }
            }
            for row in kept {
                allowed[index * rows.len() + row] = true;
            }
        }
        self.sweep.allow(dimension, outer, allowed);
    }

    /// Columns of the sweep on which the references in `value` depend, which stands in `scope`.
    pub fn columns(&self, scope: usize, value: &Value) -> BTreeSet<usize> {
        let mut columns = BTreeSet::new();
        references(value, &mut |name| {
            if let Some(parameter) = self.scopes[scope].get(name) {
                columns.extend(&parameter.columns);
            }
        });
        columns
    }

    /// `value` of `scope` with its references replaced, with a setting for each dimension of the sweep; `None` if something is
    /// wrong, which is then reported here or was before.
    pub fn substitute<'v>(
        &self,
        scope: usize,
        value: &'v Value,
        trail: Trail<'_>,
        settings: &[usize],
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Cow<'v, Value>> {
        if !has_reference(value) {
            return Some(Cow::Borrowed(value));
        }
        let mut substitution = Substitution::new(self, scope, settings, mistakes);
        substitution.value(value, &trail).map(Cow::Owned)
    }

    /// The value of a column of the sweep; nothing where it cannot be known.
    pub fn of_column(&self, column: usize, settings: &[usize]) -> Arc<Value> {
        let column = &self.sweep.columns[column];
        if let Some(Some(value)) = column.values.get(settings[column.dimension]) {
            return value.clone();
        }
        let written = self.scopes[column.scope].get(&column.parameter);
        let value = written.and_then(|parameter| {
            let trail = Trail::new(&parameter.path);
            self.substitute(parameter.scope, parameter.raw, trail, settings, &mut Vec::new())
        });
        Arc::new(value.map_or(Value::Null, Cow::into_owned))
    }
}

/// The sweep of a file with the lists of the command line: each in the place of its axis, or as an axis of its own. Where the parameter is in
/// rows, these stay.
fn with_lists<'w>(
    sweep: &'w [Written],
    params: Option<&Map<String, Value>>,
    given: &HashMap<&str, Given<'_>>,
) -> Vec<Cow<'w, Written>> {
    let written = |name: &str| params.and_then(|params| params.get(name));
    // In the order of their names, whatever that on the command line is.
    let mut lists: BTreeMap<&str, &[Value]> = BTreeMap::new();
    for (name, given) in given {
        lists.extend(given.swept(written(name)).map(|values| (*name, values)));
    }
    let mut all = Vec::with_capacity(sweep.len());
    for written in sweep {
        let own = |column: &WrittenColumn| lists.remove_entry(column.parameter.as_str());
        let lists: Vec<_> = written.columns.iter().filter_map(own).collect();
        all.push(match lists[..] {
            [(name, values)] if written.is_axis() => Cow::Owned(Written::of_command_line(name, values)),
            _ => Cow::Borrowed(written),
        });
    }
    let others = lists
        .into_iter()
        .map(|(name, values)| Written::of_command_line(name, values));
    all.extend(others.map(Cow::Owned));
    all
}

/// That no row has a value that is asked for.
fn no_row(scope: &Scope<'_>, values: Vec<String>, parameter: &str, value: &Value, given: Given<'_>) -> Mistake {
    let name = parameter.to_owned();
    match (scope.parent, given.with) {
        (Some((parent, used)), Some(_)) => {
            let value = plain(value);
            let problem = Problem::NoSuchRow { name, value, values };
            Mistake::at(used.path(["with", parameter]), Part::Value, problem).within(parent)
        }
        _ => {
            let (name, value) = (format!("{}{name}", scope.prefix), plain(value));
            let problem = Problem::OverrideOutsideRows { name, value, values };
            Mistake::new(At::CommandLine, problem)
        }
    }
}
