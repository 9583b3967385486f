//! The octree: particles in Morton order, cells with their moments about their centres of mass.

use super::Settings;
use rayon::prelude::*;

/// A cell with at most this many particles is not divided: more where an expansion costs more.
fn leaf(order: u32) -> usize {
    if order == 3 { 16 } else { 64 }
}

/// Levels that one Morton key resolves.
const LEVELS: u32 = 21;
/// Cells with more particles bound their radius by their daughters' instead of visiting every particle.
const EXACT_RADIUS: usize = 4096;

/// What the walk asks of every cell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    /// Centre of mass.
    pub(super) centre: [f64; 3],
    /// Radius over opening angle: cells further apart than the sum of theirs are expanded.
    pub(super) reach: f64,
    /// Radius about `centre` within which all particles lie.
    pub(super) radius: f64,
    /// Its particles in Morton order.
    pub(super) first: u32,
    /// One past its last particle.
    pub(super) end: u32,
    /// Its daughters, contiguous; none for a leaf.
    pub(super) daughters: u32,
    /// Number of daughters.
    pub(super) count: u32,
}

impl Cell {
    pub(super) fn is_leaf(&self) -> bool {
        self.count == 0
    }

    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.first as usize..self.end as usize
    }

    pub(super) fn daughters(&self) -> std::ops::Range<u32> {
        self.daughters..self.daughters + self.count
    }
}

/// Mass, and half the second moments about the centre of mass: xx, xy, xz, yy, yz, zz.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) mass: f64,
    pub(super) half: [f64; 6],
}

/// A particle in Morton order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    pub(super) x: [f64; 3],
    pub(super) mass: f64,
}

/// The tree, whose buffers are kept from one build to the next.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Morton key and row of every particle, sorted.
    pub(super) order: Vec<(u64, u32)>,
    pub(super) bodies: Vec<Body>,
    pub(super) cells: Vec<Cell>,
    pub(super) moments: Vec<Moments>,
    /// Total mass.
    pub(super) mass: f64,
}

/// The low 21 bits of `v`, two zero bits between neighbours.
fn spread(v: u64) -> u64 {
    let mut v = v & 0x1f_ffff;
    v = (v | v << 32) & 0x1f_0000_0000_ffff;
    v = (v | v << 16) & 0x1f_0000_ff00_00ff;
    v = (v | v << 8) & 0x100f_00f0_0f00_f00f;
    v = (v | v << 4) & 0x10c3_0c30_c30c_30c3;
    (v | v << 2) & 0x1249_2492_4924_9249
}

/// The corner and edge of a cube about the particles of `order`.
fn cube(positions: &[[f64; 3]], order: &[(u64, u32)]) -> ([f64; 3], f64) {
    let empty = || ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let (low, high) = order
        .par_chunks(1 << 16)
        .map(|chunk| {
            let (mut low, mut high) = empty();
            for &(_, row) in chunk {
                for (i, &x) in positions[row as usize].iter().enumerate() {
                    low[i] = low[i].min(x);
                    high[i] = high[i].max(x);
                }
            }
            (low, high)
        })
        .reduce(empty, |a, b| {
            (
                [0, 1, 2].map(|i| a.0[i].min(b.0[i])),
                [0, 1, 2].map(|i| a.1[i].max(b.1[i])),
            )
        });
    (low, [0, 1, 2].map(|i| high[i] - low[i]).into_iter().fold(0.0, f64::max))
}

/// Keys of the particles of `order` within a cube about them, and the order they give. False where all keys agree.
///
/// The cube reaches below the particles by `offset` of its least edge.
fn sort(positions: &[[f64; 3]], order: &mut [(u64, u32)], offset: [f64; 3]) -> bool {
    let (low, edge) = cube(positions, order);
    let low = [0, 1, 2].map(|i| low[i] - offset[i] * edge);
    let edge = edge * (1.0 + offset.into_iter().fold(0.0, f64::max));
    let cells = (1u64 << LEVELS) as f64;
    let scale = cells / edge;
    if !scale.is_finite() {
        return false;
    }
    let key = |row: u32| {
        let x = &positions[row as usize];
        let place = |i: usize| spread(((x[i] - low[i]) * scale).min(cells - 1.0) as u64);
        (place(0) << 2) | (place(1) << 1) | place(2)
    };
    order.par_iter_mut().for_each(|entry| entry.0 = key(entry.1));
    order.par_sort_unstable();
    order.first().map(|entry| entry.0) != order.last().map(|entry| entry.0)
}

