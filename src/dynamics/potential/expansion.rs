//! A sum of simple potentials with coefficients of either sign: a flexible function, not a model of components.

use super::{Potential, Symmetry, poisson_density};
use crate::vector::dot;

/// One function of the sum; its unit is (km/s)² at its own scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term {
    /// −s / √(R² + (a + √(z² + b²))²), s = a + b (Miyamoto & Nagai 1975).
    Disc {
        /// Scale radius, kpc.
        a: f64,
        /// Scale height, kpc.
        b: f64,
    },
    /// −s^{l+1} P(x) / (r² + s²)^{l + 1/2}, P = x, y, z, x² − y², xy, xz, yz or 2z² − x² − y² by `order`, l its degree.
    Multipole {
        /// Scale radius s, kpc.
        scale: f64,
        /// Which P, below [`HARMONICS`].
        order: usize,
    },
    /// ½ ln(1 + (R² + z²/q²) / s²): the logarithmic halo (Binney & Tremaine 2008, Eq. 2.71) from its value at the centre.
    Halo {
        /// Core radius s, kpc.
        core: f64,
        /// Axis ratio q.
        flattening: f64,
    },
}

/// How many multipoles there are at one scale.
pub const HARMONICS: usize = 8;

/// The only harmonic that rotations about the z axis and z → −z leave as it is.
const AXISYMMETRIC: usize = 7;

/// P of [`Term::Multipole`] with its gradient, constant second derivatives and degree.
fn harmonic(order: usize, [x, y, z]: [f64; 3]) -> (f64, [f64; 3], [[f64; 3]; 3], i32) {
    const NONE: [[f64; 3]; 3] = [[0.0; 3]; 3];
    let pair = |i: usize, j: usize| {
        let mut second = NONE;
        (second[i][j], second[j][i]) = (1.0, 1.0);
        second
    };
    let diagonal = |d: [f64; 3]| [[d[0], 0.0, 0.0], [0.0, d[1], 0.0], [0.0, 0.0, d[2]]];
    match order {
        0 => (x, [1.0, 0.0, 0.0], NONE, 1),
        1 => (y, [0.0, 1.0, 0.0], NONE, 1),
        2 => (z, [0.0, 0.0, 1.0], NONE, 1),
        3 => (x * x - y * y, [2.0 * x, -2.0 * y, 0.0], diagonal([2.0, -2.0, 0.0]), 2),
        4 => (x * y, [y, x, 0.0], pair(0, 1), 2),
        5 => (x * z, [z, 0.0, x], pair(0, 2), 2),
        6 => (y * z, [0.0, z, y], pair(1, 2), 2),
        _ => (
            2.0 * z * z - x * x - y * y,
            [-2.0 * x, -2.0 * y, 4.0 * z],
            diagonal([-2.0, -2.0, 4.0]),
            2,
        ),
    }
}

/// x, y, z/q², and s² + R² + z²/q².
fn halo(core: f64, flattening: f64, [x, y, z]: [f64; 3]) -> ([f64; 3], f64) {
    let scaled = [x, y, z / (flattening * flattening)];
    (scaled, core * core + dot(scaled, [x, y, z]))
}

