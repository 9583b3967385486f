//! The smooth map by itself, both ways to rounding: its equations J = J' + ∂G/∂θ, θ' = θ + ∂G/∂J' are solved by Newton's
//! method, for J' where (θ, J) is known, and for θ where (θ', J') is known. Nothing is trained.

use tch::{Kind, Tensor};

use crate::error::Error;
use crate::isochrone::wrap;
use crate::smooth::map::{SmoothMap, ToyPoints, floored};

/// What a residual must come down to: radians, and actions in units of the data's.
const TOLERANCE: f64 = 1e-11;

/// What is accepted where rounding ends the search earlier.
const ACCEPTED: f64 = 1e-8;

/// Most steps of one search.
const STEPS: usize = 40;

/// Stages of the continuation from no correction to the whole, for stars that Newton's method does not find at once.
const STAGES: usize = 8;

/// Largest step of an angle, rad.
const LONGEST: f64 = 0.5;

/// How far from the given (θ', J') the map may take the answer, in radians and in units of the data's actions.
const RETURNED: f64 = 1e-6;

/// Why a star has no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsolved {
    /// J_z or J_r is below what the map knows.
    Degenerate,
    /// No toy angles solve the equations.
    NoAngles,
    /// The toy action at the solution is negative.
    Negative,
    /// The map takes the point found to other actions and angles: it folds there.
    Folded,
}

impl Unsolved {
    /// A sentence for a table.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Degenerate => "J_z or J_r is below 1e-6 of the sum of the actions, where angles have no meaning",
            Self::NoAngles => "no toy angles were found that the map takes to these angles and actions",
            Self::Negative => "the toy actions that belong to it are negative: no point has these angles and actions",
            Self::Folded => "the map folds here: it takes the point found to other angles and actions",
        }
    }
}

/// Positions and velocities, and which stars have none.
#[derive(Debug)]
pub struct Located {
    /// Positions (stars, 3), kpc; of no meaning where `unsolved` says why.
    pub x: Tensor,
    /// Velocities (stars, 3), km/s.
    pub v: Tensor,
    /// For each star.
    pub unsolved: Vec<Option<Unsolved>>,
}

/// (θ', J') of single stars.
#[derive(Debug)]
pub struct Refined {
    /// θ' in [0, 2π): (stars, 3).
    pub angles: Tensor,
    /// J', km/s kpc: (stars, 3).
    pub actions: Tensor,
    /// Where no J' solves the equation: J' there is the last guess, usually at its floor.
    pub open: Vec<bool>,
}

/// First and mixed second derivatives of G.
struct Slopes {
    /// ∂G/∂θ (stars, 3).
    by_angle: Tensor,
    /// ∂G/∂J' less its value at θ = 0 (stars, 3).
    by_action: Tensor,
    /// ∂²G/∂J'_i ∂θ_j (stars, i, j).
    mixed: Tensor,
}

impl SmoothMap {
    /// (θ', J') of single stars from their toy angles and actions (stars, 3): some steps of the damped fixed point, then Newton's.
    pub fn refine_exactly(&self, angles: &Tensor, actions: &Tensor) -> Result<Refined, Error> {
        let points = ToyPoints {
            angles: angles.unsqueeze(-2),
            actions: actions.unsqueeze(-2),
            weights: Tensor::ones_like(&angles.narrow(-1, 0, 1).unsqueeze(-2)),
        };
        let (_, begin) = self.predict_with(&points, 6, 0.7);
        let unit = self.action_scale();
        let begin = begin.squeeze_dim(-2) / unit;
        let residual = |rows: &Tensor, guess: &Tensor| {
            let (angles, actions) = (angles.index_select(0, rows), actions.index_select(0, rows));
            let slopes = self.slopes(&angles, &(guess * unit));
            let residual = guess + (slopes.by_angle - actions) / unit;
            (residual, identity_plus(&slopes.mixed.transpose(-1, -2)))
        };
        let (found, open) = search(begin, &residual, &|guess: &Tensor| floored(guess), f64::INFINITY)?;
        let actions = found * unit;
        let shift = self.slopes(angles, &actions).by_action;
        Ok(Refined {
            angles: wrap(&(angles + shift)),
            actions,
            open,
        })
    }

