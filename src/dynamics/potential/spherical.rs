//! What every spherical potential shares: one radial profile gives force, Hessian and the rest.

/// A spherical mass distribution by its radial profile.
pub trait SphericalProfile: Send + Sync {
    /// Φ(r) in (km/s)².
    fn phi(&self, r: f64) -> f64;

    /// Φ'(r)/r in (km/s)²/kpc²: the square of the circular frequency. Finite at r = 0.
    fn dphi_over_r(&self, r: f64) -> f64;

    /// Φ''(r) in (km/s)²/kpc². Finite at r = 0.
    fn d2phi(&self, r: f64) -> f64;

    /// ρ(r) in M_sun/kpc³. Finite at r = 0.
    fn rho(&self, r: f64) -> f64;
}

/// ∂²Φ/∂x_i∂x_j = δ_ij Φ'/r + (Φ'' − Φ'/r) x_i x_j / r².
pub(crate) fn spherical_hessian(profile: &impl SphericalProfile, x: [f64; 3]) -> [[f64; 3]; 3] {
    let r = crate::vector::norm(x);
    let tangential = profile.dphi_over_r(r);
    let unit = if r > 0.0 { x.map(|x| x / r) } else { [0.0; 3] };
    let excess = profile.d2phi(r) - tangential;
    let mut hessian = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            hessian[i][j] = excess * unit[i] * unit[j] + if i == j { tangential } else { 0.0 };
        }
    }
    hessian
}

/// `impl Potential` for a type that has a [`SphericalProfile`].
macro_rules! spherical_potential {
    ($name:ty) => {
        impl $crate::potential::Potential for $name {
            fn potential(&self, x: [f64; 3]) -> f64 {
                self.phi($crate::vector::dot(x, x).sqrt())
            }
            fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
                let factor = -self.dphi_over_r($crate::vector::dot(x, x).sqrt());
                x.map(|x| x * factor)
            }
            fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
                $crate::potential::spherical::spherical_hessian(self, x)
            }
            fn density(&self, x: [f64; 3]) -> f64 {
                self.rho($crate::vector::dot(x, x).sqrt())
            }
            fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
                let r = $crate::vector::dot(x, x).sqrt();
                let factor = -self.dphi_over_r(r);
                (self.phi(r), x.map(|x| x * factor))
            }
            fn symmetry(&self) -> $crate::potential::Symmetry {
                $crate::potential::Symmetry::Spherical
            }
        }
    };
}
pub(crate) use spherical_potential;
