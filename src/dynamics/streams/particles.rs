//! A stream in a trial galaxy: orbit of the progenitor back, particles forward, as they are seen.

use super::frame::{Frame, OBSERVED};
use super::lanes::{Batch, LANES, Pull};
use super::made::Made;
use super::observed::Observed;
use super::pace::Pace;
use super::path::Path;
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

impl Trial {
    /// Steps for an orbit through a point, and for what is stripped from it: as if its speed were √2 times the circular one there, or half of
    /// its own where that is more, as where the galaxy hardly attracts.
    fn pace(&self, point: &PhaseSpace) -> Pace {
        let circular = -dot(self.galaxy.acceleration(point.x), point.x);
        let square = (2.0 * circular).max(0.25 * dot(point.v, point.v));
        Pace::new(square.sqrt(), self.pull.height())
    }
}

/// What stays when the galaxy changes: a release keeps its phase on the orbit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Age in radial periods.
    pub periods: f64,
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

/// A plan: the radial period of the orbit through φ1 = 0, and where the stars are along it.
pub(crate) fn plan(trial: &Trial, observed: &Observed, own: &[f64; OWN], age: f64, window: f64) -> Option<Plan> {
    let start = through(&observed.frame, own);
    let orbit = on_orbit(&trial.galaxy, &observed.frame, own)?;
    let angles: Vec<f64> = observed.seen.iter().filter_map(|star| orbit.angle(star)).collect();
    let of = |part: f64| quantile(angles.clone(), part);
    let range = (of(0.0)?, of(1.0)?);
    let length = of(0.98)? - of(0.02)?;
    let period = Path::new(&trial.galaxy, trial.pace(&start), start, |_| (0.0, 0.0)).period?;
    Some(Plan {
        periods: age / period,
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
    seen(trial, frame, own, plan, &stars(trial, frame, own, plan, releases)?)
}

/// The same of stars that are known already.
pub(crate) fn seen(trial: &Trial, frame: &Frame, own: &[f64; OWN], plan: &Plan, stars: &[PhaseSpace]) -> Option<Made> {
    let (plane, orbit) = orbit_of(&trial.galaxy, frame, own)?;
    let ends = orbit.ends();
    let particles: Vec<Particle> = (stars.iter())
        .map(|star| orbit.relative(plane.coordinates(star)))
        .filter(|(angle, _)| (ends.0..=ends.1).contains(angle))
        .collect();
    Made::of_particles(frame, plane, orbit, &particles, plan.range, plan.width)
}

/// The stars of the stream `own` now, as many of each release in the same order; none where the orbit has no radial period.
pub(crate) fn stars(
    trial: &Trial,
    frame: &Frame,
    own: &[f64; OWN],
    plan: &Plan,
    releases: &[Release],
) -> Option<Vec<PhaseSpace>> {
    let [.., lead, ln_mass] = *own;
    let start = through(frame, own);
    let periods = plan.periods * trial.age_factor;
    let pace = trial.pace(&start);
    let path = Path::new(&trial.galaxy, pace, start, |period| {
        (((periods - lead) * period).max(0.0), (lead * period).max(0.0))
    });
    let period = path.period?;
    let age = periods * period;
    let mass = ln_mass.exp();
    let mut found = Vec::with_capacity(2 * releases.len());
    for chunk in releases.chunks(LANES) {
        // Lanes without a release of their own repeat the last one.
        let release = |i: usize| &chunk[i.min(chunk.len() - 1)];
        let moments: [(PhaseSpace, Tide); LANES] = std::array::from_fn(|i| {
            let point = path.at(lead * period - release(i).part * age);
            (point, Tide::at(&trial.galaxy, &point, mass))
        });
        let times: [f64; LANES] = std::array::from_fn(|i| release(i).part * age);
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
            trial.pull.advance(&mut batch, &times, &pace);
            found.extend(
                (0..chunk.len())
                    .map(|i| PhaseSpace::new([0, 1, 2].map(|k| batch.x[k][i]), [0, 1, 2].map(|k| batch.v[k][i]))),
            );
        }
    }
    Some(found)
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
