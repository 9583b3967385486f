//! The actions that a trapped orbit has: those of the torus that it is on, which is none of the toy's kind.
//!
//! About the resonance n_r Ω_r + n_z Ω_z = 0, with n_r = g a and n_z = −g b, a and b without a common factor, θ_r goes b times around while
//! θ_z goes a times, at the rates b ω and a ω, and a θ_r − b θ_z swings at the rate ω_l. Along the orbit
//! x + iy = e^{iθ_φ} Σ w_kl e^{i(k ω + l ω_l) t} and z = Σ z_kl e^{i(k ω + l ω_l) t}, so the loop integrals are sums over this spectrum, as in the
//! module `spectrum`: Σ k ν |·|² = b J_r + a J_z, which is a J_s, and Σ l ν |·|² = J_l.

use super::spectrum::{Lattice, Part, Samples, Sums};
use super::trapped;
use super::window;
use crate::units::wrap_difference;
use std::f64::consts::{PI, TAU};
use std::ops::Range;

/// How a trapped star swings about the resonance n_r Ω_r + n_z Ω_z = 0 of its class, at fixed E and L_z.
///
/// Its J_r and J_z move along (n_r, n_z), back and forth, and so two other actions are its own: that of the libration, and what stays of J_r and J_z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Libration {
    /// J_l = ∮ (J_r dθ_r + J_z dθ_z)/2π around the island's middle, km/s kpc: 0 in the middle, greatest on the separatrix. The area of an
    /// island on the surface of section z = 0, v_z > 0 in R and v_R, over 2π, is the same.
    pub action: f64,
    /// J_s = J_z + |n_z|/n_r J_r, km/s kpc, which does not swing.
    pub sharp: f64,
    /// Of both, km/s kpc: the greatest difference between the halves of the window, or what an identity misses. Nothing where it is not estimated.
    pub error: Option<f64>,
}

/// Turns of the fast motion in a piece over which the swinging angle is averaged: the weights of three take out all that repeats from turn to turn.
const FAST_TURNS: f64 = 3.0;

/// Pieces come so often in the length of one.
const OVERLAP: usize = 8;

/// The least distance of the loop that the angle and its rate draw from its middle, in units of its half widths.
const CLEAR: f64 = 0.1;

/// Librations that a window needs: with fewer, nothing tells how long they are.
const LEAST_LIBRATIONS: f64 = 2.0;

/// Highest multiples of Ω_r and 2 Ω_z that lines are looked for at, and of ω_l.
const FAST: (usize, usize) = (32, 8);
const SLOW: usize = 16;

/// Error above which the lines may be in place of one another, km/s kpc.
const DOUBTFUL: f64 = 5e-2;

/// The libration of an orbit about a resonance; nothing where its angle draws no loop, or goes around it too seldom.
pub(super) fn libration(samples: &Samples, (n_r, n_z): (i32, i32)) -> Option<Libration> {
    let (a, b) = coprime(n_r, -n_z)?;
    let swing = Swing::new(samples, [f64::from(a), f64::from(b)])?;
    let omega = swing.frequencies(samples, [a.into(), b.into()])?;
    // Lines further off than half of ω are as near to the next multiple of it: where both are in place of one another, only the nearer ones count.
    let near = ((0.5 * omega[0] / omega[1]) as usize).clamp(1, SLOW);
    let all = Spectrum {
        omega,
        turns: (a as usize, b as usize),
        slow: SLOW,
    };
    let mut found = all.libration(samples);
    if found.error.is_none_or(|error| error > DOUBTFUL) && near < SLOW {
        let other = Spectrum { slow: near, ..all }.libration(samples);
        if other.error.is_some() && (found.error.is_none() || other.error < found.error) {
            found = other;
        }
    }
    found.error.is_some().then_some(found)
}

/// Both without their common factor; nothing unless they are positive.
fn coprime(n: i32, m: i32) -> Option<(i32, i32)> {
    let (mut a, mut b) = (n, m);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    (n > 0 && m > 0).then(|| (n / a, m / a))
}

/// The angle around the libration, in pieces.
struct Swing {
    /// Samples from piece to piece.
    step: f64,
    /// Unwrapped.
    angle: Vec<f64>,
}

