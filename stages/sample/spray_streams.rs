//! Tidal streams by particle spray: stars stripped from progenitors in a potential.

use dynamics::orbit::circular::circular_speed;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Plummer, Potential};
use dynamics::sample::{generator, isotropic};
use dynamics::streams::{Progenitor, Recipe, Spray, Stripped, Tail};
use dynamics::units;
use dynamics::vector::{cross, dot, norm};
use rand::Rng;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, Column};
use crate::common::io::{TableContext, identity, quantity};
use crate::common::layout::{Layout, StarId};
use crate::common::parameters::{Degrees, Gyr, Kpc, SolarMasses, positive};
use crate::common::potentials::{self, PotentialParameters};
use crate::common::room::too_many_rows;
use crate::common::set_aside::{self, OnFailure, SetAside};

/// `spray_streams`
///
/// Stars leave a progenitor of constant mass near its tidal radius, at a constant rate into both tails, and move on in the static potential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SprayStreams {
    /// The potential.
    pub potential: PotentialParameters,
    /// Progenitors, where the input `progenitors` is not connected.
    #[serde(default)]
    pub progenitors: Progenitors,
    /// Mass of each progenitor, M_sun, where the input `progenitors` has no column `mass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass: Option<SolarMasses>,
    /// Number of progenitors; left out where the input `progenitors` says it.
    #[serde(default)]
    pub streams: Option<u32>,
    /// Stars of each stream.
    #[serde(default = "default_stars")]
    pub stars: u32,
    /// Time since stripping began, Gyr.
    #[serde(default = "default_age")]
    pub age: Gyr,
    /// How stars leave.
    #[serde(default)]
    pub recipe: SprayRecipe,
    /// Keep only stars this far along the stream from the progenitor, as the galaxy's centre sees it, degrees; left out, all.
    #[serde(default)]
    pub within: Option<Degrees>,
    /// Greatest relative change of energy along the progenitor's orbit; the step is chosen for it.
    #[serde(default = "default_tolerance")]
    pub energy_tolerance: f64,
    /// Seed of progenitors and stars.
    #[serde(default)]
    pub seed: u64,
    /// What to do about progenitors whose orbit cannot be integrated.
    #[serde(default)]
    pub failures: OnFailure,
}

/// How stars leave a progenitor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SprayRecipe {
    /// Fardal et al. (2015): without the progenitor's own gravity.
    #[default]
    Fardal,
    /// Chen et al. (2025): with that of a Plummer sphere.
    Chen {
        /// Its scale, kpc.
        scale: Kpc,
    },
}

/// Where progenitors are: radius and the logarithm of the mass uniform, direction uniform on the sphere, speed across it and away from
/// the centre uniform in units of the circular speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Progenitors {
    /// Least and greatest distance from the centre now, kpc.
    pub radius: [Kpc; 2],
    /// Least and greatest mass, M_sun.
    pub mass: [SolarMasses; 2],
    /// Least and greatest speed across the direction to the centre, in circular speeds there.
    pub across: [f64; 2],
    /// Greatest speed towards the centre or away from it, in circular speeds there.
    pub radial: f64,
}

impl Default for Progenitors {
    fn default() -> Self {
        Self {
            radius: [Kpc(9.0), Kpc(28.0)],
            mass: [SolarMasses(1e4), SolarMasses(5e4)],
            across: [0.55, 1.0],
            radial: 0.4,
        }
    }
}

fn default_stars() -> u32 {
    100
}

fn default_age() -> Gyr {
    Gyr(3.0)
}

fn default_tolerance() -> f64 {
    1e-5
}

/// Mass of a progenitor.
const MASS: Column = Column {
    name: "mass",
    unit: "M_sun",
    frame: "",
    description: "mass of the progenitor",
};

/// When a star was stripped.
const STRIPPED: Column = Column {
    name: "stripped_true",
    unit: "Gyr",
    frame: "",
    description: "how long ago the star left its progenitor",
};

/// A star of a stream.
struct StarRow {
    id: StarId,
    stripped: Stripped,
}

/// The table `stars`.
fn stars() -> Layout<StarRow> {
    Layout::of_stars(|row: &StarRow| row.id)
        .quantity(|row| row.stripped.now)
        .number(STRIPPED, |row| row.stripped.age.0)
        .text("tail_true", "leading or trailing", |row| match row.stripped.tail {
            Tail::Leading => "leading",
            Tail::Trailing => "trailing",
        })
}

