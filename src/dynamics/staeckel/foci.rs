//! The focal distance by energy, angular momentum and inclination.
//!
//! Δ² is that for which the fudge's own actions vary least along an orbit, and its θ_r is nearest to linear in time. It is
//! found at the nodes of a grid, each when it is first asked for, and interpolated linearly between them. It may be negative:
//! then the coordinates are oblate, and suit orbits in the hole of a disc or in prolate haloes.

use super::motion::{Motion, Scale, Star};
use crate::orbit::dense;
use crate::phase_space::{ActionAngle, PhaseSpace};
use crate::potential::{Potential, Symmetry};
use crate::units::{Natural, wrap_difference};
use std::sync::{Arc, OnceLock};

/// Circular orbits are tabulated between these radii, kpc, at this spacing in ln R.
const INNERMOST: f64 = 1e-4;
const SPACING: f64 = 0.25;
const RADII: usize = 75;

/// Nodes in √(1 − L_z/L_c) and in √ψ, at (i + ½)/n.
const ROUNDNESS: usize = 12;
const TILTS: usize = 10;

/// Points of each orbit at which actions are compared, and the time in circular periods over which they lie.
const POINTS: usize = 24;
const PERIODS: f64 = 8.0;

/// Weight of J_r's variance beside J_z's: θ_r gains from some more (chosen on fresh orbits).
const RADIAL_WEIGHT: f64 = 2.0;

/// Weight of the variance of ⟨J_r⟩ θ_r about a straight line. Between 3 and 10 θ_r of eccentric halo orbits gains 1 to 4 %,
/// J_r and J_z lose 2 to 15 %; the same for θ_z would cost much more.
const PHASE_WEIGHT: f64 = 4.0;

/// The circular orbit of one energy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circular {
    /// Place in the grid.
    place: f64,
    /// R_c², kpc².
    pub radius2: f64,
    /// L_c, km/s kpc.
    pub momentum: f64,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Foci {
    /// Energy, L_c and Ω_c of circular orbits at the grid's radii.
    circular: Vec<[f64; 3]>,
    /// Δ²/R_c² at the nodes; shared by clones.
    nodes: Arc<Vec<OnceLock<f64>>>,
}

fn grid_radius(i: usize) -> f64 {
    INNERMOST * (SPACING * i as f64).exp()
}

impl Foci {
    pub fn new<P: Potential + ?Sized>(potential: &P) -> Self {
        let mut last = f64::NEG_INFINITY;
        let circular = (0..RADII)
            .map(|i| {
                let radius = grid_radius(i);
                let (phi, a) = potential.potential_and_acceleration([radius, 0.0, 0.0]);
                let speed2 = (-a[0] * radius).max(f64::MIN_POSITIVE);
                last = (phi + 0.5 * speed2).max(last);
                [last, radius * speed2.sqrt(), speed2.sqrt() / radius]
            })
            .collect();
        let nodes = (0..RADII * ROUNDNESS * TILTS).map(|_| OnceLock::new()).collect();
        Self {
            circular,
            nodes: Arc::new(nodes),
        }
    }

