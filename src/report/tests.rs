use std::path::PathBuf;
use std::sync::OnceLock;

use runner::graph::Point;
use runner::stage::{Outcome, Role};
use runner::store::{Hash256, Manifest, Metric};
use serde_json::{Value, json};

use super::data::StageData;
use super::*;

fn manifest(kind: &str, label: &str, outcome: Outcome) -> Manifest {
    Manifest {
        store: 1,
        kind: kind.to_owned(),
        fingerprint: Hash256::of(label),
        outputs: Vec::new(),
        outcome,
        metrics: vec![Metric {
            name: "energy_error".to_owned(),
            value: 8.31e-8,
            unit: String::new(),
        }],
        notes: vec!["the step was halved <twice>".to_owned()],
        findings: Vec::new(),
        outside_tolerance: Vec::new(),
        seconds: 12.3,
        device: "cpu".to_owned(),
        threads: 1,
        when: "2026-01-02T03:04:05Z".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn stage(name: &str, kind: &str, points: &[usize], inputs: &[usize]) -> StageData {
    let label = if points.len() > 1 {
        name.to_owned()
    } else {
        format!("{name}[row={}]", points[0])
    };
    StageData {
        manifest: Some(manifest(kind, &label, Outcome::Complete)),
        name: name.into(),
        label: label.into(),
        kind: kind.to_owned(),
        role: if kind == "compare" { Role::Judge } else { Role::Learn },
        compares: kind == "compare",
        points: points.to_vec(),
        inputs: inputs.to_vec(),
        row: None,
        seed: Some("1".to_owned()),
        has_truth: true,
        paper_streams: None,
        learned_from: None,
        state: State::Done,
        outputs: Vec::new(),
        errors: Vec::new(),
    }
}

fn shared<const N: usize>(point: [(&str, Value); N]) -> Point {
    point.map(|(name, value)| (name.into(), value.into())).into()
}

fn errors(scale: f64) -> Vec<ErrorRow> {
    let mut rows = Vec::new();
    for (measure, unit, paper) in [("delta_J", "km/s kpc", 1.2), ("delta_theta", "deg", 0.7)] {
        for (n, component) in ["phi", "z", "r", "mean"].into_iter().enumerate() {
            for (statistic, factor) in [("mean_absolute", 1.0), ("median_absolute", 0.6)] {
                let value = scale * factor * (0.5 + n as f64);
                let paper = (component == "mean" && statistic == "mean_absolute").then_some(paper);
                rows.push(ErrorRow {
                    measure: measure.to_owned(),
                    component: component.to_owned(),
                    statistic: statistic.to_owned(),
                    value,
                    unit: unit.to_owned(),
                    relative: value / 900.0,
                    paper,
                    source: String::new(),
                    ratio: paper.map(|paper| value / paper),
                    stars: 512,
                    set_aside: 0,
                });
            }
        }
    }
    rows
}

/// A sweep of four points, with a finding at the last one.
fn sample() -> Data {
    let mut stages = vec![
        stage("orbits", "integrate_orbits", &[0, 1, 2, 3], &[]),
        stage("truth", "estimate_actions", &[0, 1, 2, 3], &[0]),
        stage("sky", "observe", &[0, 1, 2, 3], &[1]),
        stage("sets", "split", &[0, 1, 2, 3], &[2]),
    ];
    for (point, scale) in [0.002, 0.3, 1.1, 0.0].into_iter().enumerate() {
        let first = stages.len();
        stages.push(stage("actions", "train_actions", &[point], &[3]));
        if point == 3 {
            let (title, detail) = (
                "213 of 1024 orbits are unbound".to_owned(),
                "streams 4, 17, 22, …".to_owned(),
            );
            let outcome = Outcome::Finding { title, detail };
            stages[first].manifest = Some(manifest("train_actions", "actions[row=3]", outcome));
        }
        stages.push(stage("predicted", "predict", &[point], &[3, first]));
        stages.push(stage("errors", "compare", &[point], &[first + 1, 3]));
        stages.push(stage("loss_curves", "figure", &[point], &[first]));
        for skipped in &mut stages[first + 1..] {
            if point == 3 {
                skipped.state = State::Skipped {
                    because: "actions[row=3]".to_owned(),
                };
                skipped.manifest = None;
            }
        }
        if point < 3 {
            stages[first + 2].errors = errors(scale);
        }
    }
    let masses = [3.334e11, 3.0006e11, 4.0008e11, 2.6672e11];
    let rows = ["toy exact", "toy 10 % low", "toy 20 % high", "toy mass 20 % low"];
    let point = |(row, mass): (&str, f64)| [("row", json!(row)), ("toy_mass", json!(mass))];
    Data {
        pipeline: "isochrone".to_owned(),
        about: "Ibata et al. (2021), section 6.1: an isochrone, and toy potentials that are & are not right".to_owned(),
        points: rows.into_iter().zip(masses).map(point).map(shared).collect(),
        parameters: vec![("seed".to_owned(), json!(7))],
        stages,
        facts: vec![("program".to_owned(), "actionfinder 0.1.0".to_owned())],
        search: Vec::new(),
        index: OnceLock::new(),
    }
}

#[test]
fn the_page_says_what_happened() {
    let mut data = sample();
    if let Ok(folder) = std::env::var("ACTIONFINDER_KEEP_FIGURES") {
        let figures = ["LossCurves", "Residuals", "Orbits"].map(|name| PathBuf::from(format!("{folder}/{name}.svg")));
        data.stages[7].outputs = figures.map(|path| ("figure".to_owned(), path)).to_vec();
    }
    let page = html::page(
        &data.pipeline,
        &sections::body(
            &data,
            &sections::Here {
                given: &Given::default(),
                folder: Path::new("/nowhere"),
            },
        ),
    );
    if let Ok(folder) = std::env::var("ACTIONFINDER_KEEP_FIGURES") {
        std::fs::write(format!("{folder}/report.html"), &page).unwrap();
    }
    for part in [
        "δJ",
        "δθ",
        "213 of 1024 orbits are unbound",
        "that are &amp; are not",
        "&lt;twice&gt;",
        "prefers-color-scheme",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("Not run because of it: predicted, errors, loss_curves."));
    assert!(
        !page.contains("<script") && !page.contains("http://") || !page.contains("src="),
        "self-contained"
    );
}

#[test]
fn settings_name_only_what_varies() {
    let data = sample();
    assert_eq!(data.setting_line(&data.stages[0]), "");
    assert_eq!(
        data.setting_line(&data.stages[6]),
        "toy exact",
        "the mass goes with the row's name"
    );
    let mut data = sample();
    for (n, point) in data.points.iter_mut().enumerate() {
        point[0] = ("seed".into(), json!(n).into());
        point.swap(0, 1);
    }
    assert_eq!(data.setting_line(&data.stages[6]), "toy_mass = 3.334e11, seed = 0");
}

/// A results folder with the report's folder in it.
struct Reports {
    results: tempfile::TempDir,
}

impl Reports {
    fn new() -> Self {
        let results = tempfile::tempdir().unwrap();
        Self { results }
    }

    fn store(&self) -> Store {
        Store::open(self.results.path())
    }

    fn folder(&self) -> PathBuf {
        self.store().pipeline_folder("isochrone")
    }

    fn write(&self, data: &Data) -> Vec<String> {
        write(data, &Given::default(), "sources", &self.folder(), &self.store())
            .unwrap()
            .warnings
    }

    fn rows(&self, name: &str) -> usize {
        tables::read(&self.folder().join(name)).unwrap().num_rows()
    }

    fn is_made(&self, sources: &str) -> bool {
        made_before(&self.folder(), sources, "isochrone", &self.store()).is_some()
    }
}

#[test]
fn history_keeps_every_result_once() {
    let reports = Reports::new();
    let mut data = sample();
    reports.write(&data);
    let first = reports.rows("metrics.parquet");
    assert_eq!(first, 3 * 16 + 4 + 4 + 3 * 3);
    reports.write(&data);
    assert_eq!(
        reports.rows("history.parquet"),
        first,
        "the same results are not added again"
    );
    data.stages[6].manifest = Some(manifest("compare", "another", Outcome::Complete));
    reports.write(&data);
    assert_eq!(
        (reports.rows("metrics.parquet"), reports.rows("history.parquet")),
        (first, first + 17)
    );
    // The page, two tables, and what they were made from.
    assert_eq!(
        std::fs::read_dir(reports.folder()).unwrap().count(),
        4,
        "no draft is left"
    );
    assert!(reports.is_made("sources") && !reports.is_made("other sources") && !reports.is_made("source"));
    let table = tables::read(&reports.folder().join("history.parquet")).unwrap();
    for parameter in ["seed", "toy_mass", "row"] {
        assert!(table.schema().field_with_name(parameter).is_ok(), "{parameter}");
    }
}

#[test]
fn a_damaged_report_is_not_taken_for_one() {
    let reports = Reports::new();
    let data = sample();
    for name in ["report.html", "report.sources", "metrics.parquet", "history.parquet"] {
        let path = reports.folder().join(name);
        type Damage = fn(&Path);
        let damages: [Damage; 5] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::write(path, "").unwrap(),
            |path| {
                let mut bytes = std::fs::read(path).unwrap();
                let at = bytes.len() / 3;
                bytes[at] ^= 8;
                std::fs::write(path, bytes).unwrap();
            },
            |path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            },
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
        ];
        for (n, damage) in damages.into_iter().enumerate() {
            reports.write(&data);
            assert!(reports.is_made("sources"));
            damage(&path);
            assert!(!reports.is_made("sources"), "{name}, damage {n}");
            let warnings = reports.write(&data);
            assert_eq!(
                warnings.is_empty(),
                n < 4 && (n == 0 || name != "history.parquet"),
                "{name}, {n}: {warnings:?}"
            );
            assert!(reports.is_made("sources"), "{name}, damage {n}");
        }
    }
    // Nothing that was damaged is lost.
    let aside = |n| reports.folder().join(format!("history.damaged-{n}.parquet"));
    assert!((1..=4).all(|n| aside(n).exists()) && !aside(5).exists());
}

