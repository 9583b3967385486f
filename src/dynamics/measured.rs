//! Stars as they were measured: observables with errors, and stars drawn from them.
//!
//! A draw is the star that would have been there if the errors had been others: what was measured, plus a Gaussian deviate of its
//! covariance. Read as a probability that is the posterior for a flat prior on what was measured: on the parallax, where that is how far a star is
//! known to be. With a [`DistancePrior`] distances follow that and the parallax together.

use crate::sky::{Observables, Sun};
use rand::Rng;
use rand_distr::StandardNormal;

/// How the distance was measured, and so in what its error is Gaussian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Depth {
    /// As itself, kpc.
    Distance(f64),
    /// As a parallax, mas.
    Parallax(f64),
    /// As a distance modulus, mag.
    Modulus(f64),
}

impl Depth {
    /// The distance in kpc; none where the parallax or the distance is not positive.
    pub fn distance(self) -> Option<f64> {
        let distance = match self {
            Self::Distance(distance) => distance,
            Self::Parallax(parallax) => 1.0 / parallax,
            Self::Modulus(modulus) => 10.0_f64.powf(0.2 * modulus - 2.0),
        };
        (distance > 0.0 && distance.is_finite()).then_some(distance)
    }

    fn moved(self, by: f64) -> Self {
        match self {
            Self::Distance(value) => Self::Distance(value + by),
            Self::Parallax(value) => Self::Parallax(value + by),
            Self::Modulus(value) => Self::Modulus(value + by),
        }
    }
}

/// Pairs of the five quantities of [`Covariance`], in the order of Gaia's correlations.
pub const PAIRS: [(usize, usize); 10] = [
    (0, 1),
    (0, 2),
    (0, 3),
    (0, 4),
    (1, 2),
    (1, 3),
    (1, 4),
    (2, 3),
    (2, 4),
    (3, 4),
];

/// Standard deviations and correlations of two directions on the sky, the depth, and the two proper motions along these directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Covariance {
    /// Standard deviations, each in the unit of its quantity: degrees on the sky (the first times the cosine of the latitude), the unit of the
    /// depth, mas/yr.
    pub deviations: [f64; 5],
    /// Correlations of [`PAIRS`].
    pub correlations: [f64; 10],
}

/// The correlations are of no covariance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its correlations contradict each other")]
pub struct NoCovariance;

/// A pivot that is negative by less than this is rounding: Gaia's correlations have 7 digits.
const ROUNDING: f64 = 1e-5;

impl Covariance {
    /// The covariance of two directions turned by `rotation`, whose rows are the new directions in terms of the old ones.
    pub fn turned(&self, rotation: [[f64; 2]; 2]) -> Self {
        let [[a, b], [c, d]] = rotation;
        let turn = [
            [a, b, 0.0, 0.0, 0.0],
            [c, d, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, a, b],
            [0.0, 0.0, 0.0, c, d],
        ];
        let old = self.matrix();
        let half = turn.map(|row| [0, 1, 2, 3, 4].map(|k| (0..5).map(|j| row[j] * old[j][k]).sum::<f64>()));
        let new = half.map(|row| turn.map(|other| (0..5).map(|k| row[k] * other[k]).sum::<f64>()));
        let deviations = [0, 1, 2, 3, 4].map(|i| new[i][i].max(0.0).sqrt());
        let correlation = |(i, j): (usize, usize)| {
            let scale = deviations[i] * deviations[j];
            if scale > 0.0 {
                (new[i][j] / scale).clamp(-1.0, 1.0)
            } else {
                0.0
            }
        };
        Self {
            deviations,
            correlations: PAIRS.map(correlation),
        }
    }

    fn matrix(&self) -> [[f64; 5]; 5] {
        let correlations = self.correlation_matrix();
        let sd = self.deviations;
        [0, 1, 2, 3, 4].map(|i| [0, 1, 2, 3, 4].map(|j| correlations[i][j] * sd[i] * sd[j]))
    }

