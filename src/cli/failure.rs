//! How a command ends, and the exit code of each way.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use runner::error::reason;

/// The exit code of a bug.
pub const BUG: u8 = 70;

/// How a command ended when nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Done.
    Well,
    /// `--check`: something would run, or change.
    WouldRun,
    /// The command line is wrong; it was said what.
    WrongUse,
    /// A stage failed; the sinks have said so.
    StageFailed,
    /// A comparison is outside its tolerance; the sinks have said so.
    OutsideTolerance,
    /// Ctrl-C.
    Interrupted,
    /// A code that another program gave.
    Code(u8),
}

impl Finished {
    /// Whether the exit code says that all went well, or only what was asked.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Well | Self::WouldRun | Self::Code(0))
    }

    /// The exit code.
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Well => 0,
            Self::WouldRun => 1,
            Self::WrongUse => 2,
            Self::StageFailed => 4,
            Self::OutsideTolerance => 5,
            Self::Interrupted => 130,
            Self::Code(code) => code,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that is not there.
    Usage(String),
    /// The pipeline is invalid; the text is ready to show.
    Invalid(String),
    /// The work could not be done: files, disks, the worker.
    Work(String),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
            Self::Work(_) => 4,
        })
    }

    /// The system refuses to read or write a file or folder.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::Work(format!("{}: {}", path.display(), reason(error)))
    }

    /// A failure with files.
    pub fn work(error: impl fmt::Display) -> Self {
        Self::Work(error.to_string())
    }
}

/// What could not be written and why, with what the user can do.
pub fn with_hint(what: &str, error: &std::io::Error) -> String {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "; free some space and run again: finished stages are kept"
        }
        _ => "",
    };
    format!("{what}: {}{hint}", reason(error))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Work(text) => write!(f, "error: {text}"),
            Self::Invalid(text) => f.write_str(text),
        }
    }
}
