//! The region of the toy's actions that a network was trained in, and how far outside a star is.
//!
//! A star is described by u = (¼ ln J, J_φ / 10 J, (J_z / J)^⅕, (J_r / J)^⅕) with J = |J_φ| + J_z + J_r, all of the toy: the small
//! powers make orbits near the plane, and near circles, as different from others as they are for a map. A training stream is at
//! the mean u of its stars, and reaches as far as its nearest neighbour. The novelty of a star is the least, over the training
//! streams, of its distance in units of the stream's reach; it is inside up to the [`SHARE`] quantile of the novelty of the
//! training stars themselves, each by the streams other than its own.
//!
//! Angles do not count: a map of arcs is not known along the rest of its orbits, and this does not tell.
//!
//! **Measured** on halo orbits in the Galaxy model 1 of Dehnen & Binney (1998), eight stars each, trained with 48, 128 and 300
//! streams: of other stars of the sample 0.1, 0.3 and 1.5 % are outside, of the disc's stars 40, 74 and 80 %.

use crate::error::Error;
use crate::weights::Weights;
use tch::{Kind, Tensor};

/// The share of held-out stars of the training stars' own population that are inside.
pub const SHARE: f64 = 0.99;

/// Fewest streams that make a region.
const FEWEST: usize = 8;

/// Most streams that are kept, and most stars of each that are looked at.
const MOST: (usize, usize) = (1024, 16);

/// Where a star is among toy actions.
type Place = [f64; 4];

/// The region of the toy's actions that a network was trained in.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Where each training stream is, and its reach.
    streams: Vec<(Place, f64)>,
    /// The greatest novelty of a star inside.
    limit: f64,
}

/// Where toy actions (φ, z, r) are.
fn place([phi, z, r]: [f64; 3]) -> Place {
    let (z, r) = (z.max(0.0), r.max(0.0));
    // At rest in the centre all three vanish.
    let all = (phi.abs() + z + r).max(1e-30);
    [0.25 * all.ln(), 0.1 * phi / all, (z / all).powf(0.2), (r / all).powf(0.2)]
}

fn distance(a: &Place, b: &Place) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The two other places next to each that are not the same as it: place and distance, nearest first.
fn neighbours(places: &[Place]) -> Vec<[(usize, f64); 2]> {
    let of = |own: usize| {
        let mut nearest = [(own, f64::INFINITY); 2];
        for (other, place) in places.iter().enumerate() {
            let away = distance(place, &places[own]);
            // A stream that is there twice says nothing of how densely streams lie.
            if other == own || away < 1e-9 {
                continue;
            }
            if away < nearest[0].1 {
                nearest = [(other, away), nearest[0]];
            } else if away < nearest[1].1 {
                nearest[1] = (other, away);
            }
        }
        nearest
    };
    (0..places.len()).map(of).collect()
}

impl Region {
    /// The region of training streams, from the toy actions of the stars of each; none where too few streams make one.
    pub fn of(streams: &[Vec<[f64; 3]>]) -> Option<Self> {
        let step = streams.len().div_ceil(MOST.0).max(1);
        let stars: Vec<Vec<Place>> = streams
            .iter()
            .step_by(step)
            .map(|stars| {
                let step = stars.len().div_ceil(MOST.1).max(1);
                stars.iter().step_by(step).copied().map(place).collect()
            })
            .filter(|stars: &Vec<Place>| !stars.is_empty())
            .collect();
        let mean = |stars: &Vec<Place>| -> Place {
            std::array::from_fn(|i| stars.iter().map(|star| star[i]).sum::<f64>() / stars.len() as f64)
        };
        let places: Vec<Place> = stars.iter().map(mean).collect();
        let neighbours = neighbours(&places);
        if places.len() < FEWEST || neighbours.iter().any(|[_, second]| !second.1.is_finite()) {
            return None;
        }
        // The novelty of a training star as if its stream were not there.
        let mut novelties: Vec<f64> = Vec::new();
        for (own, stars) in stars.iter().enumerate() {
            let others = || (0..places.len()).filter(|other| *other != own);
            let reach = |other: usize| {
                let [first, second] = neighbours[other];
                if first.0 == own { second.1 } else { first.1 }
            };
            novelties.extend(stars.iter().map(|star| {
                others()
                    .map(|other| distance(star, &places[other]) / reach(other))
                    .fold(f64::INFINITY, f64::min)
            }));
        }
        novelties.sort_by(f64::total_cmp);
        let rank = (SHARE * novelties.len() as f64).ceil() as usize;
        let limit = *novelties.get(rank.clamp(1, novelties.len()) - 1)?;
        let streams = places.into_iter().zip(neighbours).map(|(place, [first, _])| (place, first.1));
        Some(Self {
            streams: streams.collect(),
            limit,
        })
    }

