//! `actionfinder sweep`

mod seeds;

use std::collections::BTreeMap;

use runner::graph::Searched;
use runner::search::{Limit, front, order};

use super::answers::{Swept, SweptPoint, finite};
use super::common::{Loaded, Pipeline};
use super::condition::Condition;
use super::failure::{Failure, Finished};
use crate::console::{align, answer, number};
use crate::report::{Column, Data, StageData, plain, summary, symbol};
use seeds::Mean;
use serde_json::Value;

/// Show all settings of a sweep with their results, best first. Those that differ in nothing but seeds are one: mean ± standard deviation
/// over the seeds, and their number n.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
    /// Measure to order by, or a metric of a stage, such as actions.spread_validation [default: what is searched for, or the first
    /// measure]
    #[arg(long, value_name = "MEASURE")]
    by: Option<String>,
    /// Only points with such a parameter, measure or metric: width=64, delta_J<5; may be repeated
    #[arg(long = "where", value_name = "CONDITION", value_parser = Condition::read)]
    conditions: Vec<Condition>,
    /// Every point for itself, and no means over seeds
    #[arg(long)]
    each: bool,
    /// Only so many lines
    #[arg(long, value_name = "N")]
    top: Option<usize>,
}

/// Prints one line for each trial of a search, or each sweep point.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = args.pipeline.load()?;
    let data = loaded.data()?;
    let most = args.top.unwrap_or(usize::MAX);
    match &loaded.graph.search {
        Some(searched) if args.by.is_none() && args.conditions.is_empty() && !args.each => {
            let (words, swept) = trials(&loaded, &data, searched, most)?;
            answer(|| swept, || words);
            Ok(Finished::Well)
        }
        _ => points(&data, &args, most),
    }
}

fn points(data: &Data, args: &Args, most: usize) -> Result<Finished, Failure> {
    let mut columns = Column::measured(data);
    let by = match &args.by {
        None => 0,
        Some(by) => match columns.iter().position(|column| column.is(by)) {
            Some(place) => place,
            // Numbers that stages tell of themselves are many: only the one that is asked for gets a column.
            None => {
                columns.push(Column::find(data, by).ok_or_else(|| nothing_called(by, data))?);
                columns.len() - 1
            }
        },
    };
    // Parts of a pipeline that vary independently have points of their own.
    let mut swept: Vec<&str> = Vec::new();
    for (name, _) in data.points.iter().flatten() {
        if !swept.contains(&&**name) {
            swept.push(name);
        }
    }
    let is_wanted = wanted(data, &args.conditions, &swept)?;
    let found: Vec<Vec<Option<&StageData>>> = columns.iter().map(|column| column.stages(data)).collect();
    let mut findings: Vec<Option<&str>> = vec![None; data.points.len()];
    for (stage, title, _) in data.findings() {
        for &point in &stage.points {
            findings[point].get_or_insert(title);
        }
    }
    let averaged = if args.each {
        Vec::new()
    } else {
        seeds::averaged(data, &swept)
    };
    swept.retain(|name| !averaged.contains(name));
    let mut rows: Vec<(f64, Vec<String>, SweptPoint)> = Vec::new();
    for setting in seeds::settings(data, &swept, &is_wanted) {
        let cell = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), plain);
        let mut cells: Vec<String> = setting.values.iter().map(cell).collect();
        let (mut key, mut count) = (f64::INFINITY, 0);
        let (mut results, mut standard_deviations) = (BTreeMap::new(), BTreeMap::new());
        for (place, column) in columns.iter().enumerate() {
            let found = Mean::of(column, &found[place], &setting.points);
            let of = format!("{}.{}", column.stage, column.name);
            results.insert(of.clone(), found.as_ref().and_then(|found| finite(found.mean)));
            if let Some(deviation) = found.as_ref().and_then(|found| found.deviation) {
                standard_deviations.insert(of, finite(deviation));
            }
            if place == by {
                (key, count) = found.as_ref().map_or((key, count), |found| (found.mean, found.count));
            }
            cells.push(found.map_or_else(|| "-".to_owned(), |found| found.shown()));
        }
        if !averaged.is_empty() {
            cells.push(count.to_string());
        }
        let mut said: Vec<&str> = setting.points.iter().filter_map(|&point| findings[point]).collect();
        said.dedup();
        let note = said.join("; ");
        cells.push(note.clone());
        let names = swept.iter().map(|name| (*name).to_owned());
        let parameters = names
            .zip(setting.values)
            .filter_map(|(name, value)| Some((name, value?)));
        rows.push((
            key,
            cells,
            SweptPoint {
                parameters: parameters.collect(),
                results,
                standard_deviations,
                runs: setting.points.len(),
                note,
            },
        ));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let several = columns.iter().any(|column| column.stage != columns[0].stage);
    let heading = |column: &Column| {
        if several {
            format!("{} {}", column.stage, symbol(&column.name))
        } else {
            symbol(&column.name).to_owned()
        }
    };
    let mut lines = vec![
        swept
            .iter()
            .map(|name| (*name).to_owned())
            .chain(columns.iter().map(heading))
            .chain((!averaged.is_empty()).then(|| "n".to_owned()))
            .collect::<Vec<_>>(),
    ];
    rows.truncate(most);
    let (cells, points): (Vec<_>, Vec<_>) = rows.into_iter().map(|(_, cells, point)| (cells, point)).unzip();
    lines.extend(cells);
    let right: Vec<usize> = (0..swept.len() + columns.len() + usize::from(!averaged.is_empty())).collect();
    let by = columns
        .get(by)
        .map(|column| format!("{}.{}", column.stage, column.name));
    let by = by.into_iter().collect();
    answer(|| Swept { by, points }, || align(&lines, &right));
    Ok(Finished::Well)
}

