//! The report of a run.

use crate::data::swept;
use crate::program::Place;

#[test]
fn report_and_tables_are_written_and_can_be_made_again() {
    let place = Place::with(&swept());
    place.well(&["run", "p.yaml"]);
    let folder = place.path("results/small");
    let report = std::fs::read_to_string(folder.join("report.html")).unwrap();
    for part in [
        "<h1>small</h1>",
        "δJ",
        "δθ",
        "<svg",
        "Provenance",
        "prefers-color-scheme",
        "5.8",
    ] {
        assert!(report.contains(part), "{part}");
    }
    for outside in ["<script", "src=\"http", "href=\"http", "@import", "url("] {
        assert!(!report.contains(outside), "the page stands alone: {outside}");
    }
    assert!(!report.contains("NaN"));
    let shown = place.well(&["show", "results/small/metrics.parquet"]).out;
    assert!(shown.contains("delta_J") && shown.contains("fingerprint"), "{shown}");
    assert!(folder.join("history.parquet").exists() && folder.join("runs.jsonl").exists());
    std::fs::remove_file(folder.join("report.html")).unwrap();
    place.well(&["run", "p.yaml"]);
    assert_eq!(std::fs::read_to_string(folder.join("report.html")).unwrap(), report);
}
