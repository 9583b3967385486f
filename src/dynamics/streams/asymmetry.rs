//! Whether streams ask for a galaxy without the symmetry that it was given.

use super::galaxy::{Parameter, UNIT};
use super::system::{Equations, Reduced, Shares};
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

/// What follows is damped by this, relative.
const DAMPING: f64 = 1e-6;

impl Asymmetry {
    /// A score test: the gradient of ln L by the terms where they are nothing, once all that is fitted has followed (Rao 1948).
    ///
    /// `equations` have the terms before the `parameters`, whose values are `values`; `shrinkage` is the prior deviation of a term's coefficient, and
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
        // First each stream's own parameters follow, then those that all of them share.
        let reduced = equations.iter().map(|one| one.reduce(DAMPING));
        let reduced = reduced.collect::<Option<Vec<Reduced>>>()?;
        let of = |what: fn(&Parameter) -> f64| parameters.iter().map(what).collect::<Vec<f64>>();
        let shares = Shares {
            shared: count,
            columns: count + known,
            prior: (&of(|parameter| parameter.mean), &of(|parameter| parameter.deviation)),
            own: values,
        };
        let Reduced { hessian, gradient } = Equations::of_reduced(&shares, &reduced).reduce(DAMPING)?;
        // No star was judged: nothing is said for the symmetry, either.
        if gradient.iter().all(|slope| *slope == 0.0) {
            return None;
        }
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

    /// The same where streams have this [`Posterior::misfit`](super::Posterior::misfit).
    pub(crate) fn beside(mut self, misfit: f64) -> Self {
        self.chi2 /= misfit.max(1.0).powi(2);
        self
    }
}
