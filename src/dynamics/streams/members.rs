//! Which stars of a table belong to a stream, by their actions and angles.
//!
//! Stars that were stripped from one progenitor have nearly its actions, and angles that have drifted apart as their frequencies
//! tell them to: in the six dimensions of actions and angles they lie in one long and narrow clump. Other stars are mixed in phase:
//! their density is f(J)/(2π)³, whatever their angles. So a star w with errors of covariance S belongs to the stream with probability
//!
//! p = λ N(w; μ, C + S) / [λ N(w; μ, C + S) + f(J)/(2π)³],
//!
//! where λ is the number of members, μ and C are mean and covariance of the clump without errors, and f is counted among the stars that
//! are not members. λ, μ and C follow from p, and p from them: expectation and maximisation, from the known members on.
//!
//! **Source**: mixture of Gaussians under errors: Bovy, Hogg & Roweis (2011), Eq. 9–16; streams in actions and angles: Helmi &
//! White (1999), Tremaine (1999); what is asked for: Ibata et al. (2021), section 7.

use rayon::prelude::*;

use crate::linear_algebra::{Factor, Symmetric, dot};
use crate::phase_space::{Actions, Angles};
use crate::units::{wrap_angle, wrap_difference};
use std::f64::consts::{PI, TAU};

/// Actions and angles.
const SIZE: usize = 6;

/// Fewer known members do not say what the clump of a stream is.
pub const LEAST_KNOWN: usize = 8;

/// The other stars that are counted for their density at the stream, nearest to it in its own actions.
const NEIGHBOURS: f64 = 50.0;

/// As if so many stars had been seen whose actions and angles vary as the members' do, but independently: with few known members the
/// covariance would vanish in some direction.
const INDEPENDENT: f64 = 0.01;

/// How far the angles of known members may be from their mean: beyond, a clump could not be told from its other end.
const MOST_SPREAD: f64 = 0.8 * PI;

/// Standard deviations in one of the six beyond which a star is no member: its density is less than exp(−32) of that at the middle.
const FAR: f64 = 8.0;

const MOST_STEPS: usize = 200;

/// Largest change of a probability that is taken for none.
const SETTLED: f64 = 1e-4;

/// A star that may belong to a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its actions, km/s kpc.
    pub actions: Actions,
    /// Its angles, radians.
    pub angles: Angles,
    /// Covariance of their errors, in the order J_φ, J_z, J_r, θ_φ, θ_z, θ_r; none where they have none.
    pub covariance: Option<[[f64; SIZE]; SIZE]>,
}

/// What came of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Members {
    /// The probability that each star is a member.
    pub probabilities: Vec<f64>,
    /// How many of the stars are: the sum of the probabilities.
    pub expected: f64,
    /// Mean actions of the members, known ones too, without the errors: km/s kpc.
    pub actions: Actions,
    /// Their mean angles, radians.
    pub angles: Angles,
    /// Covariance of actions and angles among the members, without the errors, in the order of [`Candidate::covariance`].
    pub covariance: [[f64; SIZE]; SIZE],
    /// The density of other stars at the stream over that of one member at the stream's middle: there the odds of a star without errors
    /// are `expected` : `others`.
    pub others: f64,
    /// Whether the probabilities had settled.
    pub settled: bool,
}

/// Why the known members do not say where to search.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NotAStream {
    /// There are too few of them.
    #[error("{known} known members are too few, {LEAST_KNOWN} are needed")]
    TooFew {
        /// How many there are.
        known: usize,
    },
    /// They lie all around in an angle.
    #[error("its known members lie all around in {angle}: no clump, or more than one turn of a stream")]
    AllAround {
        /// The angle.
        angle: &'static str,
    },
    /// They do not vary in some direction, or vary too much for numbers.
    #[error("its known members do not vary in all of actions and angles: are some of them the same star?")]
    Flat,
}

/// A star relative to the stream.
struct Point {
    w: [f64; SIZE],
    covariance: Option<[[f64; SIZE]; SIZE]>,
}

/// The clump: mean and covariance.
struct Clump {
    mean: [f64; SIZE],
    covariance: [[f64; SIZE]; SIZE],
}

/// What a star says of the clump, if it is a member.
struct Said {
    /// ln N(w; μ, C + S).
    log_density: f64,
    /// The expected place without the error, and the covariance that is left of it.
    place: [f64; SIZE],
    left: [[f64; SIZE]; SIZE],
}

