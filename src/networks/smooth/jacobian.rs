//! Derivatives of the canonical map: ∂(J', θ')/∂(x, v), by implicit differentiation of the fixed point of J'.

use tch::{Kind, Tensor};

use super::map::SmoothMap;
use crate::autograd::rows_of_jacobian;
use crate::error::Error;

/// The map at some stars, with its derivatives by positions and velocities.
#[derive(Debug)]
pub struct Jacobian {
    /// θ', rad, in [0, 2π). Shape `[stars, 3]`.
    pub angles: Tensor,
    /// J', km/s kpc. Shape `[stars, 3]`.
    pub actions: Tensor,
    /// ∂J'/∂(x, v): km/s in the first three columns, kpc in the last. Shape `[stars, 3, 6]`.
    pub of_actions: Tensor,
    /// ∂θ'/∂(x, v): 1/kpc in the first three columns, s/km in the last. Shape `[stars, 3, 6]`.
    pub of_angles: Tensor,
    /// Largest |J − ∂G/∂θ − J'| over the three components, km/s kpc: how far J' is from its fixed point. Shape `[stars]`.
    pub residual: Tensor,
}

impl Jacobian {
    /// ∂(J', θ')/∂(x, v): rows (J_φ, J_z, J_r, θ_φ, θ_z, θ_r), columns (x, y, z, v_x, v_y, v_z). [stars, 6, 6].
    pub fn matrix(&self) -> Tensor {
        Tensor::cat(&[&self.of_actions, &self.of_angles], -2)
    }
}

impl SmoothMap {
    /// θ', J' and their derivatives at stars of positions `x` and velocities `v`, each by itself.
    ///
    /// J' = J − ∂G/∂θ(θ, J') and θ' = θ + ∂G/∂J'(θ, J') give (1 + G_θJ) dJ' = dJ − G_θθ dθ and
    /// dθ' = (1 + G_Jθ) dθ + G_JJ dJ', with (θ, J) those of the toy, whose derivatives autograd gives.
    ///
    /// J' is solved for unless `actions` gives it: with those of the star's stream, which its other stars determine too,
    /// the rows of J' are the derivatives of the fixed point's equation at that J' (see `residual`).
    ///
    /// **Shape** `x`, `v`, `actions` [stars, 3]. **Fails when** a star is unbound in the toy: its row is in the error.
    /// Where an orbit is circular or in the plane, toy angles have no derivatives, and neither has the result.
    pub fn jacobian(&self, x: &Tensor, v: &Tensor, actions: Option<&Tensor>) -> Result<Jacobian, Error> {
        let (angles, toy_actions, toy) = self.toy_derivatives(x, v)?;
        let refined = match actions {
            Some(given) => given.detach(),
            None => self.refine_exactly(&angles, &toy_actions)?.actions,
        };
        let second = self.second_derivatives(&angles, &refined);
        let (of_actions, of_angles) = second.pulled(&toy.narrow(1, 3, 3), &toy.narrow(1, 0, 3));
        let residual = (toy_actions - &second.slope - &refined)
            .abs()
            .amax([-1].as_slice(), false);
        Ok(Jacobian {
            angles: crate::isochrone::wrap(&(angles + second.shift)),
            actions: refined,
            of_actions,
            of_angles,
            residual,
        })
    }

    /// Rates of J' and θ' of stars at (x, v) with acceleration `a` ((km/s)²/kpc), two of [stars, 3], in (km/s)² and km/s/kpc.
    /// `actions` is J'. They are the Jacobian times (v, a), without its rounding (see [`Isochrone::motion`]).
    ///
    /// **Fails when** a star is unbound in the toy.
    ///
    /// **Source** Ibata et al. (2021), Eq. 15 and 16: in the true field the first vanish, and the second are the frequencies.
    ///
    /// [`Isochrone::motion`]: crate::isochrone::Isochrone::motion
    pub fn rates(&self, x: &Tensor, v: &Tensor, a: &Tensor, actions: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let toy = self.toy.motion(x, v, a)?;
        let second = self.second_derivatives(&toy.at.angles, actions);
        let (of_actions, of_angles) = second.pulled(&toy.of_actions.unsqueeze(-1), &toy.of_angles.unsqueeze(-1));
        Ok((of_actions.squeeze_dim(-1), of_angles.squeeze_dim(-1)))
    }

    /// Toy angles and actions, and ∂(θ, J)/∂(x, v) [stars, 6, 6].
    fn toy_derivatives(&self, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor, Tensor), Error> {
        tch::with_grad(|| {
            let x = x.detach().set_requires_grad(true);
            let v = v.detach().set_requires_grad(true);
            let found = self.toy.from_cartesian(&x, &v)?;
            let both = Tensor::cat(&[&found.angles, &found.actions], -1);
            let rows = rows_of_jacobian(&both, &[&x, &v]);
            Ok((found.angles.detach(), found.actions.detach(), rows))
        })
    }

    /// ∂G/∂θ, ∂G/∂J' (with G(0, J') subtracted) and the second derivatives, at stars Shape `[stars, 3]`.
    fn second_derivatives(&self, angles: &Tensor, refined: &Tensor) -> Second {
        tch::with_grad(|| {
            let angles = angles.detach().set_requires_grad(true);
            let refined = refined.detach().set_requires_grad(true);
            let g = self.generating_function(&angles, &refined)
                - self.generating_function(&Tensor::zeros_like(&angles), &refined);
            let first = Tensor::run_backward(&[g.sum(Kind::Double)], &[&angles, &refined], true, true);
            let rows = rows_of_jacobian(&Tensor::cat(&first, -1), &[&angles, &refined]);
            let block = |row: i64, column: i64| rows.narrow(1, row, 3).narrow(2, column, 3).contiguous();
            Second {
                slope: first[0].detach(),
                shift: first[1].detach(),
                angles: block(0, 0),
                mixed: block(0, 3),
                actions: block(3, 3),
            }
        })
    }
}

/// Derivatives of G at stars.
struct Second {
    /// ∂G/∂θ Shape `[stars, 3]`.
    slope: Tensor,
    /// ∂G/∂J' Shape `[stars, 3]`.
    shift: Tensor,
    /// ∂²G/∂θ∂θ [stars, 3, 3].
    angles: Tensor,
    /// ∂²G/∂θ∂J', rows θ [stars, 3, 3].
    mixed: Tensor,
    /// ∂²G/∂J'∂J' [stars, 3, 3].
    actions: Tensor,
}

impl Second {
    /// Changes of J' and θ' where the toy's actions and angles change so. **Shape** [stars, 3, any] each.
    fn pulled(&self, of_actions: &Tensor, of_angles: &Tensor) -> (Tensor, Tensor) {
        let eye = Tensor::eye(3, (Kind::Double, of_angles.device()));
        let actions = Tensor::linalg_solve(
            &(&eye + &self.mixed),
            &(of_actions - self.angles.matmul(of_angles)),
            true,
        );
        let angles = (&eye + self.mixed.transpose(1, 2)).matmul(of_angles) + self.actions.matmul(&actions);
        (actions, angles)
    }
}

#[cfg(test)]
#[path = "jacobian_tests.rs"]
mod tests;
