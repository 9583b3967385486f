//! Tori of given or sampled actions, and stars at random angles on each: one torus is one stream, and its truth.

use dynamics::orbit::circular::guiding_radius;
use dynamics::phase_space::{ActionAngle, Actions, Angles, PhaseSpace};
use dynamics::potential::{Potential, Symmetry};
use dynamics::sample;
use dynamics::staeckel::StaeckelFudge;
use dynamics::torus::{Settings, Torus};
use dynamics::units;
use rand::Rng;
use rayon::prelude::*;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort};
use runner::stage::{Fault, FileParameter, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, ACTIONS, ENERGY, J_ERROR};
use crate::common::io::{TableContext, quantity, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::parameters::{Gyr, KmPerSecondKpc, positive};
use crate::common::potentials::{self, PotentialParameters};
use crate::common::room::too_many_rows;
use crate::common::set_aside::{self, OnFailure, SetAside};
use crate::sample::samples::{DiscSample, HaloSample};

/// `map_tori`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapTori {
    /// The potential, axisymmetric.
    pub potential: PotentialParameters,
    /// Where the actions come from.
    #[serde(default)]
    pub sample: Sample,
    /// The halo sample, for `sample: halo`.
    #[serde(default)]
    pub halo: HaloSample,
    /// The disc sample, for `sample: disc`.
    #[serde(default)]
    pub disc: DiscSample,
    /// Number of tori; left out for `sample: actions`.
    #[serde(default)]
    pub streams: Option<u32>,
    /// Stars on each torus.
    #[serde(default = "crate::sample::samples::default_stars")]
    pub stars: u32,
    /// Time that the stars of a torus cover from a random phase on, Gyr: they lie at random times on one arc of the orbit. Left out, at
    /// random phases each.
    #[serde(default)]
    pub duration: Option<Gyr>,
    /// Root mean square of ΔH/|H| that a torus must reach.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Greatest error of J_r or J_z that a resonance may cause, km/s kpc: next to one a small ΔH moves actions far. A torus
    /// that is worse with all the modes allowed fails; left out, none does.
    #[serde(default)]
    pub largest_error: Option<KmPerSecondKpc>,
    /// Seed of the sample and the angles.
    #[serde(default)]
    pub seed: u64,
    /// What to do about given actions that have no torus; those of a sample are drawn again.
    #[serde(default)]
    pub failures: OnFailure,
}

/// Where actions come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// Those (by the Stäckel fudge) of halo stars: Ibata et al. (2021), sections 6.2 and 6.3.
    #[default]
    Halo,
    /// Actions uniform in a range, pericentres not too small: Ibata et al. (2021), section 6.3.
    Disc,
    /// The first star of each stream in the table connected to the input port `actions`.
    Actions,
}

/// The tolerance of tori where none is given.
pub(crate) fn default_tolerance() -> f64 {
    Settings::default().tolerance
}

/// A fault if a tolerance of ΔH/|H| is none.
pub(crate) fn tolerance_fault(at: &str, tolerance: f64) -> Option<Fault> {
    let fits = tolerance > 0.0 && tolerance < 1.0;
    (!fits).then(|| Fault::new(at, format!("must be between 0 and 1, not {tolerance}")))
}

/// Tori made between two looks at the cancel flag.
const CHUNK: u64 = 64;

/// Draws in a row that may fail before the sample is given up.
const MOST_FAILURES: usize = 2000;

/// A torus with the stars placed on it.
struct Stream {
    number: i64,
    torus: Box<Torus>,
    stars: Vec<(Angles, PhaseSpace)>,
}

/// One draw of the sample.
enum Drawn {
    /// A torus and its stars.
    Torus(Box<Torus>, Vec<(Angles, PhaseSpace)>),
    /// It comes too close to the centre.
    TooClose,
    /// There is no torus of these actions.
    Failed(Actions, String),
}

/// The output, and the metric, of draws without a torus.
const SET_ASIDE_DRAWS: &str = "set_aside_draws";

/// The method, and the symmetry that it needs.
const TORUS: (&str, Symmetry) = ("torus mapping", Symmetry::Axisymmetric);

