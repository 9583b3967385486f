//! What a trained action map says about the acceleration of each star: Eq. 15 and 16 of Ibata et al. (2021).

use tch::{Kind, Tensor};

use crate::error::Error;
use crate::isochrone::dot;
use crate::map::{CanonicalMap, CommonActions, Derivatives};
use crate::streams::Streams;

/// Linear equations for the accelerations of the stars of streams.
///
/// Along an orbit actions stay, ∂J'/∂x·v + ∂J'/∂v·a = 0 (Eq. 15), and angles advance evenly,
/// ∂θ'/∂x·v + ∂θ'/∂v·a = Ω' (Eq. 16). The derivatives are those at the J' that the stars of a stream share.
///
/// **Shape** […] is [streams, stars].
#[derive(Debug)]
pub struct Equations {
    /// Positions, kpc […, 3].
    pub x: Tensor,
    /// 1 for a star, 0 for a filler […, 1].
    pub weights: Tensor,
    /// ∂J'/∂x·v, (km/s)² […, 3].
    pub drift: Tensor,
    /// ∂J'/∂v, kpc […, 3, 3].
    pub lever: Tensor,
    /// ∂θ'/∂x·v, km/s/kpc […, 3].
    pub turn: Tensor,
    /// ∂θ'/∂v, s/km […, 3, 3].
    pub turn_lever: Tensor,
    /// The acceleration that solves Eq. 15, (km/s)²/kpc […, 3]; meaningless where `condition` is large.
    pub solved: Tensor,
    /// Condition number of ∂J'/∂v after its rows are scaled to length 1, infinite where it is singular […, 1].
    pub condition: Tensor,
}

/// Radius within which a rotation curve is taken to rise, in units of the median distance.
const CORE: f64 = 0.1;

/// Rows of Eq. 15 smaller than this part of the median are not made larger: next to a circular or planar orbit they hold no more
/// than the map's error.
const LEAST: f64 = 1e-2;

impl Equations {
    /// The equations of the stars of `streams`, whose J' are those of [`CanonicalMap::common_actions`], all of them settled.
    ///
    /// **Fails when** a star is unbound in the map's toy, or a stream has no derivatives at a star on a singular orbit.
    pub fn new(map: &dyn CanonicalMap, streams: &Streams, common: &CommonActions) -> Result<Self, Error> {
        let size = streams.x.size();
        let flat = |tensor: &Tensor| tensor.contiguous().view([-1, 3]);
        let (x, v) = (flat(&streams.x), flat(&streams.v));
        let Derivatives { of_actions, of_angles } = map.derivatives(streams, common)?;
        let flow = v.unsqueeze(-1);
        let parts = |matrix: &Tensor| {
            let drift = matrix.narrow(2, 0, 3).matmul(&flow).squeeze_dim(-1);
            (drift, matrix.narrow(2, 3, 3).contiguous())
        };
        let ((drift, lever), (turn, turn_lever)) = (parts(&of_actions), parts(&of_angles));
        for (what, tensor) in [("∂J'/∂(x, v)", &of_actions), ("∂θ'/∂(x, v)", &of_angles)] {
            let bad = tensor.isfinite().logical_not().any_dim(2, false).any_dim(1, false);
            let bad: Vec<i64> = Vec::try_from(bad.nonzero().view(-1))?;
            if let Some(row) = bad.first() {
                let (stream, star) = (row / size[1], row % size[1]);
                return Err(Error::NotFinite {
                    what: format!(
                        "{what} of {} stars, the first of them star {star} of stream {stream},",
                        bad.len()
                    ),
                });
            }
        }
        let (solved, condition) = solve(&lever, &drift, &x)?;
        let shape = |tensor: Tensor| {
            let rest = &tensor.size()[1..];
            tensor.view([&size[..2], rest].concat().as_slice())
        };
        Ok(Self {
            x: streams.x.shallow_clone(),
            weights: streams.weights.shallow_clone(),
            drift: shape(drift),
            lever: shape(lever),
            turn: shape(turn),
            turn_lever: shape(turn_lever),
            solved: shape(solved),
            condition: shape(condition),
        })
    }

