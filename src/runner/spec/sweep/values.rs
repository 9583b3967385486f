//! The values of one swept parameter: a list, a `range` or a `log`.

use serde_json::Value;

use super::super::diagnostics::Mistake;
use super::super::parameters::has_reference;
use super::super::plain::plain;
use super::super::problem::Problem;
use super::super::spans::Part;
use super::super::typing::whole;
use super::super::{noun, unknown_keys};
use super::MOST_POINTS;
use crate::quantity::{ReadQuantity, parts};

/// The values, and whether each has a place of its own in the file.
pub(in crate::spec) fn values(
    name: &str,
    value: &Value,
    path: &[String],
    quantities: Option<ReadQuantity>,
    mistakes: &mut Vec<Mistake>,
) -> Option<(Vec<Value>, bool)> {
    let report = |mistakes: &mut Vec<Mistake>, part, problem| {
        mistakes.push(Mistake::at(path.to_vec(), part, problem));
        None
    };
    if has_reference(value) {
        return report(mistakes, Part::Value, Problem::ReferenceNotAllowed { place: "a sweep" });
    }
    let generated =
        |map: &serde_json::Map<String, Value>| ["range", "log"].into_iter().find(|key| map.contains_key(*key));
    match value {
        Value::Array(items) if items.is_empty() => {
            report(mistakes, Part::Key, Problem::EmptyList { name: name.to_owned() })
        }
        Value::Array(items) => Some((items.clone(), true)),
        Value::Object(map) if generated(map).is_some() => {
            let key = generated(map)?;
            unknown_keys(map, &[key], mistakes, || (format!("a {key}"), path.to_vec()));
            let make = if key == "log" { log } else { range };
            let values = with_unit(&map[key], if key == "log" { 2 } else { 3 }, quantities, make);
            match values {
                Ok(values) => Some((values, false)),
                Err(reason) => {
                    let path = path.iter().cloned().chain([key.to_owned()]).collect();
                    mistakes.push(Mistake::at(path, Part::Value, Problem::BadRange { key, reason }));
                    None
                }
            }
        }
        other => {
            let (what, expected) = (format!("the values of `{name}`"), "a list, a range or a log");
            let example = format!("`{name}: [1, 2]` or `{name}: {{ range: [1, 3] }}`");
            let found = noun(other);
            report(
                mistakes,
                Part::Value,
                Problem::WrongShape {
                    what,
                    expected,
                    found,
                    example,
                },
            )
        }
    }
}

/// Values made of numbers, or of quantities: of the first `most` items of a list either all have a unit or none has. The values are in the
/// unit of the first.
fn with_unit(
    value: &Value,
    most: usize,
    quantities: Option<ReadQuantity>,
    make: fn(&Value) -> Result<Vec<Value>, String>,
) -> Result<Vec<Value>, String> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    let first = items.first().and_then(Value::as_str);
    let (Some((_, unit)), Some(read)) = (first.and_then(parts), quantities) else {
        return make(value);
    };
    let number = |(place, item): (usize, &Value)| match item {
        item if place >= most => Ok(item.clone()),
        Value::String(text) => match read(text, unit) {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(format!("{text} is no number of {unit}")),
        },
        other => Err(format!("{} has no unit, but the first has {unit}", plain(other))),
    };
    let numbers: Vec<Value> = items.iter().enumerate().map(number).collect::<Result<_, _>>()?;
    let values = make(&Value::Array(numbers))?;
    let quantity = |value: &Value| Value::String(format!("{} {unit}", plain(value)));
    Ok(values.iter().map(quantity).collect())
}

/// First, last and how many: each a constant factor above the one before. Both ends count.
fn log(value: &Value) -> Result<Vec<Value>, String> {
    let numbers = value
        .as_array()
        .filter(|items| items.len() == 3 && items.iter().all(Value::is_number));
    let Some([first, last, count]) = numbers.map(Vec::as_slice) else {
        return Err("it takes three numbers".to_owned());
    };
    let (from, to) = (first.as_f64().unwrap_or(0.0), last.as_f64().unwrap_or(0.0));
    if from <= 0.0 || to <= 0.0 {
        return Err("both ends must be positive".to_owned());
    }
    let count = count.as_number().and_then(whole).filter(|count| *count >= 2);
    let Some(count) = count.and_then(|count| usize::try_from(count).ok()) else {
        return Err("the third number counts the values, 2 or more".to_owned());
    };
    if count > MOST_POINTS {
        return Err(too_many(count as f64));
    }
    let value = |index: usize| match index {
        0 => first.clone(),
        _ if index == count - 1 => last.clone(),
        _ => Value::from(short(from * (to / from).powf(index as f64 / (count - 1) as f64))),
    };
    Ok((0..count).map(value).collect())
}

fn too_many(count: f64) -> String {
    format!("it has {count} values; at most {MOST_POINTS} are possible")
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
        return Err(too_many(steps + 1.0));
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
    fn a_log_grows_by_a_constant_factor() {
        let given = [json!([1e-4, 1e-2, 5]), json!([1, 1000, 4]), json!([8, 2, 3.0])];
        let expected = [
            json!([1e-4, 3.1622776601684e-4, 1e-3, 3.1622776601684e-3, 1e-2]),
            json!([1, 10.0, 100.0, 1000]),
            json!([8, 4.0, 2]),
        ];
        for (given, expected) in given.iter().zip(expected) {
            assert_eq!(Value::Array(log(given).unwrap()), expected);
        }
        for wrong in [
            json!([1, 2]),
            json!([0, 1, 2]),
            json!([-1, 1, 2]),
            json!([1, 2, 1]),
            json!([1, 2, 2.5]),
            json!([1, 2, 1e9]),
            json!("a"),
        ] {
            assert!(log(&wrong).is_err(), "{wrong}");
        }
    }
}
