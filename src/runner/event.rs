//! What a run tells. Workers send events to one coordinator; sinks only draw or write.

use serde::{Deserialize, Serialize};

/// Something that happened in a run. `stage` is the label of a stage instance, such as `actions[toy_mass=3.0e11]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The plan is made; execution begins.
    RunStarted {
        /// Pipeline name.
        pipeline: String,
        /// Stage instances in the plan.
        stages: usize,
        /// Those known to be stale before execution.
        stale: usize,
        /// Those that wait for stale ones, and run if what they need changes.
        #[serde(default)]
        behind: usize,
        /// Folder of the results.
        #[serde(default)]
        results: String,
    },
    /// The cached outputs are valid.
    StageFresh {
        /// Stage label.
        stage: String,
    },
    /// The body begins.
    StageStarted {
        /// Stage label.
        stage: String,
        /// Stage kind.
        kind: String,
        /// Why it runs.
        reason: String,
        /// `cpu` or `cuda:0`.
        device: String,
    },
    /// From inside a body.
    Stage {
        /// Stage label.
        stage: String,
        /// What it tells.
        #[serde(flatten)]
        told: Told,
    },
    /// Outputs are published.
    StageFinished {
        /// Stage label.
        stage: String,
        /// Wall-clock seconds of the body.
        seconds: f64,
        /// The finding's title, where it ended with one.
        finding: Option<String>,
    },
    /// The body failed.
    StageFailed {
        /// Stage label.
        stage: String,
        /// The error.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It came to the epoch at which it was to pause, to be compared with others.
    StagePaused {
        /// Stage label.
        stage: String,
        /// Epochs.
        at: u64,
        /// The least validation loss until then.
        #[serde(with = "crate::number")]
        loss: f64,
    },
    /// Not run, because something upstream failed or ended with a finding.
    StageSkipped {
        /// Stage label.
        stage: String,
        /// Label of the stage that is the cause.
        because: String,
    },
    /// The end.
    RunFinished {
        /// Instances whose body ran to its end.
        ran: usize,
        /// Instances that were fresh.
        fresh: usize,
        /// Instances that failed.
        failed: usize,
        /// Instances that were skipped.
        skipped: usize,
        /// Wall-clock seconds.
        seconds: f64,
    },
}

/// What a body tells while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Work done so far.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// Name of a unit, plural: `orbits`, `epochs`.
        unit: String,
        /// A short state, such as the loss.
        message: String,
    },
    /// A number worth keeping: it goes into the manifest and the report.
    Metric {
        /// Name, snake case.
        name: String,
        /// Value.
        #[serde(with = "crate::number")]
        value: f64,
        /// Unit, `""` for a pure number.
        unit: String,
    },
    /// A sentence worth keeping: it goes into the manifest and the report.
    Note {
        /// The sentence.
        text: String,
    },
    /// What the stage gives is not to be believed, or only in part: its outputs are kept and used, and the sentence is shown
    /// wherever they are, by `run`, `plan`, `status`, `table` and the report.
    Finding {
        /// The sentence.
        text: String,
    },
    /// A comparison is outside its tolerance: the outputs are kept, the run goes on, and ends with exit code 5.
    OutsideTolerance {
        /// What, by how much.
        text: String,
    },
}

/// Receives events, in order.
pub trait Sink: Send {
    /// Takes one event.
    fn take(&mut self, event: &Event);

    /// What could not be written, said once at the end of a run.
    fn problem(&mut self) -> Option<String> {
        None
    }
}
