//! `actionfinder sweep`

use std::collections::BTreeMap;

use runner::graph::Searched;
use runner::search::{Limit, front, order};

use super::answers::{Swept, SweptPoint, finite};
use super::common::{Loaded, Pipeline};
use super::condition::Condition;
use super::failure::{Failure, Finished};
use crate::console::{align, answer, number};
use crate::report::{Column, Data, StageData, plain, summary, symbol};

/// Show all points of a sweep with their results, best first.
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
        Some(searched) if args.by.is_none() && args.conditions.is_empty() => {
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
    let mut rows: Vec<(f64, Vec<String>, SweptPoint)> = Vec::new();
    for (n, point) in data.points.iter().enumerate().filter(|(n, _)| is_wanted[*n]) {
        let cell = |name: &&str| {
            let value = point
                .iter()
                .find(|(own, _)| **own == **name)
                .map(|(_, value)| plain(value));
            value.unwrap_or_else(|| "-".to_owned())
        };
        let mut cells: Vec<String> = swept.iter().map(cell).collect();
        let mut key = f64::INFINITY;
        let mut results = BTreeMap::new();
        for (place, column) in columns.iter().enumerate() {
            let found = found[place][n].and_then(|stage| column.value(stage));
            let of = format!("{}.{}", column.stage, column.name);
            results.insert(of, found.and_then(|(value, _)| finite(value)));
            if place == by {
                key = found.map_or(f64::INFINITY, |(value, _)| value);
            }
            cells.push(found.map_or_else(|| "-".to_owned(), |(value, unit)| summary::with_unit(value, unit)));
        }
        cells.push(findings[n].unwrap_or_default().to_owned());
        let parameters = point.iter().map(|(name, value)| (name.to_string(), (**value).clone()));
        let note = findings[n].unwrap_or_default().to_owned();
        rows.push((
            key,
            cells,
            SweptPoint {
                parameters: parameters.collect(),
                results,
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
            .collect::<Vec<_>>(),
    ];
    rows.truncate(most);
    let (cells, points): (Vec<_>, Vec<_>) = rows.into_iter().map(|(_, cells, point)| (cells, point)).unzip();
    lines.extend(cells);
    let right: Vec<usize> = (0..swept.len() + columns.len()).collect();
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

fn nothing_called(by: &str, data: &Data) -> Failure {
    Failure::Usage(format!(
        "there are no results for {by}; there are: {}",
        Column::names(data).join(", ")
    ))
}
