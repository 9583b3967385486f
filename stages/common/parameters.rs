//! Parameter types that several stage kinds share. Units are those of every boundary: kpc, km/s, M_sun, Gyr.

use dynamics::sky::Sun;
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A quantity that must be positive and finite, so that a wrong value is reported where it stands.
macro_rules! positive_quantity {
    ($(#[doc = $doc:literal] $name:ident, $noun:literal, $unit:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "f64", into = "f64")]
        #[schemars(extend("exclusiveMinimum" = 0, "x-noun" = $noun, "x-unit" = $unit))]
        pub struct $name(pub(crate) f64);

        impl $name {
            /// The value.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                if value.is_finite() && value > 0.0 {
                    Ok(Self(value))
                } else {
                    Err(format!(concat!($noun, " must be positive", " (", $unit, "), not {}"), value))
                }
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }
    )*};
}

positive_quantity! {
    #[doc = "A mass in M_sun."] SolarMasses, "a mass", "M_sun";
    #[doc = "A length in kpc."] Kpc, "a length", "kpc";
    #[doc = "A time in Gyr."] Gyr, "a time", "Gyr";
    #[doc = "A speed in km/s."] KmPerSecond, "a speed", "km/s";
    #[doc = "An action in km/s kpc."] KmPerSecondKpc, "an action", "km/s kpc";
}

/// Position and velocity of the Sun; see [`crate::common::columns::OBSERVABLES`] for what is observed from there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SunParameters {
    /// Distance from the Galactic centre in the plane, kpc.
    pub r0: f64,
    /// Height above the plane, kpc.
    pub z: f64,
    /// Peculiar velocity towards the Galactic centre, km/s.
    pub u: f64,
    /// Peculiar velocity in the direction of rotation, km/s.
    pub v: f64,
    /// Peculiar velocity towards the north Galactic pole, km/s.
    pub w: f64,
    /// Speed of the local standard of rest, km/s.
    pub v_lsr: f64,
}

impl Default for SunParameters {
    fn default() -> Self {
        Self {
            r0: 8.122,
            z: 0.0,
            u: 11.1,
            v: 7.2,
            w: 7.25,
            v_lsr: 243.0,
        }
    }
}

impl SunParameters {
    /// Faults of the values, at `at` below `with`.
    pub fn faults(&self, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let fields = [
            ("r0", self.r0),
            ("z", self.z),
            ("u", self.u),
            ("v", self.v),
            ("w", self.w),
            ("v_lsr", self.v_lsr),
        ];
        for (name, value) in fields {
            if !value.is_finite() {
                faults.push(Fault::new(
                    &format!("{at}.{name}"),
                    format!("must be a finite number, not {value}"),
                ));
            }
        }
        if self.r0 <= 0.0 {
            let message = format!("must be positive (kpc), not {}", self.r0);
            faults.push(Fault::new(&format!("{at}.r0"), message));
        }
        faults
    }
}

/// A fault if `value` is not above zero.
pub fn positive<T: PartialOrd + Default + std::fmt::Display>(at: &str, value: Option<T>) -> Option<Fault> {
    let value = value?;
    // Written so that NaN, which compares as nothing, is a fault.
    let is_positive = value > T::default();
    (!is_positive).then(|| Fault::new(at, format!("must be positive, not {value}")))
}

impl From<&SunParameters> for Sun {
    fn from(sun: &SunParameters) -> Self {
        let SunParameters { r0, z, u, v, w, v_lsr } = *sun;
        Self { r0, z, u, v, w, v_lsr }
    }
}
