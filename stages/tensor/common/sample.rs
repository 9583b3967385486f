//! Tables of stars as tensors of streams.

use std::collections::{BTreeMap, BTreeSet};

use networks::isochrone::Isochrone;
use networks::sky::Sun;
use networks::streams::Streams;
use networks::toy::unbound_energies;
use runner::context::StageContext;
use runner::error::StageError;
use stages::common::io::{self, TableContext};
use stages::common::layout::StarId;
use stages::common::sun::{self, SunParameters};
use stages::learn::train_actions::Inputs;
use tables::RecordBatch;
use tch::{Device, Kind, Tensor};

use crate::common::failed;

/// The stars of a table, sorted into streams.
pub struct Sample {
    /// Which stars they are, by row.
    pub ids: Vec<StarId>,
    /// Positions and velocities; shorter streams are filled up with their first star at weight zero.
    pub streams: Streams,
    /// Row of each place in `streams`, in order of streams and stars; fillers name their first star's row.
    pub rows: Vec<usize>,
}

impl Sample {
    /// Reads the table of an input port.
    pub fn read(
        context: &StageContext,
        port: &str,
        inputs: Inputs,
        sun: &SunParameters,
        device: Device,
    ) -> Result<Self, StageError> {
        Self::from_table(&context.read_table(port)?, inputs, sun, device)
    }

    /// Sorts the stars of a table.
    pub fn from_table(
        table: &RecordBatch,
        inputs: Inputs,
        sun: &SunParameters,
        device: Device,
    ) -> Result<Self, StageError> {
        let ids = io::star_ids(table)?;
        if ids.is_empty() {
            return Err(StageError::failed("the table of stars is empty"));
        }
        let (x, v) = phase_space(table, inputs, sun)?;
        let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, id) in ids.iter().enumerate() {
            members.entry(id.stream).or_default().push(row);
        }
        let longest = members.values().map(Vec::len).max().unwrap_or(0);
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        for stars in members.values() {
            let filled = stars.iter().copied().chain(std::iter::repeat(stars[0])).take(longest);
            rows.extend(filled);
            weights.extend((0..longest).map(|place| if place < stars.len() { 1.0 } else { 0.0 }));
        }
        let shape = |last| [members.len() as i64, longest as i64, last];
        let order = Tensor::from_slice(&rows.iter().map(|&row| row as i64).collect::<Vec<_>>());
        let place = |y: &Tensor| y.index_select(0, &order).view(shape(3)).contiguous().to_device(device);
        let streams = Streams {
            x: place(&x),
            v: place(&v),
            weights: Tensor::from_slice(&weights).view(shape(1)).to_device(device),
        };
        Ok(Self { ids, streams, rows })
    }

    /// Number of stars.
    pub fn stars(&self) -> usize {
        self.ids.len()
    }

    /// A tensor [streams, stars, n] back in the order of the table's rows: (rows, n).
    pub fn flat(&self, values: &Tensor) -> Tensor {
        let mut places = vec![0; self.stars()];
        // Backwards, so that a star's own place wins over its fillers, which come later.
        for (place, &row) in self.rows.iter().enumerate().rev() {
            places[row] = place as i64;
        }
        let places = Tensor::from_slice(&places).to_device(values.device());
        let width = values.size().last().copied().unwrap_or(0);
        values.detach().reshape([-1, width]).index_select(0, &places)
    }

    /// The same as one vector for each of the n columns.
    pub fn by_row(&self, values: &Tensor) -> Result<Vec<Vec<f64>>, StageError> {
        let flat = self.flat(values).to_device(Device::Cpu).to_kind(Kind::Double);
        let columns = flat.unbind(1).into_iter();
        columns
            .map(|column| Vec::<f64>::try_from(column.contiguous()).map_err(StageError::failed))
            .collect()
    }

    /// Rows of the stars that one of these toys does not bind, with their energy in the first of those, (km/s)².
    pub fn unbound(&self, toys: &[Isochrone]) -> Result<BTreeMap<usize, f64>, StageError> {
        let mut rows = BTreeMap::new();
        for toy in toys {
            for (place, energy) in unbound_energies(toy, &self.streams.x, &self.streams.v).map_err(failed)? {
                rows.entry(self.rows[place]).or_insert(energy);
            }
        }
        Ok(rows)
    }

    /// Rows of the streams that have one of these rows, without these.
    pub fn mates(&self, rows: &BTreeSet<usize>) -> Vec<usize> {
        let streams: BTreeSet<i64> = rows.iter().map(|&row| self.ids[row].stream).collect();
        let is_mate = |row: &usize| streams.contains(&self.ids[*row].stream) && !rows.contains(row);
        (0..self.stars()).filter(is_mate).collect()
    }

    /// The sample without the streams that have one of these rows; `None` if nothing is left.
    pub fn without(&self, rows: impl IntoIterator<Item = usize>) -> Option<Self> {
        let lost: BTreeSet<i64> = rows.into_iter().map(|row| self.ids[row].stream).collect();
        self.keeping(|row| !lost.contains(&self.ids[row].stream))
    }

    /// The sample without these rows; `None` if nothing is left.
    pub fn without_stars(&self, rows: &BTreeSet<usize>) -> Option<Self> {
        self.keeping(|row| !rows.contains(&row))
    }

    /// The sample of some of its rows.
    fn keeping(&self, is_kept: impl Fn(usize) -> bool) -> Option<Self> {
        let width = self.streams.weights.size()[1] as usize;
        // The places of the stars of each stream; fillers come after them, and are those whose row has been there.
        let streams = self.rows.chunks(width).enumerate().map(|(index, rows)| {
            let mut seen = BTreeSet::new();
            let own = rows
                .iter()
                .enumerate()
                .filter(|(_, row)| seen.insert(**row) && is_kept(**row));
            own.map(|(place, _)| index * width + place).collect::<Vec<usize>>()
        });
        let streams: Vec<Vec<usize>> = streams.filter(|places| !places.is_empty()).collect();
        let longest = streams.iter().map(Vec::len).max()?;
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        for own in &streams {
            places.extend(own.iter().copied().chain(std::iter::repeat(own[0])).take(longest));
            weights.extend((0..longest).map(|place| if place < own.len() { 1.0 } else { 0.0 }));
        }
        let kept: Vec<usize> = (0..self.stars()).filter(|&row| is_kept(row)).collect();
        let mut new_row = vec![usize::MAX; self.stars()];
        for (new, &row) in kept.iter().enumerate() {
            new_row[row] = new;
        }
        let device = self.streams.x.device();
        let index = Tensor::from_slice(&places.iter().map(|&place| place as i64).collect::<Vec<_>>()).to_device(device);
        let shape = |last| [streams.len() as i64, longest as i64, last];
        let pick = |tensor: &Tensor| {
            tensor
                .reshape([-1, 3])
                .index_select(0, &index)
                .view(shape(3))
                .contiguous()
        };
        Some(Self {
            ids: kept.iter().map(|&row| self.ids[row]).collect(),
            streams: Streams {
                x: pick(&self.streams.x),
                v: pick(&self.streams.v),
                weights: Tensor::from_slice(&weights).view(shape(1)).to_device(device),
            },
            rows: places.iter().map(|&place| new_row[self.rows[place]]).collect(),
        })
    }
}

