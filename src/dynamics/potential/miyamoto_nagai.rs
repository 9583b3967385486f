//! The Miyamoto–Nagai disc.

use super::{InvalidParameter, Potential, Symmetry, not_negative, positive};
use crate::units::GRAVITATIONAL_CONSTANT;
use std::f64::consts::PI;

/// The Miyamoto–Nagai disc, Φ = −GM / √(R² + (a + √(z² + b²))²).
///
/// **Source**: Miyamoto & Nagai (1975) Eq. 4–5; Binney & Tremaine (2008) Eq. 2.69.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MiyamotoNagai {
    mass: f64,
    radius: f64,
    height: f64,
}

impl MiyamotoNagai {
    /// A disc of `mass` M_sun, scale radius a ≥ 0 and scale height b > 0 in kpc.
    pub fn new(mass: f64, radius: f64, height: f64) -> Result<Self, InvalidParameter> {
        Ok(Self {
            mass: positive("miyamoto_nagai", "mass", mass)?,
            radius: not_negative("miyamoto_nagai", "radius", radius)?,
            height: positive("miyamoto_nagai", "height", height)?,
        })
    }

    /// The same with a mass of either sign: one of several whose sum is a disc.
    pub fn of_any_mass(mass: f64, radius: f64, height: f64) -> Result<Self, InvalidParameter> {
        let unit = Self::new(1.0, radius, height)?;
        if mass.is_finite() {
            return Ok(Self { mass, ..unit });
        }
        Err(InvalidParameter {
            potential: "miyamoto_nagai",
            parameter: "mass",
            value: mass,
            requirement: "finite",
        })
    }

    /// (GM, √(z² + b²), a + √(z² + b²), R² + (a + √(z² + b²))²).
    fn parts(&self, x: [f64; 3]) -> (f64, f64, f64, f64) {
        let zeta = (x[2] * x[2] + self.height * self.height).sqrt();
        let sum = self.radius + zeta;
        (
            GRAVITATIONAL_CONSTANT * self.mass,
            zeta,
            sum,
            x[0] * x[0] + x[1] * x[1] + sum * sum,
        )
    }
}

impl Potential for MiyamotoNagai {
    fn potential(&self, x: [f64; 3]) -> f64 {
        let (gm, _, _, square) = self.parts(x);
        -gm / square.sqrt()
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.potential_and_acceleration(x).1
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        let (gm, zeta, sum, square) = self.parts(x);
        let cube = gm / (square * square.sqrt());
        let fifth = 3.0 * cube / square;
        let vertical = x[2] * sum / zeta;
        let gradient = [x[0], x[1], vertical];
        let mut hessian = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                hessian[i][j] = -fifth * gradient[i] * gradient[j];
            }
        }
        hessian[0][0] += cube;
        hessian[1][1] += cube;
        // d(z (a + ζ)/ζ)/dz = 1 + a b²/ζ³.
        hessian[2][2] += cube * (1.0 + self.radius * self.height * self.height / zeta.powi(3));
        hessian
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        let (_, zeta, sum, square) = self.parts(x);
        let r2 = x[0] * x[0] + x[1] * x[1];
        let shape = self.radius * r2 + (self.radius + 3.0 * zeta) * sum * sum;
        self.height * self.height * self.mass / (4.0 * PI) * shape / (square * square * square.sqrt() * zeta.powi(3))
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let (gm, zeta, sum, square) = self.parts(x);
        let root = square.sqrt();
        let cube = -gm / (square * root);
        (-gm / root, [x[0] * cube, x[1] * cube, x[2] * sum / zeta * cube])
    }

    fn symmetry(&self) -> Symmetry {
        Symmetry::Axisymmetric
    }
}
