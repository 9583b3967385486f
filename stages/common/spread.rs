//! What draws of a star say of its actions, angles and frequencies: means, standard deviations, correlations.

use dynamics::phase_space::{ActionAngle, Actions, Angles, Frequencies};
use dynamics::units::{wrap_angle, wrap_difference};
use runner::error::StageError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use crate::common::columns::{ACTIONS_SD, ANGLES_SD, Column, FREQUENCIES_SD};
use crate::common::layout::Layout;

/// Actions, angles and frequencies, each in the order φ, z, r.
pub type Nine = [f64; 9];

/// These numbers.
pub fn nine(of: &ActionAngle) -> Nine {
    let ActionAngle {
        actions,
        angles,
        frequencies,
    } = of;
    [
        actions.phi,
        actions.z,
        actions.r,
        angles.phi,
        angles.z,
        angles.r,
        frequencies.phi,
        frequencies.z,
        frequencies.r,
    ]
}

/// The other way round.
pub fn action_angle([j_phi, j_z, j_r, phi, z, r, omega_phi, omega_z, omega_r]: Nine) -> ActionAngle {
    ActionAngle {
        actions: Actions {
            phi: j_phi,
            z: j_z,
            r: j_r,
        },
        angles: Angles { phi, z, r },
        frequencies: Frequencies {
            phi: omega_phi,
            z: omega_z,
            r: omega_r,
        },
    }
}

/// Whether the number at this place is an angle.
pub const fn is_angle(place: usize) -> bool {
    place >= 3 && place < 6
}

/// Moments of draws of one star.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Means; of an angle the direction of the mean of its unit vectors.
    pub mean: Nine,
    /// Standard deviations; of an angle around the circle.
    pub deviation: Nine,
    /// Correlations of `PAIRS`; not a number where one of the two does not vary.
    pub correlation: [f64; 36],
    /// Bounds of the central 68.27 and 95 %: low, high, low, high of each of the nine.
    pub intervals: [[f64; 4]; 9],
    /// The part of the draws that has no actions.
    pub set_aside: f64,
    /// What is known of the errors by which they were drawn.
    pub errors: KnownErrors,
}

/// Which errors are known of what was measured of a star: of its distance, proper motion and, where that was measured, line-of-sight velocity.
/// Directions are measured so well beside these that their errors do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownErrors {
    /// All.
    All,
    /// Some; the others count as nothing.
    Some,
    /// None: draws say nothing of how well the star is known.
    None,
}

/// What lies below each of the bounds.
const BELOW: [f64; 4] = [0.158_655, 0.841_345, 0.025, 0.975];

/// Pairs of the nine, in the order of [`CORRELATIONS`].
const PAIRS: [(usize, usize); 36] = {
    let (mut pairs, mut next, mut i) = ([(0, 0); 36], 0, 0);
    while i < 9 {
        let mut j = i + 1;
        while j < 9 {
            pairs[next] = (i, j);
            next += 1;
            j += 1;
        }
        i += 1;
    }
    pairs
};

impl Spread {
    /// Of the draws that have actions, `all` of which there were by these `errors`; none of fewer than two.
    pub fn of(draws: &[Nine], all: usize, errors: KnownErrors) -> Option<Self> {
        if draws.len() < 2 {
            return None;
        }
        let count = draws.len() as f64;
        let places = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        let over = |value: &dyn Fn(&Nine) -> f64| draws.iter().map(value).sum::<f64>() / count;
        let mean = places.map(|place| match is_angle(place) {
            true => wrap_angle(over(&|draw| draw[place].sin()).atan2(over(&|draw| draw[place].cos()))),
            false => over(&|draw| draw[place]),
        });
        let away = |draw: &Nine, place: usize| match is_angle(place) {
            true => wrap_difference(draw[place] - mean[place]),
            false => draw[place] - mean[place],
        };
        let deviations: Vec<Nine> = draws.iter().map(|draw| places.map(|place| away(draw, place))).collect();
        let product = |i: usize, j: usize| deviations.iter().map(|draw| draw[i] * draw[j]).sum::<f64>() / (count - 1.0);
        let deviation = places.map(|place| product(place, place).sqrt());
        let intervals = places.map(|place| {
            let mut sorted: Vec<f64> = deviations.iter().map(|draw| draw[place]).collect();
            sorted.sort_by(f64::total_cmp);
            BELOW.map(|below| {
                let bound = mean[place] + quantile(&sorted, below);
                if is_angle(place) { wrap_angle(bound) } else { bound }
            })
        });
        let correlation = PAIRS.map(|(i, j)| {
            let scale = deviation[i] * deviation[j];
            if scale > 0.0 {
                (product(i, j) / scale).clamp(-1.0, 1.0)
            } else {
                f64::NAN
            }
        });
        Some(Self {
            mean,
            deviation,
            correlation,
            intervals,
            set_aside: 1.0 - count / all as f64,
            errors,
        })
    }
}

