//! What distant cells do to a cell: the field of the first expanded about the centre of the second.

use super::kernel::{self, Real, Sources, TERMS};
use super::tree::{Cell, Moments, Tree};
use fearless_simd::Level;
use rayon::prelude::*;

/// An order of expansion: ψ = Σ m/ρ of sources far away, as a Taylor series about a sink's centre of mass. Masses are
/// fractions of the total.
///
/// What a pair of cells do to each other must be equal and opposite, so that momentum is conserved.
pub(super) trait Expansion: Sync {
    /// The coefficients of one sink.
    type Local: Clone + Send;
    /// Room for the work on one sink.
    type Room: Default;

    /// How far apart cells of these reaches must be to be expanded.
    fn together(a: f64, b: f64) -> f64 {
        a + b
    }
    /// The expansion of no field.
    fn nothing(&self) -> Self::Local;
    /// Adds what the cells `far`, the nearest at a distance of `nearest`, do to a sink at `centre`.
    fn gather(&self, centre: [f64; 3], far: &[u32], nearest: f64, room: &mut Self::Room, local: &mut Self::Local);
    /// The same expansion about a centre moved by `by`.
    fn shift(&self, local: &Self::Local, by: [f64; 3]) -> Self::Local;
    /// ψ and its gradient at `d` from the centre.
    fn field(&self, local: &Self::Local, d: [f64; 3]) -> [f64; 4];
}

/// Third order, in closed form (Dehnen 2002).
pub(super) struct Third<R, const L: usize> {
    sources: Vec<Source<R>>,
    softening: f64,
    /// Radius of the whole.
    extent: f64,
    level: Level,
}

/// What a cell does to those far away: centre of mass; mass, half the second moments and half their trace, in units of
/// the total mass and the radius of the whole, so that they are ready for the inner loop.
#[derive(Clone, Copy)]
struct Source<R> {
    centre: [f64; 3],
    moments: [R; 8],
}

impl<R: Real, const L: usize> Third<R, L> {
    pub(super) fn new(tree: &Tree, softening: f64, level: Level) -> Self {
        let inverse_mass = 1.0 / tree.mass;
        let extent = tree.extent();
        let square = inverse_mass / (extent * extent);
        let source = |(cell, moments): (&Cell, &Moments)| {
            let [xx, xy, xz, yy, yz, zz] = moments.half.map(|half| half * square);
            Source {
                centre: cell.centre,
                moments: [moments.mass * inverse_mass, xx, xy, xz, yy, yz, zz, xx + yy + zz].map(R::of),
            }
        };
        Self {
            sources: tree.cells.par_iter().zip(&tree.moments).map(source).collect(),
            softening,
            extent,
            level,
        }
    }
}

impl<R: Real, const L: usize> Expansion for Third<R, L> {
    type Local = [f64; TERMS];
    type Room = Vec<Sources<R, L>>;

    fn nothing(&self) -> Self::Local {
        [0.0; TERMS]
    }

    fn gather(&self, centre: [f64; 3], far: &[u32], nearest: f64, room: &mut Self::Room, local: &mut Self::Local) {
        let unit = 1.0 / nearest;
        room.clear();
        for chunk in far.chunks(L) {
            let mut lanes = Sources::none();
            for (l, &source) in chunk.iter().enumerate() {
                let Source { centre: from, moments } = &self.sources[source as usize];
                lanes.r[0].0[l] = R::of((centre[0] - from[0]) * unit);
                lanes.r[1].0[l] = R::of((centre[1] - from[1]) * unit);
                lanes.r[2].0[l] = R::of((centre[2] - from[2]) * unit);
                lanes.mass.0[l] = moments[0];
                for (half, moment) in lanes.half.iter_mut().zip(&moments[1..]) {
                    half.0[l] = *moment;
                }
            }
            room.push(lanes);
        }
        let softening = self.softening * unit;
        let stretch = self.extent * unit;
        let terms = kernel::expand(self.level, room, R::of(softening * softening), R::of(stretch * stretch));
        let mut scale = unit;
        for (order, range) in [0..1, 1..4, 4..10, 10..20].into_iter().enumerate() {
            if order > 0 {
                scale *= unit;
            }
            for i in range {
                local[i] += scale * terms[i];
            }
        }
    }

    fn shift(&self, local: &Self::Local, by: [f64; 3]) -> Self::Local {
        kernel::shift(local, by)
    }

    #[inline(always)]
    fn field(&self, local: &Self::Local, d: [f64; 3]) -> [f64; 4] {
        kernel::field(local, d)
    }
}
