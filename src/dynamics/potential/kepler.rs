//! A point mass.

use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::PI;

/// A point mass, Φ = −GM/r, given a radius so small that no orbit notices and nothing is infinite at the origin:
/// a homogeneous ball of [`Kepler::RADIUS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kepler {
    mass: f64,
}

impl Kepler {
    /// Radius of the ball in kpc, about 200 astronomical units.
    pub const RADIUS: f64 = 1e-6;

    /// A point of `mass` M_sun, positive.
    pub fn new(mass: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("kepler", "mass", mass)?,
        })
    }

    /// Mass in M_sun.
    pub fn mass(&self) -> f64 {
        self.mass
    }
}

impl SphericalProfile for Kepler {
    fn phi(&self, r: f64) -> f64 {
        let gm = GRAVITATIONAL_CONSTANT * self.mass;
        if r > Self::RADIUS {
            -gm / r
        } else {
            -gm * (1.5 - 0.5 * (r / Self::RADIUS).powi(2)) / Self::RADIUS
        }
    }

    fn dphi_over_r(&self, r: f64) -> f64 {
        GRAVITATIONAL_CONSTANT * self.mass / r.max(Self::RADIUS).powi(3)
    }

    fn d2phi(&self, r: f64) -> f64 {
        self.dphi_over_r(r) * if r > Self::RADIUS { -2.0 } else { 1.0 }
    }

    fn rho(&self, r: f64) -> f64 {
        if r > Self::RADIUS {
            0.0
        } else {
            self.mass / (4.0 / 3.0 * PI * Self::RADIUS.powi(3))
        }
    }
}

spherical_potential!(Kepler);
