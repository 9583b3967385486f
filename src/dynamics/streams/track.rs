//! The track of a stream: the local mean of its particles about the progenitor's orbit, as the centre of the galaxy sees them.

use super::frame::OBSERVED;
use crate::phase_space::PhaseSpace;
use crate::statistics::median;
use crate::vector::{cross, dot, norm, scaled, solve3};

/// ψ with R, z, v_R, v_ψ, v_z in a [`Plane`], as they are or relative to a [`Curve`].
pub(crate) type Particle = (f64, [f64; OBSERVED]);

pub(crate) type Square = [[f64; OBSERVED]; OBSERVED];

/// Angles along the orbit between which the stars of a stream are.
pub(crate) type Range = (f64, f64);

/// The plane of an orbit at one of its points, where cylindrical coordinates have their zero of ψ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    axes: [[f64; 3]; 3],
}

impl Plane {
    pub fn new(point: &PhaseSpace) -> Self {
        let unit = |a: [f64; 3]| scaled(a, 1.0 / norm(a));
        let first = unit(point.x);
        let momentum = point.angular_momentum();
        // A radial orbit has any plane.
        let pole = if norm(momentum) > 1e-9 * norm(point.x) * norm(point.v) {
            unit(momentum)
        } else {
            unit(cross(first, [first[1], first[2] + 1.0, -first[0]]))
        };
        Self {
            axes: [first, cross(pole, first), pole],
        }
    }

    pub fn coordinates(&self, star: &PhaseSpace) -> Particle {
        let [x, y, z] = self.axes.map(|axis| dot(axis, star.x));
        let [u, v, w] = self.axes.map(|axis| dot(axis, star.v));
        let radius = (x * x + y * y).sqrt().max(1e-12);
        (
            y.atan2(x),
            [radius, z, (x * u + y * v) / radius, (x * v - y * u) / radius, w],
        )
    }

    /// The inverse of [`Self::coordinates`].
    pub fn point(&self, angle: f64, [radius, z, outwards, along, w]: [f64; OBSERVED]) -> PhaseSpace {
        let (sin, cos) = angle.sin_cos();
        let of =
            |[a, b, c]: [f64; 3]| [0, 1, 2].map(|k| a * self.axes[0][k] + b * self.axes[1][k] + c * self.axes[2][k]);
        PhaseSpace {
            x: of([radius * cos, radius * sin, z]),
            v: of([outwards * cos - along * sin, outwards * sin + along * cos, w]),
        }
    }
}

/// Coordinates along an orbit as a function of ψ, as far as that runs one way; beyond it as they are at its end.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// In order of ψ.
    nodes: Vec<Particle>,
}

impl Curve {
    /// The part of an orbit about its point `middle` along which ψ runs one way, for less than half a turn to either side.
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

