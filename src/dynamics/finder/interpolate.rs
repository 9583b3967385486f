//! What a table says between its nodes.

use super::coordinates::Column;
use super::modes::PADDED;
use super::table::{HEAD, NUMBERS_OF_NODE, Stencil, Table};

impl Table {
    /// The column of a place, between the `W` columns around it on either axis.
    #[inline(always)]
    pub fn column<const W: usize>(&self, radius: &Stencil, sigma: &Stencil) -> Column {
        let mut sum = [0.0; Column::NUMBERS];
        for (i, wi) in radius.weights[..W].iter().enumerate() {
            let first = (radius.first + i) * self.sigmas.count + sigma.first;
            for (column, wj) in self.columns[first..first + W].iter().zip(&sigma.weights) {
                let weight = wi * wj;
                for (sum, value) in sum.iter_mut().zip(column.to_array()) {
                    *sum += weight * value;
                }
            }
        }
        Column::from_array(sum)
    }

    /// The first node in α and the weight of each of the `W` columns around a place on either axis.
    #[inline(always)]
    fn around<const W: usize, const ALL: usize>(&self, radius: &Stencil, sigma: &Stencil) -> [(usize, f64); ALL] {
        const { assert!(W * W == ALL) };
        let mut around = [(0, 0.0); ALL];
        for (at, one) in around.iter_mut().enumerate() {
            let (i, j) = (at / W, at % W);
            let column = (radius.first + i) * self.sigmas.count + sigma.first + j;
            *one = (column * self.alphas.count, radius.weights[i] * sigma.weights[j]);
        }
        around
    }

    /// The numbers of the quick look-up at a place, between the 8 nodes around it.
    #[inline(always)]
    pub fn linear(&self, [radius, sigma, alpha]: &[Stencil; 3]) -> [f32; HEAD] {
        let mut nodes = [(0, 0.0); 8];
        for (at, (first, weight)) in self.around::<2, 4>(radius, sigma).into_iter().enumerate() {
            for k in 0..2 {
                nodes[2 * at + k] = ((first + alpha.first + k) * HEAD, (weight * alpha.weights[k]) as f32);
            }
        }
        sum::<HEAD, 2, 8>(&self.nodes.quick, &nodes)
    }
}

/// Numbers that are added side by side.
const LANES: usize = 16;

/// The sum of `N` numbers from each of these places, with their weights, by so many times [`LANES`] as registers hold.
#[inline(always)]
fn sum<const N: usize, const BLOCK: usize, const M: usize>(numbers: &[f32], places: &[(usize, f32); M]) -> [f32; N] {
    const { assert!(N.is_multiple_of(BLOCK * LANES)) };
    let mut all = [0.0; N];
    let (lanes, _) = all.as_chunks_mut::<LANES>();
    let (blocks, _) = lanes.as_chunks_mut::<BLOCK>();
    for (at, block) in blocks.iter_mut().enumerate() {
        let start = at * BLOCK * LANES;
        let mut sums = [[0.0; LANES]; BLOCK];
        for (first, weight) in places {
            let (row, _) = numbers[first + start..first + start + BLOCK * LANES].as_chunks::<LANES>();
            for (sums, values) in sums.iter_mut().zip(row) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += weight * value;
                }
            }
        }
        *block = sums;
    }
    all
}

/// The table at one R_c and σ, along α.
pub(super) struct Line<'a> {
    table: &'a Table,
    around: [(usize, f64); 16],
    /// Heads of nodes in α that were asked for, each at its number's last digits.
    heads: [[f32; HEAD]; KEPT],
    kept: [usize; KEPT],
}

/// Heads that are kept: more than the four of a stencil.
const KEPT: usize = 8;

impl<'a> Line<'a> {
    #[inline(always)]
    pub fn new(table: &'a Table, radius: &Stencil, sigma: &Stencil) -> Self {
        Self {
            table,
            around: table.around::<4, 16>(radius, sigma),
            heads: [[0.0; HEAD]; KEPT],
            kept: [usize::MAX; KEPT],
        }
    }

    /// The head at a node in α: between the 16 columns around.
    #[inline(always)]
    fn node(&mut self, k: usize) -> &[f32; HEAD] {
        let at = k % KEPT;
        if self.kept[at] != k {
            let mut nodes = [(0, 0.0); 16];
            for (node, (first, weight)) in nodes.iter_mut().zip(self.around) {
                *node = ((first + k) * NUMBERS_OF_NODE, weight as f32);
            }
            self.heads[at] = sum::<HEAD, 2, 16>(&self.table.nodes.full, &nodes);
            self.kept[at] = k;
        }
        &self.heads[at]
    }

    /// The head at a place in α: between four nodes.
    #[inline(always)]
    pub fn head(&mut self, alpha: &Stencil) -> [f32; HEAD] {
        let mut all = [0.0; HEAD];
        for (k, weight) in alpha.weights.iter().enumerate() {
            let node = self.node(alpha.first + k);
            for (sum, value) in all.iter_mut().zip(node) {
                *sum += *weight as f32 * value;
            }
        }
        all
    }

    /// J_r, J_z, Ω_r, Ω_z and |Ω_φ| at a place in α, in the units of a node.
    #[inline(always)]
    pub fn numbers(&mut self, alpha: &Stencil) -> [f64; 5] {
        let mut numbers = [0.0; 5];
        for (k, weight) in alpha.weights.iter().enumerate() {
            let node = self.node(alpha.first + k);
            for (sum, value) in numbers.iter_mut().zip(&node[PADDED..]) {
                *sum += weight * f64::from(*value);
            }
        }
        numbers
    }

    /// The modes of θ_r, θ_z and θ_φ at a place in α: between the 64 nodes around.
    #[inline(always)]
    pub fn angles(&self, alpha: &Stencil) -> [f32; 3 * PADDED] {
        let mut nodes = [(0, 0.0); 64];
        for (at, (first, weight)) in self.around.into_iter().enumerate() {
            for k in 0..4 {
                nodes[4 * at + k] = (
                    (first + alpha.first + k) * NUMBERS_OF_NODE + HEAD,
                    (weight * alpha.weights[k]) as f32,
                );
            }
        }
        sum::<{ 3 * PADDED }, 3, 64>(&self.table.nodes.full, &nodes)
    }
}
