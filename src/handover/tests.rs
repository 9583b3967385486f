//! What a crate is read with; `tests/integration/crates.rs` packs and unpacks whole ones.
#![allow(clippy::unwrap_used)]

use super::lock::{FORMAT, Lock};
use super::read::is_inside;
use runner::store::Hash256;

#[test]
fn names_stay_in_the_folder_that_is_unpacked_to() {
    for name in [
        "lock.json",
        "pipeline/a b.yaml",
        "results/x/report.html",
        "a/..b",
        "λ/x",
    ] {
        assert!(is_inside(name), "{name}");
    }
    for name in [
        "", "/", "/a", "a/", "..", "../a", "a/../b", "a/./b", "a//b", "a\\b", "C:a", "a\nb", "a\0b",
    ] {
        assert!(!is_inside(name), "{name:?}");
    }
}

#[test]
fn a_lock_is_read_as_it_was_written() {
    let lock = Lock {
        format: FORMAT,
        pipeline: "small".to_owned(),
        file: "pipeline/p.yaml".to_owned(),
        yaml: Hash256::of("pipeline: small"),
        overrides: vec![("scale".to_owned(), "5.8".to_owned())],
        to: Vec::new(),
        parameters: serde_json::Map::new(),
        program: "0.1.0".to_owned(),
        stages: Vec::new(),
        files: std::collections::BTreeMap::new(),
    };
    let text = lock.to_text().unwrap();
    assert_eq!(Lock::parse(text.as_bytes()), Some(lock));
    for at in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[at] ^= 1;
        assert_eq!(Lock::parse(&damaged), None, "byte {at}");
    }
}
