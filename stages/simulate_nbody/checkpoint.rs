//! What is kept on disk of an unfinished simulation: every snapshot in a file of its own, the rows of `diagnostics`, and the
//! particles as they stand. A file is written under another name and then renamed, so that one that is there is whole.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dynamics::nbody::{Particles, Simulation};
use runner::arrow_schema::Schema;
use runner::error::StageError;
use tables::{RecordBatch, Values};

use super::Schedule;
use super::records::{self, Records};
use crate::columns::{CARTESIAN, Column};
use crate::io;

/// Between two saves of the particles.
const INTERVAL: Duration = Duration::from_secs(60);

/// The folder.
pub struct Checkpoint {
    folder: PathBuf,
    saved: Cell<Instant>,
}

/// A simulation to go on with.
pub struct Saved {
    /// Steps taken.
    pub steps: u64,
    /// Positions and velocities; no masses.
    pub particles: Particles,
    /// The rows of `diagnostics` up to there.
    pub records: Records,
    /// The snapshots up to there.
    pub snapshots: Vec<Particles>,
}

impl Checkpoint {
    /// In `folder`, which exists.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            saved: Cell::new(Instant::now()),
        }
    }

    /// Whether it is time to save.
    pub fn is_due(&self) -> bool {
        self.saved.get().elapsed() >= INTERVAL
    }

    /// Saves a snapshot.
    pub fn save_snapshot(&self, star: usize, particles: &Particles) -> Result<(), StageError> {
        self.write(&snapshot(star), &particles_schema(), columns(particles))
    }

    /// Saves where `simulation` stands; its snapshots up to there must have been saved.
    pub fn save(&self, simulation: &Simulation, records: &Records) -> Result<(), StageError> {
        self.write("diagnostics", &records::schema(), records.columns())?;
        let steps = simulation.steps();
        self.write(&standing(steps), &particles_schema(), columns(simulation.particles()))?;
        // The newest counts; older ones only take room.
        for old in self.standing()?.into_iter().filter(|&old| old < steps) {
            let path = self.path(&standing(old));
            std::fs::remove_file(&path).map_err(|source| StageError::io(&path, source))?;
        }
        self.saved.set(Instant::now());
        Ok(())
    }

    /// What was saved last; nothing if that was nothing, or does not reach back to the beginning.
    pub fn load(&self, schedule: &Schedule) -> Result<Option<Saved>, StageError> {
        let Some(steps) = self.standing()?.into_iter().max() else {
            return Ok(None);
        };
        let diagnostics = self.path("diagnostics");
        if !diagnostics.exists() {
            return Ok(None);
        }
        // The row and the snapshot of the very step that was saved may not have been made yet.
        let records = Records::from_table(&read(&diagnostics)?, (steps / schedule.record) as usize + 1)?;
        let stars = 0..=(steps / schedule.snapshot) as usize;
        let there = stars
            .map(|star| self.path(&snapshot(star)))
            .take_while(|path| path.exists());
        let snapshots = there
            .map(|path| particles(&read(&path)?))
            .collect::<Result<Vec<_>, _>>()?;
        let particles = particles(&read(&self.path(&standing(steps)))?)?;
        let is_whole = records.len() as u64 * schedule.record >= steps
            && snapshots.len() as u64 * schedule.snapshot >= steps
            && snapshots
                .iter()
                .all(|snapshot| snapshot.positions.len() == particles.positions.len());
        Ok(is_whole.then_some(Saved {
            steps,
            particles,
            records,
            snapshots,
        }))
    }

    /// Steps of the files of particles as they stood.
    fn standing(&self) -> Result<Vec<u64>, StageError> {
        let failed = |source| StageError::io(&self.folder, source);
        let mut found: Vec<u64> = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let steps = name.to_str().and_then(|name| {
                name.strip_prefix("steps_")?
                    .strip_suffix(".parquet")?
                    .parse::<u64>()
                    .ok()
            });
            found.extend(steps);
        }
        Ok(found)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.parquet"))
    }

    fn write(&self, name: &str, schema: &Schema, columns: Vec<(&str, Values)>) -> Result<(), StageError> {
        let schema = std::sync::Arc::new(schema.clone());
        let table = tables::build(&schema, columns).map_err(StageError::failed)?;
        let (path, unfinished) = (self.path(name), self.folder.join(format!("{name}.unfinished")));
        tables::write(&unfinished, &table, &schema).map_err(StageError::failed)?;
        std::fs::rename(&unfinished, &path).map_err(|source| StageError::io(&path, source))
    }
}

fn snapshot(star: usize) -> String {
    format!("snapshot_{star}")
}

fn standing(steps: u64) -> String {
    format!("steps_{steps}")
}

fn read(path: &Path) -> Result<RecordBatch, StageError> {
    tables::read(path).map_err(StageError::failed)
}

fn particles_schema() -> Schema {
    Schema::new(CARTESIAN.iter().map(Column::field).collect::<Vec<_>>())
}

fn columns(particles: &Particles) -> Vec<(&'static str, Values)> {
    let column = |axis: usize| {
        let vectors = if axis < 3 {
            &particles.positions
        } else {
            &particles.velocities
        };
        vectors.iter().map(|vector| vector[axis % 3]).collect::<Vec<_>>().into()
    };
    CARTESIAN
        .iter()
        .enumerate()
        .map(|(axis, name)| (name.name, column(axis)))
        .collect()
}

fn particles(table: &RecordBatch) -> Result<Particles, StageError> {
    let [x, y, z, vx, vy, vz] = io::columns(table, &CARTESIAN)?;
    let rows = 0..table.num_rows();
    Ok(Particles {
        masses: Vec::new(),
        positions: rows.clone().map(|row| [x[row], y[row], z[row]]).collect(),
        velocities: rows.map(|row| [vx[row], vy[row], vz[row]]).collect(),
    })
}
