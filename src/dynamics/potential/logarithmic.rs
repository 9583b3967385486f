//! The logarithmic halo, axisymmetric or triaxial.

use super::{InvalidParameter, Potential, Symmetry, poisson_density, positive};

/// The logarithmic halo, Φ = ½ v₀² ln(r_c² + x²/p² + y²/q² + z²/s²), with lengths in kpc.
///
/// Its density is positive everywhere only for moderate flattening (s² > ½ in the axisymmetric case).
///
/// **Source**: Binney & Tremaine (2008) Eq. 2.71; section 7 of Ibata et al. (2021) for the triaxial one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logarithmic {
    velocity: f64,
    core: f64,
    axes: [f64; 3],
}

impl Logarithmic {
    /// A halo of asymptotic `velocity` v₀ in km/s, `core` radius r_c in kpc and axis ratios p, q, s: all positive.
    pub fn new(velocity: f64, core: f64, axes: [f64; 3]) -> Result<Self, InvalidParameter> {
        positive("logarithmic", "axis ratio p", axes[0])?;
        positive("logarithmic", "axis ratio q", axes[1])?;
        positive("logarithmic", "axis ratio s", axes[2])?;
        Ok(Self {
            velocity: positive("logarithmic", "velocity", velocity)?,
            core: positive("logarithmic", "core", core)?,
            axes,
        })
    }

    /// The halo that is round about the z axis with the axis ratio `flattening` = s.
    pub fn axisymmetric(velocity: f64, core: f64, flattening: f64) -> Result<Self, InvalidParameter> {
        Self::new(velocity, core, [1.0, 1.0, flattening])
    }

    /// x_i / axis_i², and their sum times x_i: m² = Σ x_i²/axis_i².
    fn parts(&self, x: [f64; 3]) -> ([f64; 3], f64) {
        let scaled = [0, 1, 2].map(|i| x[i] / (self.axes[i] * self.axes[i]));
        (scaled, x[0] * scaled[0] + x[1] * scaled[1] + x[2] * scaled[2])
    }
}

impl Potential for Logarithmic {
    fn potential(&self, x: [f64; 3]) -> f64 {
        // The constant apart, so that small differences inside the core keep their digits.
        let core = self.core * self.core;
        0.5 * self.velocity * self.velocity * (core.ln() + (self.parts(x).1 / core).ln_1p())
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        let (scaled, m2) = self.parts(x);
        let square = self.core * self.core + m2;
        scaled.map(|scaled| -self.velocity * self.velocity * scaled / square)
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let (scaled, m2) = self.parts(x);
        let square = self.core * self.core + m2;
        let unit = self.velocity * self.velocity / square;
        let mut hessian = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                hessian[i][j] = -2.0 * unit * scaled[i] * scaled[j] / square;
            }
            hessian[i][i] += unit / (self.axes[i] * self.axes[i]);
        }
        hessian
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        poisson_density(self.hessian(x))
    }

    fn symmetry(&self) -> Symmetry {
        match self.axes {
            [p, q, s] if p == q && q == s => Symmetry::Spherical,
            [p, q, _] if p == q => Symmetry::Axisymmetric,
            _ => Symmetry::Triaxial,
        }
    }

    fn potential_at_infinity(&self) -> f64 {
        f64::INFINITY
    }
}
