//! Results that are handed over as one file, and what is refused of what others hand over.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use runner::store::checked::{with_check, without_check};
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::data::{SMALL, swept};
use crate::program::Place;

type Files = BTreeMap<String, Vec<u8>>;

fn unpacked(path: &Path) -> Files {
    let mut zip = ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut files = Files::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.insert(file.name().unwrap().into_owned(), content);
    }
    files
}

fn packed(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in files {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn exported(yaml: &str) -> Place {
    let place = Place::with(yaml);
    place.well(&["run", "p.yaml"]);
    place.well(&["export", "p.yaml", "-o", "x.zip", "--license", "CC-BY-4.0"]);
    place
}

#[test]
fn what_is_taken_in_need_not_be_run() {
    let place = exported(&swept());
    let other = Place::new();
    fs::copy(place.path("x.zip"), other.path("x.zip")).unwrap();
    let taken = other.well(&["import", "x.zip", "-o", "theirs"]).out;
    assert!(taken.contains("actionfinder run theirs/p.yaml"), "{taken}");
    let run = other.well(&["run", "theirs/p.yaml"]);
    assert!(run.err.contains("0 ran"), "{}", run.err);
    assert_eq!(
        run.out.lines().next(),
        place.well(&["run", "p.yaml"]).out.lines().next()
    );
    assert!(
        other
            .well(&["cache", "gc", "--results", "theirs/results"])
            .out
            .starts_with("nothing is unused")
    );
    // Again it is new nowhere, and nothing is written over.
    assert_eq!(other.run(&["import", "x.zip", "-o", "theirs"]).code, 2);
    let again: Value = serde_json::from_str(
        &other
            .well(&["import", "x.zip", "--results", "theirs/results", "--json"])
            .out,
    )
    .unwrap();
    assert_eq!((again["stages"].as_u64(), again["new"].as_u64()), (Some(7), Some(0)));
}

#[test]
fn a_run_is_exported_by_its_name() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml", "-p", "scale=5.8", "--to", "errors"]);
    let runs: Value = serde_json::from_str(&place.well(&["runs", "--json"]).out).unwrap();
    let name = runs["runs"][0]["run"].as_str().unwrap();
    place.well(&["export", name, "-o", "run.zip"]);
    let lock = unpacked(&place.path("run.zip")).remove("lock.json").unwrap();
    let lock: Value = serde_json::from_slice(&lock).unwrap();
    assert_eq!(lock["overrides"], serde_json::json!([["scale", "5.8"]]));
    let stages: Vec<&str> = lock["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["orbits", "truth", "guess", "errors"]);
    // A pipeline that is not done, a part of one, and what is neither are refused.
    for (what, said) in [
        ("p.yaml", "not done"),
        ("p.yaml:truth", "leave out :truth"),
        ("nothing", "no recorded run"),
    ] {
        let gave = place.run(&["export", what, "-o", "no.zip"]);
        assert_eq!(gave.code, 2, "{what}: {}", gave.err);
        assert!(gave.err.contains(said), "{what}: {}", gave.err);
    }
    assert!(!place.path("no.zip").exists());
}

#[test]
fn equal_results_give_equal_crates() {
    let place = exported(SMALL);
    place.well(&["export", "p.yaml", "-o", "y.zip", "--license", "CC-BY-4.0"]);
    assert!(fs::read(place.path("x.zip")).unwrap() == fs::read(place.path("y.zip")).unwrap());
}

/// Structure of the description; `make test-cache` has a validator of others look at it.
#[test]
fn the_description_names_every_file_and_how_it_was_made() {
    let files = unpacked(&exported(SMALL).path("x.zip"));
    let metadata: Value = serde_json::from_slice(&files["ro-crate-metadata.json"]).unwrap();
    let graph = metadata["@graph"].as_array().unwrap();
    let by_id: BTreeMap<&str, &Value> = graph.iter().map(|one| (one["@id"].as_str().unwrap(), one)).collect();
    assert_eq!(by_id.len(), graph.len(), "an id is there twice");
    let ids = |value: &Value| -> Vec<String> {
        let of = |one: &Value| one["@id"].as_str().unwrap().to_owned();
        value
            .as_array()
            .map_or_else(|| vec![of(value)], |all| all.iter().map(of).collect())
    };
    let root = by_id["./"];
    let parts = ids(&root["hasPart"]);
    for name in files.keys().filter(|name| *name != "ro-crate-metadata.json") {
        assert!(parts.contains(name), "{name} is not in the description");
        let file = by_id[name.as_str()];
        if name != "lock.json" {
            assert_eq!(file["contentSize"], files[name].len().to_string(), "{name}");
        }
    }
    assert_eq!(root["license"]["@id"], "https://spdx.org/licenses/CC-BY-4.0");
    assert_eq!(ids(&root["mainEntity"]), ["pipeline/p.yaml"]);
    assert!(
        by_id["pipeline/p.yaml"]["@type"]
            .as_array()
            .unwrap()
            .contains(&"ComputationalWorkflow".into())
    );
    // Nothing is referred to that is not there.
    let mut open: Vec<&Value> = graph.iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let (1, Some(Value::String(id))) = (map.len(), map.get("@id")) {
                    let outside = id.starts_with("http");
                    assert!(outside || by_id.contains_key(id.as_str()), "{id} is not there");
                }
                open.extend(map.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    // Every output is the result of one action, which has what it read.
    let actions: Vec<&&Value> = by_id.values().filter(|one| one["@type"] == "CreateAction").collect();
    assert_eq!(actions.len(), 6, "the run and five stages");
    let errors = actions.iter().find(|one| one["name"] == "errors").unwrap();
    assert_eq!(ids(&errors["object"]).len(), 2);
    assert!(errors["endTime"].as_str().unwrap() >= errors["startTime"].as_str().unwrap());
    for name in [
        "actionfinder/CITATION.cff",
        "actionfinder/LICENSE-MIT",
        "results/small/report.html",
    ] {
        assert!(files.contains_key(name), "{name}");
    }
}

#[test]
fn what_was_changed_is_refused_by_its_name() {
    let place = exported(SMALL);
    let whole = unpacked(&place.path("x.zip"));
    let other = Place::new();
    let refused = |bytes: &[u8], said: &str| {
        fs::write(other.path("bad.zip"), bytes).unwrap();
        let gave = other.run(&["import", "bad.zip", "-o", "out"]);
        assert_eq!(gave.code, 4, "{said}: {}{}", gave.out, gave.err);
        assert!(gave.err.contains(said), "{said}: {}", gave.err);
        assert!(
            !other.path("out").exists() && !other.path("results").exists(),
            "{said}: something was written"
        );
    };
    for name in whole.keys().filter(|name| *name != "lock.json") {
        let mut files = whole.clone();
        let content = files.get_mut(name).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        refused(&packed(&files), &format!("{name} is not what was written"));
    }
    let mut files = whole.clone();
    files.get_mut("lock.json").unwrap()[100] ^= 1;
    refused(&packed(&files), "no lock.json as it was written");
    let mut files = whole.clone();
    files.remove("pipeline/p.yaml");
    refused(&packed(&files), "pipeline/p.yaml is missing");
    let mut files = whole.clone();
    files.insert("pipeline/more.yaml".to_owned(), b"pipeline: more".to_vec());
    refused(&packed(&files), "pipeline/more.yaml is not in its lock");
    for name in [
        "../out.txt",
        "/tmp/out.txt",
        "pipeline/../../out.txt",
        "a\\..\\out.txt",
        "C:out.txt",
        "a//b",
    ] {
        let mut files = whole.clone();
        files.insert(name.to_owned(), b"harm".to_vec());
        refused(&packed(&files), "outside of the folder");
    }
    // Much more is packed in it than it says.
    let mut files = whole.clone();
    files.insert("pipeline/p.yaml".to_owned(), vec![b' '; 50 << 20]);
    refused(&packed(&files), "pipeline/p.yaml has 52428800 bytes");
    let bytes = fs::read(place.path("x.zip")).unwrap();
    refused(&bytes[..bytes.len() / 2], "no zip file, or is cut off");
    refused(b"", "no zip file");
    // A name that is there twice: the second p.yaml is called q.yaml, until its letter is changed in both of its places.
    let mut files = whole.clone();
    files.insert("pipeline/q.yaml".to_owned(), b"pipeline: other".to_vec());
    let mut twice = packed(&files);
    let name = b"pipeline/q.yaml";
    let places: Vec<usize> = (0..twice.len() - name.len())
        .filter(|&at| twice[at..].starts_with(name))
        .collect();
    for at in places {
        twice[at + 9] = b'p';
    }
    refused(&twice, "twice");
    assert!(!Path::new("/tmp/out.txt").exists());
}

/// The lock's own checksum is no signature: whoever changes it can make it anew.
#[test]
fn results_of_what_is_no_name_are_refused() {
    let place = exported(SMALL);
    let whole = unpacked(&place.path("x.zip"));
    let lock = without_check(&whole["lock.json"]).unwrap();
    let other = Place::new();
    fs::create_dir(other.path("deep")).unwrap();
    let kind = "integrate_orbits";
    for (was, harm) in [
        ("small", "../../../out"),
        ("small", "/tmp/actionfinder-out"),
        ("small", "cache"),
        ("small", "a/b"),
        ("small", ""),
        ("small", "\u{1b}[2Jsmall"),
        (kind, "../../../out"),
        (kind, "a/b"),
    ] {
        let mut value: Value = serde_json::from_str(&lock).unwrap();
        match was == kind {
            true => value["stages"][0]["kind"] = harm.into(),
            false => value["pipeline"] = harm.into(),
        }
        let mut files = whole.clone();
        files.insert("lock.json".to_owned(), with_check(&value.to_string()).into_bytes());
        other.write("deep/bad.zip", "");
        fs::write(other.path("deep/bad.zip"), packed(&files)).unwrap();
        for more in [&["--results", "deep/results"][..], &["-o", "deep/out"]] {
            let gave = other.run(&[&["import", "deep/bad.zip"], more].concat());
            assert_eq!(gave.code, 4, "{harm}: {}{}", gave.out, gave.err);
            assert!(gave.err.contains("it has results of"), "{harm}: {}", gave.err);
            assert!(!gave.err.contains('\u{1b}'), "{}", gave.err);
        }
        let there: Vec<_> = fs::read_dir(other.path("deep")).unwrap().collect();
        assert_eq!(there.len(), 1, "{harm}: something was written");
        assert!(!other.path("out").exists() && !Path::new("/tmp/actionfinder-out").exists());
    }
}
