#![allow(clippy::unwrap_used)]

use runner::arrow_schema::{DataType, Schema};
use runner::stage::Stage;
use serde_json::json;
use tables::{RecordBatch, Values};

use super::{Compare, published::median};
use crate::common::columns::{self, ACTIONS, ANGLES, CARTESIAN};
use crate::testing::{Ran, faults, planned, run, stage, table};

/// Four stars; action n of star s is 100 n + s + `shift[n]`, angles are `angle`.
fn actions(streams: &[i64], shift: [f64; 3], angle: f64) -> RecordBatch {
    let mut columns = vec![
        ("stream", streams.to_vec().into()),
        ("star", streams.iter().map(|_| 0).collect::<Vec<i64>>().into()),
    ];
    for (n, column) in ACTIONS.iter().enumerate() {
        let values = streams
            .iter()
            .map(|&s| 100.0 * (n as f64 + 1.0) + s as f64 + shift[n] * if s % 2 == 0 { 1.0 } else { -1.0 });
        columns.push((column.name, values.collect::<Vec<f64>>().into()));
    }
    columns.extend(ANGLES.map(|column| (column.name, vec![angle; streams.len()].into())));
    table(columns::stars(&[&ACTIONS, &ANGLES]), columns)
}

fn row(ran: &Ran, measure: &str, component: &str, statistic: &str) -> usize {
    let columns = ["measure", "component", "statistic"].map(|name| ran.texts("errors", name));
    (0..columns[0].len())
        .find(|&row| [columns[0][row], columns[1][row], columns[2][row]] == [measure, component, statistic])
        .unwrap()
}

fn value(ran: &Ran, measure: &str, component: &str) -> f64 {
    ran.f64("errors", "value")[row(ran, measure, component, "mean_absolute")]
}

#[test]
fn errors_are_means_of_absolute_differences() {
    let (truth, predicted) = (
        actions(&[0, 1, 2, 3], [0.0; 3], 1.0),
        actions(&[3, 2, 1, 0], [3.0, -6.0, 0.0], 1.0),
    );
    let compare: Compare = stage(json!({ "paper": { "delta_J": 1.5 } }));
    let ran = run(&compare, &[("predicted", &predicted), ("truth", &truth)], &[]).completed();
    assert_eq!(
        ["phi", "z", "r", "mean"].map(|c| value(&ran, "delta_J", c)),
        [3.0, 6.0, 0.0, 3.0]
    );
    assert_eq!(ran.f64("residuals", "J_phi"), [3.0, -3.0, 3.0, -3.0]);
    assert_eq!(ran.f64("residuals", "J_z"), [-6.0, 6.0, -6.0, 6.0]);
    let headline = row(&ran, "delta_J", "mean", "mean_absolute");
    // |truth| is 101.5, 201.5, 301.5 on average.
    assert!((ran.f64("errors", "relative")[headline] - 3.0 / 201.5).abs() < 1e-15);
    let paper = ran.tables["errors"].column_by_name("ratio").unwrap();
    assert_eq!(paper.len() - paper.null_count(), 1, "only the headline has a figure");
    assert_eq!(ran.metric("delta_J"), 3.0);
    assert_eq!(ran.notes(), "", "nothing is required");
}

#[test]
fn angles_are_compared_around_the_circle_in_degrees() {
    let truth = actions(&[0, 1], [0.0; 3], 0.01);
    let predicted = actions(&[0, 1], [0.0; 3], std::f64::consts::TAU - 0.01);
    let ran = run(
        &stage::<Compare>(json!({})),
        &[("predicted", &predicted), ("truth", &truth)],
        &[],
    )
    .completed();
    assert!((value(&ran, "delta_theta", "r") - 0.02_f64.to_degrees()).abs() < 1e-12);
    assert!(
        (ran.f64("residuals", "theta_phi")[0] + 0.02_f64.to_degrees()).abs() < 1e-12,
        "predicted is behind"
    );
}

#[test]
fn relative_errors_are_percent_and_so_are_the_figures() {
    let (truth, predicted) = (actions(&[0], [0.0; 3], 1.0), actions(&[0], [1.0, 2.0, 3.0], 1.0));
    let compare: Compare = stage(json!({ "relative": true, "paper": { "delta_J": 0.5 } }));
    let ran = run(&compare, &[("predicted", &predicted), ("truth", &truth)], &[]).completed();
    for component in ["phi", "z", "r", "mean"] {
        assert!((value(&ran, "delta_J", component) - 1.0).abs() < 1e-12, "{component}");
    }
    assert_eq!(ran.texts("errors", "unit")[0], "%");
}

