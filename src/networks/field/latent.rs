//! Errors in variables: where stars are if energy is conserved along their streams.
//!
//! A star is where it was seen, off by six standard normal deviates w; its energy E(w) is that of its stream, and so is L_z(w) in an
//! axisymmetric field. The likeliest w is found by linearising E and L_z at the last one: with G their slopes,
//! w = Gᵀ V⁻¹ (E_s − E(w) + G w, …), V = G Gᵀ. In other fields it is so for L_z less what a torque gave it (the module `torque`), whose spread is
//! added to V. The field's own functions are taken where the star is likeliest, not where it was seen: there
//! their errors would make the force too weak.
//!
//! **Source**: generalised least squares with errors in all variables, as in Britt & Luecke (1973).

use dynamics::measured::{Measured, Priors};
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Expansion, Potential};
use dynamics::sky::Sun;

use super::Errors;
use super::torque::Along;
use crate::error::Error;

/// What is known of where a star is.
#[derive(Debug, Clone)]
pub enum Known {
    /// Position and velocity, with errors that are the same in every direction.
    Point(PhaseSpace, Errors),
    /// What was measured of it; and how far stars of its stream are from one orbit, the same in every direction.
    Seen(Measured, Sun, Errors),
}

/// Standard normal deviates of a star.
pub(super) type Deviates = [f64; 6];

/// Speed to which no stream's stars are known to be on one orbit, km/s: a velocity dispersion beside the errors.
const DISPERSION: f64 = 0.1;

/// Standard deviations over which slopes are differences.
const STEP: f64 = 0.1;

/// Deviates beyond this are not believed.
const MOST: f64 = 5.0;

impl Known {
    /// Whether it may be elsewhere.
    pub fn has_errors(&self) -> bool {
        match self {
            Self::Point(_, errors) => *errors != Errors::default(),
            Self::Seen(measured, _, width) => {
                *width != Errors::default()
                    || measured.v_los_error > 0.0
                    || measured.covariance.deviations.iter().any(|deviation| *deviation > 0.0)
            }
        }
    }

    /// Whether it is somewhere, and places next to it are, which slopes are found from.
    pub fn has_place(&self) -> bool {
        (0..6).all(|k| {
            [-STEP, 0.0, STEP].into_iter().all(|by| {
                let mut deviates = [0.0; 6];
                deviates[k] = by;
                self.at(&deviates).is_some()
            })
        })
    }

    /// The star if it is off by these deviates; none where its distance would not be positive.
    pub fn at(&self, deviates: &Deviates) -> Option<PhaseSpace> {
        match self {
            Self::Point(point, errors) => Some(PhaseSpace {
                x: [0, 1, 2].map(|i| point.x[i] + errors.position * deviates[i]),
                v: [0, 1, 2].map(|i| point.v[i] + errors.velocity * deviates[3 + i]),
            }),
            Self::Seen(measured, sun, _) => {
                let draws = measured.draws(sun, &Priors::default()).ok()?;
                Some(sun.locate(&draws.at(deviates)?))
            }
        }
    }
}

/// A star's energy and L_z as linear functions of its deviates, about the likeliest ones.
#[derive(Debug, Clone)]
pub(super) struct Star {
    /// Where it is likeliest, kpc.
    pub place: [f64; 3],
    /// ½v² there, continued to no deviates with the slope of the energy: E = Φ(place) + this, (km/s)².
    pub kinetic: f64,
    /// L_z, continued likewise, km/s kpc.
    pub momentum: f64,
    /// Variances of energy and L_z and their covariance.
    pub covariance: [[f64; 2]; 2],
    slopes: [Deviates; 2],
    /// |L|, km/s kpc.
    turning: f64,
    /// Where it is along its stream, where torques matter.
    pub along: Along,
}

