//! The track of a stream: the progenitor's orbit on the sky, and the local mean of particles about it.

use super::frame::OBSERVED;
use crate::vector::solve3;

/// A particle: φ1 with the observables, as they are or relative to a [`Curve`].
pub(crate) type Particle = (f64, [f64; OBSERVED]);

/// Observables along an orbit as a function of φ1, as far as that runs one way; beyond it as they are at its end.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// In order of φ1.
    nodes: Vec<Particle>,
}

impl Curve {
    /// The part of an orbit about its point `middle` along which φ1 runs one way, for less than half a turn to either side.
    pub fn new(points: &[Particle], middle: usize) -> Option<Self> {
        use crate::units::wrap_difference;
        use std::f64::consts::PI;
        let sense = wrap_difference(points.get(middle + 1)?.0 - points.get(middle)?.0).signum();
        let walk = |rest: &mut dyn Iterator<Item = &Particle>, sense: f64| {
            let mut last = points[middle].0;
            let mut nodes = Vec::new();
            for &(along, values) in rest {
                let step = sense * wrap_difference(along - last);
                let next = last + sense * step;
                if step <= 1e-9 || next.abs() > PI {
                    break;
                }
                nodes.push((next, values));
                last = next;
            }
            nodes
        };
        let mut nodes = walk(&mut points[..middle].iter().rev(), -sense);
        nodes.reverse();
        nodes.push(points[middle]);
        nodes.extend(walk(&mut points[middle + 1..].iter(), sense));
        if sense < 0.0 {
            nodes.reverse();
        }
        (nodes.len() > 1).then_some(Self { nodes })
    }

    /// Cubic through the nodes, with the slopes of parabolas through three of them.
    pub fn at(&self, along: f64) -> [f64; OBSERVED] {
        let last = self.nodes.len() - 1;
        if along <= self.nodes[0].0 {
            return self.nodes[0].1;
        }
        if along >= self.nodes[last].0 {
            return self.nodes[last].1;
        }
        let right = self.nodes.partition_point(|node| node.0 <= along).clamp(1, last);
        let (low, high) = (&self.nodes[right - 1], &self.nodes[right]);
        let width = high.0 - low.0;
        let t = (along - low.0) / width;
        let secant = |i: usize, k: usize| {
            (self.nodes[i + 1].1[k] - self.nodes[i].1[k]) / (self.nodes[i + 1].0 - self.nodes[i].0)
        };
        let slope = |i: usize, k: usize| {
            if i == 0 {
                return secant(0, k);
            }
            if i == last {
                return secant(last - 1, k);
            }
            let (before, after) = (
                self.nodes[i].0 - self.nodes[i - 1].0,
                self.nodes[i + 1].0 - self.nodes[i].0,
            );
            (after * secant(i - 1, k) + before * secant(i, k)) / (before + after)
        };
        std::array::from_fn(|k| {
            let (from, to) = (width * slope(right - 1, k), width * slope(right, k));
            let rest = 1.0 - t;
            low.1[k] * rest * rest * (1.0 + 2.0 * t)
                + high.1[k] * t * t * (3.0 - 2.0 * t)
                + t * rest * (from * rest - to * t)
        })
    }

    /// A particle relative to it.
    pub fn relative(&self, (along, values): Particle) -> Particle {
        let here = self.at(along);
        (along, std::array::from_fn(|k| values[k] - here[k]))
    }
}

/// A stream as it is seen in a trial galaxy.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Its progenitor's orbit.
    pub orbit: Curve,
    /// Its particles relative to that; none where the orbit stands for the stream.
    pub particles: Vec<Particle>,
}

impl Made {
    /// The observables of the track at φ1 = `along` near φ2 = `latitude`: the orbit's, and what [`local_mean`] makes of the particles about it,
    /// which vary slowly where the orbit itself turns fast on the sky.
    pub fn track(&self, along: f64, latitude: f64, width: f64) -> Option<[f64; OBSERVED]> {
        let orbit = self.orbit.at(along);
        if self.particles.is_empty() {
            return Some(orbit);
        }
        let mean = local_mean(&self.particles, along, latitude - orbit[0], width)?;
        Some(std::array::from_fn(|k| orbit[k] + mean[k]))
    }
}

