//! Splits a table into sets of whole streams: for training, for validation, for the test.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns;
use crate::common::io::{TableContext, identity};
use crate::common::parameters::positive;

/// `split`
///
/// Streams are shuffled; `train` takes from the beginning, `test` from the end and `validation` from before `test`, so with the
/// same seed a smaller training set is part of a larger one, and the others stay the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// Fraction of the streams for training, the rest for the test; 0.5 if nothing is said.
    pub train: Option<f64>,
    /// Number of streams for training, instead of a fraction.
    pub train_streams: Option<u32>,
    /// Fraction of the streams for a third output, `validation`: streams that choose among networks or epochs, so that the test
    /// streams need not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Number of streams for validation, instead of a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_streams: Option<u32>,
    /// Number of streams for the test; left out, all the rest.
    pub test_streams: Option<u32>,
    /// Seed of the shuffle.
    pub seed: u64,
}

impl Stage for Split {
    const KIND: &'static str = "split";
    const ABOUT: &'static str = "Split a table into sets of whole streams: training, validation, test";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let schema = connected_schema(connected, "stars").map_or_else(Schema::empty, |schema| schema.as_ref().clone());
        let mut ports = vec![
            OutputPort::table("train", schema.clone()),
            OutputPort::table("test", schema.clone()),
        ];
        if self.has_validation() {
            ports.push(OutputPort::table("validation", schema));
        }
        Ok(ports)
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let sets = [
            ("train", self.train, self.train_streams),
            ("validation", self.validation, self.validation_streams),
        ];
        for (set, fraction, streams) in sets {
            let number = format!("{set}_streams");
            if let Some(fraction) = fraction.filter(|fraction| !(*fraction > 0.0 && *fraction < 1.0)) {
                let mut fault = Fault::new(set, format!("is a fraction between 0 and 1, not {fraction}"));
                fault.hint = Some(format!("for a number of streams use {number}"));
                faults.push(fault);
            }
            if fraction.is_some() && streams.is_some() {
                faults.push(Fault::new(&number, format!("{set} and {number} exclude each other")));
            }
            faults.extend(positive(&number, streams));
        }
        faults.extend(positive("test_streams", self.test_streams));
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let Most { streams, stars } = inputs.at("stars");
        let of = |streams: Option<u32>| streams.map(u64::from);
        let (train, validation, test) = (
            of(self.train_streams),
            of(self.validation_streams),
            of(self.test_streams),
        );
        let asked = train.unwrap_or(1) + validation.unwrap_or(u64::from(self.has_validation())) + test.unwrap_or(1);
        if let Some(there) = streams.filter(|&there| asked > there) {
            let at = match (train, validation) {
                (Some(_), _) => "train_streams",
                (None, Some(_)) => "validation_streams",
                (None, None) => "test_streams",
            };
            let mut fault = Fault::new(at, format!("the sets need {asked} streams, and there are {there}"));
            fault.hint =
                Some("make more streams, or ask for fewer: train_streams, validation_streams, test_streams".to_owned());
            return Err(vec![fault]);
        }
        let all = |streams: Option<u64>, known: Option<u64>| Most {
            streams: known.or(streams),
            stars,
        };
        let counts = Counts::of("train", all(streams, train)).and("test", all(streams, test));
        Ok(match self.has_validation() {
            true => counts.and("validation", all(streams, validation)),
            false => counts,
        })
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let (stream, _) = identity(&table)?;
        // In order, so that the shuffle depends on which streams there are and not on how rows are sorted.
        let mut streams: Vec<i64> = stream.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        streams.shuffle(&mut context.random(self.seed, "split"));
        let Sizes {
            train,
            validation,
            test,
        } = self.sizes(streams.len())?;
        let (others, last) = streams.split_at(streams.len() - test);
        let mut sets = vec![("train", &streams[..train]), ("test", last)];
        if self.has_validation() {
            sets.push(("validation", &others[others.len() - validation..]));
        }
        for (port, streams) in sets {
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
    fn has_validation(&self) -> bool {
        self.validation.is_some() || self.validation_streams.is_some()
    }

    fn sizes(&self, there: usize) -> Result<Sizes, StageError> {
        let part = |fraction: f64| (fraction * there as f64).round() as usize;
        let train = match self.train_streams {
            Some(train) => train as usize,
            None => part(self.train.unwrap_or(0.5)),
        };
        let validation = match self.validation_streams {
            Some(validation) => validation as usize,
            None => self.validation.map_or(0, part),
        };
        let test = self
            .test_streams
            .map_or(there.saturating_sub(train + validation), |test| test as usize);
        let is_empty = train == 0 || test == 0 || (validation == 0 && self.has_validation());
        if is_empty || train + validation + test > there {
            let validation = match self.has_validation() {
                true => format!(", {validation} for validation"),
                false => String::new(),
            };
            return Err(StageError::with_hint(
                format!(
                    "{there} streams cannot be split into {train} for training{validation} and {test} for the test"
                ),
                "make more streams, or ask for fewer: train_streams, validation_streams, test_streams",
            ));
        }
        Ok(Sizes {
            train,
            validation,
            test,
        })
    }
}

/// Streams of each set.
struct Sizes {
    train: usize,
    validation: usize,
    test: usize,
}
