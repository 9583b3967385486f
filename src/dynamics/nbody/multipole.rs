//! Expansions of any order up to the highest of [`ORDERS`], in symmetric Cartesian tensors; third order has a shorter form of its own.
//!
//! With ρ² = r² + ε², sources at y from the centre of their cell, and R from there to the sink's centre,
//!
//! ψ(R + d) = Σ_n dⁿ/n! Σ_m Q_m ∇^{n+m}(1/ρ)(R), Q_m = (−1)^{|m|} Σ_j m_j y_j^m/m!, |n| + |m| ≤ order,
//!
//! n and m being powers of x, y and z. **Source**: Warren & Salmon (1995); the truncation by |n| + |m|, which keeps what a
//! pair of cells do to each other equal and opposite, is Dehnen's (2002).

use super::expansion::Expansion;
use super::kernel::{Lanes, Real};
use super::tree::Tree;
use fearless_simd::{Level, Simd, dispatch};
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// The orders there are.
pub const ORDERS: RangeInclusive<u32> = 3..=8;
/// The highest of them.
const HIGHEST: usize = *ORDERS.end() as usize;

/// Which terms of a given order make which.
struct Table {
    order: usize,
    /// The powers of every term, by degree.
    powers: Vec<[usize; 3]>,
    /// How many terms have a degree of at most 0, 1, 2, ….
    up_to: Vec<usize>,
    /// For every term but the first: the axis i along which it is one power more than `lower`, and what is one power less
    /// than `lower` along i, with the power of `lower`, where there is such a term.
    steps: Vec<Step>,
    /// For every term n, all m of which n + m is a term: (m, n + m), by m.
    sums: Vec<Vec<(usize, usize)>>,
}

#[derive(Clone, Copy)]
struct Step {
    axis: usize,
    lower: usize,
    /// The power of the term itself along `axis`.
    power: usize,
    /// Two powers less along `axis`; unused where the power is 1.
    lowest: usize,
}

impl Table {
    fn new(order: usize) -> Self {
        let mut powers = Vec::new();
        let mut up_to = Vec::new();
        for degree in 0..=order {
            for x in (0..=degree).rev() {
                powers.extend((0..=degree - x).rev().map(|y| [x, y, degree - x - y]));
            }
            up_to.push(powers.len());
        }
        let place = |n: [usize; 3]| {
            // Within a degree, terms follow by x and then y, falling.
            let [x, y, z] = n;
            let (degree, rest) = (x + y + z, y + z);
            let before = if degree == 0 { 0 } else { up_to[degree - 1] };
            before + rest * (rest + 1) / 2 + z
        };
        let step = |n: &[usize; 3]| {
            // The least power makes for the fewest operations.
            let axis = (0..3).filter(|&i| n[i] > 0).min_by_key(|&i| n[i]).unwrap_or(0);
            let less = |by: usize| {
                let mut n = *n;
                n[axis] = n[axis].saturating_sub(by);
                place(n)
            };
            Step {
                axis,
                lower: less(1),
                power: n[axis],
                lowest: less(2),
            }
        };
        let steps = powers.iter().skip(1).map(step).collect();
        let sums = (powers.iter())
            .map(|n| {
                let room = order - n.iter().sum::<usize>();
                let others = powers[..up_to[room]].iter();
                (others.enumerate())
                    .map(|(m, other)| (m, place([0, 1, 2].map(|i| n[i] + other[i]))))
                    .collect()
            })
            .collect();
        Self {
            order,
            powers,
            up_to,
            steps,
            sums,
        }
    }

    fn terms(&self) -> usize {
        self.powers.len()
    }

    /// dⁿ/n! of every term.
    fn monomials(&self, d: [f64; 3], out: &mut [f64]) {
        out[0] = 1.0;
        for (term, step) in self.steps.iter().enumerate() {
            out[term + 1] = out[step.lower] * d[step.axis] / step.power as f64;
        }
    }
}

/// Expansions of one order.
pub(super) struct Multipole<R, const L: usize> {
    table: Table,
    /// Centre and radius of every cell.
    centres: Vec<([f64; 3], f64)>,
    /// Q of every cell, one after the other, in units of the total mass and the cell's own radius.
    moments: Vec<R>,
    softening: f64,
    level: Level,
}

