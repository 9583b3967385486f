//! Compares predictions with the truth, or with their own mean along each stream, beside published figures.

mod compared;
mod errors;
mod published;

use std::collections::{HashMap, HashSet};

use runner::arrow_schema::{DataType, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, column, connected_schema, unit_of};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

pub use published::{PaperFigures, Published, Statistic};

use compared::Compared;
use errors::Row;

use crate::common::columns::{
    self, ACCELERATION, ACTIONS, ANGLES, Column, FREQUENCIES, J_ERROR, NAME, POSITION, VELOCITY,
};
use crate::common::io::{self, TableContext, identity, rows_by_star, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::parameters::KmPerSecondKpc;
use crate::common::quantities::Acceleration;
use crate::common::set_aside::{self, OnFailure, SetAside};

/// `compare`
///
/// Every quantity that both tables have is compared, star by star. Against the stream mean, actions are compared with
/// their own mean over the stars of the stream: how constant they are along an orbit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// What predictions are compared with.
    pub against: Against,
    /// Compare these streams only, by number, or by name where streams have names; empty, all.
    pub streams: Vec<StreamName>,
    /// The paper's figures for the mean absolute error over the three components.
    pub paper: PaperFigures,
    /// How many streams the paper's figures were learned from. Where ours were learned from others, the results and the report say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper_streams: Option<u32>,
    /// What the errors must be for the run to end well.
    pub require: Require,
    /// Give errors relative to the mean absolute truth, in %. The figures of `paper` and `published` are then in %, too, as plain numbers:
    /// a unit in which they would be written is that of errors that are not relative.
    pub relative: bool,
    /// A name for the row of the paper's table that this is.
    pub row: Option<String>,
    /// Errors of the actions by component, from another publication.
    pub published: Option<Published>,
    /// What to do about stars that cannot be compared: those without a prediction.
    pub failures: OnFailure,
}

/// A stream, as a pipeline names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StreamName {
    /// By its number.
    Number(i64),
    /// By its name.
    Name(String),
}

impl StreamName {
    fn is(&self, stream: i64, name: Option<&str>) -> bool {
        match self {
            Self::Number(number) => *number == stream,
            Self::Name(own) => Some(own.as_str()) == name,
        }
    }
}

impl std::fmt::Display for StreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What predictions are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The table connected to `truth`.
    Truth(Truth),
    /// The mean of the predicted actions over the stars of each stream.
    StreamMean,
}

impl Default for Against {
    fn default() -> Self {
        Self::Truth(Truth::default())
    }
}

/// Which truth, and of which stars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Truth {
    /// Which row of the truth a prediction is compared with.
    pub of: TruthOf,
    /// Compare predictions of the stars with these numbers only; empty, all.
    pub stars: Vec<i64>,
    /// Compare only stars whose true actions are known better than this, km/s kpc, by the column `J_error`: of the table connected to
    /// `tori`, by stream, or else of the truth.
    pub known_to: Option<KmPerSecondKpc>,
}

/// Which row of the truth a prediction is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TruthOf {
    /// That of the same stream and star.
    #[default]
    Star,
    /// The only one of the same stream: what should be the same for all its stars.
    Stream,
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

/// A quantity with its components.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    columns: &'static [Column],
    components: &'static [&'static str],
    unit: &'static str,
    paper: fn(&PaperFigures) -> Option<f64>,
}

const CYLINDRICAL: &[&str] = &["phi", "z", "r"];
const CARTESIAN: &[&str] = &["x", "y", "z"];

/// The only component of a line-of-sight velocity.
const V_LOS: [Column; 1] = [crate::apply::recover_velocities::V_LOS];

