//! The toy model on tensors: actions, angles and frequencies of the isochrone, and back.
//!
//! **Units** kpc, km/s, km/s kpc, rad, km/s/kpc, M_sun. **Shape** vectors are the last dimension, of length 3: (x, y, z)
//! for positions and velocities, (φ, z, r) for actions, angles and frequencies; all other dimensions are free.
//! Everything can be differentiated, also with respect to mass and scale.

use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Isochrone as PlainIsochrone, Potential};
pub use dynamics::units::GRAVITATIONAL_CONSTANT as G;
use tch::{Device, Kind, Tensor};

use crate::about;
use crate::autograd::{implicit, rows_of_jacobian};
use crate::error::Error;
use crate::point_transformation::PointTransformation;
use crate::weights::Weights;

/// Where a file has the stretch of its toy.
const STRETCH: &str = "toy.stretch";

/// An isochrone Φ = −GM / (b + √(b² + r²)) (Hénon 1959).
#[derive(Debug)]
pub struct Isochrone {
    /// GM, kpc (km/s)²; a scalar.
    pub gm: Tensor,
    /// Scale b, kpc; a scalar.
    pub scale: Tensor,
    /// A stretch of radii in front of it: angles and actions are those of the stretched point.
    pub stretch: Option<PointTransformation>,
}

/// The toy for single stars, without tensors.
#[derive(Debug, Clone)]
pub struct PlainToy {
    isochrone: PlainIsochrone,
    stretch: Option<PointTransformation>,
}

impl PlainToy {
    fn own(&self, star: &PhaseSpace) -> PhaseSpace {
        self.stretch.as_ref().map_or(*star, |stretch| stretch.stretched(star))
    }

    /// Energy per mass, (km/s)².
    pub fn energy(&self, star: &PhaseSpace) -> f64 {
        self.isochrone.energy(&self.own(star))
    }

    /// Ω_r of the toy's orbit, where there is one.
    pub(crate) fn radial_frequency(&self, star: &PhaseSpace) -> Option<f64> {
        Some(self.isochrone.actions(&self.own(star)).ok()?.frequencies.r)
    }
}

/// Actions, angles in [0, 2π) and frequencies.
#[derive(Debug)]
pub struct ActionAngles {
    /// (J_φ, J_z, J_r), km/s kpc.
    pub actions: Tensor,
    /// (θ_φ, θ_z, θ_r), rad.
    pub angles: Tensor,
    /// (Ω_φ, Ω_z, Ω_r), km/s/kpc.
    pub frequencies: Tensor,
}

/// A point in a field that is not the toy's: what the toy says of it, and how fast that changes.
#[derive(Debug)]
pub struct Motion {
    /// Angles and actions, and the frequencies that it would have in the toy.
    pub at: ActionAngles,
    /// dθ/dt, km/s/kpc.
    pub of_angles: Tensor,
    /// dJ/dt, (km/s)².
    pub of_actions: Tensor,
}

impl Clone for Isochrone {
    fn clone(&self) -> Self {
        Self {
            gm: self.gm.shallow_clone(),
            scale: self.scale.shallow_clone(),
            stretch: self.stretch.clone(),
        }
    }
}

/// The component `index` of the last dimension.
pub(crate) fn part(vector: &Tensor, index: i64) -> Tensor {
    vector.select(-1, index)
}

/// Σ a_i b_i over the last dimension.
pub(crate) fn dot(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum_dim_intlist(-1, false, a.kind())
}

/// Angles into [0, 2π), with derivative 1.
pub(crate) fn wrap(angle: &Tensor) -> Tensor {
    let turn = std::f64::consts::TAU;
    let wrapped = angle.remainder(turn);
    // A tiny negative angle rounds to 2π itself.
    &wrapped - (&wrapped.detach().ge(turn).to_kind(wrapped.kind()) * turn)
}

