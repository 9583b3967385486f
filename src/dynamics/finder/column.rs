//! All orbits of one energy and L_z, from planar to shell.

use super::coordinates::{Column, Integrals, Place};
use super::orbit::{Node, PERIODS, Track, unexplained};
use super::plane::Plane;
use super::shell;
use super::table::{alpha_of, x_of_circularity};
use crate::orbit::circular::epicycle;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;
use crate::staeckel::StaeckelFudge;
use std::f64::consts::FRAC_PI_2;

/// The integrals of the orbits with ln R_c and σ; nothing beyond the plane's table.
pub(super) fn integrals<P: Potential + ?Sized>(
    potential: &P,
    plane: &Plane,
    ln_radius: f64,
    sigma_at: f64,
) -> Option<Integrals> {
    let radius = ln_radius.exp();
    let (phi, acceleration) = potential.potential_and_acceleration([radius, 0.0, 0.0]);
    let energy = phi - 0.5 * radius * acceleration[0];
    let circle = plane.circle(energy)?;
    let lz = circle.momentum * sigma_at.cos().powi(2);
    Some(Integrals {
        energy,
        lz,
        phi,
        circle,
        x: x_of_circularity(lz / circle.momentum),
    })
}

/// The star that crosses the plane at `radius` with the share sin²`alpha` of what is left of its energy upwards.
pub(super) fn launch<P: Potential + ?Sized>(
    potential: &P,
    integrals: &Integrals,
    radius: f64,
    alpha: f64,
) -> PhaseSpace {
    let around = integrals.lz / radius;
    let square = 2.0 * (integrals.energy - potential.potential([radius, 0.0, 0.0])) - around * around;
    let speed = square.max(0.0).sqrt();
    PhaseSpace::new([radius, 0.0, 0.0], [speed * alpha.cos(), around, speed * alpha.sin()])
}

/// α of the orbits of a column: midpoints of (0, π/2) in y.
pub(super) fn alphas(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| alpha_of(FRAC_PI_2 * (i as f64 + 0.5) / count as f64))
}

/// What is found of a column before its orbits are followed at length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed {
    /// Where the shell crosses the plane, in R_c.
    pub shell: f64,
    /// The Δ² for which ψ is told best by few modes, in R_c².
    pub focus2: f64,
}

/// sin²α of the orbits by which Δ² is chosen, the radial periods of each, and the Δ² that are tried first, in R_c².
const CHOICE: [f64; 3] = [0.2, 0.45, 0.75];
const CHOICE_PERIODS: f64 = 20.0;
const TRIED: [f64; 8] = [0.004, 0.015, 0.04, 0.08, 0.14, 0.22, 0.34, 0.5];

impl Seed {
    /// `guess` is where the shell crosses the plane, in R_c, nearly.
    pub fn new<P: Potential + ?Sized>(
        potential: &P,
        plane: &Plane,
        ln_radius: f64,
        sigma_at: f64,
        guess: f64,
    ) -> Option<Self> {
        let integrals = integrals(potential, plane, ln_radius, sigma_at)?;
        let size = ln_radius.exp();
        let shell = shell::radius(potential, &integrals, guess * size).unwrap_or(guess * size);
        let rate = epicycle(potential, size).radial;
        let tracks: Vec<Option<Track>> = CHOICE
            .iter()
            .map(|sine2| {
                let start = launch(potential, &integrals, shell, sine2.sqrt().asin());
                Track::follow(potential, &start, rate, CHOICE_PERIODS)
            })
            .collect();
        let miss = |focus2: f64| -> Option<f64> {
            let mut column = shell::coordinates(potential, plane, &integrals, shell, focus2)?;
            choose_centre(
                potential,
                plane,
                &integrals,
                &mut column,
                &tracks,
                CHOICE.map(|s| s.sqrt().asin()),
            );
            let each = tracks.iter().flatten().map(|track| {
                let rest = unexplained(potential, plane, track, &integrals, &column)?;
                Some(rest * rest)
            });
            each.sum::<Option<f64>>().map(|sum| sum.ln())
        };
        let mut seen: Vec<(f64, f64)> = TRIED
            .iter()
            .filter_map(|&focus2| Some((focus2.sqrt(), miss(focus2)?)))
            .collect();
        let best = |seen: &[(f64, f64)]| (0..seen.len()).min_by(|&a, &b| seen[a].1.total_cmp(&seen[b].1));
        let mut at = best(&seen)?;
        // Parabolas through the best three.
        for _ in 0..2 {
            if at == 0 || at + 1 >= seen.len() {
                break;
            }
            let [(a, fa), (b, fb), (c, fc)] = [seen[at - 1], seen[at], seen[at + 1]];
            let (p, r) = ((b - a) * (fb - fc), (b - c) * (fb - fa));
            let next = b - 0.5 * ((b - a) * p - (b - c) * r) / (p - r);
            let Some(value) = miss(next * next).filter(|_| next > a && next < c) else {
                break;
            };
            seen.insert(if next < b { at } else { at + 1 }, (next, value));
            at = best(&seen)?;
        }
        Some(Self {
            shell: shell / size,
            focus2: seen[at].0.powi(2),
        })
    }
}