/// The quantile of sorted values below which one more of them lies with probability `fraction`, as far as they reach.
///
/// **Source**: Hyndman & Fan (1996), definition 6.
fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let place = (fraction * (sorted.len() + 1) as f64 - 1.0).clamp(0.0, (sorted.len() - 1) as f64);
    let (low, t) = (place as usize, place.fract());
    let high = sorted[(low + 1).min(sorted.len() - 1)];
    sorted[low] + t * (high - sorted[low])
}

/// Of which correlations or intervals are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Of none.
    None,
    /// Of the actions.
    #[default]
    Actions,
    /// Of actions, angles and frequencies.
    All,
}

macro_rules! correlations {
    ($($a:ident $b:ident,)*) => {
        [$(Column {
            name: concat!(stringify!($a), "_", stringify!($b), "_corr"),
            unit: "",
            frame: "",
            description: concat!("correlation of the errors of ", stringify!($a), " and ", stringify!($b)),
        }),*]
    };
}

/// Correlations of actions, angles and frequencies.
pub const CORRELATIONS: [Column; 36] = correlations! {
    J_phi J_z, J_phi J_r, J_phi theta_phi, J_phi theta_z, J_phi theta_r, J_phi Omega_phi, J_phi Omega_z, J_phi Omega_r,
    J_z J_r, J_z theta_phi, J_z theta_z, J_z theta_r, J_z Omega_phi, J_z Omega_z, J_z Omega_r,
    J_r theta_phi, J_r theta_z, J_r theta_r, J_r Omega_phi, J_r Omega_z, J_r Omega_r,
    theta_phi theta_z, theta_phi theta_r, theta_phi Omega_phi, theta_phi Omega_z, theta_phi Omega_r,
    theta_z theta_r, theta_z Omega_phi, theta_z Omega_z, theta_z Omega_r,
    theta_r Omega_phi, theta_r Omega_z, theta_r Omega_r,
    Omega_phi Omega_z, Omega_phi Omega_r,
    Omega_z Omega_r,
};

/// The part of a star's draws without actions.
pub const SET_ASIDE_DRAWS: Column = Column {
    name: "set_aside_draws",
    unit: "",
    frame: "",
    description: "part of the draws of this star that have no actions: unbound, or without a positive distance",
};

/// Whether all errors are known.
pub const ERRORS_KNOWN: (&str, &str) = (
    "errors_known",
    "whether the errors of distance, proper motion and line-of-sight velocity are known, if these were measured; one that is not counts as nothing",
);

/// Standard deviations in the order of [`Nine`].
fn deviations() -> impl Iterator<Item = &'static Column> {
    ACTIONS_SD.iter().chain(&ANGLES_SD).chain(&FREQUENCIES_SD)
}

/// Covariances of the errors of actions and angles.
pub struct Covariances {
    /// Of every row, in the order of [`Nine`]; not a number where a standard deviation is missing.
    pub rows: Vec<[[f64; 6]; 6]>,
    /// Whether the table has all correlations of actions and angles; those that it does not have are taken for nothing.
    pub whole: bool,
}

