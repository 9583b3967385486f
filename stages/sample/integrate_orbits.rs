//! Integrates a sample of orbits in a potential and takes stars from each: one orbit is one stream.

use std::sync::LazyLock;

use dynamics::orbit::{Orbit, OrbitError, dense, integrate_all};
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::Potential;
use dynamics::sample;
use dynamics::units;
use rayon::prelude::*;
use runner::arrow_schema::SchemaRef;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, TIME};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::parameters::{Gyr, positive};
use crate::common::potentials::{self, PotentialParameters};
use crate::common::room::too_many_rows;
use crate::common::set_aside::{self, OnFailure, SetAside};
use crate::sample::samples::HaloSample;

/// `integrate_orbits`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrateOrbits {
    /// The potential.
    pub potential: PotentialParameters,
    /// Where the orbits start.
    #[serde(default)]
    pub sample: Sample,
    /// The halo sample, for `sample: halo`.
    #[serde(default)]
    pub halo: HaloSample,
    /// Number of orbits; left out where the sample says it.
    #[serde(default)]
    pub streams: Option<u32>,
    /// Stars taken from each orbit.
    #[serde(default = "crate::sample::samples::default_stars")]
    pub stars: u32,
    /// Time that each orbit is followed, Gyr.
    #[serde(default = "default_duration")]
    pub duration: Gyr,
    /// When stars are taken.
    #[serde(default)]
    pub times: Times,
    /// How orbits are integrated.
    #[serde(default)]
    pub integrator: Integrator,
    /// Greatest relative change of energy along an orbit; the step is chosen for it.
    #[serde(default = "default_tolerance")]
    pub energy_tolerance: f64,
    /// Seed of the sample and the times.
    #[serde(default)]
    pub seed: u64,
    /// What to do about orbits that cannot be integrated.
    #[serde(default)]
    pub failures: OnFailure,
}

/// How orbits are integrated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Integrator {
    /// By leapfrog with a fixed step, as in the paper.
    #[default]
    Leapfrog,
    /// By adaptive steps of order 8 (Dormand & Prince): for long orbits, and for labels.
    Dop853,
}

/// Where orbits start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// Halo stars: Ibata et al. (2021), section 6.1.
    #[default]
    Halo,
    /// The orbits thin, thick, halo, stream (streams 0 to 3): Ibata et al. (2021), section 6.4.
    TestOrbits,
    /// The rows of the table connected to the input port `starts`.
    Starts,
}

/// When stars are taken along an orbit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// At random times, uniform over the duration.
    #[default]
    Random,
    /// At equal intervals duration / stars, from 0.
    Regular,
}

fn default_duration() -> Gyr {
    Gyr(0.1)
}

fn default_tolerance() -> f64 {
    1e-7
}

/// Orbits integrated between two looks at the cancel flag.
const CHUNK: usize = 256;

/// Where an orbit starts, and its name.
struct Start {
    id: StarId,
    point: PhaseSpace,
}

impl Start {
    /// The first star of a stream.
    fn of_stream((stream, point): (i64, PhaseSpace)) -> Self {
        let id = StarId { stream, star: 0 };
        Self { id, point }
    }
}

/// A star on an orbit.
struct Star {
    id: StarId,
    time: units::Gyr,
    point: PhaseSpace,
}

/// The table `stars`.
fn stars() -> Layout<Star> {
    Layout::of_stars(|row: &Star| row.id)
        .number(TIME, |row| row.time.0)
        .quantity(|row| row.point)
}

impl Stage for IntegrateOrbits {
    const KIND: &'static str = "integrate_orbits";
    const ABOUT: &'static str = "Integrate a sample of orbits in a potential and take stars from each";
    const REVISION: u32 = 4;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        match self.sample {
            Sample::Starts => vec![InputPort::table("starts", &columns::needs(&[&CARTESIAN]))],
            Sample::Halo | Sample::TestOrbits => Vec::new(),
        }
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        // Asked at every seed of a sweep.
        static STARS: LazyLock<SchemaRef> = LazyLock::new(|| stars().schema().into());
        Ok(vec![OutputPort::table("stars", STARS.clone()), set_aside::port()])
    }

    fn files(&self) -> Vec<FileParameter> {
        potentials::files(&self.potential, "potential")
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = potentials::faults(&self.potential, "potential");
        match (self.sample, self.streams) {
            (Sample::Halo, None) => faults.push(Fault::new("streams", "sample: halo needs the number of streams")),
            (Sample::TestOrbits | Sample::Starts, Some(_)) => {
                faults.push(Fault::new(
                    "streams",
                    "is for sample: halo; this sample has its own number of orbits",
                ));
            }
            _ => {}
        }
        faults.extend(positive("streams", self.streams));
        faults.extend(positive("stars", Some(self.stars)));
        faults.extend(too_many_rows("streams", &[self.streams.unwrap_or(1), self.stars]));
        if !(self.energy_tolerance > 0.0 && self.energy_tolerance < 1.0) {
            let message = format!("must be between 0 and 1, not {}", self.energy_tolerance);
            faults.push(Fault::new("energy_tolerance", message));
        }
        faults.extend(self.halo.faults("halo"));
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let streams = match self.sample {
            Sample::Halo => self.streams.map(u64::from),
            Sample::TestOrbits => Some(4),
            Sample::Starts => inputs.at("starts").streams,
        };
        let stars = Some(u64::from(self.stars));
        Ok(Counts::of("stars", Most { streams, stars }))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let potential = potentials::build(&self.potential, context, "potential")?;
        let starts = self.starts(context, potential.as_ref())?;
        let times: Vec<Vec<units::Gyr>> = (0..starts.len()).map(|index| self.times_of(index)).collect();
        let integrated = self.integrate(context, potential.as_ref(), &starts, &times)?;
        let mut without = SetAside::default();
        let (mut orbits, mut placed) = (Vec::new(), Vec::new());
        for ((orbit, start), times) in integrated.into_iter().zip(&starts).zip(times) {
            match orbit {
                Ok(orbit) => {
                    let stream = start.id.stream;
                    let stars = (0..).zip(times.into_iter().zip(&orbit.points));
                    placed.extend(stars.map(|(star, (time, &point))| Star {
                        id: StarId { stream, star },
                        time,
                        point,
                    }));
                    orbits.push(orbit);
                }
                Err(error) => without.push(start.id, self.reason(&error)),
            }
        }
        without.write(context, self.failures, starts.len(), "orbits")?;
        if orbits.is_empty() {
            return Ok(set_aside::all_set_aside(starts.len(), "orbits"));
        }

        let worst = orbits.iter().map(|orbit| orbit.energy_error).fold(0.0, f64::max);
        context.metric("largest_energy_error", worst, "");
        context.metric("steps", orbits.iter().map(|orbit| orbit.steps as f64).sum(), "");
        context.write_rows("stars", &stars(), &placed)?;
        Ok(Outcome::Complete)
    }
}

