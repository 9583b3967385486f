//! Splits a table into training and test sets of whole streams.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::io::{TableContext, identity};
use crate::parameters::positive;

/// `split`
///
/// Streams are shuffled; `train` takes from the beginning and `test` from the end, so with the same seed a smaller
/// training set is part of a larger one and the test set stays the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// Fraction of the streams for training, the rest for the test; 0.5 if nothing is said.
    pub train: Option<f64>,
    /// Number of streams for training, instead of a fraction.
    pub train_streams: Option<u32>,
    /// Number of streams for the test; left out, all the rest.
    pub test_streams: Option<u32>,
    /// Seed of the shuffle.
    pub seed: u64,
}

impl Stage for Split {
    const KIND: &'static str = "split";
    const ABOUT: &'static str = "Split a table into training and test sets of whole streams";
    const REVISION: u32 = 1;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let schema = connected_schema(connected, "stars").map_or_else(Schema::empty, |schema| schema.as_ref().clone());
        Ok(vec![
            OutputPort::table("train", schema.clone()),
            OutputPort::table("test", schema),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(train) = self.train.filter(|train| !(*train > 0.0 && *train < 1.0)) {
            let mut fault = Fault::new("train", format!("is a fraction between 0 and 1, not {train}"));
            fault.hint = Some("for a number of streams use train_streams".to_owned());
            faults.push(fault);
        }
        if self.train.is_some() && self.train_streams.is_some() {
            faults.push(Fault::new(
                "train_streams",
                "train and train_streams exclude each other",
            ));
        }
        faults.extend(positive("train_streams", self.train_streams));
        faults.extend(positive("test_streams", self.test_streams));
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let Most { streams, stars } = inputs.at("stars");
        let of = |streams: Option<u32>| streams.map(u64::from);
        let (train, test) = (of(self.train_streams), of(self.test_streams));
        let asked = train.unwrap_or(1) + test.unwrap_or(1);
        if let Some(there) = streams.filter(|&there| asked > there) {
            let at = if train.is_some() {
                "train_streams"
            } else {
                "test_streams"
            };
            let mut fault = Fault::new(at, format!("the sets need {asked} streams, and there are {there}"));
            fault.hint = Some("make more streams, or ask for fewer: train_streams, test_streams".to_owned());
            return Err(vec![fault]);
        }
        let all = |streams: Option<u64>, known: Option<u64>| Most {
            streams: known.or(streams),
            stars,
        };
        Ok(Counts::of("train", all(streams, train)).and("test", all(streams, test)))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let (stream, _) = identity(&table)?;
        // In order, so that the shuffle depends on which streams there are and not on how rows are sorted.
        let mut streams: Vec<i64> = stream.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        streams.shuffle(&mut context.random(self.seed, "split"));
        let (train, test) = self.counts(streams.len())?;
        let chosen = [&streams[..train], &streams[streams.len() - test..]];
        for (port, streams) in ["train", "test"].into_iter().zip(chosen) {
            let streams: BTreeSet<i64> = streams.iter().copied().collect();
            let rows: Vec<usize> = (0..stream.len())
                .filter(|&row| streams.contains(&stream[row]))
                .collect();
            let part = tables::take_rows(&table, &rows).map_err(StageError::failed)?;
            context.write_batch(port, &part)?;
            context.metric(&format!("{port}_streams"), streams.len() as f64, "");
        }
        Ok(Outcome::Complete)
    }
}

impl Split {
    fn counts(&self, there: usize) -> Result<(usize, usize), StageError> {
        let train = match self.train_streams {
            Some(train) => train as usize,
            None => (self.train.unwrap_or(0.5) * there as f64).round() as usize,
        };
        let test = self
            .test_streams
            .map_or(there.saturating_sub(train), |test| test as usize);
        if train == 0 || test == 0 || train + test > there {
            return Err(StageError::with_hint(
                format!("{there} streams cannot be split into {train} for training and {test} for the test"),
                "make more streams, or ask for fewer: train, train_streams, test_streams",
            ));
        }
        Ok((train, test))
    }
}
