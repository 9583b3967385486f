//! What one orbit tells of its torus: frequencies and modes by least squares, J_r from its surface of section, J_z from ⟨v²⟩ = Ω·J.
//!
//! Along an orbit θ = θ₀ + Ω t and ϑ is known, so that ϑ + Σ b_n sin n·ϑ = θ₀ + Ω t and ψ = ψ̄ − Σ a_n cos n·ϑ are linear in all that is
//! not known. At z = 0 the orbit draws a closed curve in (R, v_R), which winds once in θ_r: its area is 2π J_r.

use super::coordinates::{Column, Integrals, Place};
use super::fudged::Fudged;
use super::modes::{self, MODES};
use super::plane::Plane;
use crate::linear_algebra::{Symmetric, dot as product};
use crate::o2gf::{Class, window};
use crate::orbit::dense;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::staeckel::StaeckelFudge;
use crate::units::{Natural, wrap_difference};
use crate::vector::dot;
use std::f64::consts::{PI, TAU};

/// Radial periods, nearly, for which an orbit is followed, samples in each, and every how many of them the modes are fitted at.
pub(super) const PERIODS: f64 = 60.0;
const DENSITY: f64 = 48.0;
const STRIDE: usize = 3;

/// Tolerance of the integration.
const TOLERANCE: f64 = 1e-9;

/// Harmonics of the curve on the surface of section.
const HARMONICS: usize = 16;

/// Added to the diagonal of scaled normal equations; more, by the fourth power of a harmonic's number, for the curve of a surface of section, which
/// next to a resonance has gaps.
const RIDGE: f64 = 1e-9;
const SECTION_RIDGE: f64 = 1e-5;

/// An orbit at equal steps.
pub(super) struct Track {
    pub step: f64,
    pub points: Vec<PhaseSpace>,
}

impl Track {
    /// The orbit from `start`, whose radial frequency is about `rate`, for so many radial periods; nothing if it cannot be followed.
    pub fn follow<P: Potential + ?Sized>(potential: &P, start: &PhaseSpace, rate: f64, periods: f64) -> Option<Self> {
        let step = TAU / rate / DENSITY;
        let times: Vec<Natural> = (0..(periods * DENSITY) as usize)
            .map(|i| Natural(step * i as f64))
            .collect();
        let mut points = Vec::with_capacity(times.len());
        let most = (periods * 1000.0) as usize;
        dense::follow_within(potential, start, &times, TOLERANCE, most, |_, point| points.push(point)).ok()?;
        Some(Self { step, points })
    }
}

/// ψ along a torus: its mean and modes, and the root mean square of what these leave.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub mean: f64,
    pub modes: [f64; MODES],
    pub rest: f64,
}

impl Shape {
    /// From ψ at points with these angles, by least squares.
    pub fn fit(weights: &[f64], ridge: f64, points: impl Iterator<Item = (f64, [[f64; 2]; 2])>) -> Option<Self> {
        let mut columns = vec![Vec::new(); 1 + MODES];
        let mut side = Vec::with_capacity(weights.len());
        for (psi, [u, v]) in points {
            side.push(psi);
            columns[0].push(1.0);
            modes::each(u, v, |k, cos, _| columns[1 + k].push(-cos));
        }
        let fitted = Fit { columns }.solve(weights, |_| ridge, &[side])?;
        let (found, rest) = &fitted[0];
        Some(Self {
            mean: found[0],
            modes: std::array::from_fn(|k| found[1 + k]),
            rest: *rest,
        })
    }
}

/// What is known of the torus of an orbit.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// ψ of the fudge.
    pub psi: Shape,
    /// ψ by anomalies.
    pub quick: Shape,
    /// Modes of θ_r, θ_z, θ_φ by the fudge's angles.
    pub b: [[f64; MODES]; 3],
    /// J_r, J_z, km/s kpc.
    pub actions: [f64; 2],
    /// Ω_r, Ω_z, |Ω_φ|, km/s/kpc.
    pub rates: [f64; 3],
    /// θ_r, θ_z, θ_φ at the start.
    pub start: [f64; 3],
    /// Root mean square of what the modes leave of the angles.
    pub rest: [f64; 3],
    /// The difference of J_r between the halves of the orbit.
    pub drift: f64,
}

