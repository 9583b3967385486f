//! A learned field's sum of many terms as one smooth table: ten times as fast.

use super::expansion::Term;
use super::polar_table::PolarTable;
use super::{Expansion, Potential, Symmetry, poisson_density};
use crate::vector::norm;
use rayon::prelude::*;

/// Sums of so few terms are as fast as a table.
const FEW: usize = 16;

/// Spacings in ln r, and nodes in |cos θ|, from coarse to fine.
const RESOLUTIONS: [(f64, usize); 3] = [(0.12, 64), (0.06, 128), (0.03, 256)];

/// On no sphere may the acceleration be off by more than this, relative, as root mean squares over the middles of the table's cells: learned
/// fields are a hundred times as far from the truth.
const TOLERANCE: f64 = 1e-6;

/// An axisymmetric [`Expansion`] by a table between two radii: the coarsest that has the accelerations of the sum within 1e-6 of their size.
///
/// Force and Hessian are derivatives of the table's potential, so that energy is conserved as well as in the sum. The sum itself is asked outside the
/// two radii, and everywhere where no table is as good, or the terms are few.
#[derive(Debug)]
pub struct Tabulated {
    sum: Expansion,
    table: Option<Between>,
}

#[derive(Debug)]
struct Between {
    table: PolarTable,
    inner: f64,
    outer: f64,
}

impl Tabulated {
    /// Of a `sum`, from `inner` to `outer` kpc.
    pub fn new(sum: Expansion, (inner, outer): (f64, f64)) -> Self {
        let is_many = sum.terms().len() > FEW && sum.symmetry() <= Symmetry::Axisymmetric;
        let span = (outer / inner).ln();
        let fits = is_many && span.is_finite() && span > 0.0;
        let made = |(step, angles): (f64, usize)| {
            let intervals = (span / step).ceil();
            let grid = (inner.ln(), span / intervals, intervals as usize);
            let table = PolarTable::of_thin_discs(grid, angles, |x, u| node(&sum, x, u));
            is_near(&table, &sum).then_some(Between { table, inner, outer })
        };
        let table = RESOLUTIONS.into_iter().filter(|_| fits).find_map(made);
        Self { sum, table }
    }

    /// Discs of seven sizes and three flattenings in a round halo, whose table reaches from 0.05 to 500 kpc.
    pub(super) fn of_thin_discs() -> Option<Self> {
        let sizes = (0..7).map(|k| 0.5 * 2f64.powi(k));
        let flattened = |size: f64| [0.5, 0.1, 0.02].map(|b| (size * (1.0 - b), size * b));
        let discs = sizes.flat_map(flattened).map(|(a, b)| Term::Disc { a, b });
        let round = [
            Term::Multipole { scale: 5.0, order: 7 },
            Term::Halo {
                core: 8.0,
                flattening: 0.9,
            },
        ];
        let terms: Vec<Term> = discs.chain(round).collect();
        // The thin ones are of either sign, as learned ones are.
        let of = |k: usize| if k % 3 == 2 { 1e3 * (3.0 - (k / 3) as f64) } else { 4e3 };
        let coefficients = (0..terms.len() - 2).map(of).chain([-800.0, 1.5e4]).collect();
        Some(Self::new(Expansion::new(terms, coefficients)?, (0.05, 500.0)))
    }

    /// The table, for a place between its radii, with the place's radius.
    #[inline]
    fn at(&self, x: [f64; 3]) -> Option<(&PolarTable, f64)> {
        let between = self.table.as_ref()?;
        let r = norm(x);
        (r > between.inner && r < between.outer).then_some((&between.table, r))
    }
}

impl Potential for Tabulated {
    fn potential(&self, x: [f64; 3]) -> f64 {
        match self.at(x) {
            Some((table, r)) => table.potential(x[2], r),
            None => self.sum.potential(x),
        }
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        match self.at(x) {
            Some((table, r)) => forces(table, x, r),
            None => self.sum.potential_and_acceleration(x),
        }
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let Some((table, r)) = self.at(x) else {
            return self.sum.hessian(x);
        };
        let mut hessian = [[0.0; 3]; 3];
        table.add_hessian(x, r, &mut hessian);
        hessian
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        poisson_density(self.hessian(x))
    }

    fn symmetry(&self) -> Symmetry {
        self.sum.symmetry()
    }

    fn potential_at_infinity(&self) -> f64 {
        self.sum.potential_at_infinity()
    }
}

fn forces(table: &PolarTable, x: [f64; 3], r: f64) -> (f64, [f64; 3]) {
    let (mut potential, mut acceleration) = (0.0, [0.0; 3]);
    table.add_force(x, r, &mut potential, &mut acceleration);
    (potential, acceleration)
}

