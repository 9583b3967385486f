//! How constant actions are along streams: what a map is trained for, and what tells, without labels, how far to believe it.

use networks::map::{CanonicalMap, Image};
use networks::region::Region;
use networks::streams::Streams;
use runner::context::StageContext;
use runner::error::StageError;
use stages::common::io::TableContext;
use stages::learn::tables;
use tch::Tensor;

use crate::common::stretch::three;
use crate::common::{digits, failed};

/// Most stars that are looked at: of larger sets every so manieth stream.
const MOST_STARS: usize = 4096;

/// A spread along validation streams of so many times that along training streams deserves a note.
const OVERTRAINED: f64 = 3.0;

/// A toy whose actions change by less than this part of their size leaves nothing to learn: the steps of trainings are in single precision.
const EXACT: f64 = 1e-7;

/// Mean absolute deviations of the actions (φ, z, r) from their stream's mean, km/s kpc, a row for each stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread(Vec<[f64; 3]>);

impl Spread {
    /// Of the actions of the stars of streams; those of fewer than two stars have none.
    pub fn along(streams: &[Vec<[f64; 3]>]) -> Self {
        let of = |stars: &Vec<[f64; 3]>| -> [f64; 3] {
            let count = stars.len() as f64;
            std::array::from_fn(|axis| {
                let mean = stars.iter().map(|j| j[axis]).sum::<f64>() / count;
                stars.iter().map(|j| (j[axis] - mean).abs()).sum::<f64>() / count
            })
        };
        Self(streams.iter().filter(|stars| stars.len() > 1).map(of).collect())
    }

    /// Of streams of which only the mean over the components is known.
    pub fn of_streams(means: &[f64]) -> Self {
        Self(means.iter().map(|&mean| [mean; 3]).collect())
    }

    /// The spread of each stream in one component, or their mean.
    fn values(&self, component: Option<usize>) -> Vec<f64> {
        let of = |row: &[f64; 3]| component.map_or(row.iter().sum::<f64>() / 3.0, |axis| row[axis]);
        self.0.iter().map(of).collect()
    }

    /// The mean over the streams, of one component or of all three.
    pub fn mean(&self, component: Option<usize>) -> Option<f64> {
        let values = self.values(component);
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The median over the streams, of one component or of the mean of all three.
    pub fn median(&self, component: Option<usize>) -> Option<f64> {
        let mut values = self.values(component);
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        match values.len() % 2 {
            1 => values.get(half).copied(),
            _ => Some((values.get(half.checked_sub(1)?)? + values.get(half)?) / 2.0),
        }
    }
}

/// Numbers of the stars of each stream of some streams, as actions (stars, 3) have them one after the other.
fn grouped(
    counts: &[usize],
    actions: &Tensor,
    is_good: impl Fn(usize) -> bool,
) -> Result<Vec<Vec<[f64; 3]>>, StageError> {
    let [phi, z, r] = three(actions)?;
    let mut first = 0;
    let stream = |count: &usize| {
        let rows = first..first + count;
        first += count;
        let star = |row: usize| [phi[row], z[row], r[row]];
        let is_number = |j: &[f64; 3]| j.iter().all(|j| j.is_finite());
        rows.filter(|row| is_good(*row)).map(star).filter(is_number).collect()
    };
    Ok(counts.iter().map(stream).collect())
}

/// Stars of streams one after the other, and how many each stream has.
struct Flat {
    counts: Vec<usize>,
    x: Tensor,
    v: Tensor,
}

impl Flat {
    /// Of at most `most` stars.
    fn of(streams: &Streams, most: usize) -> Result<Self, StageError> {
        let all = streams.points().map_err(failed)?;
        let stars: usize = all.iter().map(Vec::len).sum();
        let some: Vec<_> = all.iter().step_by(stars.div_ceil(most).max(1)).collect();
        let device = streams.x.device();
        let rows = |of: fn(&dynamics::phase_space::PhaseSpace) -> [f64; 3]| {
            let rows: Vec<[f64; 3]> = some.iter().flat_map(|stars| stars.iter().map(of)).collect();
            Tensor::from_slice(rows.as_flattened()).view([-1, 3]).to_device(device)
        };
        Ok(Self {
            counts: some.iter().map(|stars| stars.len()).collect(),
            x: rows(|star| star.x),
            v: rows(|star| star.v),
        })
    }

    fn spread(&self, image: &Image) -> Result<Spread, StageError> {
        let is_good = |row: usize| !image.open[row];
        Ok(Spread::along(&grouped(&self.counts, &image.actions, is_good)?))
    }
}

/// The region of toy actions that a network was trained in.
pub fn region(network: &dyn CanonicalMap, learning: &Streams) -> Result<Option<Region>, StageError> {
    let flat = Flat::of(learning, usize::MAX)?;
    let toy = network.by_toy(&flat.x, &flat.v).map_err(failed)?;
    Ok(Region::of(&grouped(&flat.counts, &toy.actions, |_| true)?))
}

/// The spreads along the streams of one set.
pub struct Measured {
    set: &'static str,
    toy: Spread,
    network: Spread,
    /// Mean size of the toy's actions, km/s kpc; 0 where it is not known.
    size: f64,
}

impl Measured {
    /// From spreads.
    pub fn new(set: &'static str, toy: Spread, network: Spread) -> Self {
        let size = 0.0;
        Self {
            set,
            toy,
            network,
            size,
        }
    }

