//! In which order ready stages begin.

use super::*;

/// A sweep of nine points as `spec` would make it, stage by stage: one sample for all points, and for each a training, a prediction
/// and a comparison.
fn grid() -> Graph {
    let mut graph = toy_graph(|toys| {
        toys.add("sample", source(1), &[]);
        for (stage, before) in [("train", "sample"), ("predict", "train"), ("compare", "predict")] {
            for point in 0..9_i32 {
                let add = if stage == "train" { f64::from(point) } else { 0.5 };
                let before = match before {
                    "sample" => before.to_owned(),
                    swept => format!("{swept}[{point}]"),
                };
                toys.add(&format!("{stage}[{point}]"), Join { add }, &[("a", &before)]);
            }
        }
    });
    let point = |label: &str| Some(label.strip_suffix(']')?.split_once('[')?.1.parse().unwrap());
    for stage in &mut graph.stages {
        stage.points = point(&stage.label).map_or((0..9).collect(), |point| vec![point]);
    }
    graph
}

/// What begins before the first comparison ends is what it needs, and what runs beside that.
#[test]
fn the_first_point_of_a_sweep_is_done_first() {
    for threads in [1, 2] {
        let mut place = Place::new();
        place.budget.cpu_threads = threads;
        let graph = grid();
        let done = place.good(&graph);
        let first = done.events.iter().position(|event| match event {
            Event::StageFinished { stage, .. } => stage.starts_with("compare"),
            _ => false,
        });
        let began = |event: &&Event| matches!(event, Event::StageStarted { .. });
        let begun = done.events[..first.unwrap()].iter().filter(began).count();
        // Its own four, and on another thread at most as many of other points.
        assert!((4..=4 * threads).contains(&begun), "{begun} of {}", graph.stages.len());
        if threads == 1 {
            let order = done.events.iter().filter_map(|event| match event {
                Event::StageStarted { stage, .. } => Some(stage.as_str()),
                _ => None,
            });
            let expected =
                (0..9).flat_map(|point| ["train", "predict", "compare"].map(|stage| format!("{stage}[{point}]")));
            let expected: Vec<String> = std::iter::once("sample".to_owned()).chain(expected).collect();
            assert_eq!(order.collect::<Vec<_>>(), expected);
        }
    }
}

/// Outside a sweep, too.
#[test]
fn what_was_begun_is_finished_before_more_is_begun() {
    let mut place = Place::new();
    place.budget.cpu_threads = 1;
    let graph = toy_graph(|toys| {
        for chain in 0..3 {
            toys.add(&format!("{chain}a"), source(chain), &[]);
        }
        for chain in 0..3 {
            toys.add(&format!("{chain}b"), Join { add: 1.0 }, &[("a", &format!("{chain}a"))]);
        }
    });
    let done = place.good(&graph);
    let order = done.events.iter().filter_map(|event| match event {
        Event::StageStarted { stage, .. } => Some(stage.as_str()),
        _ => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), ["0a", "0b", "1a", "1b", "2a", "2b"]);
}
