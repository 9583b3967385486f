//! Means over seeds.

use crate::data::SMALL;
use crate::program::Place;

#[test]
fn means_over_seeds_are_a_stage() {
    let more = "  over_seeds:\n    aggregate: { from: { tables: { of: errors, over: seed } } }\n\
                sweep: { axes: { seed: [1, 2, 3], scale: [5.8, 5.2] } }\n";
    let place = Place::with(&(SMALL.to_owned() + more));
    place.well(&["run", "p.yaml"]);
    let list = place.well(&["show", "p.yaml"]).out;
    let of = |name: &str| list.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!([of("errors["), of("over_seeds[")], [3 * 6, 2], "{list}");
    // They are metrics, by which points are ordered.
    let board = place.well(&["sweep", "p.yaml", "--by", "over_seeds.delta_J_se"]).out;
    assert!(board.contains("over_seeds delta_J_se"), "{board}");
    let report = std::fs::read_to_string(place.path("results/small/report.html")).unwrap();
    assert!(
        report.contains("<h2>Means</h2>") && report.contains(" ± "),
        "the report shows them"
    );
    // Another seed is another table: only what is new runs.
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", &yaml.replace("[1, 2, 3]", "[1, 2, 3, 4]"));
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("1 would run"), "{plan}");
    place.well(&["run", "p.yaml"]);
    let table = place.well(&["show", "p.yaml", "over_seeds[scale=5.2]"]).out;
    assert!(table.contains("value_sd"), "{table}");
}
