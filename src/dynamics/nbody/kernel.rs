//! The two inner loops, in lanes that compilers turn into vector instructions: cells on a cell, and particles on a
//! particle.
//!
//! Everything here is dimensionless: lengths are in a unit the caller picks for each batch, so that single precision
//! neither overflows nor underflows, and masses are fractions of the total. ψ = Σ m/ρ with ρ² = r² + ε² is positive;
//! the potential is −Gψ.

use fearless_simd::{Level, Simd, dispatch};
use std::ops::{Add, Mul, Sub};

/// The floating-point numbers of the inner loops.
pub(super) trait Real:
    Copy + Send + Sync + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + 'static
{
    const ZERO: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    /// 1/√self, and 0 for 0.
    fn inverse_root(self) -> Self;
}

macro_rules! real {
    ($float:ty) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn inverse_root(self) -> Self {
                let inverse = 1.0 / self.sqrt();
                if self > 0.0 { inverse } else { 0.0 }
            }
        }
    };
}
real!(f32);
real!(f64);

/// `L` numbers that go through the same operations.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes<R, const L: usize>(pub(super) [R; L]);

impl<R: Real, const L: usize> Lanes<R, L> {
    pub(super) const ZERO: Self = Self([R::ZERO; L]);

    pub(super) fn all(value: R) -> Self {
        Self([value; L])
    }

    /// The sum over lanes, in f64.
    #[inline(always)]
    pub(super) fn sum(self) -> f64 {
        let mut sum = 0.0;
        for l in 0..L {
            sum += self.0[l].wide();
        }
        sum
    }
}

/// Point masses: positions and masses.
#[derive(Clone, Copy)]
pub(super) struct Bodies<R, const L: usize> {
    pub(super) x: [Lanes<R, L>; 3],
    pub(super) mass: Lanes<R, L>,
}

impl<R: Real, const L: usize> Bodies<R, L> {
    /// Padding: no mass, at the origin.
    pub(super) const NONE: Self = Self {
        x: [Lanes::ZERO; 3],
        mass: Lanes::ZERO,
    };
}