/// Whether all conditions hold, for each sweep point.
fn wanted(data: &Data, conditions: &[Condition], swept: &[&str]) -> Result<Vec<bool>, Failure> {
    let mut wanted = vec![true; data.points.len()];
    for condition in conditions {
        let column = if swept.contains(&condition.name.as_str()) {
            None
        } else {
            let column = Column::find(data, &condition.name);
            Some(column.ok_or_else(|| nothing_called(&condition.name, data))?)
        };
        let stages = column.as_ref().map(|column| column.stages(data));
        for (n, wanted) in wanted.iter_mut().enumerate() {
            let holds = match (&column, &stages) {
                (Some(column), Some(stages)) => {
                    let value = stages[n].and_then(|stage| column.value(stage));
                    value.is_some_and(|(value, _)| condition.holds_for(value))
                }
                _ => {
                    let value = data.points[n].iter().find(|(name, _)| **name == *condition.name);
                    value.is_some_and(|(_, value)| condition.holds(value))
                }
            };
            *wanted &= holds;
        }
    }
    Ok(wanted)
}

/// The trials of a search, best first; those without results behind them.
pub fn trials(loaded: &Loaded, data: &Data, searched: &Searched, most: usize) -> Result<(String, Swept), Failure> {
    let search = &searched.search;
    let found = loaded.outcomes(data, searched).map_err(Failure::Usage)?;
    let (mut done, mut open, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (number, trial) in searched.known.trials.iter().enumerate() {
        match searched.known.outcome(number, &found) {
            Some(outcome) => {
                done.push((number, trial));
                results.push(outcome);
            }
            None => open.push((number, trial)),
        }
    }
    let epoch = |rung: usize| {
        search
            .prune
            .as_ref()
            .and_then(|prune| prune.at.get(rung))
            .copied()
            .unwrap_or(0)
    };
    let best = if search.objectives.len() > 1 {
        front(search, &results)
    } else {
        Vec::new()
    };
    let unit = |of: &str| {
        let column = Column::find(data, of)?;
        let unit = data
            .stages
            .iter()
            .find_map(|stage| column.value(stage).filter(|_| *stage.name == *column.stage))?
            .1;
        Some(unit.to_owned())
    };
    let units: Vec<String> = search
        .objectives
        .iter()
        .map(|objective| unit(&objective.of).unwrap_or_default())
        .collect();
    let mut head = vec!["trial".to_owned()];
    head.extend(search.axes.iter().map(|axis| axis.name.clone()));
    head.extend(search.objectives.iter().map(|objective| objective.of.clone()));
    let right: Vec<usize> = (0..head.len()).collect();
    let mut lines = vec![head];
    let cells = |number: usize, trial: &runner::search::Trial| {
        let mut cells = vec![(number + 1).to_string()];
        cells.extend(
            trial
                .iter()
                .map(|value| value.as_ref().map_or_else(|| "-".to_owned(), plain)),
        );
        cells
    };
    let names = || search.axes.iter().map(|axis| axis.name.clone());
    let by: Vec<String> = search.objectives.iter().map(|objective| objective.of.clone()).collect();
    let point = |trial: &runner::search::Trial, values: Option<&Vec<f64>>, note: &str| SweptPoint {
        parameters: names()
            .zip(trial.iter().map(|value| value.clone().unwrap_or_default()))
            .collect(),
        results: by
            .iter()
            .enumerate()
            .map(|(n, of)| (of.clone(), values.and_then(|values| finite(values[n]))))
            .collect(),
        standard_deviations: BTreeMap::new(),
        runs: 1,
        note: note.to_owned(),
    };
    let mut points = Vec::new();
    for n in order(search, &results) {
        let (number_of, trial) = done[n];
        let mut line = cells(number_of, trial);
        let outcome = &results[n];
        match &outcome.objectives {
            Some(values) => {
                line.extend(
                    values
                        .iter()
                        .zip(&units)
                        .map(|(value, unit)| summary::with_unit(*value, unit)),
                );
                line.push(match outcome.violation {
                    out if out > 0.0 => format!("out of bounds by {}", number(out)),
                    _ if best.contains(&n) => "front".to_owned(),
                    _ => String::new(),
                });
            }
            None => {
                line.extend(search.objectives.iter().map(|_| "-".to_owned()));
                line.push(
                    match outcome
                        .pruned
                        .and_then(|rung| Some((epoch(rung), outcome.rungs.get(rung)?)))
                    {
                        Some((epoch, loss)) => format!("given up after {epoch} epochs: {}", number(*loss)),
                        None => "no result".to_owned(),
                    },
                );
            }
        }
        points.push(point(
            trial,
            outcome.objectives.as_ref(),
            line.last().map_or("", String::as_str),
        ));
        lines.push(line);
    }
    for (number, trial) in open {
        let mut line = cells(number, trial);
        line.extend(search.objectives.iter().map(|_| "-".to_owned()));
        let note = match searched.known.limits.get(number) {
            Some(Limit::Until(epoch)) => format!("not done: to be compared after {epoch} epochs"),
            _ => "not done".to_owned(),
        };
        points.push(point(trial, None, &note));
        line.push(note);
        lines.push(line);
    }
    lines.truncate(most.saturating_add(1));
    points.truncate(most);
    Ok((align(&lines, &right), Swept { by: by.clone(), points }))
}

/// The nearest of what there is.
fn nothing_called(by: &str, data: &Data) -> Failure {
    const MOST: usize = 10;
    let mut names = Column::names(data);
    let distance = |name: &String| {
        let bare = name.rsplit('.').next().unwrap_or(name);
        [name, bare]
            .map(|name| strsim::damerau_levenshtein(by, name))
            .into_iter()
            .min()
    };
    names.sort_by_cached_key(distance);
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let others = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    Failure::Usage(format!(
        "there are no results for {by}; nearest: {}{others}",
        names.join(", ")
    ))
}
