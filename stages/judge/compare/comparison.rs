//! The comparison at work: block by block, in memory that does not grow with the tables.

use std::collections::{HashMap, HashSet};

use runner::arrow_schema::Schema;
use runner::context::{Progress, StageContext};
use runner::error::StageError;
use runner::stage::Outcome;
use tables::RecordBatch;

use super::blocks::{Block, Cuts, ROWS, Read};
use super::measures::Measure;
use super::pairs::{Names, names_agree, no_pairs, pair_rows, rows_by_stream};
use super::tally::{StreamMeans, Tally};
use super::{Against, Compare, Pair, Truth, TruthOf, errors};
use crate::common::columns::{J_ERROR, NAME};
use crate::common::io::{self, PieceWriter, TableContext, identity, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::quantities::Acceleration;
use crate::common::set_aside::{self, SetAside};

/// The rows of the truth that have a prediction, and whether they rest.
#[derive(Default)]
struct Met(HashMap<usize, bool>);

/// What is known so far.
pub struct Comparison<'a> {
    with: &'a Compare,
    context: &'a StageContext,
    which: Truth,
    /// The errors of the true actions by stream, where a table of tori says them.
    tori: Option<HashMap<i64, f64>>,
    means: Option<StreamMeans>,
    tallies: Vec<Tally>,
    residuals: Option<PieceWriter>,
    without: SetAside,
    /// Those of `streams` that are there.
    streams: HashSet<usize>,
    asked: usize,
    /// Rows of the truth that are known well enough, and that are not.
    known: usize,
    uncertain: usize,
    paired: bool,
    names: Names,
    progress: Progress,
}

