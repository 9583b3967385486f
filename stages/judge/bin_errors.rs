//! Errors of accelerations by distance from the centre and by height above the plane.

use dynamics::vector::{difference, dot};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, ACCELERATION, POSITION};
use crate::common::io::{TableContext, quantity, rows_by_star, star_ids};
use crate::common::layout::Layout;
use crate::common::parameters::{FROM_ZERO, Kpc};
use crate::common::quantities::{Acceleration, Position};
use crate::common::set_aside::{self, OnFailure, SetAside};
use crate::judge::compare::Statistic;

/// `bin_errors`
///
/// |a − true a|/|true a| of the stars that both tables have, in bins of r and of |z|. Stars beyond the last edge are in a bin
/// that ends at the farthest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinErrors {
    /// Edges of the bins of distance r, kpc, rising.
    pub radii: Vec<Kpc<FROM_ZERO>>,
    /// Edges of the bins of height |z|, kpc, rising.
    pub heights: Vec<Kpc<FROM_ZERO>>,
    /// What to do about stars whose true acceleration vanishes, at the centre: they have no relative error.
    pub failures: OnFailure,
}

impl Default for BinErrors {
    fn default() -> Self {
        Self {
            radii: [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0]
                .map(Kpc)
                .to_vec(),
            heights: [0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 20.0].map(Kpc).to_vec(),
            failures: OnFailure::default(),
        }
    }
}

/// The table `bins`.
fn layout() -> Layout<Bin> {
    Layout::new()
        .text("by", "r: distance from the centre; z: height |z|", |row: &Bin| row.by)
        .number(("low", "kpc", "lower end of the bin"), |row| row.low)
        .number(("high", "kpc", "upper end of the bin"), |row| row.high)
        .count("stars", "stars in the bin", |row| row.stars)
        .number(("mean", "%", "mean of |a − true a|/|true a|"), |row| row.mean)
        .number(("median", "%", "median of the same"), |row| row.median)
}

impl Stage for BinErrors {
    const KIND: &'static str = "bin_errors";
    const ABOUT: &'static str = "Errors of accelerations by distance from the centre and by height above the plane";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Judge;

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::table("predicted", &columns::needs(&[&ACCELERATION])),
            InputPort::table("truth", &columns::needs(&[&POSITION, &ACCELERATION])),
        ]
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![OutputPort::table("bins", layout().schema()), set_aside::port()])
    }

    fn check(&self) -> Vec<Fault> {
        let lists = [("radii", numbers(&self.radii)), ("heights", numbers(&self.heights))];
        let rises = |edges: &[f64]| edges.len() > 1 && edges.windows(2).all(|pair| pair[0] < pair[1]);
        let wrong = lists.into_iter().filter(|(_, edges)| !rises(edges));
        wrong
            .map(|(at, edges)| {
                Fault::new(
                    at,
                    format!("must be at least two rising numbers from 0 on, not {edges:?}"),
                )
            })
            .collect()
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let (predicted, truth) = (context.read_table("predicted")?, context.read_table("truth")?);
        let rows = rows_by_star("predicted", &predicted)?;
        let found: Vec<Acceleration> = quantity(&predicted)?;
        let exact = quantity::<Acceleration, 3>(&truth)?.into_iter().zip(quantity(&truth)?);
        let length = |a: [f64; 3]| dot(a, a).sqrt();
        let (mut by_radius, mut by_height) = (Vec::new(), Vec::new());
        let mut without = SetAside::default();
        for (id, (Acceleration(exact), Position(place))) in star_ids(&truth)?.into_iter().zip(exact) {
            let Some(&row) = rows.get(&id) else { continue };
            let error = 100.0 * length(difference(found[row].0, exact)) / length(exact);
            if !error.is_finite() {
                without.push(id, "its true acceleration vanishes: it has no relative error");
                continue;
            }
            by_radius.push((length(place), error));
            by_height.push((place[2].abs(), error));
        }
        let (compared, left) = (by_radius.len(), without.len());
        without.write(context, self.failures, compared + left, "stars")?;
        if compared == 0 && left > 0 {
            return Ok(set_aside::all_set_aside(left, "stars"));
        }
        if by_radius.is_empty() {
            return Err(StageError::failed(
                "no star of the truth has a prediction (by stream and star)",
            ));
        }
        let mut bins = bins("r", &numbers(&self.radii), &by_radius);
        bins.extend(self::bins("z", &numbers(&self.heights), &by_height));
        context.write_rows("bins", &layout(), &bins)?;
        Ok(Outcome::Complete)
    }
}

fn numbers(edges: &[Kpc<FROM_ZERO>]) -> Vec<f64> {
    edges.iter().map(|edge| edge.get()).collect()
}

struct Bin {
    by: &'static str,
    low: f64,
    high: f64,
    stars: i64,
    mean: f64,
    median: f64,
}

/// The bins of (place, error) that have stars.
fn bins(by: &'static str, edges: &[f64], values: &[(f64, f64)]) -> Vec<Bin> {
    let farthest = values.iter().map(|(place, _)| *place).fold(0.0, f64::max);
    let mut edges = edges.to_vec();
    if edges.last().is_none_or(|&last| farthest >= last) {
        // So that the farthest star is inside.
        edges.push(farthest * (1.0 + 1e-9) + f64::MIN_POSITIVE);
    }
    let bin = |pair: &[f64]| {
        let inside = values.iter().filter(|(place, _)| (pair[0]..pair[1]).contains(place));
        let errors: Vec<f64> = inside.map(|(_, error)| *error).collect();
        (!errors.is_empty()).then(|| Bin {
            by,
            low: pair[0],
            high: pair[1],
            stars: errors.len() as i64,
            mean: Statistic::MeanAbsolute.of(&errors),
            median: Statistic::MedianAbsolute.of(&errors),
        })
    };
    edges.windows(2).filter_map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_star_is_in_one_bin_and_the_last_ends_at_the_farthest() {
        let values: Vec<(f64, f64)> = (0..40).map(|n| (f64::from(n), f64::from(n % 4))).collect();
        let found = bins("r", &[0.0, 10.0, 20.0], &values);
        assert_eq!(found.iter().map(|bin| bin.stars).collect::<Vec<_>>(), [10, 10, 20]);
        assert!(found[2].low == 20.0 && found[2].high > 39.0 && found[2].high < 39.001);
        assert_eq!((found[2].mean, found[2].median), (1.5, 1.5));
        assert_eq!(bins("r", &[0.0, 100.0], &values).len(), 1);
        assert_eq!(bins("r", &[0.0, 50.0, 100.0], &values).len(), 1);
    }

    #[test]
    fn edges_that_do_not_rise_are_faults() {
        let with = |radii: &[f64]| serde_json::from_value::<BinErrors>(serde_json::json!({ "radii": radii }));
        assert!(with(&[0.0, 1.0]).unwrap().check().is_empty());
        for radii in [vec![1.0], vec![0.0, 2.0, 2.0]] {
            assert_eq!(with(&radii).unwrap().check().len(), 1);
        }
        for radii in [vec![-1.0, 2.0], vec![0.0, f64::NAN]] {
            assert!(with(&radii).is_err());
        }
    }
}