/// Whether the table has the accelerations of the sum within the tolerance, sphere by sphere.
fn is_near(table: &PolarTable, sum: &Expansion) -> bool {
    let spheres: Vec<(f64, Vec<f64>)> = table.middles().collect();
    spheres.par_iter().all(|(x, angles)| {
        let r = x.exp();
        let (mut off, mut size) = (0.0, 0.0);
        for u in angles {
            let place = [r * (1.0 - u * u).sqrt(), 0.0, r * u];
            let (exact, found) = (sum.acceleration(place), forces(table, place, norm(place)).1);
            off += (0..3).map(|i| (found[i] - exact[i]).powi(2)).sum::<f64>();
            size += exact.iter().map(|a| a * a).sum::<f64>();
        }
        off <= TOLERANCE * TOLERANCE * size
    })
}

/// Φ of a sum at x = ln r and u = |cos θ|: see [`PolarTable::of_thin_discs`].
fn node(sum: &Expansion, x: f64, u: f64) -> [f64; 9] {
    let square = (2.0 * x).exp();
    let square = Jet([square, 0.0, 0.0, 2.0 * square, 0.0, 0.0, 2.0 * square, 0.0, 0.0]);
    let height = square.times(&Jet([u * u, 2.0 * u, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    let mut node = [0.0; 9];
    for (term, coefficient) in sum.terms().iter().zip(sum.coefficients()) {
        let of = term_of(term, &square, &height).0;
        node.iter_mut()
            .zip(of)
            .for_each(|(sum, value)| *sum += coefficient * value);
    }
    node
}

/// An axisymmetric term, at its own scale, of r² and z².
fn term_of(term: &Term, square: &Jet, height: &Jet) -> Jet {
    match *term {
        Term::Disc { a, b } => {
            let zeta = height.plus(b * b).power(0.5);
            // R² + (a + ζ)².
            let under = square.plus(a * a + b * b).with(2.0 * a, &zeta);
            under.power(-0.5).scaled(-(a + b))
        }
        Term::Multipole { scale, .. } => {
            // 2z² − R² is 3z² − r².
            let harmonic = square.scaled(-1.0).with(3.0, height);
            harmonic
                .times(&square.plus(scale * scale).power(-2.5))
                .scaled(-scale.powi(3))
        }
        Term::Halo { core, flattening } => {
            let stretch = (flattening * flattening).recip() - 1.0;
            let ratio = square.with(stretch, height).scaled((core * core).recip());
            ratio.plus(1.0).logarithm().scaled(0.5)
        }
    }
}

/// A function of two variables by its Taylor coefficients of up to second order in each, at index 3a + b.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Jet([f64; 9]);

impl Jet {
    fn scaled(&self, factor: f64) -> Self {
        Self(self.0.map(|value| factor * value))
    }

    fn plus(mut self, value: f64) -> Self {
        self.0[0] += value;
        self
    }

    fn with(mut self, factor: f64, other: &Self) -> Self {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(sum, value)| *sum += factor * value);
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = [0.0; 9];
        for (i, left) in self.0.iter().enumerate() {
            for (k, right) in other.0.iter().enumerate() {
                let (a, b) = (i / 3 + k / 3, i % 3 + k % 3);
                if a < 3 && b < 3 {
                    product[3 * a + b] += left * right;
                }
            }
        }
        Self(product)
    }

    /// A function of it, whose Taylor coefficients at its value are `of`: what varies is nothing at its fifth power.
    fn composed(&self, of: [f64; 5]) -> Self {
        let varies = self.plus(-self.0[0]);
        let [first, rest @ ..] = of;
        let (mut power, mut sum) = (varies, Self([0.0; 9]).plus(first));
        for coefficient in rest {
            sum = sum.with(coefficient, &power);
            power = power.times(&varies);
        }
        sum
    }

    fn power(&self, exponent: f64) -> Self {
        let value = self.0[0];
        let mut coefficient = value.powf(exponent);
        self.composed([0.0, 1.0, 2.0, 3.0, 4.0].map(|k| {
            let now = coefficient;
            coefficient *= (exponent - k) / (k + 1.0) / value;
            now
        }))
    }

    fn logarithm(&self) -> Self {
        let inverse = self.0[0].recip();
        let power = |k: i32| inverse.powi(k) / f64::from(k);
        self.composed([self.0[0].ln(), power(1), -power(2), power(3), -power(4)])
    }
}

#[cfg(test)]
#[path = "tabulated_tests.rs"]
mod tests;
