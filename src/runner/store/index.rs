//! The index of a store: one file that saves opening thousands of manifests and hashing unchanged files.
//!
//! Only an accelerator: without it every answer is the same, later. A line is appended when an entry is published or
//! a file is hashed; a torn or damaged line fails its checksum and is passed over; the last line about a key counts.
//! Nothing in it is believed unless a stat of the files agrees.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::hash::Hash256;
use super::identity::Identity;
use super::lines::Lines;
use super::manifest::OutputRecord;

/// About so many bytes has a line.
const LENGTH: usize = 300;

/// The files that describe an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// `manifest.json`.
    pub manifest: Identity,
    /// `fingerprint.json`.
    pub fingerprint: Identity,
}

/// What the index keeps of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The manifest and the fingerprint.
    pub description: Description,
    /// Output files.
    pub outputs: Vec<OutputRecord>,
    /// The finding's title.
    pub finding: Option<String>,
    /// What the stage told of its outputs that speaks against them.
    pub findings: Vec<String>,
    /// Whether the stage told of a comparison outside its tolerance.
    pub outside_tolerance: bool,
}

/// The index as it was when opened, and what was added since.
#[derive(Debug)]
pub struct Index(Lines);

#[derive(Debug, Clone, PartialEq)]
enum Line {
    Entry(Record),
    File(Identity, Hash256),
}

impl Index {
    /// One that knows nothing yet.
    pub fn empty(path: &Path) -> Self {
        Self(Lines::empty(path))
    }

    /// Reads the index; a missing or unreadable one is empty.
    pub fn open(path: &Path) -> Self {
        Self(Lines::open(path, LENGTH))
    }

    /// What is known about the cache entry of a fingerprint.
    pub fn entry(&self, fingerprint: &Hash256) -> Option<Record> {
        match self.0.get(fingerprint, parse)? {
            Line::Entry(record) => Some(record),
            Line::File(..) => None,
        }
    }

    /// The hash of a file outside the store, if it was hashed and looks unchanged since.
    pub fn file(&self, path: &Path, identity: &Identity) -> Option<Hash256> {
        match self.0.get(&file_key(path), parse)? {
            Line::File(known, hash) if known == *identity => Some(hash),
            _ => None,
        }
    }

    /// Adds an entry.
    pub fn add_entry(&self, fingerprint: Hash256, record: &Record) -> io::Result<()> {
        self.0.add([(fingerprint, entry_fields(record))])
    }

    /// Adds the hash of a file outside the store.
    pub fn add_file(&self, path: &Path, identity: Identity, hash: Hash256) -> io::Result<()> {
        let mut text = "f\t".to_owned();
        hash.write_hex(&mut text);
        push_identity(&mut text, &identity);
        self.0.add([(file_key(path), text)])
    }

    /// Writes the index anew when more than half of its lines are dead.
    pub fn compact(&self) -> io::Result<()> {
        self.0.compact()
    }
}

fn file_key(path: &Path) -> Hash256 {
    Hash256::of(path.as_os_str().as_encoded_bytes())
}

// A line: key, `E` or `f`, fields, checksum, separated by tabs. An identity is four numbers separated by commas.
// Entry: flags (`-`, or `!` for outside tolerance), identities of manifest and fingerprint, number of outputs, then file,
// hash, identity of each, then `+` and the title of the finding with which the stage ended, or `-`, then `!` and each finding
// about its outputs.

fn entry_fields(record: &Record) -> String {
    let mut text = String::with_capacity(LENGTH);
    text.push_str(if record.outside_tolerance { "E\t!" } else { "E\t-" });
    push_identity(&mut text, &record.description.manifest);
    push_identity(&mut text, &record.description.fingerprint);
    let _ = write!(text, "\t{}", record.outputs.len());
    for output in &record.outputs {
        text.push('\t');
        text.push_str(&output.file);
        text.push('\t');
        output.sha256.write_hex(&mut text);
        push_identity(&mut text, &output.identity);
    }
    match &record.finding {
        Some(title) => {
            let _ = write!(text, "\t+{}", title.replace(char::is_control, " "));
        }
        None => text.push_str("\t-"),
    }
    for finding in &record.findings {
        let _ = write!(text, "\t!{}", finding.replace(char::is_control, " "));
    }
    text
}

fn push_identity(text: &mut String, identity: &Identity) {
    let Identity {
        bytes,
        modified,
        changed,
        inode,
    } = identity;
    let _ = write!(text, "\t{bytes},{modified},{changed},{inode}");
}

