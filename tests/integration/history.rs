//! Runs that were recorded.

use crate::data::SMALL;
use crate::program::Place;

#[test]
fn runs_are_listed_compared_and_found_by_their_files() {
    let place = Place::with(SMALL);
    assert_eq!(place.well(&["runs"]).out, "no run is recorded here\n");
    place.well(&["run", "p.yaml"]);
    place.well(&["run", "p.yaml", "-p", "scale=5.8"]);
    let list = place.well(&["runs"]).out;
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines.len() == 3 && lines[1].contains("scale=5.8") && lines[2].contains("whole-"),
        "newest first: {list}"
    );
    let difference = place.well(&["runs", "diff", "small/whole", "small/scale"]).out;
    let has = |words: &[&str]| {
        let fits = |line: &str| line.split_whitespace().collect::<Vec<_>>() == words;
        difference.lines().any(fits)
    };
    assert!(has(&["scale", "5.5", "5.8"]), "{difference}");
    assert!(
        difference.contains("stages estimate_actions") && !difference.contains("integrate_orbits"),
        "{difference}"
    );
    assert_eq!(
        place.run(&["runs", "diff", "small", "small/scale"]).code,
        2,
        "two begin so"
    );
    assert_eq!(place.run(&["runs", "diff", "small/other", "small/scale"]).code, 2);
    // A copy of an output, wherever it is, and the output itself.
    let shown = place
        .command(&["show", "p.yaml", "guess", "-p", "scale=5.8"])
        .output()
        .unwrap();
    let path = String::from_utf8(shown.stdout)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    std::fs::copy(place.path(&path), place.path("mine.parquet")).unwrap();
    for file in [path.as_str(), "mine.parquet"] {
        let origin = place.well(&["runs", "where", file]).out;
        assert!(origin.contains("stars.parquet of a stage estimate_actions"), "{origin}");
        assert!(
            origin.contains("5.8") && origin.contains("run   small/scale=5.8-"),
            "{origin}"
        );
        assert!(!origin.contains("whole-"), "{origin}");
    }
    // Notes and tags stay, whoever asks for the same again.
    place.well(&["runs", "note", "small/scale", "a larger scale", "--tag", "larger"]);
    place.well(&["run", "p.yaml", "-p", "scale=5.8"]);
    let tagged = place.well(&["runs", "--tag", "larger"]).out;
    assert!(
        tagged.lines().count() == 2 && tagged.contains("#larger  a larger scale"),
        "{tagged}"
    );
    assert_eq!(
        place.run(&["runs", "note", "small/scale", "--tag", "two words"]).code,
        2
    );
    for file in ["runs.csv", "runs.json", "runs.parquet"] {
        place.well(&["runs", "-o", file]);
    }
    let csv = std::fs::read_to_string(place.path("runs.csv")).unwrap();
    assert!(
        csv.lines().count() == 3 && csv.contains("larger") && csv.contains("5.8"),
        "{csv}"
    );
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("runs.json")).unwrap()).unwrap();
    assert_eq!(
        (json[0]["how"].as_str(), json[1]["parameters"]["scale"].as_f64()),
        (Some("well"), Some(5.5))
    );
    // The pipeline of a run, in another folder.
    let restored = place.well(&["runs", "restore", "small/whole", "old"]).out;
    assert!(
        restored.contains("run it with: actionfinder run old/p.yaml --results"),
        "{restored}"
    );
    assert_eq!(std::fs::read_to_string(place.path("old/p.yaml")).unwrap(), SMALL);
    assert_eq!(
        place.run(&["runs", "restore", "small/whole", "old"]).code,
        2,
        "it is there"
    );
    std::fs::write(place.path("other"), "of something else").unwrap();
    assert_eq!(place.run(&["runs", "where", "other"]).code, 2);
    let index = place.path("results/cache/v1/index");
    std::fs::remove_file(index).unwrap();
    assert!(
        place
            .well(&["runs", "where", "mine.parquet"])
            .out
            .contains("estimate_actions")
    );
}
