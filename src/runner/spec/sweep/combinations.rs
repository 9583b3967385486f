//! Combinations of the rows of some dimensions.

use std::collections::BTreeSet;

use super::{MOST_POINTS, Sweep};

/// Every combination of the rows of some dimensions, those of the last one following each other.
#[derive(Debug, Clone, Default)]
pub(in crate::spec) struct Combinations {
    /// The dimensions, in their order.
    pub dimensions: Vec<usize>,
    /// How many rows each has.
    lengths: Vec<usize>,
    /// How many combinations there are; one, where there are too many.
    pub count: usize,
    /// How many there would be, where there are too many.
    pub too_many: Option<f64>,
}

impl Combinations {
    /// Of the dimensions of some columns, and of those that choose their rows.
    pub fn new(sweep: &Sweep, columns: &BTreeSet<usize>) -> Self {
        let mut dimensions: BTreeSet<usize> = BTreeSet::new();
        for &column in columns {
            let dimension = sweep.columns[column].dimension;
            dimensions.insert(dimension);
            if let Some(condition) = &sweep.dimensions[dimension].condition {
                dimensions.extend(&condition.outer.dimensions);
            }
        }
        let dimensions: Vec<usize> = dimensions.into_iter().collect();
        let lengths: Vec<usize> = dimensions.iter().map(|&index| sweep.dimensions[index].length).collect();
        let count = lengths.iter().fold(1.0, |count, &length| count * length as f64);
        let too_many = (count > MOST_POINTS as f64).then_some(count);
        Self {
            dimensions,
            lengths,
            count: if too_many.is_some() { 1 } else { count as usize },
            too_many,
        }
    }

    /// Sets each dimension to its row of a combination; false where these rows are not possible together.
    pub fn set(&self, sweep: &Sweep, mut index: usize, settings: &mut [usize]) -> bool {
        for (&dimension, &length) in self.dimensions.iter().zip(&self.lengths).rev() {
            settings[dimension] = index % length;
            index /= length;
        }
        sweep.allows(&self.dimensions, settings)
    }

    /// Which combination is set.
    pub fn index(&self, settings: &[usize]) -> usize {
        let rows = self.dimensions.iter().zip(&self.lengths);
        rows.fold(0, |index, (&dimension, &length)| index * length + settings[dimension])
    }
}
