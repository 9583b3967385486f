//! How good the table is: what it says of orbits that it was not made from.
//!
//! In every cell of the grid some orbits at places of a sequence without rhythm are followed as those of the table are, and looked up at points along
//! their way. What is missed of a star depends on its place, and on how near it is to a resonance, which is known by the energy of its pendulum
//! (module `resonance`): logarithms of both add up. The second is chosen for each band of energies such that 68 % of the points in it, each judged by
//! the cells around its own, have less; and so is a part of the first for each layer of cells of the same α. A trapped star's actions are missed by a
//! part of the island's half width, and its angles by the same anywhere.

use super::Finder;
use super::column::{integrals, launch};
use super::coordinates::Integrals;
use super::orbit::{Node, PERIODS, Track};
use super::resonance::Resonance;
use super::table::{Axis, alpha_of, sigma_of};
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

/// Errors where nothing could be told.
const LARGE: f64 = 0.1;

/// The least error stated of each.
const LEAST: Misses = [1e-7, 1e-5, 1e-7];

/// Energies of pendulums that part the bands: the first is that of trapped stars, the last that of stars far from any resonance.
const EDGES: [f64; 8] = [1.0, 1.5, 2.0, 4.0, 10.0, 30.0, 100.0, 1000.0];
pub(super) const BANDS: usize = EDGES.len() + 1;

/// Points that tell what is missed in a band; of fewer the next band that has enough does.
const ENOUGH: usize = 50;

/// Times that bands and places are told apart, each by the other.
const ROUNDS: usize = 4;

/// A motion about a resonance: its band, and half the island's width in ψ.
#[derive(Clone, Copy, Debug)]
struct Near {
    band: usize,
    half_width: f64,
}

impl Near {
    fn of(resonance: Option<&Resonance>) -> Self {
        let (energy, half_width) = resonance.map_or((f64::INFINITY, 0.0), |one| (one.energy, one.half_width));
        Self {
            band: EDGES.partition_point(|edge| *edge <= energy),
            half_width,
        }
    }

    /// Whether what is missed tells of the place: of a trapped star's actions and angles it does not.
    fn tells_of_place(&self, of: usize) -> bool {
        self.band > 0 || of == 2
    }

    /// What is missed but for the factor of the band, with what is missed at a place.
    fn base(&self, [actions, angles, frequencies]: Misses) -> Misses {
        match self.band {
            0 => [self.half_width.max(LEAST[0]).ln(), 0.0, frequencies],
            _ => [actions, angles, frequencies],
        }
    }
}

/// What 68 % are below.
fn covering(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((COVERED * values.len() as f64) as usize).copied()
}

/// Errors at the cells of a table.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    pub axes: [Axis; 3],
    pub values: Vec<[f32; 3]>,
    pub factors: [Misses; BANDS],
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

