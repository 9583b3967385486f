//! The table on a regular grid in (ln R_c, σ, α), and its interpolation.

use super::coordinates::Column;
use super::modes::{self, MODES, NUMBERS, PADDED};
use super::orbit::{Fit, Node};
use std::f64::consts::FRAC_PI_2;

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

    /// Cubic, through the nodes; beyond them it extrapolates.
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

/// x of σ, in which nodes are equally spaced: densest at small σ, where orbits leave a thin disc. Odd, so that x = 0 is a mirror as σ = 0 is.
pub(super) fn x_of(sigma: f64) -> f64 {
    const SHARE: f64 = 0.15;
    const SIGMA: f64 = 0.05;
    sigma + SHARE * (sigma / SIGMA).asinh()
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
pub(super) fn y_of_psi(psi: f64) -> f64 {
    y_of(psi.clamp(0.0, 1.0).sqrt().asin())
}

/// Numbers of a node: modes of ψ, with J_r and J_z in L_c sin²σ cos²α and L_c sin²σ sin²α and Ω_r, Ω_z, |Ω_φ| in L_c/R_c²; then those of θ_r, θ_z, θ_φ.
pub(super) const HEAD: usize = PADDED + 16;
pub(super) const NUMBERS_OF_NODE: usize = HEAD + 3 * PADDED;

/// Mirrored nodes beyond α = 0 and π/2, and beyond σ = 0.
pub(super) const GHOSTS: usize = 2;

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub radii: Axis,
    pub sigmas: Axis,
    pub alphas: Axis,
    pub columns: Vec<Column>,
    /// Node by node, α fastest.
    pub nodes: Vec<f32>,
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
    angle != 1 && NUMBERS[mode].1 != 0
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

/// Terms of the cosine series for every orbit, and what is added to the diagonal of their equations by the square of their number.
const TERMS: f64 = 0.9;
const ROUGHNESS: f64 = 1e-8;

/// Actions that any orbit can have, in L_c − |L_z| and in its share of ψ: what a chaotic or locked orbit was taken for may be anything.
const POSSIBLE: std::ops::Range<f64> = 0.2..2.0;

/// Whether what is known of an orbit can be true.
fn is_possible(node: &Node, scale: f64) -> bool {
    let [j_r, j_z] = node.actions;
    node.psi > 0.0
        && node.psi < 1.0
        && POSSIBLE.contains(&(j_r / (scale * (1.0 - node.psi))))
        && POSSIBLE.contains(&(j_z / (scale * node.psi)))
        && node.a.iter().all(|a| a.abs() < 1.0)
        && node.b.as_flattened().iter().all(|b| b.abs() < std::f64::consts::TAU)
}

/// A column's nodes at regular α (ghosts included) from its orbits: each number by a cosine series in α, least squares.
///
/// An orbit counts the less the worse its modes tell it.
pub(super) fn regular(
    nodes: &[Option<Node>],
    momentum: f64,
    radius2: f64,
    sine2: f64,
    alphas: &Axis,
) -> Option<Vec<f32>> {
    let scale = momentum * sine2;
    let there: Vec<&Node> = nodes.iter().flatten().filter(|node| is_possible(node, scale)).collect();
    if there.len() < 4 {
        return None;
    }
    let detuned: Vec<[f64; MODES]> = there
        .iter()
        .map(|node| modes::detunings(node.rates[1] / node.rates[0]))
        .collect();
    // Next to a resonance its mode is not what it would be by first-order theory, and nothing else is quite.
    let nearness = |w: f64| (NEAR / w).powi(2);
    let weights: Vec<f64> = there
        .iter()
        .zip(&detuned)
        .map(|(node, detuned)| {
            let bent: f64 = node
                .a
                .iter()
                .zip(detuned)
                .map(|(a, &w)| (a * nearness(w)).powi(2))
                .sum();
            let drift = (node.drift / scale).min(1.0);
            1.0 / (LEAST_MISS.powi(2) + node.rest[0].powi(2) + drift * drift + bent)
        })
        .collect();
    let places: Vec<f64> = there.iter().map(|node| y_of_psi(node.psi)).collect();
    let order = ((there.len() as f64 * TERMS) as usize).max(3);
    let series = |odd: bool| Fit {
        columns: (0..order)
            .map(|k| {
                let order = 2.0 * k as f64 + if odd { 1.0 } else { 0.0 };
                places.iter().map(|alpha| (order * alpha).cos()).collect()
            })
            .collect(),
    };
    let rows: Vec<Vec<f64>> = there
        .iter()
        .zip(&detuned)
        .map(|(node, detunings)| {
            let mut row = vec![0.0; NUMBERS_OF_NODE];
            for k in 0..MODES {
                row[k] = node.a[k] / node.psi * detunings[k];
                for i in 0..3 {
                    let share = if vanishes(i, k) { flatness(node.psi) } else { 1.0 };
                    row[HEAD + i * PADDED + k] = node.b[i][k] * detunings[k] * detunings[k] / share;
                }
            }
            row[PADDED] = node.actions[0] / (scale * (1.0 - node.psi));
            row[PADDED + 1] = node.actions[1] / (scale * node.psi);
            for i in 0..3 {
                row[PADDED + 2 + i] = node.rates[i] * radius2 / momentum;
            }
            row
        })
        .collect();
    let mut values = vec![0.0f32; alphas.count * NUMBERS_OF_NODE];
    for odd in [false, true] {
        let numbers: Vec<usize> = (0..NUMBERS_OF_NODE).filter(|&number| is_odd(number) == odd).collect();
        let sides: Vec<Vec<f64>> = numbers
            .iter()
            .map(|&number| rows.iter().map(|row| row[number]).collect())
            .collect();
        // Numbers of one mode have weights of their own.
        let mut fitted = Vec::with_capacity(numbers.len());
        for (&number, side) in numbers.iter().zip(sides) {
            let mode = if number < HEAD {
                number
            } else {
                (number - HEAD) % PADDED
            };
            let own: Vec<f64> = if mode < MODES {
                let near = detuned.iter().map(|detuned| nearness(detuned[mode]));
                weights
                    .iter()
                    .zip(near)
                    .map(|(weight, near)| weight / (1.0 + near * near))
                    .collect()
            } else {
                weights.clone()
            };
            fitted.extend(series(odd).solve(&own, |k| ROUGHNESS * (k as f64).powi(2), &[side])?);
        }
        for at in 0..alphas.count {
            let alpha = alphas.at(at);
            let waves: Vec<f64> = (0..order)
                .map(|k| ((2.0 * k as f64 + if odd { 1.0 } else { 0.0 }) * alpha).cos())
                .collect();
            for (&number, (found, _)) in numbers.iter().zip(&fitted) {
                let value: f64 = found.iter().zip(&waves).map(|(c, w)| c * w).sum();
                values[at * NUMBERS_OF_NODE + number] = value as f32;
            }
        }
    }
    Some(values)
}

/// The α axis of a table with `count` nodes in (0, π/2) and ghosts.
pub(super) fn alpha_axis(count: usize) -> Axis {
    let step = FRAC_PI_2 / count as f64;
    Axis {
        first: step * (0.5 - GHOSTS as f64),
        step,
        count: count + 2 * GHOSTS,
    }
}

impl Table {
    /// From the columns' regular nodes, σ fastest; a column that is missing takes the place of the next in σ that is there.
    pub fn assemble(radii: Axis, sigmas: Axis, alphas: Axis, made: &[Option<(Column, Vec<f32>)>]) -> Option<Self> {
        let inner = sigmas.count;
        let padded = Axis {
            first: sigmas.first - sigmas.step * GHOSTS as f64,
            step: sigmas.step,
            count: inner + GHOSTS,
        };
        let (mut columns, mut nodes) = (Vec::new(), Vec::new());
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
                nodes.extend(values.iter().enumerate().map(|(at, &value)| {
                    let flip = mirrored && is_odd(at % NUMBERS_OF_NODE);
                    if flip { -value } else { value }
                }));
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

    /// The column of a place.
    pub fn column(&self, radius: &Stencil, sigma: &Stencil) -> Column {
        let mut sum = [0.0; Column::NUMBERS];
        for (i, wi) in radius.weights.iter().enumerate() {
            for (j, wj) in sigma.weights.iter().enumerate() {
                let weight = wi * wj;
                if weight != 0.0 {
                    let column = self.columns[(radius.first + i) * self.sigmas.count + sigma.first + j];
                    for (sum, value) in sum.iter_mut().zip(column.to_array()) {
                        *sum += weight * value;
                    }
                }
            }
        }
        Column::from_array(sum)
    }

    /// The first `N` numbers from `from` on of a place, between the 64 nodes around it.
    pub fn cubic<const N: usize>(&self, stencils: &[Stencil; 3], from: usize) -> [f32; N] {
        self.between::<N, 4>(stencils, from)
    }

    /// The same between the 8 nodes around it.
    pub fn linear<const N: usize>(&self, stencils: &[Stencil; 3], from: usize) -> [f32; N] {
        self.between::<N, 2>(stencils, from)
    }

    #[inline(always)]
    fn between<const N: usize, const W: usize>(&self, [radius, sigma, alpha]: &[Stencil; 3], from: usize) -> [f32; N] {
        let mut sum = [0.0f32; N];
        for i in 0..W {
            for j in 0..W {
                let place =
                    ((radius.first + i) * self.sigmas.count + sigma.first + j) * self.alphas.count + alpha.first;
                for k in 0..W {
                    let weight = (radius.weights[i] * sigma.weights[j] * alpha.weights[k]) as f32;
                    let start = (place + k) * NUMBERS_OF_NODE + from;
                    for (sum, value) in sum.iter_mut().zip(&self.nodes[start..start + N]) {
                        *sum += weight * value;
                    }
                }
            }
        }
        sum
    }
}