/// What a stream was stripped from.
struct ProgenitorRow {
    id: StarId,
    progenitor: Progenitor,
}

/// The table `progenitors`.
fn progenitors() -> Layout<ProgenitorRow> {
    Layout::of_stars(|row: &ProgenitorRow| row.id)
        .quantity(|row| row.progenitor.now)
        .number(MASS, |row| row.progenitor.mass)
}

/// Times as many stars are drawn at most, in search of those `within`.
const MOST_ROUNDS: usize = 100;

impl Stage for SprayStreams {
    const KIND: &'static str = "spray_streams";
    const ABOUT: &'static str = "Make tidal streams by particle spray from progenitors in a potential";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        let own_mass: &[Column] = if self.mass.is_some() { &[] } else { &[MASS] };
        let needs = columns::needs(&[&CARTESIAN, own_mass]);
        vec![InputPort::table("progenitors", &needs).optional()]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        match (connected.contains_key("progenitors"), self.streams) {
            (true, Some(_)) => return Err("streams: the input progenitors says how many there are".to_owned()),
            (false, None) => return Err("streams: needs the number of progenitors, or connect progenitors".to_owned()),
            _ => {}
        }
        let schema = connected_schema(connected, "progenitors");
        match schema.map(|schema| schema.column_with_name(MASS.name).is_some()) {
            Some(true) if self.mass.is_some() => {
                return Err("mass: the input progenitors has a column of masses; leave one of them out".to_owned());
            }
            None if self.mass.is_some() => {
                return Err(
                    "mass: is for the input progenitors; without it, progenitors.mass says the range".to_owned(),
                );
            }
            _ => {}
        }
        Ok(vec![
            OutputPort::table("stars", stars().schema()),
            OutputPort::table("progenitors", progenitors().schema()),
            set_aside::port(),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = potentials::faults(&self.potential, "potential");
        faults.extend(positive("streams", self.streams));
        faults.extend(positive("stars", Some(self.stars)));
        faults.extend(too_many_rows("streams", &[self.streams.unwrap_or(1), self.stars]));
        if !(self.energy_tolerance > 0.0 && self.energy_tolerance < 1.0) {
            let message = format!("must be between 0 and 1, not {}", self.energy_tolerance);
            faults.push(Fault::new("energy_tolerance", message));
        }
        let of = &self.progenitors;
        let pairs = [
            ("progenitors.radius", of.radius.map(Kpc::get)),
            ("progenitors.mass", of.mass.map(SolarMasses::get)),
            ("progenitors.across", of.across),
        ];
        for (at, [low, high]) in pairs {
            if !(low > 0.0 && low <= high && high.is_finite()) {
                faults.push(Fault::new(
                    at,
                    format!("must be two numbers above 0 in order, not {low}, {high}"),
                ));
            }
        }
        if !(0.0..10.0).contains(&of.radial) {
            faults.push(Fault::new(
                "progenitors.radial",
                format!("must be from 0 and below 10, not {}", of.radial),
            ));
        }
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let streams = self.streams.map(u64::from).or(inputs.at("progenitors").streams);
        let stars = Some(u64::from(self.stars));
        Ok(Counts::of("stars", Most { streams, stars }))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let potential = self.potential.build().map_err(StageError::failed)?;
        let progenitors = self.progenitors(context, potential.as_ref())?;
        let progress = context.progress(progenitors.len() as u64, "streams");
        let mut without = SetAside::default();
        let (mut rows, mut centres) = (Vec::new(), Vec::new());
        for &(stream, progenitor) in &progenitors {
            context.check_cancelled()?;
            let of = |star| StarId { stream, star };
            match self.stream(potential.as_ref(), stream, progenitor) {
                Ok(stars) => {
                    rows.extend(
                        (0..)
                            .zip(stars)
                            .map(|(star, stripped)| StarRow { id: of(star), stripped }),
                    );
                    centres.push(ProgenitorRow { id: of(0), progenitor });
                }
                Err(reason) => without.push(of(0), reason),
            }
            progress.add(1);
        }
        without.write(context, self.failures, progenitors.len(), "progenitors")?;
        if centres.is_empty() {
            return Ok(set_aside::all_set_aside(progenitors.len(), "progenitors"));
        }
        context.write_rows("stars", &stars(), &rows)?;
        context.write_rows("progenitors", &self::progenitors(), &centres)?;
        Ok(Outcome::Complete)
    }
}

impl SprayStreams {
    /// The progenitors by the number of their stream.
    fn progenitors(
        &self,
        context: &StageContext,
        potential: &dyn Potential,
    ) -> Result<Vec<(i64, Progenitor)>, StageError> {
        let of = |now, mass: f64| {
            let own_gravity = match self.recipe {
                SprayRecipe::Fardal => None,
                SprayRecipe::Chen { scale } => Some(Plummer::new(mass, scale.get()).map_err(StageError::failed)?),
            };
            Ok::<_, StageError>(Progenitor { now, mass, own_gravity })
        };
        if context.has_input("progenitors") {
            let table = context.read_table("progenitors")?;
            let (streams, _) = identity(&table)?;
            let masses = match self.mass {
                Some(mass) => vec![mass.get(); streams.len()],
                None => crate::common::io::column(&table, MASS.name)?.to_vec(),
            };
            let mut found = Vec::with_capacity(streams.len());
            for ((&stream, point), mass) in streams.iter().zip(quantity::<PhaseSpace, 6>(&table)?).zip(masses) {
                if !(mass > 0.0 && mass.is_finite()) {
                    return Err(StageError::failed(format!(
                        "input progenitors: stream {stream} has a mass of {mass}"
                    )));
                }
                found.push((stream, of(point, mass)?));
            }
            found.sort_by_key(|(stream, _)| *stream);
            if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(StageError::failed(format!(
                    "input progenitors: stream {} has more than one",
                    pair[0].0
                )));
            }
            return Ok(found);
        }
        let with = &self.progenitors;
        (0..i64::from(self.streams.unwrap_or_default()))
            .map(|stream| {
                let mut random = generator(self.seed, stream as u64);
                let mut between = |[low, high]: [f64; 2]| low + (high - low) * random.random::<f64>();
                let r = between(with.radius.map(Kpc::get));
                let mass = between(with.mass.map(|mass| mass.get().ln())).exp();
                let (fast, radial) = (between(with.across), between([-with.radial, with.radial]));
                let n = isotropic(&mut random);
                let sideways = cross(n, isotropic(&mut random));
                let across = sideways.map(|x| x / norm(sideways).max(1e-12));
                let speed = circular_speed(potential, r);
                let v = [0, 1, 2].map(|i| speed * (fast * across[i] + radial * n[i]));
                Ok((stream, of(PhaseSpace::new(n.map(|n| r * n), v), mass)?))
            })
            .collect()
    }

