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

/// A value of a wrong type hides no other mistake of its stage: neither of another value, nor of an input. Where the inputs
/// depend on the wrong value, nothing is said about them that may not be so.
#[test]
fn a_wrong_type_hides_nothing() {
    let yaml = SMALL
        .replace("streams: $streams", "streams: many")
        .replace("duration: 0.1", "duration: -0.1")
        .replace(
            "predicted: guess, truth: truth }",
            "predicted: guess, truth: guess.failures, extra: truth }",
        )
        .replace("delta_J: 1.0", "delta_J: one")
        .replace(
            "{ from: { stars: orbits }, with: { draw: orbits } }",
            "{ from: { star: truth }, with: { draw: orbit } }",
        );
    let gave = Place::with(&yaml).run(&["plan", "p.yaml"]);
    assert_eq!(gave.code, 3);
    insta::assert_snapshot!("a_wrong_type_hides_nothing", gave.err);
}

#[test]
fn a_missing_tensor_library_names_the_remedy() {
    let place = Place::new();
    let mut command = place.command(&["worker", "--probe"]);
    let gave = place.gave(
        command
            .env("ACTIONFINDER_TENSOR_LIBRARY", "/nowhere/lib.so")
            .output()
            .unwrap(),
    );
    assert_eq!(gave.code, 4);
    assert!(gave.err.contains("/nowhere/lib.so"), "{}", gave.err);
}
