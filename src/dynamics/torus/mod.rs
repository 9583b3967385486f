//! Torus mapping: from actions and angles to positions and velocities.
//!
//! A torus is the image of a toy isochrone's under the canonical map of S(θ_toy, J) = θ_toy·J + 2 Σ S_n(J) sin(n·θ_toy):
//!
//! J_toy = J + 2 Σ n S_n cos(n·θ_toy), θ = θ_toy + 2 Σ ∂S_n/∂J sin(n·θ_toy).
//!
//! S is chosen so that H is constant on the torus; differentiating that by J gives Ω and ∂S/∂J from linear equations. The
//! sine series is one in other coordinates than toy angles (`warp`), which resolve the pericentre and the crossing of the
//! disc with a few hundred terms; its normal equations come from trigonometric sums (`series`, `linear`, `fit`). Every torus
//! is compared with an orbit that starts on it (`check`).
//!
//! **Source**: McGill & Binney (1990); Binney & Kumar (1993) and Kaasalainen & Binney (1994) for the angles;
//! Binney & McMillan (2016).

mod check;
mod fit;
mod linear;
mod series;
mod toy;
mod warp;

use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound};
use crate::potential::{Isochrone, Potential, Symmetry, WrongSymmetry};
use crate::units::{wrap_angle, wrap_difference};
use crate::vector::norm;
use rayon::prelude::*;

/// How good a torus has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Root mean square of ΔH/|H| over the torus' angles; over toy angles ΔH must also be below 100 times this times Ω_r J_r and Ω_z J_z.
    pub tolerance: f64,
    /// No more modes than this.
    pub most_modes: usize,
    /// Greatest [`Torus::action_error`], km/s kpc; infinite for any.
    pub largest_error: f64,
}

impl Settings {
    /// Settings for a tolerance, with modes enough for most halo orbits: 500 down to 1e-4, 1000 at 1e-5, never more than 2000.
    pub fn within(tolerance: f64) -> Self {
        let factor = (1e-4 / tolerance).powf(0.301).clamp(1.0, 4.0);
        Self {
            tolerance,
            most_modes: (500.0 * factor) as usize,
            largest_error: f64::INFINITY,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::within(1e-4)
    }
}

/// Why there is no torus.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TorusError {
    /// The potential is not axisymmetric.
    #[error(transparent)]
    Symmetry(#[from] WrongSymmetry),
    /// An action is negative or not finite, or J_φ and J_z are both zero.
    #[error("actions must be finite, J_r and J_z not negative, and J_z + |J_φ| positive")]
    Actions,
    /// No isochrone has a torus of these actions in the bound part of the potential.
    #[error("no toy isochrone has a bound torus of these actions")]
    NoToy,
    /// H is not constant enough with all the modes allowed: resonant, or nearly vertical.
    #[error(
        "with {modes} modes H is constant only to {dispersion:.1e}, not {tolerance:.1e}: the torus is resonant or nearly vertical"
    )]
    Dispersion {
        /// Root mean square ΔH/|H| achieved.
        dispersion: f64,
        /// The one asked for.
        tolerance: f64,
        /// Number of modes.
        modes: usize,
    },
    /// H is constant enough, but not at modes that turn slowly.
    #[error("next to a resonance the actions are known to {error:.2} km/s kpc only, not to {largest}")]
    Blurred {
        /// [`Torus::action_error`] of the best torus.
        error: f64,
        /// The one allowed.
        largest: f64,
    },
    /// The angles are not monotonic functions of the toy angles.
    #[error("the angle map folds over itself: the torus is resonant")]
    Folded,
    /// n_r Ω_r + n_z Ω_z nearly vanishes for a low order: orbits there are trapped, or take very long to tell.
    #[error("the torus is at the resonance {n_r} Ω_r + {n_z} Ω_z = 0 but for {beat:.1e} Ω_r")]
    Resonant {
        /// n_r.
        n_r: i32,
        /// n_z.
        n_z: i32,
        /// |n·Ω| / Ω_r.
        beat: f64,
    },
    /// An orbit that starts on the torus leaves it.
    #[error(
        "an orbit from the torus leaves it within {} radial periods: {angle:.2} rad off its angles, {action:.2} km/s kpc off its actions",
        check::CHECKED_PERIODS
    )]
    Drift {
        /// Greatest difference of an angle, radians; that of an angle of small action counts for less.
        angle: f64,
        /// Greatest difference of J_r or J_z, km/s kpc.
        action: f64,
    },
}