    /// A curve through these points, in order of ψ; none through fewer than four.
    pub fn through(nodes: Vec<Particle>) -> Option<Self> {
        (nodes.len() > 3).then_some(Self { nodes })
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

    /// ψ at both ends.
    pub fn ends(&self) -> Range {
        (self.nodes[0].0, self.nodes[self.nodes.len() - 1].0)
    }

    /// A particle relative to it.
    pub fn relative(&self, (along, values): Particle) -> Particle {
        let here = self.at(along);
        (along, std::array::from_fn(|k| values[k] - here[k]))
    }
}

/// Fewest particles that a covariance is of.
const FEWEST: usize = 25;

/// Covariance of `particles` about zero near ψ = `angle`, without those beyond four median deviations; none where there are too few.
pub(crate) fn covariance(particles: &[Particle], angle: f64, width: f64) -> Option<Square> {
    let near = |width: f64| {
        let of = particles
            .iter()
            .map(|(place, values)| (window((place - angle) / (3.0 * width)), values));
        of.filter(|(weight, _)| *weight > 0.0).collect::<Vec<_>>()
    };
    let chosen = [1.0, 2.0, 4.0]
        .into_iter()
        .map(|times| near(times * width))
        .find(|chosen| chosen.len() >= FEWEST)?;
    let limits: [f64; OBSERVED] = std::array::from_fn(|k| {
        let of = chosen.iter().map(|(_, values)| values[k].abs()).collect();
        4.0 * 1.4826 * median(of).unwrap_or(0.0)
    });
    let mut sums = [[0.0; OBSERVED]; OBSERVED];
    let mut total = 0.0;
    for (weight, values) in &chosen {
        if (0..OBSERVED).all(|k| values[k].abs() <= limits[k]) {
            total += weight;
            for (row, one) in sums.iter_mut().zip(*values) {
                for (sum, other) in row.iter_mut().zip(*values) {
                    *sum += weight * one * other;
                }
            }
        }
    }
    (total > 0.0).then(|| sums.map(|row| row.map(|sum| sum / total)))
}

/// Weight of the three times wider window, which matters where the narrow one is empty.
const FALLBACK: f64 = 2e-3;

/// (1 − u²)³ within |u| < 1, whose standard deviation is a third.
#[inline(always)]
fn window(u: f64) -> f64 {
    let rest = (1.0 - u * u).max(0.0);
    rest * rest * rest
}

/// The mean of `particles` at ψ = `along`, by quadratic regression in a window of standard deviation `width` around it, with its variance where that
/// of a particle is one; none where there are no particles.
///
/// **Source**: Cleveland & Devlin (1988).
pub(crate) fn local_mean(particles: &[Particle], along: f64, width: f64) -> Option<([f64; OBSERVED], f64)> {
    let inverse = 1.0 / (3.0 * width);
    let (mut moments, mut squares) = ([0.0; 5], [0.0; 5]);
    let mut sums = [[0.0; 3]; OBSERVED];
    for (place, values) in particles {
        let t = (place - along) * inverse;
        if t.abs() >= 3.0 {
            continue;
        }
        let weight = window(t) + FALLBACK * window(t / 3.0);
        let powers = [1.0, t, t * t, t * t * t, t * t * t * t].map(|power| weight * power);
        for k in 0..5 {
            moments[k] += powers[k];
            squares[k] += weight * powers[k];
        }
        for (sum, value) in sums.iter_mut().zip(values) {
            for k in 0..3 {
                sum[k] += powers[k] * value;
            }
        }
    }
    // Where few particles are left, a line or their mean.
    let ridge = 1e-4 * moments[0] + 1e-9;
    let [m0, m1, m2, m3, m4] = moments;
    if m0 < 1e-9 {
        return None;
    }
    let rows = [[m0, m1, m2], [m1, m2 + ridge, m3], [m2, m3, m4 + ridge]];
    let [a, b, c] = solve3(rows, [1.0, 0.0, 0.0])?;
    let mean = sums.map(|sum| dot(sum, [a, b, c]));
    let square = [a * a, 2.0 * a * b, b * b + 2.0 * a * c, 2.0 * b * c, c * c];
    let variance = square
        .iter()
        .zip(squares)
        .map(|(square, sum)| square * sum)
        .sum::<f64>();
    (mean.iter().all(|value| value.is_finite()) && variance.is_finite()).then_some((mean, variance))
}

/// Least standard deviations of a stream about its track: φ2, ln d, v_los, μ1, μ2.
const FLOOR: [f64; OBSERVED] = [5e-4, 1e-3, 0.2, 2e-3, 2e-3];

/// Particles that bound a regression's own freedom: the scatter about a track that they made is this part of theirs.
pub(crate) const OWN_SHARE: f64 = 1.15;

/// The covariance floor of an orbit, `factor` times the usual one.
pub(crate) fn floor(factor: f64) -> [[f64; OBSERVED]; OBSERVED] {
    let mut covariance = [[0.0; OBSERVED]; OBSERVED];
    for (k, least) in FLOOR.iter().enumerate() {
        covariance[k][k] = factor * least * least;
    }
    covariance
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::{generator, halo};
    use rand::Rng;
    use rand_distr::StandardNormal;

    fn curve(along: f64) -> [f64; OBSERVED] {
        [
            0.1 * along * along,
            3.0 + 0.2 * along,
            50.0 * along,
            1.0,
            -along * along,
        ]
    }

    fn particles(noise: f64) -> Vec<Particle> {
        let mut random = generator(1, 0);
        (0..600)
            .map(|i| {
                let along = -1.0 + f64::from(i) / 300.0;
                let noisy = |value: f64| value + noise * random.sample::<f64, _>(StandardNormal);
                (along, curve(along).map(noisy))
            })
            .collect()
    }

    #[test]
    fn coordinates_in_a_plane_are_found_again() {
        let points = halo(&mut generator(3, 0), 40);
        for pair in points.windows(2) {
            let plane = Plane::new(&pair[0]);
            let (angle, values) = plane.coordinates(&pair[0]);
            assert!(angle.abs() < 1e-12 && values[1].abs() < 1e-10 && values[3] > 0.0 && values[4].abs() < 1e-9);
            let (angle, values) = plane.coordinates(&pair[1]);
            let back = plane.point(angle, values);
            assert!(
                (0..3).all(|i| (back.x[i] - pair[1].x[i]).abs() < 1e-10 && (back.v[i] - pair[1].v[i]).abs() < 1e-9)
            );
        }
        let radial = Plane::new(&PhaseSpace::new([0.0, 8.0, 0.0], [0.0, 30.0, 0.0]));
        assert!(radial.axes.iter().all(|axis| (norm(*axis) - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_curve_follows_its_orbit_as_far_as_it_runs_one_way() {
        // ψ turns back at 1.2 on one side and goes on to half a turn on the other.
        let place = |t: f64| if t > 0.0 { 1.2 * (t / 1.2).sin() } else { t };
        let values = |along: f64| [along.sin(), along * along, 1.0, along.exp(), -along];
        for sense in [1.0, -1.0] {
            let points: Vec<Particle> = (-400..400)
                .map(|i| place(sense * f64::from(i) * 0.01))
                .map(|along| (along, values(along)))
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
        }
    }

    #[test]
    fn quadratics_are_reproduced() {
        let particles = particles(0.0);
        for along in [-0.6, 0.0, 0.31] {
            let (track, expected) = (local_mean(&particles, along, 0.1).unwrap().0, curve(along));
            for k in 0..OBSERVED {
                // The ridge, and the fallback's wider window where the particles end.
                assert!((track[k] - expected[k]).abs() < 1e-3, "{k} at {along}: {track:?}");
            }
        }
        assert_eq!(local_mean(&particles, 4.0, 0.1), None);
    }

    /// The noise of a track is that of tracks of many draws, in the middle and where the particles end.
    #[test]
    fn a_track_is_as_uncertain_as_it_says() {
        let mut random = generator(8, 0);
        for along in [0.0, 1.1] {
            let (draws, mut sum, mut said) = (400, 0.0, 0.0);
            for _ in 0..draws {
                let noise: Vec<Particle> = (0..80)
                    .map(|i| {
                        let place = -1.0 + f64::from(i) / 40.0;
                        (place, std::array::from_fn(|_| random.sample::<f64, _>(StandardNormal)))
                    })
                    .collect();
                let (mean, variance) = local_mean(&noise, along, 0.1).unwrap();
                sum += mean.iter().map(|value| value * value).sum::<f64>() / (OBSERVED * draws) as f64;
                said = variance;
            }
            // Four standard errors of a variance from 2000 numbers.
            assert!((sum / said - 1.0).abs() < 0.13, "{along}: {sum} {said}");
        }
    }

    #[test]
    fn the_covariance_is_that_of_the_particles() {
        let mut particles = particles(0.05);
        particles.iter_mut().for_each(|(along, values)| {
            let here = curve(*along);
            values.iter_mut().zip(here).for_each(|(value, here)| *value -= here);
        });
        let covariance = covariance(&particles, 0.1, 0.2).unwrap();
        for (k, row) in covariance.iter().enumerate() {
            let ratio = row[k].sqrt() / 0.05;
            // Four standard errors of a standard deviation from about 240 particles.
            assert!((ratio - 1.0).abs() < 0.18, "{k}: {ratio}");
        }
    }
}