/// The probabilities with which `stars` belong to the stream of the `known` members, which may be among them or not.
///
/// **Assumes** that other stars are mixed in phase, as a smooth halo is: where a survey sees only a part of the sky, their density at
/// the stream is underestimated by that part. One Gaussian stands for the stream.
pub fn members(known: &[Candidate], stars: &[Candidate]) -> Result<Members, NotAStream> {
    if known.len() < LEAST_KNOWN {
        return Err(NotAStream::TooFew { known: known.len() });
    }
    let centre = middle(known)?;
    let points = |of: &[Candidate]| -> Vec<Point> { of.iter().map(|star| relative(star, &centre)).collect() };
    let (known, stars) = (points(known), points(stars));
    let certain = vec![1.0; known.len()];
    let mut clump = Clump::of_places(&known);
    // First what the known members say without the others, errors and all.
    for _ in 0..MOST_STEPS {
        let said = clump.hears(&known).ok_or(NotAStream::Flat)?;
        let next = Clump::from(&said, &certain);
        let done = next.moved(&clump) < SETTLED;
        clump = next;
        if done {
            break;
        }
    }
    let mut probabilities = vec![0.0; stars.len()];
    let (mut others, mut settled) = (0.0, false);
    for _ in 0..MOST_STEPS {
        let said = clump.hears(&stars).ok_or(NotAStream::Flat)?;
        let density = clump
            .density_of_others(&stars, &probabilities)
            .ok_or(NotAStream::Flat)?;
        others = density * (0.5 * clump.log_determinant().ok_or(NotAStream::Flat)?).exp() * TAU.powi(3);
        // Before any member is found there is at least the hope of one.
        let count = probabilities.iter().sum::<f64>().max(1.0);
        let next: Vec<f64> = said
            .iter()
            .map(|said| {
                let odds = count * said.log_density.exp();
                if odds > 0.0 { odds / (odds + density) } else { 0.0 }
            })
            .collect();
        let changes = next.iter().zip(&probabilities).map(|(a, b)| (a - b).abs());
        settled = changes.fold(0.0, f64::max) < SETTLED;
        probabilities = next;
        if settled {
            break;
        }
        let sure = clump.hears(&known).ok_or(NotAStream::Flat)?;
        let all: Vec<Said> = said.into_iter().chain(sure).collect();
        let weights: Vec<f64> = probabilities.iter().chain(&certain).copied().collect();
        clump = Clump::from(&all, &weights);
    }
    let mean = clump.mean;
    let angle = |i: usize| wrap_angle(mean[i] + centre[i]);
    Ok(Members {
        expected: probabilities.iter().sum(),
        probabilities,
        actions: Actions {
            phi: mean[0],
            z: mean[1],
            r: mean[2],
        },
        angles: Angles {
            phi: angle(3),
            z: angle(4),
            r: angle(5),
        },
        covariance: clump.covariance,
        others,
        settled,
    })
}

fn components(star: &Candidate) -> [f64; SIZE] {
    let (actions, angles) = (&star.actions, &star.angles);
    [actions.phi, actions.z, actions.r, angles.phi, angles.z, angles.r]
}

/// Where angles are counted from: the directions of the means of their unit vectors. Actions are counted from 0.
fn middle(known: &[Candidate]) -> Result<[f64; SIZE], NotAStream> {
    let mut centre = [0.0; SIZE];
    for (i, angle) in [(3, "theta_phi"), (4, "theta_z"), (5, "theta_r")] {
        let (sin, cos) = known.iter().fold((0.0, 0.0), |(sin, cos), star| {
            let (s, c) = components(star)[i].sin_cos();
            (sin + s, cos + c)
        });
        centre[i] = f64::atan2(sin, cos);
        let far = |star: &Candidate| wrap_difference(components(star)[i] - centre[i]).abs() > MOST_SPREAD;
        if known.iter().any(far) {
            return Err(NotAStream::AllAround { angle });
        }
    }
    Ok(centre)
}

fn relative(star: &Candidate, centre: &[f64; SIZE]) -> Point {
    let mut w = components(star);
    for i in 3..SIZE {
        w[i] = wrap_difference(w[i] - centre[i]);
    }
    Point {
        w,
        covariance: star.covariance,
    }
}

impl Clump {
    /// That of stars whose errors are nothing.
    fn of_places(known: &[Point]) -> Self {
        let said = |point: &Point| Said {
            log_density: 0.0,
            place: point.w,
            left: [[0.0; SIZE]; SIZE],
        };
        Self::from(&known.iter().map(said).collect::<Vec<_>>(), &vec![1.0; known.len()])
    }

