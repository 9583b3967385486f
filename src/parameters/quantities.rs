//! Numbers with units. Units are those of every boundary: kpc, km/s, M_sun, Gyr.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Range of a quantity: above 0.
pub const POSITIVE: u8 = 0;
/// Range of a quantity: 0 or more.
pub const FROM_ZERO: u8 = 1;
/// Range of a quantity: any finite number.
pub const ANY: u8 = 2;

/// Numbers with a unit and a range, so that a wrong value is reported where it stands. The schema says both, and so lets a pipeline
/// write the number with another unit of the same dimension (`x-unit`).
macro_rules! quantities {
    ($(#[doc = $doc:literal] $name:ident, $noun:literal, $unit:literal, $example:literal;)*) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
            #[serde(try_from = "f64", into = "f64")]
            pub struct $name<const RANGE: u8 = POSITIVE>(
                /// In its range; what is read is checked, defaults are written so.
                pub f64,
            );

            impl<const RANGE: u8> $name<RANGE> {
                /// The value.
                pub const fn get(self) -> f64 {
                    self.0
                }
            }

            impl<const RANGE: u8> TryFrom<f64> for $name<RANGE> {
                type Error = String;

                fn try_from(value: f64) -> Result<Self, String> {
                    in_range(RANGE, value).map(Self).map_err(|range| {
                        format!(concat!($noun, " must be {}", " (", $unit, "), not {}"), range, value)
                    })
                }
            }

            impl<const RANGE: u8> From<$name<RANGE>> for f64 {
                fn from(quantity: $name<RANGE>) -> f64 {
                    quantity.0
                }
            }

            impl<const RANGE: u8> JsonSchema for $name<RANGE> {
                fn schema_name() -> Cow<'static, str> {
                    name_of(stringify!($name), RANGE)
                }

                fn schema_id() -> Cow<'static, str> {
                    name_of(concat!(module_path!(), "::", stringify!($name)), RANGE)
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    schema($doc, $noun, $unit, $example, RANGE)
                }
            }
        )*
    };
}

quantities! {
    #[doc = "A mass in M_sun."] SolarMasses, "a mass", "M_sun", "1e11 M_sun";
    #[doc = "A length in kpc."] Kpc, "a length", "kpc", "5 kpc";
    #[doc = "A time in Gyr."] Gyr, "a time", "Gyr", "100 Myr";
    #[doc = "A speed in km/s."] KmPerSecond, "a speed", "km/s", "200 km/s";
    #[doc = "An action in km/s kpc."] KmPerSecondKpc, "an action", "km/s kpc", "0.1 kpc^2/Myr";
    #[doc = "An angle in degrees."] Degrees, "an angle", "deg", "30 arcmin";
    #[doc = "A parallax in mas."] Mas, "a parallax", "mas", "20 uas";
    #[doc = "A proper motion in mas/yr."] MasPerYear, "a proper motion", "mas/yr", "20 uas/yr";
    #[doc = "A surface density in M_sun/kpc²."] SolarMassesPerKpc2, "a surface density", "M_sun/kpc^2", "500 M_sun/pc^2";
    #[doc = "A density in M_sun/kpc³."] SolarMassesPerKpc3, "a density", "M_sun/kpc^3", "0.01 M_sun/pc^3";
    #[doc = "A share in %."] Percent, "a share", "%", "2.6 %";
}

/// `value`, or the range that it is not in.
fn in_range(range: u8, value: f64) -> Result<f64, &'static str> {
    let (fits, words) = match range {
        POSITIVE => (value > 0.0, "positive"),
        FROM_ZERO => (value >= 0.0, "at least 0"),
        _ => (true, "a finite number"),
    };
    (fits && value.is_finite()).then_some(value).ok_or(words)
}

fn name_of(name: &'static str, range: u8) -> Cow<'static, str> {
    match range {
        POSITIVE => name.into(),
        FROM_ZERO => format!("{name}FromZero").into(),
        _ => format!("Any{name}").into(),
    }
}

fn schema(doc: &str, noun: &str, unit: &str, example: &str, range: u8) -> Schema {
    let mut schema = json_schema!({
        "type": "number", "format": "double", "description": doc, "x-noun": noun, "x-unit": unit, "examples": [example],
    });
    match range {
        POSITIVE => drop(schema.insert("exclusiveMinimum".to_owned(), 0.into())),
        FROM_ZERO => drop(schema.insert("minimum".to_owned(), 0.into())),
        _ => {}
    }
    schema
}