    /// The stars of one stream, or why there are none.
    fn stream(&self, potential: &dyn Potential, stream: i64, progenitor: Progenitor) -> Result<Vec<Stripped>, String> {
        let spray = Spray::new(potential, progenitor, units::Gyr(self.age.get()), self.energy_tolerance);
        let spray = spray
            .map_err(|error| error.to_string())?
            .with_recipe(match self.recipe {
                SprayRecipe::Fardal => Recipe::default(),
                SprayRecipe::Chen { .. } => Recipe::Chen,
            });
        // Another sequence of numbers than the progenitor's: these have the upper half of the stream numbers.
        let mut random = generator(self.seed, (stream as u64) ^ (1 << 63));
        let wanted = self.stars as usize;
        let Some(within) = self.within else {
            return Ok(spray.stars(wanted, &mut random));
        };
        let now = progenitor.now;
        let outwards = now.x.map(|x| x / norm(now.x).max(1e-12));
        let momentum = now.angular_momentum();
        let along = cross(momentum.map(|l| l / norm(momentum).max(1e-12)), outwards);
        let mut found = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let stars = spray.stars(wanted, &mut random).into_iter();
            let angle = |star: &Stripped| dot(star.now.x, along).atan2(dot(star.now.x, outwards)).to_degrees();
            found.extend(stars.filter(|star| angle(star).abs() <= within.get()));
            if found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
        }
        Err(format!(
            "of {} stars only {} lie within {} deg of it",
            MOST_ROUNDS * wanted,
            found.len(),
            within.get()
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{faults, run, stage};

    fn parameters(more: serde_json::Value) -> serde_json::Value {
        let mut all = json!({ "potential": { "logarithmic": { "velocity": 220.0, "core": 1.0 } }, "age": 0.5, "stars": 12, "seed": 3 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    }

    #[test]
    fn streams_lie_along_their_progenitors_and_know_the_truth() {
        let ran = run(
            &stage::<SprayStreams>(parameters(json!({ "streams": 3, "within": 20 }))),
            &[],
            &[],
        )
        .completed();
        assert_eq!(ran.i64("stars", "stream"), [[0; 12], [1; 12], [2; 12]].concat());
        assert!(
            ran.f64("stars", "stripped_true")
                .iter()
                .all(|age| (0.0..=0.5).contains(age))
        );
        let tails = ran.texts("stars", "tail_true");
        assert!(tails.contains(&"leading") && tails.contains(&"trailing"));
        let (x, y, z) = (ran.f64("stars", "x"), ran.f64("stars", "y"), ran.f64("stars", "z"));
        let [px, py, pz] = ["x", "y", "z"].map(|axis| ran.f64("progenitors", axis));
        for row in 0..36 {
            let (star, at) = ([x[row], y[row], z[row]], [px[row / 12], py[row / 12], pz[row / 12]]);
            let cos = dot(star, at) / norm(star) / norm(at);
            assert!(cos > 25f64.to_radians().cos(), "{row}: {cos}");
        }
        assert!(
            ran.f64("progenitors", "mass")
                .iter()
                .all(|mass| (1e4..5e4).contains(mass))
        );
    }

    /// The same stars from the progenitors written by another run.
    #[test]
    fn progenitors_may_be_given() {
        let first = run(&stage::<SprayStreams>(parameters(json!({ "streams": 2 }))), &[], &[]).completed();
        let given = stage::<SprayStreams>(parameters(json!({})));
        let again = run(&given, &[("progenitors", &first.tables["progenitors"])], &[]).completed();
        assert_eq!(first.bytes["stars"], again.bytes["stars"]);
        let chen = json!({ "recipe": { "chen": { "scale": 0.006 } } });
        let chen = run(
            &stage::<SprayStreams>(parameters(chen)),
            &[("progenitors", &first.tables["progenitors"])],
            &[],
        );
        assert_ne!(chen.completed().bytes["stars"], first.bytes["stars"]);
    }

    /// What `import_streams` brings has no column `mass`.
    #[test]
    fn progenitors_without_a_mass_have_that_which_is_said() {
        let table = crate::testing::stars(
            &[
                [12.0, 0.0, 3.0, 10.0, 190.0, 40.0],
                [0.0, 18.0, 3.0, -170.0, 10.0, 40.0],
            ],
            1,
        );
        let ran = run(
            &stage::<SprayStreams>(parameters(json!({ "mass": 3e4 }))),
            &[("progenitors", &table)],
            &[],
        )
        .completed();
        assert_eq!(ran.f64("progenitors", "mass"), [3e4, 3e4]);
        let needs = |with| stage::<SprayStreams>(parameters(with)).inputs().remove(0).accepts;
        let has_mass = |accepts| match accepts {
            runner::ports::Accepts::Table(needs) => needs.iter().any(|need| need.name == "mass"),
            _ => false,
        };
        assert!(has_mass(needs(json!({}))) && !has_mass(needs(json!({ "mass": 3e4 }))));
        let twice = stage::<SprayStreams>(parameters(json!({ "mass": 3e4 })));
        let twice = crate::testing::planned(&twice, &[("progenitors", ran.tables["progenitors"].schema())]);
        assert!(twice.is_err_and(|why| why.contains("column of masses")));
        let alone = stage::<SprayStreams>(parameters(json!({ "mass": 3e4, "streams": 2 })));
        assert!(
            alone
                .outputs(&Connected::new())
                .is_err_and(|why| why.contains("progenitors.mass"))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let text = faults::<SprayStreams>(parameters(
            json!({ "progenitors": { "radius": [9.0, 3.0] }, "stars": 0 }),
        ))
        .join("\n");
        assert!(text.contains("progenitors.radius") && text.contains("stars"), "{text}");
        let none = stage::<SprayStreams>(parameters(json!({}))).outputs(&Connected::new());
        assert!(none.is_err_and(|why| why.contains("number of progenitors")));
    }
}
