//! Stages as jobs of a batch system, each of which makes and publishes its stage by itself: whether anybody looks on does not matter.
//!
//! ```text
//! results/cache/jobs/<intent>/intent.json     what is about to be submitted, as one array of tasks; there before the system is asked
//!                             orders/<n>.json  what each task is to do
//!                             submitted.json   the number that the system gave it
//!                             words/<n>.json   how each task says that it ended
//!                             logs/<n>.txt     what it and its system said
//! ```
//!
//! What is true of a stage its manifest in the store says, and nothing else. The words only tell why there is none; the system's states
//! only say when to look. So it is safe to submit a stage twice, for the second job finds what the first one published, and yet it is
//! not done: the intent is written before, under a lock that the submitting command shares, and whoever takes the lock next
//! takes up all intents that are there.

mod became;
mod follow;
pub mod intents;
pub mod job;
pub mod pilot;
pub mod profile;
pub mod slurm;
mod states;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

pub use follow::Jobs;
pub use states::State;

use crate::context::Cancel;
use crate::error::StageError;
use crate::event::Told;
use crate::graph::StageId;
use crate::order::{Done, Order};
use crate::store::Store;
use intents::Intent;

/// Does orders elsewhere, many at a time.
pub trait Batch: Sync {
    /// How many orders it takes at a time.
    fn most(&self) -> usize;

    /// The CPU threads of a stage that says nothing of them.
    fn threads(&self) -> usize;

    /// Takes orders of a pipeline's stages until whoever asks is gone and all have ended, and says what becomes of them.
    fn follow(&self, run: Followed<'_>, asks: &Receiver<Ask>, say: &dyn Fn(StageId, Word));
}

/// The run that a batch system works for.
#[derive(Clone, Copy)]
pub struct Followed<'a> {
    /// Its pipeline.
    pub pipeline: &'a str,
    /// Where outputs are kept.
    pub store: &'a Store,
    /// Whether it is cancelled; set where someone has all jobs of the pipeline ended.
    pub cancel: &'a Cancel,
}

/// What a run asks of a batch system.
#[derive(Debug)]
pub enum Ask {
    /// To do this.
    Do(StageId, Box<Order>),
    /// To go on without the run.
    Leave,
    /// To end what it is at.
    End,
}

/// What a batch system says of an order.
#[derive(Debug)]
pub enum Word {
    /// Its job runs.
    Begins,
    /// What its body told.
    Told(Told),
    /// How it ended. `Cancelled` is said of all when they are left or ended.
    Ended(Result<Done, StageError>),
}

/// A batch system.
pub trait Scheduler: Sync {
    /// Submits an array of one task for each order of an intent, whose folder this is, and gives the number of the job. `held` is the
    /// lock of all that submit, which is to stay open as long as something is under way, even without this process.
    fn submit(&self, intent: &Intent, name: &str, folder: &Path, held: std::fs::File) -> Result<String, Refused>;

    /// How all jobs of this user stand that the system knows.
    fn states(&self) -> Result<States, String>;

    /// Ends jobs.
    fn cancel(&self, jobs: &[String]) -> Result<(), String>;
}

/// Why nothing was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Nobody answered: it may have been submitted.
    Unclear(String),
    /// There are too many jobs; later there may be room.
    Full(String),
    /// It is not to be had.
    Never(String),
}

/// How jobs stand.
#[derive(Debug, Default)]
pub struct States {
    /// Tasks, as `JOB_TASK`.
    pub tasks: HashMap<String, State>,
    /// Numbers of jobs by the name of their intent.
    pub names: HashMap<String, String>,
}

/// How often a batch system is asked, and for how much at once.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At least so long after a change.
    pub least: Duration,
    /// At most so long.
    pub most: Duration,
    /// Orders that come within so long of each other are submitted together.
    pub gather: Duration,
    /// Most tasks of one array.
    pub array: usize,
    /// Most tasks at a time.
    pub jobs: usize,
    /// The most jobs that share the tasks of an array; `None` where each task is a job of its own.
    pub pilots: Option<usize>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            least: Duration::from_secs(1),
            most: Duration::from_secs(30),
            gather: Duration::from_millis(100),
            array: 1000,
            jobs: 1000,
            pilots: None,
        }
    }
}
