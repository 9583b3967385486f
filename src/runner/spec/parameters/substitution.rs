//! A value with its references replaced.

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::noun;
use super::super::plain::plain;
use super::super::problem::Problem;
use super::Values;
use super::text::{Piece, pieces};
use super::trail::Trail;

/// The longest value that substitution may make, in values and bytes of text.
const LONGEST: usize = 1 << 20;

/// A substitution under way.
pub(super) struct Substitution<'a, 'd> {
    values: &'a Values<'d>,
    /// The use of a file in which the references are written.
    scope: usize,
    settings: &'a [usize],
    left: usize,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a, 'd> Substitution<'a, 'd> {
    /// Begins one, with the setting of each dimension of the sweep.
    pub fn new(values: &'a Values<'d>, scope: usize, settings: &'a [usize], mistakes: &'a mut Vec<Mistake>) -> Self {
        Self {
            values,
            scope,
            settings,
            left: LONGEST,
            mistakes,
        }
    }

    /// The value; `None` where something is wrong, which is then reported here or was before.
    pub fn value(&mut self, value: &Value, trail: &Trail<'_>) -> Option<Value> {
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
                    self.report(trail, Problem::BadReference { text: text.to_owned() });
                }
                Piece::Name(name) => match self.parameter(name, trail) {
                    None => good = false,
                    Some(Value::String(text)) => joined.push_str(&text),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => joined.push_str(&plain(&value)),
                    Some(value) => {
                        good = false;
                        let (name, found) = (name.to_owned(), noun(&value));
                        self.report(trail, Problem::NotInterpolable { name, found });
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
        let values = self.values;
        let scope = &values.scopes[self.scope];
        let Some(parameter) = scope.get(name) else {
            let allowed = scope.all.iter().map(|parameter| parameter.name.to_owned()).collect();
            let name = name.to_owned();
            self.report(trail, Problem::UnknownParameter { name, allowed });
            return None;
        };
        if let Some(column) = parameter.column {
            let column = &values.sweep.columns[column];
            if let Some(value) = column.values.get(*self.settings.get(column.dimension)?)? {
                self.spend(size(value), trail)?;
                return Some((**value).clone());
            }
        } else if parameter.columns.is_empty() {
            let value = parameter.fixed.as_ref()?;
            self.spend(size(value), trail)?;
            return Some(value.clone());
        }
        let own = std::mem::replace(&mut self.scope, parameter.scope);
        let value = self.value(parameter.raw, &Trail::new(&parameter.path));
        self.scope = own;
        value
    }

    fn report(&mut self, trail: &Trail<'_>, problem: Problem) {
        self.mistakes.push(trail.mistake(problem).within(self.scope));
    }

    fn spend(&mut self, units: usize, trail: &Trail<'_>) -> Option<()> {
        if units <= self.left {
            self.left -= units;
            return Some(());
        }
        if self.left > 0 {
            self.report(trail, Problem::TooLong);
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