/// The covariances that a table tells by standard deviations and correlations; none of one without standard deviations.
pub fn covariances(table: &RecordBatch) -> Result<Option<Covariances>, StageError> {
    let read = |name: &str| tables::optional_f64_column(table, name).map_err(StageError::failed);
    let mut deviation = Vec::with_capacity(6);
    for column in deviations().take(6) {
        match read(column.name)? {
            Some(values) => deviation.push(values),
            None => return Ok(None),
        }
    }
    let mut covariances = Covariances {
        rows: vec![[[0.0; 6]; 6]; table.num_rows()],
        whole: true,
    };
    let sd = |i: usize, row: usize| deviation[i][row].unwrap_or(f64::NAN);
    for (row, covariance) in covariances.rows.iter_mut().enumerate() {
        for (i, of) in covariance.iter_mut().enumerate() {
            of[i] = sd(i, row) * sd(i, row);
        }
    }
    for ((i, j), column) in PAIRS.into_iter().zip(&CORRELATIONS).filter(|((_, j), _)| *j < 6) {
        let Some(correlation) = read(column.name)? else {
            covariances.whole = false;
            continue;
        };
        for (row, covariance) in covariances.rows.iter_mut().enumerate() {
            // Without a correlation where one of the two does not vary.
            let value = correlation[row].unwrap_or(0.0) * sd(i, row) * sd(j, row);
            (covariance[i][j], covariance[j][i]) = (value, value);
        }
    }
    Ok(Some(covariances))
}

macro_rules! intervals {
    ($($name:ident $unit:literal,)*) => {
        [$([
            intervals!($name $unit "_low_68" "lower bound of the central 68.27 % of " ),
            intervals!($name $unit "_high_68" "upper bound of the central 68.27 % of "),
            intervals!($name $unit "_low_95" "lower bound of the central 95 % of "),
            intervals!($name $unit "_high_95" "upper bound of the central 95 % of "),
        ]),*]
    };
    ($name:ident $unit:literal $ending:literal $about:literal) => {
        Column {
            name: concat!(stringify!($name), $ending),
            unit: $unit,
            frame: "galactocentric",
            description: concat!($about, stringify!($name), " that the errors allow"),
        }
    };
}

/// Bounds of intervals.
pub const INTERVALS: [[Column; 4]; 9] = intervals! {
    J_phi "km/s kpc", J_z "km/s kpc", J_r "km/s kpc",
    theta_phi "rad", theta_z "rad", theta_r "rad",
    Omega_phi "km/s/kpc", Omega_z "km/s/kpc", Omega_r "km/s/kpc",
};

/// What is written of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Which correlations.
    pub correlations: Of,
    /// Which intervals.
    pub intervals: Of,
    /// How many of the nine there are: without frequencies 6.
    pub known: usize,
}

impl Of {
    /// How many of the `known` it is about.
    fn count(self, known: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Actions => 3,
            Self::All => known,
        }
    }
}

impl Written {
    /// All that may be written.
    pub const ALL: Self = Self {
        correlations: Of::All,
        intervals: Of::All,
        known: 9,
    };

    /// Places of the correlations that are written.
    fn correlated(self) -> impl Iterator<Item = usize> {
        let count = self.correlations.count(self.known);
        (0..PAIRS.len()).filter(move |&place| PAIRS[place].1 < count)
    }

