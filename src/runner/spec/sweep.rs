//! `sweep:`: rows of `zip` times the product of `axes`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::diagnostics::{At, Mistake};
use super::parameters::{has_reference, plain};
use super::problem::Problem;
use super::spans::Part;
use super::typing::whole;
use super::{mapping, noun, section, unknown_keys};

const MOST_POINTS: usize = 100_000;

/// A swept parameter.
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// `zip` or `axes`.
    pub section: &'static str,
    /// Its values as given.
    pub values: Vec<Value>,
    /// Whether the values are items of a list in the file, so that each has a place of its own.
    pub listed: bool,
}

/// All points of a sweep.
#[derive(Default)]
pub(super) struct Sweep {
    /// Swept parameters: those of `zip`, then those of `axes`.
    pub columns: Vec<Column>,
    /// For each point, the index of the value of each column. One empty point outside a sweep.
    pub points: Vec<Vec<usize>>,
}

impl Sweep {
    /// Reads `sweep`. A parameter set on the command line is not swept: its axis is dropped, and of the rows of `zip`
    /// those with its value are kept.
    pub(super) fn new(
        sweep: Option<&Value>,
        params: &[&str],
        overrides: &HashMap<String, Value>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let before = mistakes.len();
        let empty = Map::new();
        let path = || vec!["sweep".to_owned()];
        let example = "`sweep: { axes: { seed: [1, 2] } }`";
        let sweep = mapping(sweep, mistakes, || section("`sweep`", example, path())).unwrap_or(&empty);
        unknown_keys(sweep, &["axes", "zip"], mistakes, || ("`sweep`".to_owned(), path()));
        let zip = columns(sweep, "zip", params, mistakes);
        let mut axes = columns(sweep, "axes", params, mistakes);
        axes.retain(|axis| {
            let twice = zip.iter().any(|column| column.name == axis.name);
            if twice {
                mistakes.push(at(
                    "axes",
                    &axis.name,
                    Part::Key,
                    Problem::SweptTwice {
                        name: axis.name.clone(),
                    },
                ));
            }
            !twice && !overrides.contains_key(&axis.name)
        });
        if let Some(first) = zip.first() {
            for column in zip.iter().filter(|column| column.values.len() != first.values.len()) {
                let problem = Problem::UnequalLists {
                    name: column.name.clone(),
                    length: column.values.len(),
                    first: first.name.clone(),
                    first_length: first.values.len(),
                };
                mistakes.push(at("zip", &column.name, Part::Key, problem));
            }
        }
        if mistakes.len() > before {
            // One value each keeps the stages checkable.
            let columns: Vec<Column> = zip
                .into_iter()
                .chain(axes)
                .filter(|column| !column.values.is_empty())
                .collect();
            let points = vec![vec![0; columns.len()]];
            return Self { columns, points };
        }
        let rows = rows(&zip, overrides, mistakes);
        let count = axes
            .iter()
            .fold(rows.len() as f64, |count, axis| count * axis.values.len() as f64);
        let mut points = rows;
        if count > MOST_POINTS as f64 {
            let path = vec!["sweep".to_owned()];
            mistakes.push(Mistake::at(
                path,
                Part::Key,
                Problem::TooManyPoints {
                    points: format!("{count}"),
                },
            ));
            points.truncate(1);
            points
                .iter_mut()
                .for_each(|point| point.resize(zip.len() + axes.len(), 0));
        } else {
            for axis in &axes {
                let extended = |point: &Vec<usize>| -> Vec<Vec<usize>> {
                    (0..axis.values.len())
                        .map(|value| point.iter().copied().chain([value]).collect())
                        .collect()
                };
                points = points.iter().flat_map(extended).collect();
            }
        }
        let mut found = Self {
            columns: zip.into_iter().chain(axes).collect(),
            points,
        };
        found.share_equal_values();
        found
    }

