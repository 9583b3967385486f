//! Selects the orbits of a family from points at equal intervals of time, and a few stars from each.

use dynamics::orbit::tubes::{Character, Family as OrbitFamily, LEAST_POINTS, character};
use dynamics::phase_space::PhaseSpace;
use rand::seq::index::sample;
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, TIME};
use crate::common::io::{self, TableContext, quantity, star_ids};
use crate::common::layout::Layout;
use crate::common::parameters::positive;
use crate::common::set_aside::{self, OnFailure, SetAside};

/// `select_orbits`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectOrbits {
    /// The family that is kept.
    pub family: Family,
    /// Least angular momentum round the tube's axis, as a fraction of that of a circular orbit of the same r and v.
    pub least_circularity: f64,
    /// Largest relative change of a leading frequency between the two halves of the time: above, an orbit is called chaotic.
    pub greatest_drift: f64,
    /// Stars taken from each orbit, at random.
    pub stars: u32,
    /// Seed of the choice of stars.
    pub seed: u64,
    /// What to do about orbits whose points are too few or not at equal intervals of time.
    pub failures: OnFailure,
}

/// Families of orbits in a triaxial potential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// L_z keeps its sign.
    #[default]
    TubeZ,
    /// L_x keeps its sign.
    TubeX,
    /// Either.
    Tubes,
    /// All that are not chaotic.
    Any,
}

impl Default for SelectOrbits {
    fn default() -> Self {
        Self {
            family: Family::TubeZ,
            least_circularity: 0.5,
            greatest_drift: 1e-2,
            stars: crate::sample::samples::default_stars(),
            seed: 0,
            failures: OnFailure::default(),
        }
    }
}

/// An orbit, and what is said of it.
struct Judged {
    stream: i64,
    character: Character,
    verdict: &'static str,
}

/// The table `orbits`.
fn orbits() -> Layout<Judged> {
    let circularity = "angular momentum round the tube's axis over that of a circular orbit";
    let drift = "relative change of a leading frequency between the halves of the time";
    Layout::of_streams(|row: &Judged| row.stream)
        .text("family", "tube_z, tube_x or box", |row| name(row.character.family))
        .number(("circularity", "", circularity), |row| row.character.circularity)
        .number(("drift", "", drift), |row| row.character.drift)
        .text("verdict", "kept, or why not", |row| row.verdict)
}

