//! Differences of one measure between predictions and truth, and their statistics.

use std::collections::HashMap;

use dynamics::vector::{difference, dot};
use runner::error::StageError;
use tables::RecordBatch;

use super::errors::Row;
use super::measures::Measure;
use super::published::{PAPER, Statistic, mean, median};
use super::{Compare, Pair};
use crate::common::io::{self, identity};
use crate::common::quantities::Acceleration;

/// The values of a measure, by component.
fn values<'a>(table: &'a RecordBatch, measure: &Measure) -> Result<Vec<&'a [f64]>, StageError> {
    let of = |column: &crate::common::columns::Column| io::column(table, column.name);
    measure.columns.iter().map(of).collect()
}

/// The mean actions of streams.
#[derive(Default)]
pub struct StreamMeans(HashMap<i64, Vec<(f64, f64)>>);

impl StreamMeans {
    /// Counts these rows.
    pub fn add(&mut self, measure: &Measure, table: &RecordBatch, rows: &[usize]) -> Result<(), StageError> {
        let (stream, values) = (identity(table)?.0, values(table, measure)?);
        for &row in rows {
            let sums = self
                .0
                .entry(stream[row])
                .or_insert_with(|| vec![(0.0, 0.0); values.len()]);
            for (sum, values) in sums.iter_mut().zip(&values) {
                *sum = (sum.0 + values[row], sum.1 + 1.0);
            }
        }
        Ok(())
    }

    fn of(&self, stream: i64, component: usize) -> f64 {
        let sum = self.0.get(&stream).map_or((0.0, 1.0), |sums| sums[component]);
        sum.0 / sum.1
    }
}

/// Sums over stars.
#[derive(Clone, Copy, Default)]
struct Sums {
    absolute: f64,
    square: f64,
    truth: f64,
}

impl Sums {
    fn add(&mut self, residual: f64, truth: f64) {
        self.absolute += residual.abs();
        self.square += residual * residual;
        self.truth += truth;
    }
}

/// What is known of the differences of one measure, whose stars are counted block by block.
pub struct Tally {
    pub measure: Measure,
    stars: usize,
    components: Vec<Sums>,
    /// Of accelerations the headline is the size of a vector's error, not the mean over its components.
    lengths: Sums,
    differs: bool,
}

impl Tally {
    pub fn new(measure: Measure) -> Self {
        Self {
            measure,
            stars: 0,
            components: vec![Sums::default(); measure.columns.len()],
            lengths: Sums::default(),
            differs: false,
        }
    }

    fn has_lengths(&self) -> bool {
        self.measure.name == "delta_a"
    }

    /// Counts the pairs of a block; gives what differs in the measure's unit, by component.
    pub fn add(
        &mut self,
        predicted: &RecordBatch,
        truth: &RecordBatch,
        pairs: &[Pair],
        means: Option<&StreamMeans>,
    ) -> Result<Vec<Vec<f64>>, StageError> {
        let (residuals, sizes) = match means {
            Some(means) => along_streams(&self.measure, predicted, pairs, means)?,
            None if self.has_lengths() => accelerations(predicted, truth, pairs)?,
            None => with_truth(&self.measure, predicted, truth, pairs)?,
        };
        for (sums, (residuals, sizes)) in self.components.iter_mut().zip(residuals.iter().zip(&sizes)) {
            for (&residual, &size) in residuals.iter().zip(sizes) {
                sums.add(residual, size);
            }
        }
        if self.has_lengths() {
            lengths(&residuals).for_each(|length| self.lengths.add(length, 0.0));
        }
        self.differs |= residuals.iter().flatten().any(|&residual| residual != 0.0);
        self.stars += pairs.len();
        Ok(residuals)
    }

    /// Whether something was predicted: positions that were carried along were not.
    pub fn is_of_predictions(&self) -> bool {
        self.differs || !["delta_x", "delta_v", "delta_v_los"].contains(&self.measure.name)
    }

