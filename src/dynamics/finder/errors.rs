//! How good the table is: what it says of orbits that it was not made from.
//!
//! In every cell of the grid some orbits at places of a sequence without rhythm are followed as those of the table are, and looked up at points along
//! their way. The root mean square of what is missed is their error; that of a star is between those around it, times one factor for all,
//! for which 68 % of the points of regular orbits, each judged by its neighbours alone, have less.

use super::column::{integrals, launch};
use super::coordinates::Integrals;
use super::orbit::{Node, PERIODS, Track};
use super::table::{Axis, alpha_of, sigma_of};
use super::{Finder, Star};
use crate::o2gf::Class;
use crate::orbit::circular::epicycle;
use crate::potential::Potential;
use crate::units::wrap_difference;
use rayon::prelude::*;
use std::f64::consts::FRAC_PI_2;

/// Points looked up along an orbit.
const POINTS: usize = 12;

/// Part of the stars whose error is to be less than what is stated.
const COVERED: f64 = 0.68;

/// Errors of J (in L_c sin²σ), of the angles (radians) and of the frequencies (in Ω_r): their logarithms.
type Misses = [f64; 3];

/// The least error stated of each.
const LEAST: Misses = [1e-7, 1e-5, 1e-7];

/// Errors at the cells of a table.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    pub axes: [Axis; 3],
    pub values: Vec<[f32; 3]>,
    pub factors: Misses,
}

/// Numbers in [0, 1) that fill it evenly: the fractions of multiples of powers of a root (Roberts 2018).
fn spread(at: usize, of: usize) -> f64 {
    const ROOTS: [f64; 3] = [
        0.819_172_513_396_164_4,
        0.671_043_606_703_789_3,
        0.549_700_477_901_970_3,
    ];
    (0.5 + ROOTS[of] * (at + 1) as f64).fract()
}

/// What is missed of one orbit: for every point, and in the mean.
struct Held {
    points: Vec<Misses>,
    mean: Misses,
    is_regular: bool,
}

impl Errors {
    /// Axes of the cells of a table, at their middles.
    pub fn axes(radii: &Axis, sigmas: &Axis, alphas: usize) -> [Axis; 3] {
        let tilts = alphas.div_ceil(2);
        let step = FRAC_PI_2 / tilts as f64;
        [
            Axis {
                first: radii.first + 0.5 * radii.step,
                step: radii.step,
                count: radii.count - 1,
            },
            Axis {
                first: sigmas.first - 0.5 * sigmas.step,
                step: sigmas.step,
                count: sigmas.count,
            },
            Axis {
                first: 0.5 * step,
                step,
                count: tilts,
            },
        ]
    }

    /// Before anything is measured: everything may be wrong.
    pub fn none(radii: &Axis, sigmas: &Axis, alphas: usize) -> Self {
        let axes = Self::axes(radii, sigmas, alphas);
        let cells = axes.iter().map(|axis| axis.count).product();
        Self {
            axes,
            values: vec![[0.0; 3]; cells],
            factors: [0.0; 3],
        }
    }

