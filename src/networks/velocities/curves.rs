//! The actions of stars as functions of the velocity that is missing: over its whole range, and near a guess.

use std::collections::{BTreeMap, HashMap};

use dynamics::statistics::median;
use tch::Tensor;

use super::Sightlines;
use crate::error::Error;
use crate::smooth::SmoothMap;

/// Velocities tried for a star before the search.
pub(super) const TRIED: i64 = 48;

/// Half the distance over which actions are differenced, km/s.
const DIFFERENCE: f64 = 0.1;

/// Fewest deviations of known stars that scales are taken from.
const LEAST_KNOWN: usize = 8;

/// A 3-vector in plain numbers, for one star.
type V3 = [f64; 3];

pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    Ok(Vec::try_from(
        tensor.detach().to_device(tch::Device::Cpu).contiguous().view(-1),
    )?)
}

fn vectors(tensor: &Tensor) -> Result<Vec<V3>, Error> {
    Ok(numbers(tensor)?.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect())
}

/// The median of each component.
pub(super) fn middle(vectors: &[V3]) -> V3 {
    let of = |axis: usize| vectors.iter().map(|vector| vector[axis]).collect();
    [0, 1, 2].map(|axis| median(of(axis)).unwrap_or(0.0))
}

fn distance(a: V3, b: V3) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).abs()).sum()
}

/// Actions of each star at velocities over its whole range.
pub(super) struct Grid {
    place: HashMap<usize, usize>,
    velocities: Vec<Vec<f64>>,
    actions: Vec<Vec<V3>>,
}

impl Grid {
    pub fn new(
        map: &SmoothMap,
        stars: &Sightlines,
        rows: &[usize],
        middle: &[f64],
        half: &[f64],
    ) -> Result<Self, Error> {
        let tried = |row: usize| match stars.known[row] {
            Some(u) => vec![u],
            None => (0..TRIED)
                .map(|k| middle[row] + half[row] * (2.0 * (k as f64 + 0.5) / TRIED as f64 - 1.0))
                .collect(),
        };
        let velocities: Vec<Vec<f64>> = rows.iter().map(|&row| tried(row)).collect();
        let owners: Vec<usize> = rows
            .iter()
            .zip(&velocities)
            .flat_map(|(&row, us)| std::iter::repeat_n(row, us.len()))
            .collect();
        let all = actions_at(map, stars, &owners, &velocities.concat(), false)?;
        let mut rest = all.as_slice();
        let actions = velocities.iter().map(|us| {
            let (own, others) = rest.split_at(us.len());
            rest = others;
            own.to_vec()
        });
        let actions = actions.collect();
        let place = rows.iter().enumerate().map(|(place, &row)| (row, place)).collect();
        Ok(Self {
            place,
            velocities,
            actions,
        })
    }

    /// First guesses for a stream.
    pub fn guess(&self, members: &[usize], is_open: &[bool], velocity: &mut [f64]) {
        let of = |row: usize| self.place[&row];
        let nearest = |row: usize, common: V3| -> (usize, f64) {
            let options = self.actions[of(row)]
                .iter()
                .map(|actions| distance(*actions, common))
                .enumerate();
            options.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::INFINITY))
        };
        let known: Vec<V3> = members
            .iter()
            .filter(|row| !is_open[**row])
            .map(|&row| self.actions[of(row)][0])
            .collect();
        let common = if known.is_empty() {
            // Each point of each curve is a candidate; the best is where the other curves come closest, by the median of distances.
            let candidates = members.iter().flat_map(|&row| self.actions[of(row)].iter().copied());
            let cost = |common: V3| {
                let mut away: Vec<f64> = members.iter().map(|&row| nearest(row, common).1).collect();
                away.sort_by(f64::total_cmp);
                // One of them is the curve it lies on.
                let worst = away.len() - away.len() / 4;
                away[..worst].iter().sum::<f64>()
            };
            let best = candidates
                .map(|common| (common, cost(common)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            best.map_or([0.0; 3], |(common, _)| common)
        } else {
            middle(&known)
        };
        for &row in members.iter().filter(|row| is_open[**row]) {
            velocity[row] = self.velocities[of(row)][nearest(row, common).0];
        }
    }
}

/// J' of stars `owners` with velocities `u`.
fn actions_at(
    map: &SmoothMap,
    stars: &Sightlines,
    owners: &[usize],
    u: &[f64],
    exactly: bool,
) -> Result<Vec<V3>, Error> {
    let mut all = Vec::with_capacity(owners.len());
    for (owners, u) in owners.chunks(4096).zip(u.chunks(4096)) {
        let rows: Vec<i64> = owners.iter().map(|&row| row as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(stars.x.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &rows);
        let u = Tensor::from_slice(u).to_device(stars.x.device()).unsqueeze(-1);
        let toy = tch::no_grad(|| {
            map.toy
                .from_cartesian(&pick(&stars.x), &(pick(&stars.v) + pick(&stars.along) * u))
        })?;
        let actions = if exactly {
            map.refine_exactly(&toy.angles, &toy.actions)?.actions
        } else {
            map.refine_roughly(&toy.angles, &toy.actions)
        };
        all.extend(vectors(&actions)?);
    }
    Ok(all)
}

/// Actions at the present velocities, and how they change with them.
pub(super) struct Curves {
    pub place: HashMap<usize, usize>,
    pub actions: Vec<V3>,
    pub slopes: Vec<V3>,
}

impl Curves {
    pub fn new(map: &SmoothMap, stars: &Sightlines, rows: &[usize], velocity: &[f64]) -> Result<Self, Error> {
        let at = |shift: f64| {
            let u: Vec<f64> = rows.iter().map(|&row| velocity[row] + shift).collect();
            actions_at(map, stars, rows, &u, true)
        };
        let (actions, ahead, behind) = (at(0.0)?, at(DIFFERENCE)?, at(-DIFFERENCE)?);
        let slope =
            |(ahead, behind): (&V3, &V3)| [0, 1, 2].map(|axis| (ahead[axis] - behind[axis]) / (2.0 * DIFFERENCE));
        Ok(Self {
            place: rows.iter().enumerate().map(|(place, &row)| (row, place)).collect(),
            slopes: ahead.iter().zip(&behind).map(slope).collect(),
            actions,
        })
    }

    /// How far actions of known stars are from their stream's mean, 1.48 median, scaled to the scatter of one star; nothing where few
    /// are known.
    pub fn scatter(&self, streams: &BTreeMap<i64, Vec<usize>>, is_open: &[bool], typical: &V3) -> Option<V3> {
        let mut away: [Vec<f64>; 3] = Default::default();
        for members in streams.values() {
            let known: Vec<V3> = members
                .iter()
                .filter(|row| !is_open[**row])
                .map(|row| self.actions[self.place[row]])
                .collect();
            let count = known.len() as f64;
            if known.len() < 2 {
                continue;
            }
            for (axis, away) in away.iter_mut().enumerate() {
                let mean = known.iter().map(|actions| actions[axis]).sum::<f64>() / count;
                let scaled = (count / (count - 1.0)).sqrt();
                away.extend(known.iter().map(|actions| (actions[axis] - mean).abs() * scaled));
            }
        }
        (away[0].len() >= LEAST_KNOWN)
            .then(|| [0, 1, 2].map(|axis| (1.48 * median(away[axis].clone()).unwrap_or(0.0)).max(1e-6 * typical[axis])))
    }
}
