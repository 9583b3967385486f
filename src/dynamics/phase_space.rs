//! Points of phase space in the two coordinate systems, as plain data.

use crate::units::{Gyr, Natural, wrap_angle};
use crate::vector::{cross, dot, norm};
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_2, PI};

/// A point in Galactocentric Cartesian coordinates (axes: see [`crate::sky`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseSpace {
    /// Position x, y, z in kpc.
    pub x: [f64; 3],
    /// Velocity vx, vy, vz in km/s.
    pub v: [f64; 3],
}

impl PhaseSpace {
    /// The point at position `x` (kpc) with velocity `v` (km/s).
    pub const fn new(x: [f64; 3], v: [f64; 3]) -> Self {
        Self { x, v }
    }

    /// Angular momentum x × v in km/s kpc.
    pub fn angular_momentum(&self) -> [f64; 3] {
        cross(self.x, self.v)
    }

    /// Kinetic energy per mass v²/2 in (km/s)².
    pub fn kinetic_energy(&self) -> f64 {
        0.5 * dot(self.v, self.v)
    }

    /// The same point with its velocity reversed.
    pub fn reversed(&self) -> Self {
        Self {
            x: self.x,
            v: self.v.map(|v| -v),
        }
    }
}

/// Actions in km/s kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Actions {
    /// J_φ = L_z, of either sign.
    pub phi: f64,
    /// J_z ≥ 0.
    pub z: f64,
    /// J_r ≥ 0.
    pub r: f64,
}

impl Actions {
    /// From J_r, J_z, J_φ in this order, that of generating functions and of spectra.
    pub const fn from_rzphi([r, z, phi]: [f64; 3]) -> Self {
        Self { phi, z, r }
    }
}

/// Angles in radians, in [0, 2π): θ_r = 0 at pericentre, θ_z = 0 crossing z = 0 upwards, θ_φ = φ on a planar circular orbit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Angles {
    /// θ_φ; decreases with time where J_φ < 0.
    pub phi: f64,
    /// θ_z.
    pub z: f64,
    /// θ_r.
    pub r: f64,
}

impl Angles {
    /// From θ_r, θ_z, θ_φ in this order, whatever the number of turns.
    pub fn from_rzphi(angles: [f64; 3]) -> Self {
        let [r, z, phi] = angles.map(wrap_angle);
        Self { phi, z, r }
    }

    /// The angles `time` later: θ + Ω t, in [0, 2π).
    pub fn after(&self, time: Gyr, frequencies: &Frequencies) -> Self {
        let time = Natural::from(time);
        Self {
            phi: wrap_angle(self.phi + time.phase(frequencies.phi)),
            z: wrap_angle(self.z + time.phase(frequencies.z)),
            r: wrap_angle(self.r + time.phase(frequencies.r)),
        }
    }
}

/// Frequencies dθ/dt = ∂H/∂J in km/s/kpc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequencies {
    /// Ω_φ, of the sign of J_φ.
    pub phi: f64,
    /// Ω_z.
    pub z: f64,
    /// Ω_r.
    pub r: f64,
}

impl Frequencies {
    /// From Ω_r, Ω_z, Ω_φ in this order.
    pub const fn from_rzphi([r, z, phi]: [f64; 3]) -> Self {
        Self { phi, z, r }
    }
}

/// Everything an action finder knows of one phase-space point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionAngle {
    /// Actions in km/s kpc.
    pub actions: Actions,
    /// Angles in radians.
    pub angles: Angles,
    /// Frequencies in km/s/kpc.
    pub frequencies: Frequencies,
}

/// The orbit of a star in a spherical potential, as far as its orientation goes, with what the radial motion adds.
pub(crate) struct SphericalMotion {
    /// J_r.
    pub j_r: f64,
    /// θ_r.
    pub theta_r: f64,
    /// θ_z minus the angle in the orbital plane from the ascending node.
    pub lag: f64,
    /// Ω_r and Ω_z.
    pub rates: (f64, f64),
}

impl ActionAngle {
    /// Whether all nine are finite.
    pub fn is_finite(&self) -> bool {
        let Self {
            actions,
            angles,
            frequencies,
        } = self;
        [
            [actions.phi, actions.z, actions.r],
            [angles.phi, angles.z, angles.r],
            [frequencies.phi, frequencies.z, frequencies.r],
        ]
        .as_flattened()
        .iter()
        .all(|value| value.is_finite())
    }

