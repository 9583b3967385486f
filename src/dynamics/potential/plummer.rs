//! Plummer's sphere.

use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::PI;

/// Plummer's sphere, Φ = −GM / √(r² + a²).
///
/// **Source**: Plummer (1911); Binney & Tremaine (2008) Eq. 2.44.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plummer {
    mass: f64,
    scale: f64,
}

impl Plummer {
    /// A sphere of `mass` M_sun and `scale` a in kpc, both positive.
    pub fn new(mass: f64, scale: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("plummer", "mass", mass)?,
            scale: positive("plummer", "scale", scale)?,
        })
    }

    /// Total mass in M_sun.
    pub fn mass(&self) -> f64 {
        self.mass
    }

    /// Scale a in kpc.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl SphericalProfile for Plummer {
    fn phi(&self, r: f64) -> f64 {
        -GRAVITATIONAL_CONSTANT * self.mass / (self.scale * self.scale + r * r).sqrt()
    }

    fn dphi_over_r(&self, r: f64) -> f64 {
        let square = self.scale * self.scale + r * r;
        GRAVITATIONAL_CONSTANT * self.mass / (square * square.sqrt())
    }

    fn d2phi(&self, r: f64) -> f64 {
        let square = self.scale * self.scale + r * r;
        GRAVITATIONAL_CONSTANT * self.mass * (self.scale * self.scale - 2.0 * r * r) / (square * square * square.sqrt())
    }

    fn rho(&self, r: f64) -> f64 {
        let square = self.scale * self.scale + r * r;
        3.0 * self.mass * self.scale * self.scale / (4.0 * PI * square * square * square.sqrt())
    }
}

spherical_potential!(Plummer);
