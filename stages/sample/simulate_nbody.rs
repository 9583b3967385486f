//! Simulates particles under their own gravity: every particle is a stream, and every snapshot one of its stars.

mod checkpoint;
mod records;
mod snapshots;

use dynamics::nbody::{self, DEFAULT_OPENING, Particles, Settings, Simulation, State};
use dynamics::potential::Plummer;
use runner::context::{Progress, StageContext};
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, Most, OutputPort};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::columns::{self, CARTESIAN, TIME};
use crate::common::io::TableContext;
use crate::common::parameters::{FROM_ZERO, Gyr, Kpc, SolarMasses, positive};
use crate::common::potentials::MassAndScale;
use crate::common::room::too_many_rows;
use checkpoint::Checkpoint;
use records::Records;
use snapshots::Snapshots;

/// `simulate_nbody`
///
/// Every default is the figure of Ibata et al. (2021), section 6.5, but for the step: theirs, 2⁻¹⁸ Gyr, is the shortest of a
/// hierarchy; this one is the same for all particles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimulateNbody {
    /// What the particles are drawn from.
    pub model: Model,
    /// Number of particles, all of the same mass.
    pub particles: u32,
    /// Fraction of the model's mass that the particles make, from the centre outwards, above 0: the few outermost of a whole sphere are
    /// hundreds of scale lengths out, and hardly move. NEMO's mkplum takes 0.999.
    #[serde(skip_serializing_if = "is_whole")]
    pub mass_fraction: f64,
    /// Plummer softening ε, kpc, 0 or more: the potential of a particle is −G m / √(r² + ε²).
    pub softening: Kpc<FROM_ZERO>,
    /// Time simulated, Gyr.
    pub duration: Gyr,
    /// Snapshots, the first at time 0 and the last at `duration`, at equal intervals.
    pub snapshots: u32,
    /// Longest step of the leapfrog, Gyr. The one used is a whole fraction of the interval between two rows of `diagnostics`.
    pub step: Gyr,
    /// Opening angle of the tree, between 0 and 1: 0.48 gives an rms force error of 0.5 %, 0.2 one of 0.1 %.
    pub opening: f64,
    /// Order of the tree's expansions, 3 to 8: 5 with an opening of 0.6 gives an rms force error of 1e-4, at ten times the cost.
    pub order: u32,
    /// Floating-point numbers of pair forces.
    pub precision: Precision,
    /// Rows of `diagnostics` from one snapshot to the next.
    pub records: u32,
    /// Seed of the particles.
    pub seed: u64,
}

/// What particles are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Model {
    /// The distribution function of the Plummer sphere that its particles make without softening, all velocities scaled then so
    /// that the virial theorem holds in the field of the softened particles.
    Plummer(MassAndScale),
}

/// Floating-point numbers of pair forces; positions, velocities and sums are f64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32: momentum is kept to about 1e-9 of Σ m |v|.
    #[default]
    Single,
    /// f64: to rounding, at 1.6 times the cost.
    Double,
}

impl Default for SimulateNbody {
    fn default() -> Self {
        Self {
            model: Model::Plummer(MassAndScale {
                mass: SolarMasses(5e5),
                scale: Kpc(0.02),
            }),
            particles: 1_000_000,
            mass_fraction: 1.0,
            softening: Kpc(0.001),
            duration: Gyr(0.07),
            snapshots: 8,
            step: Gyr(1.0 / 16384.0),
            opening: DEFAULT_OPENING,
            order: 3,
            precision: Precision::Single,
            records: 10,
            seed: 0,
        }
    }
}

#[expect(clippy::float_cmp, reason = "the default itself")]
fn is_whole(fraction: &f64) -> bool {
    *fraction == 1.0
}

/// More steps than this are taken for a mistake.
const MOST_STEPS: f64 = 1e9;

/// When what happens, in steps.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Schedule {
    /// Gyr.
    step: f64,
    /// From one row of `diagnostics` to the next.
    record: u64,
    /// From one snapshot to the next.
    snapshot: u64,
    /// In all.
    total: u64,
}

impl Stage for SimulateNbody {
    const KIND: &'static str = "simulate_nbody";
    const ABOUT: &'static str = "Simulate particles under their own gravity and take snapshots of them";
    const REVISION: u32 = 3;
    const ROLE: Role = Role::Sample;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let stars = columns::stars(&[&[TIME], &CARTESIAN]);
        Ok(vec![
            OutputPort::table("snapshots", stars.clone()),
            // Star 0 of every stream.
            OutputPort::table("initial", stars),
            OutputPort::table("diagnostics", records::schema()),
        ])
    }

    fn counts(&self, _inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        let streams = Some(u64::from(self.particles));
        let of = |stars: u32| Most {
            streams,
            stars: Some(u64::from(stars)),
        };
        Ok(Counts::of("snapshots", of(self.snapshots)).and("initial", of(1)))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let at_least_two = [("particles", self.particles), ("snapshots", self.snapshots)];
        for (at, count) in at_least_two.into_iter().filter(|(_, count)| *count < 2) {
            faults.push(Fault::new(at, format!("must be at least 2, not {count}")));
        }
        faults.extend(positive("records", Some(self.records)));
        faults.extend(too_many_rows("particles", &[self.particles, self.snapshots]));
        faults.extend(too_many_rows("records", &[self.records, self.snapshots]));
        if !(self.mass_fraction > 0.0 && self.mass_fraction <= 1.0) {
            faults.push(Fault::new(
                "mass_fraction",
                format!("must be above 0 and at most 1, not {}", self.mass_fraction),
            ));
        }
        if !(self.opening > 0.0 && self.opening < 1.0) {
            faults.push(Fault::new(
                "opening",
                format!("must be between 0 and 1, not {}", self.opening),
            ));
        }
        if !nbody::ORDERS.contains(&self.order) {
            let (low, high) = (nbody::ORDERS.start(), nbody::ORDERS.end());
            faults.push(Fault::new(
                "order",
                format!("must be from {low} to {high}, not {}", self.order),
            ));
        }
        let steps = self.duration.get() / self.step.get();
        if steps > MOST_STEPS {
            let message = format!("makes {steps:e} steps of the duration, {} Gyr", self.duration.get());
            let mut fault = Fault::new("step", message);
            fault.hint = Some("a step without a unit is in Gyr: 6e-5 is 60 kyr".to_owned());
            faults.push(fault);
        }
        faults
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        self.simulate(context)?;
        Ok(Outcome::Complete)
    }
}

