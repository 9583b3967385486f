//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Points without toy actions.
    #[error("{} of {points} points are unbound in the toy isochrone", rows.len())]
    Unbound {
        /// Their row numbers, counted through all points in order.
        rows: Vec<usize>,
        /// Number of points looked at.
        points: usize,
    },
    /// A number that is not finite where one is needed.
    #[error("{what} is not finite")]
    NotFinite {
        /// Which quantity, where.
        what: String,
    },
    /// Data that cannot be used.
    #[error("{0}")]
    Data(String),
    /// A file that is not what it should be.
    #[error("{path}: {message}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The watcher asked to stop; a checkpoint is saved.
    #[error("stopped after {epochs} epochs")]
    Stopped {
        /// Epochs that are done.
        epochs: usize,
    },
    /// It came to the epoch after which the watcher wants a pause; a checkpoint of it, or of a later one, is saved.
    #[error("paused after {epochs} epochs")]
    Paused {
        /// Epochs.
        epochs: usize,
        /// The least validation loss until then.
        loss: f64,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// A file error.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// A format error.
    pub fn format(path: &Path, message: impl ToString) -> Self {
        Self::Format {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}