#[test]
fn runs_at_once_lose_nothing_from_the_history() {
    let reports = Reports::new();
    let runs = 8;
    std::thread::scope(|scope| {
        for run in 0..runs {
            let reports = &reports;
            scope.spawn(move || {
                let mut data = sample();
                data.stages[6].manifest = Some(manifest("compare", &format!("run {run}"), Outcome::Complete));
                reports.write(&data);
            });
        }
    });
    let shared = 3 * 16 + 4 + 4 + 3 * 3 - 17;
    assert_eq!(reports.rows("history.parquet"), shared + 17 * runs);
}

#[test]
fn a_comparison_without_published_figures_is_named_and_has_no_empty_columns() {
    let mut data = sample();
    let mut found = false;
    data.stages
        .retain(|stage| !stage.compares || !std::mem::replace(&mut found, true));
    let stage = data.stages.iter_mut().find(|stage| stage.compares).unwrap();
    stage.row = Some("spread along test streams".to_owned());
    assert!(
        summary::table(&data).starts_with("measure "),
        "{}",
        summary::table(&data)
    );
    let stage = data.stages.iter_mut().find(|stage| stage.compares).unwrap();
    for row in &mut stage.errors {
        (row.paper, row.ratio) = (None, None);
    }
    let table = summary::table(&data);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("spread along test streams"), "{table}");
    let head: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(head, ["measure", "component", "ours"]);
}

