//! Numbers with their derivatives by the three toy angles: forward-mode differentiation of the features.

use tch::Tensor;

/// A value of shape […] and, where wanted, its derivatives of shape […, 3].
#[derive(Debug)]
pub struct Dual {
    /// The value.
    pub value: Tensor,
    /// Its derivatives by the angles.
    pub tangent: Option<Tensor>,
}

impl Dual {
    /// A number that does not depend on the angles.
    pub fn constant(value: Tensor) -> Self {
        Self { value, tangent: None }
    }

    /// f(self) from its value and its derivative f′.
    fn map(&self, value: Tensor, slope: impl FnOnce() -> Tensor) -> Self {
        let tangent = self.tangent.as_ref().map(|tangent| tangent * slope().unsqueeze(-1));
        Self { value, tangent }
    }

    /// self + other.
    pub fn add(&self, other: &Self) -> Self {
        let tangent = match (&self.tangent, &other.tangent) {
            (Some(a), Some(b)) => Some(a + b),
            (Some(a), None) | (None, Some(a)) => Some(a.shallow_clone()),
            (None, None) => None,
        };
        Self {
            value: &self.value + &other.value,
            tangent,
        }
    }

    /// self × other.
    pub fn mul(&self, other: &Self) -> Self {
        let left = self.map(&self.value * &other.value, || other.value.shallow_clone());
        let right = other.tangent.as_ref().map(|tangent| tangent * self.value.unsqueeze(-1));
        let tangent = match (left.tangent, right) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Self {
            value: left.value,
            tangent,
        }
    }

    /// self / other.
    pub fn div(&self, other: &Self) -> Self {
        let inverse = other.value.reciprocal();
        let slope = -inverse.square();
        self.mul(&other.map(inverse, || slope))
    }

    /// factor × self.
    pub fn scale(&self, factor: f64) -> Self {
        Self {
            value: &self.value * factor,
            tangent: self.tangent.as_ref().map(|tangent| tangent * factor),
        }
    }

    /// self + term.
    pub fn plus(&self, term: f64) -> Self {
        Self {
            value: &self.value + term,
            tangent: self.tangent.as_ref().map(Tensor::shallow_clone),
        }
    }

    /// self².
    pub fn square(&self) -> Self {
        self.map(self.value.square(), || &self.value * 2.0)
    }

    /// √self.
    pub fn sqrt(&self) -> Self {
        let root = self.value.sqrt();
        self.map(root.shallow_clone(), || root.reciprocal() * 0.5)
    }

    /// ln self.
    pub fn ln(&self) -> Self {
        self.map(self.value.log(), || self.value.reciprocal())
    }

    /// self / √(self² + 1): saturates at ±1.
    pub fn saturated(&self) -> Self {
        self.div(&self.square().plus(1.0).sqrt())
    }

    /// self² / (self² + 1): saturates at 1.
    pub fn saturated_square(&self) -> Self {
        let square = self.square();
        square.div(&square.plus(1.0))
    }
}
