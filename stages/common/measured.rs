//! Errors of what was measured of stars: their columns, and the stars drawn from them.

use arrow::array::{Array, Float64Array};
use dynamics::measured::{Covariance, Depth, DistancePrior, Measured, PAIRS, Priors, VelocityPrior};
use dynamics::sky::Sun;
use runner::arrow_schema::Schema;
use runner::error::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{Column, OBSERVABLES, heliocentric};
use crate::common::parameters::{KmPerSecond, Kpc};
use crate::common::spread::{KnownErrors, Of, Written};

/// Parallax, where that was measured.
pub const PARALLAX: Column = heliocentric(
    "parallax",
    "mas",
    "parallax, less its zero point; the distance is its inverse",
);

/// Distance modulus, where that was measured.
pub const DISTANCE_MODULUS: Column = heliocentric(
    "distance_modulus",
    "mag",
    "distance modulus; the distance follows from it",
);

/// Standard deviations of what was measured.
pub const ERRORS: [Column; 8] = [
    heliocentric("distance_error", "kpc", "standard deviation of distance"),
    heliocentric("parallax_error", "mas", "standard deviation of parallax"),
    heliocentric(
        "distance_modulus_error",
        "mag",
        "standard deviation of distance_modulus",
    ),
    heliocentric("l_error", "deg", "standard deviation of l on the sky, times cos b"),
    heliocentric("b_error", "deg", "standard deviation of b"),
    heliocentric("mu_l_cosb_error", "mas/yr", "standard deviation of mu_l_cosb"),
    heliocentric("mu_b_error", "mas/yr", "standard deviation of mu_b"),
    heliocentric("v_los_error", "km/s", "standard deviation of v_los"),
];

/// Correlations of these errors, in Gaia's order: of l, b, parallax, mu_l_cosb and mu_b.
pub const CORRELATIONS: [Column; 10] = [
    heliocentric("l_b_corr", "", "correlation of the errors of l and b"),
    heliocentric("l_parallax_corr", "", "correlation of the errors of l and parallax"),
    heliocentric("l_mu_l_cosb_corr", "", "correlation of the errors of l and mu_l_cosb"),
    heliocentric("l_mu_b_corr", "", "correlation of the errors of l and mu_b"),
    heliocentric("b_parallax_corr", "", "correlation of the errors of b and parallax"),
    heliocentric("b_mu_l_cosb_corr", "", "correlation of the errors of b and mu_l_cosb"),
    heliocentric("b_mu_b_corr", "", "correlation of the errors of b and mu_b"),
    heliocentric(
        "parallax_mu_l_cosb_corr",
        "",
        "correlation of the errors of parallax and mu_l_cosb",
    ),
    heliocentric(
        "parallax_mu_b_corr",
        "",
        "correlation of the errors of parallax and mu_b",
    ),
    heliocentric(
        "mu_l_cosb_mu_b_corr",
        "",
        "correlation of the errors of mu_l_cosb and mu_b",
    ),
];

/// Draws of stars from the errors of what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorParameters {
    /// How many stars are drawn for each.
    pub samples: u32,
    /// Their seed. A star's draws depend on its stream and star only, not on its row.
    pub seed: u64,
    /// Which correlations of the results are written.
    pub correlations: Of,
    /// Of which results the intervals are written that hold the truth in 68.27 and 95 % of all cases. They are not symmetric: where a parallax is
    /// known badly, the standard deviation says less.
    pub intervals: Of,
    /// Standard deviation in km/s of line-of-sight velocities that were not measured, in the rest frame of the Galaxy, where their mean is 0.
    /// Left out, stars without `v_los` are set aside.
    pub v_los_dispersion: Option<KmPerSecond>,
    /// Where distances come from parallaxes: the scale L, kpc, of a density d² exp(−d/L) of stars, by which distances are drawn
    /// (Bailer-Jones 2015). Left out, parallaxes are drawn, all equally probable before they were measured.
    pub distance_scale: Option<Kpc>,
}

impl Default for ErrorParameters {
    fn default() -> Self {
        Self {
            samples: 64,
            seed: 0,
            correlations: Of::default(),
            intervals: Of::default(),
            v_los_dispersion: None,
            distance_scale: None,
        }
    }
}

/// Fewest draws of which 2.5 % are one.
const FEWEST: u32 = 40;

impl ErrorParameters {
    /// What is wrong with them.
    pub fn fault(&self) -> Option<runner::stage::Fault> {
        let message = format!("must be at least {FEWEST}, not {}", self.samples);
        (self.samples < FEWEST).then(|| runner::stage::Fault::new("errors.samples", message))
    }

    /// What is written, with frequencies or without.
    pub fn written(&self, has_frequencies: bool) -> Written {
        Written {
            correlations: self.correlations,
            intervals: self.intervals,
            known: if has_frequencies { 9 } else { 6 },
        }
    }

    /// What stars are drawn by.
    pub fn priors(&self) -> Priors {
        Priors {
            distance: self.distance_scale.map(|scale| DistancePrior { scale: scale.get() }),
            v_los: self.v_los_dispersion.map(|sd| VelocityPrior { deviation: sd.get() }),
        }
    }