    /// Along the streams of a set, each star by itself alone.
    pub fn of(set: &'static str, network: &dyn CanonicalMap, streams: &Streams) -> Result<Self, StageError> {
        let flat = Flat::of(streams, MOST_STARS)?;
        let toy = network.by_toy(&flat.x, &flat.v).map_err(failed)?;
        Ok(Self {
            set,
            size: toy.actions.abs().mean(tch::Kind::Double).double_value(&[]),
            toy: flat.spread(&toy)?,
            network: flat.spread(&network.alone(&flat.x, &flat.v).map_err(failed)?)?,
        })
    }
}

/// Tells the spreads along training streams and, where there are any, along validation streams: in the output `spread`, as
/// metrics, and with a finding where the network is no better than its toy.
pub fn report(context: &StageContext, training: &Measured, validation: Option<&Measured>) -> Result<(), StageError> {
    let sets = || std::iter::once(training).chain(validation);
    let rows: Vec<tables::Spread> = sets()
        .flat_map(|of| [(of.set, "toy", &of.toy), (of.set, "network", &of.network)])
        .flat_map(|(set, map, spread)| {
            let components = [("phi", Some(0)), ("z", Some(1)), ("r", Some(2)), ("mean", None)];
            components.map(|(name, component)| tables::Spread {
                set,
                map,
                component: name,
                mean: spread.mean(component),
                median: spread.median(component),
                streams: spread.0.len() as i64,
            })
        })
        .collect();
    context.write_rows("spread", &tables::spread(), &rows)?;
    for of in sets() {
        for (map, spread) in [("spread_toy", &of.toy), ("spread", &of.network)] {
            let numbers = [("", spread.mean(None)), ("_median", spread.median(None))];
            for (statistic, value) in numbers {
                if let Some(value) = value {
                    context.metric(&format!("{map}_{}{statistic}", of.set), value, "km/s kpc");
                }
            }
        }
    }
    if let Some(text) = no_better(validation.unwrap_or(training)) {
        context.finding(text);
    }
    let both = validation
        .and_then(|of| of.network.mean(None))
        .zip(training.network.mean(None));
    if let Some((validation, training)) = both.filter(|(validation, training)| *validation >= OVERTRAINED * training) {
        context.note(format!(
            "along validation streams the actions vary {:.1} times as much as along training streams: more streams would help",
            validation / training
        ));
    }
    Ok(())
}

/// What speaks against a network by its spread along some streams: in the mean or in the median that of the toy is as small.
fn no_better(of: &Measured) -> Option<String> {
    if of.toy.mean(None).is_some_and(|toy| toy < EXACT * of.size) {
        return None;
    }
    let say = |what: &str, network: f64, toy: f64| {
        format!(
            "the network is no better than its toy: the {what} spread of actions along {} streams is {} km/s kpc, by the toy {}",
            of.set,
            digits(network),
            digits(toy)
        )
    };
    let (mean, median) = (
        of.network.mean(None).zip(of.toy.mean(None)),
        of.network.median(None).zip(of.toy.median(None)),
    );
    let is_bad = |found: &(f64, f64)| found.0 >= found.1;
    match (mean.filter(is_bad), median.filter(is_bad)) {
        (Some((network, toy)), _) => Some(say("mean", network, toy)),
        (None, Some((network, toy))) => Some(say("median", network, toy)),
        (None, None) if of.network.0.is_empty() && !of.toy.0.is_empty() => {
            Some(format!("the network gives no actions to any of the {} streams", of.set))
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_spread_of_a_stream_is_the_mean_absolute_deviation() {
        let streams = [
            vec![[1.0, 0.0, 5.0], [3.0, 0.0, 5.0]],
            vec![[9.0; 3]],
            vec![[0.0, 2.0, 0.0], [0.0, 4.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 0.0]],
            vec![[7.0; 3]; 5],
        ];
        let spread = Spread::along(&streams);
        assert_eq!(spread, Spread(vec![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0; 3]]));
        assert_eq!(
            (spread.mean(Some(1)), spread.median(Some(1))),
            (Some(2.0 / 3.0), Some(0.0))
        );
        assert_eq!(spread.median(None), Some(1.0 / 3.0));
        assert_eq!(
            (Spread::default().mean(None), Spread::default().median(None)),
            (None, None)
        );
    }

    #[test]
    fn a_network_must_beat_its_toy_in_mean_and_median() {
        let of = |values: &[f64]| Spread(values.iter().map(|&value| [value; 3]).collect());
        let text = |toy: &[f64], network: &[f64]| no_better(&Measured::new("validation", of(toy), of(network)));
        assert_eq!(text(&[2.0, 3.0, 9.0], &[1.0, 2.0, 8.0]), None);
        assert!(
            text(&[2.0, 3.0, 4.0], &[1.0, 2.0, 90.0])
                .unwrap()
                .contains("mean spread")
        );
        assert!(
            text(&[2.0, 3.0, 40.0], &[3.0, 4.0, 8.0])
                .unwrap()
                .contains("median spread")
        );
        assert!(text(&[2.0], &[]).unwrap().contains("no actions"));
        // A toy that is exact already cannot be beaten.
        let exact = Measured {
            size: 1000.0,
            ..Measured::new("validation", of(&[9e-6, 1e-5]), of(&[9e-6, 1e-5]))
        };
        assert_eq!(no_better(&exact), None);
    }
}
