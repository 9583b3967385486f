//! A halo with a flat rotation curve that ends.

use super::cusp::Cusp;
use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::f64::consts::PI;

/// The truncated halo with a flat rotation curve of Wilkinson & Evans: ρ = M a² / (4π r² (r² + a²)^(3/2)).
///
/// Φ = −(GM/a) asinh(a/r); M(r) = M r/√(r² + a²).
///
/// **Source**: Wilkinson & Evans (1999) Eq. 8–9.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedFlat {
    mass: f64,
    scale: f64,
}

impl TruncatedFlat {
    /// A halo of `mass` M_sun that ends about `scale` a in kpc, both positive.
    pub fn new(mass: f64, scale: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("truncated_flat", "mass", mass)?,
            scale: positive("truncated_flat", "scale", scale)?,
        })
    }
}

impl Cusp for TruncatedFlat {
    fn length(&self) -> f64 {
        self.scale
    }

    fn mass_within(&self, r: f64) -> f64 {
        self.mass * r / r.hypot(self.scale)
    }

    fn potential_of(&self, r: f64) -> f64 {
        -G * self.mass / self.scale * (self.scale / r).asinh()
    }

    fn density_of(&self, r: f64) -> f64 {
        let square = r * r + self.scale * self.scale;
        self.mass * self.scale * self.scale / (4.0 * PI * r * r * square * square.sqrt())
    }
}

spherical_potential!(TruncatedFlat);