    /// Eq. 15 with each row divided by |∂J'_i/∂v| |a|, in units of the median of that, with the |a| ∝ 1/r of a flat rotation curve: a rate then
    /// counts by about the relative error of the acceleration that makes it, and no star far out or next to a singular orbit
    /// rules.
    pub fn evened(&self) -> Self {
        let r = dot(&self.x, &self.x).unsqueeze(-1).sqrt();
        let core = r.median() * CORE;
        let lever = self
            .lever
            .square()
            .sum_dim_intlist([-1].as_slice(), false, Kind::Double)
            .sqrt();
        let size = lever / (r + core);
        let usual = size.median();
        let factor = &usual / size.maximum(&(&usual * LEAST));
        Self {
            drift: &self.drift * &factor,
            lever: &self.lever * factor.unsqueeze(-1),
            ..self.each(Tensor::shallow_clone)
        }
    }

    /// dJ'/dt along motions with accelerations `a`, (km/s)² […, 3].
    pub fn action_rates(&self, a: &Tensor) -> Tensor {
        &self.drift + self.lever.matmul(&a.unsqueeze(-1)).squeeze_dim(-1)
    }

    /// dθ'/dt along motions with accelerations `a`, km/s/kpc […, 3].
    pub fn frequencies(&self, a: &Tensor) -> Tensor {
        &self.turn + self.turn_lever.matmul(&a.unsqueeze(-1)).squeeze_dim(-1)
    }

    /// Share of Σ|∂J'/∂x·v|² that motions with accelerations `a` leave as Σ|dJ'/dt|²: 1 without any force, more where `a` is worse than
    /// none.
    pub fn unexplained(&self, a: &Tensor) -> f64 {
        let sum = |rates: &Tensor| (rates.square() * &self.weights).sum(Kind::Double).double_value(&[]);
        sum(&self.action_rates(a)) / sum(&self.drift).max(f64::MIN_POSITIVE)
    }

    /// 1 for a star whose equations can be solved: condition number at most `limit` […, 1].
    pub fn solvable(&self, limit: f64) -> Tensor {
        &self.weights * self.condition.le(limit).to_kind(Kind::Double)
    }

    /// Those of the streams `batch`.
    pub fn pick(&self, batch: &Tensor) -> Self {
        self.each(|tensor| tensor.index_select(0, batch))
    }

    /// Those of several maps or tables, one after the other: all must have equally many stars a stream.
    pub fn joined(parts: &[Self]) -> Self {
        let join = |get: fn(&Self) -> &Tensor| Tensor::cat(&parts.iter().map(get).collect::<Vec<_>>(), 0);
        Self {
            x: join(|part| &part.x),
            weights: join(|part| &part.weights),
            drift: join(|part| &part.drift),
            lever: join(|part| &part.lever),
            turn: join(|part| &part.turn),
            turn_lever: join(|part| &part.turn_lever),
            solved: join(|part| &part.solved),
            condition: join(|part| &part.condition),
        }
    }

    fn each(&self, f: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            x: f(&self.x),
            weights: f(&self.weights),
            drift: f(&self.drift),
            lever: f(&self.lever),
            turn: f(&self.turn),
            turn_lever: f(&self.turn_lever),
            solved: f(&self.solved),
            condition: f(&self.condition),
        }
    }
}

/// a = −(∂J'/∂v)⁻¹ ∂J'/∂x·v and the condition number, from a singular value decomposition. **Shape** [stars, …].
fn solve(lever: &Tensor, drift: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor), Error> {
    // Rows have the sizes of their own actions' derivatives; the condition is that of the directions.
    let size = lever
        .square()
        .sum_dim_intlist([-1].as_slice(), true, Kind::Double)
        .sqrt();
    let size = size.clamp_min(1e-300);
    let (u, s, v) = (lever / &size).f_svd(true, true)?;
    let right = u.transpose(1, 2).matmul(&(drift.unsqueeze(-1) / &size));
    let solved = -v.matmul(&(right / s.unsqueeze(-1).clamp_min(1e-12))).squeeze_dim(-1);
    let (largest, least) = (s.select(1, 0), s.select(1, 2));
    let condition = (largest / &least).where_self(&least.gt(1e-12), &x.select(1, 0).full_like(f64::INFINITY));
    Ok((solved, condition.unsqueeze(-1)))
}
