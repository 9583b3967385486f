//! A stream in a trial galaxy: orbit of the progenitor back, particles forward, as they are seen.

use super::frame::{Frame, OBSERVED};
use super::lanes::{Batch, LANES, Pull};
use super::made::Made;
use super::observed::Observed;
use super::release::{DEVIATES, Kicks, Tail, Tide};
use super::spray::advance;
use super::track::{Curve, Particle, Plane, Range};
use crate::phase_space::PhaseSpace;
use crate::potential::{Expansion, Potential};
use crate::sample::generator;
use crate::statistics::quantile;
use crate::vector::{dot, norm};
use rand::Rng;
use std::f64::consts::TAU;

/// What is free of a stream: φ2, ln d, v_los, μ1, μ2 of the progenitor's orbit at φ1 = 0, how many radial periods ahead of that the progenitor is,
/// and ln M.
pub(crate) const OWN: usize = OBSERVED + 2;

/// A galaxy to try, with how streams are made in it.
pub(crate) struct Trial {
    pub galaxy: Expansion,
    pub pull: Pull,
    pub kicks: Kicks,
    /// By how much the age of all streams differs from that of the plan.
    pub age_factor: f64,
}

/// Number of steps and radial periods, which stay when the galaxy changes: a release keeps its phase on the orbit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Radial period in kpc/(km/s), where the plan was made.
    pub period: f64,
    /// Age in radial periods.
    pub periods: f64,
    /// Steps a radial period.
    pub steps: f64,
    /// Where the stars are along the orbit.
    pub range: Range,
    /// Standard deviation of the track's window, rad of ψ.
    pub width: f64,
}

/// One release: when, as a part of the age, and how, of both tails.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub part: f64,
    pub deviates: [[f64; DEVIATES]; 2],
}

/// `count` releases, evenly spread over age and kicks, at places that are random: the additive recurrence of Roberts (2018), shifted.
///
/// **Source**: Cranley & Patterson (1976); Box & Muller (1958).
pub(crate) fn releases(seed: u64, stream: u64, count: usize) -> Vec<Release> {
    // The root of x⁵ = x + 1.
    const ROOT: f64 = 1.167_303_978_261_418_7;
    let mut random = generator(seed, stream);
    let shifts: [[f64; 4]; 2] = std::array::from_fn(|_| std::array::from_fn(|_| random.random()));
    let start: f64 = random.random();
    (0..count)
        .map(|i| {
            let deviates = shifts.map(|shift| {
                let uniform: [f64; 4] =
                    std::array::from_fn(|k| (shift[k] + (i + 1) as f64 * ROOT.powi(-(k as i32 + 1))).fract());
                let pair = |one: f64, other: f64| {
                    let size = (-2.0 * (1.0 - one).ln()).sqrt();
                    (size * (TAU * other).cos(), size * (TAU * other).sin())
                };
                let ((r, s), (z, w)) = (pair(uniform[0], uniform[1]), pair(uniform[2], uniform[3]));
                [r, s, z, w, 0.0]
            });
            Release {
                part: (i as f64 + start) / count as f64,
                deviates,
            }
        })
        .collect()
}

/// The orbit through a point, both ways, a step apart.
struct Path {
    step: f64,
    ahead: Vec<PhaseSpace>,
    back: Vec<PhaseSpace>,
    period: Option<f64>,
}

/// No orbit is followed for more steps.
const MOST_STEPS: usize = 30_000;

/// Apsides that a radial period is the mean of.
const APSIDES: usize = 9;