    fn correlation_matrix(&self) -> [[f64; 5]; 5] {
        let mut matrix = [[0.0; 5]; 5];
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] = 1.0;
        }
        for ((i, j), correlation) in PAIRS.into_iter().zip(self.correlations) {
            matrix[i][j] = correlation;
            matrix[j][i] = correlation;
        }
        matrix
    }

    /// L of correlations = L Lᵀ, lower triangular. The depth comes first, so that it depends on the first deviate alone.
    fn factor(&self) -> Result<[[f64; 5]; 5], NoCovariance> {
        let matrix = self.correlation_matrix();
        let mut factor = [[0.0; 5]; 5];
        for i in 0..5 {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
                let rest = matrix[DEPTH_FIRST[i]][DEPTH_FIRST[j]] - sum;
                if i == j {
                    if rest < -ROUNDING || rest.is_nan() {
                        return Err(NoCovariance);
                    }
                    factor[i][i] = rest.max(0.0).sqrt();
                } else if factor[j][j] > ROUNDING {
                    factor[i][j] = rest / factor[j][j];
                } else if rest.abs() > ROUNDING.sqrt() {
                    return Err(NoCovariance);
                }
            }
        }
        Ok(factor)
    }
}

/// The order in which deviates are made.
const DEPTH_FIRST: [usize; 5] = [2, 0, 1, 3, 4];

/// A star that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Galactic longitude, degrees.
    pub l: f64,
    /// Galactic latitude, degrees.
    pub b: f64,
    /// How far it is.
    pub depth: Depth,
    /// Proper motion μ_ℓ cos b, mas/yr.
    pub mu_l_cosb: f64,
    /// Proper motion μ_b, mas/yr.
    pub mu_b: f64,
    /// Line-of-sight velocity, km/s, where that was measured.
    pub v_los: Option<f64>,
    /// Errors of ℓ cos b, b, the depth, μ_ℓ cos b and μ_b.
    pub covariance: Covariance,
    /// Standard deviation of `v_los`, km/s.
    pub v_los_error: f64,
}

/// A density of stars that falls off from the Sun: p(d) ∝ d² exp(−d/L).
///
/// **Source**: Bailer-Jones (2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistancePrior {
    /// L, kpc.
    pub scale: f64,
}

/// A Gaussian of mean zero for line-of-sight velocities that were not measured, in the Galaxy's rest frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VelocityPrior {
    /// Its standard deviation, km/s.
    pub deviation: f64,
}

/// What stars are drawn by, besides what was measured of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Priors {
    /// Of distances, where parallaxes were measured.
    pub distance: Option<DistancePrior>,
    /// Of line-of-sight velocities that were not measured.
    pub v_los: Option<VelocityPrior>,
}

/// Why no star can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDraws {
    /// See [`NoCovariance`].
    #[error(transparent)]
    NoCovariance(#[from] NoCovariance),
    /// Without a prior.
    #[error("it has no v_los, and no prior says what it may be")]
    NoVelocity,
}

/// Draws stars that may have been there.
#[derive(Debug)]
pub struct Draws<'a> {
    star: &'a Measured,
    sun: &'a Sun,
    factor: [[f64; 5]; 5],
    distances: Option<DistancePosterior>,
    v_los: Option<VelocityPrior>,
}

impl Measured {
    /// Observables that are known without errors.
    pub fn exact(seen: &Observables) -> Self {
        Self {
            l: seen.l,
            b: seen.b,
            depth: Depth::Distance(seen.distance),
            mu_l_cosb: seen.mu_l_cosb,
            mu_b: seen.mu_b,
            v_los: Some(seen.v_los),
            covariance: Covariance::default(),
            v_los_error: 0.0,
        }
    }

