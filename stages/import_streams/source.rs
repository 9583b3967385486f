//! Where our columns come from.

use std::fmt;

use runner::stage::Fault;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::COORDINATES;
use crate::columns::{ACTIONS, ANGLES, Column, FREQUENCIES, OBSERVABLES, POSITION, TIME, VELOCITY};
use crate::units;

/// A column of the user's file: its name, or `{ column: name, unit: pc, factor: -1 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source(Full);

/// A column of the user's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Full {
    /// Its name.
    column: String,
    /// Its unit; left out, ours.
    #[serde(default)]
    unit: Option<String>,
    /// A number to multiply by, besides the unit: for another sign or scale.
    #[serde(default = "one")]
    factor: f64,
}

fn one() -> f64 {
    1.0
}

impl Source {
    /// The column's name in the file.
    pub fn name(&self) -> &str {
        &self.0.column
    }

    /// The value in our unit and range, or why it cannot be used.
    pub(super) fn convert(&self, column: &Column, value: f64) -> Result<f64, String> {
        let unit = self
            .0
            .unit
            .as_deref()
            .and_then(|unit| units::factor(unit, column.unit))
            .unwrap_or(1.0);
        let value = value * unit * self.0.factor;
        match column.name {
            _ if !value.is_finite() => Err("too large".to_owned()),
            "distance" if value <= 0.0 => Err(format!("{value}, not a positive distance")),
            "b" if value.abs() > 90.0 => Err(format!("{value}°, not a latitude")),
            "l" => Ok(value.rem_euclid(360.0)),
            "theta_phi" | "theta_z" | "theta_r" => Ok(dynamics::units::wrap_angle(value)),
            _ => Ok(value),
        }
    }

    fn faults(&self, name: &str, our_unit: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(unit) = self
            .0
            .unit
            .as_deref()
            .filter(|unit| units::factor(unit, our_unit).is_none())
        {
            let known: Vec<&str> = units::known(our_unit).iter().map(|&(name, _)| name).collect();
            let message = format!("\"{unit}\" does not convert to {our_unit}");
            let mut fault = Fault::new(&format!("columns.{name}.unit"), message);
            fault.hint = Some(format!("known units: {}", known.join(", ")));
            faults.push(fault);
        }
        if !self.0.factor.is_finite() || self.0.factor == 0.0 {
            let message = format!("must be a number other than 0, not {}", self.0.factor);
            faults.push(Fault::new(&format!("columns.{name}.factor"), message));
        }
        faults
    }

    fn is_plain(&self) -> bool {
        self.0.unit.is_none() && self.0.factor == 1.0
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;
        impl<'de> Visitor<'de> for NameOrMap {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, or { column: name, unit: …, factor: … }")
            }

            fn visit_str<E>(self, name: &str) -> Result<Source, E> {
                Ok(Source(Full {
                    column: name.to_owned(),
                    unit: None,
                    factor: 1.0,
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                Full::deserialize(MapAccessDeserializer::new(map)).map(Source)
            }
        }
        deserializer.deserialize_any(NameOrMap)
    }
}

impl JsonSchema for Source {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<Full>();
        schemars::json_schema!({
            "description": "A column of the file: its name, or its name with a unit and a factor",
            "anyOf": [{ "type": "string" }, full],
        })
    }
}

macro_rules! column_map {
    ($($field:ident => $column:expr),* $(,)?) => {
        /// Our columns, each with the column of the file that it comes from.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(non_snake_case, reason = "the names of the columns")]
        pub struct ColumnMap {
            /// Which stream a star belongs to: whole numbers or names.
            pub stream: Source,
            /// Number of the star in its stream; left out, counted.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub star: Option<Source>,
            $(
                #[doc = concat!("Our column `", stringify!($field), "`.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<Source>,
            )*
        }

        impl ColumnMap {
            /// The columns of numbers that are mapped, in our order.
            pub(super) fn numbers(&self) -> Vec<(Column, &Source)> {
                let all = [$(($column, self.$field.as_ref())),*];
                all.into_iter().filter_map(|(column, source)| Some((column, source?))).collect()
            }
        }
    };
}

column_map! {
    t => TIME,
    x => POSITION[0], y => POSITION[1], z => POSITION[2],
    vx => VELOCITY[0], vy => VELOCITY[1], vz => VELOCITY[2],
    distance => OBSERVABLES[0], l => OBSERVABLES[1], b => OBSERVABLES[2],
    v_los => OBSERVABLES[3], mu_l_cosb => OBSERVABLES[4], mu_b => OBSERVABLES[5],
    J_phi => ACTIONS[0], J_z => ACTIONS[1], J_r => ACTIONS[2],
    theta_phi => ANGLES[0], theta_z => ANGLES[1], theta_r => ANGLES[2],
    Omega_phi => FREQUENCIES[0], Omega_z => FREQUENCIES[1], Omega_r => FREQUENCIES[2],
}

impl ColumnMap {
    /// Names of all columns of the file that are read.
    pub(super) fn names(&self) -> Vec<&str> {
        let named = [Some(&self.stream), self.star.as_ref()].into_iter().flatten();
        let numbers = self.numbers().into_iter().map(|(_, source)| source);
        named.chain(numbers).map(Source::name).collect()
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let numbers = self.numbers();
        let mut faults: Vec<Fault> = numbers
            .iter()
            .flat_map(|(column, source)| source.faults(column.name, column.unit))
            .collect();
        for (name, source) in [("stream", Some(&self.stream)), ("star", self.star.as_ref())] {
            if source.is_some_and(|source| !source.is_plain()) {
                faults.push(Fault::new(
                    &format!("columns.{name}"),
                    "is a name or number: it has no unit or factor",
                ));
            }
        }
        let missing = |group: &[Column]| -> Vec<&str> {
            let names = group.iter().map(|column| column.name);
            names
                .filter(|name| numbers.iter().all(|(mapped, _)| mapped.name != *name))
                .collect()
        };
        let missing = COORDINATES.map(missing);
        if missing.iter().all(|missing| !missing.is_empty()) {
            // Complain about the set that is nearer to complete.
            let nearer = if missing[1].len() < missing[0].len() {
                &missing[1]
            } else {
                &missing[0]
            };
            let mut fault = Fault::new("columns", format!("lacks {}", nearer.join(", ")));
            fault.hint = Some("needs all of x y z vx vy vz, or all of distance l b v_los mu_l_cosb mu_b".to_owned());
            faults.push(fault);
        }
        faults
    }
}