/// Whether orbits of these actions stay near a circle in the plane: J_r + J_z is below a tenth of |J_φ|.
fn nearly_circular(actions: &Actions) -> bool {
    actions.r + actions.z < 0.1 * actions.phi.abs()
}

/// One torus.
#[derive(Debug, Clone)]
pub struct Torus {
    toy: Isochrone,
    actions: Actions,
    frequencies: Frequencies,
    energy: f64,
    dispersion: f64,
    action_error: f64,
    warp: warp::Warp,
    modes: series::Modes,
    /// Coefficients of S − θ_toy·J.
    s: Vec<f64>,
    /// Their derivatives by J_r, J_z, J_φ.
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
        WrongSymmetry::check("torus mapping", Symmetry::Axisymmetric, potential.symmetry())?;
        let Actions { phi, z, r } = *actions;
        if !(phi.is_finite() && z.is_finite() && r.is_finite() && z >= 0.0 && r >= 0.0 && z + phi.abs() > 0.0) {
            return Err(TorusError::Actions);
        }
        // A vanishing action has no phase: its torus is that of a very small one.
        let least = 1e-6 * (z + phi.abs() + r);
        let actions = Actions {
            phi,
            z: z.max(least),
            r: r.max(least),
        };
        let toy = toy::choose(potential, &actions).ok_or(TorusError::NoToy)?;
        let verify = |torus: &Self| check::verify(potential, torus);
        let torus = fit::fit(potential, toy, actions, settings, &verify)?;
        verify(&torus)?;
        Ok(torus)
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

    /// Root mean square by which J_r or J_z of orbits on it differ from its own, km/s kpc, where a resonance is near: there a
    /// small ΔH moves actions by |n| ΔH/|n·Ω|.
    pub fn action_error(&self) -> f64 {
        self.action_error
    }

    /// Number of modes of its generating function.
    pub fn modes(&self) -> usize {
        self.s.len()
    }

    /// The least distance from the centre on it, kpc, to about 1e-3: at θ_r = 0 or next to it, at some θ_z.
    pub fn pericentre(&self) -> f64 {
        let near = (0..5).map(|n| 0.05 * (f64::from(n) - 2.0));
        let angles = near.flat_map(|r| {
            (0..16).map(move |n| Angles {
                phi: 0.0,
                z: std::f64::consts::TAU * f64::from(n) / 16.0,
                r,
            })
        });
        angles
            .filter_map(|angles| self.point(&angles))
            .map(|point| norm(point.x))
            .fold(f64::INFINITY, f64::min)
    }

    /// The phase-space point at the given angles; nothing if the angle map cannot be inverted there.
    pub fn point(&self, angles: &Angles) -> Option<PhaseSpace> {
        let (place, toy_angles) = self.place(angles)?;
        let [r, z] = self.action_shift(place);
        let toy_actions = Actions {
            phi: self.actions.phi,
            z: (self.actions.z + z).max(0.0),
            r: (self.actions.r + r).max(0.0),
        };
        let point = self.toy.point(&toy_actions, &toy_angles);
        point
            .x
            .iter()
            .chain(&point.v)
            .all(|value| value.is_finite())
            .then_some(point)
    }

