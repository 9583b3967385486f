//! Hénon's isochrone sphere.

use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::PI;

/// The isochrone sphere, Φ = −GM / (b + √(b² + r²)); its actions and angles are in [`crate::isochrone`].
///
/// **Source**: Hénon (1959); Binney & Tremaine (2008) Eq. 2.47–2.49.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Isochrone {
    mass: f64,
    scale: f64,
}

impl Isochrone {
    /// An isochrone of `mass` M_sun and `scale` b in kpc, both positive.
    pub fn new(mass: f64, scale: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("isochrone", "mass", mass)?,
            scale: positive("isochrone", "scale", scale)?,
        })
    }

    /// Total mass in M_sun.
    pub fn mass(&self) -> f64 {
        self.mass
    }

    /// Scale b in kpc.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// GM in kpc (km/s)².
    pub fn gm(&self) -> f64 {
        GRAVITATIONAL_CONSTANT * self.mass
    }
}

impl SphericalProfile for Isochrone {
    fn phi(&self, r: f64) -> f64 {
        -self.gm() / (self.scale + (self.scale * self.scale + r * r).sqrt())
    }

    fn dphi_over_r(&self, r: f64) -> f64 {
        let w = (self.scale * self.scale + r * r).sqrt();
        self.gm() / (w * (self.scale + w) * (self.scale + w))
    }

    fn d2phi(&self, r: f64) -> f64 {
        let w = (self.scale * self.scale + r * r).sqrt();
        let sum = self.scale + w;
        self.gm() / (w * sum * sum) * (1.0 - r * r * (1.0 / (w * w) + 2.0 / (w * sum)))
    }

    fn rho(&self, r: f64) -> f64 {
        let b = self.scale;
        let w = (b * b + r * r).sqrt();
        // 3(b + w)w² − r²(b + 3w) with r² = w² − b², freed of cancellation: (b + w)(b² + 2bw) = b(b + w)(b + 2w).
        self.mass * b * (b + 2.0 * w) / (4.0 * PI * (b + w).powi(2) * w.powi(3))
    }
}

spherical_potential!(Isochrone);