/// Least squares by columns.
pub(super) struct Fit {
    pub columns: Vec<Vec<f64>>,
}

impl Fit {
    /// Coefficients for every side, and the root mean square that is left.
    pub fn solve(
        &self,
        weights: &[f64],
        ridge: impl Fn(usize) -> f64,
        sides: &[Vec<f64>],
    ) -> Option<Vec<(Vec<f64>, f64)>> {
        let n = self.columns.len();
        let weighted: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|column| column.iter().zip(weights).map(|(x, w)| x * w).collect())
            .collect();
        let mut matrix = Symmetric::zeros(n);
        for (i, row) in weighted.iter().enumerate() {
            for (j, column) in self.columns[..=i].iter().enumerate() {
                *matrix.at(i, j) = product(row, column);
            }
        }
        let factor = matrix.factor(ridge)?;
        let total: f64 = weights.iter().sum();
        let solved = sides.iter().map(|side| {
            let mut found: Vec<f64> = weighted.iter().map(|column| product(column, side)).collect();
            factor.solve(&mut found);
            let mut rest = side.clone();
            for (value, column) in found.iter().zip(&self.columns) {
                rest.iter_mut().zip(column).for_each(|(rest, x)| *rest -= value * x);
            }
            let square: f64 = rest.iter().zip(weights).map(|(rest, w)| w * rest * rest).sum();
            (found, (square / total).sqrt())
        });
        Some(solved.collect())
    }
}

/// Follows an angle through its turns.
fn unwound(angles: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut turned = Vec::new();
    for angle in angles {
        let next = turned
            .last()
            .map_or(angle, |before| before + wrap_difference(angle - before));
        turned.push(next);
    }
    turned
}

impl Node {
    /// That of an orbit with these integrals, in the coordinates of its column.
    pub fn of<P: Potential>(
        fudge: &StaeckelFudge<P>,
        plane: &Plane,
        track: &Track,
        integrals: &Integrals,
        column: &Column,
    ) -> Option<Self> {
        let potential = fudge.potential();
        let points: Vec<&PhaseSpace> = track.points.iter().step_by(STRIDE).collect();
        let places: Vec<Fudged> = points
            .iter()
            .map(|point| Fudged::new(fudge, point, integrals, column))
            .collect::<Option<_>>()?;
        let count = points.len() as f64;
        let weights: Vec<f64> = (0..points.len())
            .map(|i| (PI * (i as f64 + 0.5) / count).sin().powi(2))
            .collect();
        let quick = points.iter().map(|point| {
            let here = Integrals {
                phi: potential.potential(point.x),
                ..*integrals
            };
            let place = Place::new(potential, plane, point, &here, column);
            (place.psi, [place.u, place.v])
        });
        let quick = Shape::fit(&weights, RIDGE, quick)?;
        let psi = places.iter().map(|place| (place.psi, [place.u, place.v]));
        let psi = Shape::fit(&weights, RIDGE, psi)?;
        let middle = 0.5 * count;
        let mut columns = vec![Vec::new(); 2 + MODES];
        for (row, place) in places.iter().enumerate() {
            columns[0].push(1.0);
            columns[1].push((row as f64 + 0.5) / middle - 1.0);
            modes::each(place.u, place.v, |k, _, sin| columns[2 + k].push(-sin));
        }
        let sides: [Vec<f64>; 3] = std::array::from_fn(|k| unwound(places.iter().map(|place| place.angles[k])));
        let lines = Fit { columns }.solve(&weights, |_| RIDGE, &sides)?;
        let per_step = 1.0 / (middle * STRIDE as f64 * track.step);
        let rates: [f64; 3] = std::array::from_fn(|k| lines[k].0[1] * per_step);
        // The line is in (row + ½)/middle − 1: at the first row it is ½/middle − 1.
        let start = std::array::from_fn(|k| lines[k].0[0] + lines[k].0[1] * (0.5 / middle - 1.0));
        let section = section(potential, track, column, integrals);
        let half = section.len() / 2;
        let j_r = radial_action(&section, column, integrals)?;
        let [before, after] = [&section[..half], &section[half..]].map(|part| radial_action(part, column, integrals));
        let window = window::weights(track.points.len());
        let v2: f64 = track.points.iter().zip(&window).map(|(p, w)| w * dot(p.v, p.v)).sum();
        let j_z = (v2 - rates[0] * j_r - rates[2] * integrals.lz.abs()) / rates[1];
        let node = Self {
            psi,
            quick,
            b: std::array::from_fn(|i| std::array::from_fn(|k| lines[i].0[2 + k])),
            actions: [j_r, j_z],
            rates,
            start,
            rest: [lines[0].1, lines[1].1, lines[2].1],
            drift: (before? - after?).abs(),
        };
        let sound = node.rates.iter().all(|rate| *rate > 0.0) && node.psi.mean.is_finite() && j_z.is_finite();
        sound.then_some(node)
    }

