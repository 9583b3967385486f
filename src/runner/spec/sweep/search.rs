//! `search:` of a sweep, as it is written in a file.

use serde_json::{Map, Value};

use super::super::diagnostics::Mistake;
use super::super::parameters::has_reference;
use super::super::plain::plain;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::typing::whole;
use super::super::{mapping, noun, section, unknown_keys};
use super::MOST_POINTS;
use super::written::Written;
use crate::quantity::{ReadQuantity, parts};
use crate::search::{Axis, Bound, Condition, Method, Objective, Prune, Search, Sense, Values};

const KEYS: [&str; 11] = [
    "over",
    "minimize",
    "maximize",
    "within",
    "method",
    "trials",
    "batch",
    "seed",
    "hours",
    "core_hours",
    "prune",
];

/// The keys of the spaces of numbers.
const SPACES: [&str; 4] = ["uniform", "log", "integer", "log_integer"];

/// Reads `search`; `None` where there is none, or something is wrong, which is then reported. `sweep` is what the rest of the sweep sets.
pub(in crate::spec) fn search(
    value: Option<&Value>,
    sweep: &[Written],
    params: Option<&Map<String, Value>>,
    quantities: Option<ReadQuantity>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Search> {
    let before = mistakes.len();
    let example = "`search: { over: { width: { integer: [16, 128] } }, minimize: STAGE.MEASURE, trials: 50 }`";
    let map = mapping(value, mistakes, || section("`search`", example, path(&[])))?;
    unknown_keys(map, &KEYS, mistakes, || ("`search`".to_owned(), path(&[])));
    let mut reader = Reader {
        map,
        params,
        quantities,
        mistakes,
    };
    let axes = reader.axes(sweep);
    let mut objectives = reader.objectives("minimize", Sense::Minimize);
    objectives.extend(reader.objectives("maximize", Sense::Maximize));
    if objectives.is_empty() && reader.mistakes.len() == before {
        let reason = "it needs `minimize` or `maximize`".to_owned();
        reader.wrong(&[], Part::Key, "search", reason);
    }
    let bounds = reader.bounds();
    let method = match map.get("method").map(|method| method.as_str().unwrap_or_default()) {
        None | Some("tpe") => Method::Tpe,
        Some("sobol") => Method::Sobol,
        Some("random") => Method::Random,
        Some(_) => {
            let reason = "want tpe, sobol or random".to_owned();
            reader.wrong(&["method"], Part::Value, "method", reason);
            Method::Tpe
        }
    };
    let trials = reader.count("trials", None, 1);
    let batch = reader.count("batch", Some(8), 1);
    let seed = reader.count("seed", Some(1), 0);
    let hours = reader.hours("hours");
    let core_hours = reader.hours("core_hours");
    let prune = map.get("prune").and_then(|prune| reader.prune(prune));
    (mistakes.len() == before).then_some(Search {
        axes,
        method,
        trials,
        batch,
        seed: seed as u64,
        hours,
        core_hours,
        prune,
        objectives,
        bounds,
    })
}

fn path(keys: &[&str]) -> Vec<String> {
    ["sweep", "search"]
        .iter()
        .chain(keys)
        .map(|key| (*key).to_owned())
        .collect()
}

struct Reader<'a> {
    map: &'a Map<String, Value>,
    params: Option<&'a Map<String, Value>>,
    quantities: Option<ReadQuantity>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, keys: &[&str], part: Part, name: &str, reason: String) {
        let name = name.to_owned();
        self.mistakes
            .push(Mistake::at(path(keys), part, Problem::BadSearch { name, reason }));
    }

    /// A whole number; `default` where it is left out, or an error where there is none.
    fn count(&mut self, key: &'static str, default: Option<usize>, least: usize) -> usize {
        let Some(value) = self.map.get(key) else {
            return default.unwrap_or_else(|| {
                self.wrong(&[], Part::Key, "search", format!("it needs `{key}`"));
                1
            });
        };
        let count = value
            .as_number()
            .and_then(whole)
            .and_then(|count| usize::try_from(count).ok());
        match count.filter(|count| (least..=MOST_POINTS).contains(count)) {
            Some(count) => count,
            None => {
                let reason = format!("want a whole number from {least} to {MOST_POINTS}, not {}", noun(value));
                self.wrong(&[key], Part::Value, key, reason);
                1
            }
        }
    }

    /// A number of hours, if there is one.
    fn hours(&mut self, key: &'static str) -> Option<f64> {
        let hours = self.map.get(key)?;
        let number = hours.as_f64().filter(|number| *number > 0.0);
        if number.is_none() {
            let reason = format!("want a number above 0, not {}", noun(hours));
            self.wrong(&[key], Part::Value, key, reason);
        }
        number
    }

    /// `prune: { stage: actions, at: [10, 30], keep: 0.5 }`
    fn prune(&mut self, value: &Value) -> Option<Prune> {
        let example = "`prune: { stage: TRAINING, at: [10, 30], keep: 0.5 }`";
        let map = mapping(Some(value), self.mistakes, || {
            section("`prune`", example, path(&["prune"]))
        })?;
        let before = self.mistakes.len();
        unknown_keys(map, &["stage", "at", "keep"], self.mistakes, || {
            ("`prune`".to_owned(), path(&["prune"]))
        });
        let stage = map.get("stage").and_then(Value::as_str).map(str::to_owned);
        if stage.is_none() {
            let reason = "it needs `stage`, the name of a training".to_owned();
            self.wrong(&["prune"], Part::Key, "prune", reason);
        }
        let number = |item: &Value| {
            item.as_number()
                .and_then(whole)
                .and_then(|count| u64::try_from(count).ok())
        };
        let at = map.get("at").and_then(Value::as_array);
        let at: Option<Vec<u64>> = at.and_then(|items| items.iter().map(number).collect());
        let rises = |at: &Vec<u64>| !at.is_empty() && at[0] > 0 && at.windows(2).all(|pair| pair[0] < pair[1]);
        let at = at.filter(rises);
        if at.is_none() {
            let reason = "it needs `at`, a list of rising epochs".to_owned();
            self.wrong(&["prune"], Part::Key, "prune", reason);
        }
        let keep = map.get("keep").map_or(Some(0.5), Value::as_f64);
        let keep = keep.filter(|keep| 0.0 < *keep && *keep < 1.0);
        if keep.is_none() {
            let reason = "want a share between 0 and 1".to_owned();
            self.wrong(&["prune", "keep"], Part::Value, "keep", reason);
        }
        let (stage, at, keep) = (stage?, at?, keep?);
        (self.mistakes.len() == before).then_some(Prune { stage, at, keep })
    }

    fn axes(&mut self, sweep: &[Written]) -> Vec<Axis> {
        let example = "`over: { width: { integer: [16, 128] } }`";
        let over = mapping(self.map.get("over"), self.mistakes, || {
            section("`over`", example, path(&["over"]))
        });
        let mut axes: Vec<Axis> = Vec::new();
        let Some(over) = over.filter(|over| !over.is_empty()) else {
            self.wrong(&[], Part::Key, "search", "it needs `over`, with parameters".to_owned());
            return axes;
        };
        for (name, value) in over {
            let keys = ["over", name.as_str()];
            if !self.params.is_some_and(|params| params.contains_key(name)) {
                let allowed = self.params.into_iter().flat_map(Map::keys).cloned().collect();
                let problem = Problem::UnknownSwept {
                    name: name.clone(),
                    allowed,
                };
                self.mistakes.push(Mistake::at(path(&keys), Part::Key, problem));
                continue;
            }
            let mut columns = sweep.iter().flat_map(|written| &written.columns);
            if columns.any(|column| column.parameter == *name) {
                let problem = Problem::SweptTwice { name: name.clone() };
                self.mistakes.push(Mistake::at(path(&keys), Part::Key, problem));
                continue;
            }
            if has_reference(value) {
                let problem = Problem::ReferenceNotAllowed { place: "a search" };
                self.mistakes.push(Mistake::at(path(&keys), Part::Value, problem));
                continue;
            }
            match self.axis(name, value, &axes) {
                Ok(axis) => axes.push(axis),
                Err(reason) => self.wrong(&keys, Part::Value, name, reason),
            }
        }
        axes
    }

    fn axis(&self, name: &str, value: &Value, before: &[Axis]) -> Result<Axis, String> {
        let plain_axis = |values, unit, when| Axis {
            name: name.to_owned(),
            values,
            unit,
            when,
        };
        let choice = |items: &[Value]| match items {
            [] => Err("it has no values".to_owned()),
            items => Ok(Values::Choice(items.to_vec())),
        };
        let map = match value {
            Value::Array(items) => return Ok(plain_axis(choice(items)?, None, None)),
            Value::Object(map) => map,
            other => return Err(format!("want a list or a mapping, not {}", noun(other))),
        };
        let when = map.get("when").map(|when| condition(when, before)).transpose()?;
        let kinds: Vec<&String> = map.keys().filter(|key| *key != "when").collect();
        let [kind] = kinds[..] else {
            return Err(format!("want one of {} or choice", SPACES.join(", ")));
        };
        if kind == "choice" {
            let items = map[kind].as_array().ok_or("`choice` takes a list")?;
            return Ok(plain_axis(choice(items)?, None, when));
        }
        let Some(kind) = SPACES.iter().find(|known| *known == kind) else {
            return Err(format!(
                "there is no space {kind}; there are {} and choice",
                SPACES.join(", ")
            ));
        };
        let (from, to, unit) = self.ends(kind, &map[*kind])?;
        let integers = || {
            let integer = |end: f64| (end.fract() == 0.0 && end.abs() < 1e15).then_some(end as i64);
            integer(from)
                .zip(integer(to))
                .ok_or_else(|| format!("the ends of `{kind}` are whole numbers"))
        };
        if kind.starts_with("log") && from <= 0.0 {
            return Err(format!("the ends of `{kind}` must be positive"));
        }
        let values = match *kind {
            "uniform" => Values::Uniform(from, to),
            "log" => Values::Log(from, to),
            "integer" => integers().map(|(from, to)| Values::Integer(from, to))?,
            _ => integers().map(|(from, to)| Values::LogInteger(from, to))?,
        };
        Ok(plain_axis(values, unit, when))
    }

    /// Two ends, the smaller first; either both have a unit or none has.
    fn ends(&self, kind: &str, value: &Value) -> Result<(f64, f64, Option<String>), String> {
        let Some([first, last]) = value.as_array().map(Vec::as_slice) else {
            return Err(format!("`{kind}` takes two numbers, the ends"));
        };
        let unit = first.as_str().and_then(parts).map(|(_, unit)| unit.to_owned());
        let number = |end: &Value| match (end, &unit, self.quantities) {
            (Value::Number(number), None, _) => number.as_f64().ok_or_else(|| format!("{number} is no number")),
            (Value::String(text), Some(unit), Some(read)) => {
                read(text, unit).map_err(|_| format!("{text} is no number of {unit}"))
            }
            (other, ..) => Err(format!("{} and {} are no ends", plain(first), plain(other))),
        };
        let (from, to) = (number(first)?, number(last)?);
        if from < to {
            Ok((from, to, unit))
        } else {
            Err("the first end must be below the second".to_owned())
        }
    }

    fn objectives(&mut self, key: &'static str, sense: Sense) -> Vec<Objective> {
        let texts: Vec<&Value> = match self.map.get(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(one) => vec![one],
        };
        let mut found = Vec::new();
        for text in texts {
            match text.as_str().filter(|text| is_measure(text)) {
                Some(of) => found.push(Objective {
                    of: of.to_owned(),
                    sense,
                }),
                None => {
                    let reason = format!("want STAGE.MEASURE, not {}", noun(text));
                    self.wrong(&[key], Part::Value, key, reason);
                }
            }
        }
        found
    }

    fn bounds(&mut self) -> Vec<Bound> {
        let example = "`within: { errors.delta_J: { at_most: 5 } }`";
        let within = mapping(self.map.get("within"), self.mistakes, || {
            section("`within`", example, path(&["within"]))
        });
        let mut bounds = Vec::new();
        for (of, value) in within.into_iter().flatten() {
            let keys = ["within", of.as_str()];
            let end = |key: &str| value.get(key).and_then(Value::as_f64);
            let (least, most) = (end("at_least"), end("at_most"));
            let known = usize::from(least.is_some()) + usize::from(most.is_some());
            let all = value.as_object().map_or(0, Map::len);
            if !is_measure(of) {
                let reason = "want STAGE.MEASURE".to_owned();
                self.wrong(&keys, Part::Key, of, reason);
            } else if known == 0 || known != all {
                let reason = "want a number `at_most` or `at_least`".to_owned();
                self.wrong(&keys, Part::Value, of, reason);
            } else {
                let of = of.clone();
                bounds.push(Bound { of, least, most });
            }
        }
        bounds
    }
}

/// Whether it can name a measure of a stage.
fn is_measure(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(stage, measure)| !stage.is_empty() && !measure.is_empty())
}

/// `when: { NAME: VALUE }`, or a list of values; NAME is searched before.
fn condition(when: &Value, before: &[Axis]) -> Result<Condition, String> {
    let map = when.as_object().filter(|map| map.len() == 1);
    let Some((name, value)) = map.and_then(|map| map.iter().next()) else {
        return Err("`when` takes one parameter with its value".to_owned());
    };
    let Some(Values::Choice(choices)) = before.iter().find(|axis| axis.name == *name).map(|axis| &axis.values) else {
        return Err(format!("`when` needs a choice above it, which `{name}` is not"));
    };
    let is = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    match is.iter().find(|value| !choices.contains(value)) {
        Some(other) => Err(format!("`{name}` is never {}", plain(other))),
        None => Ok(Condition { name: name.clone(), is }),
    }
}
