//! Differences of one measure between predictions and truth, and their statistics.

use std::collections::HashMap;

use runner::error::StageError;
use tables::RecordBatch;

use super::errors::Row;
use super::published::{PAPER, Statistic, mean};
use super::{Compare, Measure};
use crate::io::{self, identity};

/// One measure: predicted − truth and |truth| by component, in the measure's unit.
pub struct Compared {
    /// Of each component, star by star.
    pub residuals: [Vec<f64>; 3],
    truth: [f64; 3],
    /// Where the headline is the size of a vector's error, not the mean over its components.
    lengths: Option<Vec<f64>>,
}

impl Compared {
    /// Of the truth's stars.
    pub fn with_truth(
        measure: &Measure,
        predicted: &RecordBatch,
        truth: &RecordBatch,
        pairs: &[(usize, usize)],
    ) -> Result<Self, StageError> {
        let (predicted, truth) = (
            io::columns(predicted, measure.columns)?,
            io::columns(truth, measure.columns)?,
        );
        if measure.name == "delta_a" {
            return Ok(Self::accelerations(predicted, truth, pairs));
        }
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
            lengths: None,
        })
    }

    /// Accelerations, relative to the size of the true one, in %: component by component, and the length of the difference.
    fn accelerations(predicted: [&[f64]; 3], truth: [&[f64]; 3], pairs: &[(usize, usize)]) -> Self {
        let length = |vector: [f64; 3]| vector.iter().map(|c| c * c).sum::<f64>().sqrt();
        let relative = |&(p, t): &(usize, usize)| {
            let size = length(truth.map(|values| values[t]));
            // Gravity vanishes at the centre only.
            [0, 1, 2].map(|axis| 100.0 * (predicted[axis][p] - truth[axis][t]) / size.max(f64::MIN_POSITIVE))
        };
        let all: Vec<[f64; 3]> = pairs.iter().map(relative).collect();
        Self {
            residuals: [0, 1, 2].map(|axis| all.iter().map(|difference| difference[axis]).collect()),
            truth: [100.0; 3],
            lengths: Some(all.into_iter().map(length).collect()),
        }
    }

    /// The differences from the mean of each stream.
    pub fn along_streams(
        measure: &Measure,
        predicted: &RecordBatch,
        pairs: &[(usize, usize)],
    ) -> Result<Self, StageError> {
        let stream = identity(predicted)?.0;
        let values = io::columns(predicted, measure.columns)?;
        let residuals = values.map(|values| {
            let mut sums: HashMap<i64, (f64, f64)> = HashMap::new();
            for &(row, _) in pairs {
                let sum = sums.entry(stream[row]).or_default();
                *sum = (sum.0 + values[row], sum.1 + 1.0);
            }
            let residual = |&(row, _): &(usize, usize)| values[row] - sums[&stream[row]].0 / sums[&stream[row]].1;
            pairs.iter().map(residual).collect()
        });
        let truth = values.map(|values| mean(pairs.iter().map(|&(row, _)| values[row].abs())));
        Ok(Self {
            residuals,
            truth,
            lengths: None,
        })
    }

    /// Whether nothing differs.
    pub fn is_identical(&self) -> bool {
        self.residuals.iter().flatten().all(|&residual| residual == 0.0)
    }

    /// The rows of `errors`.
    pub fn rows(&self, measure: &Measure, compare: &Compare) -> Vec<Row> {
        let truth = mean(self.truth.into_iter());
        let mut rows = Vec::new();
        for statistic in Statistic::ALL {
            let of_components = self.residuals.each_ref().map(|residuals| statistic.of(residuals));
            // The mean over components: a median over all of them together would hide one that is far off.
            let of_all = match &self.lengths {
                Some(lengths) => statistic.of(lengths),
                None => mean(of_components.into_iter()),
            };
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
                let is_headline = component == "mean" && statistic == Statistic::MeanAbsolute;
                let paper = (measure.paper)(&compare.paper).filter(|_| is_headline);
                let published = compare.published.as_ref().filter(|_| measure.name == "delta_J");
                let elsewhere = published.and_then(|published| published.of(statistic, component));
                let source = match (paper, elsewhere, published) {
                    (Some(_), ..) => PAPER,
                    (None, Some(_), Some(published)) => &published.source,
                    _ => "",
                };
                rows.push(Row {
                    measure: measure.name,
                    component,
                    statistic: statistic.name(),
                    value,
                    unit,
                    relative,
                    paper: paper.or(elsewhere),
                    source: source.to_owned(),
                });
            }
        }
        rows
    }
}
