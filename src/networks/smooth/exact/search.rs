//! Roots of many small systems of equations at once.

use tch::{Kind, Tensor};

use super::flags;
use crate::cramer::solve;
use crate::error::Error;

/// What a residual must come down to: radians, and actions in units of the data's.
const TOLERANCE: f64 = 1e-11;

/// The same for secants, which end just below it, where Newton's last step ends far below.
const SECANT_TOLERANCE: f64 = 1e-12;

/// What is accepted where rounding ends the search earlier.
const ACCEPTED: f64 = 1e-8;

/// Most steps of one search.
const STEPS: usize = 40;

/// Most steps by secants: what has not come to an end by then hardly does.
const SECANTS: usize = 14;

/// The inverse Jacobian that secants begin with, of the unit matrix: the first step is a damped one of the fixed point.
const DAMPING: f64 = 0.8;

/// Roots of `residual`, row by row, from `guess`, and which rows were not solved: Newton's method, with Levenberg & Marquardt's damping
/// for a row from when a step of it makes its residual larger.
///
/// `residual` is given the row numbers and their guesses (rows, 3), and gives residuals (rows, 3) and Jacobians (rows, 3, 3);
/// `kept` puts a guess back where it may be; no step is longer than `longest` in a component.
pub(super) fn search(
    guess: Tensor,
    residual: &dyn Fn(&Tensor, &Tensor) -> (Tensor, Tensor),
    kept: &dyn Fn(&Tensor) -> Tensor,
    longest: f64,
) -> Result<(Tensor, Vec<bool>), Error> {
    let device = guess.device();
    let mut best = kept(&guess);
    let mut rows = Tensor::arange(best.size()[0], (Kind::Int64, device));
    let mut here = best.shallow_clone();
    let (mut misfit, mut jacobian) = residual(&rows, &here);
    let mut damping = Tensor::zeros_like(&here.narrow(-1, 0, 1));
    let mut sizes = Tensor::full_like(&damping, f64::INFINITY);
    for _ in 0..STEPS {
        best = best.index_copy(0, &rows, &here);
        sizes = sizes.index_copy(0, &rows, &size(&misfit));
        // Not a number: no step helps.
        let going = size(&misfit).squeeze_dim(-1);
        let going = going
            .gt(TOLERANCE)
            .logical_and(&damping.squeeze_dim(-1).lt(1e12))
            .nonzero()
            .view(-1);
        if going.numel() == 0 {
            break;
        }
        let pick = |tensor: &Tensor| tensor.index_select(0, &going);
        (rows, here, misfit, jacobian, damping) =
            (pick(&rows), pick(&here), pick(&misfit), pick(&jacobian), pick(&damping));
        let transposed = jacobian.transpose(-1, -2);
        let normal =
            transposed.matmul(&jacobian) + Tensor::eye(3, (Kind::Double, device)) * (&damping * 1e-3).unsqueeze(-1);
        let direction = transposed.matmul(&misfit.unsqueeze(-1)).squeeze_dim(-1);
        let newton = solved(&jacobian, &misfit);
        let damped = solved(&normal, &direction);
        let step = newton.where_self(&damping.eq(0.0), &damped).nan_to_num(0.0, 0.0, 0.0);
        let step = step.clamp(-longest, longest);
        let trial = kept(&(&here - step));
        let (trial_misfit, trial_jacobian) = residual(&rows, &trial);
        // A residual at the level of rounding may go either way.
        let better = size(&trial_misfit).lt_tensor(&size(&misfit));
        let choose = |new: &Tensor, old: &Tensor| new.where_self(&better.view(view(new).as_slice()), old);
        here = choose(&trial, &here);
        misfit = choose(&trial_misfit, &misfit);
        jacobian = choose(&trial_jacobian, &jacobian);
        let relaxed = (&damping * 0.1).where_self(&damping.gt(1e-3), &Tensor::zeros_like(&damping));
        damping = relaxed.where_self(&better, &((&damping * 8.0).clamp_min(1.0)));
    }
    best = best.index_copy(0, &rows, &here);
    sizes = sizes.index_copy(0, &rows, &size(&misfit));
    let open = flags(&sizes.lt(ACCEPTED).logical_not())?;
    Ok((best, open))
}

