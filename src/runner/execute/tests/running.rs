//! Failures, findings, budgets, interruptions, and two runs at once.

use super::*;

#[test]
fn failures_and_panics_stay_with_their_stage() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        toys.add("good", source(1), &[]);
        toys.add("fails", Fail::default(), &[("a", "good")]);
        toys.add(
            "panics",
            Fail {
                panic: true,
                forget: false,
            },
            &[("a", "good")],
        );
        toys.add(
            "forgets",
            Fail {
                panic: false,
                forget: true,
            },
            &[("a", "good")],
        );
        toys.add("after", Join::default(), &[("a", "fails"), ("b", "good")]);
        toys.add("long after", Join::default(), &[("a", "after"), ("b", "good")]);
        toys.add("other", Join::default(), &[("a", "good")]);
    });
    let done = place.run(&graph);
    let mut failures = done.summary.failures.clone();
    failures.sort_by(|a, b| a.stage.cmp(&b.stage));
    let told: Vec<_> = failures
        .iter()
        .map(|f| (f.stage.as_str(), f.message.as_str(), f.bug))
        .collect();
    assert_eq!(
        told,
        [
            ("fails", "orbit 3 escapes", false),
            ("forgets", "bug: kind fail did not write its output nothing", true),
            ("panics", "bug: stage panics panicked: row 7 is odd", true),
        ]
    );
    assert_eq!(failures[0].hint.as_deref(), Some("use fewer orbits"));
    let because_fails = |label: &str| (label.to_owned(), "fails".to_owned());
    assert_eq!(done.skipped(), [because_fails("after"), because_fails("long after")]);
    assert_eq!((done.summary.ran, done.summary.skipped), (2, 2));
    // Nothing of a failed stage is kept; it runs again.
    assert!(place.files().iter().all(|file| !file.ends_with("nothing.parquet")));
    assert_eq!(place.run(&graph).ran(), "fails forgets panics");
}

#[test]
fn a_finding_skips_what_is_downstream_now_and_later() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        toys.add("f", Find {}, &[]);
        toys.add("g", Join::default(), &[("a", "f.unbound")]);
        toys.add("h", Join::default(), &[("a", "g")]);
        toys.add("i", source(1), &[]);
    });
    for (ran, entries) in [
        ("f i", "f stale, g waiting, h waiting, i stale"),
        ("", "f hit, g skipped, h skipped, i hit"),
    ] {
        assert_eq!(place.words(&graph), entries);
        let done = place.good(&graph);
        assert_eq!(done.ran(), ran);
        assert_eq!(
            done.summary.findings,
            [("f".to_owned(), "3 orbits are unbound".to_owned())]
        );
        assert_eq!(done.summary.outside_tolerance, ["f"]);
        assert_eq!(
            done.skipped(),
            [("g".to_owned(), "f".to_owned()), ("h".to_owned(), "f".to_owned())]
        );
    }
    // What it wrote is kept.
    assert!((place.number(&graph, "f", "unbound.parquet") - 3.0).abs() < 1e-12);
}

#[test]
fn stages_run_in_parallel_within_the_budget() {
    let mut place = Place::new();
    place.budget.cpu_threads = 4;
    let graph = |threads| {
        toy_graph(|toys| {
            for seed in 0..6 {
                toys.add(&format!("s{seed}"), slow(seed, 1, 300), &[]).resources.threads = threads;
            }
        })
    };
    let most = |done: &Done| {
        let (mut now, mut most) = (0_i32, 0);
        for event in &done.events {
            match event {
                Event::StageStarted { .. } => now += 1,
                Event::StageFinished { .. } => now -= 1,
                _ => {}
            }
            most = most.max(now);
        }
        most
    };
    let done = place.good(&graph(Some(2)));
    assert_eq!(most(&done), 2);
    assert!(
        done.notes("s0").contains(&"threads 2 of 2".to_owned()),
        "{:?}",
        done.notes("s0")
    );
    let other = Place {
        folder: tempfile::tempdir().unwrap(),
        ..place
    };
    let done = other.good(&graph(None));
    assert_eq!(most(&done), 4);
}

