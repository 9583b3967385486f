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

use crate::phase_space::{ActionAngle, NoActions, PhaseSpace, Unbound, sense};
use crate::potential::{Potential, Symmetry, WrongSymmetry};
use crate::spherical::SphericalActions;
use crate::units::wrap_angle;
use crate::vector::dot;
use foci::{Circular, Foci};
use motion::{Motion, NoMotion, Scale, Star};

/// Action finder by the Stäckel fudge.
///
/// Clones share what has been learnt of Δ², which takes some milliseconds for each new kind of orbit.
#[derive(Clone, Debug)]
pub struct StaeckelFudge<P> {
    potential: P,
    /// Φ at the centre.
    centre: f64,
    foci: Foci,
}

/// What is known of a point before any coordinates are chosen.
struct Integrals {
    energy: f64,
    phi: f64,
    lz: f64,
    circular: Circular,
    /// −x·a/r², or Ω_c² at the centre.
    turning2: f64,
}

impl<P: Potential> StaeckelFudge<P> {
    /// The action finder of `potential`, which must be axisymmetric.
    pub fn new(potential: P) -> Result<Self, WrongSymmetry> {
        WrongSymmetry::check("the Stäckel fudge", Symmetry::Axisymmetric, potential.symmetry())?;
        let foci = Foci::new(&potential);
        let centre = potential.potential([0.0; 3]);
        Ok(Self {
            potential,
            centre,
            foci,
        })
    }

    /// The potential.
    pub(crate) fn potential(&self) -> &P {
        &self.potential
    }

    fn integrals(&self, point: &PhaseSpace) -> Result<Integrals, Unbound> {
        let (phi, acceleration) = self.potential.potential_and_acceleration(point.x);
        let energy = point.kinetic_energy() + phi;
        let limit = self.potential.potential_at_infinity();
        if energy < limit && energy.is_finite() {
            let circular = self.foci.circular(energy);
            let turning2 = if point.x == [0.0; 3] {
                (circular.momentum / circular.radius2).powi(2)
            } else {
                turning_rate2(point.x, acceleration)
            };
            Ok(Integrals {
                energy,
                phi,
                circular,
                lz: point.x[0] * point.v[1] - point.x[1] * point.v[0],
                turning2,
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
        let circular = integrals.circular;
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
    /// In a sphere, where Δ = 0 and the fudge is exact, they are those of [`SphericalActions`], whose quadrature is too. A star
    /// that never leaves the plane has θ_z = ±θ_φ.
    ///
    /// **Units**: kpc, km/s; km/s kpc, radians in [0, 2π), km/s/kpc.
    /// **Accuracy**: exact in a Stäckel potential of the same Δ; otherwise a few per cent for halo orbits, better for disc ones.
    /// **Fails when** the orbit is not bound, or the point not finite; at rest at the centre; along the z axis.
    pub fn actions(&self, point: &PhaseSpace) -> Result<ActionAngle, NoActions> {
        if let Ok(sphere) = SphericalActions::new(&self.potential) {
            return Ok(sphere.actions(point)?);
        }
        let integrals = self.integrals(point)?;
        self.solve(point, &integrals, self.best_focus2(point, &integrals))
    }

    /// [`actions`](Self::actions) with a given Δ² in kpc²: prolate coordinates if positive, spherical if 0, oblate if negative.
    pub fn actions_with_focus2(&self, point: &PhaseSpace, focus2: f64) -> Result<ActionAngle, NoActions> {
        self.solve(point, &self.integrals(point)?, focus2)
    }

    /// The star and its separated motions in the coordinates of Δ².
    fn motion(&self, point: &PhaseSpace, integrals: &Integrals, focus2: f64) -> (Star, Motion<'_, P>) {
        let star = Star::new(point, focus2);
        let &Integrals { energy, phi, lz, .. } = integrals;
        let scale = Scale {
            radius2: integrals.circular.radius2,
            momentum: integrals.circular.momentum,
        };
        let motion = Motion::through(&self.potential, &star, focus2, energy, phi, lz, scale);
        (star, motion)
    }

    fn solve(&self, point: &PhaseSpace, integrals: &Integrals, focus2: f64) -> Result<ActionAngle, NoActions> {
        // What it has above Φ at the centre is rounding. A field with a hill there has orbits around it, of lower energies.
        let centre = self.centre;
        if (integrals.energy - centre).abs() <= 1e-12 * centre.abs() {
            return Err(NoActions::AtRest);
        }
        let (star, motion) = self.motion(point, integrals, focus2);
        let mut answer = match motion.solve(&star, integrals.turning2, point) {
            Ok(answer) => answer,
            Err(NoMotion::NoRoom) => return self.solve(point, integrals, 0.0),
            Err(NoMotion::Border) => return Err(NoActions::AlongAxis),
        };
        if point.x[2] == 0.0 && point.v[2] == 0.0 {
            answer.actions.z = 0.0;
            answer.angles.z = wrap_angle(sense(answer.actions.phi) * answer.angles.phi);
        }
        if answer.is_finite() && answer.frequencies.r > 0.0 && answer.frequencies.z > 0.0 {
            Ok(answer)
        } else {
            Err(NoActions::AlongAxis)
        }
    }
}

/// −x·a/r².
fn turning_rate2(x: [f64; 3], acceleration: [f64; 3]) -> f64 {
    -dot(x, acceleration) / dot(x, x).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests;