/// Streams that have names are chosen by them, or by the numbers that were made of them.
#[test]
fn streams_are_chosen_by_number_or_name() {
    let named = |table: &RecordBatch| {
        let fields = table
            .schema_ref()
            .fields()
            .iter()
            .cloned()
            .chain([columns::name().into()]);
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let there = table.schema_ref().fields().iter().zip(table.columns());
        let mut all: Vec<(&str, Values)> = there
            .map(|(field, values)| (field.name().as_str(), values.clone().into()))
            .collect();
        all.push(("name", vec![Some("GD-1"), None, Some("Orphan")].into()));
        self::table(schema, all)
    };
    let (truth, predicted) = (
        named(&actions(&[7, 8, 9], [0.0; 3], 1.0)),
        actions(&[7, 8, 9], [0.0; 3], 1.0),
    );
    let chosen = |streams: serde_json::Value| {
        let compare: Compare = stage(json!({ "streams": streams }));
        run(&compare, &[("predicted", &predicted), ("truth", &truth)], &[])
    };
    assert_eq!(
        chosen(json!(["Orphan", "GD-1"])).completed().i64("residuals", "stream"),
        [7, 9]
    );
    assert_eq!(
        chosen(json!([8, "GD-1"])).completed().i64("residuals", "stream"),
        [7, 8]
    );
    assert!(
        chosen(json!(["Jhelum"]))
            .error()
            .contains("the table has no stream Jhelum")
    );
    assert!(chosen(json!([10])).error().contains("the table has no stream 10"));
}

#[test]
fn stars_without_a_prediction_are_counted() {
    let (truth, predicted) = (actions(&[0, 1, 2], [0.0; 3], 1.0), actions(&[2, 7], [0.0; 3], 1.0));
    let ran = run(
        &stage::<Compare>(json!({})),
        &[("predicted", &predicted), ("truth", &truth)],
        &[],
    )
    .completed();
    assert_eq!(
        (ran.i64("errors", "stars")[0], ran.i64("errors", "set_aside")[0]),
        (1, 2)
    );
    assert_eq!(ran.i64("residuals", "stream"), [2]);
    assert!(
        ran.notes()
            .contains("2 of 3 stars are set aside, first stream 0, star 0: it has no prediction")
    );
    assert_eq!(ran.i64("set_aside", "stream"), [0, 1]);
    let other = actions(&[9], [0.0; 3], 1.0);
    let ran = run(
        &stage::<Compare>(json!({})),
        &[("predicted", &other), ("truth", &truth)],
        &[],
    );
    assert!(ran.error().contains("no star of the truth"));
    let twice = actions(&[1, 1], [0.0; 3], 1.0);
    let ran = run(
        &stage::<Compare>(json!({})),
        &[("predicted", &twice), ("truth", &truth)],
        &[],
    );
    assert!(ran.error().contains("occurs twice"));
}

#[test]
fn a_requirement_that_is_missed_is_told() {
    let (truth, predicted) = (actions(&[0, 1], [0.0; 3], 1.0), actions(&[0, 1], [3.0; 3], 1.0));
    let outside = |paper: f64| {
        let with = json!({ "paper": { "delta_J": paper }, "require": "at_most_paper", "row": "this row" });
        run(
            &stage::<Compare>(with),
            &[("predicted", &predicted), ("truth", &truth)],
            &[],
        )
        .completed()
        .notes()
    };
    assert_eq!(outside(3.0), "");
    assert_eq!(outside(2.0), "this row: delta_J: 3.0000 km/s kpc, above the paper's 2");
    assert_eq!(
        faults::<Compare>(json!({ "require": "at_most_paper", "paper": { "delta_x": null } })).len(),
        1
    );
    assert!(serde_json::from_value::<Compare>(json!({ "paper": { "delta_x": -1 } })).is_err());
}

#[test]
fn only_what_both_have_is_compared() {
    let schema = |groups: &[&[columns::Column]]| std::sync::Arc::new(columns::stars(groups));
    let both = |compare: serde_json::Value, truth| {
        planned(
            &stage::<Compare>(compare),
            &[("predicted", schema(&[&ACTIONS, &ANGLES])), ("truth", truth)],
        )
    };
    assert!(both(json!({}), schema(&[&CARTESIAN, &ACTIONS])).is_ok());
    assert!(
        both(json!({}), schema(&[&CARTESIAN]))
            .unwrap_err()
            .contains("nothing in common")
    );
    let figure = json!({ "paper": { "delta_theta": 1 } });
    assert!(
        both(figure, schema(&[&ACTIONS]))
            .unwrap_err()
            .starts_with("paper.delta_theta: the tables do not both have theta_phi")
    );
    let mut other_unit = schema(&[&ACTIONS]).as_ref().clone();
    other_unit.fields = other_unit
        .fields
        .iter()
        .map(|f| {
            f.as_ref()
                .clone()
                .with_metadata(std::collections::HashMap::<String, String>::new())
        })
        .collect::<Vec<_>>()
        .into();
    assert!(
        both(json!({}), std::sync::Arc::new(other_unit)).is_err(),
        "a unit that differs is nothing in common"
    );
}