    /// What was measured itself; none where something was not, or where the distance is not positive.
    pub fn observables(&self) -> Option<Observables> {
        Some(Observables {
            distance: self.depth.distance()?,
            l: self.l,
            b: self.b,
            v_los: self.v_los?,
            mu_l_cosb: self.mu_l_cosb,
            mu_b: self.mu_b,
        })
    }

    /// What was measured, at rest along the line of sight in the Galaxy's frame where v_los was not; none where the distance is not positive.
    pub fn nominal(&self, sun: &Sun) -> Option<Observables> {
        let with = |v_los| Self {
            v_los: Some(v_los),
            ..*self
        };
        match self.v_los {
            Some(_) => self.observables(),
            None => {
                let seen = with(0.0).observables()?;
                with(-along_sight(sun, &seen)).observables()
            }
        }
    }

    /// Draws of this star.
    pub fn draws<'a>(&'a self, sun: &'a Sun, priors: &Priors) -> Result<Draws<'a>, NoDraws> {
        if self.v_los.is_none() && priors.v_los.is_none() {
            return Err(NoDraws::NoVelocity);
        }
        let distances = match (self.depth, priors.distance) {
            (Depth::Parallax(parallax), Some(prior)) => {
                DistancePosterior::new(parallax, self.covariance.deviations[2], prior)
            }
            _ => None,
        };
        Ok(Draws {
            star: self,
            sun,
            factor: self.covariance.factor()?,
            distances,
            v_los: priors.v_los,
        })
    }
}

impl Draws<'_> {
    /// One star; none where its distance would not be positive. Takes the same number of random numbers in any case.
    pub fn draw<R: Rng + ?Sized>(&self, random: &mut R) -> Option<Observables> {
        let uniform: f64 = random.random();
        let mut normals: [f64; 6] = [0; 6].map(|_| random.sample(StandardNormal));
        // What the parallax is off by, if its distance is drawn with a prior, says where the other deviates are drawn around.
        let drawn = self.distances.as_ref().map(|posterior| posterior.quantile(uniform));
        if let (Some(distance), Depth::Parallax(parallax)) = (drawn, self.star.depth) {
            normals[0] = (1.0 / distance - parallax) / self.star.covariance.deviations[2];
        }
        self.off_by(&normals, drawn)
    }

    /// The star if it is off by these standard normal deviates, of the depth first and of `v_los` last: what was measured itself for zeros. None
    /// where its distance would not be positive. Priors of distances are not asked.
    pub fn at(&self, deviates: &[f64; 6]) -> Option<Observables> {
        self.off_by(deviates, None)
    }

    fn off_by(&self, normals: &[f64; 6], distance: Option<f64>) -> Option<Observables> {
        let Measured {
            l,
            b,
            depth,
            mu_l_cosb,
            mu_b,
            v_los,
            ..
        } = *self.star;
        let sd = self.star.covariance.deviations;
        let mut off = [0.0; 5];
        for (place, row) in DEPTH_FIRST.into_iter().zip(&self.factor) {
            off[place] = sd[place] * row.iter().zip(normals).map(|(a, b)| a * b).sum::<f64>();
        }
        let distance = distance.or_else(|| depth.moved(off[2]).distance())?;
        let (l, b) = moved(l, b, off[0], off[1]);
        let mut seen = Observables {
            distance,
            l,
            b,
            v_los: 0.0,
            mu_l_cosb: mu_l_cosb + off[3],
            mu_b: mu_b + off[4],
        };
        seen.v_los = match (v_los, self.v_los) {
            (Some(v_los), _) => v_los + self.star.v_los_error * normals[5],
            (None, Some(prior)) => prior.deviation * normals[5] - along_sight(self.sun, &seen),
            (None, None) => return None,
        };
        Some(seen)
    }
}