/// A column with its orbits; `None` where an orbit could not be followed or told.
pub(super) struct Orbits {
    pub integrals: Integrals,
    pub column: Column,
    pub nodes: Vec<Option<Node>>,
}

impl Orbits {
    pub fn new<P: Potential>(
        fudge: &StaeckelFudge<P>,
        plane: &Plane,
        ln_radius: f64,
        sigma_at: f64,
        seed: &Seed,
        count: usize,
    ) -> Option<Self> {
        let potential = fudge.potential();
        let integrals = integrals(potential, plane, ln_radius, sigma_at)?;
        let size = ln_radius.exp();
        let shell = seed.shell * size;
        let mut column = shell::coordinates(potential, plane, &integrals, shell, seed.focus2)?;
        let rate = epicycle(potential, size).radial;
        let tracks: Vec<Option<Track>> = alphas(count)
            .map(|alpha| Track::follow(potential, &launch(potential, &integrals, shell, alpha), rate, PERIODS))
            .collect();
        choose_centre(potential, plane, &integrals, &mut column, &tracks, alphas(count));
        let nodes = tracks
            .iter()
            .map(|track| Node::of(fudge, plane, track.as_ref()?, &integrals, &column))
            .collect();
        Some(Self {
            integrals,
            column,
            nodes,
        })
    }
}

/// S₀ and κ of a column: linear in cos²α by least squares, S₀ that of the shell at its end.
fn choose_centre<P: Potential + ?Sized>(
    potential: &P,
    plane: &Plane,
    integrals: &Integrals,
    column: &mut Column,
    tracks: &[Option<Track>],
    alphas: impl IntoIterator<Item = f64>,
) {
    let (mut rows, mut middles) = ([0.0; 2], [0.0; 2]);
    let (mut square, mut side) = ([[0.0; 2]; 2], [0.0; 2]);
    for (track, alpha) in tracks.iter().zip(alphas) {
        let Some(track) = track else { continue };
        let (mut low, mut high, mut reach) = (f64::INFINITY, 0.0f64, 0.0f64);
        for point in track.points.iter().step_by(2) {
            let here = Integrals {
                phi: potential.potential(point.x),
                ..*integrals
            };
            let [s, p] = Place::new(potential, plane, point, &here, column).raw;
            (low, high, reach) = (low.min(s), high.max(s), reach.max(p.abs()));
        }
        let flat = alpha.cos().powi(2);
        rows[0] += flat * flat;
        middles[0] += flat * (0.5 * (low + high) - column.middle[0]);
        // In logarithms; near the shell the width is that of the shell's own departure from u = const.
        let ratio = 0.5 * (high - low) / reach;
        let row = [flat, flat * flat];
        for i in 0..2 {
            for j in 0..2 {
                square[i][j] += row[i] * row[j] / flat;
            }
            side[i] += row[i] * ratio;
        }
    }
    if rows[0] > 0.0 {
        column.middle[1] = middles[0] / rows[0];
    }
    let determinant = square[0][0] * square[1][1] - square[0][1] * square[1][0];
    if determinant > 0.0 {
        column.scale = [
            (side[0] * square[1][1] - side[1] * square[0][1]) / determinant,
            (square[0][0] * side[1] - square[1][0] * side[0]) / determinant,
        ];
    }
}
