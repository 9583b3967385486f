//! Where our columns come from.

use std::fmt;

use formats::{Role, Wanted};
use runner::error::StageError;
use runner::stage::Fault;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::common::columns::{
    ACTIONS, ANGLES, Column, FREQUENCIES, OBSERVABLES, POSITION, TIME, VELOCITY, heliocentric,
};
use crate::common::measured::{CORRELATIONS, DISTANCE_MODULUS, ERRORS, PARALLAX};
use crate::common::units;

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

    /// A column of this name in the unit that the file states, or ours.
    pub(super) fn plain(name: &str) -> Self {
        Self(Full {
            column: name.to_owned(),
            unit: None,
            factor: one(),
        })
    }

    /// The unit that the mapping says.
    pub(super) fn unit(&self) -> Option<&str> {
        self.0.unit.as_deref()
    }

    /// The number by which values are multiplied to be in our unit, with the unit that the file states for the column. What is stated
    /// of another quantity, or another unit than that of the mapping, is an error.
    pub(super) fn scale(&self, column: &Column, stated: Option<&str>, file: &str) -> Result<f64, StageError> {
        let mapped = self.0.unit.as_deref().map(|unit| units::factor(unit, column.unit));
        // Checked before the run.
        let mapped = mapped
            .transpose()
            .map_err(|mismatch| StageError::Bug(mismatch.to_string()))?;
        let name = self.name();
        let scale = match (stated.map(|unit| (unit, units::factor(unit, column.unit))), mapped) {
            (None, mapped) => mapped.unwrap_or(1.0),
            (Some((_, Ok(stated))), None) => stated,
            // Only the mapping can be read.
            (Some((_, Err(units::Mismatch::NotUnderstood { .. }))), Some(mapped)) => mapped,
            (Some((_, Err(mismatch))), _) => {
                return Err(StageError::with_hint(
                    format!("{file}: the unit of column {name} cannot be used: {mismatch}"),
                    format!(
                        "map another column; or, if the file is wrong, take its units out; or say: {{ column: {name}, unit: {} }}",
                        column.unit
                    ),
                ));
            }
            (Some((unit, Ok(stated))), Some(mapped)) if (stated / mapped - 1.0).abs() > 1e-9 => {
                let said = self.0.unit.as_deref().unwrap_or_default();
                return Err(StageError::with_hint(
                    format!("{file} has {name} in {unit}, but the mapping says `unit: {said}`"),
                    "leave `unit` out to use the file's; if the file is wrong, put it right by `factor`",
                ));
            }
            (Some((_, Ok(_))), Some(mapped)) => mapped,
        };
        Ok(scale * self.0.factor)
    }

    /// The value in our unit and range, or why it cannot be used.
    pub(super) fn in_range(column: &Column, value: f64) -> Result<f64, String> {
        match column.name {
            _ if !value.is_finite() => Err("too large".to_owned()),
            "distance" if value <= 0.0 => Err(format!("{value}, not a positive distance")),
            name if name.ends_with("_error") && value < 0.0 => Err(format!("{value}, below zero")),
            name if name.ends_with("_corr") && value.abs() > 1.0 => Err(format!("{value}, not a correlation")),
            "b" | "dec" if value.abs() > 90.0 => Err(format!("{value}°, not a latitude")),
            "l" => Ok(value.rem_euclid(360.0)),
            "theta_phi" | "theta_z" | "theta_r" => Ok(dynamics::units::wrap_angle(value)),
            _ => Ok(value),
        }
    }

    fn faults(&self, name: &str, our_unit: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mismatch = self
            .0
            .unit
            .as_deref()
            .and_then(|unit| units::factor(unit, our_unit).err());
        if let Some(mismatch) = mismatch {
            let mut fault = Fault::new(&format!("columns.{name}.unit"), mismatch.to_string());
            fault.hint = Some(format!("such as {}", units::examples(our_unit)));
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
                Ok(Source::plain(name))
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

/// What stands in a pipeline for a column that its user is still to name.
pub const GAP: &str = "???";

/// Columns that ours follow from: of the sky in ICRS, as Gaia names them.
const EQUATORIAL: [Column; 21] = [
    heliocentric("ra", "deg", "right ascension (ICRS)"),
    heliocentric("dec", "deg", "declination (ICRS)"),
    heliocentric("pmra", "mas/yr", "proper motion in right ascension, times cos dec"),
    heliocentric("pmdec", "mas/yr", "proper motion in declination"),
    heliocentric("radial_velocity", "km/s", "line-of-sight velocity, as Gaia names it"),
    heliocentric(
        "parallax_zero_point",
        "mas",
        "zero point of the parallax, which is taken off it",
    ),
    heliocentric("ra_error", "mas", "standard deviation of ra on the sky, times cos dec"),
    heliocentric("dec_error", "mas", "standard deviation of dec"),
    heliocentric("pmra_error", "mas/yr", "standard deviation of pmra"),
    heliocentric("pmdec_error", "mas/yr", "standard deviation of pmdec"),
    heliocentric("radial_velocity_error", "km/s", "standard deviation of radial_velocity"),
    heliocentric("ra_dec_corr", "", "correlation of the errors of ra and dec"),
    heliocentric("ra_parallax_corr", "", "correlation of the errors of ra and parallax"),
    heliocentric("ra_pmra_corr", "", "correlation of the errors of ra and pmra"),
    heliocentric("ra_pmdec_corr", "", "correlation of the errors of ra and pmdec"),
    heliocentric("dec_parallax_corr", "", "correlation of the errors of dec and parallax"),
    heliocentric("dec_pmra_corr", "", "correlation of the errors of dec and pmra"),
    heliocentric("dec_pmdec_corr", "", "correlation of the errors of dec and pmdec"),
    heliocentric(
        "parallax_pmra_corr",
        "",
        "correlation of the errors of parallax and pmra",
    ),
    heliocentric(
        "parallax_pmdec_corr",
        "",
        "correlation of the errors of parallax and pmdec",
    ),
    heliocentric("pmra_pmdec_corr", "", "correlation of the errors of pmra and pmdec"),
];

macro_rules! column_map {
    ($($field:ident => $column:expr),* $(,)?) => {
        /// Our columns, each with the column of the file that it comes from.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(non_snake_case, reason = "the names of the columns")]
        pub struct ColumnMap {
            /// Which stream a star belongs to: whole numbers or names. Left out, each star is a stream by itself, whose number is its row in the
            /// file, from 1.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stream: Option<Source>,
            /// Number of the star in its stream; left out, counted.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub star: Option<Source>,
            $(
                #[doc = concat!("Our column `", stringify!($field), "`.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<Source>,
            )*
        }

        /// All columns of numbers, in our order; those of [`EQUATORIAL`] last.
        pub(super) const COLUMNS: &[Column] = &[$($column),*];

        impl ColumnMap {
            /// Where each of [`COLUMNS`] comes from.
            fn sources(&self) -> Vec<Option<&Source>> {
                vec![$(self.$field.as_ref()),*]
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
    parallax => PARALLAX, distance_modulus => DISTANCE_MODULUS,
    distance_error => ERRORS[0], parallax_error => ERRORS[1], distance_modulus_error => ERRORS[2],
    l_error => ERRORS[3], b_error => ERRORS[4], mu_l_cosb_error => ERRORS[5], mu_b_error => ERRORS[6], v_los_error => ERRORS[7],
    l_b_corr => CORRELATIONS[0],
    l_parallax_corr => CORRELATIONS[1],
    l_mu_l_cosb_corr => CORRELATIONS[2],
    l_mu_b_corr => CORRELATIONS[3],
    b_parallax_corr => CORRELATIONS[4],
    b_mu_l_cosb_corr => CORRELATIONS[5],
    b_mu_b_corr => CORRELATIONS[6],
    parallax_mu_l_cosb_corr => CORRELATIONS[7],
    parallax_mu_b_corr => CORRELATIONS[8],
    mu_l_cosb_mu_b_corr => CORRELATIONS[9],
    ra => EQUATORIAL[0], dec => EQUATORIAL[1], pmra => EQUATORIAL[2], pmdec => EQUATORIAL[3], radial_velocity => EQUATORIAL[4],
    parallax_zero_point => EQUATORIAL[5],
    ra_error => EQUATORIAL[6], dec_error => EQUATORIAL[7], pmra_error => EQUATORIAL[8], pmdec_error => EQUATORIAL[9],
    radial_velocity_error => EQUATORIAL[10],
    ra_dec_corr => EQUATORIAL[11],
    ra_parallax_corr => EQUATORIAL[12],
    ra_pmra_corr => EQUATORIAL[13],
    ra_pmdec_corr => EQUATORIAL[14],
    dec_parallax_corr => EQUATORIAL[15],
    dec_pmra_corr => EQUATORIAL[16],
    dec_pmdec_corr => EQUATORIAL[17],
    parallax_pmra_corr => EQUATORIAL[18],
    parallax_pmdec_corr => EQUATORIAL[19],
    pmra_pmdec_corr => EQUATORIAL[20],
}

/// The sets of columns that say where a star is. Instead of `distance` a set may have `parallax`.
const SETS: [&[&str]; 3] = [
    &["x", "y", "z", "vx", "vy", "vz"],
    &["distance", "l", "b", "mu_l_cosb", "mu_b"],
    &["parallax", "ra", "dec", "pmra", "pmdec"],
];

impl ColumnMap {
    /// Whether nothing is mapped: then columns are known by their names.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The file's column that names streams; empty where there is none.
    pub(super) fn stream_name(&self) -> &str {
        self.stream.as_ref().map_or("", Source::name)
    }

    /// The columns of numbers that are mapped, by their place in [`COLUMNS`].
    pub(super) fn numbers(&self) -> Vec<(usize, &Source)> {
        let all = self.sources().into_iter().enumerate();
        all.filter_map(|(place, source)| Some((place, source?))).collect()
    }

    /// Whether our column of this name is mapped.
    pub(super) fn has(&self, name: &str) -> bool {
        self.numbers().iter().any(|(place, _)| COLUMNS[*place].name == name)
    }

    /// Whether the table has line-of-sight velocities.
    pub(super) fn has_v_los(&self) -> bool {
        self.v_los.is_some() || self.radial_velocity.is_some()
    }

    /// Whether stars are given as they are seen on the sky.
    pub(super) fn has_sky(&self) -> bool {
        self.lacks(SETS[1]).is_empty() || self.lacks(SETS[2]).is_empty()
    }

    /// Whether equatorial coordinates are turned into Galactic ones.
    pub(super) fn has_equatorial(&self) -> bool {
        self.lacks(SETS[2]).is_empty()
    }

    /// Whether all of these columns are mapped.
    pub(super) fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }

    /// Whether positions and velocities are those of the file.
    pub(super) fn has_cartesian(&self) -> bool {
        self.lacks(SETS[0]).is_empty()
    }

    /// All columns of the file that are read, and as what.
    pub(super) fn wanted(&self) -> Vec<Wanted<'_>> {
        let labels = [self.stream.as_ref(), self.star.as_ref()].into_iter().flatten();
        let labels = labels.map(|source| (source.name(), Role::Label));
        let numbers = self
            .numbers()
            .into_iter()
            .map(|(_, source)| (source.name(), Role::Number));
        labels.chain(numbers).collect()
    }

    /// The columns of a set that are not mapped.
    fn lacks(&self, set: &[&'static str]) -> Vec<&'static str> {
        let has_distance = self.distance.is_some() || self.parallax.is_some() || self.distance_modulus.is_some();
        let is_there = |name: &str| match name {
            "distance" | "parallax" => has_distance,
            name => self.has(name),
        };
        set.iter().copied().filter(|name| !is_there(name)).collect()
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let labels = [("stream", self.stream.as_ref()), ("star", self.star.as_ref())];
        let labels = labels.into_iter().filter_map(|(name, source)| Some((name, source?)));
        let numbers = self
            .numbers()
            .into_iter()
            .map(|(place, source)| (COLUMNS[place].name, source));
        for (name, _) in numbers.chain(labels).filter(|(_, source)| source.0.column == GAP) {
            let message = format!("is a gap: write the name of the file's column for {name}");
            faults.push(Fault::new(&format!("columns.{name}"), message));
        }
        for (place, source) in self.numbers() {
            faults.extend(source.faults(COLUMNS[place].name, COLUMNS[place].unit));
        }
        for (name, source) in [("stream", self.stream.as_ref()), ("star", self.star.as_ref())] {
            if source.is_some_and(|source| !source.is_plain()) {
                faults.push(Fault::new(
                    &format!("columns.{name}"),
                    "is a name or number: it has no unit or factor",
                ));
            }
        }
        if self.stream.is_none() && self.star.is_some() {
            faults.push(Fault::new(
                "columns.star",
                "numbers the stars of a stream, and no column is mapped to stream",
            ));
        }
        let lacking = SETS.map(|set| self.lacks(set));
        if lacking.iter().all(|lacking| !lacking.is_empty()) {
            // Complain about the set of which most is there.
            let nearest = lacking
                .iter()
                .enumerate()
                .min_by_key(|(set, lacking)| (lacking.len() as f64 / SETS[*set].len() as f64 * 100.0) as u32);
            let lacking = nearest.map_or_else(String::new, |(_, lacking)| lacking.join(", "));
            let mut fault = Fault::new("columns", format!("lacks {lacking}"));
            fault.hint = Some(
                "needs all of x y z vx vy vz; or distance (or parallax, distance_modulus), with l b mu_l_cosb mu_b or ra dec pmra pmdec; v_los may be missing".to_owned(),
            );
            faults.push(fault);
        }
        for (name, other) in [
            ("parallax", "distance"),
            ("distance_modulus", "distance"),
            ("distance_modulus", "parallax"),
            ("radial_velocity", "v_los"),
            ("radial_velocity_error", "v_los_error"),
        ] {
            if self.has(name) && self.has(other) {
                faults.push(Fault::new(
                    &format!("columns.{name}"),
                    format!("{other} is given already"),
                ));
            }
        }
        let twice = SETS[0].iter().filter(|name| self.has_sky() && self.has(name));
        let twice: Vec<&str> = twice.copied().collect();
        if let Some(first) = twice.first() {
            let sky = if self.has_equatorial() { SETS[2] } else { SETS[1] };
            let sky: Vec<&str> = sky.iter().copied().filter(|name| self.has(name)).collect();
            let message = format!("says twice where stars are: {} say it too", sky.join(" "));
            let mut fault = Fault::new(&format!("columns.{first}"), message);
            fault.hint = Some(format!(
                "leave {} out, and x y z vx vy vz follow from the sky; or leave out what is seen on the sky",
                twice.join(" ")
            ));
            faults.push(fault);
        }
        if self.has_equatorial() {
            let galactic = ["l", "b", "mu_l_cosb", "mu_b"].into_iter();
            let errors = ERRORS[3..7].iter().chain(&CORRELATIONS).map(|column| column.name);
            for name in galactic.chain(errors).filter(|name| self.has(name)) {
                faults.push(Fault::new(
                    &format!("columns.{name}"),
                    "follows from ra, dec, pmra and pmdec: leave it out",
                ));
            }
        }
        faults
    }
}