/// The Sun's own velocity along the line of sight to a star, km/s: what is added to v_los to have it in the Galaxy's rest frame.
fn along_sight(sun: &Sun, seen: &Observables) -> f64 {
    let (sin_l, cos_l) = seen.l.to_radians().sin_cos();
    let (sin_b, cos_b) = seen.b.to_radians().sin_cos();
    sun.u * cos_l * cos_b + (sun.v + sun.v_lsr) * sin_l * cos_b + sun.w * sin_b
}

/// A direction moved on the sky by `along` in longitude times cos b and `up` in latitude, degrees: along the great circle that begins so.
pub fn moved(l: f64, b: f64, along: f64, up: f64) -> (f64, f64) {
    let angle = along.hypot(up).to_radians();
    if angle == 0.0 {
        return (l, b);
    }
    let (east, north) = (along.to_radians() / angle, up.to_radians() / angle);
    let (sin_b, cos_b) = b.to_radians().sin_cos();
    let (sin_a, cos_a) = angle.sin_cos();
    // In the axes of the sight, east and north: components in the plane of the meridian, across it, and upwards.
    let out = cos_a * cos_b - sin_a * north * sin_b;
    let across = sin_a * east;
    let height = cos_a * sin_b + sin_a * north * cos_b;
    let turn = across.atan2(out).to_degrees();
    (
        (l + turn).rem_euclid(360.0),
        height.atan2(out.hypot(across)).to_degrees(),
    )
}

/// Distances that a parallax and a prior allow, as the inverse of their cumulated probability.
#[derive(Debug)]
struct DistancePosterior {
    distances: Vec<f64>,
    cumulated: Vec<f64>,
}

/// Places at which it is known, and how many standard deviations of the parallax they reach.
const PLACES: usize = 512;
const REACH: f64 = 8.0;

impl DistancePosterior {
    /// None where the parallax is exact.
    fn new(parallax: f64, error: f64, prior: DistancePrior) -> Option<Self> {
        if error.is_nan() || error <= 0.0 {
            return None;
        }
        let nearest = 1.0 / (parallax + REACH * error).max(REACH.recip() * error);
        let farthest = parallax - REACH * error;
        let farthest = if farthest > 0.0 {
            1.0 / farthest
        } else {
            (40.0 * prior.scale).max(10.0 * nearest)
        };
        let step = (farthest / nearest).ln() / (PLACES - 1) as f64;
        let distances: Vec<f64> = (0..PLACES).map(|n| nearest * (step * n as f64).exp()).collect();
        // In ln d: a factor d more.
        let log_density = |&d: &f64| {
            let off = (1.0 / d - parallax) / error;
            3.0 * d.ln() - d / prior.scale - 0.5 * off * off
        };
        let logs: Vec<f64> = distances.iter().map(log_density).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut cumulated = vec![0.0; PLACES];
        for n in 1..PLACES {
            cumulated[n] = cumulated[n - 1] + 0.5 * ((logs[n - 1] - most).exp() + (logs[n] - most).exp());
        }
        let all = cumulated[PLACES - 1];
        (all > 0.0 && all.is_finite()).then(|| {
            cumulated.iter_mut().for_each(|sum| *sum /= all);
            Self { distances, cumulated }
        })
    }

