//! Compares predictions with the truth, or with their own mean along each stream, beside published figures.

mod blocks;
mod comparison;
mod errors;
mod measures;
mod pairs;
mod published;
mod tally;

use std::collections::{HashMap, HashSet};

use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

pub use published::{PaperFigures, Published, Statistic};

use comparison::Comparison;
use errors::Row;
use measures::{MEASURES, Measure, common, residuals_schema};
use pairs::names;

use crate::common::columns::{self, ACTIONS, J_ERROR};
use crate::common::io::{self, TableContext, identity};
use crate::common::parameters::KmPerSecondKpc;
use crate::common::set_aside::{self, OnFailure};

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

impl Stage for Compare {
    const KIND: &'static str = "compare";
    const ABOUT: &'static str = "Compare predictions with the truth, or along streams, beside published figures";
    const REVISION: u32 = 6;
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
        Comparison::run(self, context)
    }
}

/// A row of the prediction and the row of the truth that it is compared with.
type Pair = (usize, usize);

impl Compare {
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

    /// The rows of the truth that were asked for; notes which of `streams` are `there`.
    fn asked(&self, truth: &RecordBatch, there: &mut HashSet<usize>) -> Result<Vec<usize>, StageError> {
        let (stream, names) = (identity(truth)?.0, names(truth)?);
        if self.streams.is_empty() {
            return Ok((0..stream.len()).collect());
        }
        let mut asked = Vec::new();
        for (row, &stream) in stream.iter().enumerate() {
            let name = names.get(row).copied().flatten();
            let before = asked.len();
            for (n, _) in self
                .streams
                .iter()
                .enumerate()
                .filter(|(_, wanted)| wanted.is(stream, name))
            {
                there.insert(n);
                if asked.len() == before {
                    asked.push(row);
                }
            }
        }
        Ok(asked)
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
    /// Whether a star with this number was asked for.
    fn takes(&self, star: i64) -> bool {
        self.stars.is_empty() || self.stars.contains(&star)
    }

    /// The errors of the true actions by stream, where tori are connected.
    fn tori(&self, context: &StageContext) -> Result<Option<HashMap<i64, f64>>, StageError> {
        if self.known_to.is_none() || !context.has_input("tori") {
            return Ok(None);
        }
        let tori = context.read_table("tori")?;
        let streams = tables::i64_column(&tori, "stream").map_err(StageError::failed)?;
        let errors = io::column(&tori, J_ERROR.name)?;
        Ok(Some(streams.iter().copied().zip(errors.iter().copied()).collect()))
    }

    /// Says how many stars of the truth are not known well enough, beside those that were compared.
    fn tell_uncertain(&self, context: &StageContext, uncertain: usize, known: usize) {
        let Some(limit) = self.known_to else {
            return;
        };
        context.metric("truth_uncertain", uncertain as f64, "");
        if uncertain > 0 {
            context.note(format!(
                "{uncertain} of {} stars are not compared: their true actions are not known to {} km/s kpc",
                uncertain + known,
                limit.get()
            ));
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