/// atan2(y, x) with zero value and finite gradient at (0, 0), where the angle has no meaning.
fn angle_of(y: &Tensor, x: &Tensor) -> Tensor {
    let nowhere = y.detach().eq(0.0).logical_and(&x.detach().eq(0.0)).to_kind(x.kind());
    y.atan2(&(x + nowhere))
}

/// −1 where negative, else 1.
fn sign(a: &Tensor) -> Tensor {
    1.0 - a.detach().lt(0.0).to_kind(a.kind()) * 2.0
}

/// |a|, with the gradient at a = 0 that it has above: there J_φ has the sense of positive ones.
pub(crate) fn magnitude(a: &Tensor) -> Tensor {
    a * sign(a)
}

/// √a, with zero gradient at a = 0 instead of an infinite one.
fn root(a: &Tensor) -> Tensor {
    (a + 1e-290).sqrt()
}

/// J_z and J_r of at least 1e-6 of |J_φ| + J_z + J_r: below, the toy angles have no meaning.
pub(crate) fn floored(actions: &Tensor) -> Tensor {
    let flat = actions.narrow(-1, 0, 1);
    let others = actions.narrow(-1, 1, 2);
    let total = flat.abs()
        + others
            .clamp_min(0.0)
            .sum_dim_intlist([-1].as_slice(), true, actions.kind());
    // At rest in the centre all three vanish.
    let least = (total.detach() * 1e-6).clamp_min(1e-30);
    Tensor::cat(&[flat, others.maximum(&least)], -1)
}

impl Isochrone {
    /// Puts the toy into a network's file.
    pub(crate) fn save(&self, weights: &mut Weights) -> Result<(), Error> {
        weights.insert("toy.gm", &self.gm);
        weights.insert("toy.scale", &self.scale);
        match &self.stretch {
            Some(stretch) => {
                weights
                    .metadata
                    .insert("stretch_is".to_owned(), about::STRETCH.to_owned());
                weights.insert_json(STRETCH, stretch)
            }
            None => Ok(()),
        }
    }

    /// The toy of a network's file.
    pub(crate) fn read(weights: &Weights, device: Device) -> Result<Self, Error> {
        Ok(Self {
            gm: weights.shaped("toy.gm", &[])?.to_device(device),
            scale: weights.shaped("toy.scale", &[])?.to_device(device),
            stretch: match weights.metadata.contains_key(STRETCH) {
                true => Some(weights.json::<PointTransformation>(STRETCH)?.checked()?),
                false => None,
            },
        })
    }

    /// The isochrone of mass `mass` (M_sun) and scale `scale` (kpc), fixed, float64.
    pub fn new(mass: f64, scale: f64, device: Device) -> Self {
        let scalar = |value: f64| Tensor::full([], value, (Kind::Double, device));
        Self {
            gm: scalar(G * mass),
            scale: scalar(scale),
            stretch: None,
        }
    }

    /// The stretch of radii by which circular orbits of `field`, between two radii, kpc, become those of this toy.
    pub fn stretch_for(
        &self,
        field: &(impl Potential + ?Sized),
        radii: [f64; 2],
    ) -> Result<PointTransformation, Error> {
        PointTransformation::between(field, &self.plain()?.isochrone, radii)
    }

    /// The same for single stars.
    pub fn plain(&self) -> Result<PlainToy, Error> {
        let isochrone = PlainIsochrone::new(self.mass(), self.scale_kpc());
        Ok(PlainToy {
            isochrone: isochrone.map_err(|error| Error::Data(error.to_string()))?,
            stretch: self.stretch.clone(),
        })
    }

    /// The mass, M_sun.
    pub fn mass(&self) -> f64 {
        self.gm.double_value(&[]) / G
    }

    /// The scale, kpc.
    pub fn scale_kpc(&self) -> f64 {
        self.scale.double_value(&[])
    }