impl Star {
    /// A star without errors, whose energy counts as if it were known to 1 (km/s)².
    pub fn exact(point: &PhaseSpace) -> Self {
        Self {
            place: point.x,
            kinetic: point.kinetic_energy(),
            momentum: point.angular_momentum()[2],
            covariance: [[1.0, 0.0], [0.0, 1.0]],
            slopes: [[0.0; 6]; 2],
            turning: 0.0,
            along: Along::default(),
        }
    }

    /// The same where L_z is the stream's but for a part of |L|: the first where the star is next to its stream's path, or else the second.
    pub fn loosened(&self, spreads: [f64; 2]) -> Self {
        let mut star = self.clone();
        star.covariance[1][1] += (spreads[usize::from(self.along.is_far())] * self.turning).powi(2);
        star
    }

    /// Linearised about `deviates` in a field.
    pub fn new(known: &Known, deviates: &Deviates, field: &(impl Potential + ?Sized)) -> Option<Self> {
        let point = known.at(deviates)?;
        let values = |point: &PhaseSpace| [field.energy(point), point.angular_momentum()[2]];
        let mut slopes = [[0.0; 6]; 2];
        for k in 0..6 {
            let moved = |by: f64| {
                let mut deviates = *deviates;
                deviates[k] += by;
                known.at(&deviates).map(|point| values(&point))
            };
            let (above, below) = (moved(STEP)?, moved(-STEP)?);
            for quantity in 0..2 {
                slopes[quantity][k] = (above[quantity] - below[quantity]) / (2.0 * STEP);
            }
        }
        let dot = |a: &Deviates, b: &Deviates| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let momentum = point.angular_momentum()[2];
        let width = match known {
            Known::Point(..) => Errors::default(),
            Known::Seen(_, _, width) => *width,
        };
        // ∂E/∂v = v, ∂E/∂x = −a, ∂L_z/∂v = (−y, x, 0), ∂L_z/∂x = (vy, −vx, 0).
        let [pull, [x, y, _], [vx, vy, _]] = [field.acceleration(point.x), point.x, point.v];
        let turning = pull[1] * vx - pull[0] * vy;
        let square = |a: [f64; 3]| a.iter().map(|a| a * a).sum::<f64>();
        let by_velocity = [[square(point.v), momentum], [momentum, x * x + y * y]];
        let by_position = [[square(pull), turning], [turning, vx * vx + vy * vy]];
        let covariance = |i: usize, j: usize| {
            let least = if i == j { 1e-6 } else { 0.0 };
            dot(&slopes[i], &slopes[j])
                + (DISPERSION.powi(2) + width.velocity.powi(2)) * by_velocity[i][j]
                + width.position.powi(2) * by_position[i][j]
                + least
        };
        Some(Self {
            place: point.x,
            kinetic: point.kinetic_energy() - dot(&slopes[0], deviates),
            momentum: momentum - dot(&slopes[1], deviates),
            covariance: [
                [covariance(0, 0), covariance(0, 1)],
                [covariance(1, 0), covariance(1, 1)],
            ],
            slopes,
            turning: point.angular_momentum().iter().map(|l| l * l).sum::<f64>().sqrt(),
            along: Along::default(),
        })
    }

    /// L_z less what it gained since the stream's middle in a sum of terms with these coefficients.
    pub fn first_momentum(&self, coefficients: &[f64]) -> f64 {
        let gained = |torques: &[f64]| -> f64 {
            let of = coefficients.iter().chain([&1.0]).zip(torques);
            of.map(|(a, b)| a * b).sum()
        };
        self.momentum - gained(&self.along.torques)
    }

    /// Standard deviation of its energy, (km/s)².
    pub fn deviation(&self) -> f64 {
        self.covariance[0][0].sqrt()
    }

