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
    // So points that differ in nothing but seeds are one setting.
    let board = place.well(&["sweep", "p.yaml"]).out;
    let rows: Vec<&str> = board.lines().collect();
    assert_eq!(rows.len(), 3, "{board}");
    assert!(rows[0].starts_with("scale") && !rows[0].contains("seed"), "{board}");
    assert!(
        rows[1].trim_start().starts_with("5.2") && rows[1].matches(" ± ").count() == 3,
        "{board}"
    );
    assert!(
        rows[1].split_whitespace().any(|word| word == "3"),
        "of three seeds: {board}"
    );
    let each = place.well(&["sweep", "p.yaml", "--each"]).out;
    assert_eq!(each.lines().count(), 7, "{each}");
    assert!(!each.contains('±') && each.contains("seed"), "{each}");
    let answer: serde_json::Value = serde_json::from_str(&place.well(&["sweep", "p.yaml", "--json"]).out).unwrap();
    let best = &answer["points"][0];
    assert_eq!(
        (best["runs"].as_u64(), &best["parameters"]["seed"]),
        (Some(3), &serde_json::Value::Null)
    );
    let alone: serde_json::Value =
        serde_json::from_str(&place.well(&["sweep", "p.yaml", "--each", "--json"]).out).unwrap();
    let of_best = alone["points"].as_array().unwrap().iter();
    let of_best = of_best.filter(|point| point["parameters"]["scale"] == best["parameters"]["scale"]);
    let values: Vec<f64> = of_best
        .map(|point| point["results"]["errors.delta_J"].as_f64().unwrap())
        .collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    assert!((best["results"]["errors.delta_J"].as_f64().unwrap() - mean).abs() < 1e-12 * mean);
    // What there is not is answered with what is nearest.
    let gave = place.run(&["sweep", "p.yaml", "--by", "delta_j_s"]);
    let nearest = "nearest: over_seeds.delta_J_sd, over_seeds.delta_J_se";
    assert!(gave.code == 2 && gave.err.contains(nearest), "{}", gave.err);
    // Another seed is another table: only what is new runs.
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", &yaml.replace("[1, 2, 3]", "[1, 2, 3, 4]"));
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("1 would run"), "{plan}");
    place.well(&["run", "p.yaml"]);
    let table = place.well(&["show", "p.yaml", "over_seeds[scale=5.2]"]).out;
    assert!(table.contains("value_sd"), "{table}");
}

/// Means over seeds at every scale, as one table with the scale beside them.
#[test]
fn an_output_at_several_points_is_exported_as_one_table() {
    let more = "  over_seeds:\n    aggregate: { from: { tables: { of: errors, over: seed } } }\n\
                sweep: { axes: { seed: [1, 2], scale: [5.8, 5.2, 4.9] } }\n";
    let place = Place::with(&(SMALL.to_owned() + more));
    place.well(&["run", "p.yaml"]);
    let alone = place.path("alone.parquet");
    place.well(&["export", "p.yaml:over_seeds[scale=5.2]", "-o", alone.to_str().unwrap()]);
    let alone = tables::read(&alone).unwrap();
    assert!(alone.column_by_name("scale").is_none());
    for name in ["all.parquet", "all.csv", "all.fits", "all.ecsv"] {
        let gave = place.well(&["export", "p.yaml:over_seeds", "-o", name]);
        assert!(
            gave.err.contains("over_seeds.means: at 3 points of the sweep"),
            "{}",
            gave.err
        );
        let told = format!(
            "{name}: {} rows, {} columns",
            3 * alone.num_rows(),
            alone.num_columns() + 1
        );
        assert!(gave.err.contains(&told), "{}", gave.err);
    }
    let all = tables::read(&place.path("all.parquet")).unwrap();
    assert_eq!(all.schema().field(0).name(), "scale");
    let scales = tables::f64_column(&all, "scale").unwrap();
    let rows: Vec<usize> = (0..all.num_rows()).filter(|&row| scales[row] == 5.2).collect();
    let values = |table, rows: &[usize]| -> Vec<f64> {
        let values = tables::f64_column(table, "value").unwrap();
        rows.iter().map(|&row| values[row]).collect()
    };
    let every: Vec<usize> = (0..alone.num_rows()).collect();
    assert_eq!(values(&all, &rows), values(&alone, &every));
    // Of two swept parameters both are columns.
    place.well(&["export", "p.yaml:errors", "-o", "errors.parquet"]);
    let errors = tables::read(&place.path("errors.parquet")).unwrap();
    let schema = errors.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .take(2)
        .map(|field| field.name().as_str())
        .collect();
    assert!(names.contains(&"seed") && names.contains(&"scale"), "{names:?}");
    assert!(tables::i64_column(&errors, "seed").unwrap().contains(&2));
    // A point that is not there is told; what is shown is one of them.
    let gave = place.run(&["export", "p.yaml:over_seeds", "-o", "more.csv", "-p", "scale=5.2,6.1"]);
    assert!(gave.code == 2 && gave.err.contains("--to over_seeds"), "{}", gave.err);
    let gave = place.run(&["show", "p.yaml", "over_seeds"]);
    assert!(
        gave.code == 2 && gave.err.contains("over_seeds is swept; name one of"),
        "{}",
        gave.err
    );
}
