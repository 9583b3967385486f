//! The table on a regular grid in (ln R_c, σ, α), and its interpolation.

use super::coordinates::Column;
use super::modes::{self, MODES, MOST_A, NUMBERS, PADDED};
use super::orbit::{Node, Shape};
use super::plane::hermite;
use super::quarter::Quarter;
use std::f64::consts::FRAC_PI_2;
use std::sync::LazyLock;

/// Nodes along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub first: f64,
    pub step: f64,
    pub count: usize,
}

/// The stencil of a place on an axis: its first node and four weights.
#[derive(Clone, Copy)]
pub(super) struct Stencil {
    pub first: usize,
    pub weights: [f64; 4],
}

impl Axis {
    pub fn at(&self, i: usize) -> f64 {
        self.first + self.step * i as f64
    }

    /// The node below a place, or the last but one, and how far it is from there to the next; places beyond the ends are those of the ends.
    #[inline(always)]
    pub fn cell(&self, value: f64) -> (usize, f64) {
        let place = ((value - self.first) / self.step).clamp(0.0, (self.count - 1) as f64);
        let i = (place as usize).min(self.count.saturating_sub(2));
        (i, place - i as f64)
    }

    /// Cubic, through the nodes; beyond them it extrapolates.
    #[inline(always)]
    pub fn cubic(&self, value: f64) -> Stencil {
        let place = (value - self.first) / self.step;
        let first = (place - 1.0).clamp(0.0, self.count as f64 - 4.0) as usize;
        let t = place - first as f64;
        let [a, b, c, d] = [t, t - 1.0, t - 2.0, t - 3.0];
        Stencil {
            first,
            weights: [-b * c * d / 6.0, a * c * d / 2.0, -a * b * d / 2.0, a * b * c / 6.0],
        }
    }

    /// Linear: the first two weights.
    #[inline(always)]
    pub fn linear(&self, value: f64) -> Stencil {
        let place = (value - self.first) / self.step;
        let first = place.clamp(0.0, self.count as f64 - 2.0) as usize;
        let t = place - first as f64;
        Stencil {
            first,
            weights: [1.0 - t, t, 0.0, 0.0],
        }
    }
}

const SHARE: f64 = 0.15;
const SIGMA: f64 = 0.05;

/// x of σ, in which nodes are equally spaced: densest at small σ, where orbits leave a thin disc. Odd, so that x = 0 is a mirror as σ = 0 is.
pub(super) fn x_of(sigma: f64) -> f64 {
    sigma + SHARE * (sigma / SIGMA).asinh()
}

/// x of |L_z|/L_c = cos²σ; what rounding brings above 1 is 1.
#[inline]
pub(super) fn x_of_circularity(circularity: f64) -> f64 {
    static X: LazyLock<Quarter> =
        LazyLock::new(|| Quarter::new(x_of, |sigma| 1.0 + SHARE / (SIGMA * SIGMA + sigma * sigma).sqrt()));
    let cos2 = circularity.abs().min(1.0);
    X.at((1.0 - cos2).sqrt(), cos2.sqrt())
}

/// σ of x.
pub(super) fn sigma_of(x: f64) -> f64 {
    crate::numerics::root(0.0, FRAC_PI_2, |sigma| x_of(sigma) - x)
}

/// y of α, in which nodes are equally spaced: densest at α = 0. Both ends are mirrors.
pub(super) fn y_of(alpha: f64) -> f64 {
    alpha + 0.5 * CROWDING * (2.0 * alpha).sin()
}

const CROWDING: f64 = 0.4;

/// α of y.
pub(super) fn alpha_of(y: f64) -> f64 {
    crate::numerics::root(0.0, FRAC_PI_2, |alpha| y_of(alpha) - y)
}

/// y of ψ = sin²α.
#[inline(always)]
pub(super) fn y_of_psi(psi: f64) -> f64 {
    static Y: LazyLock<Quarter> = LazyLock::new(|| Quarter::new(y_of, |alpha| 1.0 + CROWDING * (2.0 * alpha).cos()));
    let sin2 = psi.clamp(0.0, 1.0);
    Y.at(sin2.sqrt(), (1.0 - sin2).sqrt())
}