    /// The likeliest clump, given what each star says and how much of a member it is.
    fn from(said: &[Said], weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut mean = [0.0; SIZE];
        for (said, weight) in said.iter().zip(weights) {
            for (mean, place) in mean.iter_mut().zip(&said.place) {
                *mean += weight * place / total;
            }
        }
        let mut covariance = [[0.0; SIZE]; SIZE];
        for (said, weight) in said.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            for i in 0..SIZE {
                for j in 0..SIZE {
                    let spread = (said.place[i] - mean[i]) * (said.place[j] - mean[j]);
                    covariance[i][j] += weight * (spread + said.left[i][j]) / (total + INDEPENDENT);
                }
            }
        }
        for (i, row) in covariance.iter_mut().enumerate() {
            row[i] *= 1.0 + INDEPENDENT / total;
        }
        Self { mean, covariance }
    }

    /// By how many standard deviations the mean is elsewhere, or by which part a variance is another.
    fn moved(&self, before: &Self) -> f64 {
        let of = |i: usize| {
            let (now, then) = (self.covariance[i][i], before.covariance[i][i]);
            let mean = (self.mean[i] - before.mean[i]).abs() / then.sqrt();
            mean.max((now / then - 1.0).abs())
        };
        (0..SIZE).map(of).fold(0.0, f64::max)
    }

    fn log_determinant(&self) -> Option<f64> {
        factor(&self.covariance, SIZE).map(|factor| factor.log_determinant())
    }

    /// What these stars say; none if the clump is flat.
    fn hears(&self, stars: &[Point]) -> Option<Vec<Said>> {
        let own = factor(&self.covariance, SIZE)?;
        stars
            .par_iter()
            .with_min_len(64)
            .map(|star| self.hear(star, &own))
            .collect()
    }

    fn hear(&self, star: &Point, own: &Factor) -> Option<Said> {
        let mut away = [0.0; SIZE];
        let mut far = false;
        for i in 0..SIZE {
            away[i] = star.w[i] - self.mean[i];
            let variance = self.covariance[i][i] + star.covariance.map_or(0.0, |errors| errors[i][i]);
            far |= away[i] * away[i] > FAR * FAR * variance;
        }
        if far {
            return Some(Said {
                log_density: f64::NEG_INFINITY,
                place: star.w,
                left: [[0.0; SIZE]; SIZE],
            });
        }
        let Some(errors) = &star.covariance else {
            return Some(Said {
                log_density: log_density(own, &away),
                place: star.w,
                left: [[0.0; SIZE]; SIZE],
            });
        };
        let mut total = self.covariance;
        for i in 0..SIZE {
            for j in 0..SIZE {
                total[i][j] += errors[i][j];
            }
        }
        let total = factor(&total, SIZE)?;
        let mut pull = away;
        total.solve(&mut pull);
        let mut said = Said {
            log_density: log_density(&total, &away),
            place: self.mean,
            left: self.covariance,
        };
        for i in 0..SIZE {
            said.place[i] += dot(&self.covariance[i], &pull);
            let mut column = self.covariance[i];
            total.solve(&mut column);
            for j in 0..SIZE {
                said.left[i][j] -= dot(&self.covariance[j], &column);
            }
        }
        Some(said)
    }

    /// f(J)/(2π)³ at the stream: of the stars that are not members, those whose actions are nearest, in units of the spread of the
    /// members'.
    fn density_of_others(&self, stars: &[Point], probabilities: &[f64]) -> Option<f64> {
        let actions = factor(&self.covariance, 3)?;
        let mut near: Vec<(f64, f64)> = stars
            .par_iter()
            .zip(probabilities)
            .with_min_len(64)
            .map(|(star, probability)| {
                let away = [0, 1, 2].map(|i| star.w[i] - self.mean[i]);
                (squared(&actions, &away), 1.0 - probability)
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut count, mut radius2) = (0.0, 0.0);
        for (distance2, weight) in near {
            (count, radius2) = (count + weight, distance2);
            if count >= NEIGHBOURS {
                break;
            }
        }
        let volume = 4.0 / 3.0 * PI * radius2.powf(1.5) * (0.5 * actions.log_determinant()).exp();
        Some(if volume > 0.0 {
            count / volume / TAU.powi(3)
        } else {
            0.0
        })
    }
}

/// The first `size` rows and columns.
fn factor(covariance: &[[f64; SIZE]; SIZE], size: usize) -> Option<Factor> {
    let mut matrix = Symmetric::zeros(size);
    for (i, row) in covariance.iter().enumerate().take(size) {
        for (j, value) in row.iter().enumerate().take(i + 1) {
            *matrix.at(i, j) = *value;
        }
    }
    let factor = matrix.factor(|_| 0.0)?;
    factor.log_determinant().is_finite().then_some(factor)
}

/// xᵀ C⁻¹ x.
fn squared<const N: usize>(covariance: &Factor, x: &[f64; N]) -> f64 {
    let mut solved = *x;
    covariance.solve(&mut solved);
    dot(x, &solved)
}

fn log_density(covariance: &Factor, away: &[f64; SIZE]) -> f64 {
    -0.5 * (squared(covariance, away) + covariance.log_determinant() + SIZE as f64 * TAU.ln())
}