    /// The circular orbit of energy `energy`; beyond the grid its end.
    pub fn circular(&self, energy: f64) -> Circular {
        let i = self
            .circular
            .partition_point(|row| row[0] <= energy)
            .clamp(1, RADII - 1)
            - 1;
        let [low, high] = [self.circular[i], self.circular[i + 1]];
        let width = high[0] - low[0];
        let t = if width > 0.0 {
            ((energy - low[0]) / width).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let s = 1.0 - t;
        // Cubic, with dL_c/dE = 1/Ω_c.
        let momentum = s * s * (low[1] * (1.0 + 2.0 * t) + width / low[2] * t)
            + t * t * (high[1] * (1.0 + 2.0 * s) - width / high[2] * s);
        let place = i as f64 + t;
        let radius = INNERMOST * (SPACING * place).exp();
        Circular {
            place,
            radius2: radius * radius,
            momentum,
        }
    }

    /// Δ²/R_c² for an orbit with L_z = `roundness` L_c and vertical share ψ = `tilt` of what is left.
    pub fn relative<P: Potential + ?Sized>(
        &self,
        potential: &P,
        circular: &Circular,
        roundness: f64,
        tilt: f64,
    ) -> f64 {
        let cell = |value: f64, count: usize| {
            let place = (value * count as f64 - 0.5).clamp(0.0, (count - 1) as f64);
            let i = (place as usize).min(count - 2);
            (i, place - i as f64)
        };
        let i = (circular.place as usize).min(RADII - 2);
        let s = circular.place - i as f64;
        let (j, t) = cell((1.0 - roundness).max(0.0).sqrt(), ROUNDNESS);
        let (k, u) = cell(tilt.sqrt(), TILTS);
        let mut sum = 0.0;
        for (di, ws) in [(0, 1.0 - s), (1, s)] {
            for (dj, wt) in [(0, 1.0 - t), (1, t)] {
                for (dk, wu) in [(0, 1.0 - u), (1, u)] {
                    let weight = ws * wt * wu;
                    if weight > 0.0 {
                        sum += weight * self.node(potential, i + di, j + dj, k + dk);
                    }
                }
            }
        }
        sum
    }

    fn node<P: Potential + ?Sized>(&self, potential: &P, i: usize, j: usize, k: usize) -> f64 {
        *self.nodes[(i * ROUNDNESS + j) * TILTS + k].get_or_init(|| {
            let middle = |index: usize, count: usize| ((index as f64 + 0.5) / count as f64).powi(2);
            best(potential, grid_radius(i), 1.0 - middle(j, ROUNDNESS), middle(k, TILTS))
        })
    }
}

/// Δ²/R_c² of least scatter for the orbit that crosses the plane at R_c with the circular speed.
fn best<P: Potential + ?Sized>(potential: &P, radius: f64, roundness: f64, tilt: f64) -> f64 {
    if potential.symmetry() == Symmetry::Spherical {
        return 0.0;
    }
    let speed = (-potential.acceleration([radius, 0.0, 0.0])[0] * radius)
        .max(0.0)
        .sqrt();
    let rest = speed * (1.0 - roundness * roundness).sqrt();
    let start = PhaseSpace::new(
        [radius, 0.0, 0.0],
        [rest * (1.0 - tilt).sqrt(), speed * roundness, rest * tilt.sqrt()],
    );
    let energy = potential.energy(&start);
    if energy.is_nan() || energy >= potential.potential_at_infinity() {
        return 0.0;
    }
    // Times spread evenly but without rhythm.
    let span = PERIODS * std::f64::consts::TAU * radius / speed;
    let mut times: Vec<Natural> = (1..=POINTS)
        .map(|i| Natural(span * (i as f64 * 0.618_033_988_749_895).fract()))
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut points = Vec::with_capacity(POINTS);
    if dense::follow(potential, &start, &times, 1e-7, |_, point| points.push(point)).is_err() {
        return 0.0;
    }
    let nearest2 = points
        .iter()
        .map(|p| p.x[0].powi(2) + p.x[1].powi(2) + p.x[2].powi(2))
        .fold(f64::INFINITY, f64::min);
    let lz = radius * speed * roundness;
    let scale = Scale {
        radius2: radius * radius,
        momentum: radius * speed,
    };
    // Oblate coordinates must have room inside the orbit.
    let least = -0.3 * nearest2 / (radius * radius);
    let scatter = |x: f64| {
        let focus2 = x * radius * radius;
        let answer = |point: &PhaseSpace| {
            let (phi, a) = potential.potential_and_acceleration(point.x);
            let star = Star::new(point, focus2);
            let motion = Motion::through(potential, &star, focus2, energy, phi, lz, scale);
            motion.solve(&star, super::turning_rate2(point.x, a), point).ok()
        };
        let Some(answers) = points.iter().map(answer).collect::<Option<Vec<_>>>() else {
            return f64::INFINITY;
        };
        let mean = |of: &dyn Fn(&ActionAngle) -> f64| answers.iter().map(of).sum::<f64>() / answers.len() as f64;
        let variance = |of: &dyn Fn(&ActionAngle) -> f64| {
            let middle = mean(of);
            answers.iter().map(|answer| (of(answer) - middle).powi(2)).sum::<f64>()
        };
        let theta_r: Vec<f64> = answers.iter().map(|answer| answer.angles.r).collect();
        let rate = mean(&|answer| answer.frequencies.r);
        let phase = mean(&|answer| answer.actions.r).powi(2) * bend(&times, &theta_r, rate);
        RADIAL_WEIGHT * variance(&|answer| answer.actions.r)
            + variance(&|answer| answer.actions.z)
            + PHASE_WEIGHT * phase
    };
    least_of(scatter, least, 2.5)
}

/// Sum of squares of what an angle misses a straight line in time by; `rate` is nearly its frequency, km/s/kpc.
fn bend(times: &[Natural], angles: &[f64], rate: f64) -> f64 {
    let n = times.len() as f64;
    let middle = times.iter().map(|t| t.0).sum::<f64>() / n;
    let since: Vec<f64> = times.iter().map(|t| t.0 - middle).collect();
    let spread = since.iter().map(|t| t * t).sum::<f64>();
    let (mut rate, mut left) = (rate, f64::INFINITY);
    for _ in 0..3 {
        let first = angles[0] - rate * since[0];
        let rest = since
            .iter()
            .zip(angles)
            .map(|(t, angle)| wrap_difference(angle - rate * t - first));
        let rest: Vec<f64> = rest.collect();
        let mean = rest.iter().sum::<f64>() / n;
        let slope = since.iter().zip(&rest).map(|(t, rest)| t * rest).sum::<f64>() / spread;
        let misses = since.iter().zip(&rest).map(|(t, rest)| rest - mean - slope * t);
        left = misses.map(|miss| miss * miss).sum();
        rate += slope;
    }
    left
}

/// Where `f` is least in [low, high]: a scan even in the root of the distance, then parabolas through the best three.
fn least_of(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const SCAN: usize = 14;
    let (from, to) = (-low.abs().sqrt(), high.sqrt());
    let mut seen: Vec<(f64, f64)> = (0..SCAN)
        .map(|i| from + (to - from) * i as f64 / (SCAN - 1) as f64)
        // In a sphere it is 0, and nothing else is right.
        .chain([0.0])
        .map(|s| (s * s.abs(), f(s * s.abs())))
        .filter(|pair| pair.1.is_finite())
        .collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let best = |seen: &[(f64, f64)]| (0..seen.len()).min_by(|&a, &b| seen[a].1.total_cmp(&seen[b].1));
    for _ in 0..3 {
        let Some(m) = best(&seen).filter(|_| seen.len() > 2) else {
            return 0.0;
        };
        let m = m.clamp(1, seen.len() - 2);
        let [(a, fa), (b, fb), (c, fc)] = [seen[m - 1], seen[m], seen[m + 1]];
        let (p, r) = ((b - a) * (fb - fc), (b - c) * (fb - fa));
        let next = b - 0.5 * ((b - a) * p - (b - c) * r) / (p - r);
        let value = f(next);
        if !(next > a && next < c && value.is_finite()) || (next - b).abs() < 1e-3 * (c - a) {
            break;
        }
        seen.insert(if next < b { m } else { m + 1 }, (next, value));
    }
    best(&seen).map_or(0.0, |m| seen[m].0)
}