impl Term {
    /// The value and minus its gradient, both at its own scale.
    pub fn value(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        match *self {
            Self::Disc { a, b } => {
                let zeta = (x[2] * x[2] + b * b).sqrt();
                let sum = a + zeta;
                let inverse = 1.0 / (x[0] * x[0] + x[1] * x[1] + sum * sum).sqrt();
                let cube = -(a + b) * inverse * inverse * inverse;
                (-(a + b) * inverse, [x[0] * cube, x[1] * cube, x[2] * sum / zeta * cube])
            }
            Self::Multipole { scale, order } => {
                let (p, gradient, _, degree) = harmonic(order, x);
                let square = dot(x, x) + scale * scale;
                let power = f64::from(degree) + 0.5;
                let factor = -scale.powi(degree + 1) / (square.powi(degree) * square.sqrt());
                let radial = 2.0 * power * p / square;
                (factor * p, [0, 1, 2].map(|i| -factor * (gradient[i] - radial * x[i])))
            }
            Self::Halo { core, flattening } => {
                let (scaled, square) = halo(core, flattening, x);
                let value = 0.5 * ((square - core * core) / (core * core)).ln_1p();
                (value, scaled.map(|scaled| -scaled / square))
            }
        }
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        match *self {
            Self::Disc { a, b } => {
                let zeta = (x[2] * x[2] + b * b).sqrt();
                let sum = a + zeta;
                let square = x[0] * x[0] + x[1] * x[1] + sum * sum;
                let cube = (a + b) / (square * square.sqrt());
                let gradient = [x[0], x[1], x[2] * sum / zeta];
                let second = [1.0, 1.0, 1.0 + a * b * b / zeta.powi(3)];
                [0, 1, 2].map(|i| {
                    [0, 1, 2].map(|j| {
                        let own = if i == j { second[i] } else { 0.0 };
                        cube * (own - 3.0 * gradient[i] * gradient[j] / square)
                    })
                })
            }
            Self::Multipole { scale, order } => {
                let (p, gradient, second, degree) = harmonic(order, x);
                let square = dot(x, x) + scale * scale;
                let power = f64::from(degree) + 0.5;
                let factor = -scale.powi(degree + 1) / (square.powi(degree) * square.sqrt());
                [0, 1, 2].map(|i| {
                    [0, 1, 2].map(|j| {
                        let own = if i == j { p } else { 0.0 };
                        let mixed = 2.0 * power / square * (x[i] * gradient[j] + x[j] * gradient[i] + own);
                        let radial = 4.0 * power * (power + 1.0) * p * x[i] * x[j] / (square * square);
                        factor * (second[i][j] - mixed + radial)
                    })
                })
            }
            Self::Halo { core, flattening } => {
                let (scaled, square) = halo(core, flattening, x);
                let own = [1.0, 1.0, 1.0 / (flattening * flattening)];
                [0, 1, 2].map(|i| {
                    [0, 1, 2].map(|j| {
                        let diagonal = if i == j { own[i] } else { 0.0 };
                        (diagonal - 2.0 * scaled[i] * scaled[j] / square) / square
                    })
                })
            }
        }
    }

    /// Three numbers that say which term this is: −1, a, b of a disc; −2, s, q of a halo; order, scale, 0 of a multipole.
    pub fn to_row(self) -> [f64; 3] {
        match self {
            Self::Disc { a, b } => [-1.0, a, b],
            Self::Multipole { scale, order } => [order as f64, scale, 0.0],
            Self::Halo { core, flattening } => [-2.0, core, flattening],
        }
    }

    /// The term of such numbers, if they are any.
    pub fn from_row([kind, first, second]: [f64; 3]) -> Option<Self> {
        let finite = first.is_finite() && second.is_finite() && first >= 0.0 && second >= 0.0 && first + second > 0.0;
        let is_order = kind.fract() == 0.0 && (0.0..HARMONICS as f64).contains(&kind);
        match finite {
            true if kind == -1.0 && second > 0.0 => Some(Self::Disc { a: first, b: second }),
            true if kind == -2.0 && first > 0.0 && second > 0.0 => Some(Self::Halo {
                core: first,
                flattening: second,
            }),
            true if is_order && first > 0.0 => Some(Self::Multipole {
                scale: first,
                order: kind as usize,
            }),
            _ => None,
        }
    }

    /// Whether rotations about the z axis and the reflection z → −z leave it as it is.
    pub fn is_axisymmetric(&self) -> bool {
        match self {
            Self::Disc { .. } | Self::Halo { .. } => true,
            Self::Multipole { order, .. } => *order == AXISYMMETRIC,
        }
    }
}

/// Φ = Σ c_k φ_k of Miyamoto–Nagai discs, logarithmic haloes and multipoles.
///
/// It is meant for the region where its coefficients were found. Its zero point is arbitrary there, so that its value at
/// infinity says nothing: it counts as infinite, and every orbit as bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    terms: Vec<Term>,
    coefficients: Vec<f64>,
    discs: Vec<Discs>,
    others: Vec<(Term, f64)>,
}

/// Discs that are evaluated side by side.
const LANES: usize = 4;

/// a, b² and c·(a + b) of [`LANES`] discs with coefficients c; where there are fewer, the last ones weigh nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Discs {
    a: [f64; LANES],
    b2: [f64; LANES],
    weight: [f64; LANES],
}

impl Discs {
    const NONE: Self = Self {
        a: [0.0; LANES],
        b2: [1.0; LANES],
        weight: [0.0; LANES],
    };

