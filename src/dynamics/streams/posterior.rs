//! How well a galaxy is known.

use super::fit::Fit;
use super::galaxy::{BASE, Parameter};
use super::system::{Equations, Reduced};
use crate::linear_algebra::{Factor, Symmetric};
use crate::numerics::{gauss_legendre_of, root};
use crate::orbit::circular::circular_speed;
use crate::potential::{Expansion, Potential};
use crate::sample::generator;
use crate::statistics::scatter;
use crate::units::GRAVITATIONAL_CONSTANT;
use rand::Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// The Gaussian about the values of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// Covariance of the shared parameters, row-major: the inverse of what slopes of finitely many particles convey, and the priors.
    pub covariance: Vec<f64>,
    /// By how much the streams disagree more than their own errors and the noise of those slopes let them, in standard deviations: 1 where they agree.
    /// The covariance holds its square where it is above 1.
    pub misfit: f64,
    /// Lower triangle of the covariance's root, row-major.
    root: Vec<f64>,
    /// The same of the bound of Cramér and Rao, with what the priors say.
    bound: Vec<f64>,
    /// The same where the correction is nothing and known to be.
    parametric: Vec<f64>,
}

/// Added to the scaled diagonal of a stream's own block.
const RIDGE: f64 = 1e-6;

/// Standard deviation of a coefficient of a correction that is known to be nothing, (km/s)² by [`super::galaxy::UNIT`].
const HELD: f64 = 1e-5;

impl Posterior {
    pub(crate) fn new(equations: &[Equations], parameters: &[Parameter]) -> Option<Self> {
        let n = parameters.len();
        let of =
            |reduce: &dyn Fn(&Equations) -> Option<Reduced>| equations.iter().map(reduce).collect::<Option<Vec<_>>>();
        let streams = of(&|one| one.reduce(RIDGE))?;
        let conveyed = together(&streams, n);
        let factor = with_priors(&conveyed, parameters, true)?;
        let mut covariance = inverse(&factor, n);
        // Σ_s g_sᵀ Σ g_s is tr(Σ H) where scores have the variance that they should have.
        let mut sum = 0.0;
        for one in &streams {
            let mut solved = one.gradient.clone();
            factor.solve(&mut solved);
            sum += solved.iter().zip(&one.gradient).map(|(a, b)| a * b).sum::<f64>();
        }
        let expected: f64 = (0..n)
            .map(|i| (0..n).map(|j| covariance[i * n + j] * conveyed[j * n + i]).sum::<f64>())
            .sum();
        let misfit = if expected > 0.0 { (sum / expected).sqrt() } else { 1.0 };
        let factor = misfit.max(1.0).powi(2);
        covariance.iter_mut().for_each(|value| *value *= factor);
        let information = together(&of(&|one| one.reduce_information(RIDGE))?, n);
        let bound = |corrected: bool| cholesky(&inverse(&with_priors(&information, parameters, corrected)?, n), n);
        Some(Self {
            root: cholesky(&covariance, n)?,
            covariance,
            misfit,
            bound: bound(true)?,
            parametric: bound(false)?,
        })
    }

    /// Values of the shared parameters drawn about `values`.
    pub fn draw<R: Rng + ?Sized>(&self, values: &[f64], random: &mut R) -> Vec<f64> {
        Self::drawn(&self.root, values, random)
    }

    fn drawn<R: Rng + ?Sized>(root: &[f64], values: &[f64], random: &mut R) -> Vec<f64> {
        let n = root.len().isqrt();
        let deviates: Vec<f64> = (0..n).map(|_| random.sample(StandardNormal)).collect();
        let mut drawn = values.to_vec();
        for (i, drawn) in drawn.iter_mut().enumerate().take(n) {
            *drawn += (0..=i).map(|j| root[i * n + j] * deviates[j]).sum::<f64>();
        }
        drawn
    }
}

/// The sum of what streams say of `n` shared parameters.
fn together(streams: &[Reduced], n: usize) -> Vec<f64> {
    let mut total = vec![0.0; n * n];
    for one in streams {
        total
            .iter_mut()
            .zip(&one.hessian)
            .for_each(|(sum, value)| *sum += value);
    }
    total
}

