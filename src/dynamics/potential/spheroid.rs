//! Spheroids with a broken power law and an outer cut-off.

use crate::numerics::ln_gamma;
use std::f64::consts::PI;

/// ρ = ρ₀ (m/r₀)^(−γ) (1 + (m/r₀)^α)^((γ−β)/α) exp(−(m/r_cut)^ξ), m² = R² + z²/q².
///
/// **Source**: Dehnen & Binney (1998), equation 1, has α = 1 and ξ = 2; Zhao (1996), equation 1, has α.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spheroid {
    /// Density scale ρ₀, M_sun/kpc³.
    pub density: f64,
    /// Axis ratio q = z/R of the surfaces of equal density.
    pub axis_ratio: f64,
    /// Inner slope γ (< 3).
    pub inner_slope: f64,
    /// Outer slope β (> 2 where there is no cut-off).
    pub outer_slope: f64,
    /// How sharply one slope turns into the other, α.
    pub sharpness: f64,
    /// Scale radius r₀, kpc.
    pub scale_radius: f64,
    /// Cut-off radius, kpc; infinite for none.
    pub cutoff_radius: f64,
    /// How sharply it is cut off, ξ.
    pub cutoff_strength: f64,
}

/// The shape of an NFW halo with the scale radius 1 kpc, and no mass.
impl Default for Spheroid {
    fn default() -> Self {
        Self {
            density: 0.0,
            axis_ratio: 1.0,
            inner_slope: 1.0,
            outer_slope: 3.0,
            sharpness: 1.0,
            scale_radius: 1.0,
            cutoff_radius: f64::INFINITY,
            cutoff_strength: 2.0,
        }
    }
}

impl Spheroid {
    /// Density at cylindrical (R, z), M_sun/kpc³; the radius is floored at 1e-100 kpc, so a cusp stays finite.
    pub fn density(&self, radius: f64, z: f64) -> f64 {
        let m = radius.hypot(z / self.axis_ratio).max(1e-100);
        let ratio = m / self.scale_radius;
        let cut = m / self.cutoff_radius;
        let turn = match self.sharpness {
            1.0 => ratio.ln_1p(),
            alpha => ratio.powf(alpha).ln_1p() / alpha,
        };
        let power = -self.inner_slope * ratio.ln() + (self.inner_slope - self.outer_slope) * turn;
        let cut = match self.cutoff_strength {
            2.0 => cut * cut,
            strength => cut.powf(strength),
        };
        self.density * (power - cut).exp()
    }

    /// Total mass, M_sun; `None` where it is infinite.
    ///
    /// 4πq ρ₀ r₀³ B((3 − γ)/α, (β − 3)/α)/α without a cut-off, by quadrature with one.
    pub fn mass(&self) -> Option<f64> {
        if self.cutoff_radius.is_finite() {
            // Where the cut-off leaves e^−100.
            return Some(self.mass_within(self.cutoff_radius * 100f64.powf(1.0 / self.cutoff_strength)));
        }
        let (inner, outer) = (
            (3.0 - self.inner_slope) / self.sharpness,
            (self.outer_slope - 3.0) / self.sharpness,
        );
        let beta = || (ln_gamma(inner) + ln_gamma(outer) - ln_gamma(inner + outer)).exp();
        let unit = 4.0 * PI * self.axis_ratio * self.density * self.scale_radius.powi(3) / self.sharpness;
        (inner > 0.0 && outer > 0.0).then(|| unit * beta())
    }

    /// Mass inside the spheroid m < `m_max` kpc, M_sun: 4πq ∫ ρ m² dm.
    pub fn mass_within(&self, m_max: f64) -> f64 {
        let step = 2e-3;
        let sum: f64 = (0..40_000)
            .map(|i| {
                let m = m_max * (-(f64::from(i) + 0.5) * step).exp();
                self.density(m, 0.0) * m * m * m
            })
            .sum();
        4.0 * PI * self.axis_ratio * sum * step
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A Dehnen sphere has the mass that it is made of, by either way; an NFW halo has none.
    #[test]
    fn masses_are_those_of_spheres_that_are_known() {
        let hernquist = Spheroid {
            density: 1e11 / (2.0 * PI * 8.0 * 0.7),
            axis_ratio: 0.7,
            outer_slope: 4.0,
            scale_radius: 2.0,
            ..Spheroid::default()
        };
        assert!((hernquist.mass().unwrap() / 1e11 - 1.0).abs() < 1e-12);
        let far = Spheroid {
            cutoff_radius: 1e8,
            ..hernquist
        };
        assert!((far.mass().unwrap() / 1e11 - 1.0).abs() < 1e-6);
        // ∫ 4π m² (1 + m²)^(−5/2) dm = 4π/3: Plummer's.
        let plummer = Spheroid {
            density: 1.0,
            inner_slope: 0.0,
            outer_slope: 5.0,
            sharpness: 2.0,
            ..Spheroid::default()
        };
        assert!((plummer.mass().unwrap() / (4.0 * PI / 3.0) - 1.0).abs() < 1e-12);
        assert!((plummer.mass_within(1e4) / (4.0 * PI / 3.0) - 1.0).abs() < 1e-5);
        assert_eq!(
            Spheroid {
                density: 1.0,
                ..Spheroid::default()
            }
            .mass(),
            None
        );
    }
}
