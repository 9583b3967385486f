//! A file of lines, each about one hash: an accelerator that loses nothing when it is lost.
//!
//! Lines are appended; a torn or damaged one fails its checksum and is passed over; the last line about a hash counts.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use super::files::{self, Keep};
use super::hash::Hash256;

/// The file as it was when opened, and what was added since.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    text: String,
    places: HashMap<Hash256, Range<usize>, BuildHasherDefault<FirstBytes>>,
    dead: usize,
    added: RwLock<HashMap<Hash256, String>>,
}

impl Lines {
    /// None yet.
    pub fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            text: String::new(),
            places: HashMap::default(),
            dead: 0,
            added: RwLock::default(),
        }
    }

    /// Reads the file, whose lines have about so many bytes; a missing or unreadable one is empty.
    pub fn open(path: &Path, length: usize) -> Self {
        let mut bytes = Vec::new();
        let opened = files::open(OpenOptions::new().read(true), path);
        let text = match opened.and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
            Err(_) => String::new(),
        };
        let mut places: HashMap<_, _, _> = HashMap::with_capacity_and_hasher(text.len() / length, Default::default());
        let (mut start, mut dead) = (0, 0);
        for line in text.split_inclusive('\n') {
            let range = start..start + line.len();
            start = range.end;
            match line.get(..64).and_then(Hash256::parse) {
                Some(key) => dead += usize::from(places.insert(key, range).is_some()),
                None => dead += 1,
            }
        }
        Self {
            text,
            places,
            dead,
            ..Self::empty(path)
        }
    }

    /// What `read` makes of the fields of the last line about a hash, if that is whole.
    pub fn get<T>(&self, key: &Hash256, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        if let Ok(added) = self.added.read()
            && let Some(line) = added.get(key)
        {
            return read(fields(line)?);
        }
        let range = self.places.get(key)?;
        read(fields(&self.text[range.clone()])?)
    }

    /// The hashes that there were lines about when the file was opened.
    pub fn keys(&self) -> impl Iterator<Item = &Hash256> {
        self.places.keys()
    }

    /// Adds lines, each with its fields, which have no line breaks.
    pub fn add(&self, lines: impl IntoIterator<Item = (Hash256, String)>) -> io::Result<()> {
        let mut text = String::new();
        if let Ok(mut added) = self.added.write() {
            for (key, fields) in lines {
                let start = text.len();
                key.write_hex(&mut text);
                text.push('\t');
                text.push_str(&fields);
                let sum = checksum(&text[start..]);
                text.push_str(&format!("\t{sum:016x}\n"));
                added.insert(key, text[start..].to_owned());
            }
        }
        // One write in append mode: two programs never mix their lines.
        let mut file = files::open(OpenOptions::new().append(true).create(true), &self.path)?;
        file.write_all(text.as_bytes())
    }

    /// Writes the file anew when more than half of its lines are dead. Lines that others add meanwhile may be lost, which
    /// only costs making them again.
    pub fn compact(&self) -> io::Result<()> {
        if self.dead < 1000.max(self.places.len()) {
            return Ok(());
        }
        let mut ranges: Vec<_> = self.places.values().cloned().collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let text: String = ranges.into_iter().map(|range| &self.text[range]).collect();
        files::replace(&self.path, text.as_bytes(), Keep::Remakable)
    }
}

/// What a line says after its hash, if it is as it was written.
fn fields(line: &str) -> Option<&str> {
    let (body, sum) = line.strip_suffix('\n')?.rsplit_once('\t')?;
    if u64::from_str_radix(sum, 16).ok()? != checksum(body) {
        return None;
    }
    body.get(65..)
}

/// FNV-1a over 8 bytes at a time: against torn lines and flipped bits, not against malice.
fn checksum(text: &str) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3);
        sum ^= sum >> 29;
    }
    sum ^ text.len() as u64
}

/// Keys are hashes already: their first bytes will do.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
