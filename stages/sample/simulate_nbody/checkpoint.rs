//! What is kept on disk of an unfinished simulation: every snapshot in a file of its own, the rows of `diagnostics`, and the
//! particles as they stand. A file is written under another name and then renamed, so that one that is there is whole. A list of
//! them with their hashes, `checkpoint.json`, is written last: only what it names is used, and only if all of it is as it was
//! written, for the same work.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dynamics::nbody::{Particles, Simulation};
use dynamics::phase_space::PhaseSpace;
use runner::arrow_schema::Schema;
use runner::error::StageError;
use runner::store::Hash256;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, Values};

use super::Schedule;
use super::records::{self, Records};
use crate::common::io;
use crate::common::layout::Layout;

/// Between two saves of the particles.
const INTERVAL: Duration = Duration::from_secs(60);

/// The folder.
pub struct Checkpoint {
    folder: PathBuf,
    saved: Cell<Instant>,
    /// Snapshots that are written, with their hashes.
    snapshots: RefCell<BTreeMap<String, Hash256>>,
}

/// The list of what was saved.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    /// What it is of: the name of the folder, which is the fingerprint of the stage.
    of: String,
    steps: u64,
    /// Hashes of the files by their names.
    files: BTreeMap<String, Hash256>,
}

const LIST: &str = "checkpoint.json";

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
            snapshots: RefCell::default(),
        }
    }

    /// Whether it is time to save.
    pub fn is_due(&self) -> bool {
        self.saved.get().elapsed() >= INTERVAL
    }

    /// Saves a snapshot.
    pub fn save_snapshot(&self, star: usize, particles: &Particles) -> Result<(), StageError> {
        let name = snapshot(star);
        let hash = self.write_particles(&name, particles)?;
        self.snapshots.borrow_mut().insert(name, hash);
        Ok(())
    }

    fn write_particles(&self, name: &str, particles: &Particles) -> Result<Hash256, StageError> {
        let both = particles.positions.iter().zip(&particles.velocities);
        let points: Vec<PhaseSpace> = both.map(|(&x, &v)| PhaseSpace::new(x, v)).collect();
        self.write(name, &layout().schema(), layout().columns(&points))
    }

    /// Saves where `simulation` stands; its snapshots up to there must have been saved.
    pub fn save(&self, simulation: &Simulation, records: &Records) -> Result<(), StageError> {
        let steps = simulation.steps();
        let mut files = self.snapshots.borrow().clone();
        let name = diagnostics(steps);
        let hash = self.write(&name, &records::schema(), records.columns())?;
        files.insert(name, hash);
        let name = standing(steps);
        let hash = self.write_particles(&name, simulation.particles())?;
        files.insert(name, hash);
        let (of, list) = (self.key(), self.folder.join(LIST));
        let list_of = List { of, steps, files };
        let text = serde_json::to_vec(&list_of).map_err(|error| StageError::Bug(error.to_string()))?;
        let unfinished = self.folder.join("checkpoint.unfinished");
        let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &list));
        written.map_err(|source| StageError::io(&list, source))?;
        self.clear(&list_of);
        self.saved.set(Instant::now());
        Ok(())
    }

    /// Removes what an earlier save left, which only takes room.
    fn clear(&self, list: &List) {
        let found = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in found.map(|entry| entry.path()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let old = name.starts_with("steps_") || name.starts_with("diagnostics_");
            if old && !list.files.contains_key(&name) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// What was saved last; nothing if that was nothing.
    ///
    /// **Fails with** what is wrong with it, to stand after "the checkpoint".
    pub fn load(&self, schedule: &Schedule) -> Result<Option<Saved>, String> {
        let damaged = || "is damaged: its content is not what was written".to_owned();
        let text = match std::fs::read(self.folder.join(LIST)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot be read ({error})")),
        };
        let list: List = serde_json::from_slice(&text).map_err(|_| damaged())?;
        if list.of != self.key() {
            return Err("is of another stage".to_owned());
        }
        let whole =
            |(name, hash): (&String, &Hash256)| Hash256::of_file(&self.path(name)).is_ok_and(|now| now == *hash);
        if !list.files.iter().all(whole) {
            return Err(damaged());
        }
        let saved = self.read(&list, schedule).map_err(|_| damaged())?.ok_or_else(damaged)?;
        let kept = list.files.into_iter().filter(|(name, _)| name.starts_with("snapshot_"));
        *self.snapshots.borrow_mut() = kept.collect();
        Ok(Some(saved))
    }

    /// What a list names; nothing if that does not reach back to the beginning.
    fn read(&self, list: &List, schedule: &Schedule) -> Result<Option<Saved>, StageError> {
        let steps = list.steps;
        let table = read(&self.path(&diagnostics(steps)))?;
        // The row and the snapshot of the very step that was saved may not have been made yet.
        let records = Records::from_table(&table, (steps / schedule.record) as usize + 1)?;
        let stars = 0..=(steps / schedule.snapshot) as usize;
        let there = stars.map(snapshot).take_while(|name| list.files.contains_key(name));
        let snapshots = there
            .map(|name| particles(&read(&self.path(&name))?))
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

    /// What the checkpoint is of: the name of its folder.
    fn key(&self) -> String {
        self.folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.parquet"))
    }

    /// Writes a table, and gives the hash of its file.
    fn write(&self, name: &str, schema: &Schema, columns: Vec<(&str, Values)>) -> Result<Hash256, StageError> {
        let schema = std::sync::Arc::new(schema.clone());
        let table = tables::build(&schema, columns).map_err(StageError::failed)?;
        let (path, unfinished) = (self.path(name), self.folder.join(format!("{name}.unfinished")));
        tables::write(&unfinished, &table, &schema).map_err(StageError::failed)?;
        let hash = Hash256::of_file(&unfinished).and_then(|hash| std::fs::rename(&unfinished, &path).map(|()| hash));
        hash.map_err(|source| StageError::io(&path, source))
    }
}

fn snapshot(star: usize) -> String {
    format!("snapshot_{star}")
}

fn standing(steps: u64) -> String {
    format!("steps_{steps}")
}

fn diagnostics(steps: u64) -> String {
    format!("diagnostics_{steps}")
}

fn read(path: &Path) -> Result<RecordBatch, StageError> {
    tables::read(path).map_err(StageError::failed)
}

fn layout() -> Layout<PhaseSpace> {
    Layout::new().quantity(|particle: &PhaseSpace| *particle)
}

fn particles(table: &RecordBatch) -> Result<Particles, StageError> {
    let points = io::quantity::<PhaseSpace, 6>(table)?;
    Ok(Particles {
        masses: Vec::new(),
        positions: points.iter().map(|point| point.x).collect(),
        velocities: points.iter().map(|point| point.v).collect(),
    })
}
