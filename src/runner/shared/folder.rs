//! A folder as the place of a shared cache: one that all users see, such as on a file server.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Content, Name, Put, Remote, Trouble};
use crate::fingerprint::STORE_VERSION;
use crate::store::files;

/// A folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Whether it is made where it is missing.
    is_made: bool,
}

impl Folder {
    /// The place in a folder, which is made with the first content that is put there, or must be there.
    pub fn new(path: PathBuf, is_made: bool) -> Self {
        Self { path, is_made }
    }

    fn path(&self, name: &Name<'_>) -> PathBuf {
        self.path.join(name.key())
    }

    /// What an error means; nothing, where only the content is not there.
    fn trouble(&self, error: io::Error) -> Result<(), Trouble> {
        match error.kind() {
            io::ErrorKind::NotFound if self.is_made || self.path.is_dir() => Ok(()),
            io::ErrorKind::NotFound => Err(Trouble::Unreachable("the folder does not exist".to_owned())),
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded => Err(Trouble::Denied(crate::error::reason(&error))),
            _ => Err(Trouble::Unreachable(crate::error::reason(&error))),
        }
    }

    fn write(&self, name: &Name<'_>, content: Content<'_>, place: Put) -> io::Result<bool> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let write = |to: &mut dyn Write| match content {
            Content::Bytes(bytes) => to.write_all(bytes),
            Content::File(file) => io::copy(&mut File::open(file)?, to).map(drop),
        };
        files::put(&path, place == Put::New, write)
    }
}

/// How long a draft may lie untouched. Not every file server tells one machine of the locks of another.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// Whether a file has long not been written to. A clock that is ahead of ours makes nothing old.
fn is_old(about: &Metadata) -> bool {
    let age = about.modified().ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > LONG)
}

impl Remote for Folder {
    fn get(&self, name: &Name<'_>, to: &mut dyn Write) -> Result<bool, Trouble> {
        let mut file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) => return self.trouble(error).map(|()| false),
        };
        copy(&mut file, to).map(|()| true)
    }

    fn put(&self, name: &Name<'_>, content: Content<'_>, place: Put) -> Result<bool, Trouble> {
        match self.write(name, content, place) {
            Ok(written) => Ok(written),
            Err(error) => {
                let why = crate::error::reason(&error);
                self.trouble(error).and(Err(Trouble::Unreachable(why)))
            }
        }
    }

    fn size(&self, name: &Name<'_>) -> Result<Option<u64>, Trouble> {
        match fs::metadata(self.path(name)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) => self.trouble(error).map(|()| None),
        }
    }

    /// Drafts of those who died go by the way.
    fn list(&self, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
        let mut open = vec![self.path.join(format!("v{STORE_VERSION}"))];
        while let Some(folder) = open.pop() {
            let found = files::entries(&folder).or_else(|error| self.trouble(error).map(|()| Vec::new()))?;
            for path in found {
                let Ok(about) = fs::symlink_metadata(&path) else {
                    continue;
                };
                let is_draft = files::is_draft(&path);
                if is_draft && self.is_made && is_old(&about) {
                    // It takes room and nothing else: who may not remove it leaves it there.
                    let _ = files::clear_draft(&path);
                }
                match path.strip_prefix(&self.path).ok().and_then(Path::to_str) {
                    _ if about.is_dir() => open.push(path),
                    Some(key) if about.is_file() && !is_draft => each(key, about.len()),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Copies a file; what the writer refuses is no trouble of the place.
pub(super) fn copy(from: &mut File, to: &mut dyn Write) -> Result<(), Trouble> {
    use io::Read;
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count]).map_err(Trouble::Here)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::Unreachable(crate::error::reason(&error))),
        }
    }
}
