//! Double-exponential discs with a central hole, split into an analytic potential and a smooth residual density.
//!
//! The density is ρ = Σ(R) h(z). With H'' = h the function Φ₀ = 4πG Σ(r) H(z), r² = R² + z², carries all of the thin
//! structure; what is left, ρ − ∇²Φ₀/4πG, is smooth enough for a multipole expansion.
//! **Source**: Dehnen & Binney (1998), section 2.3.

use crate::units::GRAVITATIONAL_CONSTANT as G;
use std::f64::consts::PI;

/// How a disc's density falls with height.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// exp(−|z|/z_d)/(2 z_d).
    #[default]
    Exponential,
    /// sech²(z/2z_d)/(4 z_d): a disc of one temperature.
    Isothermal,
}

/// Parameters of one disc: Σ(R) = Σ₀ exp(−R_hole/R − R/R_d), and its profile in z.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Disc {
    /// Central surface density Σ₀, M_sun/kpc².
    pub surface_density: f64,
    /// Scale length R_d, kpc.
    pub scale_length: f64,
    /// Scale height z_d, kpc.
    pub scale_height: f64,
    /// Radius of the central hole, kpc; 0 for none.
    pub hole_radius: f64,
    /// How the density falls with height.
    pub profile: Profile,
}

/// Σ and its first two derivatives at one radius.
struct Surface {
    value: f64,
    first: f64,
    second: f64,
}

/// h = H'' and its first two integrals at one height; `slope` is dH/dz.
struct Vertical {
    density: f64,
    slope: f64,
    value: f64,
}

impl Disc {
    fn surface(&self, radius: f64) -> Surface {
        let inverse = 1.0 / radius;
        let hole = self.hole_radius * inverse;
        let value = self.surface_density * (-hole - radius / self.scale_length).exp();
        let slope = hole * inverse - 1.0 / self.scale_length;
        if value == 0.0 {
            return Surface {
                value,
                first: 0.0,
                second: 0.0,
            };
        }
        Surface {
            value,
            first: value * slope,
            second: value * (slope * slope - 2.0 * hole * inverse * inverse),
        }
    }

    fn vertical(&self, z: f64) -> Vertical {
        let height = self.scale_height;
        let w = z.abs() / height;
        let rest = (-w).exp();
        if self.profile == Profile::Isothermal {
            // ln cosh(w/2) = w/2 + ln(1 + e^−w) − ln 2, and sech²(w/2) = 4e^−w/(1 + e^−w)².
            let sum = 1.0 + rest;
            return Vertical {
                density: rest / (height * sum * sum),
                slope: 0.5 * (1.0 - rest) / sum * z.signum(),
                value: height * (0.5 * w + (0.5 * sum).ln()),
            };
        }
        Vertical {
            density: 0.5 * rest / height,
            slope: 0.5 * (1.0 - rest) * z.signum(),
            value: 0.5 * height * (rest - 1.0 + w),
        }
    }

    /// Total mass, M_sun (2π ∫ Σ R dR; exact without a hole, by quadrature with one).
    pub fn mass(&self) -> f64 {
        let step = 1e-3;
        let sum: f64 = (-16_000..8_000)
            .map(|i| {
                let radius = self.scale_length * (f64::from(i) * step).exp();
                self.surface(radius).value * radius * radius
            })
            .sum();
        2.0 * PI * sum * step
    }

    /// Density Σ(R) h(z), M_sun/kpc³.
    pub fn density(&self, radius: f64, z: f64) -> f64 {
        self.surface(radius.max(1e-200)).value * self.vertical(z).density
    }

    /// What is left for the multipole expansion: ρ − ∇²Φ₀/4πG, M_sun/kpc³.
    ///
    /// [Σ(R) − Σ(r)] h − Σ''(r) H − (2/r) Σ'(r) (H + z H')
    pub fn residual_density(&self, radius: f64, z: f64) -> f64 {
        let r = radius.hypot(z).max(1e-200);
        let s = self.surface(r);
        let v = self.vertical(z);
        let thin = (self.surface(radius.max(1e-200)).value - s.value) * v.density;
        thin - s.second * v.value - 2.0 / r * s.first * (v.value + z * v.slope)
    }

