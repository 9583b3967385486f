//! Chooses stars by ranges of their columns, and leaves out streams that such a choice or a constant column shows to be unfit.

use std::collections::{BTreeMap, BTreeSet};

use dynamics::phase_space::PhaseSpace;
use runner::arrow_schema::{DataType, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, take_rows};

use crate::common::columns::{self, CARTESIAN};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::set_aside::{self, OnFailure, SetAside};

/// `select_stars`
///
/// ```yaml
/// select_stars:
///   from: { stars: tracks }
///   with: { within: { distance: { above: 0.5 }, speed: { below: 600 } }, varying: [distance], least_share: 0.99 }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectStars {
    /// Ranges by column, in its unit; besides the table's own columns `radius`, the distance from the centre in kpc, and `speed`, in
    /// km/s, where there are positions and velocities.
    pub within: BTreeMap<String, Range>,
    /// Columns that vary along a stream: one in which all of at least three stars have the same value, which then stands for none, is set
    /// aside.
    pub varying: Vec<String>,
    /// The smallest share of the stars of a stream that `within` may leave; streams with fewer are set aside as a whole.
    pub least_share: f64,
}

/// A range of values; at least one end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// Values above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Values below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

impl Range {
    /// Why a value is outside, if it is.
    fn outside(self, name: &str, value: f64) -> Option<String> {
        match (self.above, self.below) {
            (Some(above), _) if value <= above => Some(format!("{name} is {value:.4}, not above {above}")),
            (_, Some(below)) if value >= below => Some(format!("{name} is {value:.4}, not below {below}")),
            _ if value.is_nan() => Some(format!("{name} is missing")),
            _ => None,
        }
    }
}

/// Stars of a stream that are needed to say that a column is the same for all.
const FEWEST: usize = 3;

/// What follows from positions and velocities.
const DERIVED: [&str; 2] = ["radius", "speed"];

impl SelectStars {
    /// The columns it looks at.
    fn names(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let ranges = self.within.keys().map(|name| ("within", name));
        ranges.chain(self.varying.iter().map(|name| ("varying", name)))
    }
}

/// Whether the table has the column, or what it follows from.
fn is_there(schema: &Schema, name: &str) -> bool {
    let own = schema.column_with_name(name);
    let number = own.is_some_and(|(_, field)| *field.data_type() == DataType::Float64);
    number || (own.is_none() && DERIVED.contains(&name) && columns::has(schema, &CARTESIAN))
}

impl Stage for SelectStars {
    const KIND: &'static str = "select_stars";
    const ABOUT: &'static str = "Choose stars by ranges of their columns, and streams whose columns vary";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let schema = connected_schema(connected, "stars").map_or_else(Schema::empty, |schema| schema.as_ref().clone());
        if connected_schema(connected, "stars").is_some()
            && let Some((at, name)) = self.names().find(|(_, name)| !is_there(&schema, name))
        {
            return Err(format!("stars: has no column of numbers {name}, which `{at}` names"));
        }
        let outputs = vec![OutputPort::table("stars", schema), set_aside::port()];
        Ok(columns::named(outputs, connected))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(0.0..=1.0).contains(&self.least_share) {
            let message = format!("must be between 0 and 1, not {}", self.least_share);
            faults.push(Fault::new("least_share", message));
        }
        for (name, range) in &self.within {
            let at = format!("within.{name}");
            match (range.above, range.below) {
                (None, None) => faults.push(Fault::new(&at, "needs `above` or `below`")),
                (Some(above), Some(below)) if above >= below => {
                    faults.push(Fault::new(&at, format!("holds nothing: {above} is not below {below}")));
                }
                _ => {}
            }
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let ids = star_ids(&table)?;
        let mut reasons: Vec<Option<String>> = vec![None; ids.len()];
        for (name, range) in &self.within {
            for (reason, value) in reasons.iter_mut().zip(values(&table, name)?) {
                if reason.is_none() {
                    *reason = range.outside(name, value);
                }
            }
        }
        let mut rows: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, id) in ids.iter().enumerate() {
            rows.entry(id.stream).or_default().push(row);
        }
        let mut streams = BTreeSet::new();
        for (of, rows) in &rows {
            let left = rows.iter().filter(|row| reasons[**row].is_none()).count();
            let constant = self.constant(&table, rows)?;
            let too_few = (left as f64) < self.least_share * rows.len() as f64;
            let why = match constant {
                Some(name) => format!(
                    "{name} is the same for all {} stars of its stream: a placeholder",
                    rows.len()
                ),
                None if too_few => format!("of its stream only {left} of {} stars are within range", rows.len()),
                None => continue,
            };
            streams.insert(*of);
            for &row in rows {
                reasons[row].get_or_insert_with(|| why.clone());
            }
        }
        context.metric("streams", (rows.len() - streams.len()) as f64, "");
        context.metric("streams_set_aside", streams.len() as f64, "");
        let mut lost = SetAside::default();
        let mut kept = Vec::new();
        for (row, reason) in reasons.into_iter().enumerate() {
            match reason {
                Some(reason) => lost.push(ids[row], reason),
                None => kept.push(row),
            }
        }
        lost.write(context, OnFailure::SetAside, ids.len(), "stars")?;
        if kept.is_empty() && !ids.is_empty() {
            return Ok(set_aside::all_set_aside(ids.len(), "stars"));
        }
        context.write_batch("stars", &take_rows(&table, &kept).map_err(StageError::failed)?)?;
        Ok(Outcome::Complete)
    }
}

