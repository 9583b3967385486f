//! What arrives from elsewhere: counted and hashed on its way.

use std::io::{self, Write};

use crate::store::Hash256;
use crate::store::hash::Hasher;

/// A writer that hashes what it passes on, and takes no more than so many bytes.
#[derive(Debug)]
pub struct Checked<W> {
    /// Where it goes.
    pub to: W,
    hasher: Hasher,
    left: u64,
    /// Whether there was more.
    pub too_long: bool,
    /// Why it could not be written where it goes.
    pub failed: Option<io::Error>,
}

impl<W> Checked<W> {
    /// One that takes `most` bytes.
    pub fn new(to: W, most: u64) -> Self {
        Self {
            to,
            hasher: Hasher::default(),
            left: most,
            too_long: false,
            failed: None,
        }
    }

    /// The hash of what was written.
    pub fn hash(&self) -> Hash256 {
        self.hasher.clone().end()
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len() as u64;
        if count > self.left {
            self.too_long = true;
            return Err(io::Error::other("it is longer than it says"));
        }
        match self.to.write(bytes) {
            Ok(written) => {
                self.hasher.take(&bytes[..written]);
                self.left -= written as u64;
                Ok(written)
            }
            Err(error) => {
                self.failed = Some(io::Error::new(error.kind(), crate::error::reason(&error)));
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
