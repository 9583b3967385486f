//! Failures, findings, budgets, interruptions, and two runs at once.

use super::*;
use crate::context::StageContext;
use crate::stage::Outcome;
use crate::worker::Body;

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
                ..Fail::default()
            },
            &[("a", "good")],
        );
        toys.add(
            "forgets",
            Fail {
                forget: true,
                ..Fail::default()
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
            ("panics", "bug: panicked: row 7 is odd", true),
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
                // Publication, which comes after that, needs no thread of the budget.
                Event::Stage {
                    told: Told::Progress { done, total, .. },
                    ..
                } if done == total => now -= 1,
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

/// The records of runs with these names, each needing what a graph has.
fn keep(place: &Place, runs: &[(&str, &Graph)]) {
    for (name, graph) in runs {
        let report = collect(graph, &place.plan(graph), &place.store());
        let record = Record {
            asked: Asked {
                pipeline: "toys".to_owned(),
                file: PathBuf::from("p.yaml"),
                yaml: Hash256::of(name),
                overrides: vec![("name".to_owned(), (*name).to_owned())],
                to: Vec::new(),
                parameters: serde_json::Map::new(),
            },
            run: String::new(),
            program: String::new(),
            host: String::new(),
            began: crate::clock::now(),
            ended: Some(crate::clock::now()),
            how: None,
            needs: report.stages.iter().filter_map(|stage| stage.fingerprint).collect(),
        };
        place.store().keep_run(record, b"", Reached::All).unwrap();
    }
}

fn survey(place: &Place, choice: &Choice) -> Survey {
    place.store().survey(choice, std::time::SystemTime::now()).unwrap()
}

#[test]
fn what_a_recorded_run_needs_is_kept_until_the_run_is_dropped() {
    let place = Place::new();
    let (one, two) = (one(source(1)), one(source(2)));
    place.good(&one);
    place.good(&two);
    let old = place.entry(&one, "a");
    // Without records, the state says what is needed.
    let unused = |survey: &Survey| {
        survey
            .unused
            .iter()
            .map(|entry| entry.folder.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(unused(&survey(&place, &Choice::default())), std::slice::from_ref(&old));
    keep(&place, &[("one", &one), ("two", &two)]);
    assert_eq!(survey(&place, &Choice::default()).unused, []);
    let names: Vec<String> = survey(&place, &Choice::default())
        .kept
        .iter()
        .map(|run| run.name.clone())
        .collect();
    assert!(names[0].starts_with("toys/name=one-"), "{names:?}");
    let later = Choice {
        older_than: Some(Duration::from_secs(60)),
        ..Choice::default()
    };
    assert_eq!(survey(&place, &later).unused, []);
    let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
    assert_eq!(place.store().survey(&later, tomorrow).unwrap().unused.len(), 2);
    let named = |name: &str| Choice {
        named: vec![name.to_owned()],
        ..Choice::default()
    };
    assert_eq!(survey(&place, &named("toys")).unused.len(), 2);
    assert_eq!(survey(&place, &named("nothing")).unknown, ["nothing"]);
    let found = survey(&place, &named(&names[0]));
    assert_eq!(unused(&found), std::slice::from_ref(&old));
    let store = place.store();
    store.drop_runs(&found).unwrap();
    assert_eq!(store.remove(&found.unused).unwrap(), found.unused[0].bytes);
    assert!(!old.exists());
    assert_eq!(
        (place.words(&two), place.words(&one)),
        ("a hit".to_owned(), "a stale".to_owned())
    );
    assert_eq!(survey(&place, &Choice::default()).unused, []);
    assert_eq!(store.kept_runs().unwrap().len(), 1);
}

#[test]
fn nothing_is_unused_where_a_record_or_state_cannot_be_read() {
    let place = Place::new();
    let graph = one(source(1));
    place.good(&graph);
    keep(&place, &[("one", &graph)]);
    let record = place.store().kept_runs().unwrap()[0].file.clone();
    for file in [record, place.results().join("toys/state.json")] {
        let good = fs::read(&file).unwrap();
        let mut damaged = good.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 4;
        fs::write(&file, damaged).unwrap();
        let error = place.store().survey(&Choice::default(), std::time::SystemTime::now());
        assert!(error.unwrap_err().to_string().contains(file.to_str().unwrap()));
        fs::write(&file, good).unwrap();
    }
    assert_eq!(survey(&place, &Choice::default()).unused, []);
}

/// The record of a run that was killed says only what was there when it began.
#[test]
fn what_a_killed_run_made_is_kept() {
    let place = Place::new();
    let (before, after) = (one(source(1)), one(source(2)));
    place.good(&before);
    keep(&place, &[("one", &before)]);
    let mut record = place.store().kept_runs().unwrap()[0].record.clone();
    (record.ended, record.began) = (None, crate::clock::now());
    place.store().keep_run(record, b"", Reached::Part).unwrap();
    place.good(&after);
    assert_eq!(survey(&place, &Choice::default()).unused, []);
}

/// The body of a source, but for one that fails today.
fn second_fails(parameters: serde_json::Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    if parameters["seed"] == 2 {
        return Err(StageError::failed("no luck"));
    }
    serde_json::from_value::<Source>(parameters).unwrap().run(context)
}

#[test]
fn a_stage_that_failed_is_no_unfinished_one() {
    let mut place = Place::new();
    let graph = diamond(|_| ());
    let mut bodies = toy_bodies();
    bodies.retain(|body| body.kind != Source::KIND);
    bodies.push(Body::of::<Source>(second_fails));
    place.executor = Box::new(Threads::new(bodies));
    assert_eq!(place.run(&graph).summary.failures.len(), 1);
    place.executor = Box::new(Threads::new(toy_bodies()));
    let checkpoints = place.results().join("checkpoints");
    assert_eq!(
        fs::read_dir(&checkpoints).unwrap().count(),
        0,
        "no empty folder is left"
    );
    let why = place.why(&graph, "b");
    assert!(why[0].starts_with("failed last time: "), "{why:?}");
    assert_eq!(place.good(&graph).ran(), "b c e");
    assert_eq!(place.why(&graph, "b").len(), 1);
}

#[test]
fn an_interrupted_stage_is_unfinished() {
    let place = Place::new();
    let graph = one(slow(1, 5, 1));
    let cancelled = Place {
        cancel: Cancel::default(),
        ..Place::new()
    };
    cancelled.cancel.cancel();
    assert!(cancelled.run(&graph).summary.interrupted);
    assert_eq!(cancelled.why(&graph, "a"), ["never run"], "it did not begin");
    // A folder without a file is no checkpoint.
    place.good(&one(source(1)));
    let plan = place.plan(&graph);
    let json = plan
        .facts
        .fingerprint(&graph, StageId::new(0), |_, _| Input::Waiting(""));
    let folder = place.store().checkpoints(&Hash256::of(json));
    fs::create_dir(&folder).unwrap();
    assert_eq!(place.why(&graph, "a")[0], "kind: source → slow");
    fs::write(folder.join("steps"), "2").unwrap();
    assert_eq!(place.why(&graph, "a"), ["unfinished: goes on from its checkpoint"]);
}

#[test]
fn what_killed_runs_left_is_cleared_up() {
    let place = Place::new();
    let graph = one(source(1));
    place.good(&graph);
    let results = place.results();
    let expected = place.files();
    let done = place.entry(&graph, "a");
    let (done, other) = (done.file_name().unwrap().to_str().unwrap(), Hash256::of("other").hex());
    let litter = [
        "toys/.draft-report.html-abc".to_owned(),
        "toys/parts/x/.draft-metrics.parquet-abc".to_owned(),
        "cache/seals/.draft-0-abc".to_owned(),
        "cache/runs/toys/.draft-0-abc".to_owned(),
        "cache/v1/.draft-index-abc".to_owned(),
        format!("cache/locks/{other}"),
        format!("cache/locks/{other}.worker"),
        format!("cache/partial/{other}.abc/values.parquet"),
        format!("cache/partial/{done}.old/manifest.json"),
        format!("checkpoints/{done}/checkpoint"),
    ];
    for path in &litter {
        let path = results.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::create_dir_all(results.join("checkpoints").join(&other)).unwrap();
    // What someone holds stays.
    let held = results.join("cache/locks").join(Hash256::of("held").hex());
    let TryLock::Held(lock) = crate::store::KeyLock::attempt(&held).unwrap() else {
        panic!("a fresh lock was busy")
    };
    place.good(&graph);
    assert!(held.exists());
    drop(lock);
    assert_eq!(place.files(), expected);
    assert_eq!(fs::read_dir(results.join("checkpoints")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(results.join("cache/partial")).unwrap().count(), 0);
}

#[test]
fn a_damaged_fingerprint_is_written_again() {
    let place = Place::new();
    let graph = diamond(|_| ());
    place.good(&graph);
    for label in ["a", "e"] {
        let file = place.entry(&graph, label).join("fingerprint.json");
        let good = fs::read_to_string(&file).unwrap();
        for with_index in [true, false] {
            fs::write(&file, good.replace("revision", "revisiom")).unwrap();
            if !with_index {
                fs::remove_file(place.results().join("cache/v1/index")).unwrap();
            }
            assert_eq!(place.good(&graph).ran(), "");
            assert_eq!(fs::read_to_string(&file).unwrap(), good);
            fs::remove_file(&file).unwrap();
            assert_eq!(place.good(&graph).ran(), "");
            assert_eq!(fs::read_to_string(&file).unwrap(), good);
        }
    }
}

#[test]
fn folders_that_are_links_are_not_followed() {
    let place = Place::new();
    let graph = one(source(1));
    let elsewhere = place.folder.path().join("elsewhere");
    let precious = elsewhere.join(Hash256::of("precious").hex());
    fs::create_dir_all(&precious).unwrap();
    fs::create_dir_all(place.results().join("cache")).unwrap();
    for name in ["cache/partial", "cache/locks", "checkpoints"] {
        let link = place.results().join(name);
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let failures = place.run(&graph).summary.failures;
        assert!(failures[0].message.contains("a link is not followed"), "{failures:?}");
        assert!(precious.exists());
        fs::remove_file(link).unwrap();
    }
    place.good(&graph);
}