/// That with the priors, factored; without a correction that is known to be nothing.
fn with_priors(total: &[f64], parameters: &[Parameter], corrected: bool) -> Option<Factor> {
    let n = parameters.len();
    let mut matrix = Symmetric::zeros(n);
    for (i, parameter) in parameters.iter().enumerate() {
        for j in 0..=i {
            *matrix.at(i, j) = total[i * n + j];
        }
        let held = !corrected && i >= BASE;
        let deviation = if held { HELD } else { parameter.deviation };
        *matrix.at(i, i) += deviation.powi(-2);
    }
    matrix.factor(|_| 1e-9)
}

/// The inverse of a factored matrix of `n` rows, row-major.
fn inverse(factor: &Factor, n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        let mut column = vec![0.0; n];
        column[j] = 1.0;
        factor.solve(&mut column);
        for i in 0..n {
            inverse[i * n + j] = column[i];
        }
    }
    inverse
}

/// L of L Lᵀ, row-major.
fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let rest = matrix[i * n + j] - (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum::<f64>();
            if i == j {
                if rest.is_nan() || rest < 0.0 {
                    return None;
                }
                lower[i * n + i] = rest.sqrt();
            } else if lower[j * n + j] > 0.0 {
                lower[i * n + j] = rest / lower[j * n + j];
            }
        }
    }
    Some(lower)
}

/// Axis ratio z/R of the surface of equal potential through (R, 0, 0); none where there is none within 100 R.
pub fn flattening<P: Potential + ?Sized>(potential: &P, radius: f64) -> Option<f64> {
    let level = potential.potential([radius, 0.0, 0.0]);
    let over = |z: f64| potential.potential([0.0, 0.0, z]) - level;
    (over(0.01 * radius) < 0.0 && over(100.0 * radius) > 0.0)
        .then(|| root(0.01 * radius, 100.0 * radius, over) / radius)
}

/// Mass within r, M_sun, by Gauss's theorem: M = −r² ⟨a_r⟩ / G over the sphere.
pub fn enclosed_mass<P: Potential + ?Sized>(potential: &P, r: f64) -> f64 {
    const AROUND: usize = 8;
    let mut sum = 0.0;
    for (node, weight) in gauss_legendre_of(40) {
        // Nodes crowd towards the plane, where discs are thin.
        let (cos, stretch) = (node * node, 2.0 * node);
        let sin = (1.0 - cos * cos).sqrt();
        for k in 0..AROUND {
            let (y, x) = (TAU * (k as f64 + 0.5) / AROUND as f64).sin_cos();
            for side in [-1.0, 1.0] {
                let n = [sin * x, sin * y, side * cos];
                let a = potential.acceleration(n.map(|n| r * n));
                sum -= 0.5 * weight * stretch / AROUND as f64 * crate::vector::dot(a, n);
            }
        }
    }
    sum * r * r / GRAVITATIONAL_CONSTANT
}

/// One number with its error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// At the values of the fit.
    pub value: f64,
    /// Standard deviation, with what a disc of another form, which the streams do not tell from it, would change; not finite where the galaxy was held.
    pub error: f64,
    /// What of that a disc of another form is.
    pub form: f64,
    /// The least that the error could be, were the streams of the model, their errors as stated and particles without number: the bound of
    /// Cramér & Rao with what the priors say (van Trees 1968).
    pub bound: f64,
    /// The same for a galaxy that has no correction: the bound of the parametric model.
    pub parametric: f64,
}

/// A row of what is known of a galaxy at one radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtRadius {
    /// kpc.
    pub radius: f64,
    /// Circular speed in the plane, km/s.
    pub circular_speed: Known,
    /// [`flattening`].
    pub flattening: Known,
    /// [`enclosed_mass`], M_sun.
    pub enclosed_mass: Known,
}

/// Draws that an error is the scatter of.
const DRAWS: usize = 200;

impl Fit {
    /// Galaxies drawn from the posterior; none where the galaxy was held.
    pub fn draws(&self, count: usize, seed: u64) -> Vec<Expansion> {
        self.drawn(count, seed, |posterior| &posterior.root)
    }

    fn drawn(&self, count: usize, seed: u64, root: impl Fn(&Posterior) -> &Vec<f64>) -> Vec<Expansion> {
        let Some(posterior) = &self.posterior else {
            return Vec::new();
        };
        let mut random = generator(seed, 0);
        let model = self.model.parameters.len();
        let mut values = || Posterior::drawn(root(posterior), &self.values, &mut random);
        (0..count)
            .filter_map(|_| self.model.galaxy(&values()[..model]))
            .collect()
    }

