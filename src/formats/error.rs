//! Why a file could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

use tables::reason;

/// Why a file could not be read or written: sentences for the user.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file could not be opened, read or written.
    #[error("{path}: {reason}", path = path.display(), reason = reason(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What the file holds is not what is wanted of it.
    #[error("{message}")]
    Unfit {
        /// What is wrong, with file and place.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
}

impl FormatError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unfit(message: impl ToString) -> Self {
        Self::Unfit {
            message: message.to_string(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::Unfit {
            message: message.to_string(),
            hint: Some(hint.into()),
        }
    }

    /// The same with another hint.
    pub(crate) fn hinted(self, more: &str) -> Self {
        match self {
            Self::Unfit { message, hint } => Self::Unfit {
                message,
                hint: Some(hint.map_or_else(|| more.to_owned(), |hint| format!("{hint}; {more}"))),
            },
            io => io,
        }
    }
}