/// Numbers of a node: modes of ψ, with J_r and J_z in L_c sin²σ cos²α and L_c sin²σ sin²α and Ω_r, Ω_z, |Ω_φ| in L_c/R_c²; then those of θ_r, θ_z, θ_φ.
pub(super) const HEAD: usize = PADDED + 16;
pub(super) const NUMBERS_OF_NODE: usize = HEAD + 3 * PADDED;

/// Mirrored nodes beyond α = 0 and π/2, and beyond σ = 0.
pub(super) const GHOSTS: usize = 2;

/// Coordinates that ψ̄ is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The fudge's: all numbers of a node.
    Fudge,
    /// Anomalies: the head alone.
    Anomalies,
}

impl By {
    fn shape(self, node: &Node) -> &Shape {
        match self {
            Self::Fudge => &node.psi,
            Self::Anomalies => &node.quick,
        }
    }

    fn numbers(self) -> usize {
        match self {
            Self::Fudge => NUMBERS_OF_NODE,
            Self::Anomalies => HEAD,
        }
    }
}

/// Numbers of the nodes of a column or of a table: full ones, and those of the quick look-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub full: Vec<f32>,
    pub quick: Vec<f32>,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub radii: Axis,
    pub sigmas: Axis,
    pub alphas: Axis,
    pub columns: Vec<Column>,
    /// Node by node, α fastest.
    pub nodes: Numbers,
}

/// Whether a number of a node changes sign beyond a mirror: modes of odd a.
fn is_odd(number: usize) -> bool {
    let mode = if number < PADDED {
        number
    } else if number < HEAD {
        return false;
    } else {
        (number - HEAD) % PADDED
    };
    mode < MODES && NUMBERS[mode].0 % 2 != 0
}

/// Whether a mode of θ_r, θ_z or θ_φ (`angle` 0 to 2) vanishes on planar orbits, where ϑ_v has no meaning.
pub(super) fn vanishes(angle: usize, mode: usize) -> bool {
    // Those of b = 0 are the first.
    angle != 1 && mode >= MOST_A
}

/// What such modes are tabulated in parts of: like ψ where it is small.
pub(super) fn flatness(psi: f64) -> f64 {
    const SCALE: f64 = 0.05;
    psi / (psi + SCALE)
}

/// n·Ω/Ω_r below which a mode's orbit says little of others.
const NEAR: f64 = 0.02;

/// What an orbit may miss ψ by and still count as much as the best.
const LEAST_MISS: f64 = 1e-3;

/// An orbit that misses ψ by so many times what its neighbours do says nothing: it is trapped or chaotic.
const ASTRAY: f64 = 8.0;

/// Orbits closer in y than this part of a step are one torus twice; the better one counts.
const APART: f64 = 0.3;

/// Actions that any orbit can have, in L_c − |L_z| and in its share of ψ: what a chaotic or locked orbit was taken for may be anything.
const POSSIBLE: std::ops::Range<f64> = 0.2..2.0;

/// Whether what is known of an orbit can be true.
fn is_possible(node: &Node, shape: &Shape, scale: f64) -> bool {
    let [j_r, j_z] = node.actions;
    shape.mean > 0.0
        && shape.mean < 1.0
        && POSSIBLE.contains(&(j_r / (scale * (1.0 - shape.mean))))
        && POSSIBLE.contains(&(j_z / (scale * shape.mean)))
        && shape.modes.iter().all(|a| a.abs() < 1.0)
        && node.b.as_flattened().iter().all(|b| b.abs() < std::f64::consts::TAU)
}