    /// Energy per mass ½v² + Φ, (km/s)², of the stretched point where there is a stretch.
    pub fn energy(&self, x: &Tensor, v: &Tensor) -> Tensor {
        match &self.stretch {
            Some(stretch) => {
                let (x, v) = stretch.forward(x, v);
                self.own_energy(&x, &v)
            }
            None => self.own_energy(x, v),
        }
    }

    /// Φ, (km/s)², such that a star with ½v² + Φ < 0 is bound whichever way it moves. **Shape** […, 3] → […].
    pub fn escape(&self, x: &Tensor) -> Tensor {
        let own = self.energy(x, &Tensor::zeros_like(x));
        match &self.stretch {
            Some(stretch) => own * stretch.least_square(x),
            None => own,
        }
    }

    /// ½v² + Φ of a point that is stretched already.
    fn own_energy(&self, x: &Tensor, v: &Tensor) -> Tensor {
        let s = (dot(x, x) + self.scale.square()).sqrt();
        dot(v, v) * 0.5 - &self.gm / (&self.scale + s)
    }

    /// −∇Φ, (km/s)²/kpc. **Shape** […, 3].
    pub fn acceleration(&self, x: &Tensor) -> Tensor {
        let s = (dot(x, x) + self.scale.square()).sqrt().unsqueeze(-1);
        x * -(&self.gm / (&s * (&self.scale + &s).square()))
    }

    /// Row numbers, over all points in order, of those with E ≥ 0 (or not a number): they have no actions.
    pub fn unbound(&self, x: &Tensor, v: &Tensor) -> Result<Vec<usize>, Error> {
        positive(&tch::no_grad(|| self.energy(x, v)))
    }

    /// Actions, angles and frequencies of (x, v).
    ///
    /// With a = GM/(−2E), w = 1/√(−2E), s = √(b² + r²): J_r = GM w − ½(L + √(L² + 4GMb)), and the eccentric anomaly
    /// obeys e sin η · (a − b) = w x·v, e cos η · (a − b) = a − s, so that θ_r = atan2(w x·v, a − s) − w x·v/a needs
    /// neither e nor acos. θ_z and θ_φ are written relative to the position angles such that nothing is divided by
    /// e or sin i.
    ///
    /// **Source** Binney & Tremaine (2008) §3.5.2, with √(L² + 4GMb); Ibata et al. (2021) Eq. 4 prints −4GMb.
    /// **Accuracy** 1e-9 relative in J, 1e-8 rad away from e = 0, L = 0; θ_r has no meaning at e = 0, θ_z none at
    /// J_z = 0, and the gradients of θ grow like 1/e and 1/sin i; the values there are those of atan2(0, 0) = 0.
    /// **Fails when** a point is unbound: [`Error::Unbound`] with the rows.
    pub fn from_cartesian(&self, x: &Tensor, v: &Tensor) -> Result<ActionAngles, Error> {
        match &self.stretch {
            Some(stretch) => {
                let (x, v) = stretch.forward(x, v);
                self.angles_of_own(&x, &v)
            }
            None => self.angles_of_own(x, v),
        }
    }