    /// Gives equal values of a column one index, so that points that agree share their stages.
    fn share_equal_values(&mut self) {
        for (index, column) in self.columns.iter().enumerate() {
            let mut first = HashMap::new();
            let same: Vec<usize> = column
                .values
                .iter()
                .enumerate()
                .map(|(index, value)| *first.entry(value.to_string()).or_insert(index))
                .collect();
            for point in &mut self.points {
                point[index] = same[point[index]];
            }
        }
    }

    /// Where the value of column `column` at `point` is written.
    pub(super) fn place(&self, column: usize, point: &[usize]) -> Vec<String> {
        let Column {
            name, section, listed, ..
        } = &self.columns[column];
        let mut path = vec!["sweep".to_owned(), (*section).to_owned(), name.clone()];
        if *listed {
            path.push(point[column].to_string());
        }
        path
    }
}

fn at(section: &str, name: &str, part: Part, problem: Problem) -> Mistake {
    Mistake::at(
        vec!["sweep".to_owned(), section.to_owned(), name.to_owned()],
        part,
        problem,
    )
}

fn columns(
    sweep: &Map<String, Value>,
    section: &'static str,
    params: &[&str],
    mistakes: &mut Vec<Mistake>,
) -> Vec<Column> {
    let path = vec!["sweep".to_owned(), section.to_owned()];
    let what = format!("`{section}`");
    let example = format!("`{section}: {{ seed: [1, 2] }}`");
    let Some(entries) = mapping(sweep.get(section), mistakes, || (what, example, path)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in entries {
        if !params.contains(&name.as_str()) {
            let allowed = params.iter().map(|name| (*name).to_owned()).collect();
            mistakes.push(at(
                section,
                name,
                Part::Key,
                Problem::UnknownSwept {
                    name: name.clone(),
                    allowed,
                },
            ));
            continue;
        }
        if let Some((values, listed)) = values(section, name, value, mistakes) {
            found.push(Column {
                name: name.clone(),
                section,
                values,
                listed,
            });
        }
    }
    found
}

fn values(section: &str, name: &str, value: &Value, mistakes: &mut Vec<Mistake>) -> Option<(Vec<Value>, bool)> {
    let path = vec!["sweep".to_owned(), section.to_owned(), name.to_owned()];
    if has_reference(value) {
        mistakes.push(Mistake::at(
            path,
            Part::Value,
            Problem::ReferenceNotAllowed { place: "a sweep" },
        ));
        return None;
    }
    match value {
        Value::Array(items) if items.is_empty() => {
            mistakes.push(Mistake::at(
                path,
                Part::Key,
                Problem::EmptyList { name: name.to_owned() },
            ));
            None
        }
        Value::Array(items) => Some((items.clone(), true)),
        Value::Object(map) if map.contains_key("range") => {
            unknown_keys(map, &["range"], mistakes, || ("a range".to_owned(), path.clone()));
            match range(&map["range"]) {
                Ok(values) => Some((values, false)),
                Err(reason) => {
                    let path = path.into_iter().chain(["range".to_owned()]).collect();
                    mistakes.push(Mistake::at(path, Part::Value, Problem::BadRange { reason }));
                    None
                }
            }
        }
        other => {
            let (what, expected) = (format!("the values of `{name}`"), "a list or a range");
            let example = format!("`{name}: [1, 2]` or `{name}: {{ range: [1, 3] }}`");
            mistakes.push(Mistake::at(
                path,
                Part::Value,
                Problem::WrongShape {
                    what,
                    expected,
                    found: noun(other),
                    example,
                },
            ));
            None
        }
    }
}

/// First, last and optional step; both ends count.
fn range(value: &Value) -> Result<Vec<Value>, String> {
    let numbers = value
        .as_array()
        .filter(|items| (2..=3).contains(&items.len()) && items.iter().all(Value::is_number));
    let Some(numbers) = numbers else {
        return Err("it takes two or three numbers".to_owned());
    };
    let float = |index: usize| numbers.get(index).and_then(Value::as_f64);
    let (first, last, step) = (
        float(0).unwrap_or(0.0),
        float(1).unwrap_or(0.0),
        float(2).unwrap_or(1.0),
    );
    if step == 0.0 {
        return Err("the step is 0".to_owned());
    }
    let steps = ((last - first) / step).round();
    // Both ends count, but for rounding.
    let missed = ((last - first) / step - steps).abs() > 1e-9 * steps.abs().max(1.0);
    if steps < 0.0 || missed {
        return Err(format!(
            "{} is not reached from {} in steps of {}",
            plain(&numbers[1]),
            plain(&numbers[0]),
            plain(&Value::from(step))
        ));
    }
    if steps >= MOST_POINTS as f64 {
        return Err(format!(
            "it has {} values; at most {MOST_POINTS} are possible",
            steps + 1.0
        ));
    }
    let integer = |number: &Value| i64::try_from(whole(number.as_number()?)?).ok();
    let integers: Option<Vec<i64>> = numbers.iter().map(integer).collect();
    let value = |index: usize| match &integers {
        Some(integers) => Value::from(integers[0] + index as i64 * integers.get(2).copied().unwrap_or(1)),
        None => Value::from(short(first + index as f64 * step)),
    };
    Ok((0..=steps as usize).map(value).collect())
}

/// Rounded to 14 digits, so that 0.1 + 2 · 0.1 is 0.3.
fn short(number: f64) -> f64 {
    format!("{number:.13e}").parse().unwrap_or(number)
}

/// The rows of `zip` that agree with the command line; one empty row without `zip`.
fn rows(zip: &[Column], overrides: &HashMap<String, Value>, mistakes: &mut Vec<Mistake>) -> Vec<Vec<usize>> {
    let length = zip.first().map_or(1, |column| column.values.len());
    let mut rows: Vec<usize> = (0..length).collect();
    for column in zip {
        let Some(given) = overrides.get(&column.name) else {
            continue;
        };
        let kept: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|&row| equal(&column.values[row], given))
            .collect();
        if kept.is_empty() {
            let values = rows.iter().map(|&row| plain(&column.values[row])).collect();
            let problem = Problem::OverrideOutsideZip {
                name: column.name.clone(),
                value: plain(given),
                values,
            };
            mistakes.push(Mistake::new(At::CommandLine, problem));
        } else {
            rows = kept;
        }
    }
    rows.into_iter().map(|row| vec![row; zip.len()]).collect()
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let given = [
            json!([1, 3]),
            json!([1, 5, 2]),
            json!([1, 3e0]),
            json!([3, 1, -1]),
            json!([0.1, 0.5, 0.1]),
            json!([2, 2]),
        ];
        let expected = [
            json!([1, 2, 3]),
            json!([1, 3, 5]),
            json!([1, 2, 3]),
            json!([3, 2, 1]),
            json!([0.1, 0.2, 0.3, 0.4, 0.5]),
            json!([2]),
        ];
        for (given, expected) in given.iter().zip(expected) {
            assert_eq!(Value::Array(range(given).unwrap()), expected);
        }
        for wrong in [
            json!([3, 1]),
            json!([1, 2, 0]),
            json!([1]),
            json!(["a", 2]),
            json!(3),
            json!([0, 1e18]),
            json!([0.1, 0.5]),
            json!([1, 6, 2]),
            json!([1, 2, -1]),
        ] {
            assert!(range(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zip_advances_together_and_axes_multiply() {
        let params = ["a", "b", "c"];
        let value = json!({ "axes": { "c": [7, 7, 8] }, "zip": { "a": [1, 2], "b": ["x", "y"] } });
        let mut mistakes = Vec::new();
        let sweep = Sweep::new(Some(&value), &params, &HashMap::new(), &mut mistakes);
        assert!(mistakes.is_empty());
        assert_eq!(
            sweep
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        let expected = [[0, 0, 0], [0, 0, 0], [0, 0, 2], [1, 1, 0], [1, 1, 0], [1, 1, 2]];
        assert_eq!(sweep.points, expected);
        let overrides = HashMap::from([("a".to_owned(), json!(2.0)), ("c".to_owned(), json!(9))]);
        let sweep = Sweep::new(Some(&value), &params, &overrides, &mut mistakes);
        assert!(mistakes.is_empty());
        assert_eq!(sweep.points, [[1, 1]]);
    }
}
