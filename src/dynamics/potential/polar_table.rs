//! Axisymmetric potential as one smooth function: quintic Hermite patches in (ln r, |cos θ|).
//!
//! Every node holds f and its derivatives up to second order in each coordinate, taken exactly from a multipole
//! expansion or a sum of many terms, so the interpolant is twice continuously differentiable; force and Hessian are its
//! own derivatives, and the cost does not depend on the number of multipoles or terms.

use super::multipole::{Multipole, even_legendre};
use rayon::prelude::*;

/// The table. Immutable; about 1 MB at the default resolution.
#[derive(Debug, Clone)]
pub struct PolarTable {
    first: f64,
    step: f64,
    inverse_step: f64,
    intervals: usize,
    spacing: Spacing,
    /// |cos θ| of the nodes.
    angles: Vec<f64>,
    /// Per node: ∂^(a+b) f / ∂x^a ∂u^b · step^a at index 3a + b.
    nodes: Vec<[f64; 9]>,
    /// Φ at the centre, and d ln|Φ − Φ_centre| / d ln r at the innermost node.
    centre: (f64, f64),
    /// d ln|Φ| / d ln r at the outermost node.
    outer_slope: f64,
}

/// f and its derivatives in x = ln r and u = |cos θ|.
#[derive(Debug, Clone, Copy, Default)]
struct Local {
    f: f64,
    x: f64,
    u: f64,
    xx: f64,
    xu: f64,
    uu: f64,
}

/// Where the angular nodes are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spacing {
    /// Closer towards the plane, and towards the pole, where a multipole turns fastest in u.
    Multipoles,
    /// Even in asinh(u / δ): as close as δ at the plane, for discs that are as thin.
    ThinDiscs,
}

/// δ of [`Spacing::ThinDiscs`] is 1/sinh of this: 0.005, where discs of learned fields are flattened to 0.01.
const PLANE_DEPTH: f64 = 6.0;

impl Spacing {
    /// Place of u among the angular nodes, 0 to 1.
    #[inline(always)]
    fn place(self, u: f64) -> f64 {
        match self {
            Self::Multipoles => {
                const PLANE: f64 = 0.35;
                const POLE: f64 = 0.1;
                const SHARE: f64 = 0.7;
                let (a, b) = (u + PLANE, 1.0 + POLE - u);
                u * (SHARE * (1.0 + PLANE) * b + (1.0 - SHARE) * POLE * a) / (a * b)
            }
            Self::ThinDiscs => {
                // 1/δ.
                const STEEPNESS: f64 = 201.713_157_370_279_2;
                let scaled = STEEPNESS * u;
                (scaled + (scaled * scaled + 1.0).sqrt()).ln() / PLANE_DEPTH
            }
        }
    }

    /// `count` values of u from 0 to 1, evenly in their places.
    fn angles(self, count: usize) -> Vec<f64> {
        let at = |tau: f64| {
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if self.place(middle) < tau {
                    low = middle
                } else {
                    high = middle
                }
            }
            0.5 * (low + high)
        };
        let mut angles: Vec<f64> = (0..count).map(|j| at(j as f64 / (count - 1) as f64)).collect();
        (angles[0], angles[count - 1]) = (0.0, 1.0);
        angles
    }
}

/// Damping of the multipole l = f·l_max at |cos θ| = u.
///
/// The kink of a thin disc at z = 0 makes a plain sum of multipoles ring at all latitudes; a taper that is stronger far
/// from the kink restores its convergence (adaptive filter, Tadmor & Tanner 2002).
fn taper(u: f64, f: f64) -> f64 {
    if u < 0.3 {
        (-12.0 * f.powi(6)).exp()
    } else {
        (-150.0 * f.powi(4)).exp()
    }
}

/// Quintic Hermite basis: multipliers of (f, f', f'') at both ends, on [0, 1].
#[inline(always)]
fn basis(t: f64) -> [f64; 6] {
    let s = 1.0 - t;
    let (t2, s2) = (t * t, s * s);
    let (t3, s3) = (t2 * t, s2 * s);
    [
        s3 * (1.0 + t * (3.0 + 6.0 * t)),
        s3 * t * (1.0 + 3.0 * t),
        0.5 * s3 * t2,
        t3 * (1.0 + s * (3.0 + 6.0 * s)),
        -t3 * s * (1.0 + 3.0 * s),
        0.5 * t3 * s2,
    ]
}