    /// What kind of orbit it is, as far as so short a window tells.
    pub fn class(&self) -> Class {
        let [theta_r, theta_z, _] = self.rest;
        if theta_r < TOLD.0 && theta_z < TOLD.1 {
            return Class::Regular;
        }
        let length = TAU * PERIODS;
        let beat =
            |(n_r, n_z): (i32, i32)| (f64::from(n_r) + f64::from(n_z) * self.rates[1] / self.rates[0]).abs() * length;
        let resonances = (1..=LOCKED).flat_map(|n_r| (1..=LOCKED / 2).map(move |half| (n_r, -2 * half)));
        match resonances.filter(|&n| beat(n) < 0.1).min_by_key(|(n_r, n_z)| n_r - n_z) {
            Some((n_r, n_z)) => Class::Resonant { n_r, n_z },
            None => Class::Chaotic,
        }
    }
}

/// Root mean square of what the modes leave of θ_r and θ_z, radians, up to which an orbit is regular.
const TOLD: (f64, f64) = (0.03, 0.1);

/// Highest orders of resonances that an orbit can be locked in.
const LOCKED: i32 = 10;

/// Modes with |a| and b up to these are enough to choose Δ² by.
const CHOICE: (i32, i32) = (4, 2);

/// What the modes leave of ψ along a track: its root mean square.
pub(super) fn unexplained<P: Potential + ?Sized>(
    potential: &P,
    plane: &Plane,
    track: &Track,
    integrals: &Integrals,
    column: &Column,
) -> Option<f64> {
    let few: Vec<usize> = (0..MODES)
        .filter(|&k| modes::NUMBERS[k].0.abs() <= CHOICE.0 && modes::NUMBERS[k].1 <= CHOICE.1)
        .collect();
    let points = track.points.iter().step_by(STRIDE);
    let rows = points.len();
    let mut columns = vec![vec![1.0; rows]; 1 + few.len()];
    let mut psi = Vec::with_capacity(rows);
    for (row, point) in points.enumerate() {
        let here = Integrals {
            phi: potential.potential(point.x),
            ..*integrals
        };
        let place = Place::new(potential, plane, point, &here, column);
        psi.push(place.psi);
        modes::each(place.u, place.v, |k, cos, _| {
            if let Some(at) = few.iter().position(|&few| few == k) {
                columns[1 + at][row] = cos;
            }
        });
    }
    let fitted = Fit { columns }.solve(&vec![1.0; rows], |_| 1e-6, &[psi])?;
    Some(fitted[0].1)
}

/// S and p̃ (of the units of [`Column`]) where the orbit crosses the plane.
fn section<P: Potential + ?Sized>(
    potential: &P,
    track: &Track,
    column: &Column,
    integrals: &Integrals,
) -> Vec<[f64; 2]> {
    let radius_c = integrals.circle.radius;
    let crossings = track
        .points
        .windows(2)
        .filter(|pair| (pair[0].x[2] < 0.0) != (pair[1].x[2] < 0.0));
    crossings
        .map(|pair| {
            let point = crossing(potential, &pair[0], &pair[1], track.step);
            let [x, y, _] = point.x;
            let ring = x * x + y * y;
            let s = (ring + column.focus2 * radius_c * radius_c).sqrt();
            // p̃ = v_R S R/S.
            [
                s / radius_c,
                (x * point.v[0] + y * point.v[1]) / integrals.circle.momentum,
            ]
        })
        .collect()
}

