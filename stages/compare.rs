//! Compares predictions with the truth, beside the paper's figures.

use std::collections::HashMap;

use runner::arrow_schema::{DataType, Field, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, column, connected_schema, unit_of};
use runner::stage::{Fault, Outcome, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::columns::{self, ACTIONS, ANGLES, Column, POSITION, VELOCITY};
use crate::io::{self, TableContext, identity};

/// `compare`
///
/// Every quantity that both tables have is compared, star by star.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// The paper's figures for the mean absolute error over the three components.
    pub paper: PaperFigures,
    /// What the errors must be for the run to end well.
    pub require: Require,
    /// Give errors relative to the mean absolute truth, in %; the paper's figures are then in % too.
    pub relative: bool,
    /// A name for the row of the paper's table that this is.
    pub row: Option<String>,
}

/// Mean absolute errors; `null` where the paper gives none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(non_snake_case, reason = "the names of the measures")]
pub struct PaperFigures {
    /// Actions, km/s kpc.
    pub delta_J: Option<f64>,
    /// Angles, degrees.
    pub delta_theta: Option<f64>,
    /// Positions, kpc.
    pub delta_x: Option<f64>,
    /// Velocities, km/s.
    pub delta_v: Option<f64>,
}

/// What the errors must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// Anything.
    #[default]
    None,
    /// At most the paper's figures.
    AtMostPaper,
}

/// A quantity with three components.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    columns: &'static [Column; 3],
    components: [&'static str; 3],
    unit: &'static str,
    paper: fn(&PaperFigures) -> Option<f64>,
}

const CYLINDRICAL: [&str; 3] = ["phi", "z", "r"];
const CARTESIAN: [&str; 3] = ["x", "y", "z"];

const MEASURES: [Measure; 4] = [
    Measure {
        name: "delta_J",
        columns: &ACTIONS,
        components: CYLINDRICAL,
        unit: "km/s kpc",
        paper: |paper| paper.delta_J,
    },
    Measure {
        name: "delta_theta",
        columns: &ANGLES,
        components: CYLINDRICAL,
        unit: "deg",
        paper: |paper| paper.delta_theta,
    },
    Measure {
        name: "delta_x",
        columns: &POSITION,
        components: CARTESIAN,
        unit: "kpc",
        paper: |paper| paper.delta_x,
    },
    Measure {
        name: "delta_v",
        columns: &VELOCITY,
        components: CARTESIAN,
        unit: "km/s",
        paper: |paper| paper.delta_v,
    },
];

/// The measures whose columns are in both tables, in their unit.
fn common(predicted: &Schema, truth: &Schema) -> Vec<Measure> {
    let has = |schema: &Schema, column: &Column| {
        schema
            .column_with_name(column.name)
            .is_some_and(|(_, field)| unit_of(field) == column.unit)
    };
    let in_both = |measure: &Measure| measure.columns.iter().all(|c| has(predicted, c) && has(truth, c));
    MEASURES.into_iter().filter(in_both).collect()
}

