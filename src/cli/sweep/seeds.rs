//! Points of a sweep that differ in nothing but seeds, as one setting with means.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::{Column, Data, StageData, summary};

/// The swept parameters that are averaged over: those called seed, and those that an `aggregate` joins.
pub fn averaged<'a>(data: &Data, swept: &[&'a str]) -> Vec<&'a str> {
    let is_seed = |name: &str| name == "seed" || name.ends_with("_seed");
    let different = |stage: &StageData, name: &str| {
        let points = stage.points.iter().map(|&point| value_at(data, point, name));
        points
            .map(|value| value.map(Value::to_string))
            .collect::<BTreeSet<_>>()
            .len()
    };
    let is_joined = |name: &str| {
        let mut aggregates = data.stages.iter().filter(|stage| stage.kind == "aggregate");
        aggregates.any(|stage| {
            let mut inputs = stage.inputs.iter();
            different(stage, name) > 1 && inputs.all(|&input| different(&data.stages[input], name) == 1)
        })
    };
    let names = swept.iter().copied();
    names.filter(|name| is_seed(name) || is_joined(name)).collect()
}

/// The value of a swept parameter at a point.
pub fn value_at<'a>(data: &'a Data, point: usize, name: &str) -> Option<&'a Value> {
    let found = data.points[point].iter().find(|(own, _)| **own == *name);
    found.map(|(_, value)| &**value)
}

/// Points with the same values of some parameters.
pub struct Setting {
    /// These values.
    pub values: Vec<Option<Value>>,
    /// The points.
    pub points: Vec<usize>,
}

/// The settings of the points that are wanted, in the order of their first.
pub fn settings(data: &Data, names: &[&str], is_wanted: &[bool]) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for point in (0..data.points.len()).filter(|&point| is_wanted[point]) {
        let values: Vec<Option<Value>> = names.iter().map(|name| value_at(data, point, name).cloned()).collect();
        let key: Vec<Option<String>> = values
            .iter()
            .map(|value| value.as_ref().map(Value::to_string))
            .collect();
        let place = *places.entry(key).or_insert(settings.len());
        if place == settings.len() {
            settings.push(Setting {
                values,
                points: Vec::new(),
            });
        }
        settings[place].points.push(point);
    }
    settings
}

/// The mean of a number over the points of a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of one value, where there are several.
    pub deviation: Option<f64>,
    /// How many values there are.
    pub count: usize,
    /// Their unit.
    pub unit: String,
}

impl Mean {
    /// The mean of a column over points, each stage counted once; nothing where no stage has a value.
    pub fn of(column: &Column, stages: &[Option<&StageData>], points: &[usize]) -> Option<Self> {
        let mut seen: Vec<*const StageData> = Vec::new();
        let (mut values, mut of) = (Vec::new(), "");
        for stage in points.iter().filter_map(|&point| stages[point]) {
            if seen.contains(&std::ptr::from_ref(stage)) {
                continue;
            }
            seen.push(stage);
            if let Some((value, unit)) = column.value(stage) {
                values.push(value);
                of = unit;
            }
        }
        let (mean, deviation) = mean(&values)?;
        Some(Self {
            mean,
            deviation,
            count: values.len(),
            unit: of.to_owned(),
        })
    }

    /// `3.00 ± 0.25 km/s`.
    pub fn shown(&self) -> String {
        match self.deviation {
            None => summary::with_unit(self.mean, &self.unit),
            Some(deviation) => {
                let [mean, deviation] = [self.mean, deviation].map(crate::console::number);
                summary::beside_unit(format!("{mean} ± {deviation}"), &self.unit)
            }
        }
    }
}

/// Mean, and the standard deviation of one value where there are several.
fn mean(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    (!values.is_empty()).then_some((mean, deviation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_a_deviation_from_two_values_on() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[3.0]), Some((3.0, None)));
        assert_eq!(mean(&[1.0, 2.0, 3.0]), Some((2.0, Some(1.0))));
    }

    #[test]
    fn it_is_shown_with_its_unit() {
        let mean = |deviation, unit: &str| Mean {
            mean: 3.0,
            deviation,
            count: 2,
            unit: unit.to_owned(),
        };
        assert_eq!(mean(Some(0.25), "kpc").shown(), "3.00 ± 0.250 kpc");
        assert_eq!(mean(None, "kpc").shown(), "3.00 kpc");
    }
}
