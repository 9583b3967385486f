//! What spherical potentials with a cusp share: the mass inside the smallest radii is spread evenly, so that nothing is infinite at the
//! origin.

use super::SphericalProfile;
use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::f64::consts::PI;

/// Radius of the homogeneous core of every cusp, in units of its scale. How far a nearly radial orbit is turned at the centre of a
/// Jaffe sphere falls with the logarithm of its pericentre: at 1e-9 such orbits would notice the core.
pub(crate) const CORE: f64 = 1e-30;

/// A spherical mass distribution by the mass inside each radius, which may be infinitely dense at the origin.
pub(crate) trait Cusp {
    /// Its scale, kpc.
    fn length(&self) -> f64;

    /// M(r), M_sun.
    fn mass_within(&self, r: f64) -> f64;

    /// Φ(r), (km/s)².
    fn potential_of(&self, r: f64) -> f64;

    /// ρ(r), M_sun/kpc³.
    fn density_of(&self, r: f64) -> f64;

    /// The radius of the core, kpc.
    fn core(&self) -> f64 {
        CORE * self.length()
    }
}

impl<C: Cusp + Send + Sync> SphericalProfile for C {
    fn phi(&self, r: f64) -> f64 {
        let core = self.core();
        if r >= core {
            return self.potential_of(r);
        }
        // Φ' is linear in the core.
        self.potential_of(core) - 0.5 * self.dphi_over_r(core) * (core * core - r * r)
    }

    fn dphi_over_r(&self, r: f64) -> f64 {
        let r = r.max(self.core());
        G * self.mass_within(r) / (r * r * r)
    }

    /// By Poisson's equation.
    fn d2phi(&self, r: f64) -> f64 {
        if r < self.core() {
            return self.dphi_over_r(r);
        }
        4.0 * PI * G * self.density_of(r) - 2.0 * self.dphi_over_r(r)
    }

    fn rho(&self, r: f64) -> f64 {
        let core = self.core();
        if r < core {
            return 3.0 * self.mass_within(core) / (4.0 * PI * core * core * core);
        }
        self.density_of(r)
    }
}
