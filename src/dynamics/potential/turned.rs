//! Any potential, turned about the z axis.

use super::{Potential, Symmetry};

/// A potential whose x axis is turned towards y by an angle, anticlockwise as seen from the side of positive z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turned<P> {
    inner: P,
    cos: f64,
    sin: f64,
}

impl<P: Potential> Turned<P> {
    /// `inner` turned by `angle` in radians.
    pub fn new(inner: P, angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { inner, cos, sin }
    }

    /// A vector in the frame of `inner`.
    fn inwards(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        [x * self.cos + y * self.sin, y * self.cos - x * self.sin, z]
    }

    /// A vector of the frame of `inner` in ours.
    fn outwards(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        [x * self.cos - y * self.sin, y * self.cos + x * self.sin, z]
    }
}

impl<P: Potential> Potential for Turned<P> {
    fn potential(&self, x: [f64; 3]) -> f64 {
        self.inner.potential(self.inwards(x))
    }

    fn acceleration(&self, x: [f64; 3]) -> [f64; 3] {
        self.outwards(self.inner.acceleration(self.inwards(x)))
    }

    fn hessian(&self, x: [f64; 3]) -> [[f64; 3]; 3] {
        // R H Rᵀ: R on every row, then on every column.
        let rows = self.inner.hessian(self.inwards(x)).map(|row| self.outwards(row));
        let columns = [0, 1, 2].map(|j| self.outwards([0, 1, 2].map(|i| rows[i][j])));
        [0, 1, 2].map(|i| [0, 1, 2].map(|j| columns[j][i]))
    }

    fn density(&self, x: [f64; 3]) -> f64 {
        self.inner.density(self.inwards(x))
    }

    fn potential_and_acceleration(&self, x: [f64; 3]) -> (f64, [f64; 3]) {
        let (phi, acceleration) = self.inner.potential_and_acceleration(self.inwards(x));
        (phi, self.outwards(acceleration))
    }

    fn symmetry(&self) -> Symmetry {
        match self.inner.symmetry() {
            Symmetry::Triaxial => Symmetry::Twofold,
            other => other,
        }
    }

    fn potential_at_infinity(&self) -> f64 {
        self.inner.potential_at_infinity()
    }
}