    /// Adds Φ, and the acceleration over x (or y) and over z, to each lane's sums.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "plain lanes are what a compiler makes vectors of"
    )]
    fn add(&self, plane2: f64, z2: f64, sums: &mut [[f64; LANES]; 3]) {
        for lane in 0..LANES {
            let zeta = (z2 + self.b2[lane]).sqrt();
            let sum = self.a[lane] + zeta;
            let inverse = 1.0 / (plane2 + sum * sum).sqrt();
            let value = -self.weight[lane] * inverse;
            let cube = value * inverse * inverse;
            sums[0][lane] += value;
            sums[1][lane] += cube;
            sums[2][lane] += cube * sum / zeta;
        }
    }
}

impl Expansion {
    /// The sum; `None` unless there is one finite coefficient, in (km/s)², for each of at least one term.
    pub fn new(terms: Vec<Term>, coefficients: Vec<f64>) -> Option<Self> {
        let fits = !terms.is_empty() && terms.len() == coefficients.len() && coefficients.iter().all(|c| c.is_finite());
        if !fits {
            return None;
        }
        let (mut discs, mut others) = (Vec::new(), Vec::new());
        let mut filled = 0;
        for (term, &coefficient) in terms.iter().zip(&coefficients) {
            match *term {
                Term::Disc { a, b } => {
                    let lane = filled % LANES;
                    if lane == 0 {
                        discs.push(Discs::NONE);
                    }
                    if let Some(last) = discs.last_mut() {
                        (last.a[lane], last.b2[lane], last.weight[lane]) = (a, b * b, coefficient * (a + b));
                    }
                    filled += 1;
                }
                Term::Multipole { .. } | Term::Halo { .. } => others.push((*term, coefficient)),
            }
        }
        Some(Self {
            terms,
            coefficients,
            discs,
            others,
        })
    }

    /// Two discs and two multipoles that the reflections in the coordinate planes leave as they are.
    pub(super) fn with_reflections() -> Option<Self> {
        let discs = [Term::Disc { a: 3.0, b: 0.3 }, Term::Disc { a: 0.0, b: 20.0 }];
        let multipoles = [3, AXISYMMETRIC].map(|order| Term::Multipole { scale: 5.0, order });
        Self::new(
            discs.into_iter().chain(multipoles).collect(),
            vec![8e4, 1.2e5, 2e3, -1e3],
        )
    }

    /// The terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Their coefficients, (km/s)².
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// Its mean over all rotations about the z axis and the reflection z → −z; `None` if nothing is left.
    pub fn axisymmetric_part(&self) -> Option<Self> {
        let pairs = self.terms.iter().zip(&self.coefficients);
        let (terms, coefficients) = pairs.filter(|(term, _)| term.is_axisymmetric()).unzip();
        Self::new(terms, coefficients)
    }
}

impl Potential for Expansion {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.potential_and_acceleration(x).0
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let mut sum = [[0.0; 3]; 3];
        for (term, coefficient) in self.terms.iter().zip(&self.coefficients) {
            let hessian = term.hessian(x);
            for (sum, entry) in sum.iter_mut().flatten().zip(hessian.iter().flatten()) {
                *sum += coefficient * entry;
            }
        }
        sum
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        poisson_density(self.hessian(x))
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let mut sums = [[0.0; LANES]; 3];
        let (plane2, z2) = (x[0] * x[0] + x[1] * x[1], x[2] * x[2]);
        for discs in &self.discs {
            discs.add(plane2, z2, &mut sums);
        }
        let [mut potential, plane, vertical] = sums.map(|lanes| lanes.iter().sum::<f64>());
        let mut acceleration = [x[0] * plane, x[1] * plane, x[2] * vertical];
        for (term, coefficient) in &self.others {
            let (value, slope) = term.value(x);
            potential += coefficient * value;
            for (sum, slope) in acceleration.iter_mut().zip(slope) {
                *sum += coefficient * slope;
            }
        }
        (potential, acceleration)
    }

    fn symmetry(&self) -> Symmetry {
        if self.terms.iter().all(Term::is_axisymmetric) {
            Symmetry::Axisymmetric
        } else {
            Symmetry::Triaxial
        }
    }

    fn potential_at_infinity(&self) -> f64 {
        f64::INFINITY
    }
}

#[cfg(test)]
#[path = "expansion_tests.rs"]
mod tests;
