//! Sweep points: every combination of rows that some stage has and that is no part of a larger one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::nodes::Node;
use super::super::parameters::Values;
use super::super::plain::plain;
use super::super::scopes::Scope;
use super::super::sweep::{Column, Combinations, Section, Sweep};
use super::{Places, Resolver};
use crate::graph::Point;
use crate::quantity::looks_like_quantity;

impl Resolver<'_, '_> {
    /// The sweep points, each with its trial of a search; each instance is told which of them share it.
    pub fn points(&mut self) -> (Vec<Point>, Vec<Option<usize>>) {
        let sweep = &self.values.sweep;
        let is_search = |column: &Column| column.section == Section::Search;
        let search = sweep.columns.iter().find(|column| is_search(column));
        let search = search.map(|column| column.dimension);
        let (mut points, mut trials) = (Vec::new(), Vec::new());
        for combinations in self.largest() {
            let mut settings = sweep.settings();
            let within: Vec<&Places> = self
                .places
                .iter()
                .filter(|places| within(&places.combinations, &combinations))
                .collect();
            for index in 0..combinations.count {
                if !combinations.set(sweep, index, &mut settings) {
                    continue;
                }
                let columns = combinations.dimensions.iter();
                let columns = columns.flat_map(|&dimension| sweep.dimensions[dimension].columns.clone());
                let point = columns.map(|column| {
                    let name = sweep.columns[column].name.clone();
                    (name, self.values.of_column(column, &settings))
                });
                let number = points.len();
                points.push(point.collect());
                let trial = search.filter(|dimension| combinations.dimensions.contains(dimension));
                trials.push(trial.map(|dimension| settings[dimension]));
                for id in within.iter().filter_map(|places| places.at(&settings)) {
                    self.instances[id.index()].points.push(number);
                }
            }
        }
        (points, trials)
    }

    /// The dimensions of stages, where no other stage has these and more; without a sweep, none.
    fn largest(&self) -> Vec<Combinations> {
        let mut seen: BTreeSet<&[usize]> = BTreeSet::new();
        let all = self.places.iter().map(|places| &places.combinations);
        let mut all: Vec<&Combinations> = all.filter(|one| seen.insert(&one.dimensions)).collect();
        all.sort_by_key(|one| &one.dimensions);
        let is_part = |one: &Combinations| {
            all.iter()
                .any(|other| other.dimensions != one.dimensions && within(one, other))
        };
        all.iter()
            .filter(|one| !is_part(one))
            .map(|one| (*one).clone())
            .collect()
    }
}

/// Whether all dimensions of `one` are among those of `other`.
fn within(one: &Combinations, other: &Combinations) -> bool {
    one.dimensions
        .iter()
        .all(|dimension| other.dimensions.contains(dimension))
}

/// Of the columns on which a stage depends, those that tell its rows apart: of each dimension one, where one does, or the first few.
pub(super) fn telling(sweep: &Sweep, columns: &BTreeSet<usize>) -> Vec<usize> {
    let mut told = Vec::new();
    for dimension in &sweep.dimensions {
        let all: Vec<usize> = dimension
            .columns
            .clone()
            .filter(|column| columns.contains(column))
            .collect();
        let different = |some: &[usize]| {
            let row = |row: usize| some.iter().map(|&column| sweep.columns[column].same[row]).collect();
            (0..dimension.length).map(row).collect::<BTreeSet<Vec<usize>>>().len()
        };
        let most = different(&all);
        if let Some(one) = all.iter().find(|&&column| different(&[column]) == most) {
            told.push(*one);
            continue;
        }
        let mut some: Vec<usize> = Vec::new();
        for column in all {
            let with = [&some[..], &[column]].concat();
            if different(&with) > different(&some) {
                some = with;
            }
        }
        told.extend(some);
    }
    told
}

/// `actions[toy_mass=3e11,seed=2]`: the name with the swept parameters that tell it from others of its name, those of its own file, and of the
/// files in which that is used, under their own names.
pub(super) fn label(
    node: &Node<'_>,
    scopes: &[Scope<'_>],
    values: &Values<'_>,
    settings: &[usize],
    columns: &[usize],
) -> String {
    let simple = |text: &str| {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./+".contains(&byte));
        let named = text.starts_with(|first: char| first.is_ascii_alphabetic());
        let word = plain && named && !["true", "false", "null"].contains(&text);
        // A number with a unit looks like nothing else.
        word || !named && looks_like_quantity(text)
    };
    let prefix = scopes[node.scope].prefix.as_str();
    let mut label = format!("{}[", node.name);
    for (place, &index) in columns.iter().enumerate() {
        let column = &values.sweep.columns[index];
        let own = prefix.starts_with(&scopes[column.scope].prefix);
        let name = if own { &column.parameter } else { &*column.name };
        if place > 0 {
            label.push(',');
        }
        label.push_str(name);
        label.push('=');
        match &*values.of_column(index, settings) {
            Value::String(text) if simple(text) => label.push_str(text),
            Value::String(text) => label.push_str(&Value::from(text.as_str()).to_string()),
            other => label.push_str(&plain(other)),
        }
    }
    label.push(']');
    label
}
