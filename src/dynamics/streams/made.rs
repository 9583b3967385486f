//! A stream on the sky: the curve that its track is, and how stars are spread about it.

use super::frame::{Frame, OBSERVED, SIGHT, Seen};
use super::track::{Curve, OWN_SHARE, Particle, Plane, Range, Square, covariance, floor, local_mean};
use crate::phase_space::PhaseSpace;
use crate::units::wrap_difference;
use crate::vector::{cross, difference, dot, norm};

/// A point of a track on the sky.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Angle along the orbit, ψ.
    angle: f64,
    /// As [`Frame::sight`] has it.
    sight: [f64; SIGHT],
}

/// Where a track is nearest to a direction.
struct Nearest {
    angle: f64,
    /// How far the direction is from the track, to its left, rad.
    across: f64,
    sight: [f64; SIGHT],
}

/// Stripped stars about their track.
#[derive(Clone, Debug)]
struct Cloud {
    plane: Plane,
    /// The progenitor's orbit in the plane's coordinates, and the track relative to it.
    orbit: Curve,
    mean: Curve,
    /// The track: their sum.
    track: Curve,
    /// Relative to the track.
    particles: Vec<Particle>,
    /// Variance of the track where that of a particle is one, in order of ψ.
    noise: Vec<(f64, f64)>,
    width: f64,
}

/// A stream as it is seen in a trial galaxy.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    nodes: Vec<Node>,
    /// None where the orbit stands for the stream.
    cloud: Option<Cloud>,
}

/// How much wider the window of the covariance is than that of the track.
const SPREAD: f64 = 2.0;

/// Points of the mean of particles in a standard deviation of its window, and of the track on the sky for each of those.
const NODES: (f64, usize) = (4.0, 4);

/// A track is longer than its stars by so many standard deviations of its window, to each side.
const MARGIN: f64 = 2.0;

/// `count` equal parts of the angles between `low` and `high`.
fn places(low: f64, high: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..=count).map(move |i| low + (high - low) * i as f64 / count as f64)
}

fn sum(one: [f64; OBSERVED], other: [f64; OBSERVED]) -> [f64; OBSERVED] {
    std::array::from_fn(|k| one[k] + other[k])
}

/// A track in the plane's coordinates as it is seen.
fn on_the_sky(frame: &Frame, plane: &Plane, track: &[Particle]) -> Vec<Node> {
    let node = |&(angle, values): &Particle| Node {
        angle,
        sight: frame.sight(&plane.point(angle, values)),
    };
    track.iter().map(node).collect()
}

/// A direction's unit vectors of increasing φ1 and φ2.
fn tangents([x, y, z]: [f64; 3]) -> [[f64; 3]; 2] {
    let across = (x * x + y * y).sqrt().max(1e-12);
    [
        [-y / across, x / across, 0.0],
        [-x * z / across, -y * z / across, across],
    ]
}

/// The direction of a sight, and its motion.
fn direction(sight: &[f64; SIGHT]) -> [f64; 3] {
    [sight[0], sight[1], sight[2]]
}

fn motion(sight: &[f64; SIGHT]) -> [f64; 3] {
    [sight[3], sight[4], sight[5]]
}

impl Cloud {
    /// Variance of the track at the next point after ψ = `angle` that is known, where that of a particle is one.
    fn noise(&self, angle: f64) -> f64 {
        let next = self.noise.partition_point(|(place, _)| *place < angle);
        self.noise.get(next).or(self.noise.last()).map_or(0.0, |found| found.1)
    }
}

impl Made {
    /// The progenitor's orbit in place of a stream.
    pub fn of_orbit(frame: &Frame, plane: &Plane, points: &[PhaseSpace]) -> Option<Self> {
        let nodes = points.iter().map(|point| Node {
            angle: plane.coordinates(point).0,
            sight: frame.sight(point),
        });
        (points.len() > 3).then_some(Self {
            nodes: nodes.collect(),
            cloud: None,
        })
    }

    /// The local mean of `particles` relative to the progenitor's orbit, in a window of standard deviation `width`.
    pub fn of_particles(
        frame: &Frame,
        plane: Plane,
        orbit: Curve,
        particles: &[Particle],
        range: Range,
        width: f64,
    ) -> Option<Self> {
        let (first, last) = orbit.ends();
        let (low, high) = (
            (range.0 - MARGIN * width).max(first),
            (range.1 + MARGIN * width).min(last),
        );
        let coarse = (NODES.0 * (high - low) / width).ceil().max(4.0) as usize;
        let (mean, noise): (Vec<Particle>, Vec<(f64, f64)>) = (places(low, high, coarse))
            .filter_map(|angle| {
                let (mean, variance) = local_mean(particles, angle, width)?;
                Some(((angle, mean), (angle, variance)))
            })
            .unzip();
        let mean = Curve::through(mean)?;
        let track: Vec<Particle> = (places(low, high, NODES.1 * coarse))
            .map(|angle| (angle, sum(orbit.at(angle), mean.at(angle))))
            .collect();
        Some(Self {
            nodes: on_the_sky(frame, &plane, &track),
            cloud: Some(Cloud {
                plane,
                particles: particles.iter().map(|&particle| mean.relative(particle)).collect(),
                orbit,
                mean,
                track: Curve::through(track)?,
                noise,
                width,
            }),
        })
    }

