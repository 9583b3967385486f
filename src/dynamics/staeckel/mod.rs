//! The Stäckel fudge: actions, angles and frequencies in any axisymmetric potential, nearly.
//!
//! In prolate coordinates R = Δ sinh u sin v, z = Δ cosh u cos v a Stäckel potential separates: with
//! U(u, v) = (sinh² u + sin² v) Φ, p_u²/2Δ² = E sinh² u − I₃ − δU(u) − L_z²/(2Δ² sinh² u) and
//! p_v²/2Δ² = E sin² v + I₃ + δV(v) − L_z²/(2Δ² sin² v). Any other potential is treated as if it did: δU is taken along the
//! star's v and δV along its u. Δ² is the one for which these actions vary least along an orbit of the same energy,
//! angular momentum and inclination; it may be negative, and the coordinates oblate.
//!
//! A few tens of evaluations of Φ give everything: all integrands are even periodic functions, which the midpoint rule
//! integrates with exponential convergence, and the same values give the angles.
//!
//! **Source**: Binney (2012) MNRAS 426, 1324; Sanders & Binney (2016) section 3.

mod cosine_rule;
mod foci;
mod motion;
mod roots;

use crate::phase_space::{ActionAngle, Frequencies, PhaseSpace, Unbound, UnboundRows, actions_of_rows, dot};
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::units::wrap_angle;
use foci::Foci;
use motion::{Motion, Star};

/// Action finder by the Stäckel fudge.
///
/// Clones share what has been learnt of Δ², which takes some milliseconds for each new kind of orbit.
#[derive(Clone, Debug)]
pub struct StaeckelFudge<P> {
    potential: P,
    foci: Foci,
}

/// What is known of a point before any coordinates are chosen.
struct Integrals {
    energy: f64,
    phi: f64,
    lz: f64,
    /// −x·a/r².
    turning2: f64,
}

impl<P: Potential> StaeckelFudge<P> {
    /// The action finder of `potential`, which must be axisymmetric.
    pub fn new(potential: P) -> Result<Self, WrongSymmetry> {
        WrongSymmetry::check("the Stäckel fudge", Symmetry::Axisymmetric, potential.symmetry())?;
        let foci = Foci::new(&potential);
        Ok(Self { potential, foci })
    }

    fn integrals(&self, point: &PhaseSpace) -> Result<Integrals, Unbound> {
        let (phi, acceleration) = self.potential.potential_and_acceleration(point.x);
        let energy = point.kinetic_energy() + phi;
        let limit = self.potential.potential_at_infinity();
        if energy < limit && energy.is_finite() {
            Ok(Integrals {
                energy,
                phi,
                lz: point.x[0] * point.v[1] - point.x[1] * point.v[0],
                turning2: turning_rate2(point.x, acceleration),
            })
        } else {
            Err(Unbound { energy, limit })
        }
    }

    /// The squared focal distance Δ² in kpc² for the orbit of a point.
    ///
    /// **Fails when** the orbit is not bound, or the point not finite.
    pub fn focus2(&self, point: &PhaseSpace) -> Result<f64, Unbound> {
        Ok(self.best_focus2(point, &self.integrals(point)?))
    }

    fn best_focus2(&self, point: &PhaseSpace, integrals: &Integrals) -> f64 {
        let circular = self.foci.circular(integrals.energy);
        let roundness = (integrals.lz.abs() / circular.momentum.max(f64::MIN_POSITIVE)).min(1.0);
        let room = (circular.momentum.powi(2) - integrals.lz.powi(2)).max(f64::MIN_POSITIVE);
        // The share ψ of the vertical motion needs coordinates, and those ψ: one step from the middle is enough.
        let first = self.foci.relative(&self.potential, &circular, roundness, 0.5);
        let focus2 = first * circular.radius2;
        let (_, motion) = self.motion(point, integrals, focus2);
        let tilt = (motion.vertical_in_plane() / (room * (1.0 + first))).clamp(0.0, 1.0);
        circular.radius2 * self.foci.relative(&self.potential, &circular, roundness, tilt)
    }

    /// Actions, angles and frequencies of one phase-space point, with Δ chosen for its orbit.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Accuracy**: exact in a Stäckel potential of the same Δ; otherwise a few per cent for halo orbits, better for disc ones.
    /// **Fails when** the orbit is not bound, or the point not finite.
    pub fn actions(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let integrals = self.integrals(point)?;
        Ok(self.solve(point, &integrals, self.best_focus2(point, &integrals)))
    }

    /// [`actions`](Self::actions) with a given Δ² in kpc²: prolate coordinates if positive, spherical if 0, oblate if negative.
    pub fn actions_with_focus2(&self, point: &PhaseSpace, focus2: f64) -> Result<ActionAngle, Unbound> {
        Ok(self.solve(point, &self.integrals(point)?, focus2))
    }

    /// The star and its separated motions in the coordinates of Δ².
    fn motion(&self, point: &PhaseSpace, integrals: &Integrals, focus2: f64) -> (Star, Motion<'_, P>) {
        let star = Star::new(point, focus2);
        let &Integrals { energy, phi, lz, .. } = integrals;
        (star, Motion::through(&self.potential, &star, focus2, energy, phi, lz))
    }

    fn solve(&self, point: &PhaseSpace, integrals: &Integrals, focus2: f64) -> ActionAngle {
        let (star, motion) = self.motion(point, integrals, focus2);
        match motion.solve(&star, integrals.turning2, point) {
            Some(answer) => self.finite_or_epicyclic(answer, point),
            // Oblate coordinates have no room inside this orbit.
            None => self.solve(point, integrals, 0.0),
        }
    }

    /// [`actions`](Self::actions) of many points, in parallel; all unbound rows together if there are any.
    pub fn actions_of(&self, points: &[PhaseSpace]) -> Result<Vec<ActionAngle>, UnboundRows> {
        actions_of_rows(points, 64, |point| self.actions(point))
    }

    /// The answer, with whatever a degenerate orbit (at rest, exactly on the axis) leaves undefined filled in from epicycles.
    fn finite_or_epicyclic(&self, mut answer: ActionAngle, point: &PhaseSpace) -> ActionAngle {
        let fields = [answer.frequencies.r, answer.frequencies.z, answer.frequencies.phi];
        if fields.iter().any(|field| !field.is_finite()) {
            let radius = point.x[0].hypot(point.x[1]).max(1e-9);
            let h = self.potential.hessian([radius, 0.0, 0.0]);
            let circular2 = turning_rate2([radius, 0.0, 0.0], self.potential.acceleration([radius, 0.0, 0.0]));
            let sense = if answer.actions.phi < 0.0 { -1.0 } else { 1.0 };
            answer.frequencies = Frequencies {
                phi: sense * circular2.max(0.0).sqrt(),
                z: h[2][2].max(0.0).sqrt(),
                r: (h[0][0] + 3.0 * circular2).max(0.0).sqrt(),
            };
        }
        for value in [
            &mut answer.angles.r,
            &mut answer.angles.z,
            &mut answer.actions.r,
            &mut answer.actions.z,
        ] {
            if !value.is_finite() {
                *value = 0.0;
            }
        }
        if !answer.angles.phi.is_finite() {
            answer.angles.phi = wrap_angle(point.x[1].atan2(point.x[0]));
        }
        answer
    }
}

/// −x·a/r².
fn turning_rate2(x: [f64; 3], acceleration: [f64; 3]) -> f64 {
    -dot(x, acceleration) / dot(x, x).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests;
