//! Observes stars from the Sun: distance, Galactic coordinates, line-of-sight velocity, proper motions.

mod errors;

use dynamics::measured::{Measured, Priors};
use dynamics::phase_space::PhaseSpace;
use dynamics::sky::Sun;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, Column, OBSERVABLES, POSITION};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::layout::Layout;
use crate::common::measured::{CORRELATIONS, DISTANCE_MODULUS, ERRORS, PARALLAX};
use crate::common::quantities::Quantity;
use crate::common::sun::{self, SunParameters};

pub use self::errors::{Errors, Magnitudes};

use self::errors::{MAGNITUDE, Seen, TRIES, modulus};

/// `observe`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// Where the Sun is and how it moves; left out, the Sun that the table states, or the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sun: Option<SunParameters>,
    /// Standard deviations of Gaussian errors. With any, x y z vx vy vz are those that follow from what was observed, as far as all
    /// observables that they need were, and the true ones are called x_true, y_true and so on. The errors are columns (`v_los_error`, …).
    pub errors: Errors,
    /// Observables that are not observed: columns left out.
    pub missing: Vec<Observable>,
    /// Seed of the errors.
    pub seed: u64,
}

/// One observable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observable {
    /// Distance from the Sun.
    Distance,
    /// Galactic longitude.
    L,
    /// Galactic latitude.
    B,
    /// Line-of-sight velocity.
    VLos,
    /// Proper motion in longitude.
    MuLCosb,
    /// Proper motion in latitude.
    MuB,
}

impl Observe {
    fn observed(&self) -> Vec<Column> {
        let is_missing = |index: usize| self.missing.iter().any(|&missing| missing as usize == index);
        OBSERVABLES
            .iter()
            .enumerate()
            .filter(|&(index, _)| !is_missing(index))
            .map(|(_, &column)| column)
            .collect()
    }
}

/// Positions and velocities without errors.
const TRUE: [Column; 6] = {
    const fn of(name: &'static str, of: Column, description: &'static str) -> Column {
        Column {
            name,
            description,
            ..of
        }
    }
    let [x, y, z, vx, vy, vz] = CARTESIAN;
    [
        of("x_true", x, "x without errors"),
        of("y_true", y, "y without errors"),
        of("z_true", z, "z without errors"),
        of("vx_true", vx, "vx without errors"),
        of("vy_true", vy, "vy without errors"),
        of("vz_true", vz, "vz without errors"),
    ]
};