impl<R: Real, const L: usize> Multipole<R, L> {
    pub(super) fn new(tree: &Tree, order: u32, softening: f64, level: Level) -> Self {
        let table = Table::new(order as usize);
        let moments = (measure(&table, tree).into_par_iter().zip(&tree.cells))
            .flat_map_iter(|(moments, cell)| {
                let relative = tree.extent() / cell.radius;
                let mut scale = 1.0;
                let mut degree = 0;
                let up_to = &table.up_to;
                let scaled = moments.into_vec().into_iter().enumerate().map(move |(term, moment)| {
                    if term >= up_to[degree] {
                        degree += 1;
                        scale *= relative;
                    }
                    // A point has no higher moments.
                    R::of(if cell.radius > 0.0 || term == 0 {
                        moment * scale
                    } else {
                        0.0
                    })
                });
                scaled.collect::<Vec<R>>()
            })
            .collect();
        Self {
            table,
            centres: tree.cells.iter().map(|cell| (cell.centre, cell.radius)).collect(),
            moments,
            softening,
            level,
        }
    }
}

/// Q of every cell, in units of the total mass and the radius of the whole; the dipole is left out.
fn measure(table: &Table, tree: &Tree) -> Vec<Box<[f64]>> {
    let (mass, length) = (1.0 / tree.mass, 1.0 / tree.extent());
    let mut depth = vec![0_usize; tree.cells.len()];
    let mut levels: Vec<Vec<usize>> = Vec::new();
    for (place, cell) in tree.cells.iter().enumerate() {
        // Mothers come before their daughters.
        for daughter in cell.daughters() {
            depth[daughter as usize] = depth[place] + 1;
        }
        levels.resize_with(levels.len().max(depth[place] + 1), Vec::new);
        levels[depth[place]].push(place);
    }
    let terms = table.terms();
    let mut all: Vec<Box<[f64]>> = vec![Box::default(); tree.cells.len()];
    for level in levels.iter().rev() {
        let of = |place: &usize| {
            let cell = &tree.cells[*place];
            let (mut moments, mut powers) = (vec![0.0; terms], vec![0.0; terms]);
            let away = |x: [f64; 3]| [0, 1, 2].map(|i| (cell.centre[i] - x[i]) * length);
            if cell.is_leaf() {
                for body in &tree.bodies[cell.range()] {
                    table.monomials(away(body.x), &mut powers);
                    for (moment, power) in moments.iter_mut().zip(&powers) {
                        *moment += body.mass * mass * power;
                    }
                }
            }
            for daughter in cell.daughters() {
                let daughter = daughter as usize;
                table.monomials(away(tree.cells[daughter].centre), &mut powers);
                for (sums, own) in table.sums.iter().zip(&all[daughter]) {
                    for &(m, sum) in sums {
                        moments[sum] += own * powers[m];
                    }
                }
            }
            moments[1..4].fill(0.0);
            moments.into_boxed_slice()
        };
        let found: Vec<Box<[f64]>> = level.par_iter().map(of).collect();
        for (place, moments) in level.iter().zip(found) {
            all[*place] = moments;
        }
    }
    all
}

/// Room for the sources of one sink, and what becomes of them, in lanes.
pub(super) struct Room<R, const L: usize> {
    r: [Lanes<R, L>; 3],
    size: Lanes<R, L>,
    moments: Vec<Lanes<R, L>>,
    derivatives: [Vec<Lanes<R, L>>; 2],
    sums: Vec<Lanes<R, L>>,
}

impl<R: Real, const L: usize> Default for Room<R, L> {
    fn default() -> Self {
        Self {
            r: [Lanes::ZERO; 3],
            size: Lanes::ZERO,
            moments: Vec::new(),
            derivatives: [Vec::new(), Vec::new()],
            sums: Vec::new(),
        }
    }
}

impl<R: Real, const L: usize> Expansion for Multipole<R, L> {
    type Local = Box<[f64]>;
    type Room = Room<R, L>;

    /// Twice the larger: by the sum a wide cell far out, to which everything else is small, would come so near that its whole
    /// force has the error θ^order, which elsewhere only the nearest sources have.
    fn together(a: f64, b: f64) -> f64 {
        2.0 * a.max(b)
    }

    fn nothing(&self) -> Self::Local {
        vec![0.0; self.table.terms()].into_boxed_slice()
    }

