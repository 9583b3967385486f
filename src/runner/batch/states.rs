//! How a job stands, as Slurm calls it.

use crate::error::Death;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits, or its system does something with it that ends by itself.
    Waiting,
    /// Someone has to let it go on.
    Held,
    /// It runs.
    Running,
    /// It ended by itself, and well.
    Completed,
    /// Its process ended badly.
    Failed,
    /// There was not memory enough.
    OutOfMemory,
    /// It took longer than it may.
    TimedOut,
    /// Its machine failed.
    NodeFailed,
    /// Another job took its place.
    Preempted,
    /// Someone ended it.
    Cancelled,
}

/// What to do about a job that ended without a result and without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The stage is not to blame: again, up to [`MOST_LOST`] times.
    Lost(&'static str),
    /// Again as often as `on: { retries }` says.
    Died(Death),
    /// Not again in this run.
    Ended,
}

/// So often a job is submitted again that was lost for no fault of its own.
pub const MOST_LOST: u32 = 5;

impl State {
    /// The state of this name and reason. What a newer Slurm may say counts as waiting: it ends by itself, or in a state that is known.
    pub fn of(name: &str, reason: &str) -> Self {
        match name {
            "PENDING" if is_held(reason) => Self::Held,
            "RUNNING" | "COMPLETING" | "STAGE_OUT" | "SIGNALING" => Self::Running,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "TIMEOUT" | "DEADLINE" => Self::TimedOut,
            "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" => Self::NodeFailed,
            "PREEMPTED" | "REVOKED" => Self::Preempted,
            "CANCELLED" => Self::Cancelled,
            _ => Self::Waiting,
        }
    }

    /// Whether more is to come.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Waiting | Self::Held | Self::Running)
    }

    /// What to do about a job that ended so, or that its system does not know any more.
    pub fn rule(state: Option<Self>) -> Rule {
        match state {
            Some(Self::OutOfMemory) => Rule::Died(Death::Memory),
            Some(Self::TimedOut) => Rule::Died(Death::Time),
            Some(Self::Failed) => Rule::Died(Death::Crash),
            Some(Self::NodeFailed) => Rule::Lost("its machine failed"),
            Some(Self::Preempted) => Rule::Lost("another job took its place"),
            Some(Self::Cancelled) => Rule::Ended,
            None | Some(Self::Completed | Self::Waiting | Self::Held | Self::Running) => {
                Rule::Lost("its job is gone without a word")
            }
        }
    }
}

fn is_held(reason: &str) -> bool {
    reason.starts_with("JobHeld") || reason.contains("requeued held") || reason == "DependencyNeverSatisfied"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_rule() {
        let rule = |name: &str| State::rule(Some(State::of(name, "None")));
        assert_eq!(rule("OUT_OF_MEMORY"), Rule::Died(Death::Memory));
        assert_eq!(rule("TIMEOUT"), Rule::Died(Death::Time));
        assert_eq!(rule("FAILED"), Rule::Died(Death::Crash));
        assert!(matches!(rule("NODE_FAIL"), Rule::Lost(_)));
        assert!(matches!(rule("PREEMPTED"), Rule::Lost(_)));
        assert_eq!(rule("CANCELLED"), Rule::Ended);
        assert!(matches!(State::rule(None), Rule::Lost(_)));
        for active in [
            "PENDING",
            "RUNNING",
            "COMPLETING",
            "REQUEUED",
            "SUSPENDED",
            "SOMETHING_NEW",
        ] {
            assert!(State::of(active, "Priority").is_active(), "{active}");
        }
        assert_eq!(State::of("PENDING", "JobHeldAdmin"), State::Held);
        assert_eq!(State::of("PENDING", "launch failed requeued held"), State::Held);
    }
}