#[test]
fn an_interrupted_stage_goes_on_from_its_checkpoint() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        toys.add("s", slow(1, 40, 10), &[]);
        toys.add("j", Join::default(), &[("a", "s")]);
    });
    // At the first step that it tells of; 39 are left.
    let cancel = place.cancel.clone();
    let done = place.run_with(&graph, at_progress(1, move || cancel.cancel()));
    assert!(done.summary.interrupted && done.summary.failures.is_empty());
    let place = Place {
        cancel: Cancel::default(),
        ..place
    };
    let done = place.good(&graph);
    assert_ne!(done.notes("s")[0], "from step 0");
    assert!((place.number(&graph, "j", "sum.parquet") - 40.0).abs() < 1e-12);
    assert_eq!(
        fs::read_dir(place.results().join("checkpoints")).unwrap().count(),
        0,
        "checkpoints are removed at the end"
    );
    // Forced, it starts afresh, as it does with another parameter.
    let place = Place {
        options: Options {
            force: vec!["s".to_owned()],
            ..place.options
        },
        ..place
    };
    assert_eq!(place.good(&graph).notes("s")[0], "from step 0");
}

#[test]
fn a_failed_stage_keeps_its_checkpoint() {
    let place = Place::new();
    let graph = one(Slow {
        break_after: Some(2),
        ..slow(1, 5, 1)
    });
    for from in ["from step 0", "from step 2", "from step 4"] {
        assert_eq!(place.run(&graph).notes("a")[0], from);
    }
    assert_eq!(place.words(&graph), "a hit");
}

#[test]
fn progress_is_thinned() {
    let place = Place::new();
    let graph = one(slow(1, 300, 1));
    let done = place.good(&graph);
    let progress = |event: &&Event| {
        matches!(
            event,
            Event::Stage {
                told: Told::Progress { .. },
                ..
            }
        )
    };
    let count = done.events.iter().filter(progress).count();
    let most = 3.0 + 10.0 * done.summary.seconds;
    assert!(
        (2.0..=most).contains(&f64::from(u32::try_from(count).unwrap())),
        "{count} in {} s",
        done.summary.seconds
    );
    let last = done.events.iter().rfind(|event| progress(event)).unwrap();
    assert!(
        matches!(
            last,
            Event::Stage {
                told: Told::Progress { done: 300, .. },
                ..
            }
        ),
        "{last:?}"
    );
}

#[test]
fn two_runs_at_once_compute_each_stage_once() {
    let place = Place::new();
    let graph = || {
        toy_graph(|toys| {
            toys.add("a", slow(1, 10, 10), &[]);
            toys.add("b", slow(2, 10, 10), &[("a", "a")]);
            toys.add("c", slow(3, 10, 10), &[("a", "a")]);
            toys.add("d", Join::default(), &[("a", "b"), ("b", "c")]);
        })
    };
    let runs: Vec<Done> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..3).map(|_| scope.spawn(|| place.good(&graph()))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let total: usize = runs.iter().map(|run| run.summary.ran).sum();
    assert_eq!(total, 4, "{:?}", runs.iter().map(Done::ran).collect::<Vec<_>>());
    assert!(runs.iter().all(|run| run.summary.ran + run.summary.fresh == 4));
    assert!(runs.iter().any(|run| {
        run.notes("a")
            .iter()
            .any(|note| note.starts_with("waiting for another run"))
    }));
}

#[test]
fn unused_entries_are_found_and_removed() {
    let place = Place::new();
    let graph = |seed| one(source(seed));
    place.good(&graph(1));
    let old = place.entry(&graph(1), "a");
    place.good(&graph(2));
    let store = place.store();
    let unused = store.unused().unwrap();
    assert_eq!(
        unused.iter().map(|entry| entry.folder.clone()).collect::<Vec<_>>(),
        std::slice::from_ref(&old)
    );
    assert_eq!(store.remove(&unused).unwrap(), unused[0].bytes);
    assert!(!old.exists());
    assert_eq!(place.words(&graph(2)), "a hit");
    assert_eq!(place.words(&graph(1)), "a stale");
}