impl<'a> Comparison<'a> {
    /// Compares all and writes the outputs.
    pub fn run(with: &'a Compare, context: &'a StageContext) -> Result<Outcome, StageError> {
        let (truth, which) = match &with.against {
            Against::Truth(which) => ("truth", which.clone()),
            Against::StreamMean => ("predicted", Truth::default()),
        };
        let (of_predicted, of_truth) = (context.input_schema("predicted")?, context.input_schema(truth)?);
        let measures = with.measures(&of_predicted, &of_truth);
        let columns = |schema: &Schema| -> Vec<&'static str> {
            let values = measures
                .iter()
                .flat_map(|measure| measure.columns)
                .map(|column| column.name);
            let others = ["stream", "star", NAME, J_ERROR.name];
            let all = others.into_iter().chain(values);
            all.filter(|name| schema.column_with_name(name).is_some()).collect()
        };
        let (columns, of_truth) = (columns(&of_predicted), columns(&of_truth));
        let (predicted, truth): (Read<'_>, Read<'_>) = (("predicted", &columns), (truth, &of_truth));
        let rows = io::count_rows(context, "predicted")? as u64;
        let mut comparison = Self {
            with,
            context,
            tori: which.tori(context)?,
            which,
            means: None,
            tallies: measures.iter().copied().map(Tally::new).collect(),
            residuals: None,
            without: SetAside::default(),
            streams: HashSet::new(),
            asked: 0,
            known: 0,
            uncertain: 0,
            paired: false,
            names: Names::default(),
            progress: context.progress(rows, "stars"),
        };
        if let Against::StreamMean = with.against {
            comparison.means = Some(comparison.stream_means(&measures, predicted)?);
        }
        match comparison.which.of {
            TruthOf::Star => comparison.stars(predicted, truth)?,
            TruthOf::Stream => comparison.of_streams(predicted, truth)?,
        }
        comparison.finish()
    }

    /// Star by star.
    fn stars(&mut self, predicted: Read<'_>, truth: Read<'_>) -> Result<(), StageError> {
        for block in Cuts::by_star(self.context, predicted.0, truth.0)?.read(self.context, predicted, truth)? {
            let block = block?;
            let asked = self.asked(&block.truth)?;
            let pairs = pair_rows(&block.predicted, &block.truth, &asked)?;
            let met = self.add(&block, pairs)?;
            self.set_aside(&block.truth, &asked, &met)?;
        }
        Ok(())
    }

    /// All stars of a stream with its one row of the truth.
    fn of_streams(&mut self, predicted: Read<'_>, (port, columns): Read<'_>) -> Result<(), StageError> {
        let path = self.context.input(port)?;
        let truth = tables::read_columns(path, columns).map_err(StageError::failed)?;
        let asked = self.asked(&truth)?;
        let rows = rows_by_stream(&truth, &asked)?;
        let mut met = Met::default();
        for piece in io::pieces(self.context, predicted.0, predicted.1, ROWS)? {
            let block = Block {
                predicted: piece?,
                truth: truth.clone(),
            };
            let (stream, star) = identity(&block.predicted)?;
            let taken = (0..stream.len()).filter(|&row| self.which.takes(star[row]));
            let pairs = taken.filter_map(|row| Some((row, *rows.get(&stream[row])?))).collect();
            met.0.extend(self.add(&block, pairs)?.0);
        }
        self.set_aside(&truth, &asked, &met)
    }

    fn stream_means(&mut self, measures: &[Measure], predicted: Read<'_>) -> Result<StreamMeans, StageError> {
        let mut means = StreamMeans::default();
        for piece in io::pieces(self.context, predicted.0, predicted.1, ROWS)? {
            let piece = piece?;
            let rows = self.with.asked(&piece, &mut self.streams)?;
            for measure in measures {
                means.add(measure, &piece, &rows)?;
            }
        }
        Ok(means)
    }

    /// The rows of the truth that were asked for, and are known well enough.
    fn asked(&mut self, truth: &RecordBatch) -> Result<Vec<usize>, StageError> {
        let mut asked = self.with.asked(truth, &mut self.streams)?;
        if let Some(limit) = self.which.known_to {
            let before = asked.len();
            match &self.tori {
                Some(tori) => {
                    let stream = identity(truth)?.0;
                    // A stream without a torus is not known at all.
                    let error = |row: usize| tori.get(&stream[row]).copied().unwrap_or(f64::INFINITY);
                    asked.retain(|&row| error(row) <= limit.get());
                }
                None => {
                    let error = io::column(truth, J_ERROR.name)?;
                    asked.retain(|&row| error[row] <= limit.get());
                }
            }
            self.uncertain += before - asked.len();
            self.known += asked.len();
        }
        if self.which.of == TruthOf::Star {
            let star = identity(truth)?.1;
            asked.retain(|&row| self.which.takes(star[row]));
        }
        self.asked += asked.len();
        Ok(asked)
    }

    /// Compares pairs; gives the rows of the truth that were met.
    fn add(&mut self, block: &Block, pairs: Vec<Pair>) -> Result<Met, StageError> {
        let Block { predicted, truth } = block;
        self.context.check_cancelled()?;
        self.paired |= !pairs.is_empty();
        self.names.look(predicted, truth)?;
        names_agree(predicted, truth, &pairs)?;
        let resting = self.resting(truth)?;
        let met = Met(pairs.iter().map(|&(_, row)| (row, resting.contains(&row))).collect());
        let pairs: Vec<Pair> = pairs.into_iter().filter(|(_, row)| !resting.contains(row)).collect();
        if pairs.is_empty() {
            return Ok(met);
        }
        let ids = star_ids(predicted)?;
        let ids: Vec<StarId> = pairs.iter().map(|&(row, _)| ids[row]).collect();
        let mut columns = Layout::of_stars(|id: &StarId| *id).columns(&ids);
        for tally in &mut self.tallies {
            let residuals = tally.add(predicted, truth, &pairs, self.means.as_ref())?;
            let names = tally.measure.columns.iter().map(|column| column.name);
            columns.extend(names.zip(residuals.into_iter().map(Into::into)));
        }
        let writer = match &mut self.residuals {
            Some(writer) => writer,
            none => none.insert(PieceWriter::create(self.context, "residuals")?),
        };
        writer.append(columns)?;
        self.progress.add(pairs.len() as u64);
        Ok(met)
    }

    /// The rows of the truth that have no error: where the true acceleration vanishes, at the centre, there is no relative one.
    fn resting(&self, truth: &RecordBatch) -> Result<HashSet<usize>, StageError> {
        if self.tallies.iter().all(|tally| tally.measure.name != "delta_a") {
            return Ok(HashSet::new());
        }
        let accelerations: Vec<Acceleration> = io::quantity(truth)?;
        let rests = accelerations.iter().enumerate().filter(|(_, a)| a.0 == [0.0; 3]);
        Ok(rests.map(|(row, _)| row).collect())
    }

    fn set_aside(&mut self, truth: &RecordBatch, asked: &[usize], met: &Met) -> Result<(), StageError> {
        let ids = star_ids(truth)?;
        for &row in asked {
            match met.0.get(&row) {
                Some(false) => (),
                Some(true) => {
                    let reason = "its true acceleration vanishes: it has no relative error";
                    self.without.push(ids[row], reason);
                }
                None => self.without.push(ids[row], "it has no prediction"),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Outcome, StageError> {
        let Self { with, context, .. } = self;
        if let Some((_, missing)) = with.streams.iter().enumerate().find(|(n, _)| !self.streams.contains(n)) {
            return Err(StageError::failed(format!(
                "streams: the table has no stream {missing}"
            )));
        }
        self.which.tell_uncertain(context, self.uncertain, self.known);
        if let Some(limit) = self.which.known_to.filter(|_| self.known == 0 && self.uncertain > 0) {
            let message = format!("of no star are the true actions known to {} km/s kpc", limit.get());
            return Err(StageError::with_hint(message, "allow more: `known_to`"));
        }
        if !self.paired {
            return Err(no_pairs(&self.names));
        }
        let left = self.without.len();
        self.without.write(context, with.failures, self.asked, "stars")?;
        let Some(residuals) = self.residuals else {
            return Ok(set_aside::all_set_aside(left, "stars"));
        };
        residuals.finish()?;
        let path = context.output("residuals")?;
        let read = |column: &str| {
            let table = tables::read_columns(path, &[column]).map_err(StageError::failed)?;
            Ok(io::column(&table, column)?.to_vec())
        };
        let mut rows = Vec::new();
        for tally in self.tallies.iter().filter(|tally| tally.is_of_predictions()) {
            let measured = tally.rows(with, left, read)?;
            with.judge(context, &tally.measure, &measured);
            rows.extend(measured);
        }
        context.write_rows("errors", &errors::layout(), &rows)?;
        Ok(Outcome::Complete)
    }
}