    /// Circular speed, flattening and mass at each of `radii`, with errors.
    pub fn at_radii(&self, radii: &[f64], seed: u64) -> Vec<AtRadius> {
        let draws = self.draws(DRAWS, seed);
        let within = self.drawn(DRAWS, seed, |posterior| &posterior.bound);
        let parametric = self.drawn(DRAWS, seed, |posterior| &posterior.parametric);
        let known = |of: &dyn Fn(&Expansion) -> Option<f64>| {
            let spread = |galaxies: &[Expansion]| {
                let drawn: Vec<f64> = galaxies.iter().filter_map(of).collect();
                scatter(&drawn).unwrap_or(f64::NAN)
            };
            let value = of(&self.galaxy).unwrap_or(f64::NAN);
            // What a disc of another form changes.
            let form = self.alike.as_ref().map_or(0.0, |[one, other]| {
                of(one).zip(of(other)).map_or(0.0, |(one, other)| other - one)
            });
            Known {
                value,
                error: spread(&draws).hypot(form),
                form: form.abs(),
                bound: spread(&within),
                parametric: spread(&parametric),
            }
        };
        radii
            .iter()
            .map(|&radius| AtRadius {
                radius,
                circular_speed: known(&|galaxy| Some(circular_speed(galaxy, radius))),
                flattening: known(&|galaxy| flattening(galaxy, radius)),
                enclosed_mass: known(&|galaxy| Some(enclosed_mass(galaxy, radius))),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::potential::{Composite, Logarithmic, MiyamotoNagai, Plummer};
    use std::sync::Arc;

    #[test]
    fn masses_are_those_of_the_density() {
        let plummer = Plummer::new(1e11, 3.0).unwrap();
        let expected = 1e11 * (1.0_f64 + 9.0 / 100.0).powf(-1.5);
        assert!((enclosed_mass(&plummer, 10.0) / expected - 1.0).abs() < 1e-10);
        // Kuzmin's disc has M(1 − a/√(r² + a²)) within r; this one is a little thicker.
        let thin = MiyamotoNagai::new(5e10, 3.0, 1e-3).unwrap();
        let expected = 5e10 * (1.0 - 3.0 / 109f64.sqrt());
        let found = enclosed_mass(&thin, 10.0);
        assert!((found / expected - 1.0).abs() < 2e-4, "{found:e} {expected:e}");
        let disc = MiyamotoNagai::new(5e10, 3.0, 0.3).unwrap();
        let both = Composite::new(vec![Arc::new(plummer), Arc::new(disc)]).unwrap();
        let sum = enclosed_mass(&plummer, 12.0) + enclosed_mass(&disc, 12.0);
        assert!((enclosed_mass(&both, 12.0) / sum - 1.0).abs() < 1e-10);
    }

    #[test]
    fn the_flattening_of_a_logarithmic_halo_is_its_axis_ratio() {
        let halo = Logarithmic::axisymmetric(200.0, 2.0, 0.7).unwrap();
        assert!((flattening(&halo, 15.0).unwrap() - 0.7).abs() < 1e-12);
    }

    #[test]
    fn draws_have_the_covariance() {
        let covariance = vec![4.0, 1.0, 1.0, 2.0];
        let posterior = Posterior {
            root: cholesky(&covariance, 2).unwrap(),
            bound: cholesky(&covariance, 2).unwrap(),
            parametric: cholesky(&covariance, 2).unwrap(),
            covariance,
            misfit: 1.0,
        };
        let mut random = generator(1, 0);
        let draws: Vec<Vec<f64>> = (0..20_000)
            .map(|_| posterior.draw(&[1.0, -1.0, 7.0], &mut random))
            .collect();
        let product = |i: usize, j: usize| {
            let mean = [1.0, -1.0];
            draws.iter().map(|d| (d[i] - mean[i]) * (d[j] - mean[j])).sum::<f64>() / 20_000.0
        };
        assert!(
            (product(0, 0) - 4.0).abs() < 0.2
                && (product(0, 1) - 1.0).abs() < 0.12
                && (product(1, 1) - 2.0).abs() < 0.1
        );
        assert!(draws.iter().all(|draw| draw[2] == 7.0));
    }
}