    fn quantile(&self, fraction: f64) -> f64 {
        let next = self
            .cumulated
            .partition_point(|&sum| sum <= fraction)
            .clamp(1, PLACES - 1);
        let (low, high) = (self.cumulated[next - 1], self.cumulated[next]);
        let t = if high > low {
            (fraction - low) / (high - low)
        } else {
            0.5
        };
        let (near, far) = (self.distances[next - 1], self.distances[next]);
        near * (far / near).powf(t.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::icrs::Equatorial;
    use crate::sample;

    fn star() -> Measured {
        Measured {
            l: 359.999,
            b: -60.0,
            depth: Depth::Parallax(0.5),
            mu_l_cosb: 3.0,
            mu_b: -4.0,
            v_los: Some(50.0),
            covariance: Covariance {
                deviations: [2e-3, 1e-3, 0.02, 0.03, 0.04],
                correlations: [0.1, -0.2, 0.3, -0.1, 0.2, 0.1, 0.4, -0.5, 0.3, 0.2],
            },
            v_los_error: 2.0,
        }
    }

    /// What draws differ by from the star: along longitude times cos b, in latitude, in depth, in proper motions, in v_los.
    fn deviates(star: &Measured, priors: &Priors, count: usize) -> Vec<[f64; 6]> {
        let sun = Sun::default();
        let draws = star.draws(&sun, priors).unwrap();
        let mut random = sample::generator(3, 0);
        let one = |seen: Observables| {
            let turn = crate::units::wrap_difference((seen.l - star.l).to_radians()).to_degrees();
            [
                turn * star.b.to_radians().cos(),
                seen.b - star.b,
                1.0 / seen.distance - 0.5,
                seen.mu_l_cosb - star.mu_l_cosb,
                seen.mu_b - star.mu_b,
                seen.v_los - 50.0,
            ]
        };
        (0..count).filter_map(|_| draws.draw(&mut random).map(one)).collect()
    }

    fn moments(rows: &[[f64; 6]]) -> ([f64; 6], [[f64; 6]; 6]) {
        let count = rows.len() as f64;
        let six = [0, 1, 2, 3, 4, 5];
        let mean = six.map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count);
        let product = |i: usize, j: usize| {
            rows.iter()
                .map(|row| (row[i] - mean[i]) * (row[j] - mean[j]))
                .sum::<f64>()
        };
        (mean, six.map(|i| six.map(|j| product(i, j) / count)))
    }

    #[test]
    fn draws_have_the_covariance_of_the_errors() {
        let star = star();
        let rows = deviates(&star, &Priors::default(), 40_000);
        assert_eq!(rows.len(), 40_000);
        let (mean, covariance) = moments(&rows);
        let sd: Vec<f64> = star.covariance.deviations.into_iter().chain([2.0]).collect();
        for i in 0..6 {
            // Of 40 000 draws: 5 standard errors.
            assert!(mean[i].abs() < 5.0 / 200.0 * sd[i], "{i}: {mean:?}");
            assert!((covariance[i][i].sqrt() / sd[i] - 1.0).abs() < 5.0 / 283.0, "{i}");
        }
        for ((i, j), expected) in PAIRS.into_iter().zip(star.covariance.correlations) {
            let found = covariance[i][j] / (sd[i] * sd[j]);
            assert!((found - expected).abs() < 0.03, "{i} {j}: {found} for {expected}");
        }
    }

    #[test]
    fn turned_errors_are_those_of_turned_stars() {
        let equatorial = Equatorial {
            ra: 200.0,
            dec: -35.0,
            mu_ra_cosdec: 1.0,
            mu_dec: 0.0,
        };
        let rotation = equatorial.rotation();
        let turned = star().covariance.turned(rotation);
        // Back by the transpose.
        let [[a, b], [c, d]] = rotation;
        assert!((a * d - b * c - 1.0).abs() < 1e-14);
        let back = turned.turned([[a, c], [b, d]]);
        let all = |of: &Covariance| of.deviations.into_iter().chain(of.correlations).collect::<Vec<f64>>();
        for (found, expected) in all(&back).into_iter().zip(all(&star().covariance)) {
            assert!((found - expected).abs() < 1e-14);
        }
        // The variance of a proper motion along the direction of 1, 0.
        let found = equatorial.to_galactic();
        let along = [found.mu_l_cosb, found.mu_b];
        let matrix = turned.matrix();
        let variance = (0..2)
            .map(|i| (0..2).map(|j| along[i] * along[j] * matrix[3 + i][3 + j]).sum::<f64>())
            .sum::<f64>();
        assert!((variance - 9e-4).abs() < 1e-15);
    }

    #[test]
    fn contradictory_correlations_are_refused() {
        let mut star = star();
        star.covariance.correlations = [0.9, 0.9, 0.0, 0.0, -0.9, 0.0, 0.0, 0.0, 0.0, 0.0];
        let sun = Sun::default();
        assert_eq!(
            star.draws(&sun, &Priors::default()).err(),
            Some(NoDraws::NoCovariance(NoCovariance))
        );
        // Those of one quantity with itself, rounded, are not.
        star.covariance.correlations = [0.999_999_9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert!(star.draws(&sun, &Priors::default()).is_ok());
    }

    #[test]
    fn distances_follow_parallax_and_prior() {
        // Quadrature of d^n d² exp(−d/L) N(ϖ; 1/d, σ), and the means of draws.
        for (parallax, error, scale) in [
            (0.5, 0.02, 1.35),
            (0.5, 0.2, 1.35),
            (-0.1, 0.2, 0.5),
            (0.01, 0.001, 20.0),
        ] {
            let posterior = DistancePosterior::new(parallax, error, DistancePrior { scale }).unwrap();
            let count = 20_000;
            let drawn = (0..count).map(|n| posterior.quantile((f64::from(n) + 0.5) / f64::from(count)));
            let mean = drawn.sum::<f64>() / f64::from(count);
            let (mut sum, mut weight) = (0.0, 0.0);
            let farthest = if parallax > REACH * error {
                1.0 / (parallax - REACH * error)
            } else {
                60.0 * scale
            };
            for n in 0..400_000 {
                let d = farthest * (f64::from(n) + 0.5) / 400_000.0;
                let off = (1.0 / d - parallax) / error;
                let density = d * d * (-d / scale - 0.5 * off * off).exp();
                sum += d * density;
                weight += density;
            }
            assert!(
                (mean / (sum / weight) - 1.0).abs() < 2e-3,
                "{parallax}: {mean} for {}",
                sum / weight
            );
        }
    }

    #[test]
    fn velocities_that_were_not_measured_are_of_the_rest_frame() {
        let star = Measured { v_los: None, ..star() };
        let sun = Sun::default();
        assert_eq!(star.draws(&sun, &Priors::default()).err(), Some(NoDraws::NoVelocity));
        let priors = Priors {
            v_los: Some(VelocityPrior { deviation: 100.0 }),
            ..Priors::default()
        };
        let draws = star.draws(&sun, &priors).unwrap();
        let mut random = sample::generator(4, 0);
        let rest = |seen: Observables| {
            let place = sun.locate(&seen);
            let from_sun = [0, 1, 2].map(|i| place.x[i] - sun.position()[i]);
            crate::vector::dot(from_sun, place.v) / seen.distance
        };
        let speeds: Vec<f64> = (0..10_000).filter_map(|_| draws.draw(&mut random).map(rest)).collect();
        let mean = speeds.iter().sum::<f64>() / 1e4;
        let square = speeds.iter().map(|v| v * v).sum::<f64>() / 1e4;
        assert!(
            mean.abs() < 5.0 && (square.sqrt() / 100.0 - 1.0).abs() < 0.04,
            "{mean} {square}"
        );
    }

    #[test]
    fn moves_on_the_sky_go_over_the_poles() {
        let (l, b) = moved(10.0, 89.0, 0.0, 2.0);
        assert!((l - 190.0).abs() < 1e-9 && (b - 89.0).abs() < 1e-9, "{l} {b}");
        let (l, b) = moved(359.0, 0.0, 2.0, 0.0);
        assert!((l - 1.0).abs() < 1e-12 && b.abs() < 1e-12);
        let (l, b) = moved(40.0, 60.0, 1e-6, 2e-6);
        assert!((l - 40.0 - 2e-6).abs() < 1e-12 && (b - 60.0 - 2e-6).abs() < 1e-12);
        assert_eq!(moved(40.0, 60.0, 0.0, 0.0), (40.0, 60.0));
    }
}
