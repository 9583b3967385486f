//! What the coordinator knows of one stage.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::graph::StageId;
use crate::plan::Reason;
use crate::store::{Cached, Hash256};

/// A stage on its way.
#[derive(Debug)]
pub(super) struct Node {
    pub status: Status,
    /// Its place among the stages that are ready.
    pub rank: Rank,
    /// The stages that need it.
    pub children: Vec<StageId>,
    /// Its entry in the store, while it is known to have one.
    pub cached: Option<Arc<Cached>>,
    /// Why it must run, as far as known.
    pub reason: Option<Reason>,
    /// Hash of its fingerprint, since it was found that it must run.
    pub fingerprint: Option<Hash256>,
    /// Whether it runs even if its outputs are there.
    pub forced: bool,
    /// Outputs whose content was read and found right, or written, in this run.
    pub verified: Vec<&'static str>,
}

/// Where a stage is on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Status {
    /// Not asked for. From the beginning to the end.
    Unselected,
    /// So many of its inputs have not settled. From the beginning, and again when an input turns out to be damaged; it is decided
    /// about when the last one settles.
    Waiting(usize),
    /// It must run. From [`Status::Waiting`], or from [`Status::Fresh`] when its outputs turn out to be damaged; it begins when the
    /// budget and the lock of its fingerprint let it.
    Ready,
    /// A thread of its own is at it. From [`Status::Ready`], until the thread ends.
    Running,
    /// Its outputs were there. From [`Status::Waiting`], or from [`Status::Running`] when another run was quicker.
    Fresh,
    /// Its body ran, and its outputs are published. From [`Status::Running`], to the end.
    Ran,
    /// It has no outputs, because of an error. From [`Status::Ready`] or [`Status::Running`], to the end.
    Failed,
    /// It cannot run, for a stage before it failed or ended with a finding. From [`Status::Waiting`], to the end.
    Skipped {
        /// That stage.
        because: StageId,
    },
    /// It was to pause, and did, or needs one that did. From [`Status::Waiting`] or [`Status::Running`], to the end.
    Paused,
    /// The run was cancelled before it could end, or begin. From any status that is not settled, to the end.
    Interrupted,
}

impl Status {
    /// Whether those that need the stage need wait no longer.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Waiting(_) | Self::Ready | Self::Running)
    }
}

/// The order in which ready stages begin: by priority; then point by point, and at each what has come furthest first. So the first point of a sweep is
/// done, up to its comparisons, when its share of the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The highest of its own and of those that need it.
    pub priority: Reverse<i32>,
    /// The first sweep point that needs it.
    pub point: usize,
    /// Stages before it, at most.
    pub depth: Reverse<usize>,
    pub id: StageId,
}
