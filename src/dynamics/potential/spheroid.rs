//! Spheroids with a broken power law and an outer cut-off.

use std::f64::consts::PI;

/// ρ = ρ₀ (m/r₀)^(−γ) (1 + m/r₀)^(γ−β) exp(−(m/r_cut)²), m² = R² + z²/q².
///
/// **Source**: Dehnen & Binney (1998), equation 1.
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
    /// Scale radius r₀, kpc.
    pub scale_radius: f64,
    /// Cut-off radius, kpc; infinite for none.
    pub cutoff_radius: f64,
}

impl Spheroid {
    /// Density at cylindrical (R, z), M_sun/kpc³; the radius is floored at 1e-100 kpc, so a cusp stays finite.
    pub fn density(&self, radius: f64, z: f64) -> f64 {
        let m = radius.hypot(z / self.axis_ratio).max(1e-100);
        let ratio = m / self.scale_radius;
        let cut = m / self.cutoff_radius;
        let power = -self.inner_slope * ratio.ln() + (self.inner_slope - self.outer_slope) * ratio.ln_1p();
        self.density * (power - cut * cut).exp()
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
