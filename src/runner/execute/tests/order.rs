//! In which order ready stages begin.

use super::*;

/// A sweep of nine points as `spec` would make it, stage by stage: one sample for all points, and for each a training, a prediction
/// and a comparison. Trainings take the time.
fn grid() -> Graph {
    let mut graph = toy_graph(|toys| {
        toys.add("sample", source(1), &[]);
        for seed in 0..9 {
            toys.add(&format!("train[{seed}]"), slow(seed, 1, 100), &[("a", "sample")]);
        }
        for (stage, before, more) in [("predict", "train", 0.25), ("compare", "predict", 0.5)] {
            for point in 0..9 {
                let join = Join {
                    add: f64::from(point) + more,
                };
                toys.add(
                    &format!("{stage}[{point}]"),
                    join,
                    &[("a", &format!("{before}[{point}]"))],
                );
            }
        }
    });
    let point = |label: &str| Some(label.strip_suffix(']')?.split_once('[')?.1.parse().unwrap());
    for stage in &mut graph.stages {
        stage.points = point(&stage.label).map_or((0..9).collect(), |point| vec![point]);
        stage.name = stage.label.split('[').next().unwrap().into();
    }
    graph
}

fn begun(done: &Done) -> Vec<&str> {
    let begun = done.events.iter().filter_map(|event| match event {
        Event::StageStarted { stage, .. } => Some(stage.as_str()),
        _ => None,
    });
    begun.collect()
}

#[test]
fn what_is_urgent_is_done_first_with_all_that_it_needs() {
    let mut place = Place::new();
    place.budget.cpu_threads = 1;
    let mut graph = grid();
    for stage in &mut graph.stages {
        stage.resources.priority = match &*stage.label {
            "compare[7]" => 2,
            "predict[5]" => 1,
            _ => 0,
        };
    }
    let done = place.good(&graph);
    let expected = [
        "sample",
        "train[7]",
        "predict[7]",
        "compare[7]",
        "train[5]",
        "predict[5]",
        "train[0]",
    ];
    assert_eq!(begun(&done)[..7], expected);
}

/// What begins before the first comparison ends is what it needs, and what runs beside that.
#[test]
fn the_first_point_of_a_sweep_is_done_first() {
    for threads in [1, 2] {
        let mut place = Place::new();
        place.budget.cpu_threads = threads;
        let graph = grid();
        let done = place.good(&graph);
        let begun = begun(&done);
        let first = |what: &str| begun.iter().position(|stage| stage.starts_with(what)).unwrap();
        let trained = begun[..first("compare")]
            .iter()
            .filter(|stage| stage.starts_with("train"));
        // Its own training, and on another thread one more, or the one after that.
        assert!((1..=2 * threads - 1).contains(&trained.count()), "{begun:?}");
        if threads == 1 {
            let expected =
                (0..9).flat_map(|point| ["train", "predict", "compare"].map(|stage| format!("{stage}[{point}]")));
            let expected: Vec<String> = std::iter::once("sample".to_owned()).chain(expected).collect();
            assert_eq!(begun, expected);
        }
    }
}