impl Stage for Compare {
    const KIND: &'static str = "compare";
    const ABOUT: &'static str = "Compare predictions with the truth, beside the paper's figures";
    const REVISION: u32 = 1;

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::table("predicted", &columns::needs(&[])),
            InputPort::table("truth", &columns::needs(&[])),
        ]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let (predicted, truth) = (
            connected_schema(connected, "predicted"),
            connected_schema(connected, "truth"),
        );
        let (Some(predicted), Some(truth)) = (predicted, truth) else {
            return Ok(vec![
                OutputPort::table("errors", errors_schema()),
                OutputPort::table("residuals", residuals_schema(&[])),
            ]);
        };
        let measures = common(predicted, truth);
        if measures.is_empty() {
            return Err(
                "truth: has nothing in common with predicted: neither J_*, nor theta_*, nor x y z, nor vx vy vz"
                    .to_owned(),
            );
        }
        for measure in MEASURES {
            if (measure.paper)(&self.paper).is_some() && measures.iter().all(|other| other.name != measure.name) {
                let names = measure.columns.map(|column| column.name).join(", ");
                return Err(format!("paper.{}: the tables do not both have {names}", measure.name));
            }
        }
        Ok(vec![
            OutputPort::table("errors", errors_schema()),
            OutputPort::table("residuals", residuals_schema(&measures)),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let figures = MEASURES.map(|measure| (measure.name, (measure.paper)(&self.paper)));
        for (name, figure) in figures {
            faults.extend(crate::parameters::positive(&format!("paper.{name}"), figure));
        }
        if self.require == Require::AtMostPaper && figures.iter().all(|(_, figure)| figure.is_none()) {
            faults.push(Fault::new("require", "at_most_paper needs a figure in paper"));
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let predicted = context.read_table("predicted")?;
        let truth = context.read_table("truth")?;
        let measures = common(predicted.schema_ref(), truth.schema_ref());
        let pairs = pair_rows(&predicted, &truth)?;
        if pairs.is_empty() {
            return Err(StageError::failed(
                "no star of the truth has a prediction (by stream and star)",
            ));
        }
        let set_aside = truth.num_rows() - pairs.len();
        context.metric("set_aside", set_aside as f64, "");
        if set_aside > 0 {
            context.note(format!(
                "{set_aside} of {} stars have no prediction and are not compared",
                truth.num_rows()
            ));
        }

        let mut rows = Vec::new();
        let mut residuals = Vec::new();
        for measure in &measures {
            let compared = Compared::new(measure, &predicted, &truth, &pairs)?;
            let measured = compared.rows(measure, self);
            self.judge(context, measure, &measured);
            rows.extend(measured);
            residuals.extend(
                measure
                    .columns
                    .iter()
                    .zip(compared.residuals)
                    .map(|(column, values)| (column.name, values)),
            );
        }
        write_errors(context, &rows, pairs.len(), set_aside)?;

        let (stream, star) = identity(&truth)?;
        let mut table = vec![
            (
                "stream",
                pairs.iter().map(|&(_, row)| stream[row]).collect::<Vec<_>>().into(),
            ),
            (
                "star",
                pairs.iter().map(|&(_, row)| star[row]).collect::<Vec<_>>().into(),
            ),
        ];
        table.extend(residuals.into_iter().map(|(name, values)| (name, values.into())));
        context.write_table("residuals", table)?;
        Ok(Outcome::Complete)
    }
}

impl Compare {
    /// Keeps the mean as a metric, and records it if it is above the paper's figure and must not be.
    fn judge(&self, context: &StageContext, measure: &Measure, rows: &[Row]) {
        let Some(mean) = rows
            .iter()
            .find(|row| row.component == "mean" && row.statistic == "mean_absolute")
        else {
            return;
        };
        context.metric(measure.name, mean.value, mean.unit);
        if let (Require::AtMostPaper, Some(paper)) = (self.require, mean.paper)
            && mean.value > paper
        {
            context.outside_tolerance(format!(
                "{}{}: {:.4} {}, above the paper's {paper} {} by a factor {:.2}",
                self.row.as_ref().map(|row| format!("{row}: ")).unwrap_or_default(),
                measure.name,
                mean.value,
                mean.unit,
                mean.unit,
                mean.value / paper
            ));
        }
    }
}

/// Rows (predicted, truth) of the same star, in the order of the truth.
fn pair_rows(predicted: &RecordBatch, truth: &RecordBatch) -> Result<Vec<(usize, usize)>, StageError> {
    let mut rows = HashMap::with_capacity(predicted.num_rows());
    let (stream, star) = identity(predicted)?;
    for (row, key) in stream.iter().zip(star).enumerate() {
        if rows.insert(key, row).is_some() {
            return Err(StageError::failed(format!(
                "input predicted: stream {}, star {} occurs twice",
                key.0, key.1
            )));
        }
    }
    let (stream, star) = identity(truth)?;
    let keys = stream.iter().zip(star).enumerate();
    Ok(keys.filter_map(|(row, key)| Some((*rows.get(&key)?, row))).collect())
}

/// One measure: predicted − truth and |truth| by component, in the measure's unit.
struct Compared {
    residuals: [Vec<f64>; 3],
    truth: [f64; 3],
}

/// One row of `errors`.
struct Row {
    measure: &'static str,
    component: &'static str,
    statistic: &'static str,
    value: f64,
    unit: &'static str,
    relative: f64,
    paper: Option<f64>,
}

impl Compared {
    fn new(
        measure: &Measure,
        predicted: &RecordBatch,
        truth: &RecordBatch,
        pairs: &[(usize, usize)],
    ) -> Result<Self, StageError> {
        let (predicted, truth) = (
            io::columns(predicted, measure.columns)?,
            io::columns(truth, measure.columns)?,
        );
        let is_angle = measure.name == "delta_theta";
        let difference = |predicted: f64, truth: f64| match is_angle {
            true => dynamics::units::wrap_difference(predicted - truth).to_degrees(),
            false => predicted - truth,
        };
        let size = |truth: f64| {
            if is_angle {
                truth.abs().to_degrees()
            } else {
                truth.abs()
            }
        };
        Ok(Self {
            residuals: [0, 1, 2].map(|axis| {
                pairs
                    .iter()
                    .map(|&(p, t)| difference(predicted[axis][p], truth[axis][t]))
                    .collect()
            }),
            truth: [0, 1, 2].map(|axis| mean(pairs.iter().map(|&(_, t)| size(truth[axis][t])))),
        })
    }

    fn rows(&self, measure: &Measure, compare: &Compare) -> Vec<Row> {
        let absolute = self
            .residuals
            .each_ref()
            .map(|values| values.iter().map(|value| value.abs()).collect::<Vec<_>>());
        let means = absolute.each_ref().map(|values| mean(values.iter().copied()));
        let medians = absolute.each_ref().map(|values| median(values.clone()));
        let everything = [
            ("mean_absolute", means, mean(means.into_iter())),
            // The median over all components together would hide one that is far off.
            ("median_absolute", medians, mean(medians.into_iter())),
        ];
        let truth = mean(self.truth.into_iter());
        let mut rows = Vec::new();
        for (statistic, of_components, of_all) in everything {
            let components = measure.components.into_iter().zip(of_components).zip(self.truth);
            let all = components.chain([(("mean", of_all), truth)]);
            for ((component, value), truth) in all {
                // Where the truth is zero throughout there is no scale to be relative to.
                let relative = if truth > 0.0 { value / truth } else { 0.0 };
                let (value, unit) = if compare.relative {
                    (100.0 * relative, "%")
                } else {
                    (value, measure.unit)
                };
                let is_headline = component == "mean" && statistic == "mean_absolute";
                let paper = (measure.paper)(&compare.paper).filter(|_| is_headline);
                rows.push(Row {
                    measure: measure.name,
                    component,
                    statistic,
                    value,
                    unit,
                    relative,
                    paper,
                });
            }
        }
        rows
    }
}

fn write_errors(context: &StageContext, rows: &[Row], stars: usize, set_aside: usize) -> Result<(), StageError> {
    let texts = |value: fn(&Row) -> &'static str| rows.iter().map(value).collect::<Vec<_>>().into();
    let ratio = |row: &Row| row.paper.map(|paper| row.value / paper);
    context.write_table(
        "errors",
        vec![
            ("measure", texts(|row| row.measure)),
            ("component", texts(|row| row.component)),
            ("statistic", texts(|row| row.statistic)),
            ("value", rows.iter().map(|row| row.value).collect::<Vec<_>>().into()),
            ("unit", texts(|row| row.unit)),
            (
                "relative",
                rows.iter().map(|row| row.relative).collect::<Vec<_>>().into(),
            ),
            ("paper", rows.iter().map(|row| row.paper).collect::<Vec<_>>().into()),
            ("ratio", rows.iter().map(ratio).collect::<Vec<_>>().into()),
            ("stars", vec![stars as i64; rows.len()].into()),
            ("set_aside", vec![set_aside as i64; rows.len()].into()),
        ],
    )
}

fn errors_schema() -> Schema {
    let text = |name, description| column(name, DataType::Utf8, "", "", description);
    let number = |name, description| column(name, DataType::Float64, "", "", description);
    let count = |name, description| column(name, DataType::Int64, "", "", description);
    let optional = |field: Field| field.with_nullable(true);
    Schema::new(vec![
        text("measure", "delta_J, delta_theta, delta_x, delta_v: what differs"),
        text("component", "component, or mean over the three"),
        text("statistic", "mean_absolute or median_absolute over the stars"),
        number("value", "the error, in the unit of column unit"),
        text("unit", "unit of value and paper"),
        number("relative", "the error divided by the mean absolute truth"),
        optional(number("paper", "the paper's figure, where it gives one")),
        optional(number("ratio", "value / paper")),
        count("stars", "stars compared"),
        count("set_aside", "stars of the truth without a prediction"),
    ])
}

fn residuals_schema(measures: &[Measure]) -> Schema {
    let fields = measures.iter().flat_map(|measure| {
        measure.columns.iter().map(|c| {
            let description = format!("predicted - true: {}", c.description);
            column(c.name, DataType::Float64, measure.unit, c.frame, &description)
        })
    });
    Schema::new(columns::identity().into_iter().chain(fields).collect::<Vec<_>>())
}

/// The mean; 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// The median; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
