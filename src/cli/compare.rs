//! `actionfinder compare`

use std::path::PathBuf;

use runner::graph::Point;

use super::answers::{Compared, ComparedRow, finite};
use super::common::{Loaded, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{align, answer, number};
use crate::report::{Data, Detail, ErrorRow, plain, summary, symbol};

/// Put the results of two pipelines, or of two sweep points, side by side.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pipeline, or a point of its sweep: `p.yaml@streams=128,seed=1`
    left: String,
    /// The same, for the other side
    right: String,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

struct Side {
    title: String,
    /// Stage name and row.
    rows: Vec<(String, ErrorRow)>,
}

/// Prints every component of every measure that both sides have.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let left = side(&args.left, &args)?;
    let right = side(&args.right, &args)?;
    let mut lines = vec![
        [
            "stage",
            "measure",
            "component",
            "statistic",
            "left",
            "right",
            "right / left",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let mut rows = Vec::new();
    for (stage, row) in &left.rows {
        let same = |(other_stage, other): &&(String, ErrorRow)| {
            (other_stage, &other.measure, &other.component, &other.statistic)
                == (stage, &row.measure, &row.component, &row.statistic)
        };
        if let Some((_, other)) = right.rows.iter().find(same) {
            let ratio = if row.value == 0.0 {
                "-".to_owned()
            } else {
                number(other.value / row.value)
            };
            let shown = (
                summary::with_unit(row.value, &row.unit),
                summary::with_unit(other.value, &other.unit),
            );
            let (measure, component) = (symbol(&row.measure).to_owned(), row.component.clone());
            rows.push(ComparedRow {
                stage: stage.clone(),
                measure: row.measure.clone(),
                component: row.component.clone(),
                statistic: row.statistic.clone(),
                unit: row.unit.clone(),
                left: finite(row.value),
                right: finite(other.value),
            });
            lines.push(vec![
                stage.clone(),
                measure,
                component,
                row.statistic.replace('_', " "),
                shown.0,
                shown.1,
                ratio,
            ]);
        }
    }
    if lines.len() == 1 {
        return Err(Failure::Usage(
            "the two sides have no comparison in common; run them first".to_owned(),
        ));
    }
    let words = format!(
        "left:  {}\nright: {}\n\n{}",
        left.title,
        right.title,
        align(&lines, &[4, 5, 6])
    );
    let (left, right) = (left.title, right.title);
    answer(|| Compared { left, right, rows }, || words);
    Ok(Finished::Well)
}

fn side(text: &str, args: &Args) -> Result<Side, Failure> {
    let (path, wanted) = text.split_once('@').unwrap_or((text, ""));
    let data = Loaded::new(&PathBuf::from(path), &args.parameters, &args.results)?.data_in(Detail::Rows)?;
    let wanted: Vec<(&str, &str)> = wanted
        .split(',')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    let fits = |n: usize| {
        wanted.iter().all(|(name, value)| {
            data.points[n]
                .iter()
                .any(|(own, is)| **own == *name.trim() && same_value(is, value.trim()))
        })
    };
    let points: Vec<usize> = (0..data.points.len()).filter(|n| fits(*n)).collect();
    let known = || points_line(&data);
    let point = match points.as_slice() {
        [] => {
            return Err(Failure::Usage(format!(
                "{text}: no such sweep point; there are:\n{}",
                known()
            )));
        }
        [point] => *point,
        _ => {
            return Err(Failure::Usage(format!(
                "{text}: several sweep points fit; choose one with @name=value:\n{}",
                known()
            )));
        }
    };
    let own = data.comparisons().filter(|stage| stage.points.contains(&point));
    let rows = own
        .flat_map(|stage| stage.errors.iter().map(|row| (stage.name.to_string(), row.clone())))
        .collect();
    let setting: Vec<String> = data.points[point]
        .iter()
        .map(|(name, value)| format!("{name} = {}", plain(value)))
        .collect();
    let setting = if setting.is_empty() {
        String::new()
    } else {
        format!(", {}", setting.join(", "))
    };
    Ok(Side {
        title: format!("{}{setting}", data.pipeline),
        rows,
    })
}

/// `5` and `5.0` are the same number.
fn same_value(is: &serde_json::Value, wanted: &str) -> bool {
    match (is.as_f64(), wanted.parse::<f64>()) {
        (Some(is), Ok(wanted)) => is == wanted,
        _ => plain(is) == wanted,
    }
}

fn points_line(data: &Data) -> String {
    let line = |point: &Point| {
        let parts: Vec<String> = point
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect();
        format!("  @{}", parts.join(","))
    };
    data.points.iter().map(line).collect::<Vec<_>>().join("\n")
}