    fn gather(&self, centre: [f64; 3], far: &[u32], nearest: f64, room: &mut Self::Room, local: &mut Self::Local) {
        let unit = 1.0 / nearest;
        let softening = self.softening * unit;
        let terms = self.table.terms();
        room.sums.clear();
        room.sums.resize(terms, Lanes::ZERO);
        for chunk in far.chunks(L) {
            // Padding: no mass, at distance 1.
            room.moments.clear();
            room.moments.resize(terms, Lanes::ZERO);
            room.r = [Lanes::all(R::of(1.0)), Lanes::ZERO, Lanes::ZERO];
            for (l, &source) in chunk.iter().enumerate() {
                let (from, radius) = self.centres[source as usize];
                for i in 0..3 {
                    room.r[i].0[l] = R::of((centre[i] - from[i]) * unit);
                }
                room.size.0[l] = R::of(radius * unit);
                let moments = &self.moments[source as usize * terms..][..terms];
                for (lanes, moment) in room.moments.iter_mut().zip(moments) {
                    lanes.0[l] = *moment;
                }
            }
            let (table, square) = (&self.table, R::of(softening * softening));
            dispatch!(self.level, simd => simd.vectorize(#[inline(always)] || expand(table, room, square)));
        }
        let (mut scale, mut degree) = (unit, 0);
        for (term, (place, sum)) in local.iter_mut().zip(&room.sums).enumerate() {
            if term >= self.table.up_to[degree] {
                degree += 1;
                scale *= unit;
            }
            *place += scale * sum.sum();
        }
    }

    fn shift(&self, local: &Self::Local, by: [f64; 3]) -> Self::Local {
        let mut powers = vec![0.0; self.table.terms()];
        self.table.monomials(by, &mut powers);
        let moved = |sums: &Vec<(usize, usize)>| sums.iter().map(|&(m, sum)| local[sum] * powers[m]).sum();
        self.table.sums.iter().map(moved).collect()
    }

    fn field(&self, local: &Self::Local, d: [f64; 3]) -> [f64; 4] {
        let mut powers = [0.0; MOST];
        self.table.monomials(d, &mut powers);
        // The first four rows: the value, and one derivative along each axis.
        let row = |n: usize| self.table.sums[n].iter().map(|&(m, sum)| local[sum] * powers[m]).sum();
        [row(0), row(1), row(2), row(3)]
    }
}

/// Terms of the highest order.
const MOST: usize = (HIGHEST + 1) * (HIGHEST + 2) * (HIGHEST + 3) / 6;

/// Adds to the sums of `room` what its sources do.
#[inline(always)]
fn expand<R: Real, const L: usize>(table: &Table, room: &mut Room<R, L>, softening_square: R) {
    let Room {
        r,
        size,
        moments,
        derivatives: [out, lower],
        sums,
    } = room;
    let mut scale = *size;
    for degree in 2..=table.order {
        for l in 0..L {
            scale.0[l] = scale.0[l] * size.0[l];
        }
        for moments in &mut moments[table.up_to[degree - 1]..table.up_to[degree]] {
            for l in 0..L {
                moments.0[l] = moments.0[l] * scale.0[l];
            }
        }
    }
    // G_q = (−1)^q (2q − 1)!!/ρ^{2q+1}.
    let mut powers = [Lanes::<R, L>::ZERO; HIGHEST + 1];
    let (mut power, mut square) = (Lanes::<R, L>::ZERO, Lanes::<R, L>::ZERO);
    for l in 0..L {
        let (x, y, z) = (r[0].0[l], r[1].0[l], r[2].0[l]);
        power.0[l] = (x * x + (y * y + (z * z + softening_square))).inverse_root();
        square.0[l] = power.0[l] * power.0[l];
    }
    for (q, place) in powers.iter_mut().enumerate().take(table.order + 1) {
        *place = power;
        let factor = R::of(-(2.0 * q as f64 + 1.0));
        for l in 0..L {
            power.0[l] = power.0[l] * square.0[l] * factor;
        }
    }
    // ∇ⁿ of G_q from those of G_{q+1}: ∇ⁿ⁺¹G_q = x ∇ⁿG_{q+1} + n ∇ⁿ⁻¹G_{q+1}, n the power of x.
    out.resize(table.terms(), Lanes::ZERO);
    lower.resize(table.terms(), Lanes::ZERO);
    for q in (0..=table.order).rev() {
        std::mem::swap(out, lower);
        out[0] = powers[q];
        let count = table.up_to[table.order - q];
        for (step, out) in table.steps[..count - 1].iter().zip(&mut out[1..]) {
            let (along, lower_one) = (&r[step.axis], &lower[step.lower]);
            if step.power == 1 {
                for l in 0..L {
                    out.0[l] = along.0[l] * lower_one.0[l];
                }
            } else {
                let (factor, lowest) = (R::of((step.power - 1) as f64), &lower[step.lowest]);
                for l in 0..L {
                    out.0[l] = along.0[l] * lower_one.0[l] + factor * lowest.0[l];
                }
            }
        }
    }
    for (row, total) in table.sums.iter().zip(sums) {
        let mut sum = *total;
        for (l, sum) in sum.0.iter_mut().enumerate() {
            *sum = *sum + moments[0].0[l] * out[row[0].1].0[l];
        }
        // The dipole vanishes about the centre of mass.
        for &(m, place) in row.iter().skip(4) {
            let (moment, derivative) = (&moments[m], &out[place]);
            for l in 0..L {
                sum.0[l] = sum.0[l] + moment.0[l] * derivative.0[l];
            }
        }
        *total = sum;
    }
}
