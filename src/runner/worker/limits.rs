//! What a worker takes, and whether that is more than it may.

use std::time::{Duration, Instant};

use crate::error::{Death, StageError};
use crate::graph::Limits;

/// How often memory is looked at. What is taken and given back in between is not seen.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches one body.
pub(super) struct Watch {
    limits: Limits,
    process: u32,
    begun: Instant,
    looked: Instant,
}

/// What was more than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Time(Duration),
    Memory { taken: u64, most: u64 },
}

impl Watch {
    /// Of a body that begins now, in this process.
    pub fn new(limits: Limits, process: u32) -> Self {
        let begun = Instant::now();
        Self {
            limits,
            process,
            begun,
            looked: begun,
        }
    }

    /// What is too much, if something is.
    pub fn excess(&mut self) -> Option<Excess> {
        if let Some(most) = self.limits.time.filter(|most| self.begun.elapsed() > *most) {
            return Some(Excess::Time(most));
        }
        let most = self.limits.memory.filter(|_| self.looked.elapsed() >= PAUSE)?;
        self.looked = Instant::now();
        let taken = memory_of_all(self.process);
        (taken > most).then_some(Excess::Memory { taken, most })
    }
}

impl Excess {
    /// Whether the body gets the time to save what it has.
    pub fn may_save(self) -> bool {
        matches!(self, Self::Time(_))
    }

    /// The error of a body that was ended for it.
    pub fn error(self, kind: &str) -> StageError {
        let (why, message, hint) = match self {
            Self::Time(most) => (
                Death::Time,
                format!(
                    "{kind} took longer than the {} that `on: {{ timeout }}` gives it",
                    duration(most)
                ),
                "give it more time, or less to do; a training goes on from its checkpoint",
            ),
            Self::Memory { taken, most } => (
                Death::Memory,
                format!(
                    "{kind} took {} of memory, and `on: {{ memory }}` gives it {}",
                    size(taken),
                    size(most)
                ),
                "give it more memory, or ask for less: fewer stars, a smaller batch or a smaller network",
            ),
        };
        StageError::Died {
            why,
            message,
            hint: Some(hint.to_owned()),
        }
    }
}

fn size(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 1000.0 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.2} GB", megabytes / 1000.0)
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 120.0 {
        format!("{seconds} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

/// Memory that a process has for itself, in bytes; 0 where that cannot be told.
pub(super) fn memory_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// The same of a process and all that it started.
fn memory_of_all(process: u32) -> u64 {
    let mut open = vec![process];
    let mut taken = 0;
    while let Some(process) = open.pop() {
        taken += memory_of(process);
        let threads = std::fs::read_dir(format!("/proc/{process}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_said() {
        let time = Excess::Time(Duration::from_secs(600)).error("command");
        assert!(time.to_string().contains("longer than the 10.0 min"), "{time}");
        let memory = Excess::Memory {
            taken: 5_200_000_000,
            most: 4_000_000_000,
        };
        let memory = memory.error("command");
        assert!(memory.to_string().contains("took 5.20 GB of memory"), "{memory}");
        assert!(matches!(memory, StageError::Died { why: Death::Memory, .. }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_of_what_was_started_counts() {
        let own = memory_of_all(std::process::id());
        let mut child = std::process::Command::new("sh")
            .args(["-c", "a=$(head -c 40000000 /dev/zero | tr '\\0' a); sleep 60; : $a"])
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        let begun = Instant::now();
        while memory_of_all(std::process::id()) < own.saturating_add(30_000_000) {
            assert!(begun.elapsed() < Duration::from_secs(60), "its memory is not seen");
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