/// For each of `S` places: Σ m d/ρ³ over the bodies, d from the place to the body, and ψ = Σ m/ρ.
///
/// A body at the place itself counts as m/ε in ψ, or not at all where ε is 0.
pub(super) fn attract<R: Real, const L: usize, const S: usize>(
    level: Level,
    places: &[[R; 3]; S],
    bodies: &[Bodies<R, L>],
    softening_square: R,
) -> [[f64; 4]; S] {
    // The same operations in wider vectors: the same bits.
    dispatch!(level, simd => simd.vectorize(#[inline(always)] || attract_in_lanes(places, bodies, softening_square)))
}

#[inline(always)]
fn attract_in_lanes<R: Real, const L: usize, const S: usize>(
    places: &[[R; 3]; S],
    bodies: &[Bodies<R, L>],
    softening_square: R,
) -> [[f64; 4]; S] {
    let mut sums = [[Lanes::<R, L>::ZERO; 4]; S];
    for body in bodies {
        for (place, [ax, ay, az, psi]) in places.iter().zip(&mut sums) {
            for l in 0..L {
                let (dx, dy, dz) = (
                    body.x[0].0[l] - place[0],
                    body.x[1].0[l] - place[1],
                    body.x[2].0[l] - place[2],
                );
                let inverse = (dx * dx + (dy * dy + (dz * dz + softening_square))).inverse_root();
                let m0 = body.mass.0[l] * inverse;
                let m1 = m0 * (inverse * inverse);
                ax.0[l] = ax.0[l] + m1 * dx;
                ay.0[l] = ay.0[l] + m1 * dy;
                az.0[l] = az.0[l] + m1 * dz;
                psi.0[l] = psi.0[l] + m0;
            }
        }
    }
    let mut out = [[0.0; 4]; S];
    for s in 0..S {
        for i in 0..4 {
            out[s][i] = sums[s][i].sum();
        }
    }
    out
}

/// Distant cells: R from the cell's centre of mass to the sink's; mass; half the second moments ½Σ m yy (xx, xy, xz, yy,
/// yz, zz) and half their trace.
#[derive(Clone, Copy)]
pub(super) struct Sources<R, const L: usize> {
    pub(super) r: [Lanes<R, L>; 3],
    pub(super) mass: Lanes<R, L>,
    pub(super) half: [Lanes<R, L>; 7],
}

impl<R: Real, const L: usize> Sources<R, L> {
    /// Padding: no mass, at distance 1.
    pub(super) fn none() -> Self {
        Self {
            r: [Lanes::all(R::of(1.0)), Lanes::ZERO, Lanes::ZERO],
            mass: Lanes::ZERO,
            half: [Lanes::ZERO; 7],
        }
    }
}

/// Number of coefficients of a Taylor expansion to third order.
pub(super) const TERMS: usize = 20;

/// Coefficients of ψ about a sink's centre of mass: 1, x y z, xx xy xz yy yz zz, xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz.
///
/// C_n = Σ_m (−1)^m/m! M_m ∇^{n+m}(1/ρ) with n + m ≤ 3 (Dehnen 2002): the dipole vanishes about the centre of
/// mass. What a pair of cells exert on each other is then equal and opposite term by term. `stretch` is the square of the
/// second moments' unit of length in units of the distances'.
pub(super) fn expand<R: Real, const L: usize>(
    level: Level,
    sources: &[Sources<R, L>],
    softening_square: R,
    stretch: R,
) -> [f64; TERMS] {
    dispatch!(level, simd => simd.vectorize(#[inline(always)] || expand_in_lanes(sources, softening_square, stretch)))
}

#[inline(always)]
fn expand_in_lanes<R: Real, const L: usize>(
    sources: &[Sources<R, L>],
    softening_square: R,
    stretch: R,
) -> [f64; TERMS] {
    let (three, five) = (R::of(3.0), R::of(5.0));
    let zero = Lanes::<R, L>::ZERO;
    // ψ; its gradient; Σ m g1; Σ m g2 RR; Σ m g2 R; Σ m g3 RRR.
    let (mut c0, mut c1, mut s1) = (zero, [zero; 3], zero);
    let (mut a2, mut b2, mut a3) = ([zero; 6], [zero; 3], [zero; 10]);
    for source in sources {
        for l in 0..L {
            let (x, y, z) = (source.r[0].0[l], source.r[1].0[l], source.r[2].0[l]);
            let (mass, half_trace) = (source.mass.0[l], source.half[6].0[l] * stretch);
            let half = |i: usize| source.half[i].0[l] * stretch;
            let g0 = (x * x + (y * y + (z * z + softening_square))).inverse_root();
            let u = g0 * g0;
            let g1 = g0 * u;
            let g2 = three * g1 * u;
            let g3 = five * g2 * u;
            let qx = x * half(0) + y * half(1) + z * half(2);
            let qy = x * half(1) + y * half(3) + z * half(4);
            let qz = x * half(2) + y * half(4) + z * half(5);
            let rqr = x * qx + y * qy + z * qz;
            let (m1, m2, m3) = (mass * g1, mass * g2, mass * g3);
            let along = g2 * half_trace - m1 - g3 * rqr;
            let twice = g2 + g2;
            let add = |sum: &mut Lanes<R, L>, term: R| sum.0[l] = sum.0[l] + term;
            add(&mut c0, mass * g0 + g2 * rqr - g1 * half_trace);
            add(&mut c1[0], x * along + twice * qx);
            add(&mut c1[1], y * along + twice * qy);
            add(&mut c1[2], z * along + twice * qz);
            add(&mut s1, m1);
            let (bx, by, bz) = (m2 * x, m2 * y, m2 * z);
            add(&mut b2[0], bx);
            add(&mut b2[1], by);
            add(&mut b2[2], bz);
            add(&mut a2[0], bx * x);
            add(&mut a2[1], bx * y);
            add(&mut a2[2], bx * z);
            add(&mut a2[3], by * y);
            add(&mut a2[4], by * z);
            add(&mut a2[5], bz * z);
            let (txx, txy) = (m3 * x * x, m3 * x * y);
            let (tyy, tzz) = (m3 * y * y, m3 * z * z);
            add(&mut a3[0], txx * x);
            add(&mut a3[1], txx * y);
            add(&mut a3[2], txx * z);
            add(&mut a3[3], tyy * x);
            add(&mut a3[4], txy * z);
            add(&mut a3[5], tzz * x);
            add(&mut a3[6], tyy * y);
            add(&mut a3[7], tyy * z);
            add(&mut a3[8], tzz * y);
            add(&mut a3[9], tzz * z);
        }
    }
    let s1 = s1.sum();
    let (bx, by, bz) = (b2[0].sum(), b2[1].sum(), b2[2].sum());
    [
        c0.sum(),
        c1[0].sum(),
        c1[1].sum(),
        c1[2].sum(),
        a2[0].sum() - s1,
        a2[1].sum(),
        a2[2].sum(),
        a2[3].sum() - s1,
        a2[4].sum(),
        a2[5].sum() - s1,
        3.0 * bx - a3[0].sum(),
        by - a3[1].sum(),
        bz - a3[2].sum(),
        bx - a3[3].sum(),
        -a3[4].sum(),
        bx - a3[5].sum(),
        3.0 * by - a3[6].sum(),
        bz - a3[7].sum(),
        by - a3[8].sum(),
        3.0 * bz - a3[9].sum(),
    ]
}

/// The expansion `c` moved by `d`.
pub(super) fn shift(c: &[f64; TERMS], [x, y, z]: [f64; 3]) -> [f64; TERMS] {
    let second = |i: [usize; 3]| c[i[0]] * x + c[i[1]] * y + c[i[2]] * z;
    // The third-order terms once contracted with d, in the order xx xy xz yy yz zz.
    let t = [
        second([10, 11, 12]),
        second([11, 13, 14]),
        second([12, 14, 15]),
        second([13, 16, 17]),
        second([14, 17, 18]),
        second([15, 18, 19]),
    ];
    let tt = [
        t[0] * x + t[1] * y + t[2] * z,
        t[1] * x + t[3] * y + t[4] * z,
        t[2] * x + t[4] * y + t[5] * z,
    ];
    let h = [second([4, 5, 6]), second([5, 7, 8]), second([6, 8, 9])];
    let dot = |v: [f64; 3]| v[0] * x + v[1] * y + v[2] * z;
    let mut out = *c;
    out[0] += second([1, 2, 3]) + 0.5 * dot(h) + dot(tt) / 6.0;
    for i in 0..3 {
        out[1 + i] += h[i] + 0.5 * tt[i];
    }
    for i in 0..6 {
        out[4 + i] += t[i];
    }
    out
}

/// ψ and its gradient at `d` from the centre of the expansion `c`.
#[inline(always)]
pub(super) fn field(c: &[f64; TERMS], [x, y, z]: [f64; 3]) -> [f64; 4] {
    let t = |a: usize, b: usize, e: usize| c[a] * x + c[b] * y + c[e] * z;
    let (txx, txy, txz) = (t(10, 11, 12), t(11, 13, 14), t(12, 14, 15));
    let (tyy, tyz, tzz) = (t(13, 16, 17), t(14, 17, 18), t(15, 18, 19));
    let cubic = [
        txx * x + txy * y + txz * z,
        txy * x + tyy * y + tyz * z,
        txz * x + tyz * y + tzz * z,
    ];
    let square = [t(4, 5, 6), t(5, 7, 8), t(6, 8, 9)];
    let dot = |v: [f64; 3]| v[0] * x + v[1] * y + v[2] * z;
    [
        c[0] + t(1, 2, 3) + 0.5 * dot(square) + dot(cubic) / 6.0,
        c[1] + square[0] + 0.5 * cubic[0],
        c[2] + square[1] + 0.5 * cubic[1],
        c[3] + square[2] + 0.5 * cubic[2],
    ]
}
