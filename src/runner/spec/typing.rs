//! A value beside the schema of what it should be: every fault with its place. What cannot be wrong in meaning is put
//! right (`1e3` is a whole number), and what is wrong is replaced by an example, so that the rest can be looked at.

use serde_json::{Map, Number, Value};

use super::plain::plain;
use super::problem::Problem;
use super::shape::{Bounds, Choice, List, Mapping, Plain, Shape};
use super::spans::Part;
use super::{example, noun, suggest};
use crate::quantity::{NotAQuantity, ReadQuantity, parts};

/// So many faults of one stage are reported at most.
const MOST: usize = 50;

/// A fault at a path below `with`, as the user wrote it.
pub(super) struct Fault {
    pub at: Vec<String>,
    pub part: Part,
    pub problem: Problem,
}

/// Walks a value and its schema together.
pub(super) struct Typing<'s> {
    schema: &'s Value,
    /// The kind, for messages.
    kind: &'s str,
    /// Keys of `with` whose values are not known.
    unread: &'s [String],
    /// Reads numbers with units.
    quantities: Option<ReadQuantity>,
    /// Which of two examples takes the place of what is wrong.
    second: bool,
    path: Vec<String>,
    /// All that is wrong.
    pub faults: Vec<Fault>,
    /// Paths of values that were replaced, with the keys put right.
    pub filled: Vec<Vec<String>>,
    /// Paths of keys that were put right, with the key as written.
    pub renamed: Vec<(Vec<String>, String)>,
    /// Whether something was left out whose meaning nobody knows.
    pub unsure: bool,
}

impl<'s> Typing<'s> {
    /// Looks at `value`, and puts right or replaces what is wrong in it.
    pub fn of(
        (kind, schema): (&'s str, &'s Value),
        unread: &'s [String],
        quantities: Option<ReadQuantity>,
        second: bool,
        value: &mut Value,
    ) -> Self {
        let mut typing = Self {
            schema,
            kind,
            unread,
            quantities,
            second,
            path: Vec::new(),
            faults: Vec::new(),
            filled: Vec::new(),
            renamed: Vec::new(),
            unsure: false,
        };
        typing.value(schema, value);
        typing
    }

    /// Puts the keys that the user wrote into a path.
    pub fn as_written(&self, mut at: Vec<String>) -> Vec<String> {
        for (path, written) in &self.renamed {
            if at.starts_with(path) {
                at[path.len() - 1].clone_from(written);
            }
        }
        at
    }

    fn report(&mut self, below: Option<&str>, part: Part, problem: Problem) {
        let mut at = self.path.clone();
        at.extend(below.map(str::to_owned));
        if self.faults.len() < MOST {
            let at = self.as_written(at);
            self.faults.push(Fault { at, part, problem });
        }
    }

    /// Puts an example in the place of a wrong value.
    fn replace(&mut self, schema: &Value, value: &mut Value) {
        match example::of(schema, self.schema, self.second) {
            Some(example) => {
                *value = example;
                self.filled.push(self.path.clone());
            }
            None => self.unsure = true,
        }
    }

    fn wrong(&mut self, schema: &Value, value: &mut Value, problem: Problem) {
        self.report(None, Part::Value, problem);
        self.replace(schema, value);
    }

    fn wrong_type(&mut self, schema: &Value, shape: &Shape<'_>, value: &mut Value) {
        let pure = |plain: &Plain<'_>| matches!(plain, Plain::Number(_) | Plain::Whole { .. });
        if let Some((number, _)) = value.as_str().and_then(parts)
            && shape.quantity().is_none()
            && shape.plain.iter().any(pure)
        {
            let (found, number) = (noun(value), plain(&Value::from(number)));
            return self.wrong(schema, value, Problem::NoUnit { found, number });
        }
        let problem = Problem::WrongType {
            expected: shape.expected(),
            found: noun(value),
            choices: shape.choices.iter().map(|choice| choice.name.to_owned()).collect(),
            example: shape.quantity().map_or("", |quantity| quantity.example).to_owned(),
        };
        self.wrong(schema, value, problem);
    }