    /// [`from_cartesian`](Self::from_cartesian) of points that are stretched already.
    fn angles_of_own(&self, x: &Tensor, v: &Tensor) -> Result<ActionAngles, Error> {
        let rows = positive(&tch::no_grad(|| self.own_energy(x, v)))?;
        if !rows.is_empty() {
            return Err(Error::Unbound {
                rows,
                points: x.numel() / 3,
            });
        }
        let (gm, b) = (&self.gm, &self.scale);
        let (x1, x2, x3) = (part(x, 0), part(x, 1), part(x, 2));
        let (v1, v2, v3) = (part(v, 0), part(v, 1), part(v, 2));
        let l1 = &x2 * &v3 - &x3 * &v2;
        let l2 = &x3 * &v1 - &x1 * &v3;
        let l3 = &x1 * &v2 - &x2 * &v1;
        let planar = l1.square() + l2.square();
        let l = root(&(&planar + l3.square()));
        let tilt = &l + magnitude(&l3);

        let r2 = dot(x, x);
        let s = (&r2 + b.square()).sqrt();
        let w = (self.own_energy(x, v) * -2.0).rsqrt();
        let a = gm * w.square();
        let m = (l.square() + b * gm * 4.0).sqrt();
        let actions = Tensor::stack(&[l3.shallow_clone(), planar / &tilt, gm * &w - (&l + &m) * 0.5], -1);

        let e_sin = dot(x, v) * &w;
        let theta_r = angle_of(&e_sin, &(&a - &s)) - &e_sin / &a;
        let ratio = &l / &m;
        // θ_z less ψ, the position's angle from the ascending node; s − b is written without cancellation.
        let ahead = ((&ratio + 1.0) * &e_sin / &a * -0.5)
            - e_sin.atan2(&(&r2 / (&s + b) + &l * &w))
            - &ratio * e_sin.atan2(&(&s + b + &w * &m));
        let node_cos = &x2 * &l1 - &x1 * &l2;
        let theta_z = angle_of(&(&x3 * &l), &node_cos) + &ahead;
        // ψ less its projection on the plane z = 0.
        let projection = (&x3 * node_cos / &tilt).atan2(&(&r2 - x3.square() * &l / &tilt));
        let sense = sign(&l3);
        let theta_phi = angle_of(&x2, &x1) + &sense * (projection + ahead);
        let angles = wrap(&Tensor::stack(&[theta_phi, theta_z, theta_r], -1));

        let omega_r = w.pow_tensor_scalar(3).reciprocal() / gm;
        let omega_z = (ratio + 1.0) * &omega_r * 0.5;
        let frequencies = Tensor::stack(&[sense * &omega_z, omega_z, omega_r], -1);
        Ok(ActionAngles {
            actions,
            angles,
            frequencies,
        })
    }

    /// The toy's angles and actions of stars at (x, v) and their rates under accelerations a.
    ///
    /// In the toy's own field dθ/dt = Ω and dJ/dt = 0, so that with δa = a − a_toy
    ///
    /// dθ/dt = Ω + ∂θ/∂v·δa, dJ/dt = ∂J/∂v·δa.
    ///
    /// The sum ∂θ/∂x·v + ∂θ/∂v·a is the same but for rounding: next to the z axis its terms grow like 1/R. Stretched points move with
    /// another velocity than their momentum says: δv = dx̃/dt − ṽ then counts, too, with ∂θ/∂x̃ and ∂J/∂x̃.
    ///
    /// **Shape** [stars, 3], without a graph. **Fails when** a point is unbound.
    pub fn motion(&self, x: &Tensor, v: &Tensor, a: &Tensor) -> Result<Motion, Error> {
        let (at, change) = match &self.stretch {
            None => {
                let (x, v) = (x.detach(), v.detach().set_requires_grad(true));
                let excess = a - tch::no_grad(|| self.acceleration(&x));
                self.changes(&x, &v, &[&v], &excess)?
            }
            Some(stretch) => {
                let ((own_x, own_v), (of_x, of_v)) = tch::no_grad(|| (stretch.forward(x, v), stretch.rates(x, v, a)));
                let of_v = of_v - tch::no_grad(|| self.acceleration(&own_x));
                let excess = Tensor::cat(&[of_x - &own_v, of_v], -1);
                let (own_x, own_v) = (own_x.set_requires_grad(true), own_v.set_requires_grad(true));
                self.changes(&own_x, &own_v, &[&own_x, &own_v], &excess)?
            }
        };
        let at = ActionAngles {
            actions: at.actions.detach(),
            angles: at.angles.detach(),
            frequencies: at.frequencies.detach(),
        };
        Ok(Motion {
            of_angles: &at.frequencies + change.narrow(-1, 0, 3),
            of_actions: change.narrow(-1, 3, 3),
            at,
        })
    }