/// First derivative of [`basis`].
#[inline(always)]
fn basis_first(t: f64) -> [f64; 6] {
    let s = 1.0 - t;
    let (t2, s2) = (t * t, s * s);
    let middle = 30.0 * t2 * s2;
    [
        -middle,
        s2 * (1.0 + t * (2.0 - 15.0 * t)),
        0.5 * s2 * t * (2.0 - 5.0 * t),
        middle,
        t2 * (1.0 + s * (2.0 - 15.0 * s)),
        -0.5 * t2 * s * (2.0 - 5.0 * s),
    ]
}

/// Second derivative of [`basis`].
#[inline(always)]
fn basis_second(t: f64) -> [f64; 6] {
    let s = 1.0 - t;
    let middle = 60.0 * t * s * (s - t);
    [
        -middle,
        -12.0 * t * s * (3.0 - 5.0 * t),
        s * (1.0 + t * (-8.0 + 10.0 * t)),
        middle,
        12.0 * t * s * (3.0 - 5.0 * s),
        t * (1.0 + s * (-8.0 + 10.0 * s)),
    ]
}

impl PolarTable {
    /// Tabulates an expansion at `angular_nodes` values of |cos θ|.
    pub fn new(multipole: &Multipole, angular_nodes: usize) -> Self {
        let count = angular_nodes.max(4);
        let angles = Spacing::Multipoles.angles(count);
        let legendre: Vec<Vec<[f64; 3]>> = angles
            .iter()
            .map(|&u| {
                let mut column = even_legendre(u, multipole.terms);
                for (k, p) in column.iter_mut().enumerate() {
                    let taper = taper(u, k as f64 / multipole.terms as f64);
                    *p = p.map(|p| p * taper);
                }
                column
            })
            .collect();
        let mut nodes = Vec::with_capacity(multipole.radii * count);
        for row in multipole.coefficients.chunks_exact(multipole.terms) {
            for column in &legendre {
                let mut node = [0.0; 9];
                for (c, p) in row.iter().zip(column) {
                    let mut scale = 1.0;
                    for a in 0..3 {
                        for b in 0..3 {
                            node[3 * a + b] += scale * c[a] * p[b];
                        }
                        scale *= multipole.step;
                    }
                }
                // Stored from the centre's value, so that the force in a core keeps its digits.
                node[0] -= multipole.centre;
                nodes.push(node);
            }
        }
        let first = multipole.coefficients[0];
        let last = multipole.coefficients[(multipole.radii - 1) * multipole.terms];
        Self {
            first: multipole.first,
            step: multipole.step,
            inverse_step: 1.0 / multipole.step,
            intervals: multipole.radii - 1,
            spacing: Spacing::Multipoles,
            angles,
            nodes,
            centre: (multipole.centre, first[1] / (first[0] - multipole.centre)),
            outer_slope: last[1] / last[0],
        }
    }

    /// Tabulates a potential with thin discs, whose `nodes` are its Taylor coefficients ∂^(a+b) Φ / ∂x^a ∂u^b / (a! b!) at index 3a + b, over
    /// the `intervals` of `step` in x = ln r from `first` on. It says nothing beyond them.
    pub fn of_thin_discs(
        (first, step, intervals): (f64, f64, usize),
        angular_nodes: usize,
        nodes: impl Fn(f64, f64) -> [f64; 9] + Sync,
    ) -> Self {
        let angles = Spacing::ThinDiscs.angles(angular_nodes.max(4));
        let row = |i: usize| {
            let x = first + step * i as f64;
            let scaled = |u: f64| {
                let node = nodes(x, u);
                std::array::from_fn(|k| {
                    let factorials = if k / 3 == 2 { 2.0 } else { 1.0 } * if k % 3 == 2 { 2.0 } else { 1.0 };
                    factorials * step.powi(k as i32 / 3) * node[k]
                })
            };
            angles.iter().map(|&u| scaled(u)).collect::<Vec<[f64; 9]>>()
        };
        let rows: Vec<Vec<[f64; 9]>> = (0..=intervals).into_par_iter().map(row).collect();
        Self {
            first,
            step,
            inverse_step: 1.0 / step,
            intervals,
            spacing: Spacing::ThinDiscs,
            nodes: rows.concat(),
            angles,
            centre: (0.0, 0.0),
            outer_slope: 0.0,
        }
    }

    /// The middles of its cells in x and u, row by row.
    pub fn middles(&self) -> impl Iterator<Item = (f64, Vec<f64>)> {
        let between: Vec<f64> = self.angles.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
        (0..self.intervals).map(move |i| (self.first + self.step * (i as f64 + 0.5), between.clone()))
    }

