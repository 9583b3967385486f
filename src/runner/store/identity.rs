//! What a stat tells about a file.

use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::AtFlags;
use serde::{Deserialize, Serialize};

/// If none of these changed since a file was hashed, it need not be hashed again. They never decide anything else: a
/// file whose identity changed is hashed, and the hash decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Size.
    pub bytes: u64,
    /// Time of the last change of the content, in nanoseconds.
    pub modified: i64,
    /// Time of the last change of content or attributes, in nanoseconds; programs cannot set it back.
    pub changed: i64,
    /// Number of the file in its file system.
    pub inode: u64,
}

impl Identity {
    /// No file looks so.
    pub const NONE: Self = Self {
        bytes: 0,
        modified: 0,
        changed: 0,
        inode: 0,
    };

    /// Looks at a file.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&std::fs::metadata(path)?))
    }

    /// Looks at a file below an open folder.
    pub fn at(folder: impl AsFd, path: &str) -> io::Result<Self> {
        let found = rustix::fs::statat(folder, path, AtFlags::empty())?;
        let time = |seconds: i64, nanoseconds: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds);
        Ok(Self {
            bytes: found.st_size.cast_unsigned(),
            modified: time(found.st_mtime, found.st_mtime_nsec.cast_signed()),
            changed: time(found.st_ctime, found.st_ctime_nsec.cast_signed()),
            inode: found.st_ino,
        })
    }

    /// Whether the file last changed more than two seconds before `now` (nanoseconds since 1970). A younger file might
    /// change again within the resolution of the clock, unseen by a stat.
    pub fn is_settled(&self, now: i64) -> bool {
        now - self.modified.max(self.changed) > 2_000_000_000
    }
}

/// A moment in nanoseconds since 1970.
pub fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(0)
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.size(),
            modified: metadata
                .mtime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(metadata.mtime_nsec()),
            changed: metadata
                .ctime()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An entry looked at by either way must look the same, or it would be hashed again at every plan.
    #[test]
    fn both_ways_of_looking_agree() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/file"), "content").unwrap();
        let opened = std::fs::File::open(folder.path()).unwrap();
        let looked = Identity::of(&folder.path().join("below/file")).unwrap();
        assert_eq!(Identity::at(&opened, "below/file").unwrap(), looked);
        assert_eq!(looked.bytes, 7);
        let absent = Identity::at(&opened, "below/other").unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }
}
