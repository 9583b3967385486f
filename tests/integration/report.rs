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
    for again in ["run", "report"] {
        std::fs::remove_file(folder.join("report.html")).unwrap();
        let gave = place.well(&[again, "p.yaml"]);
        assert!(
            format!("{}{}", gave.out, gave.err).contains("small/report.html"),
            "{}",
            gave.out
        );
        assert_eq!(std::fs::read_to_string(folder.join("report.html")).unwrap(), report);
    }
}

#[test]
fn a_report_can_be_made_of_what_is_not_done() {
    let place = Place::with(&swept());
    place.well(&["run", "p.yaml", "--to", "orbits"]);
    let gave = place.well(&["report", "p.yaml"]);
    assert!(gave.err.contains("not done"), "{}", gave.err);
    assert!(place.path("results/small/report.html").is_file());
}

#[test]
fn a_table_puts_several_runs_of_a_row_into_one_line() {
    let seeds = "sweep: { axes: { seed: [1, 2, 3] } }\n";
    let place = Place::with(&(crate::data::SMALL.to_owned() + seeds).replace("paper:", "row: guess, paper:"));
    place.well(&["run", "p.yaml"]);
    let of_seed = |seed: &str| -> f64 {
        let text = place.well(&["table", "p.yaml", "-p", &format!("seed={seed}")]).out;
        first_number(&cells(&text, "δJ")[2])
    };
    let mut each = [of_seed("1"), of_seed("2"), of_seed("3")];
    each.sort_by(f64::total_cmp);
    let text = place.well(&["table", "p.yaml"]).out;
    let line = cells(&text, "δJ");
    let numbers: Vec<f64> = line[2]
        .split(['(', ')', ' '])
        .filter_map(|word| word.parse().ok())
        .collect();
    // The median, then the range.
    assert_eq!(numbers, [each[1], each[0], each[2]], "{text}");
    assert_eq!((&*line[0], &*line[6], &*line[9]), ("guess", "3", "cpu"), "{text}");
    let only = place.well(&["table", "p.yaml", "--measure", "delta_theta"]).out;
    assert!(only.contains("δθ") && !only.contains("δJ"), "{only}");
    let none = place.well(&["table", "p.yaml", "--row", "another"]).out;
    assert_eq!(none.lines().count(), 2, "{none}");
    let other = place.well(&["table", "p.yaml", "-p", "seed=4"]);
    assert!(
        other.out.contains("| guess: 1 not done |") && other.err.contains("5 of 5 stages not done"),
        "{}{}",
        other.out,
        other.err
    );
    // The paper's figure is 1.0; numbers are printed to three digits.
    assert!((first_number(&line[5]) / each[1] - 1.0).abs() < 0.01, "{text}");
}

/// The cells of the only line with this measure.
fn cells(table: &str, measure: &str) -> Vec<String> {
    let mut lines = table.lines().filter(|line| line.contains(measure));
    let line = lines.next().unwrap();
    assert!(lines.next().is_none(), "{table}");
    line.trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

fn first_number(cell: &str) -> f64 {
    cell.split_whitespace().next().unwrap().parse().unwrap()
}
