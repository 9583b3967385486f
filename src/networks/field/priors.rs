//! Gaussian priors of a field's coefficients, as wide as makes the stars likeliest.
//!
//! Of the equations A c = y of [`Rows`], each known to κ, with c normal about 0 of width κ w_g for the group g of each term, the marginal
//! likelihood is
//!
//! −2 ln p = n ln(χ²/n) + ln det(1 + W AᵀA W) + Σ ln det V, χ² = yᵀy − yᵀA W (1 + W AᵀA W)⁻¹ W Aᵀy,
//!
//! with W the diagonal of the widths, V the covariances of the stars, the streams' E_s and L_s integrated out, and κ² = χ²/n.
//!
//! **Source**: MacKay (1992), evidence for the widths of priors; Patterson & Thompson (1971), restricted likelihood.

use tch::{Kind, Tensor};

use super::conserved::Rows;
use crate::error::Error;

/// Least-squares equations of several streams, squared.
#[derive(Debug)]
pub(super) struct Normal {
    /// AᵀA, [terms, terms].
    matrix: Tensor,
    /// Aᵀy.
    right: Tensor,
    /// yᵀy.
    square: f64,
    /// n: equations less what streams have of their own.
    free: f64,
    /// Σ ln det V, with what the streams' own unknowns take.
    determinant: f64,
}

impl Normal {
    /// Of these streams.
    pub fn of(streams: &[&Rows], terms: usize) -> Self {
        let all = |of: fn(&Rows) -> &[f64]| streams.iter().flat_map(|rows| of(rows)).copied().collect::<Vec<f64>>();
        let left = Tensor::from_slice(&all(|rows| &rows.left)).view([-1, terms as i64]);
        let right = Tensor::from_slice(&all(|rows| &rows.right));
        Self {
            matrix: left.tr().matmul(&left),
            right: left.tr().matmul(&right),
            square: right.square().sum(Kind::Double).double_value(&[]),
            free: streams.iter().map(|rows| rows.free as f64).sum(),
            determinant: streams.iter().map(|rows| rows.determinant).sum(),
        }
    }

    /// W AᵀA W, and W.
    fn scaled(&self, widths: &[f64]) -> (Tensor, Tensor) {
        let widths = Tensor::from_slice(widths);
        (&self.matrix * widths.unsqueeze(0) * widths.unsqueeze(1), widths)
    }

    /// L of 1 + W AᵀA W = L Lᵀ, and W.
    fn factor(&self, widths: &[f64]) -> Result<(Tensor, Tensor), Error> {
        let (scaled, widths) = self.scaled(widths);
        let whole = scaled + Tensor::eye(widths.size()[0], (Kind::Double, tch::Device::Cpu));
        Ok((whole.f_linalg_cholesky(false)?, widths))
    }

    /// −2 ln of the marginal likelihood but for a constant, for the widths of all coefficients; infinite where rounding leaves no number.
    pub fn unlikeliness(&self, widths: &[f64]) -> f64 {
        let Ok((factor, widths)) = self.factor(widths) else {
            return f64::INFINITY;
        };
        let side = (&self.right * widths).unsqueeze(1);
        let Ok(solved) = factor.f_linalg_solve_triangular(&side, false, true, false) else {
            return f64::INFINITY;
        };
        let explained = solved.square().sum(Kind::Double).double_value(&[]);
        let determinant = 2.0 * factor.diag(0).log().sum(Kind::Double).double_value(&[]);
        let chi2 = self.square - explained;
        if chi2 > 0.0 {
            self.free * (chi2 / self.free).ln() + determinant + self.determinant
        } else {
            f64::INFINITY
        }
    }

    /// The likeliest coefficients.
    ///
    /// **Fails when** the equations are not finite.
    pub fn solve(&self, widths: &[f64]) -> Result<Vec<f64>, Error> {
        let found = match self.factor(widths) {
            Ok((factor, widths)) => {
                let side = (&self.right * &widths).unsqueeze(1);
                side.f_cholesky_solve(&factor, false)?.squeeze_dim(1) * widths
            }
            Err(_) => self.solve_wide(widths)?,
        };
        Ok(Vec::try_from(found)?)
    }

    /// The same where few equations let the widths grow until 1 + W AᵀA W, whose eigenvalues are not below 1, is not positive to rounding.
    fn solve_wide(&self, widths: &[f64]) -> Result<Tensor, Error> {
        let (scaled, widths) = self.scaled(widths);
        let side = &self.right * &widths;
        if !(scaled.sum(Kind::Double) + side.sum(Kind::Double))
            .double_value(&[])
            .is_finite()
        {
            let what = "the equations of stars with errors".to_owned();
            return Err(Error::NotFinite { what });
        }
        let (values, vectors) = scaled.f_linalg_eigh("L")?;
        // Directions that the equations say nothing of have eigenvalues of rounding alone, and nothing in them.
        let rounding = values.max() * (f64::EPSILON * widths.size()[0] as f64);
        let told = values.gt_tensor(&rounding).to_kind(Kind::Double);
        let along = told * vectors.tr().matmul(&side) / (values.clamp_min(0.0) + 1.0);
        Ok(vectors.matmul(&along) * widths)
    }
}

/// What a step has to gain of −2 ln p.
const GAIN: f64 = 0.01;

/// The place near `start` where `f` is least: steps along one coordinate after another, halved from `first` to `least` where none helps.
pub(super) fn descend(mut f: impl FnMut(&[f64]) -> f64, start: &[f64], first: f64, least: f64) -> Vec<f64> {
    let mut place = start.to_vec();
    let mut value = f(&place);
    let mut step = first;
    while step >= least {
        let mut is_better = false;
        for axis in 0..place.len() {
            for by in [step, -step] {
                let mut moved = place.clone();
                moved[axis] += by;
                let found = f(&moved);
                if found < value - GAIN {
                    (place, value, is_better) = (moved, found, true);
                    break;
                }
            }
        }
        if !is_better {
            step *= 0.5;
        }
    }
    place
}

#[cfg(test)]
#[path = "priors_tests.rs"]
mod tests;