    /// Adds the analytic part's Φ₀ and acceleration. `r` is |x|, given because the caller has it.
    #[inline]
    pub(crate) fn add_force(&self, x: [f64; 3], r: f64, potential: &mut f64, acceleration: &mut [f64; 3]) {
        let inverse = 1.0 / r;
        let hole = self.hole_radius * inverse;
        let sigma = 4.0 * PI * G * self.surface_density * (-hole - r / self.scale_length).exp();
        let slope = sigma * (hole * inverse - 1.0 / self.scale_length);
        let v = self.vertical(x[2]);
        *potential += sigma * v.value;
        let radial = slope * v.value * inverse;
        acceleration[0] -= radial * x[0];
        acceleration[1] -= radial * x[1];
        acceleration[2] -= radial * x[2] + sigma * v.slope;
    }

    /// Φ₀ alone: the same as [`add_force`](Self::add_force) adds.
    #[inline]
    pub(crate) fn potential(&self, z: f64, r: f64) -> f64 {
        let hole = self.hole_radius * (1.0 / r);
        let sigma = 4.0 * PI * G * self.surface_density * (-hole - r / self.scale_length).exp();
        sigma * self.vertical(z).value
    }

    /// Adds the second derivatives of Φ₀.
    pub(crate) fn add_hessian(&self, x: [f64; 3], r: f64, hessian: &mut [[f64; 3]; 3]) {
        let s = self.surface(r);
        let v = self.vertical(x[2]);
        let factor = 4.0 * PI * G;
        let n = [x[0] / r, x[1] / r, x[2] / r];
        let across = factor * s.first / r * v.value;
        let along = factor * s.second * v.value - across;
        let mixed = factor * s.first * v.slope;
        for i in 0..3 {
            hessian[i][i] += across;
            for j in 0..3 {
                hessian[i][j] += along * n[i] * n[j];
            }
            hessian[i][2] += mixed * n[i];
            hessian[2][i] += mixed * n[i];
        }
        hessian[2][2] += factor * s.value * v.density;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The residual is the density minus a quarter of the analytic part's Laplacian over πG.
    #[test]
    fn residual_is_what_the_analytic_part_leaves() {
        let gas = |profile| Disc {
            surface_density: 9.45e7,
            scale_length: 5.36,
            scale_height: 0.04,
            hole_radius: 4.0,
            profile,
        };
        let places = [(3.0, 0.02), (8.0, -0.3), (1.0, 2.0), (0.3, 0.01)];
        let both = [Profile::Exponential, Profile::Isothermal].map(|profile| places.map(|place| (gas(profile), place)));
        for (disc, (radius, z)) in both.into_iter().flatten() {
            let x = [radius, 0.0, z];
            let mut hessian = [[0.0; 3]; 3];
            disc.add_hessian(x, f64::hypot(radius, z), &mut hessian);
            let laplacian = hessian[0][0] + hessian[1][1] + hessian[2][2];
            let expected = disc.density(radius, z) - laplacian / (4.0 * PI * G);
            let scale = disc.density(radius, 0.0) + 1.0;
            assert!((disc.residual_density(radius, z) - expected).abs() < 1e-10 * scale);
        }
    }

    /// h integrates to 1, and H' and H are its integrals.
    #[test]
    fn vertical_profiles_are_integrals_of_each_other() {
        for profile in [Profile::Exponential, Profile::Isothermal] {
            let disc = Disc {
                surface_density: 1.0,
                scale_length: 1.0,
                scale_height: 0.3,
                hole_radius: 0.0,
                profile,
            };
            let step = 1e-4;
            for z in [0.05, 0.3, 1.0, 4.0] {
                let (below, at, above) = (disc.vertical(z - step), disc.vertical(z), disc.vertical(z + step));
                assert!(((above.value - below.value) / (2.0 * step) - at.slope).abs() < 1e-7);
                assert!(((above.slope - below.slope) / (2.0 * step) - at.density).abs() < 1e-7);
            }
            assert_eq!((disc.vertical(0.0).value, disc.vertical(0.0).slope.abs()), (0.0, 0.0));
            assert!((disc.vertical(30.0).slope - 0.5).abs() < 1e-15);
        }
    }

    #[test]
    fn mass_without_a_hole_is_analytic() {
        let disc = Disc {
            surface_density: 1e8,
            scale_length: 2.5,
            scale_height: 0.3,
            hole_radius: 0.0,
            profile: Profile::Exponential,
        };
        let exact = 2.0 * PI * 1e8 * 2.5 * 2.5;
        // Trapezoid in ln R of an entire function; cut at e^-16 R_d.
        assert!((disc.mass() / exact - 1.0).abs() < 1e-9);
    }
}
