//! The Sun: stated once, where stars come in, and kept with what was seen from it.
//!
//! Every observable (`distance`, `l`, `b`, …) of a table has the Sun it was seen from in its metadata. Stages that make positions and
//! velocities of observables take it from there.

use dynamics::sky::{Side, Sun};
use runner::arrow_schema::{Field, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::Column;
use crate::common::parameters::{ANY, KmPerSecond, Kpc};

/// Position and velocity of the Sun. The default is that of Ibata et al. (2021): R0 of the Gravity Collaboration (2018), u and w of
/// Schönrich et al. (2010), v and v_lsr of Bovy (2020), in the plane.
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
    /// Which way the x axis points.
    #[serde(skip_serializing_if = "SunSide::is_default")]
    pub side: SunSide,
}

/// On which side of the Galactic centre the Sun is. y points in the direction of rotation, z to the north Galactic pole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SunSide {
    /// At x = −R0: x points from the Sun to the centre, and stars that rotate with the Galaxy have J_phi < 0. As astropy's Galactocentric.
    #[default]
    MinusX,
    /// At x = +R0: the mirror image in x, where stars that rotate with the Galaxy have J_phi > 0. As galpy.
    PlusX,
}

impl SunSide {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for SunParameters {
    fn default() -> Self {
        let Sun {
            r0, z, u, v, w, v_lsr, ..
        } = Sun::DEFAULT;
        Self {
            r0: Kpc(r0),
            z: Kpc(z),
            u: KmPerSecond(u),
            v: KmPerSecond(v),
            w: KmPerSecond(w),
            v_lsr: KmPerSecond(v_lsr),
            side: SunSide::default(),
        }
    }
}

impl From<&SunParameters> for Sun {
    fn from(sun: &SunParameters) -> Self {
        let SunParameters {
            r0,
            z,
            u,
            v,
            w,
            v_lsr,
            side,
        } = *sun;
        Self {
            r0: r0.get(),
            z: z.get(),
            u: u.get(),
            v: v.get(),
            w: w.get(),
            v_lsr: v_lsr.get(),
            side: match side {
                SunSide::MinusX => Side::MinusX,
                SunSide::PlusX => Side::PlusX,
            },
        }
    }
}

/// Metadata of a field that is seen from the Sun: its parameters as JSON.
const KEY: &str = "sun";

/// The field of a column as seen from this Sun; see [`marked`].
pub fn seen_from(sun: &SunParameters, column: &Column) -> Field {
    marked(sun, column.field())
}

/// The same field; a heliocentric one says in its metadata that it is seen from this Sun.
pub fn marked(sun: &SunParameters, field: Field) -> Field {
    if field
        .metadata()
        .get("frame")
        .is_none_or(|frame| frame != "heliocentric")
    {
        return field;
    }
    let mut metadata = field.metadata().clone();
    metadata.insert(KEY.to_owned(), serde_json::to_string(sun).unwrap_or_default());
    field.with_metadata(metadata)
}

/// The Sun from which the stars of a table were seen, where it says so.
pub fn stated(schema: &Schema) -> Option<SunParameters> {
    let mut texts = schema.fields().iter().filter_map(|field| field.metadata().get(KEY));
    texts.find_map(|text| serde_json::from_str(text).ok())
}

/// The Sun of the table at `port`: that which it states, or the one `given`, or the default; an error where the first two differ.
pub fn agreed(port: &str, schema: &Schema, given: Option<SunParameters>) -> Result<SunParameters, String> {
    match (stated(schema), given) {
        (Some(stated), Some(given)) if stated != given => Err(format!(
            "{port}: its stars were seen from another Sun, {}, than `sun` says: leave `sun` out",
            place(&stated)
        )),
        (stated, given) => Ok(stated.or(given).unwrap_or_default()),
    }
}

/// A Sun in words.
fn place(sun: &SunParameters) -> String {
    let Sun { r0, v, v_lsr, side, .. } = Sun::from(sun);
    let sign = if side == Side::MinusX { "−" } else { "" };
    format!("at x = {sign}{r0} kpc with V = {} km/s", v + v_lsr)
}

/// A Sun in words, with what follows for the sign of J_phi.
pub fn shown(sun: &SunParameters) -> String {
    let rotation = if sun.side == SunSide::MinusX { "<" } else { ">" };
    format!("{}; rotation has J_phi {rotation} 0", place(sun))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::common::columns::{CARTESIAN, OBSERVABLES};

    #[test]
    fn observables_keep_their_sun_and_nothing_else_does() {
        let sun: SunParameters = serde_json::from_value(serde_json::json!({ "r0": 8.2, "side": "plus_x" })).unwrap();
        let fields = OBSERVABLES
            .iter()
            .chain(&CARTESIAN)
            .map(|column| seen_from(&sun, column));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        assert_eq!(stated(&schema), Some(sun));
        let cartesian = Schema::new(CARTESIAN.map(|column| seen_from(&sun, &column)).to_vec());
        assert_eq!(stated(&cartesian), None);
        assert_eq!(agreed("stars", &schema, None), Ok(sun));
        assert_eq!(agreed("stars", &cartesian, None), Ok(SunParameters::default()));
        let other = agreed("stars", &schema, Some(SunParameters::default())).unwrap_err();
        assert!(other.contains("x = 8.2 kpc"), "{other}");
    }

    /// Written out, the default is what it was before there were sides.
    #[test]
    fn the_default_is_one_and_the_same() {
        assert_eq!(Sun::from(&SunParameters::default()), Sun::default());
        let text = serde_json::to_string(&SunParameters::default()).unwrap();
        assert_eq!(text, r#"{"r0":8.122,"z":0.0,"u":11.1,"v":7.2,"w":7.25,"v_lsr":243.0}"#);
    }
}