    /// The track alone, as it is seen, after its stars have gone a little way `from` where they are `to` elsewhere: it moves by the local mean of
    /// how far they went across it. Most of the noise of finitely many stars is in both places, and not in the difference.
    ///
    /// With y the place across the track and ψ along it, ∂m/∂p = E[dy/dp − m' dψ/dp | ψ]; what the covariance of y and dψ/dp changes along the track,
    /// which is of the order of its width, is left out.
    pub fn moved(&self, frame: &Frame, from: &[PhaseSpace], to: &[PhaseSpace]) -> Option<Self> {
        let cloud = self.cloud.as_ref()?;
        let (first, last) = cloud.orbit.ends();
        let across = |particle: Particle| cloud.mean.relative(cloud.orbit.relative(particle)).1;
        let gone: Vec<Particle> = (from.iter().zip(to))
            .filter_map(|(from, to)| {
                let (here, there) = (cloud.plane.coordinates(from), cloud.plane.coordinates(to));
                let next = here.0 + wrap_difference(there.0 - here.0);
                let inside = |angle: f64| (first..=last).contains(&angle);
                (inside(here.0) && inside(next)).then(|| {
                    let (before, after) = (across(here), across((next, there.1)));
                    (here.0, std::array::from_fn(|k| after[k] - before[k]))
                })
            })
            .collect();
        let (low, high) = cloud.track.ends();
        let coarse = (self.nodes.len() - 1) / NODES.1;
        let change = (places(low, high, coarse))
            .filter_map(|angle| Some((angle, local_mean(&gone, angle, cloud.width)?.0)))
            .collect();
        let change = Curve::through(change)?;
        let track: Vec<Particle> = (self.nodes.iter())
            .map(|node| {
                let angle = node.angle;
                (angle, sum(cloud.track.at(angle), change.at(angle)))
            })
            .collect();
        Some(Self {
            nodes: on_the_sky(frame, &cloud.plane, &track),
            cloud: None,
        })
    }

    /// What is seen at `place`, in nodes, and its derivative: cubics through the nodes.
    fn at(&self, place: f64) -> (Node, [f64; 3]) {
        let last = self.nodes.len() - 1;
        let i = (place as usize).min(last - 1);
        let t = place - i as f64;
        let node = |k: usize| &self.nodes[k.clamp(1, last + 1) - 1];
        let (before, low, high, after) = (node(i), node(i + 1), node(i + 2), node(i + 3));
        let cubic = |a: f64, b: f64, c: f64, d: f64| {
            let (from, to) = (0.5 * (c - a), 0.5 * (d - b));
            let (second, third) = (3.0 * (c - b) - 2.0 * from - to, 2.0 * (b - c) + from + to);
            (
                b + t * (from + t * (second + t * third)),
                from + t * (2.0 * second + 3.0 * t * third),
            )
        };
        let of = |k: usize| cubic(before.sight[k], low.sight[k], high.sight[k], after.sight[k]);
        let found = Node {
            angle: cubic(before.angle, low.angle, high.angle, after.angle).0,
            sight: std::array::from_fn(|k| of(k).0),
        };
        (found, [of(0).1, of(1).1, of(2).1])
    }

    /// Where the track is nearest to a direction, by Newton's method from the nearest node.
    fn nearest(&self, towards: [f64; 3]) -> Option<Nearest> {
        let last = (self.nodes.len() - 1) as f64;
        let mut best = (0, f64::NEG_INFINITY);
        for (i, node) in self.nodes.iter().enumerate() {
            let near = dot(towards, direction(&node.sight));
            if near > best.1 {
                best = (i, near);
            }
        }
        let mut place = best.0 as f64;
        for _ in 0..5 {
            let (node, slope) = self.at(place);
            let off = difference(towards, direction(&node.sight));
            let step = dot(off, slope) / dot(slope, slope).max(1e-300);
            place = (place + step.clamp(-1.0, 1.0)).clamp(0.0, last);
        }
        let (node, slope) = self.at(place);
        let left = cross(direction(&node.sight), slope);
        let across = dot(towards, left) / norm(left).max(1e-300);
        across.is_finite().then_some(Nearest {
            angle: node.angle,
            across,
            sight: node.sight,
        })
    }

