//! The results folder of someone else, as a layer below the own: it is only read.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::folder::copy;
use super::{Content, Entry, Name, Put, Remote, Trouble};
use crate::fingerprint::STORE_VERSION;
use crate::store::{Hash256, Store};

/// A results folder.
#[derive(Debug)]
pub struct OtherResults(PathBuf);

impl OtherResults {
    /// The results in this folder, if it is a results folder.
    pub fn find(folder: &Path) -> Option<Self> {
        let entries = folder.join("cache").join(format!("v{STORE_VERSION}"));
        entries.is_dir().then(|| Self(folder.to_owned()))
    }

    fn entry(&self, kind: &str, fingerprint: &Hash256) -> Option<Entry> {
        let folder = Store::at(&self.0).folder(kind, fingerprint);
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        Entry::of(kind, fingerprint, read("manifest.json")?, read("fingerprint.json")?)
    }
}

impl Remote for OtherResults {
    fn get(&self, name: &Name<'_>, to: &mut dyn Write) -> Result<bool, Trouble> {
        if !self.0.is_dir() {
            return Err(Trouble::Unreachable("the folder does not exist".to_owned()));
        }
        match name {
            Name::Entry { kind, fingerprint } => {
                let text = self.entry(kind, fingerprint).and_then(|entry| entry.to_text().ok());
                let Some(text) = text else { return Ok(false) };
                to.write_all(text.as_bytes()).map_err(Trouble::Here)?;
                Ok(true)
            }
            Name::Object {
                kind,
                fingerprint,
                output,
            } => {
                let path = Store::at(&self.0).folder(kind, fingerprint).join(&output.file);
                match File::open(path) {
                    Ok(mut file) => copy(&mut file, to).map(|()| true),
                    Err(_) => Ok(false),
                }
            }
        }
    }

    fn put(&self, _: &Name<'_>, _: Content<'_>, _: Put) -> Result<bool, Trouble> {
        Err(Trouble::Denied("it is a results folder, which is only read".to_owned()))
    }

    fn size(&self, _: &Name<'_>) -> Result<Option<u64>, Trouble> {
        Ok(None)
    }

    fn list(&self, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
        for (kind, fingerprint) in Store::at(&self.0).all() {
            let Some(entry) = self.entry(&kind, &fingerprint) else {
                continue;
            };
            let name = Name::Entry {
                kind: &kind,
                fingerprint: &fingerprint,
            };
            let text = entry.to_text().map_or(0, |text| text.len());
            each(&name.key(), text as u64);
            for output in &entry.manifest.outputs {
                let name = Name::Object {
                    kind: &kind,
                    fingerprint: &fingerprint,
                    output,
                };
                each(&name.key(), output.identity.bytes);
            }
        }
        Ok(())
    }
}