    /// Solves θ = θ_toy + ∂S/∂J for the place on the torus by Newton's method, damped.
    fn place(&self, angles: &Angles) -> Option<([f64; 2], Angles)> {
        let [mut eta, mut chi] = self.warp.coordinates(angles.r, angles.z);
        let misses = |place: &warp::Place, sums: &[f64; 3]| {
            [
                wrap_difference(angles.r - place.theta_r - sums[0]),
                wrap_difference(angles.z - place.theta_z - sums[1]),
            ]
        };
        let mut place = self.warp.place(eta, chi);
        let mut now = self.modes.sums(&self.ds, eta, chi);
        let mut miss = misses(&place, &now.0);
        for _ in 0..100 {
            let size = miss[0].hypot(miss[1]);
            if size < 1e-12 {
                break;
            }
            // ∂θ/∂(η, χ): first toy angles, then the sums.
            let [[a, b], [c, d]] = now.1;
            let (a, d) = (1.0 / place.a + a, 1.0 / place.b + d);
            let c = place.shear + c;
            let determinant = a * d - b * c;
            let step = [
                (d * miss[0] - b * miss[1]) / determinant,
                (a * miss[1] - c * miss[0]) / determinant,
            ];
            let mut part = (0.7 / step[0].hypot(step[1])).min(1.0);
            loop {
                let next = (eta + part * step[0], chi + part * step[1]);
                let next_place = self.warp.place(next.0, next.1);
                let sums = self.modes.sums(&self.ds, next.0, next.1);
                let next_miss = misses(&next_place, &sums.0);
                if next_miss[0].hypot(next_miss[1]) < size || part < 1e-3 {
                    (eta, chi) = next;
                    (place, now, miss) = (next_place, sums, next_miss);
                    break;
                }
                part *= 0.5;
            }
        }
        (miss[0].hypot(miss[1]) < 1e-8).then(|| {
            (
                [eta, chi],
                Angles {
                    phi: wrap_angle(angles.phi - now.0[2]),
                    z: place.theta_z,
                    r: place.theta_r,
                },
            )
        })
    }

    /// ∂S/∂θ_toy at a place: J_toy − J.
    fn action_shift(&self, [eta, chi]: [f64; 2]) -> [f64; 2] {
        let [by_eta, by_chi] = self.modes.slopes(&self.s, eta, chi);
        self.warp.place(eta, chi).by_angles(by_eta, by_chi)
    }

    /// ∂(θ_r, θ_z)/∂(toy angles) on the grid; where it is not positive, true angles run backwards.
    fn jacobians(&self, grid: &series::Grid) -> Vec<f64> {
        let slopes = [0, 1].map(|q| grid.slopes(&self.modes, &self.ds[q]));
        grid.places
            .iter()
            .enumerate()
            .map(|(i, place)| {
                let [r, z] = [0, 1].map(|q| place.by_angles(slopes[q][0][i], slopes[q][1][i]));
                (1.0 + r[0]) * (1.0 + z[1]) - r[1] * z[0]
            })
            .collect()
    }

    /// Actions and angles of a phase-space point near this torus, by its generating function expanded about its actions.
    ///
    /// The actions are wrong to second order, the angles to first, in the point's distance from the torus.
    pub fn locate(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let toy = self.toy.actions(point)?;
        let [eta, chi] = self.warp.coordinates(toy.angles.r, toy.angles.z);
        let [r, z] = self.action_shift([eta, chi]);
        let place = self.warp.place(eta, chi);
        let ([by_r, by_z, by_phi], slopes) = self.modes.sums(&self.ds, eta, chi);
        let [[rr, rz], [zr, zz]] = slopes.map(|[eta, chi]| place.by_angles(eta, chi));
        // J_toy = J + 2 Σ n (S_n + ∂S_n/∂J · δJ) cos(n·θ_toy) with δJ = J − J_torus.
        let miss = [toy.actions.r - self.actions.r - r, toy.actions.z - self.actions.z - z];
        let determinant = (1.0 + rr) * (1.0 + zz) - rz * zr;
        let [r_change, z_change] = [
            ((1.0 + zz) * miss[0] - zr * miss[1]) / determinant,
            ((1.0 + rr) * miss[1] - rz * miss[0]) / determinant,
        ];
        Ok(ActionAngle {
            actions: Actions::from_rzphi([
                (self.actions.r + r_change).max(0.0),
                (self.actions.z + z_change).max(0.0),
                toy.actions.phi,
            ]),
            angles: Angles::from_rzphi([toy.angles.r + by_r, toy.angles.z + by_z, toy.angles.phi + by_phi]),
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
    let mut actions = Actions {
        phi: point.angular_momentum()[2],
        ..*start
    };
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