/// What an orbit misses of ψ, with what a resonance may have bent.
fn miss(node: &Node, shape: &Shape, detuned: &[f64; MODES], scale: f64) -> f64 {
    // Next to a resonance its mode is not what it would be by first-order theory, and nothing else is quite.
    let bent = shape
        .modes
        .iter()
        .zip(detuned)
        .map(|(a, &w)| (a * (NEAR / w).powi(2)).powi(2));
    let drift = (node.drift / scale).min(1.0);
    (LEAST_MISS.powi(2) + shape.rest.powi(2) + drift * drift + bent.sum::<f64>()).sqrt()
}

/// An orbit of a column at its place in y.
struct Row {
    y: f64,
    miss: f64,
    detuned: [f64; MODES],
    numbers: Vec<f64>,
}

/// Those that tell of their neighbours, by y.
fn telling(mut rows: Vec<Row>, step: f64) -> Vec<Row> {
    rows.sort_by(|a, b| a.y.total_cmp(&b.y));
    let misses: Vec<f64> = rows.iter().map(|row| row.miss).collect();
    let usual = |i: usize| {
        let around = misses[i.saturating_sub(2)..(i + 3).min(misses.len())].to_vec();
        crate::statistics::median(around).unwrap_or(LEAST_MISS)
    };
    let limits: Vec<f64> = (0..rows.len()).map(|i| ASTRAY * usual(i)).collect();
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    for (row, limit) in rows.into_iter().zip(limits) {
        if row.miss > limit {
            continue;
        }
        match kept.last_mut() {
            Some(last) if row.y - last.y < APART * step => {
                if row.miss < last.miss {
                    *last = row;
                }
            }
            _ => kept.push(row),
        }
    }
    kept
}

/// The cubic between values at rising places, at others: slopes are those of parabolas through three values. Beyond the first it is even about 0,
/// beyond the last even or odd about π/2.
fn between_values(places: &[f64], values: &[f64], odd: bool, at: &[f64]) -> Vec<f64> {
    let count = places.len();
    let (ends, sign) = (count.min(2), if odd { -1.0 } else { 1.0 });
    let before = (0..ends).rev().map(|i| (-places[i], values[i]));
    let after = (0..ends).map(|i| {
        (
            std::f64::consts::PI - places[count - 1 - i],
            sign * values[count - 1 - i],
        )
    });
    let all: Vec<(f64, f64)> = before
        .chain(places.iter().copied().zip(values.iter().copied()))
        .chain(after)
        .collect();
    let slope = |i: usize| {
        let rise = |i: usize| (all[i + 1].1 - all[i].1) / (all[i + 1].0 - all[i].0).max(1e-9);
        if i == 0 || i + 1 == all.len() {
            return 0.0;
        }
        let [left, right] = [all[i].0 - all[i - 1].0, all[i + 1].0 - all[i].0];
        (right * rise(i - 1) + left * rise(i)) / (left + right).max(1e-9)
    };
    let value = |&at: &f64| {
        let i = all.partition_point(|(place, _)| *place <= at).clamp(1, all.len() - 1) - 1;
        let width = (all[i + 1].0 - all[i].0).max(1e-9);
        let t = (at - all[i].0) / width;
        let slopes = [slope(i), slope(i + 1)].map(|slope| slope * width);
        hermite(t, [all[i].1, all[i + 1].1], slopes)
    };
    at.iter().map(value).collect()
}

