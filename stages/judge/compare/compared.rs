//! Differences of one measure between predictions and truth, and their statistics.

use std::collections::HashMap;

use dynamics::vector::{difference, dot};
use runner::error::StageError;
use tables::RecordBatch;

use super::errors::Row;
use super::published::{PAPER, Statistic, mean};
use super::{Compare, Measure};
use crate::common::io::{self, identity};
use crate::common::quantities::Acceleration;

/// The values of a measure, by component.
fn values<'a>(table: &'a RecordBatch, measure: &Measure) -> Result<Vec<&'a [f64]>, StageError> {
    measure
        .columns
        .iter()
        .map(|column| io::column(table, column.name))
        .collect()
}

/// One measure: predicted − truth and |truth| by component, in the measure's unit.
pub struct Compared {
    /// Of each component, star by star.
    pub residuals: Vec<Vec<f64>>,
    truth: Vec<f64>,
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
        if measure.name == "delta_a" {
            let (predicted, truth) = (
                io::quantity::<Acceleration, 3>(predicted)?,
                io::quantity::<Acceleration, 3>(truth)?,
            );
            return Ok(Self::accelerations(&predicted, &truth, pairs));
        }
        let (predicted, truth) = (values(predicted, measure)?, values(truth, measure)?);
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
            residuals: predicted
                .iter()
                .zip(&truth)
                .map(|(predicted, truth)| pairs.iter().map(|&(p, t)| difference(predicted[p], truth[t])).collect())
                .collect(),
            truth: truth
                .iter()
                .map(|truth| mean(pairs.iter().map(|&(_, t)| size(truth[t]))))
                .collect(),
            lengths: None,
        })
    }

    /// Accelerations, relative to the size of the true one, in %: component by component, and the length of the difference.
    fn accelerations(predicted: &[Acceleration], truth: &[Acceleration], pairs: &[(usize, usize)]) -> Self {
        let length = |a: [f64; 3]| dot(a, a).sqrt();
        let relative = |&(p, t): &(usize, usize)| {
            let size = length(truth[t].0);
            // Gravity vanishes at the centre only.
            difference(predicted[p].0, truth[t].0).map(|d| 100.0 * d / size.max(f64::MIN_POSITIVE))
        };
        let all: Vec<[f64; 3]> = pairs.iter().map(relative).collect();
        Self {
            residuals: (0..3)
                .map(|axis| all.iter().map(|difference| difference[axis]).collect())
                .collect(),
            truth: vec![100.0; 3],
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
        let values = values(predicted, measure)?;
        let residuals = values.iter().map(|values| {
            let mut sums: HashMap<i64, (f64, f64)> = HashMap::new();
            for &(row, _) in pairs {
                let sum = sums.entry(stream[row]).or_default();
                *sum = (sum.0 + values[row], sum.1 + 1.0);
            }
            let residual = |&(row, _): &(usize, usize)| values[row] - sums[&stream[row]].0 / sums[&stream[row]].1;
            pairs.iter().map(residual).collect()
        });
        let truth = values
            .iter()
            .map(|values| mean(pairs.iter().map(|&(row, _)| values[row].abs())));
        Ok(Self {
            residuals: residuals.collect(),
            truth: truth.collect(),
            lengths: None,
        })
    }

    /// Whether nothing differs.
    pub fn is_identical(&self) -> bool {
        self.residuals.iter().flatten().all(|&residual| residual == 0.0)
    }

    /// The rows of `errors`, with the numbers of stars that were compared and that could not be.
    pub fn rows(&self, measure: &Measure, compare: &Compare, (stars, set_aside): (usize, usize)) -> Vec<Row> {
        let truth = mean(self.truth.iter().copied());
        let mut rows = Vec::new();
        for statistic in Statistic::ALL {
            let of_components: Vec<f64> = self.residuals.iter().map(|residuals| statistic.of(residuals)).collect();
            // The mean over components: a median over all of them together would hide one that is far off.
            let of_all = match &self.lengths {
                Some(lengths) => statistic.of(lengths),
                None => mean(of_components.iter().copied()),
            };
            let components = measure
                .components
                .iter()
                .copied()
                .zip(of_components)
                .zip(self.truth.iter().copied());
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
                    stars: stars as i64,
                    set_aside: set_aside as i64,
                });
            }
        }
        rows
    }
}