/// Roots of `residual`, row by row, from `guess`, without its Jacobian, and which rows were not solved: Broyden's (1965) method, which
/// learns the inverse Jacobian from the steps. For residuals x − f(x) of a fixed point that nearly contracts.
///
/// `residual` is given the row numbers and their guesses (rows, 3), and gives residuals (rows, 3); `kept` as in [`search`].
pub(super) fn secants(
    guess: Tensor,
    residual: &dyn Fn(&Tensor, &Tensor) -> Tensor,
    kept: &dyn Fn(&Tensor) -> Tensor,
) -> Result<(Tensor, Vec<bool>), Error> {
    let device = guess.device();
    // Not a number: not solved.
    let unsolved = |misfit: &Tensor| {
        let solved = size(misfit).squeeze_dim(-1).le(SECANT_TOLERANCE);
        solved.logical_not().nonzero().view(-1)
    };
    let mut best = kept(&guess);
    let count = best.size()[0];
    let mut rows = Tensor::arange(count, (Kind::Int64, device));
    let mut here = best.shallow_clone();
    let mut misfit = residual(&rows, &here);
    let mut inverse = (Tensor::eye(3, (Kind::Double, device)) * DAMPING).expand([count, 3, 3], false);
    for _ in 0..SECANTS {
        best = best.index_copy(0, &rows, &here);
        let going = unsolved(&misfit);
        if going.numel() == 0 {
            break;
        }
        let pick = |tensor: &Tensor| tensor.index_select(0, &going);
        (rows, here, misfit, inverse) = (pick(&rows), pick(&here), pick(&misfit), pick(&inverse));
        let trial = kept(&(&here - inverse.matmul(&misfit.unsqueeze(-1)).squeeze_dim(-1)));
        let step = (&trial - &here).unsqueeze(-1);
        let trial_misfit = residual(&rows, &trial);
        // H + (s − H y) sᵀH / sᵀH y
        let change = inverse.matmul(&(&trial_misfit - &misfit).unsqueeze(-1));
        let left = step.transpose(-1, -2).matmul(&inverse);
        let along = step.transpose(-1, -2).matmul(&change);
        let update = ((&step - &change) / along).nan_to_num(0.0, 0.0, 0.0).matmul(&left);
        inverse += update;
        (here, misfit) = (trial, trial_misfit);
    }
    best = best.index_copy(0, &rows, &here);
    let lost = rows.index_select(0, &unsolved(&misfit));
    let open = Tensor::zeros([count], (Kind::Bool, device)).index_fill(0, &lost, 1);
    Ok((best, flags(&open)?))
}

/// The length of each row of residuals: (rows, 3) → (rows, 1).
fn size(residual: &Tensor) -> Tensor {
    residual
        .square()
        .sum_dim_intlist([-1].as_slice(), true, Kind::Double)
        .sqrt()
}

/// The shape of a flag for each row that spreads over a tensor of two or three dimensions.
fn view(like: &Tensor) -> Vec<i64> {
    let mut shape = vec![1; like.dim()];
    shape[0] = like.size()[0];
    shape
}

/// The solution of 3 × 3 systems; not finite where there is none.
fn solved(matrix: &Tensor, right: &Tensor) -> Tensor {
    solve(&[0, 1, 2].map(|i| matrix.select(-2, i)), right)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::Device;

    use super::*;

    /// x = A cos(x) + b in three coupled components: a contraction for the small A of the first rows, none for the last.
    #[test]
    fn secants_find_fixed_points_and_name_what_has_none() {
        let strength = Tensor::from_slice(&[0.1, 0.5, 0.9, 40.0]).view([4, 1]);
        let shift = Tensor::from_slice(&[0.3, -0.2, 0.7]);
        let image = |rows: &Tensor, x: &Tensor| strength.index_select(0, rows) * x.roll([1], [1]).cos() + &shift;
        let residual = |rows: &Tensor, x: &Tensor| x - image(rows, x);
        let start = Tensor::zeros([4, 3], (Kind::Double, Device::Cpu));
        let (found, open) = secants(start, &residual, &|guess: &Tensor| guess.shallow_clone()).unwrap();
        assert_eq!(open, [false, false, false, true]);
        let rows = Tensor::from_slice(&[0_i64, 1, 2]);
        let left = residual(&rows, &found.index_select(0, &rows));
        assert!(left.abs().max().double_value(&[]) < TOLERANCE, "{left:?}");
    }
}