    fn value(&mut self, schema: &'s Value, value: &mut Value) {
        let shape = Shape::of(schema, self.schema);
        if value.is_null() && shape.nullable {
            return;
        }
        if let Value::String(text) = &*value
            && shape.choice(text).is_none()
            && let (Some(bounds), Some(read)) = (shape.quantity(), self.quantities)
        {
            let read = read(text, bounds.unit);
            return self.quantity(schema, &shape, bounds, read, value);
        }
        let mappings = shape.plain.iter().any(|plain| matches!(plain, Plain::Mapping(_)));
        let may_choose = value.is_string() || value.is_object() && !mappings;
        if may_choose && !shape.choices.is_empty() {
            return self.choice(schema, &shape, value);
        }
        for form in &shape.plain {
            match (form, &mut *value) {
                (Plain::Anything, _) | (Plain::Flag, Value::Bool(_)) | (Plain::Text, Value::String(_)) => return,
                (Plain::Whole { least, most }, Value::Number(number)) => {
                    let Some(whole) = whole(number) else { continue };
                    let inside = least.is_none_or(|least| whole >= least) && most.is_none_or(|most| whole <= most);
                    if inside && let Some(exact) = Number::from_i128(whole) {
                        *number = exact;
                        return;
                    }
                    if let Some(most) = most.filter(|&most| whole > most) {
                        let problem = Problem::OutOfRange {
                            noun: "this whole number".to_owned(),
                            bound: format!("at most {most}"),
                            unit: String::new(),
                            found: plain(value),
                        };
                        return self.wrong(schema, value, problem);
                    }
                }
                (Plain::Number(bounds), Value::Number(number)) => {
                    let number = number.as_f64().unwrap_or(f64::NAN);
                    return self.number(schema, bounds, number, value);
                }
                (Plain::List(list), Value::Array(items)) => {
                    let count = items.len();
                    if count < list.least || count > list.most {
                        let problem = Problem::WrongLength {
                            least: list.least,
                            most: list.most,
                            found: count,
                        };
                        return self.wrong(schema, value, problem);
                    }
                    return self.items(list, items);
                }
                (Plain::Mapping(mapping), Value::Object(map)) => return self.mapping(mapping, map),
                _ => {}
            }
        }
        self.wrong_type(schema, &shape, value);
    }

    /// A number within bounds or not, as it is written in `value`.
    fn number(&mut self, schema: &Value, bounds: &Bounds<'_>, number: f64, value: &mut Value) {
        let Some(bound) = bounds.broken(number) else { return };
        let noun = if bounds.noun.is_empty() {
            "this number"
        } else {
            bounds.noun
        };
        let problem = Problem::OutOfRange {
            noun: noun.to_owned(),
            bound,
            unit: bounds.unit.to_owned(),
            found: plain(value),
        };
        self.wrong(schema, value, problem);
    }

    /// A number written with a unit.
    fn quantity(
        &mut self,
        schema: &Value,
        shape: &Shape<'_>,
        bounds: &Bounds<'_>,
        read: Result<f64, NotAQuantity>,
        value: &mut Value,
    ) {
        let problem = match read {
            Ok(number) => match Number::from_f64(number) {
                Some(_) if bounds.broken(number).is_some() => return self.number(schema, bounds, number, value),
                Some(number) => {
                    *value = Value::Number(number);
                    return;
                }
                None => return self.wrong_type(schema, shape, value),
            },
            Err(NotAQuantity::NoQuantity) => return self.wrong_type(schema, shape, value),
            Err(NotAQuantity::UnknownUnit { unit, allowed }) => Problem::UnknownUnit { unit, allowed },
            Err(NotAQuantity::OtherDimension { found }) => Problem::OtherDimension {
                expected: bounds.noun.to_owned(),
                example: bounds.example.to_owned(),
                found,
            },
        };
        self.wrong(schema, value, problem);
    }

    fn items(&mut self, list: &List<'s>, items: &mut [Value]) {
        for (index, item) in items.iter_mut().enumerate() {
            if let Some(schema) = list.item(index) {
                self.path.push(index.to_string());
                self.value(schema, item);
                self.path.pop();
            }
        }
    }

    fn mapping(&mut self, mapping: &Mapping<'s>, map: &mut Map<String, Value>) {
        let unknown: Vec<String> = map.keys().filter(|key| mapping.value(key).is_none()).cloned().collect();
        for key in unknown {
            self.unknown_key(mapping, map, key);
        }
        for (key, value) in map.iter_mut() {
            let Some(schema) = mapping.value(key) else { continue };
            self.path.push(key.clone());
            let unread = self.path.len() == 1 && self.unread.contains(&self.as_written(self.path.clone())[0]);
            if !unread {
                self.value(schema, value);
            }
            self.path.pop();
        }
        let missing = mapping.required.iter().filter(|name| !map.contains_key(**name));
        let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
        if missing.is_empty() {
            return;
        }
        for name in &missing {
            self.path.push(name.clone());
            let mut example = Value::Null;
            if let Some(schema) = mapping.value(name) {
                self.replace(schema, &mut example);
            }
            self.path.pop();
            map.insert(name.clone(), example);
        }
        let problem = Problem::MissingParameter {
            names: missing,
            owner: self.path.last().map_or(self.kind, String::as_str).to_owned(),
            place: self.path.last().map_or("with", String::as_str).to_owned(),
        };
        self.report(None, Part::Key, problem);
    }

    fn unknown_key(&mut self, mapping: &Mapping<'_>, map: &mut Map<String, Value>, key: String) {
        let allowed: Vec<&str> = mapping.names().collect();
        let nearest = suggest::nearest(&key, &allowed).filter(|nearest| !map.contains_key(*nearest));
        let place = self.path.last().map_or(self.kind, String::as_str);
        let problem = Problem::UnknownKey {
            key: key.clone(),
            place: format!("`{place}`"),
            allowed: allowed.iter().map(|&name| name.to_owned()).collect(),
        };
        self.report(Some(&key), Part::Key, problem);
        let value = map.shift_remove(&key);
        match value.zip(nearest) {
            Some((value, nearest)) => {
                map.insert(nearest.to_owned(), value);
                self.rename(nearest, key);
            }
            None => self.unsure = true,
        }
    }