/// A column's nodes at regular α (ghosts included) from its orbits: each number by cubics in y between those that tell.
pub(super) fn regular(
    by: By,
    nodes: &[Option<Node>],
    momentum: f64,
    radius2: f64,
    sine2: f64,
    alphas: &Axis,
) -> Option<Vec<f32>> {
    let scale = momentum * sine2;
    let there = nodes.iter().flatten().map(|node| (node, by.shape(node)));
    let rows = there
        .filter(|(node, shape)| is_possible(node, shape, scale))
        .map(|(node, shape)| {
            let detuned = modes::detunings(node.rates[1] / node.rates[0]);
            let psi = shape.mean;
            let mut numbers = vec![0.0; NUMBERS_OF_NODE];
            for k in 0..MODES {
                numbers[k] = shape.modes[k] / psi * detuned[k];
                for i in 0..3 {
                    let share = if vanishes(i, k) { flatness(psi) } else { 1.0 };
                    numbers[HEAD + i * PADDED + k] = node.b[i][k] * detuned[k] * detuned[k] / share;
                }
            }
            numbers[PADDED] = node.actions[0] / (scale * (1.0 - psi));
            numbers[PADDED + 1] = node.actions[1] / (scale * psi);
            for i in 0..3 {
                numbers[PADDED + 2 + i] = node.rates[i] * radius2 / momentum;
            }
            Row {
                y: y_of_psi(psi),
                miss: miss(node, shape, &detuned, scale),
                detuned,
                numbers,
            }
        })
        .collect();
    let rows = telling(rows, FRAC_PI_2 / nodes.len() as f64);
    if rows.len() < 4 {
        return None;
    }
    let at: Vec<f64> = (0..alphas.count).map(|i| alphas.at(i)).collect();
    let width = by.numbers();
    let mut values = vec![0.0f32; alphas.count * width];
    for number in 0..width {
        let mode = if number < HEAD {
            number
        } else {
            (number - HEAD) % PADDED
        };
        let far = |row: &&Row| mode >= MODES || row.detuned[mode].abs() > NEAR + modes::SOFTENING;
        let mut used: Vec<&Row> = rows.iter().filter(far).collect();
        if used.len() < 4 {
            used = rows.iter().collect();
        }
        let places: Vec<f64> = used.iter().map(|row| row.y).collect();
        let sides: Vec<f64> = used.iter().map(|row| row.numbers[number]).collect();
        let found = between_values(&places, &sides, is_odd(number), &at);
        for (i, value) in found.into_iter().enumerate() {
            values[i * width + number] = value as f32;
        }
    }
    Some(values)
}

/// The α axis of a table for so many orbits, with nodes in (0, π/2) and ghosts.
pub(super) fn alpha_axis(tilts: usize) -> Axis {
    let count = tilts + tilts / 2;
    let step = FRAC_PI_2 / count as f64;
    Axis {
        first: step * (0.5 - GHOSTS as f64),
        step,
        count: count + 2 * GHOSTS,
    }
}

/// The axis of x with ghosts.
pub(super) fn padded(sigmas: &Axis) -> Axis {
    Axis {
        first: sigmas.first - sigmas.step * GHOSTS as f64,
        step: sigmas.step,
        count: sigmas.count + GHOSTS,
    }
}

impl Table {
    /// From the columns' regular nodes, σ fastest; a column that is missing takes the place of the next in σ that is there.
    pub fn assemble(radii: Axis, sigmas: Axis, alphas: Axis, made: &[Option<(Column, Numbers)>]) -> Option<Self> {
        let inner = sigmas.count;
        let padded = padded(&sigmas);
        let (mut columns, mut nodes) = (Vec::new(), Numbers::default());
        for i in 0..radii.count {
            let row = &made[i * inner..(i + 1) * inner];
            let nearest = |j: usize| {
                let by_distance = |k: &usize| (k.abs_diff(j), *k);
                let there = (0..inner).filter(|&k| row[k].is_some());
                there.min_by_key(by_distance).and_then(|k| row[k].as_ref())
            };
            for j in 0..padded.count {
                // Below σ = 0 the mirror of the first nodes, with the signs of odd modes changed.
                let (from, mirrored) = if j < GHOSTS {
                    (GHOSTS - 1 - j, true)
                } else {
                    (j - GHOSTS, false)
                };
                let (column, values) = nearest(from)?;
                columns.push(*column);
                let side = |(at, &value): (usize, &f32), width: usize| {
                    let flip = mirrored && is_odd(at % width);
                    if flip { -value } else { value }
                };
                let full = values.full.iter().enumerate();
                nodes.full.extend(full.map(|one| side(one, NUMBERS_OF_NODE)));
                let quick = values.quick.iter().enumerate();
                nodes.quick.extend(quick.map(|one| side(one, HEAD)));
            }
        }
        Some(Self {
            radii,
            sigmas: padded,
            alphas,
            columns,
            nodes,
        })
    }
}
