//! The smooth map by itself, both ways to rounding: its equations J = J' + ∂G/∂θ, θ' = θ + ∂G/∂J' are solved by Newton's
//! method, for J' where (θ, J) is known, and for θ where (θ', J') is known. Nothing is trained.

mod search;

use tch::{Kind, Tensor};

use self::search::{search, secants};
use crate::error::Error;
use crate::isochrone::{floored, wrap};
use crate::map::{Image, Inverse, Located};
use crate::smooth::SmoothMap;
use crate::streams::ToyPoints;

/// Stages of the continuation from no correction to the whole, for stars that Newton's method does not find at once.
const STAGES: usize = 8;

/// Largest step of an angle, rad.
const LONGEST: f64 = 0.5;

/// Size of the correction's derivatives from which more solutions are looked for.
const STEEP: f64 = 0.6;

/// Where else on the torus: away from the angles themselves, rad.
const OFFSETS: [[f64; 3]; 6] = {
    const QUARTER: f64 = std::f64::consts::FRAC_PI_2;
    [
        [0.0, 0.0, QUARTER],
        [0.0, 0.0, 2.0 * QUARTER],
        [0.0, 0.0, 3.0 * QUARTER],
        [0.0, QUARTER, 0.0],
        [0.0, 2.0 * QUARTER, 0.0],
        [0.0, 3.0 * QUARTER, 0.0],
    ]
};

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
    /// The map takes more than one point to these angles and actions: it folds there.
    Ambiguous,
}

impl Unsolved {
    /// A sentence for a table.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Degenerate => "J_z or J_r is below 1e-6 of the sum of the actions, where angles have no meaning",
            Self::NoAngles => "no toy angles were found that the map takes to these angles and actions",
            Self::Negative => "the toy actions that belong to it are negative: no point has these angles and actions",
            Self::Folded => "the map folds here: it takes the point found to other angles and actions",
            Self::Ambiguous => "the map folds here: it takes several points to these angles and actions",
        }
    }
}

impl Inverse for SmoothMap {
    fn locate(&self, angles: &Tensor, actions: &Tensor) -> Result<Located, Error> {
        SmoothMap::locate(self, angles, actions)
    }
}

/// First and mixed second derivatives of G.
struct Slopes {
    /// ∂G/∂θ […, 3].
    by_angle: Tensor,
    /// ∂G/∂J' less its value at θ = 0 […, 3].
    by_action: Tensor,
    /// ∂²G/∂J'_i ∂θ_j […, i, j].
    mixed: Tensor,
}

impl SmoothMap {
    /// (θ', J') of single stars from their toy angles and actions (stars, 3); see [`SmoothMap::refine_streams`].
    pub fn refine_exactly(&self, angles: &Tensor, actions: &Tensor) -> Result<Image, Error> {
        let found = self.refine_streams(&ToyPoints::of_single(angles, actions))?;
        Ok(Image {
            angles: found.angles.squeeze_dim(-2),
            ..found
        })
    }

    /// θ' of the stars of streams and the J' = ⟨J − ∂G/∂θ(θ, J')⟩ that the stars of each have in common, by secants; where these come to
    /// no end, some steps of the damped fixed point, then Newton's.
    pub fn refine_streams(&self, points: &ToyPoints) -> Result<Image, Error> {
        let unit = self.action_scale();
        let toy_actions = points.mean(&points.actions).squeeze_dim(-2) / unit;
        let residual = |rows: &Tensor, guess: &Tensor| {
            let points = points.pick(rows);
            let common = (guess * unit).unsqueeze(-2).expand_as(&points.angles);
            let slope = tch::no_grad(|| self.slope(&points.angles, &common));
            guess + points.mean(&slope).squeeze_dim(-2) / unit - toy_actions.index_select(0, rows)
        };
        let (mut found, mut open) = secants(toy_actions.shallow_clone(), &residual, &floored)?;
        let left = places(&open, found.device());
        if left.numel() > 0 {
            let (newton, lost) = self.by_newton(&points.pick(&left))?;
            found = found.index_copy(0, &left, &(newton / unit));
            let mut lost = lost.into_iter();
            open.iter_mut()
                .filter(|open| **open)
                .for_each(|open| *open = lost.next().unwrap_or(true));
        }
        let actions = found * unit;
        let common = actions.unsqueeze(-2).expand_as(&points.angles).contiguous();
        let shift = self.angle_shift(&points.angles, &common);
        Ok(Image {
            angles: wrap(&(&points.angles + shift)),
            actions,
            open,
        })
    }

