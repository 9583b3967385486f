//! The region of the toy's actions that a network was trained in, and how far outside a star is.
//!
//! A star is at u = (¼ ln J, J_φ / 10 J, (J_z / J)^⅕, (J_r / J)^⅕) with J = |J_φ| + J_z + J_r, all of the toy: the small powers
//! make orbits near the plane, and near circles, as different from others as they are for a map. A training stream is at the mean
//! u of its stars. The novelty of a star is its distance from the third nearest training stream: one odd stream makes nothing known.
//! A star is inside up to the [`SHARE`] quantile of the novelty of the training stars themselves, each from the streams other than
//! its own.
//!
//! Angles do not count: a map of arcs is not known along the rest of its orbits, and this does not tell.
//!
//! **Measured** on halo orbits in an isochrone, eight stars each, trained with 64 and 256 streams: of other stars of the sample 0.5 to
//! 2.4 % and 0.4 to 0.7 % are outside; of disc stars of the Galaxy model 1 of Dehnen & Binney (1998) 87 to 100 % and all.

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
    /// Where the training streams are.
    streams: Vec<Place>,
    /// The greatest novelty of a star inside.
    limit: f64,
}

/// Where toy actions (φ, z, r) are.
fn place([phi, z, r]: [f64; 3]) -> Place {
    let (z, r) = (z.max(0.0), r.max(0.0));
    // At rest in the centre all three vanish.
    let all = (phi.abs() + z + r).max(1e-30);
    [
        0.25 * all.ln(),
        0.1 * phi / all,
        (z / all).powf(0.2),
        (r / all).powf(0.2),
    ]
}

fn square_of_distance(a: &Place, b: &Place) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The distance of `star` from the third nearest of `streams`; infinite where there are fewer, or the star is nowhere.
fn third<'a>(star: &Place, streams: impl Iterator<Item = &'a Place>) -> f64 {
    let mut nearest = [f64::INFINITY; 3];
    for stream in streams {
        let away = square_of_distance(star, stream);
        if away < nearest[2] {
            nearest[2] = away;
            nearest.sort_by(f64::total_cmp);
        }
    }
    nearest[2].sqrt()
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
        if stars.len() < FEWEST {
            return None;
        }
        let mean = |stars: &Vec<Place>| -> Place {
            std::array::from_fn(|i| stars.iter().map(|star| star[i]).sum::<f64>() / stars.len() as f64)
        };
        let places: Vec<Place> = stars.iter().map(mean).collect();
        // The novelty of a training star as if its stream were not there.
        let mut novelties: Vec<f64> = Vec::new();
        for (own, stars) in stars.iter().enumerate() {
            let (before, after) = (&places[..own], &places[own + 1..]);
            novelties.extend(stars.iter().map(|star| third(star, before.iter().chain(after))));
        }
        novelties.sort_by(f64::total_cmp);
        let rank = (SHARE * novelties.len() as f64).ceil() as usize;
        let limit = *novelties.get(rank.clamp(1, novelties.len()) - 1)?;
        limit.is_finite().then_some(Self { streams: places, limit })
    }

    /// How far a star of toy actions (φ, z, r) is from the third nearest training stream.
    pub fn novelty(&self, actions: [f64; 3]) -> f64 {
        third(&place(actions), self.streams.iter())
    }

    /// Whether a star of toy actions (φ, z, r) is inside.
    pub fn holds(&self, actions: [f64; 3]) -> bool {
        self.novelty(actions) <= self.limit
    }

    /// Adds the region to a network's file.
    pub fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        weights.insert("region", &Tensor::from_slice(self.streams.as_flattened()).view([-1, 4]));
        weights.insert_json("region_limit", &self.limit)
    }

    /// The region in a network's file, if it has one.
    pub fn from_weights(weights: &Weights) -> Result<Option<Self>, Error> {
        let Some(tensor) = weights.tensors.get("region") else {
            return Ok(None);
        };
        let rows = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1))?;
        Ok(Some(Self {
            streams: rows.as_chunks::<4>().0.to_vec(),
            limit: weights.json("region_limit")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::random::generator;
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
        let outside =
            |stars: &[[f64; 3]]| stars.iter().filter(|star| !region.holds(**star)).count() as f64 / stars.len() as f64;
        let others = outside(&halo(1024, 2).concat());
        assert!((0.001..0.03).contains(&others), "{others}");
        let disc: Vec<[f64; 3]> = (0..100).map(|n| [1000.0 + 20.0 * f64::from(n), 1.0, 5.0]).collect();
        assert!(outside(&disc) > 0.9, "{}", outside(&disc));
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
    fn a_few_streams_make_no_region() {
        assert_eq!(Region::of(&halo(7, 4)), None);
        assert_eq!(Region::of(&[]), None);
        // One orbit many times is known, and nothing else.
        let stream = halo(1, 4).concat();
        let region = Region::of(&vec![stream.clone(); 20]).unwrap();
        assert!(region.holds(stream[0]) && !region.holds(stream[0].map(|j| 2.0 * j)));
    }

    #[test]
    fn any_star_has_a_novelty() {
        let region = Region::of(&halo(40, 5)).unwrap();
        for star in [
            [0.0; 3],
            [0.0, 0.0, 1e-300],
            [1e12, 0.0, 0.0],
            [-1.0, -1e-9, -1e-9],
            [f64::NAN; 3],
        ] {
            assert!(!region.holds(star), "{star:?}");
        }
    }
}
