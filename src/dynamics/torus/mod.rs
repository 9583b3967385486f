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

use crate::orbit::dense;
use crate::phase_space::{ActionAngle, Actions, Angles, Frequencies, PhaseSpace, Unbound};
use crate::potential::{Isochrone, Potential, Symmetry};
use crate::units::{wrap_angle, wrap_difference};
use rayon::prelude::*;

/// Radial periods for which an orbit from a torus is compared with it.
const CHECKED_PERIODS: f64 = 5.0;

/// Angles may differ by this much on the way, radians.
const MOST_DRIFT: f64 = 0.1;

/// How good a torus has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Root mean square of ΔH/|H| over the torus; ΔH must also be below 100 times this times Ω_r J_r and Ω_z J_z.
    pub tolerance: f64,
    /// No more modes than this.
    pub most_modes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 1e-4,
            most_modes: 500,
        }
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
        "an orbit from the torus is {drift:.2} rad off its angles within {CHECKED_PERIODS} radial periods: the torus is resonant"
    )]
    Drift {
        /// Greatest difference of an angle, radians.
        drift: f64,
    },
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
        let actions = Actions {
            phi,
            z: z.max(least),
            r: r.max(least),
        };
        let toy = toy::choose(potential, &actions).ok_or(TorusError::NoToy)?;
        let torus = fit::fit(potential, toy, actions, settings)?;
        torus.refuse_resonances()?;
        torus.verify(potential)?;
        Ok(torus)
    }

    /// Refuses |n·Ω| < ½ Ω_r / |n|² for |n| = |n_r| + |n_z| ≤ 8: about the width of such a resonance in these galaxies.
    fn refuse_resonances(&self) -> Result<(), TorusError> {
        for n_r in 1..=6i32 {
            for n_z in [-6, -4, -2] {
                let order = n_r - n_z;
                let beat = (f64::from(n_r) + f64::from(n_z) * self.frequencies.z / self.frequencies.r).abs();
                if order <= 8 && beat < 0.5 / f64::from(order * order) {
                    return Err(TorusError::Resonant { n_r, n_z, beat });
                }
            }
        }
        Ok(())
    }

    /// Follows an orbit from the torus: near a resonance H can be constant on a surface that orbits leave.
    fn verify<P: Potential + ?Sized>(&self, potential: &P) -> Result<(), TorusError> {
        let lost = TorusError::Drift { drift: f64::NAN };
        let start = Angles {
            phi: 0.5,
            z: 1.0,
            r: 2.0,
        };
        let point = self.point(&start).ok_or(lost.clone())?;
        let rates = self.frequencies;
        let period = std::f64::consts::TAU / rates.r;
        let times: Vec<f64> = (1..=20)
            .map(|i| period * CHECKED_PERIODS / 20.0 * f64::from(i))
            .collect();
        let mut drift = 0.0f64;
        dense::follow(potential, &point, &times, 1e-8, |i, point| {
            let differences = self.locate(&point).map_or([f64::INFINITY; 3], |found| {
                let Angles { phi, z, r } = found.angles;
                [
                    wrap_difference(phi - start.phi - rates.phi * times[i]),
                    wrap_difference(z - start.z - rates.z * times[i]),
                    wrap_difference(r - start.r - rates.r * times[i]),
                ]
            });
            // An angle matters as much as its action.
            let total = self.actions.r + self.actions.z + self.actions.phi.abs();
            let weights = [
                1.0,
                (10.0 * self.actions.z / total).min(1.0),
                (10.0 * self.actions.r / total).min(1.0),
            ];
            for (difference, weight) in differences.iter().zip(weights) {
                drift = drift.max(difference.abs() * weight);
            }
        })
        .map_err(|_| lost)?;
        if drift > MOST_DRIFT {
            Err(TorusError::Drift { drift })
        } else {
            Ok(())
        }
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
        point
            .x
            .iter()
            .chain(&point.v)
            .all(|value| value.is_finite())
            .then_some(point)
    }

    /// Solves θ = θ_toy + 2 Σ ∂S_n/∂J sin(n·θ_toy) for θ_toy by Newton's method, damped.
    fn toy_angles(&self, angles: &Angles) -> Option<Angles> {
        let (mut r, mut z) = (angles.r, angles.z);
        let misses = |r: f64, z: f64, sums: &[f64; 3]| {
            [
                wrap_difference(angles.r - r - sums[0]),
                wrap_difference(angles.z - z - sums[1]),
            ]
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
            let step = [
                (d * miss[0] - b * miss[1]) / determinant,
                (a * miss[1] - c * miss[0]) / determinant,
            ];
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
        (miss[0].hypot(miss[1]) < 1e-8).then(|| Angles {
            phi: wrap_angle(angles.phi - now.0[2]),
            z,
            r,
        })
    }

    fn toy_actions(&self, toy: &Angles) -> Actions {
        let [r, z] = self.modes.action_sums(&self.s, toy.r, toy.z);
        Actions {
            phi: self.actions.phi,
            z: (self.actions.z + z).max(0.0),
            r: (self.actions.r + r).max(0.0),
        }
    }

    /// Actions and angles of a phase-space point near this torus, by its generating function expanded about its actions.
    ///
    /// The actions are wrong to second order, the angles to first, in the point's distance from the torus.
    pub fn locate(&self, point: &PhaseSpace) -> Result<ActionAngle, Unbound> {
        let toy = self.toy.actions(point)?;
        let [r, z] = self.modes.action_sums(&self.s, toy.angles.r, toy.angles.z);
        let (sums, [[rr, rz], [zr, zz]]) = self.modes.angle_sums(&self.ds, toy.angles.r, toy.angles.z);
        // J_toy = J + 2 Σ n (S_n + ∂S_n/∂J · δJ) cos(n·θ_toy) with δJ = J − J_torus.
        let miss = [toy.actions.r - self.actions.r - r, toy.actions.z - self.actions.z - z];
        let determinant = (1.0 + rr) * (1.0 + zz) - rz * zr;
        let change = [
            ((1.0 + zz) * miss[0] - zr * miss[1]) / determinant,
            ((1.0 + rr) * miss[1] - rz * miss[0]) / determinant,
        ];
        Ok(ActionAngle {
            actions: Actions {
                phi: toy.actions.phi,
                z: (self.actions.z + change[1]).max(0.0),
                r: (self.actions.r + change[0]).max(0.0),
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
