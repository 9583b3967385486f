//! A potential as a sum of simple ones, from Eq. 15 of Ibata et al. (2021): linear in its coefficients.

use dynamics::potential::expansion::{Expansion, Term};
use tch::{Device, Kind, Tensor};

use super::equations::Equations;
use crate::error::Error;
use crate::field::LinearField;
use crate::field::linear::{FOLDS, basis, ridge_solutions, ridges};
use crate::isochrone::dot;

/// Times that the equations are weighted anew, towards least absolute rates.
const REWEIGHTED: usize = 4;

/// Rows of Σ_k c_k (∂J'/∂v · −∇φ_k) = −∂J'/∂x·v of the stars of streams.
struct Rows {
    /// [3 stars, terms].
    left: Tensor,
    /// [3 stars].
    right: Tensor,
    /// Fold of each row's stream, as a number from 0.
    fold: Tensor,
}

impl Rows {
    fn new(terms: &[Term], equations: &Equations) -> Result<Self, Error> {
        let size = equations.x.size();
        let kept = equations.weights.to_device(Device::Cpu).contiguous().view(-1).gt(0.0);
        let kept = kept.nonzero().view(-1);
        let pick = |tensor: &Tensor, shape: &[i64]| {
            let flat = tensor.to_device(Device::Cpu).contiguous().view(shape);
            flat.index_select(0, &kept)
        };
        let x = pick(&equations.x, &[-1, 3]);
        let places = Vec::<f64>::try_from(x.contiguous().view(-1))?;
        let mut slopes = Vec::with_capacity(places.len() * terms.len());
        for place in places.chunks_exact(3) {
            let pulls: Vec<[f64; 3]> = terms
                .iter()
                .map(|term| term.value([place[0], place[1], place[2]]).1)
                .collect();
            for axis in 0..3 {
                slopes.extend(pulls.iter().map(|pull| pull[axis]));
            }
        }
        let count = terms.len() as i64;
        let slopes = Tensor::from_slice(&slopes).view([-1, 3, count]);
        let left = pick(&equations.lever, &[-1, 3, 3]).matmul(&slopes);
        let fold = (Tensor::arange(size[0] * size[1], (Kind::Int64, Device::Cpu))
            .divide_scalar_mode(size[1], "floor")
            .index_select(0, &kept))
        .remainder(FOLDS.min(size[0] as usize) as i64);
        Ok(Self {
            left: left.view([-1, count]),
            right: -pick(&equations.drift, &[-1, 3]).contiguous().view(-1),
            fold: fold.repeat_interleave_self_int(3, 0, None),
        })
    }

    /// Rows with fold number `fold`, or all others; times `weights`.
    fn of(&self, fold: i64, inside: bool, weights: &Tensor) -> Self {
        let chosen = self.fold.eq(fold).eq(i64::from(inside)).nonzero().view(-1);
        let weights = weights.index_select(0, &chosen);
        Self {
            left: self.left.index_select(0, &chosen) * weights.unsqueeze(-1),
            right: self.right.index_select(0, &chosen) * weights,
            fold: self.fold.index_select(0, &chosen),
        }
    }

    fn residuals(&self, coefficients: &[f64]) -> Tensor {
        self.left.mv(&Tensor::from_slice(coefficients)) - &self.right
    }
}

/// The potential whose field keeps the actions of the stars as constant as it can: mean |dJ'_i/dt| is minimised by repeated
/// weighted least squares, each with the ridge that suits streams left out best. Give [`Equations::evened`].
///
/// **Fails when** there are fewer than two streams.
pub fn fit_potential(equations: &Equations, axisymmetric: bool) -> Result<LinearField, Error> {
    if equations.x.size()[0] < 2 {
        return Err(Error::Data("a field needs at least two streams".to_owned()));
    }
    let distances = dot(&equations.x, &equations.x).sqrt();
    let (length, extent) = (distances.median().double_value(&[]), distances.max().double_value(&[]));
    let terms = basis(length, axisymmetric);
    let rows = Rows::new(&terms, equations)?;
    let ridges = ridges();
    let folds = FOLDS.min(equations.x.size()[0] as usize) as i64;
    let mut weights = Tensor::ones_like(&rows.right);
    let mut best = (Vec::new(), 0.0, 0.0);
    for _ in 0..=REWEIGHTED {
        let mut spreads = vec![0.0; ridges.len()];
        for fold in 0..folds {
            let plain = rows.of(fold, true, &Tensor::ones_like(&weights));
            let kept = rows.of(fold, false, &weights);
            let solutions = ridge_solutions(&kept.left, &kept.right, &ridges)?;
            for (spread, solution) in spreads.iter_mut().zip(solutions) {
                *spread += plain.residuals(&solution).abs().mean(Kind::Double).double_value(&[]) / folds as f64;
            }
        }
        let chosen = (0..ridges.len())
            .min_by(|&i, &j| spreads[i].total_cmp(&spreads[j]))
            .unwrap_or(0);
        let all = (&rows.left * weights.unsqueeze(-1), &rows.right * &weights);
        let mut solutions = ridge_solutions(&all.0, &all.1, &ridges[chosen..=chosen])?;
        let solution = solutions.pop().unwrap_or_default();
        let size = rows.residuals(&solution).abs();
        // Least squares weighted by |r|^(-1/2) on both sides are least absolute values; exact equations need a floor.
        let floor = size.median().double_value(&[]).max(1e-300) * 0.1;
        weights = size.clamp_min(floor).rsqrt() * floor.sqrt();
        best = (solution, ridges[chosen], spreads[chosen]);
    }
    let (coefficients, ridge, held_out_spread) = best;
    let what = "the field's coefficients".to_owned();
    Ok(LinearField {
        expansion: Expansion::new(terms, coefficients).ok_or(Error::NotFinite { what })?,
        ridge,
        held_out_spread,
        extent,
        others: Vec::new(),
        understated: 1.0,
    })
}