    /// Follows orbits in every cell of the table of `finder`, whose shells cross the plane at `shells`, in R_c, by node.
    pub fn measure<P: Potential>(
        finder: &Finder<P>,
        shells: &[f64],
        alphas: usize,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Self {
        let (radii, sigmas) = (finder.table.radii, finder.sigmas());
        let axes = Self::axes(&radii, &sigmas, alphas);
        let cells = axes.map(|axis| axis.count);
        let step = axes[2].step;
        let held: Vec<Vec<Option<Held>>> = (0..cells[0] * cells[1])
            .into_par_iter()
            .with_max_len(1)
            .map(|at| {
                let (i, j) = (at / cells[1], at % cells[1]);
                let (t, s) = (spread(at, 0), spread(at, 1));
                // The first cell reaches from σ = 0 to the first node.
                let (from, x) = match j {
                    0 => (0, sigmas.first * s),
                    _ => (j - 1, sigmas.first + sigmas.step * ((j - 1) as f64 + s)),
                };
                let node = |i: usize, j: usize| shells[i * sigmas.count + j];
                let [low, high] = [from, j].map(|j| node(i, j) * (1.0 - t) + node(i + 1, j) * t);
                let sigma = sigma_of(x);
                let ln_radius = radii.first + radii.step * (i as f64 + t);
                let shell = (low * (1.0 - s) + high * s) * ln_radius.exp();
                let Some(integrals) = integrals(finder.potential(), &finder.plane, ln_radius, sigma) else {
                    return (0..cells[2]).map(|_| None).collect();
                };
                let orbits = (0..cells[2]).map(|k| {
                    let alpha = alpha_of(step * (k as f64 + spread(at * cells[2] + k, 2)));
                    held_out(finder, &integrals, shell, alpha)
                });
                let orbits = orbits.collect();
                progress(1);
                orbits
            })
            .collect();
        // An orbit that could not be told has the greatest error of its column, or a large one.
        let values: Vec<[f32; 3]> = held
            .iter()
            .flat_map(|column| {
                let greatest = column.iter().flatten().fold([0.1f64.ln(); 3], |most, held| {
                    std::array::from_fn(|k| most[k].max(held.mean[k]))
                });
                column.iter().map(move |held| {
                    held.as_ref()
                        .map_or(greatest, |held| held.mean)
                        .map(|value| value as f32)
                })
            })
            .collect();
        let mut ratios: [Vec<f64>; 3] = Default::default();
        for (at, column) in held.iter().enumerate() {
            for (k, one) in column.iter().enumerate() {
                let Some(one) = one.as_ref().filter(|one| one.is_regular) else {
                    continue;
                };
                let neighbours: Vec<usize> = [k.wrapping_sub(1), k + 1]
                    .into_iter()
                    .filter(|k| *k < cells[2])
                    .collect();
                for (of, ratios) in ratios.iter_mut().enumerate() {
                    let by_others = neighbours
                        .iter()
                        .map(|k| f64::from(values[at * cells[2] + k][of]))
                        .sum::<f64>();
                    let own = by_others / neighbours.len().max(1) as f64;
                    ratios.extend(one.points.iter().map(|miss| miss[of] - own));
                }
            }
        }
        let factors = ratios.map(|mut ratios| {
            ratios.sort_by(f64::total_cmp);
            let at = (COVERED * ratios.len() as f64) as usize;
            ratios.get(at).copied().unwrap_or(0.0)
        });
        Self { axes, values, factors }
    }

    /// The middles of the cells.
    pub fn places(&self) -> impl Iterator<Item = [f64; 3]> {
        let [radii, sigmas, tilts] = self.axes;
        (0..radii.count).flat_map(move |i| {
            (0..sigmas.count).flat_map(move |j| (0..tilts.count).map(move |k| [radii.at(i), sigmas.at(j), tilts.at(k)]))
        })
    }

    /// The errors of a star at a place of the table: between those of the orbits around it.
    pub fn at(&self, place: [f64; 3]) -> Misses {
        let cell = |axis: &Axis, value: f64| {
            let place = ((value - axis.first) / axis.step).clamp(0.0, (axis.count - 1) as f64);
            let i = (place as usize).min(axis.count.saturating_sub(2));
            (i, place - i as f64)
        };
        let [(i, t), (j, s), (k, r)] = std::array::from_fn(|of| cell(&self.axes[of], place[of]));
        let mut sum = self.factors;
        for (di, wi) in [(0, 1.0 - t), (1, t)] {
            for (dj, wj) in [(0, 1.0 - s), (1, s)] {
                for (dk, wk) in [(0, 1.0 - r), (1, r)] {
                    let weight = wi * wj * wk;
                    if weight > 0.0 {
                        let at = ((i + di) * self.axes[1].count + j + dj) * self.axes[2].count + k + dk;
                        for (sum, value) in sum.iter_mut().zip(self.values[at]) {
                            *sum += weight * f64::from(value);
                        }
                    }
                }
            }
        }
        sum.map(f64::exp)
    }
}

/// What the table misses of the orbit with these integrals that crosses the plane at `shell` with `alpha`.
fn held_out<P: Potential>(finder: &Finder<P>, integrals: &Integrals, shell: f64, alpha: f64) -> Option<Held> {
    let potential = finder.potential();
    let start = launch(potential, integrals, shell, alpha);
    let rate = epicycle(potential, integrals.circle.ln_radius.exp()).radial;
    let track = Track::follow(potential, &start, rate, PERIODS)?;
    let column = finder.column(integrals);
    let node = Node::of(&finder.fudge, &finder.plane, &track, integrals, &column)?;
    let scale = integrals.scale();
    let mut points = Vec::with_capacity(POINTS);
    let mut mean = [0.0; 3];
    for i in 0..POINTS {
        let row = (i * 2 + 1) * track.points.len() / (2 * POINTS);
        let Star { found, .. } = finder.look_up(&track.points[row])?;
        let time = row as f64 * track.step;
        let angles = [found.angles.r, found.angles.z, found.angles.phi];
        let turned = |k: usize| wrap_difference(angles[k] - node.start[k] - node.rates[k] * time).abs();
        let rates = [found.frequencies.r, found.frequencies.z, found.frequencies.phi];
        let miss = [
            (found.actions.r - node.actions[0])
                .abs()
                .max((found.actions.z - node.actions[1]).abs())
                / scale,
            turned(0).max(turned(1)).max(turned(2)),
            (0..3).map(|k| (rates[k] - node.rates[k]).abs()).fold(0.0, f64::max) / node.rates[0],
        ];
        let miss: Misses = std::array::from_fn(|k| miss[k].max(LEAST[k]));
        for k in 0..3 {
            mean[k] += miss[k] * miss[k] / POINTS as f64;
        }
        points.push(miss.map(f64::ln));
    }
    mean.iter().all(|mean| mean.is_finite()).then_some(Held {
        points,
        mean: mean.map(|mean| 0.5 * mean.ln()),
        is_regular: node.class() == Class::Regular,
    })
}
