//! A cache shared by two clones of a project, on a folder: what the one made the other has.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::data::SMALL;
use crate::program::Place;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Two places with one pipeline, whose project names a cache.
fn clones() -> (tempfile::TempDir, Place, Place) {
    let cache = tempfile::tempdir().unwrap();
    let clone = || {
        let place = Place::with(SMALL);
        let address = cache.path().join("shared");
        place.write(
            ".actionfinder",
            &format!("cache: {{ remote: file://{} }}\n", address.display()),
        );
        place
    };
    let (one, two) = (clone(), clone());
    (cache, one, two)
}

fn table(place: &Place, output: &str) -> Vec<u8> {
    place.well(&["export", &format!("p.yaml:{output}"), "-o", "x.parquet"]);
    fs::read(place.path("x.parquet")).unwrap()
}

#[test]
fn a_clone_runs_nothing_that_another_made() {
    let (_cache, one, two) = clones();
    let first = one.well(&["run", "p.yaml"]).out;
    let plan = two.well(&["plan", "p.yaml"]).out;
    assert!(
        plan.contains("nothing to run: 5 fresh, 5 of them in the shared cache"),
        "{plan}"
    );
    assert!(!two.path("results").exists());
    let second = two.well(&["run", "p.yaml"]);
    assert_eq!(second.out, first);
    assert!(second.err.contains("0 ran"), "{}", second.err);
    let shown = two.well(&["show", "p.yaml"]).out;
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("orbits.") && line.ends_with("in the shared cache")),
        "{shown}"
    );
    // What is looked at is fetched.
    assert_eq!(table(&two, "orbits"), table(&one, "orbits"));
    let status = json(&two.well(&["cache", "status", "--json"]).out);
    assert_eq!(
        (status["mode"].as_str(), status["entries"]["estimate_actions"].as_u64()),
        (Some("read-write"), Some(2))
    );
    let before = status["away"].as_u64().unwrap();
    assert!((1..5).contains(&before), "{status}");
    let pulled = json(&two.well(&["cache", "pull", "p.yaml", "--json"]).out);
    assert_eq!(
        (pulled["fetched"].as_u64(), pulled["missing"].as_u64()),
        (Some(before), Some(0))
    );
    let verified = json(&two.well(&["cache", "verify", "--json"]).out);
    assert_eq!(
        (verified["whole"].as_u64(), verified["damaged"].as_array().map(Vec::len)),
        (Some(5), Some(0))
    );
    // Without the cache nothing is known of it.
    let alone = Place::with(SMALL);
    assert!(
        alone
            .well(&["plan", "p.yaml", "--cache", "none"])
            .out
            .contains("would run")
    );
}

#[test]
fn push_puts_there_what_was_made_before() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", folder.path().join("new").display());
    let read = place.run(&["cache", "push", "--cache", &address, "--cache-mode", "read"]);
    assert_eq!(read.code, 2, "{}", read.err);
    let push = |what: &[&str]| {
        json(
            &place
                .well(&[&["cache", "push", "--json", "--cache", &address], what].concat())
                .out,
        )
    };
    let all = push(&[]);
    assert_eq!((all["written"].as_u64(), all["there"].as_u64()), (Some(5), Some(0)));
    let again = push(&["p.yaml"]);
    assert_eq!((again["written"].as_u64(), again["there"].as_u64()), (Some(0), Some(5)));
    assert_eq!(place.run(&["cache", "push"]).code, 2, "no cache is named");
}

#[test]
fn what_cannot_be_had_is_one_warning() {
    let place = Place::with(SMALL);
    let gave = place.well(&[
        "run",
        "p.yaml",
        "--cache",
        "file:///nowhere/at/all",
        "--cache-mode",
        "read",
    ]);
    let warnings: Vec<&str> = gave.err.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), 1, "{}", gave.err);
    assert!(
        warnings[0].contains("does not answer: the folder does not exist"),
        "{warnings:?}"
    );
    for (address, code) in [("/a/b", 2), ("s3://KEY:SECRET@bucket", 2), ("ftp://x/y", 2)] {
        let gave = place.run(&["plan", "p.yaml", "--cache", address]);
        assert_eq!(gave.code, code, "{address}: {}", gave.err);
        assert!(!gave.err.contains("SECRET"), "{}", gave.err);
    }
    place.write(".actionfinder", "cache: { remote: s3://b, mode: write }\n");
    let wrong = place.run(&["plan", "p.yaml", "-p", "seed=7"]);
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.contains(".actionfinder: a mode is read or read-write"),
        "{}",
        wrong.err
    );
}

