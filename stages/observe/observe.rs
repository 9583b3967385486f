//! Observes stars from the Sun: distance, Galactic coordinates, line-of-sight velocity, proper motions.

use dynamics::phase_space::PhaseSpace;
use dynamics::sky::{Observables, Sun};
use rand::Rng;
use rand_distr::StandardNormal;
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
use crate::common::parameters::{Degrees, FROM_ZERO, KmPerSecond, MasPerYear, SunParameters};
use crate::common::quantities::Quantity;

/// `observe`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// Where the Sun is and how it moves.
    pub sun: SunParameters,
    /// Standard deviations of Gaussian errors. With any, x y z vx vy vz are those that follow from what was observed, as far as all
    /// observables that they need were, and the true ones are called x_true, y_true and so on.
    pub errors: Errors,
    /// Observables that are not observed: columns left out.
    pub missing: Vec<Observable>,
    /// Seed of the errors.
    pub seed: u64,
}

/// Standard deviations of Gaussian errors; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Error of the distance as a fraction of it; a distance that would become negative is drawn again.
    pub distance: f64,
    /// Error of the longitude on the sky (times cos b), degrees.
    pub l: Degrees<FROM_ZERO>,
    /// Error of the latitude, degrees.
    pub b: Degrees<FROM_ZERO>,
    /// Error of the line-of-sight velocity, km/s.
    pub v_los: KmPerSecond<FROM_ZERO>,
    /// Error of the proper motion in longitude, mas/yr.
    pub mu_l_cosb: MasPerYear<FROM_ZERO>,
    /// Error of the proper motion in latitude, mas/yr.
    pub mu_b: MasPerYear<FROM_ZERO>,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            distance: 0.0,
            l: Degrees(0.0),
            b: Degrees(0.0),
            v_los: KmPerSecond(0.0),
            mu_l_cosb: MasPerYear(0.0),
            mu_b: MasPerYear(0.0),
        }
    }
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

/// An error of this size, degrees, leaves nothing known of where a star is on the sky.
const LARGEST_ANGLE: f64 = 45.0;

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
        match (self.missing.is_empty(), self.missing.iter().any(is_of_place)) {
            (true, _) => &CARTESIAN,
            (false, false) => &POSITION,
            (false, true) => &[],
        }
    }

    /// The columns of the input that say what was observed anew.
    fn replaced(&self) -> Vec<&'static str> {
        let located: &[Column] = if self.errors.any() { &CARTESIAN } else { &[] };
        OBSERVABLES.iter().chain(located).map(|column| column.name).collect()
    }

    /// What is written beside the columns of the input. The true positions and velocities of a table that was observed before stay what they
    /// were.
    fn layout(&self, input: &Schema) -> Layout<Observed> {
        let (observed, located) = (self.observed(), self.located());
        let written = move |name: &str| observed.iter().chain(located).any(|column| column.name == name);
        let seen = Layout::new().quantity(|row: &Observed| row.seen);
        if !self.errors.any() {
            return seen.only(written);
        }
        let seen = seen.quantity(|row| row.located).only(written);
        let is_known = columns::has(input, &TRUE);
        seen.when(!is_known, |layout| layout.numbers(&TRUE, |row| row.truth.components()))
    }
}

/// A star as it was observed.
struct Observed {
    seen: Observables,
    /// Where it is by that.
    located: PhaseSpace,
    /// Where it is.
    truth: PhaseSpace,
}

impl Errors {
    fn any(&self) -> bool {
        *self != Self::default()
    }

    /// `star` with errors. Always takes the same random numbers, so that one error more does not change the others.
    fn apply<R: Rng>(&self, star: Observables, random: &mut R) -> Observables {
        let mut normal = || random.sample::<f64, _>(StandardNormal);
        let (l, b, v_los) = (normal(), normal(), normal());
        let (mu_l_cosb, mu_b) = (normal(), normal());
        let mut factor = 1.0 + self.distance * normal();
        while factor <= 0.0 {
            factor = 1.0 + self.distance * normal();
        }
        let latitude = star.b + self.b.get() * b;
        // Over a pole: down the other side.
        let over = latitude.to_radians().cos() < 0.0;
        let turn = if over { 180.0 } else { 0.0 };
        // Near a pole an error on the sky is a large one in longitude; beyond half a turn it means nothing.
        let along = (self.l.get() * l / star.b.to_radians().cos().max(1e-12)).clamp(-180.0, 180.0);
        Observables {
            distance: star.distance * factor,
            l: (star.l + along + turn).rem_euclid(360.0),
            b: if latitude.abs() > 90.0 {
                latitude.to_radians().sin().asin().to_degrees()
            } else {
                latitude
            },
            v_los: star.v_los + self.v_los.get() * v_los,
            mu_l_cosb: star.mu_l_cosb + self.mu_l_cosb.get() * mu_l_cosb,
            mu_b: star.mu_b + self.mu_b.get() * mu_b,
        }
    }
}

impl Stage for Observe {
    const KIND: &'static str = "observe";
    const ABOUT: &'static str = "Observe stars from the Sun, with errors or without";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&CARTESIAN]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let schema = self.layout(input).beside(input, &self.replaced());
        Ok(vec![OutputPort::table("stars", schema)])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, error) in [("l", self.errors.l.get()), ("b", self.errors.b.get())] {
            if error > LARGEST_ANGLE {
                let message = format!("an error on the sky is at most {LARGEST_ANGLE} deg, not {error}");
                faults.push(Fault::new(&format!("errors.{name}"), message));
            }
        }
        let distance = self.errors.distance;
        if !(0.0..1.0).contains(&distance) {
            let message = format!("is a fraction, from 0 and below 1, not {distance}");
            faults.push(Fault::new("errors.distance", message));
        }
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let sun = Sun::from(&self.sun);
        let mut random = context.random(self.seed, "observe");
        let mut observed = Vec::with_capacity(table.num_rows());
        let stars: Vec<PhaseSpace> = quantity(&table)?;
        for ((row, id), truth) in star_ids(&table)?.into_iter().enumerate().zip(stars) {
            let seen = sun.observe(&truth).map_err(|error| {
                StageError::failed(format!("row {row} (stream {}, star {}): {error}", id.stream, id.star))
            })?;
            let (seen, located) = if self.errors.any() {
                let seen = self.errors.apply(seen, &mut random);
                (seen, sun.locate(&seen))
            } else {
                (seen, truth)
            };
            observed.push(Observed { seen, located, truth });
        }
        context.write_beside("stars", &table, &self.layout(table.schema_ref()), &observed)?;
        Ok(Outcome::Complete)
    }
}
