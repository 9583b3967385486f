//! How far a training is that was paused so that it can be compared with others: beside its checkpoint, and gone with it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::files::{self, Keep};
use super::{Hash256, Store, checked};

const FILE: &str = "rungs.json";

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rungs {
    /// The least validation loss until each epoch at which it was paused.
    pub losses: BTreeMap<u64, f64>,
    /// Seconds until now.
    pub seconds: f64,
    /// The same, times threads.
    pub core_seconds: f64,
}

impl Store {
    /// What is known of a training that was paused.
    pub fn rungs(&self, fingerprint: &Hash256) -> Option<Rungs> {
        let text = std::fs::read(self.checkpoints(fingerprint).join(FILE)).ok()?;
        serde_json::from_str(&checked::without_check(&text)?).ok()
    }

    /// Keeps how far one came, after some more seconds.
    pub fn keep_rung(
        &self,
        fingerprint: &Hash256,
        (epoch, loss): (u64, f64),
        seconds: f64,
        threads: usize,
    ) -> io::Result<()> {
        let mut rungs = self.rungs(fingerprint).unwrap_or_default();
        rungs.losses.insert(epoch, loss);
        rungs.seconds += seconds;
        rungs.core_seconds += seconds * threads as f64;
        let text = checked::with_check(&serde_json::to_string(&rungs)?);
        files::replace(
            &self.checkpoints(fingerprint).join(FILE),
            text.as_bytes(),
            Keep::Durable,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn losses_come_back_and_damage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (store, hash) = (Store::open(folder.path()), Hash256::of("a"));
        std::fs::create_dir_all(store.checkpoints(&hash)).unwrap();
        assert_eq!(store.rungs(&hash), None);
        store.keep_rung(&hash, (10, 0.5), 2.0, 3).unwrap();
        store.keep_rung(&hash, (30, 0.25), 4.0, 3).unwrap();
        let kept = store.rungs(&hash).unwrap();
        assert_eq!(kept.losses, BTreeMap::from([(10, 0.5), (30, 0.25)]));
        assert_eq!((kept.seconds, kept.core_seconds), (6.0, 18.0));
        let path = store.checkpoints(&hash).join(FILE);
        let mut text = std::fs::read(&path).unwrap();
        let last = text.len() - 3;
        text[last] ^= 1;
        std::fs::write(&path, text).unwrap();
        assert_eq!(store.rungs(&hash), None);
    }
}