    /// Cell and position in it.
    #[inline(always)]
    fn locate(&self, x: f64, u: f64) -> (usize, f64, f64, f64) {
        let depth = ((x - self.first) * self.inverse_step).clamp(0.0, self.intervals as f64);
        let i = (depth as usize).min(self.intervals - 1);
        let cells = self.angles.len() - 1;
        let j = ((self.spacing.place(u) * cells as f64) as usize).min(cells - 1);
        let width = self.angles[j + 1] - self.angles[j];
        let t = (u - self.angles[j]) / width;
        (i * self.angles.len() + j, depth - i as f64, t, width)
    }

    #[inline(always)]
    fn first_order(&self, x: f64, u: f64) -> Local {
        let (node, s, t, width) = self.locate(x, u);
        let (radial, radial_first) = (basis(s), basis_first(s));
        let (mut angular, mut angular_first) = (basis(t), basis_first(t));
        let inverse = 1.0 / width;
        for b in [1, 2, 4, 5] {
            angular[b] *= width;
        }
        for b in [2, 5] {
            angular[b] *= width;
            angular_first[b] *= width;
        }
        for b in [0, 3] {
            angular_first[b] *= inverse;
        }
        let mut out = Local::default();
        for side in 0..2 {
            let start = node + side * self.angles.len();
            let (near, far) = (&self.nodes[start], &self.nodes[start + 1]);
            for a in 0..3 {
                let mut value = 0.0;
                let mut slope = 0.0;
                for b in 0..3 {
                    let (n, f) = (near[3 * a + b], far[3 * a + b]);
                    value += n * angular[b] + f * angular[3 + b];
                    slope += n * angular_first[b] + f * angular_first[3 + b];
                }
                let k = 3 * side + a;
                out.f += radial[k] * value;
                out.x += radial_first[k] * value;
                out.u += radial[k] * slope;
            }
        }
        out.x *= self.inverse_step;
        out
    }

    /// f alone, summed as [`first_order`](Self::first_order) does.
    #[inline(always)]
    fn value(&self, x: f64, u: f64) -> f64 {
        let (node, s, t, width) = self.locate(x, u);
        let (radial, mut angular) = (basis(s), basis(t));
        for b in [1, 2, 4, 5] {
            angular[b] *= width;
        }
        for b in [2, 5] {
            angular[b] *= width;
        }
        let mut sum = 0.0;
        for side in 0..2 {
            let start = node + side * self.angles.len();
            let (near, far) = (&self.nodes[start], &self.nodes[start + 1]);
            for a in 0..3 {
                let mut value = 0.0;
                for b in 0..3 {
                    value += near[3 * a + b] * angular[b] + far[3 * a + b] * angular[3 + b];
                }
                sum += radial[3 * side + a] * value;
            }
        }
        sum
    }

    fn second_order(&self, x: f64, u: f64) -> Local {
        let (node, s, t, width) = self.locate(x, u);
        let radial = [basis(s), basis_first(s), basis_second(s)];
        let mut angular = [basis(t), basis_first(t), basis_second(t)];
        for (order, row) in angular.iter_mut().enumerate() {
            for (k, value) in row.iter_mut().enumerate() {
                *value *= width.powi(k as i32 % 3 - order as i32);
            }
        }
        let mut sums = [[0.0; 3]; 3];
        for side in 0..2 {
            let start = node + side * self.angles.len();
            for a in 0..3 {
                for (end, cell) in self.nodes[start..start + 2].iter().enumerate() {
                    for b in 0..3 {
                        for (p, sum) in sums.iter_mut().enumerate() {
                            for (q, sum) in sum.iter_mut().enumerate() {
                                *sum += radial[p][3 * side + a] * angular[q][3 * end + b] * cell[3 * a + b];
                            }
                        }
                    }
                }
            }
        }
        let inverse = self.inverse_step;
        Local {
            f: sums[0][0],
            x: sums[1][0] * inverse,
            u: sums[0][1],
            xx: sums[2][0] * inverse * inverse,
            xu: sums[1][1] * inverse,
            uu: sums[0][2],
        }
    }