    fn rename(&mut self, right: &str, written: String) {
        let mut path = self.path.clone();
        path.push(right.to_owned());
        self.renamed.push((path, written));
    }

    fn choice(&mut self, schema: &'s Value, shape: &Shape<'s>, value: &mut Value) {
        match value {
            Value::String(name) => match shape.choice(name) {
                Some(Choice { parameters: None, .. }) => {}
                Some(&Choice {
                    name,
                    parameters: Some(parameters),
                    ..
                }) => self.bare(schema, name, parameters, value),
                None if shape.plain.iter().any(|plain| matches!(plain, Plain::Text)) => {}
                None => {
                    let given = name.clone();
                    self.wrong(schema, value, unknown(given, shape));
                }
            },
            Value::Object(map) if map.len() > 1 => {
                let keys: Vec<String> = map.keys().cloned().collect();
                let known = keys.iter().find(|key| shape.choice(key).is_some()).unwrap_or(&keys[0]);
                let other = keys.iter().find(|key| *key != known).unwrap_or(known);
                let problem = Problem::SeveralChoices {
                    first: known.clone(),
                    second: other.clone(),
                };
                self.report(Some(other), Part::Key, problem);
                self.replace(schema, value);
            }
            Value::Object(map) if map.len() == 1 => {
                let Some((written, mut inner)) = std::mem::take(map).into_iter().next() else {
                    return;
                };
                let names: Vec<&str> = shape.choices.iter().map(|choice| choice.name).collect();
                let mut name = written.as_str();
                if shape.choice(name).is_none() {
                    self.report(Some(&written), Part::Key, unknown(written.clone(), shape));
                    match suggest::nearest(&written, &names) {
                        Some(nearest) => {
                            self.rename(nearest, written.clone());
                            name = nearest;
                        }
                        None => return self.replace(schema, value),
                    }
                }
                match shape.choice(name).and_then(|choice| choice.parameters) {
                    Some(parameters) => {
                        self.path.push(name.to_owned());
                        self.value(parameters, &mut inner);
                        self.path.pop();
                        map.insert(name.to_owned(), inner);
                    }
                    None => {
                        if !inner.is_null() && name == written {
                            let choice = name.to_owned();
                            self.report(Some(&written), Part::Key, Problem::NoParameters { choice });
                        }
                        *value = Value::from(name);
                    }
                }
            }
            _ => self.wrong_type(schema, shape, value),
        }
    }

    /// A choice without the parameters that it has.
    fn bare(&mut self, schema: &Value, name: &str, parameters: &Value, value: &mut Value) {
        let (mut needs, mut example) = ("its parameters".to_owned(), "…".to_owned());
        for plain in Shape::of(parameters, self.schema).plain {
            match plain {
                Plain::Mapping(mapping) if mapping.required.is_empty() => {
                    // It can do without.
                    let all = Map::from_iter([(name.to_owned(), Value::Object(Map::new()))]);
                    *value = Value::Object(all);
                    return;
                }
                Plain::Mapping(mapping) => {
                    let names: Vec<String> = mapping.required.iter().map(|name| (*name).to_owned()).collect();
                    needs = suggest::all(&names);
                    let each: Vec<String> = names.iter().map(|name| format!("{name}: …")).collect();
                    example = format!("{{ {} }}", each.join(", "));
                }
                Plain::List(_) => (needs, example) = ("a list".to_owned(), "[…]".to_owned()),
                other => needs = other.expected(),
            }
        }
        let choice = name.to_owned();
        self.wrong(schema, value, Problem::BareChoice { choice, needs, example });
    }
}

fn unknown(given: String, shape: &Shape<'_>) -> Problem {
    let allowed = shape.choices.iter().map(|choice| choice.name.to_owned()).collect();
    Problem::UnknownChoice { given, allowed }
}

/// The whole number that `number` is, however it is written.
pub(super) fn whole(number: &Number) -> Option<i128> {
    if let Some(exact) = number.as_i128() {
        return Some(exact);
    }
    // Beyond these a number has no units left, and most were not meant as they are.
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() < 1e19);
    float.map(|float| float as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_all_their_forms() {
        let of = |text: &str| {
            serde_json::from_str::<Number>(text)
                .ok()
                .and_then(|number| whole(&number))
        };
        assert_eq!(of("4"), Some(4));
        assert_eq!(of("4.0"), Some(4));
        assert_eq!(of("1e3"), Some(1000));
        assert_eq!(of("-2e1"), Some(-20));
        assert_eq!(of("18446744073709551615"), Some(18_446_744_073_709_551_615));
        assert_eq!(of("0.5"), None);
        assert_eq!(of("1e300"), None);
    }
}
