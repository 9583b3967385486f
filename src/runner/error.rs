//! Why a stage body did not end well.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::refusal::reason;

/// The error of a stage body. Science crates have typed errors of their own; a body turns them into this one.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The run was cancelled; whatever the checkpoint folder holds is kept.
    #[error("cancelled")]
    Cancelled,
    /// It came to the epoch at which it was to pause; the checkpoint folder is kept.
    #[error("paused after {at} epochs")]
    Paused {
        /// Epochs.
        at: u64,
        /// The least validation loss until then.
        loss: f64,
    },
    /// The data or parameters do not allow a result.
    #[error("{message}")]
    Failed {
        /// What happened, with numbers, files and rows.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// Its process, or one that it started, came to an end before it was done.
    #[error("{message}")]
    Died {
        /// Why.
        why: Death,
        /// How, with what it said last.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// A file could not be read or written.
    #[error("{path}: {reason}", path = path.display(), reason = reason(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A broken promise of this program.
    #[error("bug: {0}")]
    Bug(String),
}

/// Why a process came to an end. What it was at may go better another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// By itself: a crash, or a program that says so by its exit code.
    Crash,
    /// There was not memory enough, or it took more than it may.
    Memory,
    /// It took longer than it may.
    Time,
}

impl Death {
    /// What came of it, in words that follow "it".
    pub fn words(self) -> &'static str {
        match self {
            Self::Crash => "crashed",
            Self::Memory => "ran out of memory",
            Self::Time => "ran out of time",
        }
    }
}

impl StageError {
    /// A failure of the data or the parameters.
    pub fn failed(message: impl ToString) -> Self {
        Self::Failed {
            message: message.to_string(),
            hint: None,
        }
    }

    /// The same with a hint.
    pub fn with_hint(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::Failed {
            message: message.to_string(),
            hint: Some(hint.into()),
        }
    }

    /// A file error.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }
}