    /// J' of streams by the damped fixed point, then Newton's method, (streams, 3), and where there is none: what the fixed point came to
    /// is then nearer than where Newton's method is lost.
    fn by_newton(&self, points: &ToyPoints) -> Result<(Tensor, Vec<bool>), Error> {
        let unit = self.action_scale();
        let toy_actions = points.mean(&points.actions).squeeze_dim(-2) / unit;
        let begin = self.roughly(points).squeeze_dim(-2) / unit;
        let residual = |rows: &Tensor, guess: &Tensor| {
            let points = points.pick(rows);
            let common = (guess * unit).unsqueeze(-2).expand_as(&points.angles);
            let slopes = self.slopes(&points.angles, &common);
            let slope = points.mean(&slopes.by_angle).squeeze_dim(-2);
            let mixed = points.mean(&slopes.mixed.flatten(-2, -1)).view([-1, 3, 3]);
            let residual = guess + slope / unit - toy_actions.index_select(0, rows);
            (residual, identity_plus(&mixed.transpose(-1, -2)))
        };
        let (found, open) = search(begin.shallow_clone(), &residual, &floored, f64::INFINITY)?;
        let lost = Tensor::from_slice(&open).to_device(found.device()).unsqueeze(-1);
        Ok((begin.where_self(&lost, &found) * unit, open))
    }

    /// J' of single stars from their toy angles and actions (stars, 3), to about a thousandth: a few steps of the damped fixed point.
    pub fn refine_roughly(&self, angles: &Tensor, actions: &Tensor) -> Tensor {
        self.roughly(&ToyPoints::of_single(angles, actions)).squeeze_dim(-2)
    }

    /// The same of streams: […, 1, 3].
    fn roughly(&self, points: &ToyPoints) -> Tensor {
        let mut refined = floored(&points.mean(&points.actions));
        for _ in 0..6 {
            refined = self.refine(points, &refined, 0.8);
        }
        refined
    }

    /// J − ∂G/∂θ(θ, J') of each star of streams whose stars share J': what each by itself adds to the mean, […, stars, 3].
    pub fn star_actions(&self, points: &ToyPoints, actions: &Tensor) -> Tensor {
        tch::no_grad(|| &points.actions - self.slope(&points.angles, actions))
    }

