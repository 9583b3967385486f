//! What the program says to a person who made mistakes.

use crate::data::SMALL;
use crate::program::Place;

/// All mistakes of a file in one go, each with its line, a caret and a hint.
#[test]
fn all_mistakes_at_once() {
    let yaml = SMALL
        .replace("sample: halo", "sample: hallo")
        .replace("stars: orbits }, with: { method", "stars: orbit }, with: { method")
        .replace("draw: orbits", "draws: orbits");
    let gave = Place::with(&yaml).run(&["plan", "p.yaml"]);
    assert_eq!(gave.code, 3);
    insta::assert_snapshot!("all_mistakes_at_once", gave.err);
}

#[test]
fn a_missing_tensor_library_names_the_remedy() {
    let place = Place::new();
    place.write("request.json", "{}");
    let mut command = place.command(&["worker", "request.json"]);
    let gave = place.gave(
        command
            .env("ACTIONFINDER_TENSOR_LIBRARY", "/nowhere/lib.so")
            .output()
            .unwrap(),
    );
    assert_eq!(gave.code, 4);
    assert!(gave.err.contains("/nowhere/lib.so"), "{}", gave.err);
}
