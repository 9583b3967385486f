//! The spheres of Dehnen (1993): Hernquist's and Jaffe's among them.

use super::cusp::Cusp;
use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::f64::consts::PI;

/// The sphere ρ = (3 − γ) M a / (4π r^γ (r + a)^(4 − γ)): Hernquist's for γ = 1, Jaffe's for γ = 2.
///
/// Φ = −GM/((2 − γ) a) · [1 − (r/(r + a))^(2 − γ)], and GM/a ln(r/(r + a)) for γ = 2; M(r) = M (r/(r + a))^(3 − γ).
///
/// **Source**: Dehnen (1993) Eq. 1–3; Hernquist (1990); Jaffe (1983).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dehnen {
    mass: f64,
    scale: f64,
    inner_slope: f64,
}

impl Dehnen {
    /// A sphere of `mass` M_sun and `scale` a in kpc, both positive, with the inner slope 0 ≤ γ < 3.
    pub fn new(mass: f64, scale: f64, inner_slope: f64) -> Result<Self, InvalidParameter> {
        if !(0.0..3.0).contains(&inner_slope) {
            return Err(InvalidParameter {
                potential: "dehnen",
                parameter: "inner_slope",
                value: inner_slope,
                requirement: "at least 0 and below 3",
            });
        }
        Ok(Self {
            mass: positive("dehnen", "mass", mass)?,
            scale: positive("dehnen", "scale", scale)?,
            inner_slope,
        })
    }

    /// Hernquist's sphere, γ = 1.
    pub fn hernquist(mass: f64, scale: f64) -> Result<Self, InvalidParameter> {
        Self::new(mass, scale, 1.0)
    }
}

impl Cusp for Dehnen {
    fn length(&self) -> f64 {
        self.scale
    }

    fn mass_within(&self, r: f64) -> f64 {
        self.mass * (r / (r + self.scale)).powf(3.0 - self.inner_slope)
    }

    fn potential_of(&self, r: f64) -> f64 {
        let ln_ratio = -(self.scale / r).ln_1p();
        let power = 2.0 - self.inner_slope;
        let depth = if power == 0.0 {
            ln_ratio
        } else {
            (power * ln_ratio).exp_m1() / power
        };
        G * self.mass / self.scale * depth
    }

    fn density_of(&self, r: f64) -> f64 {
        let (a, slope) = (self.scale, self.inner_slope);
        let shape = (r / a).powf(-slope) * (1.0 + r / a).powf(slope - 4.0);
        (3.0 - slope) * self.mass / (4.0 * PI * a * a * a) * shape
    }
}

spherical_potential!(Dehnen);