impl IntegrateOrbits {
    /// Where the orbits start, in order of their streams.
    fn starts(&self, context: &StageContext, potential: &dyn Potential) -> Result<Vec<Start>, StageError> {
        match self.sample {
            Sample::Halo => self.halo_starts(context, potential),
            Sample::TestOrbits => Ok((0..)
                .zip(sample::TEST_ORBITS.map(|(_, start)| start))
                .map(Start::of_stream)
                .collect()),
            Sample::Starts => {
                let table = context.read_table("starts")?;
                let all = star_ids(&table)?.into_iter().zip(quantity(&table)?);
                let mut starts: Vec<Start> = all.map(|(id, point)| Start { id, point }).collect();
                starts.sort_by_key(|start| start.id.stream);
                if let Some(pair) = starts.windows(2).find(|pair| pair[0].id.stream == pair[1].id.stream) {
                    return Err(StageError::with_hint(
                        format!("input starts: stream {} has more than one star", pair[0].id.stream),
                        "a table of starts has one row for each stream",
                    ));
                }
                Ok(starts)
            }
        }
    }

    fn halo_starts(&self, context: &StageContext, potential: &dyn Potential) -> Result<Vec<Start>, StageError> {
        let streams = self.streams.unwrap_or_default();
        let mut starts = Vec::with_capacity(streams as usize);
        let mut redrawn = 0;
        for stream in 0..i64::from(streams) {
            let mut random = sample::generator(self.seed, stream as u64);
            let (point, draws) = self.halo.start(potential, &mut random)?;
            starts.push(Start::of_stream((stream, point)));
            redrawn += draws;
        }
        context.metric("starts_redrawn", f64::from(redrawn), "");
        Ok(starts)
    }

    /// Why an orbit is set aside, with what may help.
    fn reason(&self, error: &OrbitError) -> String {
        match (error, self.integrator) {
            (OrbitError::Tolerance { .. } | OrbitError::TooManySteps { .. }, Integrator::Leapfrog) => {
                format!("{error}; `integrator: dop853` may help")
            }
            (OrbitError::Tolerance { .. }, Integrator::Dop853) => {
                format!("{error}; a larger energy_tolerance may help")
            }
            _ => error.to_string(),
        }
    }

    fn times_of(&self, index: usize) -> Vec<units::Gyr> {
        let (stars, duration) = (self.stars as usize, self.duration.get());
        match self.times {
            Times::Regular => (0..stars)
                .map(|star| units::Gyr(duration * star as f64 / stars as f64))
                .collect(),
            // Another sequence of numbers than the start's: these have the upper half of the stream numbers.
            Times::Random => {
                let mut random = sample::generator(self.seed, index as u64 + (1 << 63));
                units::Gyr::all(&sample::times(&mut random, stars, duration))
            }
        }
    }

    fn integrate(
        &self,
        context: &StageContext,
        potential: &dyn Potential,
        starts: &[Start],
        times: &[Vec<units::Gyr>],
    ) -> Result<Vec<Result<Orbit, OrbitError>>, StageError> {
        let progress = context.progress(starts.len() as u64, "orbits");
        let count = |orbits: usize| progress.add(orbits as u64);
        let starts: Vec<PhaseSpace> = starts.iter().map(|start| start.point).collect();
        let mut orbits = Vec::with_capacity(starts.len());
        for (starts, times) in starts.chunks(CHUNK).zip(times.chunks(CHUNK)) {
            context.check_cancelled()?;
            orbits.extend(match self.integrator {
                Integrator::Leapfrog => integrate_all(&potential, starts, times, self.energy_tolerance, &count),
                Integrator::Dop853 => {
                    let one = |(start, times): (&PhaseSpace, &Vec<units::Gyr>)| {
                        let orbit = dense::integrate_to_tolerance(&potential, start, times, self.energy_tolerance);
                        count(1);
                        orbit
                    };
                    starts.par_iter().zip(times).map(one).collect()
                }
            });
        }
        Ok(orbits)
    }
}
