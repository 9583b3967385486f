//! A power law with an exponential cut-off: the bulge of many models of the Galaxy.

use super::cusp::Cusp;
use super::spherical::spherical_potential;
use super::{InvalidParameter, SphericalProfile, positive};
use crate::numerics::{incomplete_gamma, ln_gamma};
use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::f64::consts::PI;

/// The sphere ρ ∝ r^(−α) exp(−(r/r_c)²).
///
/// M(r) = M P(3/2 − α/2, s) and Φ = −GM(r)/r − (GM/r_c) Γ(1 − α/2, s)/Γ(3/2 − α/2), s = (r/r_c)², with the incomplete Γ function
/// and its regularised form P.
///
/// **Source**: the mass inside r, and Φ = −GM(r)/r − 4πG ∫_r^∞ ρ a da; Bovy (2015), table 1, has it as a bulge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLawCutoff {
    mass: f64,
    slope: f64,
    cutoff: f64,
}

impl PowerLawCutoff {
    /// A sphere of total `mass` M_sun, slope 0 ≤ α < 2 and `cutoff` radius r_c in kpc.
    pub fn new(mass: f64, slope: f64, cutoff: f64) -> Result<Self, InvalidParameter> {
        if !(0.0..2.0).contains(&slope) {
            return Err(InvalidParameter {
                potential: "power_law_cutoff",
                parameter: "slope",
                value: slope,
                requirement: "at least 0 and below 2",
            });
        }
        Ok(Self {
            mass: positive("power_law_cutoff", "mass", mass)?,
            slope,
            cutoff: positive("power_law_cutoff", "cutoff", cutoff)?,
        })
    }

    /// 3/2 − α/2.
    fn order(&self) -> f64 {
        1.5 - 0.5 * self.slope
    }

    fn square(&self, r: f64) -> f64 {
        (r / self.cutoff).powi(2)
    }
}

impl Cusp for PowerLawCutoff {
    fn length(&self) -> f64 {
        self.cutoff
    }

    fn mass_within(&self, r: f64) -> f64 {
        self.mass * incomplete_gamma(self.order(), self.square(r)).0
    }

    fn potential_of(&self, r: f64) -> f64 {
        let order = self.order();
        let outer = incomplete_gamma(order - 0.5, self.square(r)).1;
        let shells = (ln_gamma(order - 0.5) - ln_gamma(order)).exp() * outer;
        -G * (self.mass_within(r) / r + self.mass / self.cutoff * shells)
    }

    fn density_of(&self, r: f64) -> f64 {
        let shape = (-self.square(r) - self.slope * (r / self.cutoff).ln() - ln_gamma(self.order())).exp();
        self.mass / (2.0 * PI * self.cutoff.powi(3)) * shape
    }
}

spherical_potential!(PowerLawCutoff);