impl Stage for MapTori {
    const KIND: &'static str = "map_tori";
    const ABOUT: &'static str = "Map tori of sampled or given actions, and place stars on them";
    const REVISION: u32 = 8;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        match self.sample {
            Sample::Actions => vec![InputPort::table("actions", &columns::needs(&[&ACTIONS]))],
            Sample::Halo | Sample::Disc => Vec::new(),
        }
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        Ok(vec![
            OutputPort::table("stars", stars().schema()),
            OutputPort::table("tori", tori().schema()),
            OutputPort::table(SET_ASIDE_DRAWS, set_aside_draws().schema()),
            set_aside::port(),
        ])
    }

    fn files(&self) -> Vec<FileParameter> {
        potentials::files(&self.potential, "potential")
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = potentials::faults(&self.potential, "potential");
        faults.extend(potentials::misfit(self.potential.symmetry(), "potential", TORUS));
        match (self.sample, self.streams) {
            (Sample::Halo | Sample::Disc, None) => {
                faults.push(Fault::new("streams", "this sample needs the number of streams"));
            }
            (Sample::Actions, Some(_)) => {
                faults.push(Fault::new("streams", "sample: actions has its own number of tori"));
            }
            _ => {}
        }
        faults.extend(positive("streams", self.streams));
        faults.extend(positive("stars", Some(self.stars)));
        faults.extend(too_many_rows("streams", &[self.streams.unwrap_or(1), self.stars]));
        faults.extend(self.halo.faults("halo"));
        faults.extend(tolerance_fault("tolerance", self.tolerance));
        faults
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let streams = match self.sample {
            Sample::Halo | Sample::Disc => self.streams.map(u64::from),
            Sample::Actions => inputs.at("actions").streams,
        };
        let stars = Some(u64::from(self.stars));
        let tori = Most {
            streams,
            stars: Some(1),
        };
        Ok(Counts::of("stars", Most { streams, stars }).and("tori", tori))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let potential = potentials::build_for(&self.potential, context, "potential", TORUS)?;
        let potential = potential.as_ref();
        let given = match self.sample {
            Sample::Actions => Some(given_actions(context)?),
            Sample::Halo | Sample::Disc => None,
        };
        let wanted = given
            .as_ref()
            .map_or(self.streams.unwrap_or_default() as usize, Vec::len);
        let fudge = StaeckelFudge::new(potential).map_err(StageError::failed)?;
        let progress = context.progress(wanted as u64, "tori");

        let mut tori: Vec<Stream> = Vec::with_capacity(wanted);
        let mut failed: Vec<Failed> = Vec::new();
        let (mut next, mut too_close, mut in_a_row) = (0, 0, 0);
        let last = given.as_ref().map(|given| given.len() as u64);
        while tori.len() < wanted && last.is_none_or(|last| next < last) {
            context.check_cancelled()?;
            let missing = (wanted - tori.len()) as u64;
            let end = next + missing.clamp(1, CHUNK);
            let draws: Vec<u64> = (next..last.map_or(end, |last| last.min(end))).collect();
            let one = |&draw: &u64| {
                let mut random = sample::generator(self.seed, draw);
                let actions = match &given {
                    Some(given) => given[draw as usize].actions,
                    None => self.actions(potential, &fudge, &mut random)?,
                };
                Ok(self.torus(potential, actions, &mut random))
            };
            let drawn: Vec<Result<Drawn, StageError>> = draws.par_iter().with_max_len(1).map(one).collect();
            for (&draw, drawn) in draws.iter().zip(drawn) {
                match drawn? {
                    Drawn::Torus(torus, stars) => {
                        let number = given
                            .as_ref()
                            .map_or(tori.len() as i64, |given| given[draw as usize].id.stream);
                        tori.push(Stream { number, torus, stars });
                        progress.add(1);
                        in_a_row = 0;
                    }
                    Drawn::TooClose => too_close += 1,
                    Drawn::Failed(actions, reason) => {
                        failed.push(Failed { draw, actions, reason });
                        in_a_row += 1;
                    }
                }
            }
            if in_a_row > MOST_FAILURES || too_close > 1000 * wanted + MOST_FAILURES {
                return Err(StageError::failed(format!(
                    "{} tori of {wanted} were made from {} draws: {} have none, {too_close} come too close to the centre",
                    tori.len(),
                    draws.last().unwrap_or(&0) + 1,
                    failed.len()
                )));
            }
            next = end;
        }
        let mut without = SetAside::default();
        if let Some(given) = &given {
            for failed in &failed {
                without.push(given[failed.draw as usize].id, failed.reason.clone());
            }
        }
        without.write(context, self.failures, wanted, "tori")?;
        if tori.is_empty() {
            return Ok(Outcome::Finding {
                title: format!("none of {wanted} actions has a torus"),
                detail: failed.first().map(|failed| failed.reason.clone()).unwrap_or_default(),
            });
        }
        let worst = tori.iter().map(|stream| stream.torus.dispersion()).fold(0.0, f64::max);
        context.metric("largest_dispersion", worst, "");
        context.metric(SET_ASIDE_DRAWS, failed.len() as f64, "");
        context.metric("pericentre_too_small", too_close as f64, "");
        if !failed.is_empty() && given.is_none() {
            context.note(format!(
                "{} of {} draws have no torus and were drawn again: see the output set_aside_draws",
                failed.len(),
                failed.len() + tori.len()
            ));
        }
        write(context, &tori, &failed)?;
        Ok(Outcome::Complete)
    }
}

impl MapTori {
    /// Actions of one draw.
    fn actions<R: Rng>(
        &self,
        potential: &dyn Potential,
        fudge: &StaeckelFudge<&dyn Potential>,
        random: &mut R,
    ) -> Result<Actions, StageError> {
        match self.sample {
            Sample::Disc => Ok(self.disc.draw(random)),
            Sample::Halo | Sample::Actions => {
                // A star that the fudge cannot do, at rest or at the centre, is drawn again.
                for _ in 0..MOST_FAILURES {
                    let (start, _) = self.halo.start(potential, random)?;
                    if let Ok(found) = fudge.actions(&start) {
                        return Ok(found.actions);
                    }
                }
                Err(StageError::failed(format!(
                    "none of {MOST_FAILURES} stars of the halo sample has actions"
                )))
            }
        }
    }