    /// Angles and actions of a stretched point, and how they change where the coordinates `by` change by `excess`.
    fn changes(
        &self,
        x: &Tensor,
        v: &Tensor,
        by: &[&Tensor],
        excess: &Tensor,
    ) -> Result<(ActionAngles, Tensor), Error> {
        let (at, rows) = tch::with_grad(|| {
            let at = self.angles_of_own(x, v)?;
            let rows = rows_of_jacobian(&Tensor::cat(&[&at.angles, &at.actions], -1), by);
            Ok::<_, Error>((at, rows))
        })?;
        Ok((at, rows.matmul(&excess.unsqueeze(-1)).squeeze_dim(-1)))
    }

    /// (x, v) of angles and actions: the inverse of [`Isochrone::from_cartesian`].
    ///
    /// Kepler's equation θ_r = η − (ε/a) sin η is solved by Newton's method without a graph; two more steps with a graph
    /// make first and second derivatives exact.
    ///
    /// **Source** Binney & Tremaine (2008) §3.5.2. **Accuracy** round trip 1e-9 relative.
    /// **Fails when** J_r or J_z is negative: the result is not a number. At J_r = 0 or J_z = 0 the gradient with
    /// respect to that action is infinite by nature (it is a polar coordinate's).
    pub fn to_cartesian(&self, angles: &Tensor, actions: &Tensor) -> (Tensor, Tensor) {
        let (x, v) = self.to_own(angles, actions);
        match &self.stretch {
            Some(stretch) => stretch.backward(&x, &v),
            None => (x, v),
        }
    }

    /// The stretched point of angles and actions.
    pub(crate) fn to_own(&self, angles: &Tensor, actions: &Tensor) -> (Tensor, Tensor) {
        let (gm, b) = (&self.gm, &self.scale);
        let (j_phi, j_z, j_r) = (part(actions, 0), part(actions, 1), part(actions, 2));
        let (theta_phi, theta_z, theta_r) = (part(angles, 0), part(angles, 1), part(angles, 2));
        let l = &j_z + magnitude(&j_phi);
        let m = (l.square() + b * gm * 4.0).sqrt();
        let n = &j_r + (&l + &m) * 0.5;
        let (a, w) = (n.square() / gm, &n / gm);
        // c = a − b; ε² = c² − L²w², factorised so that near-circular orbits keep their digits.
        let below = &j_r * (&j_r + &m) / gm;
        let epsilon = (&below * (&below + &l * &w * 2.0)).sqrt();
        let eta = kepler(&theta_r, &(&epsilon / &a));

        let (sin, cos) = (eta.sin(), eta.cos());
        let e_sin = &epsilon * sin;
        let s = &a - &epsilon * cos;
        // s − b = c − ε cos η ≥ c − ε = L²w²/(c + ε), below which rounding must not take it: next to the centre r would be none.
        let least = (&l * &w).square() / (&below + &l * &w + &epsilon);
        let rise = (&s - b).maximum(&least);
        let r = (&rise * (&s + b)).sqrt();
        let radial = &e_sin / (&w * &r);
        let tangential = &l / &r;
        let ratio = &l / &m;
        let ahead = ((&ratio + 1.0) * &e_sin / &a * -0.5)
            - e_sin.atan2(&(rise + &l * &w))
            - ratio * e_sin.atan2(&(&s + b + &w * &m));
        let psi = &theta_z - ahead;
        let node = theta_phi - sign(&j_phi) * theta_z;
        let cos_i = &j_phi / &l;
        let sin_i = (&j_z * (&j_z + magnitude(&j_phi) * 2.0)).sqrt() / &l;
        let (sin_node, cos_node, sin_psi, cos_psi) = (node.sin(), node.cos(), psi.sin(), psi.cos());
        let place = |along: &Tensor, across: &Tensor| {
            let flat = across * &cos_i;
            Tensor::stack(
                &[
                    &cos_node * along - &sin_node * &flat,
                    &sin_node * along + &cos_node * &flat,
                    across * &sin_i,
                ],
                -1,
            )
        };
        let outward = place(&cos_psi, &sin_psi);
        let onward = place(&-&sin_psi, &cos_psi);
        let x = &outward * r.unsqueeze(-1);
        let v = outward * radial.unsqueeze(-1) + onward * tangential.unsqueeze(-1);
        (x, v)
    }