/// What is missed along one orbit.
struct Held {
    /// y of its ψ̄: that of its launch is up to a cell off.
    y: f64,
    points: Vec<(Misses, Near)>,
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
            factors: [[0.0; 3]; BANDS],
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
        let held: Vec<Option<Held>> = held.into_iter().flatten().collect();
        let mut errors = Self {
            axes,
            values: Vec::new(),
            factors: [[0.0; 3]; BANDS],
        };
        let mut layers = vec![[0.0; 3]; axes[2].count];
        for _ in 0..ROUNDS {
            errors.values = errors.by_place(&held, &layers);
            errors.factors = errors.by_band(&held);
            let more = errors.by_layer(&held);
            let added = layers.as_flattened_mut().iter_mut().zip(more.as_flattened());
            added.for_each(|(layer, more)| *layer += more);
            for column in errors.values.chunks_mut(more.len()) {
                let added = column.as_flattened_mut().iter_mut().zip(more.as_flattened());
                added.for_each(|(value, more)| *value += *more as f32);
            }
            errors.factors = errors.by_band(&held);
        }
        errors
    }

    /// What 68 % of the points of an orbit miss at most, without the factors of their bands and layers, at the middles of the cells between
    /// those of a column; with the layers' factors.
    fn by_place(&self, held: &[Option<Held>], layers: &[Misses]) -> Vec<[f32; 3]> {
        let tilts = self.axes[2];
        let layer = |y: f64, of: usize| {
            let (k, t) = tilts.cell(y);
            layers[k][of] * (1.0 - t) + layers[k + 1][of] * t
        };
        let most = |held: &Held, of: usize| {
            let here = held.points.iter().filter(|(_, near)| near.tells_of_place(of));
            let misses = here
                .map(|(miss, near)| miss[of] - self.factors[near.band][of])
                .collect();
            covering(misses).map(|most| most - layer(held.y, of))
        };
        let column = |column: &[Option<Held>]| {
            let of = |of: usize| {
                let mut known: Vec<(f64, f64)> = Vec::with_capacity(tilts.count);
                for (k, held) in column.iter().enumerate() {
                    match held {
                        Some(held) => known.extend(most(held, of).map(|most| (held.y, most))),
                        // Of one that could not be told everything may be wrong.
                        None => known.push((tilts.at(k), LARGE.ln() - layers[k][of])),
                    }
                }
                known.sort_by(|a, b| a.0.total_cmp(&b.0));
                (0..tilts.count).map(move |k| (between(&known, tilts.at(k)) + layers[k][of]) as f32)
            };
            let [actions, angles, frequencies] = [0, 1, 2].map(of);
            actions
                .zip(angles)
                .zip(frequencies)
                .map(|((a, b), c)| [a, b, c])
                .collect::<Vec<_>>()
        };
        held.chunks(tilts.count).flat_map(column).collect()
    }

    /// What the errors of each layer of cells of the same α are to be multiplied by, that 68 % of its points keep what the columns around
    /// theirs say: towards planar and shell orbits some are far worse than most, in others all are alike.
    fn by_layer(&self, held: &[Option<Held>]) -> Vec<Misses> {
        let tilts = self.axes[2];
        let mut ratios: Vec<[Vec<f64>; 3]> = vec![Default::default(); tilts.count];
        for (at, held) in held.iter().enumerate() {
            let Some(held) = held else { continue };
            let around = self.around(at / tilts.count, held.y);
            let (k, t) = tilts.cell(held.y);
            let layer = if t < 0.5 { k } else { k + 1 };
            for (miss, near) in &held.points {
                let base = near.base(around);
                for of in (0..3).filter(|&of| near.tells_of_place(of)) {
                    ratios[layer][of].push(miss[of] - base[of] - self.factors[near.band][of]);
                }
            }
        }
        let factor = |ratios: Vec<f64>| {
            let is_enough = ratios.len() >= ENOUGH;
            covering(ratios).filter(|_| is_enough).unwrap_or(0.0)
        };
        ratios.into_iter().map(|layer| layer.map(factor)).collect()
    }

    /// The factor of every band: what 68 % of its points keep beside what the columns around theirs say.
    fn by_band(&self, held: &[Option<Held>]) -> [Misses; BANDS] {
        let mut ratios: [[Vec<f64>; 3]; BANDS] = Default::default();
        for (at, held) in held.iter().enumerate() {
            let Some(held) = held else { continue };
            let around = self.around(at / self.axes[2].count, held.y);
            for (miss, near) in &held.points {
                let base = near.base(around);
                for of in 0..3 {
                    ratios[near.band][of].push(miss[of] - base[of]);
                }
            }
        }
        let found = ratios.map(|band| {
            let is_enough = band[0].len() >= ENOUGH;
            is_enough.then(|| band.map(|ratios| covering(ratios).unwrap_or(0.0)))
        });
        // The first is measured in something else.
        let nearest = |band: usize| {
            let known = (1..BANDS).filter(|&other| found[other].is_some());
            known
                .min_by_key(|other| other.abs_diff(band))
                .and_then(|other| found[other])
        };
        std::array::from_fn(|band| match band {
            0 => found[0].unwrap_or([0.0; 3]),
            _ => nearest(band).unwrap_or([0.0; 3]),
        })
    }

    /// The mean of the columns next to one, at a place in y.
    fn around(&self, at: usize, y: f64) -> Misses {
        let [radii, sigmas, tilts] = self.axes;
        let (k, t) = tilts.cell(y);
        let (mut sum, mut many) = ([0.0; 3], 0);
        for (stride, count) in [(sigmas.count, radii.count), (1, sigmas.count)] {
            let place = at / stride % count;
            let below = (place > 0).then(|| at - stride);
            let above = (place + 1 < count).then_some(at + stride);
            for column in below.into_iter().chain(above) {
                many += 1;
                let first = column * tilts.count + k;
                for (of, sum) in sum.iter_mut().enumerate() {
                    let [low, high] = [first, first + 1].map(|at| f64::from(self.values[at][of]));
                    *sum += low * (1.0 - t) + high * t;
                }
            }
        }
        sum.map(|sum| sum / f64::from(many.max(1)))
    }

    /// The middles of the cells.
    pub fn places(&self) -> impl Iterator<Item = [f64; 3]> {
        let [radii, sigmas, tilts] = self.axes;
        (0..radii.count).flat_map(move |i| {
            (0..sigmas.count).flat_map(move |j| (0..tilts.count).map(move |k| [radii.at(i), sigmas.at(j), tilts.at(k)]))
        })
    }

    /// The errors of a star at a place of the table, with the resonance that is next to it: between those of the orbits around it.
    pub fn at(&self, place: [f64; 3], resonance: Option<&Resonance>) -> Misses {
        let [(i, t), (j, s), (k, r)] = std::array::from_fn(|of| self.axes[of].cell(place[of]));
        let mut sum = [0.0; 3];
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
        let near = Near::of(resonance);
        let base = near.base(sum);
        std::array::from_fn(|of| (base[of] + self.factors[near.band][of]).exp())
    }
}

