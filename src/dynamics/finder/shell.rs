//! The shell orbit of an energy and L_z, which has no radial motion, and the coordinates that follow it.

use super::coordinates::{Column, Integrals, Place};
use super::orbit::crossing;
use super::plane::Plane;
use crate::orbit::dense;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::units::{Natural, wrap_difference};
use std::f64::consts::TAU;

/// Tolerance of the integration, and points in a circular period.
const TOLERANCE: f64 = 1e-9;
const DENSITY: f64 = 96.0;

/// Steps towards the shell, and the difference for derivatives, in R.
const STEPS: usize = 8;
const DIFFERENCE: f64 = 1e-3;

/// Half a period above the plane, at equal steps, from the upward crossing.
struct Arc {
    points: Vec<PhaseSpace>,
    /// Where it comes down.
    end: PhaseSpace,
}

/// The star that crosses the plane at `radius` upwards without radial motion; nothing if it has no energy for it.
fn launch<P: Potential + ?Sized>(potential: &P, energy: f64, lz: f64, radius: f64) -> Option<PhaseSpace> {
    let around = lz / radius;
    let square = 2.0 * (energy - potential.potential([radius, 0.0, 0.0])) - around * around;
    (square > 0.0).then(|| PhaseSpace::new([radius, 0.0, 0.0], [0.0, around, square.sqrt()]))
}

fn arc<P: Potential + ?Sized>(potential: &P, start: &PhaseSpace, step: f64) -> Option<Arc> {
    let times: Vec<Natural> = (0..(1.3 * DENSITY) as usize)
        .map(|i| Natural(step * i as f64))
        .collect();
    let mut points = Vec::with_capacity(times.len());
    dense::follow_within(potential, start, &times, TOLERANCE, 20_000, |_, point| {
        points.push(point)
    })
    .ok()?;
    let past = points.iter().skip(1).position(|point| point.x[2] < 0.0)? + 1;
    let end = crossing(potential, &points[past - 1], &points[past], step);
    points.truncate(past);
    Some(Arc { points, end })
}

/// By what R and v_R (times the circular period over 2π) of the star launched at `radius` differ when it crosses the plane again.
fn miss<P: Potential + ?Sized>(potential: &P, energy: f64, lz: f64, radius: f64, period: f64) -> Option<[f64; 2]> {
    let end = arc(potential, &launch(potential, energy, lz, radius)?, period / DENSITY)?.end;
    let reached = end.x[0].hypot(end.x[1]);
    let v = (end.x[0] * end.v[0] + end.x[1] * end.v[1]) / reached;
    Some([reached - radius, v * period / TAU])
}

/// Where the shell orbit crosses the plane, kpc, from a guess.
pub(super) fn radius<P: Potential + ?Sized>(potential: &P, integrals: &Integrals, guess: f64) -> Option<f64> {
    let Integrals { energy, lz, circle, .. } = *integrals;
    let size = circle.radius;
    let period = TAU * size * size / circle.momentum;
    let mut at = guess;
    for _ in 0..STEPS {
        let here = miss(potential, energy, lz, at, period)?;
        let width = DIFFERENCE * at;
        let there = miss(potential, energy, lz, at + width, period)?;
        let slope = [0, 1].map(|k| (there[k] - here[k]) / width);
        let step = (slope[0] * here[0] + slope[1] * here[1]) / (slope[0] * slope[0] + slope[1] * slope[1]);
        let step = step.clamp(-0.1 * at, 0.1 * at);
        if !step.is_finite() {
            return None;
        }
        at -= step;
        if step.abs() < 1e-7 * at {
            break;
        }
    }
    launch(potential, energy, lz, at).map(|_| at)
}

/// The coordinates of a column from its shell, with S₀ and κ still those of the shell alone (κ unknown, 1).
pub(super) fn coordinates<P: Potential + ?Sized>(
    potential: &P,
    plane: &Plane,
    integrals: &Integrals,
    radius: f64,
    focus2: f64,
) -> Option<Column> {
    let Integrals { energy, lz, circle, .. } = *integrals;
    let size = circle.radius;
    let period = TAU * size * size / circle.momentum;
    let start = launch(potential, energy, lz, radius)?;
    let arc = arc(potential, &start, period / DENSITY)?;
    let mut column = Column {
        focus2,
        most: 1.0,
        middle: [1.0, 0.0],
        scale: [1.0, 0.0],
    };
    // Means over ϑ_v, by trapezia.
    let mut places: Vec<Place> = Vec::with_capacity(arc.points.len() + 1);
    for point in arc.points.iter().chain([&arc.end]) {
        let here = Integrals {
            phi: potential.potential(point.x),
            ..*integrals
        };
        places.push(Place::new(potential, plane, point, &here, &column));
    }
    let (mut turned, mut psi, mut middle) = (0.0, 0.0, 0.0);
    for pair in places.windows(2) {
        let [from, to] = [&pair[0], &pair[1]];
        let turn = wrap_difference(to.v[1].atan2(to.v[0]) - from.v[1].atan2(from.v[0])).abs();
        turned += turn;
        psi += 0.5 * turn * (from.psi + to.psi);
        middle += 0.5 * turn * (from.raw[0] + to.raw[0]);
    }
    column.most = psi / turned;
    column.middle[0] = middle / turned;
    (column.most > 0.0 && column.middle[0].is_finite()).then_some(column)
}