impl SelectStars {
    /// The first column of `varying` that is the same at all of these rows.
    fn constant(&self, table: &RecordBatch, rows: &[usize]) -> Result<Option<&String>, StageError> {
        if rows.len() < FEWEST {
            return Ok(None);
        }
        for name in &self.varying {
            let values = values(table, name)?;
            if rows.iter().all(|row| values[*row] == values[rows[0]]) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// A column of the table, or what follows from its positions and velocities; NaN where it is missing.
fn values(table: &RecordBatch, name: &str) -> Result<Vec<f64>, StageError> {
    if let Some(found) = tables::optional_f64_column(table, name).map_err(StageError::failed)? {
        return Ok(found.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect());
    }
    let points: Vec<PhaseSpace> = quantity(table)?;
    let length = |a: [f64; 3]| a.iter().map(|c| c * c).sum::<f64>().sqrt();
    let of = points.iter().map(|point| {
        if name == "speed" {
            length(point.v)
        } else {
            length(point.x)
        }
    });
    Ok(of.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{faults, planned, run, stage, stars};

    /// Three streams of four stars: one with a runaway, one at one distance, one that is sane.
    fn table() -> RecordBatch {
        let point = |r: f64, v: f64| [r, 0.0, 0.0, 0.0, v, 0.0];
        let points = [
            [
                point(8.0, 200.0),
                point(9.0, 200.0),
                point(0.1, 200.0),
                point(10.0, 9000.0),
            ],
            [
                point(1.0, 100.0),
                point(1.0, 110.0),
                point(1.0, 120.0),
                point(1.0, 130.0),
            ],
            [
                point(8.0, 200.0),
                point(8.5, 210.0),
                point(9.0, 220.0),
                point(9.5, 700.0),
            ],
        ];
        stars(&points.concat(), 4)
    }

    #[test]
    fn runaways_and_placeholders_are_set_aside_by_name() {
        let with = json!({
            "within": { "radius": { "above": 0.5 }, "speed": { "below": 600 } }, "varying": ["x"], "least_share": 0.6
        });
        let ran = run(&stage::<SelectStars>(with), &[("stars", &table())], &[]).completed();
        assert_eq!(ran.i64("stars", "stream"), [2, 2, 2]);
        assert_eq!((ran.metric("streams"), ran.metric("streams_set_aside")), (1.0, 2.0));
        let reasons = ran.texts("set_aside", "reason");
        assert_eq!(reasons[0], "of its stream only 2 of 4 stars are within range");
        assert_eq!(reasons[2], "radius is 0.1000, not above 0.5");
        assert_eq!(reasons[3], "speed is 9000.0000, not below 600");
        assert_eq!(reasons[4], "x is the same for all 4 stars of its stream: a placeholder");
        assert_eq!(reasons.len(), 9);
        // Without a share, single stars go and their streams stay.
        let with = json!({ "within": { "speed": { "below": 600 } } });
        let ran = run(&stage::<SelectStars>(with), &[("stars", &table())], &[]).completed();
        assert_eq!(ran.i64("stars", "stream").len(), 10);
    }

    #[test]
    fn ranges_and_columns_that_cannot_be_are_refused() {
        let ranges = json!({ "within": { "x": {}, "y": { "above": 2, "below": 1 } }, "least_share": 1.5 });
        assert_eq!(faults::<SelectStars>(ranges).len(), 3);
        let missing = stage::<SelectStars>(json!({ "varying": ["parallax"] }));
        let refused = planned(&missing, &[("stars", table().schema())]).unwrap_err();
        assert_eq!(
            refused,
            "stars: has no column of numbers parallax, which `varying` names"
        );
        let all = json!({ "within": { "speed": { "above": 1e4 } } });
        let ran = run(&stage::<SelectStars>(all), &[("stars", &table())], &[]);
        assert!(matches!(ran.result, Ok(Outcome::Finding { .. })));
    }
}