#[test]
fn medians() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
}

#[test]
fn stars_whose_truth_is_uncertain_can_be_left_out() {
    let (bare, predicted) = (
        actions(&[0, 1, 2, 3], [0.0; 3], 1.0),
        actions(&[0, 1, 2, 3], [3.0, 3.0, 3.0], 1.0),
    );
    let schema = columns::stars(&[&ACTIONS, &ANGLES, &[columns::J_ERROR]]);
    let there = bare.schema_ref().fields().iter().zip(bare.columns());
    let mut of_truth: Vec<_> = there
        .map(|(field, values)| (field.name().as_str(), values.clone().into()))
        .collect();
    of_truth.push(("J_error", vec![0.01, 5.0, 0.02, f64::MAX].into()));
    let truth = table(schema, of_truth);
    let known: Compare = stage(json!({ "against": { "truth": { "known_to": 0.1 } } }));
    let ran = run(&known, &[("predicted", &predicted), ("truth", &truth)], &[]).completed();
    assert_eq!(ran.i64("residuals", "stream"), [0, 2]);
    assert_eq!(ran.metric("truth_uncertain"), 2.0);
    assert!(ran.notes().contains("2 of 4 stars are not compared"));
    let of_none: Compare = stage(json!({ "against": { "truth": { "known_to": 0.001 } } }));
    let error = run(&of_none, &[("predicted", &predicted), ("truth", &truth)], &[]).error();
    assert!(
        error.contains("of no star are the true actions known to 0.001 km/s kpc"),
        "{error}"
    );
    // Or by stream, from the table of the tori, which knows nothing of stream 1.
    let schema = Schema::new(vec![
        runner::ports::column("stream", DataType::Int64, "", "", "stream"),
        runner::ports::column("J_error", DataType::Float64, "km/s kpc", "", "error"),
    ]);
    let tori = table(
        schema,
        vec![
            ("stream", vec![3i64, 2, 0].into()),
            ("J_error", vec![0.05, 0.2, 0.01].into()),
        ],
    );
    let inputs = [("predicted", &predicted), ("truth", &bare), ("tori", &tori)];
    assert_eq!(run(&known, &inputs, &[]).completed().i64("residuals", "stream"), [0, 3]);
    // Somebody must know.
    let stars = || runner::ports::Artifact::Table(bare.schema());
    let connected = [("predicted", stars()), ("truth", stars())].into_iter().collect();
    assert!(Stage::outputs(&known, &connected).unwrap_err().contains("J_error"));
}

#[test]
fn accelerations_are_relative_to_their_size_and_carried_positions_are_no_prediction() {
    let stars = |ax: f64| {
        let mut columns = vec![("stream", vec![0i64].into()), ("star", vec![0i64].into())];
        columns.extend(columns::POSITION.map(|column| (column.name, vec![8.0].into())));
        columns.extend([
            ("ax", vec![ax].into()),
            ("ay", vec![4.0].into()),
            ("az", vec![0.0].into()),
        ]);
        table(columns::stars(&[&columns::POSITION, &columns::ACCELERATION]), columns)
    };
    let compare: Compare = stage(json!({ "paper": { "delta_a": 2.6 } }));
    let ran = run(&compare, &[("predicted", &stars(3.1)), ("truth", &stars(3.0))], &[]).completed();
    // 0.1 in 5: 2 %, all of it along x.
    assert!((value(&ran, "delta_a", "x") - 2.0).abs() < 1e-12);
    assert!((value(&ran, "delta_a", "mean") - 2.0).abs() < 1e-12);
    assert!(
        ran.texts("errors", "measure")
            .iter()
            .all(|&measure| measure == "delta_a")
    );
}

