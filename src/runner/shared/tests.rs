//! The laws of places, on folders.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::store::Identity;

fn output(content: &[u8]) -> OutputRecord {
    OutputRecord {
        file: "values.parquet".to_owned(),
        sha256: Hash256::of(content),
        identity: Identity {
            bytes: content.len() as u64,
            ..Identity::NONE
        },
    }
}

fn get(place: &dyn Remote, name: &Name<'_>) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    place.get(name, &mut content).unwrap().then_some(content)
}

#[test]
fn what_is_put_there_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path().join("cache"), true);
    let (fingerprint, output) = (Hash256::of("f"), output(b"content"));
    let entry = Name::Entry {
        kind: "source",
        fingerprint: &fingerprint,
    };
    let object = Name::Object {
        kind: "source",
        fingerprint: &fingerprint,
        output: &output,
    };
    assert_eq!((get(&place, &entry), place.size(&entry).unwrap()), (None, None));
    let file = folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    assert!(place.put(&object, Content::File(&file), Put::Anyway).unwrap());
    assert!(place.put(&entry, Content::Bytes(b"first"), Put::New).unwrap());
    assert!(
        !place.put(&entry, Content::Bytes(b"second"), Put::New).unwrap(),
        "the first stays"
    );
    assert_eq!(get(&place, &entry).unwrap(), b"first");
    assert!(place.put(&entry, Content::Bytes(b"third"), Put::Anyway).unwrap());
    assert_eq!(
        (get(&place, &entry).unwrap(), place.size(&object).unwrap()),
        (b"third".to_vec(), Some(7))
    );
    let mut listed = Vec::new();
    place
        .list(&mut |key, bytes| listed.push((key.to_owned(), bytes)))
        .unwrap();
    listed.sort();
    assert_eq!(listed, [(entry.key(), 5), (object.key(), 7)]);
    assert!(is_entry(&entry.key()) && !is_entry(&object.key()));
    // Equal contents have one key, whoever made them.
    let other = Hash256::of("other");
    let same = Name::Object {
        kind: "join",
        fingerprint: &other,
        output: &output,
    };
    assert_eq!(same.key(), object.key());
}

/// A place with nothing in it, and a fingerprint.
fn empty() -> (tempfile::TempDir, Folder, Hash256) {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::new(folder.path().to_owned(), true);
    (folder, place, Hash256::of("f"))
}

fn entry(fingerprint: &Hash256) -> Name<'_> {
    Name::Entry {
        kind: "source",
        fingerprint,
    }
}

/// Of many who write at once one is first, and all see it whole.
#[test]
fn one_of_many_is_first() {
    let (_folder, place, fingerprint) = empty();
    let name = entry(&fingerprint);
    let contents: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; 100_000]).collect();
    let written = side_by_side(&contents, |content| {
        place.put(&name, Content::Bytes(content), Put::New).unwrap()
    });
    assert_eq!(written.iter().filter(|first| **first).count(), 1);
    let first = written.iter().position(|first| *first).unwrap();
    assert_eq!(get(&place, &name).unwrap(), contents[first]);
}

/// What a process that died has left there goes when the place is listed; what is young, or held, stays.
#[test]
fn drafts_of_the_dead_go_after_a_day() {
    let (folder, place, fingerprint) = empty();
    let name = entry(&fingerprint);
    place.put(&name, Content::Bytes(b"whole"), Put::New).unwrap();
    let path = folder.path().join(name.key());
    let draft = |name: &str, hours: u64| {
        let path = path.with_file_name(format!(".draft-{name}"));
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600 * hours))
            .unwrap();
        (path, file)
    };
    let (young, _) = draft("young", 23);
    let (old, _) = draft("old", 25);
    let (held, file) = draft("held", 25);
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut keys = Vec::new();
    place.list(&mut |key, _| keys.push(key.to_owned())).unwrap();
    assert_eq!(keys, [name.key()]);
    assert!(young.exists() && held.exists() && !old.exists());
    // Who may only read removes nothing.
    drop(file);
    Folder::new(folder.path().to_owned(), false)
        .list(&mut |_, _| ())
        .unwrap();
    assert!(held.exists());
}

#[test]
fn troubles_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (fingerprint, output) = (Hash256::of("f"), output(b"content"));
    let name = Name::Object {
        kind: "source",
        fingerprint: &fingerprint,
        output: &output,
    };
    let missing = Folder::new(folder.path().join("no"), false);
    let gone = missing.get(&name, &mut Vec::new()).unwrap_err();
    assert!(
        matches!(&gone, Trouble::Unreachable(why) if why == "the folder does not exist"),
        "{gone:?}"
    );
    let place = Folder::new(folder.path().to_owned(), false);
    place.put(&name, Content::Bytes(b"content"), Put::New).unwrap();
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(place.get(&name, &mut Full), Err(Trouble::Here(_))));
    let absent = Content::File(Path::new("/nowhere/file"));
    assert!(place.put(&name, absent, Put::Anyway).is_err());
    let other = OtherResults::find(folder.path());
    assert!(other.is_none(), "no results folder");
}

#[test]
fn an_entry_is_one_of_its_kind_and_fingerprint() {
    let (fingerprint_text, other) = (r#"{"kind":"source"}"#, Hash256::of("other"));
    let fingerprint = Hash256::of(fingerprint_text);
    let text = |files: &[&str]| {
        let manifest = crate::store::Manifest {
            store: STORE_VERSION,
            kind: "source".to_owned(),
            fingerprint,
            outputs: files
                .iter()
                .map(|file| OutputRecord {
                    file: (*file).to_owned(),
                    ..output(b"content")
                })
                .collect(),
            outcome: crate::stage::Outcome::Complete,
            metrics: Vec::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            outside_tolerance: Vec::new(),
            seconds: 1.0,
            device: "cpu".to_owned(),
            threads: 1,
            when: "2026-01-02T03:04:05Z".to_owned(),
            version: "0.1.0".to_owned(),
        };
        manifest.to_text().unwrap()
    };
    let of = |kind: &str, fingerprint: &Hash256, files: &[&str]| {
        Entry::of(kind, fingerprint, text(files), fingerprint_text.to_owned())
    };
    let entry = of("source", &fingerprint, &["a.parquet", "b.svg"]).unwrap();
    assert_eq!(entry.bytes(), 14);
    let written = entry.to_text().unwrap();
    assert_eq!(Entry::parse("source", &fingerprint, written.as_bytes()).unwrap(), entry);
    for at in [10, written.len() / 2, written.len() - 1] {
        assert_eq!(
            Entry::parse("source", &fingerprint, &written.as_bytes()[..at]),
            None,
            "cut at {at}"
        );
    }
    assert_eq!(of("join", &fingerprint, &["a.parquet"]), None, "another kind");
    assert_eq!(of("source", &other, &["a.parquet"]), None, "another fingerprint");
    for file in ["../a.parquet", "/etc/a.conf", "manifest.json"] {
        assert_eq!(of("source", &fingerprint, &[file]), None, "{file}");
    }
    assert_eq!(of("source", &fingerprint, &["a.parquet", "a.parquet"]), None, "twice");
}