#[test]
fn the_summary_has_a_line_for_each_point_and_measure() {
    let table = summary::table(&sample());
    assert_eq!(table.lines().count(), 1 + 3 * 2, "{table}");
    assert!(table.contains("δJ       toy 10 % low"), "{table}");
    assert_eq!(
        summary::findings(&sample()),
        ["finding: actions[row=3]: 213 of 1024 orbits are unbound"]
    );
}

/// Every text that a report is made of may come from someone else; none of them becomes markup.
#[test]
fn no_text_of_a_results_folder_is_markup() {
    let bad = |place: &str| format!("{place}<script>bad('{place}')</script>\" onload=\"bad()\" x='");
    let folder = tempfile::tempdir().unwrap();
    let figure = folder.path().join("figure.svg");
    std::fs::write(
        &figure,
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>bad()</script><title>{}</title></svg>",
            html::escape(&bad("svg"))
        ),
    )
    .unwrap();
    let mut data = sample();
    let hostile = |stage: &mut StageData| {
        (stage.name, stage.label, stage.kind) = (bad("name").into(), bad("label").into(), bad("kind"));
        (stage.row, stage.seed) = (Some(bad("row")), Some(bad("seed")));
        let outcome = Outcome::Finding {
            title: bad("title"),
            detail: bad("detail"),
        };
        let mut own = manifest("kind", "label", outcome);
        own.metrics[0].name = bad("metric");
        own.metrics[0].unit = bad("metric unit");
        (own.notes, own.outside_tolerance) = (vec![bad("note")], vec![bad("tolerance")]);
        (own.device, own.when, own.version, own.kind) = (bad("device"), bad("when"), bad("version"), bad("kind"));
        stage.manifest = Some(own);
        stage.errors = errors(1.0);
        for row in &mut stage.errors {
            (row.measure, row.unit, row.source) = (bad("measure"), bad("unit"), bad("source"));
        }
        // One of each sort of row that is shown.
        stage.errors[0].component = bad("component");
        stage.errors[2].statistic = "root_mean_square".to_owned();
        stage.errors[2].paper = Some(1.0);
        stage.outputs = vec![(bad("port"), figure.clone())];
    };
    data.stages.iter_mut().for_each(hostile);
    data.stages[0].state = State::Failed {
        message: bad("message"),
        hint: Some(bad("hint")),
    };
    data.stages[1].state = State::Skipped {
        because: bad("because"),
    };
    data.stages[1].manifest = None;
    (data.pipeline, data.about) = (bad("pipeline"), bad("about"));
    for point in &mut data.points {
        let (swept, other) = (bad("swept"), bad("other"));
        *point = shared([(&swept, json!({ "key": bad("value") })), (&other, json!(bad("text")))]);
    }
    data.points[0][0].1 = json!(1).into();
    data.points[1][1].1 = json!(bad("another text")).into();
    data.facts = vec![(bad("fact"), bad("fact"))];
    let page = html::page(
        &data.pipeline,
        &sections::body(
            &data,
            &sections::Here {
                given: &Given::default(),
                folder: Path::new("/nowhere"),
            },
        ),
    );
    for shown in [
        "measure",
        "component",
        "unit",
        "source",
        "metric",
        "note",
        "message",
        "because",
        "svg",
        "fact",
        "about",
    ] {
        assert!(
            page.contains(&format!("bad(&#39;{shown}&#39;)")),
            "{shown} is not shown"
        );
    }
    assert!(!page.contains("<script") && !page.contains("bad('"), "a text is markup");
    assert!(!page.contains("\" onload"), "a text is an attribute");
    assert!(page.contains("default-src 'none'"));
}