impl Swing {
    fn new(samples: &Samples, [a, b]: [f64; 2]) -> Option<Self> {
        let length = trapped::piece(&samples.theta, FAST_TURNS * b)?;
        let step = (length / OVERLAP).max(1);
        let means = trapped::means(&samples.theta, length, step);
        let psi: Vec<f64> = means.iter().map(|[r, z]| a * r - b * z).collect();
        let rates: Vec<f64> = psi.windows(3).map(|three| three[2] - three[0]).collect();
        let psi = psi.get(1..psi.len().saturating_sub(1))?;
        let ends = |values: &[f64]| {
            let of = |(low, high): (f64, f64), &value: &f64| (low.min(value), high.max(value));
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), of)
        };
        let (low, high) = ends(psi);
        let (middle, width) = (0.5 * (low + high), 0.5 * (high - low));
        let pace = rates.iter().map(|rate| rate.abs()).fold(0.0, f64::max);
        let mut angle: Vec<f64> = Vec::with_capacity(psi.len());
        for (psi, rate) in psi.iter().zip(&rates) {
            let (along, across) = ((psi - middle) / width, -rate / pace);
            let clear = along.hypot(across);
            if clear.is_nan() || clear < CLEAR {
                return None;
            }
            let now = across.atan2(along);
            let before = angle.last().copied().unwrap_or(now);
            angle.push(before + wrap_difference(now - before));
        }
        Some(Self {
            step: step as f64,
            angle,
        })
    }

    /// ω, ω_l and Ω_φ: weighted straight lines, by a window that is as narrow as the number of librations allows.
    fn frequencies(&self, samples: &Samples, [a, b]: [f64; 2]) -> Option<[f64; 3]> {
        let turns = (self.angle.last()? - self.angle.first()?).abs() / TAU;
        let beta = window::BETA.min(PI * turns);
        let swing = slope(self.angle.iter().copied(), beta) / (self.step * samples.step);
        let of = |k: usize| slope(samples.theta.iter().map(|theta| theta[k]), beta) / samples.step;
        // Of b ω and a ω.
        let fast = (b * of(0) + a * of(1)) / (a * a + b * b);
        (fast > 0.0 && turns >= LEAST_LIBRATIONS).then(|| [fast, swing.abs(), of(2)])
    }
}

/// The slope of the weighted straight line through values that are one apart.
fn slope(values: impl ExactSizeIterator<Item = f64>, beta: f64) -> f64 {
    let weights = window::weights_of(beta, values.len());
    let middle = 0.5 * (values.len() as f64 - 1.0);
    let (mut slope, mut square) = (0.0, 0.0);
    for (i, (w, value)) in weights.iter().zip(values).enumerate() {
        let t = i as f64 - middle;
        slope += w * t * value;
        square += w * t * t;
    }
    slope / square
}

/// Which lines there are.
#[derive(Clone, Copy)]
struct Spectrum {
    /// ω, ω_l and Ω_φ.
    omega: [f64; 3],
    /// a and b.
    turns: (usize, usize),
    /// The highest multiple of ω_l.
    slow: usize,
}

/// Sums over a spectrum.
struct Found {
    /// b J_r + a J_z.
    fast: f64,
    swing: f64,
    sums: Sums,
}

impl Spectrum {
    /// The libration by all samples, with its error.
    fn libration(&self, samples: &Samples) -> Libration {
        let n = samples.x.len();
        let [whole, before, after] = [0..n, 0..n / 2 + 1, n / 2..n].map(|range| self.sum(samples, range));
        let apart = |of: fn(&Found) -> f64| (of(&before) - of(&after)).abs().max((of(&before) - of(&whole)).abs());
        let error = apart(|found| found.fast)
            .max(apart(|found| found.swing))
            .max((whole.sums.j_phi - samples.j_phi).abs())
            .max(((whole.sums.power - whole.sums.v2) / self.omega[0]).abs());
        Libration {
            action: whole.swing.abs(),
            sharp: whole.fast / self.turns.0 as f64,
            error: Some(error).filter(|error| error.is_finite()),
        }
    }

    fn sum(&self, samples: &Samples, range: Range<usize>) -> Found {
        let weights = window::weights(range.len());
        let (omega, (a, b)) = (self.omega, self.turns);
        let mut found = Found {
            fast: 0.0,
            swing: 0.0,
            sums: Sums {
                v2: range.clone().zip(&weights).map(|(i, w)| w * samples.v2[i]).sum(),
                ..Sums::default()
            },
        };
        let most = FAST.0 * b + 2 * FAST.1 * a;
        for part in [Part::Plane, Part::Vertical] {
            let lattice = Lattice {
                first: [-(most as f64), -(self.slow as f64)],
                size: [2 * most + 1, 2 * self.slow + 1],
                spacing: [omega[0], omega[1]],
                carrier: part.carrier(omega[2]),
            };
            for line in lattice.lines(samples, range.clone(), &weights, part) {
                found.fast += line.place[0] * line.frequency * line.square;
                found.swing += line.place[1] * line.frequency * line.square;
                found.sums.add(&line, part);
            }
        }
        found
    }
}

#[cfg(test)]
#[path = "island_tests.rs"]
mod tests;