    /// J_φ = L_z, J_z = L − |L_z|, θ_φ = Ω ± θ_z with the node's longitude Ω.
    ///
    /// On a planar orbit θ_z is measured from the x axis; on a radial one the orbital plane is taken through the z axis.
    pub(crate) fn spherical(point: &PhaseSpace, motion: &SphericalMotion) -> Self {
        let momentum @ [lx, ly, lz] = point.angular_momentum();
        let (l, tilt) = (norm(momentum), lx.hypot(ly));
        // A star at the very centre is a quarter of a turn before the direction in which it leaves.
        let (position, before) = if dot(point.x, point.x) > 0.0 {
            (point.x, 0.0)
        } else {
            (point.v, FRAC_PI_2)
        };
        let (node, latitude_angle) = node_and_latitude_angle(position, momentum, l, tilt);
        let theta_z = latitude_angle - before + motion.lag;
        let sense = sense(lz);
        let (omega_r, omega_z) = motion.rates;
        Self {
            actions: Actions {
                phi: lz,
                z: if l > 0.0 { tilt * tilt / (l + lz.abs()) } else { 0.0 },
                r: motion.j_r,
            },
            angles: Angles {
                phi: wrap_angle(node + sense * theta_z),
                z: wrap_angle(theta_z),
                r: wrap_angle(motion.theta_r),
            },
            frequencies: Frequencies {
                phi: sense * omega_z,
                z: omega_z,
                r: omega_r,
            },
        }
    }
}

/// One row of a batch that has no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnboundRow {
    /// Index of the point in the batch.
    pub row: usize,
    /// Its energy in (km/s)²; NaN if the point itself is not finite.
    pub energy: f64,
}

/// The point is not bound, so it has no actions.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the orbit is unbound: its energy {energy} (km/s)² is not below {limit} (km/s)², so it has no actions")]
pub struct Unbound {
    /// Energy in (km/s)²; NaN if the point itself is not finite.
    pub energy: f64,
    /// The potential at infinity in (km/s)².
    pub limit: f64,
}

/// Why an action finder has no answer for a point.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoActions {
    /// It is not bound.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// It rests at the centre of a potential that is no sphere.
    #[error("the star rests at the centre, where angles and frequencies have no meaning")]
    AtRest,
    /// It is on the border between orbits that pass the z axis inside the foci and outside them.
    #[error("the star moves along the z axis, between two families of orbits, where the Stäckel fudge fails")]
    AlongAxis,
}

/// Some points of a batch are not bound.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{} of {total} points are unbound and have no actions; first rows: {}", .rows.len(), first_rows(.rows))]
pub struct UnboundRows {
    /// Every unbound row, in order.
    pub rows: Vec<UnboundRow>,
    /// How many points the batch had.
    pub total: usize,
}

fn first_rows(rows: &[UnboundRow]) -> String {
    let mut text: Vec<String> = rows
        .iter()
        .take(5)
        .map(|bad| format!("{} (energy {:.6e})", bad.row, bad.energy))
        .collect();
    if rows.len() > 5 {
        text.push("…".to_owned());
    }
    text.join(", ")
}

/// The answer of `actions` for every point, in parallel, at least `share` to a thread; all unbound rows together if any.
pub(crate) fn actions_of_rows<T: Send>(
    points: &[PhaseSpace],
    share: usize,
    actions: impl Fn(&PhaseSpace) -> Result<T, Unbound> + Send + Sync,
) -> Result<Vec<T>, UnboundRows> {
    let answers: Vec<_> = points.par_iter().with_min_len(share).map(actions).collect();
    let mut good = Vec::with_capacity(points.len());
    let mut rows = Vec::new();
    for (row, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(value) => good.push(value),
            Err(unbound) => rows.push(UnboundRow {
                row,
                energy: unbound.energy,
            }),
        }
    }
    if rows.is_empty() {
        Ok(good)
    } else {
        Err(UnboundRows {
            rows,
            total: points.len(),
        })
    }
}

/// 1 for J_φ ≥ 0, −1 below.
pub(crate) fn sense(j_phi: f64) -> f64 {
    if j_phi < 0.0 { -1.0 } else { 1.0 }
}

/// Longitude of the ascending node, and angle from it to the point within the orbital plane.
///
/// The two are ill-determined on a nearly planar orbit, but their sum (difference for L_z < 0) is not: there the node is
/// taken from the point's azimuth, so that rounding cancels.
fn node_and_latitude_angle([x, y, z]: [f64; 3], [lx, ly, lz]: [f64; 3], l: f64, tilt: f64) -> (f64, f64) {
    let azimuth = y.atan2(x);
    if l == 0.0 {
        // Beyond the axis the node stays where it is.
        let ring = x.hypot(y);
        return if y > 0.0 || (y == 0.0 && x >= 0.0) {
            (azimuth, z.atan2(ring))
        } else {
            (azimuth + PI, z.atan2(-ring))
        };
    }
    if tilt == 0.0 {
        return (0.0, sense(lz) * azimuth);
    }
    let along_node = lx * y - ly * x;
    let psi = (l * z).atan2(along_node);
    if tilt > lz.abs() {
        (lx.atan2(-ly), psi)
    } else {
        (azimuth - (lz * z).atan2(along_node), psi)
    }
}