const MEASURES: [Measure; 7] = [
    Measure {
        name: "delta_J",
        columns: &ACTIONS,
        components: CYLINDRICAL,
        unit: "km/s kpc",
        paper: |paper| paper.delta_J.map(f64::from),
    },
    Measure {
        name: "delta_theta",
        columns: &ANGLES,
        components: CYLINDRICAL,
        unit: "deg",
        paper: |paper| paper.delta_theta.map(f64::from),
    },
    Measure {
        name: "delta_x",
        columns: &POSITION,
        components: CARTESIAN,
        unit: "kpc",
        paper: |paper| paper.delta_x.map(f64::from),
    },
    Measure {
        name: "delta_v",
        columns: &VELOCITY,
        components: CARTESIAN,
        unit: "km/s",
        paper: |paper| paper.delta_v.map(f64::from),
    },
    Measure {
        name: "delta_a",
        columns: &ACCELERATION,
        components: CARTESIAN,
        unit: "%",
        paper: |paper| paper.delta_a.map(f64::from),
    },
    Measure {
        name: "delta_Omega",
        columns: &FREQUENCIES,
        components: CYLINDRICAL,
        unit: "km/s/kpc",
        paper: |_| None,
    },
    Measure {
        name: "delta_v_los",
        columns: &V_LOS,
        components: &["los"],
        unit: "km/s",
        paper: |_| None,
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
    const ABOUT: &'static str = "Compare predictions with the truth, or along streams, beside published figures";
    const REVISION: u32 = 5;
    const ROLE: Role = Role::Judge;

    fn inputs(&self) -> Vec<InputPort> {
        match &self.against {
            Against::Truth(of) => {
                let stars = columns::needs(&[]);
                let mut ports = vec![InputPort::table("predicted", &stars), InputPort::table("truth", &stars)];
                if of.known_to.is_some() {
                    let needs = [("stream", ""), (J_ERROR.name, J_ERROR.unit)];
                    ports.push(InputPort::table("tori", &needs).optional());
                }
                ports
            }
            Against::StreamMean => vec![InputPort::table("predicted", &columns::needs(&[&ACTIONS]))],
        }
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let predicted = connected_schema(connected, "predicted");
        let (truth, known_to) = match &self.against {
            Against::Truth(of) => (connected_schema(connected, "truth"), of.known_to),
            Against::StreamMean => (predicted, None),
        };
        let (Some(predicted), Some(truth)) = (predicted, truth) else {
            return Ok(vec![
                OutputPort::table("errors", errors::layout().schema()),
                OutputPort::table("residuals", residuals_schema(&[])),
            ]);
        };
        let knows_error = connected.contains_key("tori") || truth.column_with_name(J_ERROR.name).is_some();
        if known_to.is_some() && !knows_error {
            return Err("truth: known_to needs its column J_error, or that of a table connected to `tori`".to_owned());
        }
        let measures = self.measures(predicted, truth);
        if measures.is_empty() {
            return Err(
                "truth: has nothing in common with predicted: neither J_*, nor theta_*, nor x y z, nor vx vy vz, nor ax ay az, nor Omega_*, nor v_los"
                    .to_owned(),
            );
        }
        for measure in MEASURES {
            if (measure.paper)(&self.paper).is_some() && measures.iter().all(|other| other.name != measure.name) {
                if common(predicted, truth).iter().any(|other| other.name == measure.name) {
                    return Err(format!(
                        "paper.{}: along a stream only actions are compared",
                        measure.name
                    ));
                }
                let names: Vec<&str> = measure.columns.iter().map(|column| column.name).collect();
                let names = names.join(", ");
                return Err(format!("paper.{}: the tables do not both have {names}", measure.name));
            }
        }
        let outputs = vec![
            OutputPort::table("errors", errors::layout().schema()),
            OutputPort::table("residuals", residuals_schema(&measures)),
            set_aside::port(),
        ];
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let figures = MEASURES.map(|measure| (measure.paper)(&self.paper));
        if self.require == Require::AtMostPaper && figures.iter().all(Option::is_none) {
            faults.push(Fault::new("require", "at_most_paper needs a figure in paper"));
        }
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("residuals", inputs.at("predicted")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let predicted = context.read_table("predicted")?;
        let (truth, which) = match &self.against {
            Against::Truth(which) => (context.read_table("truth")?, which.clone()),
            Against::StreamMean => (predicted.clone(), Truth::default()),
        };
        let measures = self.measures(predicted.schema_ref(), truth.schema_ref());
        let asked = which.known(context, &truth, self.asked(&truth)?)?;
        let asked = match which.of {
            TruthOf::Star => which.of_stars(&truth, asked, |&row| row)?,
            TruthOf::Stream => asked,
        };
        let pairs = match which.of {
            TruthOf::Star => pair_rows(&predicted, &truth, &asked)?,
            TruthOf::Stream => which.of_stars(&predicted, pair_streams(&predicted, &truth, &asked)?, |pair| pair.0)?,
        };
        if pairs.is_empty() {
            return Err(no_pairs(&predicted, &truth)?);
        }
        names_agree(&predicted, &truth, &pairs)?;
        let (pairs, resting) = self.with_errors(&measures, &truth, pairs)?;
        let met: HashSet<usize> = pairs.iter().map(|&(_, row)| row).collect();
        let ids = star_ids(&truth)?;
        let mut without = SetAside::default();
        for &row in asked.iter().filter(|row| !met.contains(row)) {
            let reason = match resting.contains(&row) {
                true => "its true acceleration vanishes: it has no relative error",
                false => "it has no prediction",
            };
            without.push(ids[row], reason);
        }
        let left = without.len();
        without.write(context, self.failures, asked.len(), "stars")?;
        if pairs.is_empty() {
            return Ok(set_aside::all_set_aside(left, "stars"));
        }

        let mut rows = Vec::new();
        let mut residuals = Vec::new();
        for measure in &measures {
            let compared = match self.against {
                Against::Truth(_) => Compared::with_truth(measure, &predicted, &truth, &pairs)?,
                Against::StreamMean => Compared::along_streams(measure, &predicted, &pairs)?,
            };
            // Positions that were carried along are not a prediction.
            let may_be_carried = ["delta_x", "delta_v", "delta_v_los"].contains(&measure.name);
            let is_carried = may_be_carried && compared.is_identical();
            let measured = if is_carried {
                Vec::new()
            } else {
                compared.rows(measure, self, (pairs.len(), left))
            };
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
        context.write_rows("errors", &errors::layout(), &rows)?;

        let ids = star_ids(&predicted)?;
        let ids: Vec<StarId> = pairs.iter().map(|&(row, _)| ids[row]).collect();
        let mut table = Layout::of_stars(|id: &StarId| *id).columns(&ids);
        table.extend(residuals.into_iter().map(|(name, values)| (name, values.into())));
        context.write_table("residuals", table)?;
        Ok(Outcome::Complete)
    }
}

/// A row of the prediction and the row of the truth that it is compared with.
type Pair = (usize, usize);

impl Compare {
    /// The pairs that have an error in every measure, and the rows of the truth that have not: where the true acceleration vanishes, at the
    /// centre, there is no relative error.
    fn with_errors(
        &self,
        measures: &[Measure],
        truth: &RecordBatch,
        pairs: Vec<Pair>,
    ) -> Result<(Vec<Pair>, HashSet<usize>), StageError> {
        if measures.iter().all(|measure| measure.name != "delta_a") {
            return Ok((pairs, HashSet::new()));
        }
        let accelerations: Vec<Acceleration> = io::quantity(truth)?;
        let rests = |row: usize| accelerations[row].0 == [0.0; 3];
        let resting = pairs.iter().map(|&(_, row)| row).filter(|&row| rests(row)).collect();
        Ok((pairs.into_iter().filter(|&(_, row)| !rests(row)).collect(), resting))
    }

    /// What is compared.
    fn measures(&self, predicted: &Schema, truth: &Schema) -> Vec<Measure> {
        let mut measures = common(predicted, truth);
        // Along a stream only actions are the same.
        let along = match &self.against {
            Against::Truth(which) => which.of == TruthOf::Stream,
            Against::StreamMean => true,
        };
        measures.retain(|measure| !along || measure.name == "delta_J");
        measures
    }

    /// The rows of the truth that were asked for; a stream that is not there is an error.
    fn asked(&self, truth: &RecordBatch) -> Result<Vec<usize>, StageError> {
        let (stream, names) = (identity(truth)?.0, names(truth)?);
        if self.streams.is_empty() {
            return Ok((0..stream.len()).collect());
        }
        let is = |wanted: &StreamName, row: usize| wanted.is(stream[row], names.get(row).copied().flatten());
        let is_there = |wanted: &&StreamName| (0..stream.len()).any(|row| is(wanted, row));
        if let Some(missing) = self.streams.iter().find(|wanted| !is_there(wanted)) {
            return Err(StageError::failed(format!(
                "streams: the table has no stream {missing}"
            )));
        }
        let asked = |row: &usize| self.streams.iter().any(|wanted| is(wanted, *row));
        Ok((0..stream.len()).filter(asked).collect())
    }

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
                "{}{}: {:.4} {}, above the paper's {paper}",
                self.row.as_ref().map(|row| format!("{row}: ")).unwrap_or_default(),
                measure.name,
                mean.value,
                mean.unit,
            ));
        }
    }
}