    /// The rows of `errors`; `read` gives the differences in a column again.
    pub fn rows(
        &self,
        compare: &Compare,
        set_aside: usize,
        read: impl Fn(&str) -> Result<Vec<f64>, StageError>,
    ) -> Result<Vec<Row>, StageError> {
        let per_star = |sum: f64| if self.stars == 0 { 0.0 } else { sum / self.stars as f64 };
        let columns = self.measure.columns.iter();
        let middles = columns
            .clone()
            .map(|column| Ok(median(read(column.name)?.into_iter().map(f64::abs).collect())));
        let middles = middles.collect::<Result<Vec<f64>, StageError>>()?;
        let middle_length = match self.has_lengths() {
            true => {
                let residuals = columns.map(|column| read(column.name)).collect::<Result<Vec<_>, _>>()?;
                median(lengths(&residuals).collect())
            }
            false => 0.0,
        };
        let of = |statistic: Statistic, sums: &Sums, middle: f64| match statistic {
            Statistic::MeanAbsolute => per_star(sums.absolute),
            Statistic::MedianAbsolute => middle,
            Statistic::RootMeanSquare => per_star(sums.square).sqrt(),
        };
        let sizes: Vec<f64> = self.components.iter().map(|sums| per_star(sums.truth)).collect();
        let size = mean(sizes.iter().copied());
        let mut rows = Vec::new();
        for statistic in Statistic::ALL {
            let components = self.components.iter().zip(&middles);
            let values: Vec<f64> = components.map(|(sums, &middle)| of(statistic, sums, middle)).collect();
            // The mean over components: a median over all of them together would hide one that is far off.
            let of_all = match self.has_lengths() {
                true => of(statistic, &self.lengths, middle_length),
                false => mean(values.iter().copied()),
            };
            let names = self.measure.components.iter().copied();
            let components = names.zip(values).zip(sizes.iter().copied());
            for ((component, value), truth) in components.chain([(("mean", of_all), size)]) {
                rows.push(self.row(compare, (statistic, component), (value, truth), set_aside));
            }
        }
        Ok(rows)
    }

    fn row(
        &self,
        compare: &Compare,
        (statistic, component): (Statistic, &'static str),
        (value, truth): (f64, f64),
        set_aside: usize,
    ) -> Row {
        let measure = &self.measure;
        // Where the truth is zero throughout there is no scale to be relative to.
        let relative = if truth > 0.0 { value / truth } else { 0.0 };
        let (value, unit) = match compare.relative {
            true => (100.0 * relative, "%"),
            false => (value, measure.unit),
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
        Row {
            measure: measure.name,
            component,
            statistic: statistic.name(),
            value,
            unit,
            relative,
            paper: paper.or(elsewhere),
            source: source.to_owned(),
            stars: self.stars as i64,
            set_aside: set_aside as i64,
        }
    }
}

/// Differences by component, star by star, and the sizes of what is true.
type Differences = (Vec<Vec<f64>>, Vec<Vec<f64>>);

fn with_truth(
    measure: &Measure,
    predicted: &RecordBatch,
    truth: &RecordBatch,
    pairs: &[Pair],
) -> Result<Differences, StageError> {
    let (predicted, truth) = (values(predicted, measure)?, values(truth, measure)?);
    let is_angle = measure.name == "delta_theta";
    let difference = |predicted: f64, truth: f64| match is_angle {
        true => dynamics::units::wrap_difference(predicted - truth).to_degrees(),
        false => predicted - truth,
    };
    let size = |truth: f64| match is_angle {
        true => truth.abs().to_degrees(),
        false => truth.abs(),
    };
    let both = predicted.iter().zip(&truth);
    let residuals =
        both.map(|(predicted, truth)| pairs.iter().map(|&(p, t)| difference(predicted[p], truth[t])).collect());
    let sizes = truth
        .iter()
        .map(|truth| pairs.iter().map(|&(_, t)| size(truth[t])).collect());
    Ok((residuals.collect(), sizes.collect()))
}

/// Accelerations, relative to the size of the true one, in %.
fn accelerations(predicted: &RecordBatch, truth: &RecordBatch, pairs: &[Pair]) -> Result<Differences, StageError> {
    let predicted: Vec<Acceleration> = io::quantity(predicted)?;
    let truth: Vec<Acceleration> = io::quantity(truth)?;
    let relative = |&(p, t): &Pair| {
        let size = dot(truth[t].0, truth[t].0).sqrt();
        // Gravity vanishes at the centre only.
        difference(predicted[p].0, truth[t].0).map(|d| 100.0 * d / size.max(f64::MIN_POSITIVE))
    };
    let all: Vec<[f64; 3]> = pairs.iter().map(relative).collect();
    let component = |axis: usize| all.iter().map(|difference| difference[axis]).collect();
    Ok(((0..3).map(component).collect(), vec![vec![100.0; pairs.len()]; 3]))
}

/// Differences from the mean of each stream.
fn along_streams(
    measure: &Measure,
    predicted: &RecordBatch,
    pairs: &[Pair],
    means: &StreamMeans,
) -> Result<Differences, StageError> {
    let stream = identity(predicted)?.0;
    let values = values(predicted, measure)?;
    let residuals = values.iter().enumerate().map(|(component, values)| {
        let residual = |&(row, _): &Pair| values[row] - means.of(stream[row], component);
        pairs.iter().map(residual).collect()
    });
    let sizes = values
        .iter()
        .map(|values| pairs.iter().map(|&(row, _)| values[row].abs()).collect());
    Ok((residuals.collect(), sizes.collect()))
}

/// The sizes of vectors.
fn lengths(components: &[Vec<f64>]) -> impl Iterator<Item = f64> {
    (0..components[0].len()).map(move |star| {
        let vector = [0, 1, 2].map(|axis| components[axis][star]);
        dot(vector, vector).sqrt()
    })
}