impl Observe {
    /// Which of x y z vx vy vz follow from what was observed: positions from distance, l and b, velocities from all.
    fn located(&self) -> &'static [Column] {
        let is_of_place = |missing: &Observable| (*missing as usize) < 3;
        match (
            self.missing.is_empty() && !self.may_lack_v_los(),
            self.missing.iter().any(is_of_place),
        ) {
            (true, _) => &CARTESIAN,
            (false, false) => &POSITION,
            (false, true) => &[],
        }
    }

    /// Whether the line-of-sight velocities of some stars are missing.
    fn may_lack_v_los(&self) -> bool {
        let limit = self.errors.magnitudes.and_then(|magnitudes| magnitudes.v_los_limit);
        limit.is_some()
    }

    /// The columns of errors, and of what they are errors of.
    fn of_errors(&self) -> Vec<Column> {
        let Errors {
            parallax,
            distance_modulus,
            mu_l_cosb_mu_b_corr,
            magnitudes,
            ..
        } = self.errors;
        let is_missing = |observable: Observable| self.missing.contains(&observable);
        let of_depth = if parallax.get() > 0.0 {
            vec![PARALLAX, ERRORS[1]]
        } else if distance_modulus > 0.0 {
            vec![DISTANCE_MODULUS, ERRORS[2]]
        } else {
            vec![ERRORS[0]]
        };
        let mut columns = if is_missing(Observable::Distance) {
            Vec::new()
        } else {
            of_depth
        };
        let others = [
            Observable::L,
            Observable::B,
            Observable::MuLCosb,
            Observable::MuB,
            Observable::VLos,
        ];
        columns.extend(
            others
                .into_iter()
                .zip(&ERRORS[3..])
                .filter(|(of, _)| !is_missing(*of))
                .map(|(_, column)| *column),
        );
        let has_both = !is_missing(Observable::MuLCosb) && !is_missing(Observable::MuB);
        if mu_l_cosb_mu_b_corr != 0.0 && has_both {
            columns.push(CORRELATIONS[9]);
        }
        columns.extend(magnitudes.map(|_| MAGNITUDE));
        columns
    }

    /// The columns of the input that say what was observed anew.
    fn replaced(&self) -> Vec<&'static str> {
        let located: &[Column] = if self.errors.any() { &CARTESIAN } else { &[] };
        let of_errors = [PARALLAX, DISTANCE_MODULUS, MAGNITUDE];
        let of_errors = of_errors.iter().chain(&ERRORS).chain(&CORRELATIONS);
        let all = OBSERVABLES.iter().chain(located).chain(of_errors);
        all.map(|column| column.name).collect()
    }

    /// What is written beside the columns of the input. The true positions and velocities of a table that was observed before stay what they
    /// were.
    fn layout(&self, input: &Schema) -> Layout<Seen> {
        let mut written = self.observed();
        let may_lack = self.may_lack_v_los();
        let [v_los, v_los_error] = [OBSERVABLES[3], ERRORS[7]];
        let seen = Layout::new().quantity(|row: &Seen| row.drawn);
        let seen = seen
            .only(|name| !may_lack || name != v_los.name)
            .when(may_lack, |layout| {
                layout.number_or_none(v_los, |row| row.measured.v_los.map(|_| row.drawn.v_los))
            });
        if self.errors.any() {
            written.extend(self.located());
            written.extend(TRUE.iter().filter(|_| !columns::has(input, &TRUE)));
            written.extend(self.of_errors());
        }
        let deviation = |place: usize| move |row: &Seen| row.measured.covariance.deviations[place];
        let seen = seen
            .quantity(|row| row.located)
            .numbers(&TRUE, |row| row.truth.components())
            .number(PARALLAX, |row| 1.0 / row.drawn.distance)
            .number(DISTANCE_MODULUS, |row| modulus(row.drawn.distance))
            .number(ERRORS[0], deviation(2))
            .number(ERRORS[1], deviation(2))
            .number(ERRORS[2], deviation(2))
            .number(ERRORS[3], deviation(0))
            .number(ERRORS[4], deviation(1))
            .number(ERRORS[5], deviation(3))
            .number(ERRORS[6], deviation(4))
            .when(!may_lack, |layout| {
                layout.number(v_los_error, |row| row.measured.v_los_error)
            })
            .when(may_lack, |layout| {
                layout.number_or_none(v_los_error, |row| row.measured.v_los.map(|_| row.measured.v_los_error))
            })
            .number(CORRELATIONS[9], |row| row.measured.covariance.correlations[9])
            .number(MAGNITUDE, |row| row.magnitude.unwrap_or_default());
        seen.only(|name| written.iter().any(|column| column.name == name))
    }
}

impl Stage for Observe {
    const KIND: &'static str = "observe";
    const ABOUT: &'static str = "Observe stars from the Sun, with errors or without";
    const REVISION: u32 = 3;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&CARTESIAN]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let sun = sun::agreed("stars", input, self.sun)?;
        let schema = self.layout(input).seen_from(&sun).beside(input, &self.replaced());
        Ok(vec![OutputPort::table("stars", schema)])
    }

    fn check(&self) -> Vec<Fault> {
        self.errors.faults()
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let sun = sun::agreed("stars", table.schema_ref(), self.sun).map_err(StageError::failed)?;
        let sun = Sun::from(&sun);
        let mut random = context.random(self.seed, "observe");
        let stars: Vec<PhaseSpace> = quantity(&table)?;
        let mut observed = Vec::with_capacity(table.num_rows());
        for ((row, id), truth) in star_ids(&table)?.into_iter().enumerate().zip(stars) {
            let failed = |error: &dyn std::fmt::Display| {
                StageError::failed(format!("row {row} (stream {}, star {}): {error}", id.stream, id.star))
            };
            let seen = sun.observe(&truth).map_err(|error| failed(&error))?;
            let (measured, magnitude) = self.errors.measured(&seen, &mut random);
            let (drawn, located) = if self.errors.any() {
                let whole = Measured {
                    v_los: Some(seen.v_los),
                    ..measured
                };
                let draws = whole.draws(&sun, &Priors::default()).map_err(|error| failed(&error))?;
                // A distance that is not positive is drawn again.
                let mut tries = (0..TRIES).filter_map(|_| draws.draw(&mut random));
                let drawn = tries
                    .next()
                    .ok_or_else(|| failed(&"its errors leave it no positive distance"))?;
                (drawn, sun.locate(&drawn))
            } else {
                (seen, truth)
            };
            observed.push(Seen {
                drawn,
                located,
                truth,
                measured,
                magnitude,
            });
        }
        context.write_beside("stars", &table, &self.layout(table.schema_ref()), &observed)?;
        Ok(Outcome::Complete)
    }
}