/// Positions and velocities of a table's rows: two of (rows, 3).
pub fn phase_space(table: &RecordBatch, inputs: Inputs, sun: &SunParameters) -> Result<(Tensor, Tensor), StageError> {
    let columns = io::columns(table, inputs.columns())?;
    let columns: Vec<Tensor> = columns.iter().map(|column| Tensor::from_slice(column)).collect();
    let six = Tensor::stack(&columns, -1);
    Ok(match inputs {
        Inputs::Cartesian => (six.narrow(-1, 0, 3).contiguous(), six.narrow(-1, 3, 3).contiguous()),
        Inputs::Observables => {
            let seen_from = sun::agreed("stars", table.schema_ref(), Some(*sun)).map_err(StageError::failed)?;
            Sun::from(dynamics::sky::Sun::from(&seen_from)).to_cartesian(&six)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use stages::common::columns;

    use super::*;

    /// Three streams of 2, 3 and 1 stars, rows out of order; x is 10·stream + star.
    fn table() -> RecordBatch {
        let schema = Arc::new(columns::stars(&[&columns::CARTESIAN]));
        let stream: Vec<i64> = vec![7, 5, 7, 5, 5, 9];
        let star: Vec<i64> = vec![0, 0, 1, 1, 2, 0];
        let x: Vec<f64> = stream.iter().zip(&star).map(|(&s, &n)| (10 * s + n) as f64).collect();
        let other = |factor: f64| x.iter().map(|value| value * factor).collect::<Vec<f64>>();
        let cartesian = ["x", "y", "z", "vx", "vy", "vz"];
        let mut list = vec![("stream", stream.clone().into()), ("star", star.into())];
        list.extend(
            cartesian
                .iter()
                .enumerate()
                .map(|(index, &name)| (name, other(index as f64 + 1.0).into())),
        );
        tables::build(&schema, list).unwrap()
    }

    fn streams(sample: &Sample) -> Vec<i64> {
        sample.ids.iter().map(|id| id.stream).collect()
    }

    fn sample() -> Sample {
        Sample::from_table(&table(), Inputs::Cartesian, &SunParameters::default(), Device::Cpu).unwrap()
    }

    #[test]
    fn streams_are_filled_up_and_rows_come_back_in_order() {
        let sample = sample();
        assert_eq!(sample.streams.x.size(), [3, 3, 3]);
        let weights: Vec<f64> = Vec::try_from(sample.streams.weights.view(-1)).unwrap();
        assert_eq!(weights, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(
            sample.by_row(&sample.streams.x).unwrap()[0],
            [70.0, 50.0, 71.0, 51.0, 52.0, 90.0]
        );
        assert_eq!(
            sample.by_row(&sample.streams.v).unwrap()[2],
            [420.0, 300.0, 426.0, 306.0, 312.0, 540.0]
        );
    }

    #[test]
    fn unbound_stars_are_named_once_with_their_mates() {
        let sample = sample();
        let toy = |mass| Isochrone::new(mass, 5.0, Device::Cpu);
        assert!(sample.unbound(&[toy(1e14)]).unwrap().is_empty());
        let fast = sample.unbound(&[toy(1e14), toy(7e12)]).unwrap();
        assert_eq!(fast.keys().copied().collect::<Vec<_>>(), [0, 2, 5]);
        assert!(fast.values().all(|&energy| energy > 0.0));
        assert_eq!(sample.mates(&BTreeSet::from([2, 3])), [0, 1, 4]);
    }

    #[test]
    fn a_lost_star_takes_its_stream_with_it() {
        let left = sample().without([2]).unwrap();
        assert_eq!(streams(&left), [5, 5, 5, 9]);
        assert_eq!(left.by_row(&left.streams.x).unwrap()[0], [50.0, 51.0, 52.0, 90.0]);
        assert!(sample().without([0, 1, 5]).is_none());
    }

    #[test]
    fn a_star_goes_and_its_stream_stays() {
        // Row 1 is the first star of stream 5, with whose values it was filled up; row 5 the only star of stream 9.
        let left = sample().without_stars(&BTreeSet::from([1, 5])).unwrap();
        let stars: Vec<i64> = left.ids.iter().map(|id| id.star).collect();
        assert_eq!((streams(&left), stars), (vec![7, 7, 5, 5], vec![0, 1, 1, 2]));
        assert_eq!(left.streams.x.size(), [2, 2, 3]);
        assert_eq!(left.by_row(&left.streams.x).unwrap()[0], [70.0, 71.0, 51.0, 52.0]);
        let left = sample().without_stars(&BTreeSet::from([0, 4])).unwrap();
        let weights: Vec<f64> = Vec::try_from(left.streams.weights.view(-1)).unwrap();
        assert_eq!(weights, [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(left.by_row(&left.streams.v).unwrap()[0], [200.0, 284.0, 204.0, 360.0]);
        assert!(sample().without_stars(&(0..6).collect()).is_none());
    }

    #[test]
    fn observables_are_placed_like_the_plain_code_does() {
        let sun = dynamics::sky::Sun {
            z: 0.02,
            ..dynamics::sky::Sun::from(&SunParameters::default())
        };
        let seen = dynamics::sky::Observables {
            distance: 3.2,
            l: 211.0,
            b: -37.0,
            v_los: 88.0,
            mu_l_cosb: -3.1,
            mu_b: 5.5,
        };
        let point = sun.locate(&seen);
        let six = Tensor::from_slice(&[seen.distance, seen.l, seen.b, seen.v_los, seen.mu_l_cosb, seen.mu_b]);
        let (x, v) = Sun::from(sun).to_cartesian(&six);
        for axis in 0..3 {
            // The same sums in another order.
            assert!((x.double_value(&[axis as i64]) - point.x[axis]).abs() < 1e-13);
            assert!((v.double_value(&[axis as i64]) - point.v[axis]).abs() < 1e-11);
        }
    }
}