    /// The torus of `actions`, with its stars.
    fn torus<R: Rng>(&self, potential: &dyn Potential, actions: Actions, random: &mut R) -> Drawn {
        let settings = Settings {
            largest_error: self.largest_error.map_or(f64::INFINITY, |error| error.get()),
            ..Settings::within(self.tolerance)
        };
        if self.sample == Sample::Disc && far_inside(potential, &actions, self.disc.pericentre.get()) {
            return Drawn::TooClose;
        }
        let torus = match Torus::new(potential, &actions, &settings) {
            Ok(torus) => torus,
            Err(error) => return Drawn::Failed(actions, error.to_string()),
        };
        if self.sample == Sample::Disc && torus.pericentre() < self.disc.pericentre.get() {
            return Drawn::TooClose;
        }
        let mut stars = Vec::with_capacity(self.stars as usize);
        let arc = self.duration.map(|duration| (duration.get(), sample::angles(random)));
        for _ in 0..self.stars {
            let angles = match &arc {
                Some((duration, first)) => {
                    first.after(units::Gyr(random.random_range(0.0..*duration)), &torus.frequencies())
                }
                None => sample::angles(random),
            };
            match torus.point(&angles) {
                Some(point) => stars.push((angles, point)),
                None => return Drawn::Failed(actions, "its angle map cannot be inverted everywhere".to_owned()),
            }
        }
        Drawn::Torus(Box::new(torus), stars)
    }
}

/// Whether no torus of these actions can keep away from the centre by `pericentre` kpc: even a circular orbit of its
/// angular momentum, about J_φ + J_z, is a tenth closer. Tori of such orbits take the longest to make.
fn far_inside(potential: &dyn Potential, actions: &Actions, pericentre: f64) -> bool {
    let radius = guiding_radius(potential, actions.phi.abs() + actions.z);
    radius.is_some_and(|radius| radius < 0.9 * pericentre)
}

/// Actions that a table gives, and whose they are.
struct Given {
    id: StarId,
    actions: Actions,
}

/// Those of the first star of each stream.
fn given_actions(context: &StageContext) -> Result<Vec<Given>, StageError> {
    let table = context.read_table("actions")?;
    let mut seen = std::collections::BTreeSet::new();
    let all = star_ids(&table)?.into_iter().zip(quantity(&table)?);
    let first = all.filter(|(id, _)| seen.insert(id.stream));
    Ok(first.map(|(id, actions)| Given { id, actions }).collect())
}

/// A star on a torus.
struct Placed {
    id: StarId,
    point: PhaseSpace,
    found: ActionAngle,
}

/// The table `stars`.
fn stars() -> Layout<Placed> {
    Layout::of_stars(|row: &Placed| row.id)
        .quantity(|row| row.point)
        .action_angle(|row| &row.found)
}

/// The table `tori`.
fn tori() -> Layout<Stream> {
    let dispersion = ("dispersion", "", "root mean square of delta H / |H| over the torus");
    let modes = "number of modes of the generating function";
    Layout::new()
        .count("stream", "number of the stream, one torus each", |row: &Stream| {
            row.number
        })
        .quantity(|row| row.torus.actions())
        .quantity(|row| row.torus.frequencies())
        .number(ENERGY, |row| row.torus.energy())
        .number(dispersion, |row| row.torus.dispersion())
        .number(J_ERROR, |row| row.torus.action_error())
        .count("modes", modes, |row| row.torus.modes() as i64)
}

/// Actions that have no torus.
struct Failed {
    draw: u64,
    actions: Actions,
    reason: String,
}

/// The table `set_aside_draws`.
fn set_aside_draws() -> Layout<Failed> {
    Layout::new()
        .count("draw", "number of the draw", |row: &Failed| row.draw as i64)
        .quantity(|row| row.actions)
        .text("reason", "why there is no torus", |row| &row.reason)
}

fn write(context: &StageContext, streams: &[Stream], failed: &[Failed]) -> Result<(), StageError> {
    let placed: Vec<Placed> = streams
        .iter()
        .flat_map(|stream| {
            let (actions, frequencies) = (stream.torus.actions(), stream.torus.frequencies());
            (0..).zip(&stream.stars).map(move |(star, &(angles, point))| Placed {
                id: StarId {
                    stream: stream.number,
                    star,
                },
                point,
                found: ActionAngle {
                    actions,
                    angles,
                    frequencies,
                },
            })
        })
        .collect();
    context.write_rows("stars", &stars(), &placed)?;
    context.write_rows("tori", &tori(), streams)?;
    context.write_rows(SET_ASIDE_DRAWS, &set_aside_draws(), failed)
}
