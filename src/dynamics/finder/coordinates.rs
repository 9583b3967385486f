//! A third integral and two anomalies that cost two evaluations of the potential: no quadrature, no search for turning points.
//!
//! In the coordinates of the Stäckel fudge ([`crate::staeckel`]) p_v² at the star's own u and v = π/2 is Y, the square of what the vertical
//! motion has in the plane: one number for an orbit in a Stäckel potential, and nearly so in any other. With Y₁ that of the shell orbit of the
//! same E and L_z, ψ = Y/Y₁ is 0 for planar orbits and 1 for shells.
//!
//! ϑ_v = atan2(√(Y − (sin v p_v)²), sin v p_v) with the sign of z: in a sphere the angle from the node in the orbit's own plane.
//! ϑ_u = atan2(κ p̃, S₀ − S) with S = √(q + Δ²), p̃ = p_u √q/S: in an isochrone of scale Δ the eccentric anomaly. S₀ and κ depend
//! on E, L_z and ψ smoothly. Both are smooth along every orbit and wind with it: the angles differ from them by sine series.

use super::plane::{Circle, Plane};
use super::table::x_of_circularity;
use crate::phase_space::PhaseSpace;
use crate::potential::Potential;

/// What all orbits of one energy and L_z share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Column {
    /// Δ², in R_c².
    pub focus2: f64,
    /// Y₁, in L_c² sin²σ.
    pub most: f64,
    /// S₀ for ψ = 1, and what it is more for ψ = 0, in R_c.
    pub middle: [f64; 2],
    /// κ likewise, in R_c/L_c.
    pub scale: [f64; 2],
}

impl Column {
    pub const NUMBERS: usize = 6;

    pub fn to_array(self) -> [f64; Self::NUMBERS] {
        let Self {
            focus2,
            most,
            middle,
            scale,
        } = self;
        [focus2, most, middle[0], middle[1], scale[0], scale[1]]
    }

    pub fn from_array([focus2, most, m0, m1, s0, s1]: [f64; Self::NUMBERS]) -> Self {
        Self {
            focus2,
            most,
            middle: [m0, m1],
            scale: [s0, s1],
        }
    }
}

/// cos² v below which the potential's rise above the plane is taken from its slopes.
const NEXT_TO_PLANE: f64 = 1e-9;

/// Where a star is in the table: its exact integrals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integrals {
    pub energy: f64,
    pub lz: f64,
    pub phi: f64,
    pub circle: Circle,
    /// x of σ: |L_z| = L_c cos²σ.
    pub x: f64,
}

impl Integrals {
    /// Nothing for an orbit whose circle is beyond the plane's table, or that is not bound.
    pub fn new<P: Potential + ?Sized>(potential: &P, plane: &Plane, point: &PhaseSpace) -> Option<Self> {
        let phi = potential.potential(point.x);
        let energy = point.kinetic_energy() + phi;
        let lz = point.x[0] * point.v[1] - point.x[1] * point.v[0];
        let circle = plane.circle(energy)?;
        Some(Self {
            energy,
            lz,
            phi,
            circle,
            x: x_of_circularity(lz / circle.momentum),
        })
    }

    /// L_c − |L_z| = L_c sin²σ, km/s kpc: what J_r and J_z are measured in. Of a circular orbit it is nothing, which rounding may bring below.
    pub fn scale(&self) -> f64 {
        (self.circle.momentum - self.lz.abs()).max(0.0)
    }
}

/// A star in these coordinates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// ψ.
    pub psi: f64,
    /// cos ϑ_u, sin ϑ_u.
    pub u: [f64; 2],
    /// cos ϑ_v, sin ϑ_v.
    pub v: [f64; 2],
    /// S and p̃, for the choice of S₀ and κ.
    pub raw: [f64; 2],
}

/// A unit vector along (x, y); along x if both vanish.
fn unit(x: f64, y: f64) -> [f64; 2] {
    let length = (x * x + y * y).sqrt();
    if length > 0.0 {
        [x / length, y / length]
    } else {
        [1.0, 0.0]
    }
}

impl Place {
    pub fn new<P: Potential + ?Sized>(
        potential: &P,
        plane: &Plane,
        point: &PhaseSpace,
        integrals: &Integrals,
        column: &Column,
    ) -> Self {
        let [x, y, z] = point.x;
        let [vx, vy, vz] = point.v;
        let radius_c = integrals.circle.radius;
        let focus2 = column.focus2 * radius_c * radius_c;
        let ring = x * x + y * y;
        let radius = ring.sqrt();
        let v_radius = if radius > 0.0 {
            (x * vx + y * vy) / radius
        } else {
            vx.hypot(vy)
        };
        // q² + q(Δ² − r²) − Δ²R² = 0, without cancellation on either side of r = Δ.
        let excess = ring + z * z - focus2;
        let root = (excess * excess + 4.0 * focus2 * ring).sqrt();
        let q = if excess > 0.0 {
            0.5 * (excess + root)
        } else {
            2.0 * focus2 * ring / (root - excess).max(f64::MIN_POSITIVE)
        };
        let outer = (q + focus2).max(f64::MIN_POSITIVE);
        let cos2 = (z * z / outer).min(1.0);
        let sin2 = if q > 0.0 { (ring / q).min(1.0) } else { 1.0 - cos2 };
        let (a, s, sine, cosine) = (q.sqrt(), outer.sqrt(), sin2.sqrt(), cos2.sqrt().copysign(z));
        let p_u = v_radius * s * sine + vz * a * cosine;
        // Upwards.
        let p_n = vz * s * sine - v_radius * a * cosine;
        // Φ − Φ(q, 0): next to the plane from its slopes, for the difference would be rounding and what the table is interpolated by.
        let above_plane = if cos2 < NEXT_TO_PLANE {
            let a = potential.acceleration(point.x);
            0.5 * ((x * a[0] + y * a[1]) * cos2 - z * a[2])
        } else {
            let in_plane = plane.potential(q).unwrap_or_else(|| potential.potential([a, 0.0, 0.0]));
            integrals.phi - in_plane
        };
        // Y − p_v² = y [2Δ²(E − Φ) + L_z²/(1 − y)] + 2(q + Δ²)[Φ − Φ(q, 0)], none of it negative but for what a potential is not flattened.
        let azimuthal = if ring > 0.0 {
            integrals.lz * integrals.lz / ring * q
        } else {
            0.0
        };
        let kinetic = integrals.energy - integrals.phi;
        let climbed = (cos2 * (2.0 * focus2 * kinetic + azimuthal) + 2.0 * outer * above_plane).max(0.0);
        let p2 = p_n * p_n;
        let most = climbed + p2;
        let v = unit(sine * p_n, (climbed + cos2 * p2).sqrt().copysign(z));
        let momentum = integrals.circle.momentum;
        let sin_sigma2 = (1.0 - integrals.lz.abs() / momentum).max(f64::MIN_POSITIVE);
        let psi = most / (column.most * momentum * momentum * sin_sigma2);
        let raw = [s / radius_c, p_u * a / s / momentum];
        let flat = (1.0 - psi).clamp(0.0, 1.0);
        let [middle, scale] = [column.middle, column.scale].map(|[shell, more]| shell + flat * more);
        Self {
            psi,
            u: unit(middle - raw[0], scale * raw[1]),
            v,
            raw,
        }
    }
}