    /// The observables at the point of the track nearest to a star, φ2 being that of the star without its distance from the track.
    pub fn predicted(&self, star: &Seen) -> Option<[f64; OBSERVED]> {
        let towards = star.towards();
        let found = self.nearest(towards)?;
        let [east, north] = tangents(towards);
        let motion = motion(&found.sight);
        Some([
            star.values[0] - found.across,
            found.sight[6],
            found.sight[7],
            dot(motion, east),
            dot(motion, north),
        ])
    }

    /// The track in the coordinates of the orbit's plane; none where the orbit stands for the stream.
    pub fn track(&self) -> Option<&Curve> {
        self.cloud.as_ref().map(|cloud| &cloud.track)
    }

    /// ψ of the point of the track nearest to a star.
    pub fn angle(&self, star: &Seen) -> Option<f64> {
        self.nearest(star.towards()).map(|found| found.angle)
    }

    /// Covariance of stripped stars about the track where each star is, as it is seen.
    pub fn scatter(&self, frame: &Frame, stars: &[Seen]) -> Option<Vec<Option<Square>>> {
        let cloud = self.cloud.as_ref()?;
        let one = |star: &Seen| {
            let angle = self.nearest(star.towards())?.angle;
            let covariance = covariance(&cloud.particles, angle, SPREAD * cloud.width)?;
            let middle = cloud.track.at(angle);
            let own = OWN_SHARE + cloud.noise(angle);
            let seen = |values: [f64; OBSERVED]| {
                let sight = frame.sight(&cloud.plane.point(angle, values));
                let found = self.nearest(direction(&sight))?;
                let [east, north] = tangents(direction(&sight));
                let turning = difference(motion(&sight), motion(&found.sight));
                Some([
                    found.across,
                    sight[6] - found.sight[6],
                    sight[7] - found.sight[7],
                    dot(turning, east),
                    dot(turning, north),
                ])
            };
            // Differences over a standard deviation to each side.
            let mut slopes = [[0.0; OBSERVED]; OBSERVED];
            for (k, slope) in slopes.iter_mut().enumerate() {
                let size = covariance[k][k].sqrt().max(1e-9);
                let moved = |sign: f64| {
                    let mut values = middle;
                    values[k] += sign * size;
                    seen(values)
                };
                let (above, below) = (moved(1.0)?, moved(-1.0)?);
                *slope = std::array::from_fn(|l| (above[l] - below[l]) / (2.0 * size));
            }
            let mut square = floor(1.0);
            for (i, row) in square.iter_mut().enumerate() {
                for (j, sum) in row.iter_mut().enumerate() {
                    for (k, line) in covariance.iter().enumerate() {
                        for (l, entry) in line.iter().enumerate() {
                            *sum += own * slopes[k][i] * entry * slopes[l][j];
                        }
                    }
                }
            }
            square.iter().flatten().all(|entry| entry.is_finite()).then_some(square)
        };
        Some(stars.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::expansion::Term;
    use crate::potential::{Expansion, Potential};
    use crate::sample::generator;
    use crate::sky::Sun;
    use crate::streams::frame::Star;
    use crate::streams::particles::around;
    use rand::Rng;
    use rand_distr::StandardNormal;

    /// An orbit that passes the Sun at about 1.5 kpc, and turns on the sky.
    fn orbit() -> (Plane, Curve, Frame) {
        let galaxy = Expansion::new(
            vec![Term::Halo {
                core: 1.0,
                flattening: 0.95,
            }],
            vec![4.4e4],
        )
        .unwrap();
        let start = PhaseSpace::new([-9.0, 1.2, 0.5], [20.0, -90.0, 170.0]);
        assert!(galaxy.energy(&start).is_finite());
        let plane = Plane::new(&start);
        let points: Vec<Particle> = around(&galaxy, start)
            .iter()
            .map(|point| plane.coordinates(point))
            .collect();
        let star = |l: f64, b: f64| Star {
            l,
            b,
            across: 0.0,
            distance: None,
            v_los: None,
            proper_motion: None,
            correlation: 0.0,
        };
        let frame = Frame::new(
            &[star(100.0, 10.0), star(140.0, 60.0)],
            [0.0, 1.0, 0.3],
            &Sun::default(),
        );
        (plane, Curve::new(&points, points.len() / 2).unwrap(), frame)
    }

    const SIZES: [f64; OBSERVED] = [0.08, 0.06, 1.5, 1.0, 1.2];

    /// Particles that are off by `mean`, and scattered.
    fn particles(mean: [f64; OBSERVED], scatter: f64, count: usize) -> Vec<Particle> {
        let mut random = generator(5, 0);
        (0..count)
            .map(|i| {
                let angle = -1.5 + 3.0 * i as f64 / count as f64;
                let mut normal = || random.sample::<f64, _>(StandardNormal);
                (angle, std::array::from_fn(|k| mean[k] + scatter * SIZES[k] * normal()))
            })
            .collect()
    }

    fn seen(frame: &Frame, star: &PhaseSpace) -> Seen {
        let (along, values) = frame.observe(star);
        Seen {
            along,
            values,
            errors: [[0.0; OBSERVED]; OBSERVED],
            is_parallax: false,
        }
    }

    #[test]
    fn a_track_is_seen_where_its_particles_are() {
        let (plane, orbit, frame) = orbit();
        let mean = [0.3, -0.1, 4.0, -3.0, 2.0];
        let made = Made::of_particles(
            &frame,
            plane,
            orbit.clone(),
            &particles(mean, 0.0, 300),
            (-1.0, 1.0),
            0.14,
        )
        .unwrap();
        for angle in [-0.93, -0.31, -0.04, 0.11, 0.52, 0.97] {
            let values = orbit.at(angle);
            let star = seen(
                &frame,
                &plane.point(angle, std::array::from_fn(|k| values[k] + mean[k])),
            );
            let found = made.predicted(&star).unwrap();
            for k in 0..OBSERVED {
                let close = [2e-5, 1e-4, 0.05, 2e-3, 2e-3][k];
                assert!(
                    (found[k] - star.values[k]).abs() < close,
                    "{k} at {angle}: {found:?} {star:?}"
                );
            }
            assert!((made.angle(&star).unwrap() - angle).abs() < 1e-3);
        }
    }

    /// Stars that run along the orbit and go aside move their track by what they go aside, whatever their scatter about it.
    #[test]
    fn a_track_moves_by_what_its_stars_go_aside() {
        let (plane, orbit, frame) = orbit();
        let particles = particles([0.2, 0.0, 3.0, -2.0, 1.0], 1.0, 300);
        let aside = [0.02, -0.01, 0.4, 0.3, -0.2];
        let stars = |along: f64, aside: [f64; OBSERVED]| -> Vec<PhaseSpace> {
            let at = |&(angle, off): &Particle| {
                let angle: f64 = angle + along;
                plane.point(angle, sum(orbit.at(angle), sum(off, aside)))
            };
            particles.iter().map(at).collect()
        };
        let made = Made::of_particles(&frame, plane, orbit.clone(), &particles, (-1.0, 1.0), 0.14).unwrap();
        let moved = made
            .moved(&frame, &stars(0.0, [0.0; OBSERVED]), &stars(0.01, aside))
            .unwrap();
        let track = made.track().unwrap();
        for angle in [-0.8, -0.1, 0.5, 0.9] {
            let star = seen(&frame, &plane.point(angle, sum(track.at(angle), aside)));
            let (before, after) = (made.predicted(&star).unwrap(), moved.predicted(&star).unwrap());
            for k in 0..OBSERVED {
                // A twentieth of the way; a mean of these stars is uncertain by as much as all of it.
                let (way, left) = (star.values[k] - before[k], star.values[k] - after[k]);
                let least = [1e-4, 2e-4, 0.05, 1e-3, 1e-3][k];
                assert!(left.abs() < 0.05 * way.abs() + least, "{k} at {angle}: {left} of {way}");
            }
        }
    }

    /// The scatter that is seen is that of many stars about the track, near the Sun and far from it.
    #[test]
    fn stars_scatter_as_it_is_said() {
        let (plane, orbit, frame) = orbit();
        let made = Made::of_particles(
            &frame,
            plane,
            orbit.clone(),
            &particles([0.0; 5], 1.0, 3000),
            (-1.0, 1.0),
            0.14,
        )
        .unwrap();
        let mut random = generator(6, 0);
        for angle in [-0.8, 0.1, 0.9] {
            let middle = orbit.at(angle);
            let at = seen(&frame, &plane.point(angle, middle));
            let said = made.scatter(&frame, std::slice::from_ref(&at)).unwrap()[0].unwrap();
            let stars = 4000;
            let mut sums = [0.0; OBSERVED];
            for _ in 0..stars {
                let mut normal = || random.sample::<f64, _>(StandardNormal);
                let values = std::array::from_fn(|k| middle[k] + SIZES[k] * normal());
                let star = seen(&frame, &plane.point(angle, values));
                let found = made.predicted(&star).unwrap();
                for k in 0..OBSERVED {
                    sums[k] += (star.values[k] - found[k]).powi(2) / stars as f64;
                }
            }
            for k in 0..OBSERVED {
                let ratio = (said[k][k] / OWN_SHARE / sums[k]).sqrt();
                // Of 3000 particles some 800 are near, clipped at four deviations.
                assert!((ratio - 1.0).abs() < 0.12, "{k} at {angle}: {ratio}");
            }
        }
    }
}