/// Half-width in φ2 of what belongs to a star's part of the stream, rad: three times 0.12.
const LATITUDE: f64 = 0.36;

/// Weight of the three times wider window, which matters where the narrow one is empty.
const FALLBACK: f64 = 2e-3;

/// (1 − u²)³ within |u| < 1, whose standard deviation is a third.
#[inline(always)]
fn window(u: f64) -> f64 {
    let rest = (1.0 - u * u).max(0.0);
    rest * rest * rest
}

/// The observables of the mean track at φ1 = `along`, by quadratic regression of `particles` in a window of standard deviation `width`
/// around it and around φ2 = `latitude`; none where there are no particles.
///
/// **Source**: Cleveland & Devlin (1988).
pub(crate) fn local_mean(particles: &[Particle], along: f64, latitude: f64, width: f64) -> Option<[f64; OBSERVED]> {
    let inverse = 1.0 / (3.0 * width);
    let mut moments = [0.0; 5];
    let mut sums = [[0.0; 3]; OBSERVED];
    for (place, values) in particles {
        let t = (place - along) * inverse;
        if t.abs() >= 3.0 {
            continue;
        }
        let weight = (window(t) + FALLBACK * window(t / 3.0)) * window((values[0] - latitude) / LATITUDE);
        if weight == 0.0 {
            continue;
        }
        let powers = [weight, weight * t, weight * t * t];
        moments[0] += powers[0];
        moments[1] += powers[1];
        moments[2] += powers[2];
        moments[3] += powers[2] * t;
        moments[4] += powers[2] * t * t;
        for (sum, value) in sums.iter_mut().zip(values) {
            sum[0] += powers[0] * value;
            sum[1] += powers[1] * value;
            sum[2] += powers[2] * value;
        }
    }
    // Where few particles are left, a line or their mean.
    let ridge = 1e-4 * moments[0] + 1e-9;
    let [m0, m1, m2, m3, m4] = moments;
    let rows = [[m0, m1, m2], [m1, m2 + ridge, m3], [m2, m3, m4 + ridge]];
    if m0 < 1e-9 {
        return None;
    }
    let mut track = [0.0; OBSERVED];
    for (value, sum) in track.iter_mut().zip(sums) {
        *value = solve3(rows, sum)?[0];
    }
    track.iter().all(|value| value.is_finite()).then_some(track)
}

/// Least standard deviations of a stream about its track: φ2, ln d, v_los, μ1, μ2.
const FLOOR: [f64; OBSERVED] = [5e-4, 1e-3, 0.2, 2e-3, 2e-3];

/// Particles that bound a regression's own freedom: the scatter about a track that they made is this part of theirs.
const OWN_SHARE: f64 = 1.15;

/// The covariance floor of an orbit, `factor` times the usual one.
pub(crate) fn floor(factor: f64) -> [[f64; OBSERVED]; OBSERVED] {
    let mut covariance = [[0.0; OBSERVED]; OBSERVED];
    for (k, least) in FLOOR.iter().enumerate() {
        covariance[k][k] = factor * least * least;
    }
    covariance
}