impl Path {
    fn new(galaxy: &Expansion, start: PhaseSpace, step: f64, reach: impl Fn(f64) -> (f64, f64)) -> Self {
        let mut back = vec![start];
        let (mut point, mut a) = (start, galaxy.acceleration(start.x));
        let mut apsides = Vec::new();
        let mut before = dot(point.x, point.v);
        let mut period = None;
        let mut needed = f64::INFINITY;
        while back.len() < MOST_STEPS && (back.len() as f64) * step < needed + step {
            advance(galaxy, &mut point, &mut a, -step);
            back.push(point);
            if period.is_none() {
                let now = dot(point.x, point.v);
                if (now > 0.0) != (before > 0.0) {
                    apsides.push(((back.len() - 2) as f64 + before / (before - now)) * step);
                }
                before = now;
                if let (Some(first), Some(last), true) = (apsides.first(), apsides.last(), apsides.len() == APSIDES) {
                    let found = 2.0 * (last - first) / (APSIDES - 1) as f64;
                    period = Some(found);
                    needed = reach(found).0;
                }
            }
        }
        let mut ahead = vec![start];
        if let Some(period) = period {
            let (mut point, mut a) = (start, galaxy.acceleration(start.x));
            while (ahead.len() as f64) * step < reach(period).1 + step && ahead.len() < MOST_STEPS {
                advance(galaxy, &mut point, &mut a, step);
                ahead.push(point);
            }
        }
        Self {
            step,
            ahead,
            back,
            period,
        }
    }

    /// The point `time` after the start, or before it where that is negative.
    fn at(&self, galaxy: &Expansion, time: f64) -> PhaseSpace {
        let (points, sign) = if time < 0.0 {
            (&self.back, -1.0)
        } else {
            (&self.ahead, 1.0)
        };
        let place = (time.abs() / self.step).clamp(0.0, (points.len() - 1) as f64);
        let index = place as usize;
        let mut point = points[index];
        let mut a = galaxy.acceleration(point.x);
        advance(
            galaxy,
            &mut point,
            &mut a,
            sign * (time.abs() - index as f64 * self.step),
        );
        point
    }
}

/// The first guess of a plan: the radial period of the orbit through φ1 = 0, and steps short enough for its pericentre.
pub(crate) fn plan(
    galaxy: &Expansion,
    observed: &Observed,
    own: &[f64; OWN],
    before: Option<Plan>,
    age: f64,
    window: f64,
) -> Option<Plan> {
    let start = through(&observed.frame, own);
    let orbit = on_orbit(galaxy, &observed.frame, own)?;
    let angles: Vec<f64> = observed.seen.iter().filter_map(|star| orbit.angle(star)).collect();
    let of = |part: f64| quantile(angles.clone(), part);
    let range = (of(0.0)?, of(1.0)?);
    let length = of(0.98)? - of(0.02)?;

    let step = before.map_or(0.02 * norm(start.x) / norm(start.v).max(1.0), |plan| {
        plan.period / plan.steps
    });
    let path = Path::new(galaxy, start, step, |_| (0.0, 0.0));
    let period = path.period?;
    let nearest = path
        .back
        .iter()
        .map(|point| norm(point.x) / norm(point.v))
        .fold(f64::INFINITY, f64::min);
    Some(Plan {
        period,
        periods: age / period,
        steps: (period / (0.15 * nearest)).clamp(64.0, 400.0).ceil(),
        range,
        width: window * length.max(1e-3),
    })
}

/// The stream `own` as it is seen now; none where the orbit has no radial period.
pub(crate) fn stripped(
    trial: &Trial,
    frame: &Frame,
    own: &[f64; OWN],
    plan: &Plan,
    releases: &[Release],
) -> Option<Made> {
    let [.., lead, ln_mass] = *own;
    let start = through(frame, own);
    let (plane, orbit) = orbit_of(&trial.galaxy, frame, own)?;
    let periods = plan.periods * trial.age_factor;
    let path = Path::new(&trial.galaxy, start, plan.period / plan.steps, |period| {
        (((periods - lead) * period).max(0.0), (lead * period).max(0.0))
    });
    let period = path.period?;
    let age = periods * period;
    let mass = ln_mass.exp();
    let mut particles = Vec::with_capacity(2 * releases.len());
    for chunk in releases.chunks(LANES) {
        // Lanes without a release of their own repeat the last one.
        let release = |i: usize| &chunk[i.min(chunk.len() - 1)];
        let moments: [(PhaseSpace, Tide); LANES] = std::array::from_fn(|i| {
            let point = path.at(&trial.galaxy, lead * period - release(i).part * age);
            (point, Tide::at(&trial.galaxy, &point, mass))
        });
        let steps = (release(LANES - 1).part * periods * plan.steps).ceil().max(1.0);
        let step: [f64; LANES] = std::array::from_fn(|i| release(i).part * age / steps);
        for (tail, which) in [(Tail::Leading, 0), (Tail::Trailing, 1)] {
            let starts: [PhaseSpace; LANES] = std::array::from_fn(|i| {
                let (point, tide) = &moments[i];
                let offset = trial.kicks.offset(tide, &release(i).deviates[which]);
                tide.release(point, &offset, tail)
            });
            let mut batch = Batch {
                x: [0, 1, 2].map(|k| std::array::from_fn(|i| starts[i].x[k])),
                v: [0, 1, 2].map(|k| std::array::from_fn(|i| starts[i].v[k])),
            };
            trial.pull.advance(&mut batch, &step, steps as usize);
            particles.extend((0..chunk.len()).map(|i| {
                let star = PhaseSpace::new([0, 1, 2].map(|k| batch.x[k][i]), [0, 1, 2].map(|k| batch.v[k][i]));
                orbit.relative(plane.coordinates(&star))
            }));
        }
    }
    let ends = orbit.ends();
    particles.retain(|(angle, _)| (ends.0..=ends.1).contains(angle));
    Made::of_particles(frame, plane, &orbit, &particles, plan.range, plan.width)
}