    /// ∂(x, v)/∂θ at fixed actions, in closed form: the flow that the action J_i generates,
    /// ∂x/∂θ_i = ∂J_i/∂v, ∂v/∂θ_i = −∂J_i/∂x; of points that are stretched already.
    ///
    /// **Shape** two tensors […, 3 (φ, z, r), 3 (x, y, z)].
    pub fn flows(&self, x: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let (gm, b) = (&self.gm, &self.scale);
        let momentum = x.linalg_cross(v, -1);
        let l = root(&dot(&momentum, &momentum)).unsqueeze(-1);
        let pole = &momentum / &l;
        let sense = sign(&part(&momentum, 2)).unsqueeze(-1);
        let s = (dot(x, x) + b.square()).sqrt().unsqueeze(-1);
        let gradient = gm * x / (&s * (b + &s).square());
        let per_energy = gm * (self.own_energy(x, v) * -2.0).pow_tensor_scalar(-1.5).unsqueeze(-1);
        let per_momentum = (&l / (l.square() + b * gm * 4.0).sqrt() + 1.0) * 0.5;
        let turn = |y: &Tensor| {
            let zero = Tensor::zeros_like(&part(y, 0));
            Tensor::stack(&[-part(y, 1), part(y, 0), zero], -1)
        };
        let spin = |y: &Tensor| pole.linalg_cross(y, -1);
        let (turn_x, turn_v, spin_x, spin_v) = (turn(x), turn(v), spin(x), spin(v));
        let along_x = &per_energy * v - &per_momentum * &spin_x;
        let along_v = -(per_energy * gradient) - per_momentum * &spin_v;
        let flow_x = Tensor::stack(&[turn_x.shallow_clone(), spin_x - &sense * turn_x, along_x], -2);
        let flow_v = Tensor::stack(&[turn_v.shallow_clone(), spin_v - sense * turn_v, along_v], -2);
        (flow_x, flow_v)
    }
}

/// Row numbers of energies that are not below zero.
fn positive(energies: &Tensor) -> Result<Vec<usize>, Error> {
    let bound = energies.lt(0.0).to_device(Device::Cpu).contiguous().view(-1);
    let unbound: Vec<i64> = Vec::try_from(&bound.logical_not().nonzero().view(-1))?;
    Ok(unbound.into_iter().map(|row| row as usize).collect())
}

/// η of η − κ sin η = M for 0 ≤ κ < 1, in the branch of M in (−π, π].
fn kepler(mean: &Tensor, kappa: &Tensor) -> Tensor {
    let pi = std::f64::consts::PI;
    let mean = (mean + pi).remainder(2.0 * pi) - pi;
    let newton = |eta: &Tensor, mean: &Tensor, kappa: &Tensor| {
        eta - (eta - kappa * eta.sin() - mean) / (1.0 - kappa * eta.cos())
    };
    // From ±π Newton's method for this convex-then-concave function converges monotonically.
    let begin = tch::no_grad(|| mean.detach().sign() * pi);
    let (flat_mean, flat_kappa) = (mean.detach(), kappa.detach());
    implicit(
        begin,
        1e-13,
        |eta| newton(eta, &flat_mean, &flat_kappa),
        |eta| newton(eta, &mean, kappa),
    )
}

#[cfg(test)]
#[path = "isochrone_tests.rs"]
mod tests;