    /// The columns that a table must have, besides `v_los`, which may be missing.
    pub const NEEDS: [Column; 5] = [
        OBSERVABLES[0],
        OBSERVABLES[1],
        OBSERVABLES[2],
        OBSERVABLES[4],
        OBSERVABLES[5],
    ];

    /// Why no errors can be drawn from a table at `port`.
    pub fn lacking(port: &str, schema: &Schema) -> Option<String> {
        let has = |column: &Column| schema.column_with_name(column.name).is_some();
        (!ERRORS.iter().any(has)).then(|| {
            format!("{port}: has no errors of what was measured, such as parallax_error, mu_b_error or v_los_error")
        })
    }
}

/// The number that makes the draws of a star its own, whatever else is in the table.
pub fn key(stream: i64, star: i64) -> u64 {
    // The finalizer of SplitMix64 (Steele, Lea & Flood 2014) spreads numbers that differ little.
    let spread = |mut z: u64| {
        z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    spread(spread(stream as u64) ^ star as u64)
}

/// The columns of a table that say what was measured.
pub struct MeasuredStars<'a> {
    /// The Sun that they were seen from.
    pub sun: Sun,
    depth: DepthOf<'a>,
    needed: [&'a [f64]; 4],
    v_los: Option<&'a Float64Array>,
    depth_error: Option<&'a Float64Array>,
    errors: [Option<&'a Float64Array>; 5],
    correlations: [Option<&'a Float64Array>; 10],
}

/// What was measured of distances.
enum DepthOf<'a> {
    Distance(&'a [f64]),
    Parallax(&'a [f64]),
    Modulus(&'a [f64]),
}

/// A column that may be missing, as a whole or in a row.
fn optional<'a>(table: &'a RecordBatch, name: &str) -> Option<&'a Float64Array> {
    table.column_by_name(name)?.as_any().downcast_ref()
}

fn at(column: Option<&Float64Array>, row: usize) -> Option<f64> {
    column
        .filter(|column| column.is_valid(row))
        .map(|column| column.value(row))
}

impl<'a> MeasuredStars<'a> {
    /// Those of a table.
    pub fn new(table: &'a RecordBatch) -> Result<Self, StageError> {
        let number = |name: &str| tables::f64_column(table, name).map_err(StageError::failed);
        let has = |name: &str| table.column_by_name(name).is_some();
        let sun = crate::common::sun::agreed("stars", table.schema_ref(), None).map_err(StageError::failed)?;
        let [
            distance_error,
            parallax_error,
            modulus_error,
            l,
            b,
            mu_l_cosb,
            mu_b,
            v_los,
        ] = ERRORS.map(|column| optional(table, column.name));
        let (depth, depth_error) = if has("parallax") && parallax_error.is_some() {
            (DepthOf::Parallax(number("parallax")?), parallax_error)
        } else if has("distance_modulus") && modulus_error.is_some() {
            (DepthOf::Modulus(number("distance_modulus")?), modulus_error)
        } else {
            (DepthOf::Distance(number("distance")?), distance_error)
        };
        Ok(Self {
            sun: Sun::from(&sun),
            depth,
            needed: [number("l")?, number("b")?, number("mu_l_cosb")?, number("mu_b")?],
            v_los: optional(table, "v_los"),
            depth_error,
            errors: [l, b, mu_l_cosb, mu_b, v_los],
            correlations: CORRELATIONS.map(|column| optional(table, column.name)),
        })
    }

    /// The star of a row. An error that is missing counts as none.
    pub fn star(&self, row: usize) -> Measured {
        let [l, b, mu_l_cosb, mu_b] = self.needed.map(|values| values[row]);
        let error = |place: usize| at(self.errors[place], row).unwrap_or(0.0);
        let depth = match self.depth {
            DepthOf::Distance(values) => Depth::Distance(values[row]),
            DepthOf::Parallax(values) => Depth::Parallax(values[row]),
            DepthOf::Modulus(values) => Depth::Modulus(values[row]),
        };
        let correlation = |place: usize| {
            // Correlations are of parallaxes; of another depth they say nothing.
            let of_depth = PAIRS[place].0 == 2 || PAIRS[place].1 == 2;
            let is_used = !of_depth || matches!(self.depth, DepthOf::Parallax(_));
            at(self.correlations[place], row).filter(|_| is_used).unwrap_or(0.0)
        };
        Measured {
            l,
            b,
            depth,
            mu_l_cosb,
            mu_b,
            v_los: at(self.v_los, row),
            covariance: Covariance {
                deviations: [
                    error(0),
                    error(1),
                    at(self.depth_error, row).unwrap_or(0.0),
                    error(2),
                    error(3),
                ],
                correlations: std::array::from_fn(correlation),
            },
            v_los_error: error(4),
        }
    }

    /// Which errors are known of what was measured of the star of a row.
    pub fn known_errors(&self, row: usize) -> KnownErrors {
        let [_, _, mu_l_cosb, mu_b, v_los] = self.errors;
        let of_velocity = at(self.v_los, row).map(|_| v_los);
        let needed = [self.depth_error, mu_l_cosb, mu_b].into_iter().chain(of_velocity);
        let known: Vec<bool> = needed.map(|column| at(column, row).is_some()).collect();
        match known.iter().filter(|known| **known).count() {
            0 => KnownErrors::None,
            count if count == known.len() => KnownErrors::All,
            _ => KnownErrors::Some,
        }
    }
}