impl SimulateNbody {
    fn schedule(&self) -> Schedule {
        let (records, intervals) = (u64::from(self.records), u64::from(self.snapshots) - 1);
        let between = self.duration.get() / (intervals * records) as f64;
        // A step that fits but for its rounding is taken as it is.
        let record = (between / self.step.get() - 1e-9).ceil().max(1.0);
        Schedule {
            step: between / record,
            record: record as u64,
            snapshot: record as u64 * records,
            total: record as u64 * records * intervals,
        }
    }

    fn settings(&self, step: f64) -> Settings {
        Settings {
            softening: self.softening.get(),
            opening: self.opening,
            order: self.order,
            step,
            precision: match self.precision {
                Precision::Single => nbody::Precision::Single,
                Precision::Double => nbody::Precision::Double,
            },
            moving_cells: true,
        }
    }

    fn particles(&self) -> Result<Particles, StageError> {
        let Model::Plummer(with) = self.model;
        let model = Plummer::new(with.mass.get(), with.scale.get()).map_err(StageError::failed)?;
        Ok(model.sample(self.particles as usize, self.mass_fraction, self.seed))
    }

    /// Simulates, from the checkpoint if there is one, and writes the tables.
    fn simulate(&self, context: &StageContext) -> Result<(), StageError> {
        let schedule = self.schedule();
        let settings = self.settings(schedule.step);
        let checkpoint = Checkpoint::new(&context.checkpoints);
        let mut particles = self.particles()?;
        let mut snapshots = Snapshots::new(particles.positions.len(), self.snapshots as usize);
        let mut records = Records::default();
        let mut steps = 0;
        let saved = checkpoint.load(&schedule).unwrap_or_else(|why| {
            context.note(format!(
                "the checkpoint {why}: it is not used, and the simulation begins anew"
            ));
            None
        });
        if let Some(saved) = saved {
            steps = saved.steps;
            records = saved.records;
            for snapshot in &saved.snapshots {
                snapshots.take(schedule.time(snapshots.taken() as u64 * schedule.snapshot), snapshot)?;
            }
            particles = Particles {
                masses: particles.masses,
                ..saved.particles
            };
        }
        let state = State {
            particles,
            time: schedule.time(steps),
            steps,
        };
        let mut simulation = Simulation::resume(state, &settings).map_err(StageError::failed)?;
        if steps == 0 {
            simulation.virialise();
        }
        let progress = context.progress(schedule.total, "steps");
        loop {
            let steps = simulation.steps();
            progress.at(steps, "");
            if steps == records.len() as u64 * schedule.record {
                records.add(&simulation);
            }
            if steps == snapshots.taken() as u64 * schedule.snapshot {
                checkpoint.save_snapshot(snapshots.taken(), simulation.particles())?;
                snapshots.take(simulation.time(), simulation.particles())?;
            }
            if steps >= schedule.total {
                break;
            }
            advance(context, &mut simulation, &schedule, &records, &checkpoint, &progress)?;
        }
        let Model::Plummer(with) = self.model;
        records.tell(context, with.mass.get());
        context.metric("step", schedule.step, "Gyr");
        context.metric("steps", schedule.total as f64, "");
        context.write_table("diagnostics", records.columns())?;
        context.write_table("initial", snapshots.first())?;
        context.write_table("snapshots", snapshots.into_columns())
    }
}

impl Schedule {
    /// Time after `steps` steps, Gyr.
    fn time(&self, steps: u64) -> f64 {
        steps as f64 * self.step
    }
}

/// Steps on to the next row of `diagnostics`, saving a checkpoint where one is due, and where the run is cancelled.
fn advance(
    context: &StageContext,
    simulation: &mut Simulation,
    schedule: &Schedule,
    records: &Records,
    checkpoint: &Checkpoint,
    progress: &Progress,
) -> Result<(), StageError> {
    let next = (simulation.steps() / schedule.record + 1) * schedule.record;
    let mut saved = Ok(());
    let reached = simulation.advance_to(schedule.time(next), |simulation| {
        progress.at(simulation.steps(), "");
        let cancelled = context.cancel.is_cancelled();
        if cancelled || checkpoint.is_due() {
            saved = checkpoint.save(simulation, records);
        }
        !cancelled && saved.is_ok()
    });
    let reached =
        reached.map_err(|error| StageError::with_hint(error, "a shorter step or a larger softening may help"))?;
    saved?;
    if reached { Ok(()) } else { Err(StageError::Cancelled) }
}

#[cfg(test)]
#[path = "simulate_nbody_tests.rs"]
mod tests;