    /// Places of the bounds that are written: of which of the nine, and which.
    fn bounds(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.intervals.count(self.known)).flat_map(|place| (0..4).map(move |bound| (place, bound)))
    }

    /// The columns of what is known of errors, of rows that have a spread.
    pub fn layout<R: 'static>(self, layout: Layout<R>, of: fn(&R) -> Option<&Spread>) -> Layout<R> {
        fn known_of<R>(of: fn(&R) -> Option<&Spread>, row: &R) -> Option<&Spread> {
            of(row).filter(|spread| spread.errors != KnownErrors::None)
        }
        let mut layout = layout;
        for (place, column) in deviations().take(self.known).enumerate() {
            layout = layout.number_or_none(*column, move |row| Some(known_of(of, row)?.deviation[place]));
        }
        for (place, bound) in self.bounds() {
            layout = layout.number_or_none(INTERVALS[place][bound], move |row| {
                Some(known_of(of, row)?.intervals[place][bound])
            });
        }
        layout = layout.number(SET_ASIDE_DRAWS, move |row| {
            of(row).map_or(0.0, |spread| spread.set_aside)
        });
        for place in self.correlated() {
            layout = layout.number_or_none(CORRELATIONS[place], move |row| {
                Some(known_of(of, row)?.correlation[place]).filter(|value| !value.is_nan())
            });
        }
        layout.flag(ERRORS_KNOWN.0, ERRORS_KNOWN.1, move |row| {
            of(row).is_some_and(|spread| spread.errors == KnownErrors::All)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::common::columns::{ACTIONS, ANGLES, FREQUENCIES};

    #[test]
    fn pairs_are_those_that_are_named() {
        let names: Vec<&str> = ACTIONS
            .iter()
            .chain(&ANGLES)
            .chain(&FREQUENCIES)
            .map(|column| column.name)
            .collect();
        for ((i, j), column) in PAIRS.into_iter().zip(&CORRELATIONS) {
            assert_eq!(column.name, format!("{}_{}_corr", names[i], names[j]));
        }
        for (name, column) in names.iter().zip(deviations()) {
            assert_eq!(column.name, format!("{name}_sd"));
        }
        let written = |of: Of, known: usize| {
            let written = Written {
                correlations: of,
                intervals: of,
                known,
            };
            let schema = written.layout(Layout::new(), |row: &Spread| Some(row)).schema();
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect::<Vec<_>>()
        };
        let actions = written(Of::Actions, 9);
        assert_eq!(actions[9..11], ["J_phi_low_68", "J_phi_high_68"]);
        assert_eq!(
            actions[22..],
            ["J_phi_J_z_corr", "J_phi_J_r_corr", "J_z_J_r_corr", "errors_known"]
        );
        assert_eq!(
            (written(Of::All, 9).len(), written(Of::All, 6).len()),
            (9 + 36 + 1 + 36 + 1, 6 + 24 + 1 + 15 + 1)
        );
        for (name, bounds) in names.iter().zip(&INTERVALS) {
            assert!(bounds.iter().all(|bound| bound.name.starts_with(name)));
        }
    }

    #[test]
    fn moments_go_around_the_circle() {
        let tau = std::f64::consts::TAU;
        let draw = |j: f64, phi: f64| {
            let mut draw = [1.0; 9];
            (draw[0], draw[3], draw[1]) = (j, wrap_angle(phi), -2.0 * j);
            draw
        };
        let spread = Spread::of(&[draw(1.0, -0.1), draw(2.0, 0.0), draw(3.0, 0.1)], 4, KnownErrors::All).unwrap();
        assert!((spread.mean[0] - 2.0).abs() < 1e-15 && (spread.deviation[0] - 1.0).abs() < 1e-15);
        assert!(spread.mean[3] < 1e-12 || spread.mean[3] > tau - 1e-12);
        assert!((spread.deviation[3] - 0.1).abs() < 1e-12);
        let at = |i, j| spread.correlation[PAIRS.iter().position(|&pair| pair == (i, j)).unwrap()];
        assert!((at(0, 3) - 1.0).abs() < 1e-12 && (at(0, 1) + 1.0).abs() < 1e-12);
        assert!(at(0, 2).is_nan());
        assert!((spread.set_aside - 0.25).abs() < 1e-15);
        // Of 99 values the quantile of 1 % is the first.
        let sorted: Vec<f64> = (1..100).map(f64::from).collect();
        assert!((quantile(&sorted, 0.01) - 1.0).abs() < 1e-12 && (quantile(&sorted, 0.5) - 50.0).abs() < 1e-12);
        assert_eq!((quantile(&sorted, 1e-4), quantile(&sorted, 0.9999)), (1.0, 99.0));
        assert_eq!(Spread::of(&[[0.0; 9]], 1, KnownErrors::All), None);
        assert_eq!(nine(&action_angle(spread.mean)), spread.mean);
    }
}