    /// How far a star of toy actions (φ, z, r) is from the training streams, in units of their reach.
    pub fn novelty(&self, actions: [f64; 3]) -> f64 {
        let star = place(actions);
        let away = self.streams.iter().map(|(place, reach)| distance(&star, place) / reach);
        away.fold(f64::INFINITY, f64::min)
    }

    /// Whether a star of toy actions (φ, z, r) is inside.
    pub fn holds(&self, actions: [f64; 3]) -> bool {
        self.novelty(actions) <= self.limit
    }

    /// Adds the region to a network's file.
    pub fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        let rows: Vec<f64> = self.streams.iter().flat_map(|(place, reach)| place.iter().copied().chain([*reach])).collect();
        weights.insert("region", &Tensor::from_slice(&rows).view([-1, 5]));
        weights.insert_json("region_limit", &self.limit)
    }

    /// The region in a network's file, if it has one.
    pub fn from_weights(weights: &Weights) -> Result<Option<Self>, Error> {
        let Some(tensor) = weights.tensors.get("region") else {
            return Ok(None);
        };
        let rows = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1))?;
        let streams = rows.as_chunks::<5>().0.iter().map(|&[a, b, c, d, reach]| ([a, b, c, d], reach));
        Ok(Some(Self {
            streams: streams.collect(),
            limit: weights.json("region_limit")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::training::generator;
    use rand::Rng;

    /// Streams of isotropic orbits: eight stars each, whose toy actions vary by 5 %.
    fn halo(streams: usize, seed: u64) -> Vec<Vec<[f64; 3]>> {
        let mut random = generator(seed, "test", 0);
        let mut stream = || {
            let (l, r) = (random.random_range(100.0..4000.0), random.random_range(50.0..3000.0));
            let tilt: f64 = random.random_range(-1.0..1.0);
            let mut star = || [l * tilt, l * (1.0 - tilt.abs()), r].map(|j: f64| j * random.random_range(0.95..1.05));
            (0..8).map(|_| star()).collect::<Vec<_>>()
        };
        (0..streams).map(|_| stream()).collect()
    }

    #[test]
    fn a_hundredth_of_the_same_population_is_outside_and_most_of_a_disc() {
        let region = Region::of(&halo(256, 1)).unwrap();
        let outside = |stars: &[[f64; 3]]| stars.iter().filter(|star| !region.holds(**star)).count() as f64 / stars.len() as f64;
        let others = outside(&halo(1024, 2).concat());
        assert!((0.001..0.03).contains(&others), "{others}");
        let disc: Vec<[f64; 3]> = (0..100).map(|n| [1000.0 + 20.0 * f64::from(n), 1.0, 5.0]).collect();
        assert!(outside(&disc) > 0.8, "{}", outside(&disc));
        let far: Vec<[f64; 3]> = disc.iter().map(|star| star.map(|j| j * 1000.0)).collect();
        assert!(outside(&far) > 0.99);
    }

    #[test]
    fn it_is_the_same_from_its_file() {
        let region = Region::of(&halo(40, 3)).unwrap();
        let mut weights = Weights::default();
        region.save(&mut weights).unwrap();
        assert_eq!(Region::from_weights(&weights).unwrap().as_ref(), Some(&region));
        assert_eq!(Region::from_weights(&Weights::default()).unwrap(), None);
    }

    #[test]
    fn nothing_is_known_of_a_few_streams_or_of_one_orbit_many_times() {
        assert_eq!(Region::of(&halo(7, 4)), None);
        assert_eq!(Region::of(&vec![halo(1, 4).concat(); 20]), None);
        assert_eq!(Region::of(&[]), None);
    }

    #[test]
    fn any_star_has_a_novelty() {
        let region = Region::of(&halo(40, 5)).unwrap();
        for star in [[0.0; 3], [0.0, 0.0, 1e-300], [1e12, 0.0, 0.0], [-1.0, -1e-9, -1e-9]] {
            assert!(region.novelty(star).is_finite(), "{star:?}");
            assert!(!region.holds(star), "{star:?}");
        }
    }
}