/// Points of an orbit on the sky, to each side.
const ORBIT_POINTS: usize = 300;

/// The point of the progenitor's orbit at φ1 = 0.
fn through(frame: &Frame, own: &[f64; OWN]) -> PhaseSpace {
    let [latitude, ln_d, v_los, mu_1, mu_2, ..] = *own;
    frame.locate(0.0, [latitude, ln_d, v_los, mu_1, mu_2])
}

/// The orbit through `start`, over 2.2 rad about the galaxy's centre to both sides.
pub(crate) fn around(galaxy: &Expansion, start: PhaseSpace) -> Vec<PhaseSpace> {
    const REACH: f64 = 2.2;
    let side = |sign: f64| {
        let (mut point, mut a) = (start, galaxy.acceleration(start.x));
        (0..ORBIT_POINTS)
            .map(|_| {
                // Steps of equal angle: near the pericentre shorter ones. A nearly radial orbit has no angle, and its own time instead.
                let rate = norm(point.angular_momentum()) / dot(point.x, point.x);
                let rate = rate.max(0.1 * norm(point.v) / norm(point.x));
                advance(galaxy, &mut point, &mut a, sign * REACH / ORBIT_POINTS as f64 / rate);
                point
            })
            .collect::<Vec<_>>()
    };
    let mut points = side(-1.0);
    points.reverse();
    points.push(start);
    points.extend(side(1.0));
    points
}

/// The plane of the progenitor's orbit at φ1 = 0, and the orbit about there.
pub(crate) fn orbit_of(galaxy: &Expansion, frame: &Frame, own: &[f64; OWN]) -> Option<(Plane, Curve)> {
    let start = through(frame, own);
    let plane = Plane::new(&start);
    let points: Vec<Particle> = (around(galaxy, start).iter())
        .map(|point| plane.coordinates(point))
        .collect();
    Some((plane, Curve::new(&points, ORBIT_POINTS)?))
}

/// The same as it is seen.
pub(crate) fn on_orbit(galaxy: &Expansion, frame: &Frame, own: &[f64; OWN]) -> Option<Made> {
    let start = through(frame, own);
    Made::of_orbit(frame, &Plane::new(&start), &around(galaxy, start))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::statistics;

    #[test]
    fn releases_are_spread_evenly() {
        let releases = releases(3, 1, 150);
        let mut sorted: Vec<f64> = releases.iter().map(|release| release.part).collect();
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted
                .windows(2)
                .all(|pair| (pair[1] - pair[0] - 1.0 / 150.0).abs() < 1e-12)
        );
        for tail in 0..2 {
            for k in 0..4 {
                let of: Vec<f64> = releases.iter().map(|release| release.deviates[tail][k]).collect();
                let middle = statistics::mean(of.iter().copied()).unwrap();
                // 150 independent deviates would have 0.08 and 0.06, and reach three times that among sixteen.
                assert!(middle.abs() < 0.08, "{middle}");
                assert!((statistics::scatter(&of).unwrap() - 1.0).abs() < 0.06);
            }
        }
    }
}