#[test]
fn a_stream_may_have_one_true_action_for_all_its_stars() {
    // Streams 4 and 5 with three stars each, whose actions are 10 more than the truth times the star.
    let schema = columns::stars(&[&ACTIONS]);
    let predicted = table(
        schema.clone(),
        vec![
            ("stream", vec![4_i64, 4, 4, 5, 5, 5].into()),
            ("star", vec![0_i64, 1, 2, 0, 1, 2].into()),
            ("J_phi", vec![1.0, 11.0, 21.0, 2.0, 12.0, 22.0].into()),
            ("J_z", vec![0.0; 6].into()),
            ("J_r", vec![0.0; 6].into()),
        ],
    );
    let truth = |stream: Vec<i64>, j_phi: Vec<f64>| {
        let zero = vec![0.0; stream.len()];
        let mut columns = vec![("star", vec![0_i64; stream.len()].into()), ("stream", stream.into())];
        columns.extend([
            ("J_phi", j_phi.into()),
            ("J_z", zero.clone().into()),
            ("J_r", zero.into()),
        ]);
        table(schema.clone(), columns)
    };
    let compared = |more: serde_json::Value, truth: &RecordBatch| {
        let mut which = json!({ "of": "stream" });
        which.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let with = json!({ "against": { "truth": which } });
        run(
            &stage::<Compare>(with),
            &[("predicted", &predicted), ("truth", truth)],
            &[],
        )
    };
    let both = truth(vec![5, 4, 6], vec![2.0, 1.0, 0.0]);
    let ran = compared(json!({}), &both).completed();
    assert_eq!(ran.f64("residuals", "J_phi"), [0.0, 10.0, 20.0, 0.0, 10.0, 20.0]);
    assert_eq!(ran.i64("residuals", "star"), [0, 1, 2, 0, 1, 2]);
    assert_eq!(value(&ran, "delta_J", "phi"), 10.0);
    assert_eq!(ran.metric("set_aside"), 1.0, "stream 6 has no prediction");
    let last = compared(json!({ "stars": [2] }), &both).completed();
    assert_eq!(last.f64("residuals", "J_phi"), [20.0, 20.0]);
    let twice = compared(json!({}), &truth(vec![4, 4], vec![1.0, 1.0]));
    assert!(
        twice.error().contains("stream 4 has more than one row"),
        "{}",
        twice.error()
    );
    // By star there is one pair a stream, and those of stars that were not asked for are not missing.
    let by_star = |stars: &[i64]| {
        let with = json!({ "against": { "truth": { "stars": stars } } });
        run(
            &stage::<Compare>(with),
            &[("predicted", &predicted), ("truth", &both)],
            &[],
        )
    };
    assert_eq!(by_star(&[0]).completed().f64("residuals", "J_phi"), [0.0, 0.0]);
    assert!(by_star(&[2]).error().contains("no star of the truth has a prediction"));
}

/// Actions of stars in order, or from the last to the first; every `every`-th star is left out.
fn many(shift: f64, every: usize, backwards: bool) -> RecordBatch {
    let mut stars: Vec<i64> = (0..150_000).collect();
    stars.retain(|star| *star as usize % every != every - 1);
    if backwards {
        stars.reverse();
    }
    let streams: Vec<i64> = stars.iter().map(|star| star / 1000).collect();
    let values: Vec<f64> = stars
        .iter()
        .map(|&star| star as f64 + shift * (star % 5) as f64)
        .collect();
    let mut columns = vec![("stream", streams.into()), ("star", Values::from(stars))];
    columns.extend(ACTIONS.map(|column| (column.name, values.clone().into())));
    table(columns::stars(&[&ACTIONS]), columns)
}

#[test]
fn tables_in_order_are_compared_in_blocks_and_others_whole_with_one_result() {
    let compared = |predicted: RecordBatch, truth: RecordBatch| {
        run(
            &stage::<Compare>(json!({})),
            &[("predicted", &predicted), ("truth", &truth)],
            &[],
        )
        .completed()
    };
    let in_order = compared(many(1.0, 7, false), many(0.0, 11, false));
    let whole = compared(many(1.0, 7, true), many(0.0, 11, true));
    let both = (0..150_000).filter(|star| star % 7 != 6 && star % 11 != 10).count();
    let left = (0..150_000).filter(|star| star % 7 == 6 && star % 11 != 10).count();
    for ran in [&in_order, &whole] {
        let headline = row(ran, "delta_J", "mean", "mean_absolute");
        assert_eq!(ran.tables["residuals"].num_rows(), both);
        assert_eq!(ran.tables["set_aside"].num_rows(), left);
        assert!((ran.f64("errors", "value")[headline] - 2.0).abs() < 1e-3);
        let middle = row(ran, "delta_J", "mean", "median_absolute");
        assert_eq!(ran.f64("errors", "value")[middle], 2.0);
    }
    let mut backwards = whole.f64("residuals", "J_z").to_vec();
    backwards.reverse();
    assert_eq!(in_order.f64("residuals", "J_z"), backwards);
}