impl Stage for SelectOrbits {
    const KIND: &'static str = "select_orbits";
    const ABOUT: &'static str =
        "Select orbits by their family and the steadiness of their frequencies, and take stars from each";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Observe;

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::table("stars", &columns::needs(&[&[TIME], &CARTESIAN]))]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let stars = connected_schema(connected, "stars").map_or_else(Schema::empty, |schema| schema.as_ref().clone());
        Ok(vec![
            OutputPort::table("stars", stars),
            OutputPort::table("orbits", orbits().schema()),
            set_aside::port(),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = positive("stars", Some(self.stars)).into_iter().collect();
        faults.extend(positive("greatest_drift", Some(self.greatest_drift)));
        if !(0.0..1.0).contains(&self.least_circularity) {
            let message = format!("must be at least 0 and below 1, not {}", self.least_circularity);
            faults.push(Fault::new("least_circularity", message));
        }
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let Most { streams, stars } = inputs.at("stars");
        let least = LEAST_POINTS.max(self.stars as usize);
        if let Some(there) = stars.filter(|&there| there < least as u64) {
            let mut fault = Fault::new(
                "stars",
                format!("an orbit has {there} points, where {least} are needed"),
            );
            fault.hint = Some("raise `stars` where the orbits are integrated".to_owned());
            return Err(vec![fault]);
        }
        let chosen = Some(u64::from(self.stars));
        let orbits = Most {
            streams,
            stars: Some(1),
        };
        Ok(Counts::of("stars", Most { streams, stars: chosen }).and("orbits", orbits))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let table = context.read_table("stars")?;
        let ids = star_ids(&table)?;
        let (time, points) = (io::column(&table, TIME.name)?, quantity::<PhaseSpace, 6>(&table)?);
        let stream = |row: usize| ids[row].stream;
        let mut rows: Vec<usize> = (0..ids.len()).collect();
        rows.sort_by(|&a, &b| stream(a).cmp(&stream(b)).then(time[a].total_cmp(&time[b])));
        let mut random = context.random(self.seed, "select_orbits");
        let mut kept = Vec::new();
        let mut found: Vec<Judged> = Vec::new();
        let mut without = SetAside::default();
        for rows in rows.chunk_by(|&a, &b| stream(a) == stream(b)) {
            context.check_cancelled()?;
            if let Some(fault) = self.fault_of_times(rows, time) {
                without.push(ids[rows[0]], fault);
                continue;
            }
            let along: Vec<_> = rows.iter().map(|&row| points[row]).collect();
            let Some(character) = character(&along) else { continue };
            let verdict = self.verdict(&character);
            if verdict == KEPT {
                let mut chosen = sample(&mut random, rows.len(), self.stars as usize).into_vec();
                chosen.sort_unstable();
                kept.extend(chosen.into_iter().map(|place| rows[place]));
            }
            found.push(Judged {
                stream: stream(rows[0]),
                character,
                verdict,
            });
        }
        let left = without.len();
        without.write(context, self.failures, found.len() + left, "orbits")?;
        if found.is_empty() && left > 0 {
            return Ok(set_aside::all_set_aside(left, "orbits"));
        }
        let count = |wanted| found.iter().filter(|orbit| orbit.verdict == wanted).count();
        for verdict in [KEPT, BOX, OTHER, LOW, CHAOTIC] {
            let name = format!("orbits_{}", verdict.replace([' ', ','], "_"));
            context.metric(&name, count(verdict) as f64, "");
        }
        let drifts = found.iter().map(|orbit| orbit.character.drift);
        let drifting = drifts.filter(|drift| *drift > self.greatest_drift).count();
        context.metric("drifting_of_all", drifting as f64, "");
        context.note(format!(
            "of {} orbits {} are kept; {} are boxes, {} tubes round another axis; of the tubes that are left the frequencies of {} drift and \
             {} have too little angular momentum. Of all orbits the frequencies of {drifting} drift",
            found.len(),
            count(KEPT),
            count(BOX),
            count(OTHER),
            count(CHAOTIC),
            count(LOW)
        ));
        if kept.is_empty() {
            return Err(StageError::with_hint(
                "no orbit is kept",
                "lower least_circularity, or raise greatest_drift",
            ));
        }
        context.write_batch("stars", &tables::take_rows(&table, &kept).map_err(StageError::failed)?)?;
        context.write_rows("orbits", &orbits(), &found)?;
        Ok(Outcome::Complete)
    }
}

const KEPT: &str = "kept";
const BOX: &str = "box";
const OTHER: &str = "other tube";
const LOW: &str = "low momentum";
const CHAOTIC: &str = "drifting";

fn name(family: OrbitFamily) -> &'static str {
    match family {
        OrbitFamily::TubeX => "tube_x",
        OrbitFamily::TubeZ => "tube_z",
        OrbitFamily::Box => "box",
    }
}

impl SelectOrbits {
    fn verdict(&self, of: &Character) -> &'static str {
        let is_wanted = match (self.family, of.family) {
            (Family::Any, _) => true,
            (_, OrbitFamily::Box) => return BOX,
            (Family::TubeZ, family) => family == OrbitFamily::TubeZ,
            (Family::TubeX, family) => family == OrbitFamily::TubeX,
            (Family::Tubes, _) => true,
        };
        if !is_wanted {
            OTHER
        } else if of.drift > self.greatest_drift {
            CHAOTIC
        } else if of.circularity < self.least_circularity && self.family != Family::Any {
            LOW
        } else {
            KEPT
        }
    }

    /// What is wrong with the times of an orbit: points must be enough, and at equal intervals.
    fn fault_of_times(&self, rows: &[usize], time: &[f64]) -> Option<String> {
        let least = LEAST_POINTS.max(self.stars as usize);
        if rows.len() < least {
            return Some(format!("it has {} points of the {least} that are needed", rows.len()));
        }
        let step = (time[rows[rows.len() - 1]] - time[rows[0]]) / (rows.len() - 1) as f64;
        let is_equal = |pair: &[usize]| ((time[pair[1]] - time[pair[0]]) / step - 1.0).abs() < 1e-6;
        (!rows.windows(2).all(is_equal)).then(|| {
            "its points are not at equal intervals of time, as `times: regular` of integrate_orbits makes them"
                .to_owned()
        })
    }
}

#[cfg(test)]
#[path = "select_orbits_tests.rs"]
mod tests;