    /// J − ∂G/∂θ(θ, J') of each star of streams whose stars share J': what each by itself adds to the mean, […, stars, 3].
    pub fn star_actions(&self, points: &ToyPoints, actions: &Tensor) -> Tensor {
        tch::no_grad(|| &points.actions - self.slope(&self.look(&points.angles, actions)))
    }

    /// Positions and velocities of stars from (θ', J'), the inverse of the map for single stars.
    ///
    /// The toy angles solve θ + ∂G/∂J'(θ, J') = θ'; then J = J' + ∂G/∂θ, and (x, v) by the toy. Every answer is put through the
    /// map again, so that none is wrong: stars that do not come back are named in [`Located::unsolved`].
    ///
    /// **Shape** (stars, 3) twice, radians and km/s kpc.
    pub fn locate(&self, angles: &Tensor, actions: &Tensor) -> Result<Located, Error> {
        let unit = self.action_scale();
        let known = floored(actions);
        let mut unsolved = vec![None; angles.size()[0] as usize];
        mark(&mut unsolved, &flags(&(&known - actions).abs().gt(0.0).any_dim(-1, false))?, Unsolved::Degenerate);
        let at = |fraction: f64| {
            let known = &known;
            move |rows: &Tensor, guess: &Tensor| {
                let slopes = self.slopes(guess, &known.index_select(0, rows));
                let residual = signed(&(guess + slopes.by_action * fraction - angles.index_select(0, rows)));
                (residual, identity_plus(&(slopes.mixed * fraction)))
            }
        };
        let free = |guess: &Tensor| guess.shallow_clone();
        let (mut theta, open) = search(angles.detach().copy(), &at(1.0), &free, LONGEST)?;
        let left = places(&open, angles.device());
        if left.numel() > 0 {
            let of_left = |fraction: f64| {
                let whole = at(fraction);
                let left = &left;
                move |rows: &Tensor, guess: &Tensor| whole(&left.index_select(0, rows), guess)
            };
            let mut guess = angles.index_select(0, &left);
            let mut still = Vec::new();
            for stage in 1..=STAGES {
                (guess, still) = search(guess, &of_left(stage as f64 / STAGES as f64), &free, LONGEST)?;
            }
            theta = tch::no_grad(|| theta.index_copy(0, &left, &guess));
            let mut failed = vec![false; unsolved.len()];
            for (row, still) in Vec::<i64>::try_from(&left)?.into_iter().zip(still) {
                failed[row as usize] = still;
            }
            mark(&mut unsolved, &failed, Unsolved::NoAngles);
        }
        let toy_actions = &known + self.slopes(&theta, &known).by_angle;
        let negative = toy_actions.narrow(-1, 1, 2).lt(0.0).any_dim(-1, false);
        mark(&mut unsolved, &flags(&negative)?, Unsolved::Negative);
        let safe = toy_actions.where_self(&negative.logical_not().unsqueeze(-1), &known);
        let (x, v) = tch::no_grad(|| self.toy.to_cartesian(&theta, &safe));
        let toy = tch::no_grad(|| self.toy.from_cartesian(&x, &v))?;
        let again = self.refine_exactly(&toy.angles, &toy.actions)?;
        let far = |difference: Tensor| difference.abs().gt(RETURNED).any_dim(-1, false);
        let away = far((&again.actions - &known) / unit).logical_or(&far(signed(&(again.angles - angles))));
        let away: Vec<bool> = flags(&away)?.into_iter().zip(again.open).map(|(far, open)| far || open).collect();
        mark(&mut unsolved, &away, Unsolved::Folded);
        Ok(Located { x, v, unsolved })
    }

    /// Derivatives of G by automatic differentiation, without a graph to the weights.
    fn slopes(&self, angles: &Tensor, actions: &Tensor) -> Slopes {
        let (angles, actions) = (tracked(angles), tracked(actions));
        tch::with_grad(|| {
            let g = self.generating_function(&angles, &actions).sum(Kind::Double);
            let first = Tensor::run_backward(&[g], &[&angles, &actions], true, true);
            let row = |i: i64| {
                let component = first[1].select(-1, i).sum(Kind::Double);
                Tensor::run_backward(&[component], &[&angles], true, false)[0].detach()
            };
            let mixed = Tensor::stack(&[row(0), row(1), row(2)], -2);
            let zero = self.generating_function(&Tensor::zeros_like(&angles), &actions).sum(Kind::Double);
            let offset = Tensor::run_backward(&[zero], &[&actions], false, false)[0].detach();
            Slopes {
                by_angle: first[0].detach(),
                by_action: first[1].detach() - offset,
                mixed,
            }
        })
    }
}