impl Tree {
    /// The tree of `positions` and `masses`, in a cube that reaches below them by `offset` of its edge, as
    /// `settings` say.
    pub(super) fn build(&mut self, positions: &[[f64; 3]], masses: &[f64], offset: [f64; 3], settings: &Settings) {
        let Settings {
            opening: theta, order, ..
        } = *settings;
        // Particles keep the order of the build before, which makes sorting cheap; the result does not depend on it.
        if self.order.len() != positions.len() {
            self.order = (0..positions.len() as u32).map(|row| (0, row)).collect();
        }
        self.cells.clear();
        if positions.is_empty() {
            self.bodies.clear();
            self.moments.clear();
            return;
        }
        self.divide(positions, offset, leaf(order));
        self.order
            .par_iter()
            .map(|&(_, row)| Body {
                x: positions[row as usize],
                mass: masses[row as usize],
            })
            .collect_into_vec(&mut self.bodies);
        self.measure();
        let total = self.moments[0].mass;
        self.mass = total;
        let moments = &self.moments;
        self.cells.par_iter_mut().zip(moments).for_each(|(cell, moments)| {
            // High orders are for accuracy everywhere: light cells are not let off.
            let angle = if order == 3 {
                opening(theta, moments.mass / total)
            } else {
                theta
            };
            cell.reach = cell.radius / angle;
        });
    }

    /// Radius of the whole; 1 where that is 0.
    pub(super) fn extent(&self) -> f64 {
        match self.cells.first() {
            Some(whole) if whole.radius > 0.0 => whole.radius,
            _ => 1.0,
        }
    }

    /// Sorts and divides: every cell has two daughters or more, or is a leaf.
    fn divide(&mut self, positions: &[[f64; 3]], offset: [f64; 3], leaf: usize) {
        let whole = Cell {
            end: positions.len() as u32,
            ..Cell::default()
        };
        self.cells.push(whole);
        if !sort(positions, &mut self.order, offset) {
            return;
        }
        let mut undivided = vec![0];
        while let Some(cell) = undivided.pop() {
            let range = self.cells[cell].range();
            if range.len() <= leaf {
                continue;
            }
            let entries = &mut self.order[range.clone()];
            // Particles whose keys all agree are keyed anew, in their own cube; if that does not part them they coincide.
            if entries[0].0 == entries[entries.len() - 1].0 && !sort(positions, entries, [0.0; 3]) {
                continue;
            }
            // The first level at which the keys part: cells with one daughter are left out.
            let differing = entries[0].0 ^ entries[entries.len() - 1].0;
            let shift = (63 - differing.leading_zeros()) / 3 * 3;
            let (daughters, mut from) = (self.cells.len(), range.start);
            while from < range.end {
                let octant = self.order[from].0 >> shift;
                let to = from + self.order[from..range.end].partition_point(|entry| entry.0 >> shift == octant);
                undivided.push(self.cells.len());
                self.cells.push(Cell {
                    first: from as u32,
                    end: to as u32,
                    ..Cell::default()
                });
                from = to;
            }
            self.cells[cell].daughters = daughters as u32;
            self.cells[cell].count = (self.cells.len() - daughters) as u32;
        }
    }