/// Covariance of the particles within `range` of φ1 about their own track, without those beyond four median deviations.
pub(crate) fn scatter(particles: &[Particle], range: (f64, f64), width: f64) -> Option<[[f64; OBSERVED]; OBSERVED]> {
    let residuals: Vec<[f64; OBSERVED]> = particles
        .iter()
        .filter(|(along, _)| (range.0..=range.1).contains(along))
        .filter_map(|(along, values)| {
            let track = local_mean(particles, *along, values[0], width)?;
            Some(std::array::from_fn(|k| values[k] - track[k]))
        })
        .collect();
    if residuals.len() < 10 {
        return None;
    }
    let deviation = |k: usize| {
        let of = residuals.iter().map(|residual| residual[k].abs()).collect();
        1.4826 * crate::statistics::median(of).unwrap_or(0.0)
    };
    let limits: [f64; OBSERVED] = std::array::from_fn(|k| 4.0 * deviation(k));
    let mut covariance = [[0.0; OBSERVED]; OBSERVED];
    let mut count = 0.0;
    for residual in &residuals {
        if (0..OBSERVED).all(|k| residual[k].abs() <= limits[k]) {
            count += 1.0;
            for (row, one) in covariance.iter_mut().zip(residual) {
                for (sum, other) in row.iter_mut().zip(residual) {
                    *sum += one * other;
                }
            }
        }
    }
    if count < 8.0 {
        return None;
    }
    let least = floor(1.0);
    for (row, least) in covariance.iter_mut().zip(least) {
        for (sum, least) in row.iter_mut().zip(least) {
            *sum = *sum * OWN_SHARE / count + least;
        }
    }
    Some(covariance)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::generator;
    use rand::Rng;
    use rand_distr::StandardNormal;

    fn particles(noise: f64) -> Vec<Particle> {
        let mut random = generator(1, 0);
        (0..600)
            .map(|i| {
                let along = -1.0 + f64::from(i) / 300.0;
                let curve = [
                    0.1 * along * along,
                    3.0 + 0.2 * along,
                    50.0 * along,
                    1.0,
                    -along * along,
                ];
                (
                    along,
                    curve.map(|value| value + noise * random.sample::<f64, _>(StandardNormal)),
                )
            })
            .collect()
    }

    #[test]
    fn a_curve_follows_its_orbit_as_far_as_it_runs_one_way() {
        // φ1 turns back at 1.2 on one side and goes on to half a turn on the other.
        let place = |t: f64| if t > 0.0 { 1.2 * (t / 1.2).sin() } else { t };
        let values = |along: f64| [along.sin(), along * along, 1.0, along.exp(), -along];
        for sense in [1.0, -1.0] {
            let points: Vec<Particle> = (-400..400)
                .map(|i| {
                    (
                        place(sense * f64::from(i) * 0.01),
                        values(place(sense * f64::from(i) * 0.01)),
                    )
                })
                .collect();
            let curve = Curve::new(&points, 400).unwrap();
            for along in [-3.1, -1.003, 0.0, 0.7777, 1.19] {
                let (found, expected) = (curve.at(along), values(along));
                assert!(
                    (0..OBSERVED).all(|k| (found[k] - expected[k]).abs() < 2e-6),
                    "{along}: {found:?}"
                );
            }
            assert!((curve.at(1.5)[4] + 1.2).abs() < 1e-3);
            let made = Made {
                orbit: curve,
                particles: particles(0.0),
            };
            let track = made.track(0.3, 0.3_f64.sin(), 0.1).unwrap();
            assert!(
                (track[2] - 16.0).abs() < 1e-2 && (track[4] + 0.39).abs() < 1e-2,
                "{track:?}"
            );
        }
    }

    #[test]
    fn quadratics_are_reproduced() {
        let particles = particles(0.0);
        for along in [-0.6, 0.0, 0.31] {
            let track = local_mean(&particles, along, 0.1 * along * along, 0.1).unwrap();
            let expected = [
                0.1 * along * along,
                3.0 + 0.2 * along,
                50.0 * along,
                1.0,
                -along * along,
            ];
            for k in 0..OBSERVED {
                // The ridge, and the fallback's wider window where the particles end.
                assert!((track[k] - expected[k]).abs() < 1e-3, "{k} at {along}: {track:?}");
            }
        }
        assert_eq!(local_mean(&particles, 4.0, 0.0, 0.1), None);
    }

    #[test]
    fn the_scatter_is_that_of_the_particles() {
        let covariance = scatter(&particles(0.05), (-0.8, 0.8), 0.1).unwrap();
        for (k, row) in covariance.iter().enumerate() {
            let ratio = (row[k] - floor(1.0)[k][k]).sqrt() / 0.05;
            // Four standard errors of a standard deviation from 480 particles.
            assert!((ratio - 1.0).abs() < 0.13, "{k}: {ratio}");
        }
    }
}
