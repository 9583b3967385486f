//! Tidal streams as tables have them: what they must have, and those that can be fitted.

use std::collections::BTreeMap;

use dynamics::streams::{Distance, FittedStream, Measured, Star, Stream};
use runner::arrow_schema::Schema;
use runner::error::StageError;
use runner::stage::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::Column;
use crate::common::io::{self, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::measured::{DISTANCE_MODULUS, ERRORS, PARALLAX};
use crate::common::parameters::{Degrees, FROM_ZERO, KmPerSecond, MasPerYear, not_negative};
use crate::common::set_aside::SetAside;

/// Standard deviations of observables without a column of errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Of distances, as a fraction of them.
    pub distance: f64,
    /// Of parallaxes, mas.
    pub parallax: f64,
    /// Of line-of-sight velocities, km/s.
    pub v_los: KmPerSecond<FROM_ZERO>,
    /// Of each proper motion, mas/yr.
    pub proper_motion: MasPerYear<FROM_ZERO>,
    /// Of places across a stream, degrees: for points of a track; stars are where they are.
    pub across: Degrees<FROM_ZERO>,
}

impl Errors {
    /// What is wrong with them.
    pub fn faults(&self) -> Vec<Fault> {
        let of = [("errors.distance", self.distance), ("errors.parallax", self.parallax)];
        of.into_iter()
            .filter_map(|(at, value)| not_negative(at, value))
            .collect()
    }
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            distance: 0.0,
            parallax: 0.0,
            v_los: KmPerSecond(0.0),
            proper_motion: MasPerYear(0.0),
            across: Degrees(0.0),
        }
    }
}

/// A stream whose χ is above this does not fit.
pub const CHI: f64 = 1.5;

/// Whether a figure is above a limit, or is no number.
pub fn is_above(figure: f64, limit: f64) -> bool {
    figure > limit || figure.is_nan()
}

/// Sky positions, which every star needs.
pub const PLACE: [(&str, &str); 4] = [("stream", ""), ("star", ""), ("l", "deg"), ("b", "deg")];

/// Observables that may be there, with their units.
const OBSERVABLES: [(&str, &str); 5] = [
    ("distance", "kpc"),
    ("parallax", "mas"),
    ("v_los", "km/s"),
    ("mu_l_cosb", "mas/yr"),
    ("mu_b", "mas/yr"),
];

/// Why the streams of a table at `port` cannot be fitted, as far as its columns tell.
pub fn unusable(port: &str, schema: &Schema, errors: &Errors) -> Option<String> {
    let has = |name: &str| schema.column_with_name(name).is_some();
    match (has("distance"), has("parallax")) {
        (false, false) => return Some(format!("{port}: needs a column distance (kpc) or parallax (mas)")),
        (true, true) if *errors != Errors::default() && !has("distance_error") && !has("parallax_error") => {
            return Some(format!(
                "{port}: has both distance and parallax, without a column of errors of either"
            ));
        }
        _ => {}
    }
    OBSERVABLES.iter().find_map(|(name, unit)| {
        [(*name).to_owned(), format!("{name}_error")].iter().find_map(|name| {
            let (_, field) = schema.column_with_name(name)?;
            let found = runner::ports::unit_of(field);
            (found != *unit).then(|| format!("{port}: {name} must be in {unit}, not {found}"))
        })
    })
}

/// How well a stream is fitted.
pub fn of_likelihood<R: 'static>(layout: Layout<R>, fitted: fn(&R) -> &FittedStream) -> Layout<R> {
    layout
        .number(
            (
                "chi",
                "",
                "root of the mean chi squared of an observable, over its stars by membership",
            ),
            move |row| fitted(row).chi,
        )
        .number(("ln_likelihood", "", "ln of the likelihood of its stars"), move |row| {
            fitted(row).ln_likelihood
        })
}

/// The progenitor that was found.
pub fn of_progenitor<R: 'static>(layout: Layout<R>, fitted: fn(&R) -> &FittedStream) -> Layout<R> {
    layout
        .number(("mass", "M_sun", "mass of the progenitor"), move |row| fitted(row).mass)
        .number(
            (
                "lead",
                "",
                "how far the progenitor is ahead of the middle of the stars, in radial periods",
            ),
            move |row| fitted(row).lead,
        )
}

/// One observable of all stars, with errors.
struct Observable {
    values: Vec<Option<f64>>,
    errors: Vec<f64>,
}

impl Observable {
    /// The column `name` with its errors: their own column, or `usual(value)`.
    fn read(table: &RecordBatch, name: &str, usual: impl Fn(f64) -> f64) -> Result<Option<Self>, StageError> {
        let column = |name: &str| tables::optional_f64_column(table, name).map_err(StageError::failed);
        let Some(values) = column(name)? else { return Ok(None) };
        let own = column(&format!("{name}_error"))?;
        let errors = values.iter().enumerate().map(|(row, value)| {
            let own = own.as_ref().and_then(|own| own[row]);
            own.unwrap_or_else(|| usual(value.unwrap_or(0.0)))
        });
        Ok(Some(Self {
            errors: errors.collect(),
            values,
        }))
    }

    fn at(&self, row: usize) -> Option<Measured> {
        Some(Measured {
            value: self.values[row]?,
            error: self.errors[row],
        })
    }
}

