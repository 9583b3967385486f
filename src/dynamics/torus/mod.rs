//! Torus mapping: from actions and angles to positions and velocities.
//!
//! A torus is the image of a toy isochrone's under the canonical map of S(θ_toy, J) = θ_toy·J + 2 Σ S_n(J) sin(n·θ_toy):
//!
//! J_toy = J + 2 Σ n S_n cos(n·θ_toy), θ = θ_toy + 2 Σ ∂S_n/∂J sin(n·θ_toy).
//!
//! S_n are chosen so that H is constant on it; differentiating that by J gives Ω and ∂S_n/∂J from linear equations.
//!
//! **Source**: McGill & Binney (1990); Binney & Kumar (1993) and Kaasalainen & Binney (1994) for the angles;
//! Binney & McMillan (2016).

mod fit;
mod toy;

use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound};
use crate::potential::{Isochrone, Potential, Symmetry};
use crate::units::{wrap_angle, wrap_difference};
use rayon::prelude::*;

/// How good a torus has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Root mean square of ΔH/|H| over the torus.
    pub tolerance: f64,
    /// No more modes than this.
    pub most_modes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tolerance: 1e-4, most_modes: 500 }
    }
}

/// Why there is no torus.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TorusError {
    /// The potential is not axisymmetric.
    #[error("torus mapping needs an axisymmetric potential")]
    NotAxisymmetric,
    /// An action is negative or not finite, or J_φ and J_z are both zero.
    #[error("actions must be finite, J_r and J_z not negative, and J_z + |J_φ| positive")]
    Actions,
    /// No isochrone has a torus of these actions in the bound part of the potential.
    #[error("no toy isochrone has a bound torus of these actions")]
    NoToy,
    /// H is not constant enough with all the modes allowed: resonant, or nearly vertical.
    #[error("with {modes} modes H is constant only to {dispersion:.1e}, not {tolerance:.1e}: the torus is resonant or nearly vertical")]
    Dispersion {
        /// Root mean square ΔH/|H| achieved.
        dispersion: f64,
        /// The one asked for.
        tolerance: f64,
        /// Number of modes.
        modes: usize,
    },
    /// The angles are not monotonic functions of the toy angles.
    #[error("the angle map folds over itself: the torus is resonant")]
    Folded,
}

/// One torus.
#[derive(Debug, Clone)]
pub struct Torus {
    toy: Isochrone,
    actions: Actions,
    frequencies: Frequencies,
    energy: f64,
    dispersion: f64,
    modes: fit::Modes,
    /// S_n.
    s: Vec<f64>,
    /// ∂S_n/∂J_r, ∂J_z, ∂J_φ.
    ds: [Vec<f64>; 3],
}

impl Torus {
    /// The torus of these actions.
    ///
    /// **Units**: km/s kpc.
    /// **Source**: see [the module](self).
    /// **Accuracy**: ΔH/|H| within the tolerance, checked on angles between those that were fitted.
    /// **Fails when** the torus does not exist (resonant) or its series converges too slowly (nearly vertical).
    pub fn new<P: Potential + ?Sized>(
        potential: &P,
        actions: &Actions,
        settings: &Settings,
    ) -> Result<Self, TorusError> {
        if potential.symmetry() == Symmetry::Triaxial {
            return Err(TorusError::NotAxisymmetric);
        }
        let Actions { phi, z, r } = *actions;
        if !(phi.is_finite() && z.is_finite() && r.is_finite() && z >= 0.0 && r >= 0.0 && z + phi.abs() > 0.0) {
            return Err(TorusError::Actions);
        }
        // A vanishing action has no phase: its torus is that of a very small one.
        let least = 1e-6 * (z + phi.abs() + r);
        let actions = Actions { phi, z: z.max(least), r: r.max(least) };
        let toy = toy::choose(potential, &actions).ok_or(TorusError::NoToy)?;
        fit::fit(potential, toy, actions, settings)
    }

    /// Its actions, km/s kpc.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// Its frequencies, km/s/kpc.
    pub fn frequencies(&self) -> Frequencies {
        self.frequencies
    }

    /// Mean of H over the torus, (km/s)².
    pub fn energy(&self) -> f64 {
        self.energy
    }

    /// Root mean square of ΔH/|H| over the torus.
    pub fn dispersion(&self) -> f64 {
        self.dispersion
    }

    /// Number of modes of its generating function.
    pub fn modes(&self) -> usize {
        self.s.len()
    }

