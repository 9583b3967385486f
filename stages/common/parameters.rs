//! Parameter types that several stage kinds share. Units are those of every boundary: kpc, km/s, M_sun, Gyr.

use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ::parameters::quantities::*;

/// A fault if `value` is not above zero.
pub fn positive<T: PartialOrd + Default + std::fmt::Display>(at: &str, value: Option<T>) -> Option<Fault> {
    let value = value?;
    // Written so that NaN, which compares as nothing, is a fault.
    let is_positive = value > T::default();
    (!is_positive).then(|| Fault::new(at, format!("must be positive, not {value}")))
}

/// A fault if a probability of dropping a unit is none in [0, 1).
pub fn dropout(at: &str, value: Option<f64>) -> Option<Fault> {
    let value = value.filter(|dropout| !(0.0..1.0).contains(dropout))?;
    Some(Fault::new(at, format!("must be at least 0 and below 1, not {value}")))
}

/// A fault if `value` is below zero, or no number.
pub fn not_negative(at: &str, value: f64) -> Option<Fault> {
    let is_right = value >= 0.0 && value.is_finite();
    (!is_right).then(|| Fault::new(at, format!("must not be negative, not {value}")))
}

/// The symmetry of a learned potential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldSymmetry {
    /// None.
    #[default]
    None,
    /// About the z axis, and the same on both sides of the plane.
    Axisymmetric,
}

impl FieldSymmetry {
    /// Whether it is axisymmetric.
    pub fn is_axisymmetric(self) -> bool {
        self == Self::Axisymmetric
    }
}