    /// The likeliest deviates if its energy and, where that is conserved, its L_z should be larger by these.
    pub fn likeliest(&self, lacking: [f64; 2], with_momentum: bool) -> Deviates {
        let [[e, mixed], [_, l]] = self.covariance;
        let pulls = if with_momentum {
            let determinant = e * l - mixed * mixed;
            let [energy, momentum] = lacking;
            [
                (l * energy - mixed * momentum) / determinant,
                (e * momentum - mixed * energy) / determinant,
            ]
        } else {
            [lacking[0] / e, 0.0]
        };
        std::array::from_fn(|k| {
            let found = self.slopes[0][k] * pulls[0] + self.slopes[1][k] * pulls[1];
            found.clamp(-MOST, MOST)
        })
    }
}

/// Streams with the deviates that their stars are likeliest to have.
pub(super) struct Latent<'a> {
    streams: Vec<&'a Vec<Known>>,
    deviates: Vec<Vec<Deviates>>,
}

impl<'a> Latent<'a> {
    pub fn new(streams: &[&'a Vec<Known>]) -> Self {
        Self {
            streams: streams.to_vec(),
            deviates: streams.iter().map(|stream| vec![[0.0; 6]; stream.len()]).collect(),
        }
    }

    /// All stars, linearised in a field.
    pub fn linearised(&self, field: &(impl Potential + ?Sized)) -> Result<Vec<Vec<Star>>, Error> {
        let lost = || Error::Data("the errors of a star leave it no positive distance".to_owned());
        let of = |(known, deviates): (&Known, &Deviates)| {
            // Where the likeliest place is none, where it was seen.
            let star = Star::new(known, deviates, field).or_else(|| Star::new(known, &[0.0; 6], field));
            star.ok_or_else(lost)
        };
        let streams = self.streams.iter().zip(&self.deviates);
        streams
            .map(|(stream, deviates)| stream.iter().zip(deviates).map(of).collect())
            .collect()
    }

    /// Where stars are likeliest, those of each stream.
    pub fn points(&self) -> Vec<Vec<PhaseSpace>> {
        let streams = self.streams.iter().zip(&self.deviates);
        let of = |(known, deviates): (&Known, &Deviates)| known.at(deviates).or_else(|| known.at(&[0.0; 6]));
        streams
            .map(|(stream, deviates)| stream.iter().zip(deviates).filter_map(of).collect())
            .collect()
    }

    /// Moves stars to where a field makes them likeliest.
    pub fn settle(&mut self, stars: &[Vec<Star>], field: &Expansion, terms: usize, with_momentum: bool) {
        let coefficients = &field.coefficients()[..terms];
        for (stars, deviates) in stars.iter().zip(&mut self.deviates) {
            let values: Vec<[f64; 2]> = stars
                .iter()
                .map(|star| {
                    [
                        field.potential(star.place) + star.kinetic,
                        star.first_momentum(coefficients),
                    ]
                })
                .collect();
            let mean = common(stars, &values, with_momentum);
            for ((star, values), deviates) in stars.iter().zip(&values).zip(deviates) {
                *deviates = star.likeliest([mean[0] - values[0], mean[1] - values[1]], with_momentum);
            }
        }
    }
}

/// E_s and L_s of a stream: the means that the stars' covariances weigh.
fn common(stars: &[Star], values: &[[f64; 2]], with_momentum: bool) -> [f64; 2] {
    let (mut weights, mut sums) = ([[0.0; 2]; 2], [0.0; 2]);
    for (star, value) in stars.iter().zip(values) {
        let [[e, mixed], [_, l]] = star.covariance;
        let inverse = if with_momentum {
            let determinant = e * l - mixed * mixed;
            [
                [l / determinant, -mixed / determinant],
                [-mixed / determinant, e / determinant],
            ]
        } else {
            [[1.0 / e, 0.0], [0.0, 1.0]]
        };
        for i in 0..2 {
            for j in 0..2 {
                weights[i][j] += inverse[i][j];
                sums[i] += inverse[i][j] * value[j];
            }
        }
    }
    let [[a, b], [c, d]] = weights;
    let determinant = a * d - b * c;
    [
        (d * sums[0] - b * sums[1]) / determinant,
        (a * sums[1] - c * sums[0]) / determinant,
    ]
}