    /// Continues the table as a power of r inside and outside its range.
    #[cold]
    fn extrapolate(&self, x: f64, local: Local) -> Local {
        let edge = self.first
            + if x < self.first {
                0.0
            } else {
                self.step * self.intervals as f64
            };
        let (offset, power) = if x < self.first {
            (0.0, self.centre.1)
        } else {
            (-self.centre.0, self.outer_slope)
        };
        let factor = ((x - edge) * power).exp();
        let (f, u, uu) = ((local.f - offset) * factor, local.u * factor, local.uu * factor);
        Local {
            f: f + offset,
            x: power * f,
            u,
            xx: power * power * f,
            xu: power * u,
            uu,
        }
    }

    #[inline(always)]
    fn inside(&self, x: f64) -> bool {
        x >= self.first && x <= self.first + self.step * self.intervals as f64
    }

    /// Adds potential and acceleration at `x`, |x| = `r` > 0.
    #[inline]
    pub(crate) fn add_force(&self, x: [f64; 3], r: f64, potential: &mut f64, acceleration: &mut [f64; 3]) {
        let inverse = 1.0 / r;
        let u = (x[2].abs() * inverse).min(1.0);
        let ln_r = r.ln();
        let mut local = self.first_order(ln_r, u);
        if !self.inside(ln_r) {
            local = self.extrapolate(ln_r, local);
        }
        *potential += local.f + self.centre.0;
        let radial = (local.x - u * local.u) * inverse * inverse;
        acceleration[0] -= radial * x[0];
        acceleration[1] -= radial * x[1];
        acceleration[2] -= radial * x[2] + (local.u * inverse).copysign(x[2] * local.u);
    }

    /// The potential at height `z` and |x| = `r` > 0: the same as [`add_force`](Self::add_force) adds.
    #[inline]
    pub(crate) fn potential(&self, z: f64, r: f64) -> f64 {
        let u = (z.abs() * (1.0 / r)).min(1.0);
        let ln_r = r.ln();
        let f = if self.inside(ln_r) {
            self.value(ln_r, u)
        } else {
            self.extrapolate(ln_r, self.first_order(ln_r, u)).f
        };
        f + self.centre.0
    }

    /// Adds the second derivatives at `x`, |x| = `r` > 0.
    pub(crate) fn add_hessian(&self, x: [f64; 3], r: f64, hessian: &mut [[f64; 3]; 3]) {
        let u = (x[2].abs() / r).min(1.0);
        let sign = x[2].signum();
        let ln_r = r.ln();
        let mut local = self.second_order(ln_r, u);
        if !self.inside(ln_r) {
            local = self.extrapolate(ln_r, local);
        }
        // ∇Φ = A x + B s ẑ with A = (f_x − u f_u)/r², B = f_u/r, s = sign z.
        let a = (local.x - u * local.u) / (r * r);
        let a_x = (local.xx - u * local.xu) / (r * r) - 2.0 * a;
        let a_u = (local.xu - local.u - u * local.uu) / (r * r);
        let n = [x[0] / r, x[1] / r, x[2] / r];
        let outer = a_x - u * a_u;
        for i in 0..3 {
            hessian[i][i] += a;
            for j in 0..3 {
                hessian[i][j] += outer * n[i] * n[j];
            }
            hessian[i][2] += a_u * sign * n[i];
            hessian[2][i] += a_u * sign * n[i];
        }
        hessian[2][2] += local.uu / (r * r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The six functions reproduce every polynomial of degree five, with both derivatives.
    #[test]
    fn basis_reproduces_quintics() {
        for degree in 0..6 {
            let power = |t: f64, d: i32| {
                let n = f64::from(degree);
                match d {
                    0 => t.powi(degree),
                    1 => {
                        if degree < 1 {
                            0.0
                        } else {
                            n * t.powi(degree - 1)
                        }
                    }
                    _ => {
                        if degree < 2 {
                            0.0
                        } else {
                            n * (n - 1.0) * t.powi(degree - 2)
                        }
                    }
                }
            };
            let data = [
                power(0.0, 0),
                power(0.0, 1),
                power(0.0, 2),
                power(1.0, 0),
                power(1.0, 1),
                power(1.0, 2),
            ];
            for t in [0.0, 0.21, 0.5, 0.93, 1.0] {
                let dot = |b: [f64; 6]| b.iter().zip(data).map(|(x, y)| x * y).sum::<f64>();
                assert!((dot(basis(t)) - power(t, 0)).abs() < 1e-14);
                assert!((dot(basis_first(t)) - power(t, 1)).abs() < 1e-13);
                assert!((dot(basis_second(t)) - power(t, 2)).abs() < 1e-12);
            }
        }
    }
}