    /// Masses, centres, radii and second moments, from the leaves up: daughters come after their mothers.
    fn measure(&mut self) {
        let bodies = &self.bodies;
        self.moments.clear();
        self.moments.resize(self.cells.len(), Moments::default());
        self.cells
            .par_iter_mut()
            .zip(&mut self.moments)
            .filter(|(cell, _)| cell.is_leaf())
            .for_each(|(cell, moments)| {
                let bodies = &bodies[cell.range()];
                let points = || bodies.iter().map(|body| (body.x, body.mass));
                (cell.centre, moments.mass) = centre(points());
                for (x, mass) in points() {
                    let c = cell.centre;
                    add_square(moments, [x[0] - c[0], x[1] - c[1], x[2] - c[2]], mass);
                }
            });
        for mother in (0..self.cells.len()).rev() {
            if self.cells[mother].is_leaf() {
                continue;
            }
            let daughters = self.cells[mother].daughters().map(|d| d as usize);
            let (middle, mass) = centre(daughters.clone().map(|d| (self.cells[d].centre, self.moments[d].mass)));
            let mut moments = Moments { mass, half: [0.0; 6] };
            for d in daughters {
                let offset = [0, 1, 2].map(|i| self.cells[d].centre[i] - middle[i]);
                add_square(&mut moments, offset, self.moments[d].mass);
                for i in 0..6 {
                    moments.half[i] += self.moments[d].half[i];
                }
            }
            self.cells[mother].centre = middle;
            self.moments[mother] = moments;
        }
        self.cells
            .par_iter_mut()
            .filter(|cell| cell.is_leaf() || cell.range().len() <= EXACT_RADIUS)
            .for_each(|cell| {
                let square = bodies[cell.range()]
                    .iter()
                    .map(|body| square_distance(body.x, cell.centre))
                    .fold(0.0, f64::max);
                cell.radius = square.sqrt();
            });
        for mother in (0..self.cells.len()).rev() {
            let cell = &self.cells[mother];
            if !cell.is_leaf() && cell.range().len() > EXACT_RADIUS {
                let radius = self.cells[cell.daughters().start as usize..cell.daughters().end as usize]
                    .iter()
                    .map(|d| d.radius + square_distance(d.centre, cell.centre).sqrt())
                    .fold(0.0, f64::max);
                self.cells[mother].radius = radius;
            }
        }
    }
}

/// The square of the distance between two points: the same bits whichever comes first.
#[inline(always)]
pub(super) fn square_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (x, y, z) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    x * x + y * y + z * z
}

/// Centre of mass, and mass; massless points have their first as centre.
fn centre(points: impl Iterator<Item = ([f64; 3], f64)> + Clone) -> ([f64; 3], f64) {
    // Relative to the first point, so that a small cell far out keeps its digits.
    let origin = points.clone().next().map_or([0.0; 3], |(x, _)| x);
    let (mut sum, mut mass) = ([0.0; 3], 0.0);
    for (x, m) in points {
        mass += m;
        for i in 0..3 {
            sum[i] += m * (x[i] - origin[i]);
        }
    }
    let inverse = if mass > 0.0 { 1.0 / mass } else { 0.0 };
    let place = |i: usize| origin[i] + inverse * sum[i];
    ([place(0), place(1), place(2)], mass)
}

fn add_square(moments: &mut Moments, [x, y, z]: [f64; 3], mass: f64) {
    let half = 0.5 * mass;
    for (moment, square) in moments.half.iter_mut().zip([x * x, x * y, x * z, y * y, y * z, z * z]) {
        *moment += half * square;
    }
}

/// The opening angle of a cell with `fraction` of the mass: θ⁵/(1 − θ)² = θ_min⁵/(1 − θ_min)² · fraction^{−1/3}.
///
/// **Source**: Dehnen (2002), the mass-dependent opening angle, with p = 3.
fn opening(smallest: f64, fraction: f64) -> f64 {
    let log = |t: f64| 5.0 * t.ln() - 2.0 * (-t).ln_1p();
    // A massless cell is taken as a very light one.
    let target = log(smallest) - fraction.max(1e-30).ln() / 3.0;
    let mut theta = smallest;
    let (mut low, mut high) = (smallest, 1.0);
    for _ in 0..50 {
        let miss = log(theta) - target;
        if miss < 0.0 {
            low = theta
        } else {
            high = theta
        }
        if miss.abs() < 1e-9 {
            break;
        }
        let next = theta - miss / (5.0 / theta + 2.0 / (1.0 - theta));
        theta = if next > low && next < high {
            next
        } else {
            0.5 * (low + high)
        };
    }
    theta
}
