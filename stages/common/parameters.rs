//! Parameter types that several stage kinds share. Units are those of every boundary: kpc, km/s, M_sun, Gyr.

use dynamics::sky::Sun;
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ::parameters::quantities::*;

/// Position and velocity of the Sun; see [`crate::common::columns::OBSERVABLES`] for what is observed from there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SunParameters {
    /// Distance from the Galactic centre in the plane, kpc.
    pub r0: Kpc,
    /// Height above the plane, kpc.
    pub z: Kpc<ANY>,
    /// Peculiar velocity towards the Galactic centre, km/s.
    pub u: KmPerSecond<ANY>,
    /// Peculiar velocity in the direction of rotation, km/s.
    pub v: KmPerSecond<ANY>,
    /// Peculiar velocity towards the north Galactic pole, km/s.
    pub w: KmPerSecond<ANY>,
    /// Speed of the local standard of rest, km/s.
    pub v_lsr: KmPerSecond<ANY>,
}

impl Default for SunParameters {
    fn default() -> Self {
        Self {
            r0: Kpc(8.122),
            z: Kpc(0.0),
            u: KmPerSecond(11.1),
            v: KmPerSecond(7.2),
            w: KmPerSecond(7.25),
            v_lsr: KmPerSecond(243.0),
        }
    }
}

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

impl From<&SunParameters> for Sun {
    fn from(sun: &SunParameters) -> Self {
        let SunParameters { r0, z, u, v, w, v_lsr } = *sun;
        Self {
            r0: r0.get(),
            z: z.get(),
            u: u.get(),
            v: v.get(),
            w: w.get(),
            v_lsr: v_lsr.get(),
        }
    }
}