/// Linear between places that rise, constant beyond them.
fn between(known: &[(f64, f64)], at: f64) -> f64 {
    let above = known.partition_point(|(place, _)| *place <= at);
    match (above.checked_sub(1).map(|below| known[below]), known.get(above)) {
        (Some((low, a)), Some(&(high, b))) => a + (b - a) * (at - low) / (high - low),
        (Some((_, value)), None) | (None, Some(&(_, value))) => value,
        (None, None) => LARGE.ln(),
    }
}

/// What the table misses of the orbit with these integrals that crosses the plane at `shell` with `alpha`.
fn held_out<P: Potential>(finder: &Finder<P>, integrals: &Integrals, shell: f64, alpha: f64) -> Option<Held> {
    let potential = finder.potential();
    let start = launch(potential, integrals, shell, alpha);
    let rate = epicycle(potential, integrals.circle.radius).radial;
    let track = Track::follow(potential, &start, rate, PERIODS)?;
    let column = finder.column(integrals);
    let node = Node::of(&finder.fudge, &finder.plane, &track, integrals, &column)?;
    let scale = integrals.scale();
    let (mut points, mut y) = (Vec::with_capacity(POINTS), 0.0);
    for i in 0..POINTS {
        // Equal steps would be whole periods; the orbit's frequencies and phases are best known in its middle.
        let part = (i as f64 + spread(i, 1)) / POINTS as f64;
        let row = ((0.25 + 0.5 * part) * track.points.len() as f64) as usize;
        let star = finder.look_up(&track.points[row])?;
        let found = star.found;
        y += star.place[2] / POINTS as f64;
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
        if !miss.iter().all(|miss| miss.is_finite()) {
            return None;
        }
        points.push((miss.map(f64::ln), Near::of(star.resonances[0].as_ref())));
    }
    Some(Held { y, points })
}