/// Streams in order of their numbers, with their stars in order of the rows.
#[derive(Default)]
pub struct Streams {
    pub streams: Vec<Stream>,
    /// Which rows of the table the stars are.
    pub ids: Vec<Vec<StarId>>,
    /// Stars that are not among them, and why.
    pub set_aside: SetAside,
}

impl Streams {
    /// The streams of a table; `errors` are those of observables without a column of their own. Stars that cannot be used are set aside, and after
    /// them streams that cannot be fitted.
    pub fn read(table: &RecordBatch, errors: &Errors) -> Result<Self, StageError> {
        let (l, b) = (io::column(table, "l")?, io::column(table, "b")?);
        let has = |column: &Column| table.column_by_name(column.name).is_some();
        let [distance_error, parallax_error, modulus_error, ..] = ERRORS.each_ref().map(has);
        // What was measured is what has errors; a distance beside it is what follows from that.
        let is_parallax = has(&PARALLAX) && parallax_error && !distance_error;
        let modulus = if has(&DISTANCE_MODULUS) && modulus_error && !distance_error {
            tables::optional_f64_column(table, ERRORS[2].name).map_err(StageError::failed)?
        } else {
            None
        };
        let mut distance =
            Observable::read(table, "distance", |value| errors.distance * value)?.filter(|_| !is_parallax);
        if let Some((distance, modulus)) = distance.as_mut().zip(modulus) {
            // d = 10^(μ/5) · 10 pc.
            let of = distance.values.iter().zip(modulus);
            let of = of.map(|(value, error)| Some(value.as_ref()? * std::f64::consts::LN_10 / 5.0 * error?));
            let errors = of.zip(&distance.errors).map(|(own, usual)| own.unwrap_or(*usual));
            distance.errors = errors.collect();
        }
        let parallax = Observable::read(table, "parallax", |_| errors.parallax)?;
        let v_los = Observable::read(table, "v_los", |_| errors.v_los.get())?;
        let motions = [
            Observable::read(table, "mu_l_cosb", |_| errors.proper_motion.get())?,
            Observable::read(table, "mu_b", |_| errors.proper_motion.get())?,
        ];
        let correlations = tables::optional_f64_column(table, "mu_l_cosb_mu_b_corr").map_err(StageError::failed)?;
        let mut read = Self::default();
        let mut found: BTreeMap<i64, Vec<(StarId, Star)>> = BTreeMap::new();
        for (row, id) in star_ids(table)?.into_iter().enumerate() {
            let at = |of: &Option<Observable>| of.as_ref()?.at(row);
            let [along_l, along_b] = [at(&motions[0]), at(&motions[1])];
            let star = Star {
                l: l[row],
                b: b[row],
                across: errors.across.get(),
                distance: at(&distance)
                    .map(Distance::Kpc)
                    .or(at(&parallax).map(Distance::Parallax)),
                v_los: at(&v_los),
                proper_motion: along_l.zip(along_b).map(|(l, b)| [l, b]),
                correlation: correlations.as_ref().and_then(|all| all[row]).unwrap_or(0.0),
            };
            let of = found.entry(id.stream).or_default();
            match star.fault() {
                Some(what) => {
                    let why = format!("{what} is not finite or positive, or its error is negative");
                    read.set_aside.push(id, why);
                }
                None => of.push((id, star)),
            }
        }
        for (number, stars) in found {
            let (ids, stars) = stars.into_iter().unzip();
            let stream = Stream::new(number, stars);
            read.ids.push(ids);
            let why = stream.fault();
            read.streams.push(stream);
            if let Some(why) = why {
                read.leave_out(read.streams.len() - 1, &format!("in its stream {why}"));
            }
        }
        Ok(read)
    }

    /// Sets a stream aside.
    pub fn leave_out(&mut self, place: usize, why: &str) {
        self.streams.remove(place);
        for id in self.ids.remove(place) {
            self.set_aside.push(id, why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::observe::observe::Observe;
    use crate::sample::spray_streams::SprayStreams;
    use crate::testing::{run, stage};

    /// A distance that follows from a parallax or a modulus is as uncertain as these.
    #[test]
    fn what_was_measured_of_a_distance_is_what_has_errors() {
        let spray = stage::<SprayStreams>(json!({ "potential": "mcmillan_17", "streams": 1, "stars": 12, "age": 1.0 }));
        let sprayed = run(&spray, &[], &[]).completed();
        let read = |errors: serde_json::Value| {
            let observe = stage::<Observe>(json!({ "errors": errors }));
            let seen = run(&observe, &[("stars", &sprayed.tables["stars"])], &[]).completed();
            let mut read = Streams::read(&seen.tables["stars"], &Errors::default()).unwrap();
            read.streams.remove(0).stars
        };
        for star in read(json!({ "parallax": 0.001, "v_los": 1.0 })) {
            assert!(
                matches!(star.distance, Some(Distance::Parallax(parallax)) if parallax.error == 0.001),
                "{:?}",
                star.distance
            );
        }
        for star in read(json!({ "distance_modulus": 0.1, "v_los": 1.0 })) {
            let Some(Distance::Kpc(distance)) = star.distance else {
                panic!("{:?}", star.distance)
            };
            assert!((distance.error / distance.value - 0.1 * 10_f64.ln() / 5.0).abs() < 1e-12);
        }
        for star in read(json!({ "distance": 0.1 })) {
            let Some(Distance::Kpc(distance)) = star.distance else {
                panic!("{:?}", star.distance)
            };
            assert!(distance.error > 0.05 * distance.value);
        }
    }
}