    /// The phase-space point at the given angles; nothing if the angle map cannot be inverted there.
    pub fn point(&self, angles: &Angles) -> Option<PhaseSpace> {
        let toy_angles = self.toy_angles(angles)?;
        let toy_actions = self.toy_actions(&toy_angles);
        let point = self.toy.point(&toy_actions, &toy_angles);
        point.x.iter().chain(&point.v).all(|value| value.is_finite()).then_some(point)
    }

    /// Solves θ = θ_toy + 2 Σ ∂S_n/∂J sin(n·θ_toy) for θ_toy by Newton's method, damped.
    fn toy_angles(&self, angles: &Angles) -> Option<Angles> {
        let (mut r, mut z) = (angles.r, angles.z);
        let misses = |r: f64, z: f64, sums: &[f64; 3]| {
            [wrap_difference(angles.r - r - sums[0]), wrap_difference(angles.z - z - sums[1])]
        };
        let mut now = self.modes.angle_sums(&self.ds, r, z);
        let mut miss = misses(r, z, &now.0);
        for _ in 0..100 {
            let size = miss[0].hypot(miss[1]);
            if size < 1e-12 {
                break;
            }
            let [[a, b], [c, d]] = now.1;
            let (a, d) = (1.0 + a, 1.0 + d);
            let determinant = a * d - b * c;
            let step = [(d * miss[0] - b * miss[1]) / determinant, (a * miss[1] - c * miss[0]) / determinant];
            let mut part = (0.7 / step[0].hypot(step[1])).min(1.0);
            loop {
                let (next_r, next_z) = (r + part * step[0], z + part * step[1]);
                let sums = self.modes.angle_sums(&self.ds, next_r, next_z);
                let next_miss = misses(next_r, next_z, &sums.0);
                if next_miss[0].hypot(next_miss[1]) < size || part < 1e-3 {
                    (r, z, now, miss) = (next_r, next_z, sums, next_miss);
                    break;
                }
                part *= 0.5;
            }
        }
        (miss[0].hypot(miss[1]) < 1e-8).then(|| Angles { phi: wrap_angle(angles.phi - now.0[2]), z, r })
    }

    fn toy_actions(&self, toy: &Angles) -> Actions {
        let [r, z] = self.modes.action_sums(&self.s, toy.r, toy.z);
        Actions { phi: self.actions.phi, z: (self.actions.z + z).max(0.0), r: (self.actions.r + r).max(0.0) }
    }

    /// Angles on this torus, and actions by its generating function, of a phase-space point near it.
    ///
    /// The actions are wrong to second order in the point's distance from the torus.
    pub fn locate(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let toy = self.toy.actions(point)?;
        let [r, z] = self.modes.action_sums(&self.s, toy.angles.r, toy.angles.z);
        let sums = self.modes.angle_sums(&self.ds, toy.angles.r, toy.angles.z).0;
        Ok(ActionAngle {
            actions: Actions {
                phi: toy.actions.phi,
                z: (toy.actions.z - z).max(0.0),
                r: (toy.actions.r - r).max(0.0),
            },
            angles: Angles {
                phi: wrap_angle(toy.angles.phi + sums[2]),
                z: wrap_angle(toy.angles.z + sums[1]),
                r: wrap_angle(toy.angles.r + sums[0]),
            },
            frequencies: self.frequencies,
        })
    }
}

/// Tori of many actions, in parallel; a torus that fails has its reason at its place. `progress(n)` is told how many more
/// are done.
pub fn map_tori<P: Potential + ?Sized>(
    potential: &P,
    actions: &[Actions],
    settings: &Settings,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<Result<Torus, TorusError>> {
    actions
        .par_iter()
        .with_max_len(1)
        .map(|actions| {
            let torus = Torus::new(potential, actions, settings);
            progress(1);
            torus
        })
        .collect()
}

/// Actions, angles and frequencies of a point by iterating tori: each torus' own generating function gives the actions of
/// the next, from the guess `start`, until they change by less than 1e-6 of their sum or `most` tori are made.
pub fn iterate<P: Potential + ?Sized>(
    potential: &P,
    point: &PhaseSpace,
    start: &Actions,
    most: usize,
    settings: &Settings,
) -> Result<ActionAngle, TorusError> {
    let mut actions = Actions { phi: point.angular_momentum()[2], ..*start };
    let mut answer = Err(TorusError::NoToy);
    for _ in 0..most.max(1) {
        let torus = Torus::new(potential, &actions, settings)?;
        let found = torus.locate(point).map_err(|_| TorusError::NoToy)?;
        let change = (found.actions.r - actions.r).abs() + (found.actions.z - actions.z).abs();
        actions = found.actions;
        answer = Ok(found);
        if change < 1e-6 * (actions.r + actions.z + actions.phi.abs()) {
            break;
        }
    }
    answer
}

#[cfg(test)]
mod tests;