    /// Positions and velocities of stars from (θ', J'), the inverse of the map for single stars.
    ///
    /// The toy angles solve θ + ∂G/∂J'(θ, J') = θ'; then J = J' + ∂G/∂θ, and (x, v) by the toy. Where the derivatives of the correction,
    /// looked at in several places of the torus, are not small, solutions are searched from several places. Every answer is put
    /// through the map again. Stars without an answer that comes back, or with more than one, are named in [`Located::unsolved`].
    ///
    /// **Shape** (stars, 3) twice, radians and km/s kpc.
    pub fn locate(&self, angles: &Tensor, actions: &Tensor) -> Result<Located, Error> {
        let known = floored(actions);
        let mut unsolved = vec![None; angles.size()[0] as usize];
        mark(
            &mut unsolved,
            &flags(&(&known - actions).abs().gt(0.0).any_dim(-1, false))?,
            Unsolved::Degenerate,
        );
        let candidates = self.candidates(angles, &known)?;
        let (mut found, mut chosen) = (vec![None; unsolved.len()], vec![0; unsolved.len()]);
        let rows: Vec<i64> = candidates.iter().map(|(row, _)| *row as i64).collect();
        let theta: Vec<f64> = candidates.iter().flat_map(|(_, theta)| *theta).collect();
        let device = angles.device();
        let (rows, theta) = (
            Tensor::from_slice(&rows).to_device(device),
            Tensor::from_slice(&theta).view([-1, 3]).to_device(device),
        );
        let (x, v, verdicts) = self.checked(&theta, &known.index_select(0, &rows), &angles.index_select(0, &rows))?;
        for (place, ((row, _), verdict)) in candidates.iter().zip(verdicts).enumerate() {
            let better = match (found[*row], verdict) {
                (None, verdict) => Some(verdict),
                (Some(None), None) => Some(Some(Unsolved::Ambiguous)),
                (Some(Some(Unsolved::Negative)), verdict) => Some(verdict),
                (Some(Some(Unsolved::Folded)), None) => Some(None),
                _ => None,
            };
            if let Some(verdict) = better {
                found[*row] = Some(verdict);
                chosen[*row] = place as i64;
            }
        }
        for (place, found) in unsolved.iter_mut().zip(found).filter(|(place, _)| place.is_none()) {
            *place = found.unwrap_or(Some(Unsolved::NoAngles));
        }
        if x.size()[0] == 0 {
            let none = Tensor::zeros_like(angles);
            return Ok(Located {
                x: none.copy(),
                v: none,
                unsolved,
            });
        }
        let chosen = Tensor::from_slice(&chosen).to_device(device);
        Ok(Located {
            x: x.index_select(0, &chosen),
            v: v.index_select(0, &chosen),
            unsolved,
        })
    }

    /// Rows and toy angles that solve θ + ∂G/∂J'(θ, J') = θ': of each row all that are found, in order of rows.
    fn candidates(&self, angles: &Tensor, known: &Tensor) -> Result<Vec<(usize, [f64; 3])>, Error> {
        let at = |fraction: f64, of: &Tensor| {
            let (known, angles) = (known.index_select(0, of), angles.index_select(0, of));
            move |rows: &Tensor, guess: &Tensor| {
                let slopes = self.slopes(guess, &known.index_select(0, rows));
                let residual = signed(&(guess + slopes.by_action * fraction - angles.index_select(0, rows)));
                (residual, identity_plus(&(slopes.mixed * fraction)))
            }
        };
        let free = |guess: &Tensor| guess.shallow_clone();
        let device = angles.device();
        let stars = angles.size()[0];
        let all = Tensor::arange(stars, (Kind::Int64, device));
        let mut roots: Vec<Vec<[f64; 3]>> = vec![Vec::new(); stars as usize];
        let mut keep = |rows: &Tensor, theta: &Tensor, open: &[bool]| -> Result<(), Error> {
            let flat = Vec::<f64>::try_from(theta.to_device(tch::Device::Cpu).contiguous().view(-1))?;
            for ((row, theta), open) in Vec::<i64>::try_from(rows)?
                .into_iter()
                .zip(flat.chunks_exact(3))
                .zip(open)
            {
                let theta = [theta[0], theta[1], theta[2]];
                let known = &mut roots[row as usize];
                if !open && known.iter().all(|other| differ(other, &theta)) {
                    known.push(theta);
                }
            }
            Ok(())
        };
        let (theta, open) = search(angles.detach().copy(), &at(1.0, &all), &free, LONGEST)?;
        keep(&all, &theta, &open)?;
        // Those that Newton's method does not find at once: from no correction to the whole, in stages.
        let left = places(&open, device);
        if left.numel() > 0 {
            let (mut guess, mut still) = (angles.index_select(0, &left), Vec::new());
            for stage in 1..=STAGES {
                (guess, still) = search(guess, &at(stage as f64 / STAGES as f64, &left), &free, LONGEST)?;
            }
            keep(&left, &guess, &still)?;
        }
        // Where the correction's derivatives are below one in size throughout, there is one solution.
        let offsets = OFFSETS.map(|offset| Tensor::from_slice(&offset).to_device(device));
        let mut steep = Tensor::from_slice(&open).to_device(device);
        for offset in &offsets {
            let size = self.slopes(&(&theta + offset), known).mixed.square();
            let size = size.sum_dim_intlist([-2, -1].as_slice(), false, Kind::Double);
            steep = steep.logical_or(&size.lt(STEEP * STEEP).logical_not());
        }
        let steep = places(&flags(&steep)?, device);
        if steep.numel() > 0 {
            for offset in &offsets {
                let (found, open) = search(
                    angles.index_select(0, &steep) + offset,
                    &at(1.0, &steep),
                    &free,
                    LONGEST,
                )?;
                keep(&steep, &found, &open)?;
            }
        }
        Ok(roots
            .into_iter()
            .enumerate()
            .flat_map(|(row, roots)| roots.into_iter().map(move |root| (row, root)))
            .collect())
    }

