//! Whether streams ask for a galaxy without the symmetry that it was given.

use super::galaxy::{Parameter, UNIT};
use super::system::{Equations, Reduced};
use crate::linear_algebra::Symmetric;
use crate::potential::expansion::Term;
use crate::potential::{Expansion, Potential};
use crate::vector::norm;

/// What streams say of multipoles that the fitted galaxy does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Asymmetry {
    /// χ² of all of them together: how much −2 ln L would fall with them, where their slopes hold. Where streams disagree more than their errors let
    /// them, these count as that much larger.
    pub chi2: f64,
    /// How many they are; the mean of χ² where there is nothing.
    pub terms: usize,
    /// By how much the force would change at the stars, in the mean and relative to it.
    pub force: f64,
}

/// Slopes of a stream's own numbers are noisy; its block is damped by this.
const DAMPING: f64 = 1e-6;

impl Asymmetry {
    /// A score test: the gradient of ln L by the terms where they are nothing, once all that is fitted has followed (Rao 1948).
    ///
    /// `equations` have the terms after the `parameters`, whose values are `values`; `shrinkage` is the prior deviation of a term's coefficient, and
    /// the stars are at the places beside the galaxy.
    pub(crate) fn new(
        equations: &[Equations],
        parameters: &[Parameter],
        values: &[f64],
        terms: &[Term],
        shrinkage: f64,
        (galaxy, places): (&Expansion, &[[f64; 3]]),
    ) -> Option<Self> {
        let (known, count) = (parameters.len(), terms.len());
        if equations.is_empty() || count == 0 {
            return None;
        }
        let n = known + count;
        let mut sum = Reduced {
            hessian: vec![0.0; n * n],
            gradient: vec![0.0; n],
        };
        for one in equations {
            let one = one.reduce(DAMPING)?;
            sum.hessian
                .iter_mut()
                .zip(&one.hessian)
                .for_each(|(sum, value)| *sum += value);
            sum.gradient
                .iter_mut()
                .zip(&one.gradient)
                .for_each(|(sum, value)| *sum += value);
        }
        for (i, parameter) in parameters.iter().enumerate() {
            let weight = parameter.deviation.powi(-2);
            sum.hessian[i * n + i] += weight;
            sum.gradient[i] += weight * (parameter.mean - values[i]);
        }
        let (hessian, gradient) = left(&sum, known)?;
        let solved = |weight: f64| {
            let mut matrix = Symmetric::zeros(count);
            for i in 0..count {
                for j in 0..=i {
                    *matrix.at(i, j) = hessian[i * count + j];
                }
                *matrix.at(i, i) += weight;
            }
            let mut step = gradient.clone();
            matrix.factor(|_| 1e-9)?.solve(&mut step);
            Some(step)
        };
        let chi2 = solved(0.0)?.iter().zip(&gradient).map(|(step, of)| step * of).sum();
        let coefficients = solved(shrinkage.powi(-2))?.iter().map(|step| step * UNIT).collect();
        let added = Expansion::new(terms.to_vec(), coefficients)?;
        let changes = places
            .iter()
            .map(|x| norm(added.acceleration(*x)) / norm(galaxy.acceleration(*x)));
        Some(Self {
            chi2,
            terms: count,
            force: changes.sum::<f64>() / places.len().max(1) as f64,
        })
    }
}

impl Asymmetry {
    /// The same where streams have this [`Posterior::misfit`](super::Posterior::misfit).
    pub(crate) fn beside(mut self, misfit: f64) -> Self {
        self.chi2 /= misfit.max(1.0).powi(2);
        self
    }
}

/// Hessian and gradient of what follows the first `known` parameters, once these have followed.
fn left(of: &Reduced, known: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let n = of.gradient.len();
    let mut matrix = Symmetric::zeros(known);
    for i in 0..known {
        for j in 0..=i {
            *matrix.at(i, j) = of.hessian[i * n + j];
        }
    }
    let factor = matrix.factor(|_| DAMPING)?;
    let count = n - known;
    let (mut hessian, mut gradient) = (vec![0.0; count * count], of.gradient[known..].to_vec());
    for j in 0..count {
        let mut coupled: Vec<f64> = (0..known).map(|i| of.hessian[i * n + known + j]).collect();
        factor.solve(&mut coupled);
        let dot = |other: &[f64]| coupled.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        gradient[j] -= dot(&of.gradient[..known]);
        for i in 0..count {
            let row = &of.hessian[(known + i) * n..(known + i) * n + known];
            hessian[i * count + j] = of.hessian[(known + i) * n + known + j] - dot(row);
        }
    }
    Some((hessian, gradient))
}