fn damage(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += damage(&path);
        } else {
            let mut content = fs::read(&path).unwrap();
            let middle = content.len() / 2;
            content[middle] ^= 1;
            fs::write(&path, content).unwrap();
            count += 1;
        }
    }
    count
}

#[test]
fn what_is_damaged_there_is_refused_and_made_again() {
    let (cache, one, two) = clones();
    let first = one.well(&["run", "p.yaml"]).out;
    assert!(damage(&cache.path().join("shared/v1/objects")) >= 5);
    let second = two.well(&["run", "p.yaml"]);
    assert_eq!(second.out, first);
    assert!(second.err.contains("is not what was written"), "{}", second.err);
    assert!(
        second.err.lines().filter(|line| line.starts_with("warning")).count() <= 4,
        "{}",
        second.err
    );
    assert_eq!(table(&two, "errors"), table(&one, "errors"));
}

/// The results of a colleague, in a folder that is only read.
#[test]
fn the_results_of_others_are_a_layer_below() {
    let (theirs, mine) = (Place::with(SMALL), Place::with(SMALL));
    let first = theirs.well(&["run", "p.yaml"]).out;
    let address = format!("file://{}", theirs.path("results").display());
    let gave = mine.well(&["run", "p.yaml", "--cache", &address]);
    assert_eq!(gave.out, first);
    assert!(gave.err.contains("0 ran"), "{}", gave.err);
    let status = mine.well(&["cache", "status", "--cache", &address, "--json"]).out;
    assert!(status.contains("\"read\""), "{status}");
    let own = format!("file://{}", mine.path("results").display());
    assert_eq!(mine.run(&["run", "p.yaml", "--cache", &own]).code, 2);
}

#[test]
fn verify_names_what_it_cannot_vouch_for() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let shown = json(&place.well(&["show", "p.yaml", "--json"]).out);
    let file = shown["outputs"][0]["file"].as_str().unwrap().to_owned();
    let path = place.path(&file);
    let (mut content, before) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&path, content).unwrap();
    let opened = fs::File::options().append(true).open(&path).unwrap();
    opened.set_modified(before.modified().unwrap()).unwrap();
    fs::write(path.with_file_name("stray.txt"), "").unwrap();
    let found = place.run(&["cache", "verify"]);
    assert_eq!(found.code, 4);
    assert!(
        found.out.contains("is damaged") && found.out.contains("stray.txt: no entry names it"),
        "{}",
        found.out
    );
    let removed = place.well(&["cache", "verify", "--remove"]).out;
    assert!(removed.contains("was removed"), "{removed}");
    assert!(place.well(&["run", "p.yaml"]).err.contains("1 ran"));
    assert!(place.well(&["cache", "verify"]).out.contains("0 damaged"));
    // A folder that is not there is not whole.
    let gave = place.run(&["cache", "verify", "--results", "resutls"]);
    assert_eq!(gave.code, 2, "{}{}", gave.out, gave.err);
    assert!(gave.err.contains("no results folder resutls"), "{}", gave.err);
}

/// Written once, and not by each of five stages.
#[test]
fn a_results_folder_that_cannot_be_written_is_said_once() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml", "--to", "orbits"]);
    let locks = place.path("results/cache/locks");
    // Also the administrator cannot write here: a file is in the place of the folder of partial entries.
    let partial = place.path("results/cache/partial");
    fs::remove_dir_all(&partial).unwrap();
    fs::write(&partial, "").unwrap();
    assert!(locks.is_dir());
    let gave = place.run(&["run", "p.yaml"]);
    assert_eq!(gave.code, 4);
    assert_eq!(gave.err.matches("partial").count(), 1, "{}", gave.err);
}