fn tracked(tensor: &Tensor) -> Tensor {
    tensor.detach().copy().set_requires_grad(true)
}

/// Into [−π, π].
fn signed(angle: &Tensor) -> Tensor {
    let turn = std::f64::consts::TAU;
    angle - (angle / turn).round() * turn
}

fn identity_plus(matrix: &Tensor) -> Tensor {
    matrix + Tensor::eye(3, (Kind::Double, matrix.device()))
}

fn flags(tensor: &Tensor) -> Result<Vec<bool>, Error> {
    Ok(Vec::try_from(tensor.to_device(tch::Device::Cpu).contiguous().view(-1))?)
}

/// The places of those that are set.
fn places(flags: &[bool], device: tch::Device) -> Tensor {
    let places: Vec<i64> = (0..).zip(flags).filter(|(_, set)| **set).map(|(place, _)| place).collect();
    Tensor::from_slice(&places).to_device(device)
}

fn mark(unsolved: &mut [Option<Unsolved>], flags: &[bool], why: Unsolved) {
    for (place, _) in unsolved.iter_mut().zip(flags).filter(|(place, set)| place.is_none() && **set) {
        *place = Some(why);
    }
}

/// Roots of `residual`, row by row, from `guess`, and which rows were not solved: Newton's method, with Levenberg & Marquardt's damping
/// for a row from when a step of it makes its residual larger.
///
/// `residual` is given the row numbers and their guesses (rows, 3), and gives residuals (rows, 3) and Jacobians (rows, 3, 3);
/// `kept` puts a guess back where it may be; no step is longer than `longest` in a component.
fn search(
    guess: Tensor,
    residual: &dyn Fn(&Tensor, &Tensor) -> (Tensor, Tensor),
    kept: &dyn Fn(&Tensor) -> Tensor,
    longest: f64,
) -> Result<(Tensor, Vec<bool>), Error> {
    let device = guess.device();
    let size = |residual: &Tensor| residual.square().sum_dim_intlist([-1].as_slice(), true, Kind::Double).sqrt();
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
        let going = going.gt(TOLERANCE).logical_and(&damping.squeeze_dim(-1).lt(1e12)).nonzero().view(-1);
        if going.numel() == 0 {
            break;
        }
        let pick = |tensor: &Tensor| tensor.index_select(0, &going);
        (rows, here, misfit, jacobian, damping) =
            (pick(&rows), pick(&here), pick(&misfit), pick(&jacobian), pick(&damping));
        let transposed = jacobian.transpose(-1, -2);
        let normal = transposed.matmul(&jacobian)
            + Tensor::eye(3, (Kind::Double, device)) * (&damping * 1e-3).unsqueeze(-1);
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

/// The shape of a flag for each row that spreads over a tensor of two or three dimensions.
fn view(like: &Tensor) -> Vec<i64> {
    let mut shape = vec![1; like.dim()];
    shape[0] = like.size()[0];
    shape
}

/// The solution of 3 × 3 systems by Cramer's rule; not finite where there is none.
fn solved(matrix: &Tensor, right: &Tensor) -> Tensor {
    let row = |i: i64| matrix.select(-2, i);
    let [a, b, c] = [row(0), row(1), row(2)];
    let cross = |p: &Tensor, q: &Tensor| p.linalg_cross(q, -1);
    let [bc, ca, ab] = [cross(&b, &c), cross(&c, &a), cross(&a, &b)];
    let determinant = (&a * &bc).sum_dim_intlist([-1].as_slice(), true, Kind::Double);
    (bc * right.narrow(-1, 0, 1) + ca * right.narrow(-1, 1, 1) + ab * right.narrow(-1, 2, 1)) / determinant
}

#[cfg(test)]
mod tests;