impl Truth {
    /// Of the items, those whose row of `table` is a star that was asked for.
    fn of_stars<T>(
        &self,
        table: &RecordBatch,
        mut items: Vec<T>,
        row: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, StageError> {
        let star = identity(table)?.1;
        items.retain(|item| self.stars.is_empty() || self.stars.contains(&star[row(item)]));
        Ok(items)
    }

    /// Of the rows `asked`, those whose truth is known well enough.
    fn known(&self, context: &StageContext, truth: &RecordBatch, asked: Vec<usize>) -> Result<Vec<usize>, StageError> {
        let Some(limit) = self.known_to else {
            return Ok(asked);
        };
        let error = if context.has_input("tori") {
            let tori = context.read_table("tori")?;
            let streams = tables::i64_column(&tori, "stream").map_err(StageError::failed)?;
            let of_stream: HashMap<i64, f64> = streams
                .iter()
                .copied()
                .zip(io::column(&tori, J_ERROR.name)?.iter().copied())
                .collect();
            // A stream without a torus is not known at all.
            let error = |stream| of_stream.get(stream).copied().unwrap_or(f64::INFINITY);
            identity(truth)?.0.iter().map(error).collect()
        } else {
            io::column(truth, J_ERROR.name)?.to_vec()
        };
        let known: Vec<usize> = asked.iter().copied().filter(|&row| error[row] <= limit.get()).collect();
        context.metric("truth_uncertain", (asked.len() - known.len()) as f64, "");
        if known.len() < asked.len() {
            context.note(format!(
                "{} of {} stars are not compared: their true actions are not known to {} km/s kpc",
                asked.len() - known.len(),
                asked.len(),
                limit.get()
            ));
        }
        Ok(known)
    }
}

/// Rows (predicted, truth) of the same star, for the rows `asked` of the truth.
fn pair_rows(predicted: &RecordBatch, truth: &RecordBatch, asked: &[usize]) -> Result<Vec<(usize, usize)>, StageError> {
    let rows = rows_by_star("predicted", predicted)?;
    let ids = star_ids(truth)?;
    let pair = |&row: &usize| Some((*rows.get(&ids[row])?, row));
    Ok(asked.iter().filter_map(pair).collect())
}

/// Rows (predicted, truth) of the same stream, of which the truth has one row, for the rows `asked` of the truth.
fn pair_streams(
    predicted: &RecordBatch,
    truth: &RecordBatch,
    asked: &[usize],
) -> Result<Vec<(usize, usize)>, StageError> {
    let stream = identity(truth)?.0;
    let mut rows = HashMap::with_capacity(asked.len());
    for &row in asked {
        if rows.insert(stream[row], row).is_some() {
            return Err(StageError::with_hint(
                format!("input truth: stream {} has more than one row", stream[row]),
                "`against: { truth: { of: stream } }` needs one row for each stream",
            ));
        }
    }
    let stream = identity(predicted)?.0.iter().enumerate();
    Ok(stream
        .filter_map(|(row, stream)| Some((row, *rows.get(stream)?)))
        .collect())
}

/// The names of a table's streams, row by row; none where it has no such column.
fn names(table: &RecordBatch) -> Result<Vec<Option<&str>>, StageError> {
    let names = tables::optional_str_column(table, NAME).map_err(StageError::failed)?;
    Ok(names.unwrap_or_default())
}

/// Why nothing can be compared.
fn no_pairs(predicted: &RecordBatch, truth: &RecordBatch) -> Result<StageError, StageError> {
    let message = "no star of the truth has a prediction (by stream and star)";
    let have_names = |table| Ok::<_, StageError>(names(table)?.iter().any(Option::is_some));
    Ok(match (have_names(predicted)?, have_names(truth)?) {
        (true, false) | (false, true) => StageError::with_hint(
            message,
            "the streams of one table have names, those of the other numbers: write `ids: names` where both are imported",
        ),
        _ => StageError::failed(message),
    })
}

/// Numbers of streams follow from their names, so the same number is the same name.
fn names_agree(predicted: &RecordBatch, truth: &RecordBatch, pairs: &[(usize, usize)]) -> Result<(), StageError> {
    let (of_predicted, of_truth) = (names(predicted)?, names(truth)?);
    let stream = identity(predicted)?.0;
    for &(row, other) in pairs {
        let both = of_predicted.get(row).zip(of_truth.get(other));
        if let Some((Some(name), Some(true_name))) = both
            && name != true_name
        {
            return Err(StageError::failed(format!(
                "stream {} is called {name} in predicted, and {true_name} in truth",
                stream[row]
            )));
        }
    }
    Ok(())
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

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
