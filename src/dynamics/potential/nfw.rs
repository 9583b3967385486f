//! The Navarro–Frenk–White halo.

use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::PI;

/// The Navarro–Frenk–White halo, Φ = −GM ln(1 + r/r_s)/r, ρ = M / (4π r (r + r_s)²).
///
/// M = 4πρ₀r_s³; the mass inside r is M [ln(1 + u) − u/(1 + u)], u = r/r_s, and has no limit.
/// The mass inside [`Nfw::CORE`] r_s is spread evenly there, which no orbit notices, so that nothing is infinite at the origin.
///
/// **Source**: Navarro, Frenk & White (1996); Binney & Tremaine (2008) Eq. 2.64–2.67.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nfw {
    mass: f64,
    scale: f64,
}

impl Nfw {
    /// Radius of the homogeneous core in r_s.
    pub const CORE: f64 = 1e-9;

    /// A halo of characteristic `mass` 4πρ₀r_s³ in M_sun and `scale` r_s in kpc, both positive.
    pub fn new(mass: f64, scale: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("nfw", "mass", mass)?,
            scale: positive("nfw", "scale", scale)?,
        })
    }

    /// Characteristic mass 4πρ₀r_s³ in M_sun.
    pub fn mass(&self) -> f64 {
        self.mass
    }

    /// Scale r_s in kpc.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// r/r_s, no smaller than the core.
    fn u(&self, r: f64) -> f64 {
        (r / self.scale).max(Self::CORE)
    }

    fn in_core(&self, r: f64) -> bool {
        r < Self::CORE * self.scale
    }
}

/// m(u)/u³ = [ln(1 + u) − u/(1 + u)]/u³.
fn mass_over_u3(u: f64) -> f64 {
    if u < 0.02 {
        // Σ (−1)^k (k + 1)/(k + 2) u^(k−1): eight terms reach rounding below u = 0.02.
        let mut sum = 0.0;
        for k in (0..8).rev() {
            let k = f64::from(k);
            sum = (k + 1.0) / (k + 2.0) - u * sum;
        }
        sum / u
    } else {
        (u.ln_1p() - u / (1.0 + u)) / (u * u * u)
    }
}

impl SphericalProfile for Nfw {
    fn phi(&self, r: f64) -> f64 {
        let u = self.u(r);
        // Φ' is linear in the core.
        let core = if self.in_core(r) {
            0.5 * mass_over_u3(u) * (u * u - (r / self.scale).powi(2))
        } else {
            0.0
        };
        -GRAVITATIONAL_CONSTANT * self.mass / self.scale * (u.ln_1p() / u + core)
    }

    fn dphi_over_r(&self, r: f64) -> f64 {
        GRAVITATIONAL_CONSTANT * self.mass / self.scale.powi(3) * mass_over_u3(self.u(r))
    }

    fn d2phi(&self, r: f64) -> f64 {
        if self.in_core(r) {
            return self.dphi_over_r(r);
        }
        let u = self.u(r);
        let unit = GRAVITATIONAL_CONSTANT * self.mass / self.scale.powi(3);
        unit * (1.0 / (u * (1.0 + u) * (1.0 + u)) - 2.0 * mass_over_u3(u))
    }

    fn rho(&self, r: f64) -> f64 {
        let u = self.u(r);
        if self.in_core(r) {
            return 3.0 * self.mass * mass_over_u3(u) / (4.0 * PI * self.scale.powi(3));
        }
        self.mass / (4.0 * PI * self.scale.powi(3) * u * (1.0 + u) * (1.0 + u))
    }
}

spherical_potential!(Nfw);