    /// The points of toy angles on tori of J', and what speaks against them.
    fn checked(
        &self,
        theta: &Tensor,
        known: &Tensor,
        angles: &Tensor,
    ) -> Result<(Tensor, Tensor, Vec<Option<Unsolved>>), Error> {
        let unit = self.action_scale();
        let mut verdicts = vec![None; theta.size()[0] as usize];
        if verdicts.is_empty() {
            return Ok((theta.shallow_clone(), theta.shallow_clone(), verdicts));
        }
        let toy_actions = known + self.slopes(theta, known).by_angle;
        let negative = toy_actions.narrow(-1, 1, 2).lt(0.0).any_dim(-1, false);
        mark(&mut verdicts, &flags(&negative)?, Unsolved::Negative);
        let safe = toy_actions.where_self(&negative.logical_not().unsqueeze(-1), known);
        let (x, v) = tch::no_grad(|| self.toy.to_cartesian(theta, &safe));
        let toy = tch::no_grad(|| self.toy.from_cartesian(&x, &v))?;
        let again = self.refine_exactly(&toy.angles, &toy.actions)?;
        let far = |difference: Tensor| difference.abs().lt(RETURNED).logical_not().any_dim(-1, false);
        let away = far((&again.actions - known) / unit).logical_or(&far(signed(&(again.angles - angles))));
        let away: Vec<bool> = flags(&away)?
            .into_iter()
            .zip(again.open)
            .map(|(far, open)| far || open)
            .collect();
        mark(&mut verdicts, &away, Unsolved::Folded);
        Ok((x, v, verdicts))
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
            let zero = self
                .generating_function(&Tensor::zeros_like(&angles), &actions)
                .sum(Kind::Double);
            let offset = Tensor::run_backward(&[zero], &[&actions], false, false)[0].detach();
            Slopes {
                by_angle: first[0].detach(),
                by_action: first[1].detach() - offset,
                mixed,
            }
        })
    }
}

/// Whether two sets of angles are not the same solution.
fn differ(a: &[f64; 3], b: &[f64; 3]) -> bool {
    let turn = std::f64::consts::TAU;
    let away = |(a, b): (&f64, &f64)| ((a - b) / turn - ((a - b) / turn).round()).abs() * turn;
    a.iter().zip(b).map(away).fold(0.0, f64::max) > 1e-6
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
    let places: Vec<i64> = (0..)
        .zip(flags)
        .filter(|(_, set)| **set)
        .map(|(place, _)| place)
        .collect();
    Tensor::from_slice(&places).to_device(device)
}

fn mark(unsolved: &mut [Option<Unsolved>], flags: &[bool], why: Unsolved) {
    for (place, _) in unsolved
        .iter_mut()
        .zip(flags)
        .filter(|(place, set)| place.is_none() && **set)
    {
        *place = Some(why);
    }
}

#[cfg(test)]
mod tests;