fn parse(fields: &str) -> Option<Line> {
    let mut fields = fields.split('\t');
    match fields.next()? {
        "E" => {
            let outside_tolerance = fields.next()? == "!";
            let manifest = parse_identity(fields.next()?)?;
            let fingerprint = parse_identity(fields.next()?)?;
            let count: usize = fields.next()?.parse().ok()?;
            let mut outputs = Vec::with_capacity(count.min(64));
            for _ in 0..count {
                let file = fields.next()?.to_owned();
                let sha256 = Hash256::parse(fields.next()?)?;
                outputs.push(OutputRecord {
                    file,
                    sha256,
                    identity: parse_identity(fields.next()?)?,
                });
            }
            let finding = fields.next()?.strip_prefix('+').map(str::to_owned);
            let findings = fields.map(|field| field.strip_prefix('!').map(str::to_owned));
            let findings = findings.collect::<Option<_>>()?;
            Some(Line::Entry(Record {
                description: Description { manifest, fingerprint },
                outputs,
                finding,
                findings,
                outside_tolerance,
            }))
        }
        "f" => {
            let hash = Hash256::parse(fields.next()?)?;
            Some(Line::File(parse_identity(fields.next()?)?, hash))
        }
        _ => None,
    }
}

fn parse_identity(text: &str) -> Option<Identity> {
    let mut numbers = text.split(',');
    let identity = Identity {
        bytes: numbers.next()?.parse().ok()?,
        modified: numbers.next()?.parse().ok()?,
        changed: numbers.next()?.parse().ok()?,
        inode: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(identity)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(number: u64) -> Record {
        let identity = Identity {
            bytes: number,
            modified: -5,
            changed: 1_700_000_000_123_456_789,
            inode: 7,
        };
        let output = |port: &str| OutputRecord {
            file: format!("{port}.parquet"),
            sha256: Hash256::of(port),
            identity,
        };
        let outputs = (0..number % 3).map(|port| output(&port.to_string())).collect();
        let finding = number.is_multiple_of(2).then(|| "3 orbits\tare unbound".to_owned());
        let description = Description {
            manifest: identity,
            fingerprint: Identity { inode: 8, ..identity },
        };
        Record {
            description,
            outputs,
            finding,
            findings: (0..number % 3).map(|n| format!("it is {n} times worse")).collect(),
            outside_tolerance: number.is_multiple_of(5),
        }
    }

    #[test]
    fn what_was_added_is_found_now_and_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = Index::open(&path);
        for number in 0..20_u64 {
            index.add_entry(Hash256::of(number.to_string()), &record(0)).unwrap();
            index
                .add_entry(Hash256::of(number.to_string()), &record(number))
                .unwrap();
        }
        let identity = record(9).description.manifest;
        index
            .add_file(Path::new("/a/b"), identity, Hash256::of("content"))
            .unwrap();
        for index in [index, Index::open(&path)] {
            for number in 0..20_u64 {
                let mut expected = record(number);
                let found = index.entry(&Hash256::of(number.to_string())).unwrap();
                // Control characters in a title become spaces in the file; the manifest keeps the title.
                expected.finding = found.finding.clone().filter(|_| expected.finding.is_some());
                assert_eq!(found, expected);
            }
            assert_eq!(index.file(Path::new("/a/b"), &identity), Some(Hash256::of("content")));
            assert_eq!(index.file(Path::new("/a/b"), &Identity { bytes: 1, ..identity }), None);
            assert_eq!(index.entry(&Hash256::of("other")), None);
        }
    }

    #[test]
    fn damage_loses_lines_but_never_changes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = Index::open(&path);
        for number in 0..4_u64 {
            index
                .add_entry(Hash256::of(number.to_string()), &record(number))
                .unwrap();
        }
        let good = std::fs::read(&path).unwrap();
        let intact: Vec<_> = (0..4_u64)
            .map(|n| Index::open(&path).entry(&Hash256::of(n.to_string())))
            .collect();
        for at in 0..good.len() {
            for damaged in [
                good[..at].to_vec(),
                [&good[..at], &[good[at] ^ 4], &good[at + 1..]].concat(),
            ] {
                std::fs::write(&path, damaged).unwrap();
                let index = Index::open(&path);
                for number in 0..4_u64 {
                    let found = index.entry(&Hash256::of(number.to_string()));
                    assert!(
                        found.is_none() || found == intact[usize::try_from(number).unwrap()],
                        "byte {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn compacting_keeps_the_last_line_of_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = Index::open(&path);
        for number in 0..1500_u64 {
            index.add_entry(Hash256::of("key"), &record(number)).unwrap();
        }
        let index = Index::open(&path);
        let before = index.entry(&Hash256::of("key"));
        index.compact().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(Index::open(&path).entry(&Hash256::of("key")), before);
    }
}