/// Where z = 0 between two points `step` apart: from the quintics through positions, velocities and accelerations of both.
pub(super) fn crossing<P: Potential + ?Sized>(
    potential: &P,
    one: &PhaseSpace,
    other: &PhaseSpace,
    step: f64,
) -> PhaseSpace {
    let (a0, a1) = (potential.acceleration(one.x), potential.acceleration(other.x));
    let quintics: [[f64; 6]; 3] = std::array::from_fn(|k| {
        let (x0, x1) = (one.x[k], other.x[k]);
        let (v0, v1) = (one.v[k] * step, other.v[k] * step);
        let (b0, b1) = (0.5 * a0[k] * step * step, 0.5 * a1[k] * step * step);
        let (d, e, f) = (x1 - x0 - v0 - b0, v1 - v0 - 2.0 * b0, 2.0 * (b1 - b0));
        [
            x0,
            v0,
            b0,
            10.0 * d - 4.0 * e + 0.5 * f,
            -15.0 * d + 7.0 * e - f,
            6.0 * d - 3.0 * e + 0.5 * f,
        ]
    });
    let value = |c: &[f64; 6], t: f64| c.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let slope = |c: &[f64; 6], t: f64| (1..6).rev().fold(0.0, |sum, k| sum * t + k as f64 * c[k]);
    let t = crate::numerics::root(0.0, 1.0, |t| value(&quintics[2], t));
    PhaseSpace {
        x: quintics.map(|c| value(&c, t)),
        v: quintics.map(|c| slope(&c, t) / step),
    }
}

/// J_r, km/s kpc: the area of the curve through the points of a surface of section over 2π.
fn radial_action(section: &[[f64; 2]], column: &Column, integrals: &Integrals) -> Option<f64> {
    let (middle, scale) = section_centre(section)?;
    // Distance from the centre by angle, an even function: by least squares.
    let polar: Vec<(f64, f64)> = section
        .iter()
        .map(|[s, p]| {
            let [x, y] = [middle - s, scale * p];
            (y.atan2(x), (x * x + y * y).ln())
        })
        .collect();
    let harmonics = HARMONICS.min(section.len() / 2);
    let columns = (0..harmonics)
        .map(|k| polar.iter().map(|(angle, _)| (k as f64 * angle).cos()).collect())
        .collect();
    let side = polar.iter().map(|(_, square)| *square).collect();
    let weights = vec![1.0; section.len()];
    let fitted = Fit { columns }.solve(&weights, |k| SECTION_RIDGE * (k as f64).powi(4), &[side])?;
    let shape = &fitted[0].0;
    // ∮ v_R dR = ∮ p̃ S dS/R², both halves alike, by the midpoint rule in the angle.
    const POINTS: usize = 192;
    let half: f64 = (0..POINTS)
        .map(|i| {
            let angle = PI * (i as f64 + 0.5) / POINTS as f64;
            let (sin, cos) = angle.sin_cos();
            let (mut ln2, mut slope) = (0.0, 0.0);
            for (k, c) in shape.iter().enumerate() {
                let k = k as f64;
                ln2 += c * (k * angle).cos();
                slope -= 0.5 * c * k * (k * angle).sin();
            }
            let length = (0.5 * ln2).exp();
            let s = middle - length * cos;
            let rise = length * (sin - slope * cos);
            let ring = (s * s - column.focus2).max(1e-12);
            length * sin / scale * s * rise / ring
        })
        .sum();
    let area = 2.0 * half * PI / POINTS as f64;
    Some(area * integrals.circle.momentum / TAU)
}

/// The middle of a section in S, and the ratio of its axes.
fn section_centre(section: &[[f64; 2]]) -> Option<(f64, f64)> {
    let ends = |k: usize| {
        let values = section.iter().map(|point| point[k]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        })
    };
    let ((low, high), (down, up)) = (ends(0), ends(1));
    let width = 0.5 * (high - low);
    let reach = up.max(-down);
    (section.len() > 8 && width > 0.0 && reach > 0.0).then(|| (0.5 * (low + high), width / reach))
}
