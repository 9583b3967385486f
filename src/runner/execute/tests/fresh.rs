//! What is stale, and what is not.

use super::*;
use crate::graph::DeviceWish;

#[test]
fn the_second_run_runs_nothing() {
    let place = Place::new();
    let graph = diamond(|_| ());
    assert_eq!(place.words(&graph), "a stale, b stale, c waiting, d waiting, e waiting");
    assert!(!place.results().exists(), "planning wrote something");
    assert_eq!(place.good(&graph).ran(), "a b c d e");
    assert!(
        (place.number(&graph, "e", "sum.parquet") - 10.0).abs() < 1e-12,
        "1 - 2 + 1 + 10"
    );
    assert_eq!(place.words(&graph), "a hit, b hit, c hit, d hit, e hit");
    let before = place.files();
    let done = place.good(&graph);
    assert_eq!((done.ran().as_str(), done.summary.ran, done.summary.fresh), ("", 0, 5));
    assert_eq!(place.files(), before);
    assert!(
        before.iter().all(|file| !file.to_string_lossy().contains("partial/")),
        "{before:?}"
    );
}

#[test]
fn each_field_of_the_fingerprint_makes_the_right_stages_stale() {
    let place = Place::new();
    place.good(&diamond(|_| ()));
    type Case = (&'static str, &'static str, &'static str, fn(&mut Graph));
    let cases: [Case; 6] = [
        ("a", "parameter seed: 1 → 7", "a c d e", |graph| {
            let added = one(source(7));
            graph.stages[0] = added.stages.into_iter().next().unwrap();
        }),
        ("b", "revision: 1 → 2", "b", |graph| stage(graph, "b").revision = 2),
        ("c", "kind: join → other", "c", |graph| {
            stage(graph, "c").kind = "other"
        }),
        ("d", "parameter add: 10 → 11", "d e", |graph| {
            let mut toys = Toys {
                stages: std::mem::take(&mut graph.stages),
            };
            let mut new = toys.add("d2", Join { add: 11.0 }, &[("a", "a")]).stage.clone();
            let added = toys.stages.pop().unwrap();
            std::mem::swap(&mut new, &mut toys.stages[3].stage);
            toys.stages[3].parameters = added.parameters;
            graph.stages = toys.stages;
        }),
        ("d", "output sum: column value with unit: kpc → deg", "d", |graph| {
            let column = column("value", arrow_schema::DataType::Float64, "deg", "", "a number");
            Arc::make_mut(&mut stage(graph, "d").outputs)[0].artifact =
                Artifact::Table(arrow_schema::Schema::new(vec![column]).into());
        }),
        ("c", "input b: content changed", "c e", |graph| {
            stage(graph, "c").inputs[1].output = "values"
        }),
    ];
    for (label, reason, ran, change) in cases {
        let graph = diamond(change);
        assert_eq!(place.why(&graph, label), [reason]);
        // A changed stage whose output stays the same leaves those below fresh.
        assert_eq!(place.good(&graph).ran(), ran, "{reason}");
        assert_eq!(place.good(&graph).ran(), "", "{reason}");
        // The old entries are still there.
        assert_eq!(place.good(&diamond(|_| ())).ran(), "", "{reason}");
    }
}

#[test]
fn what_is_no_part_of_the_fingerprint_changes_nothing() {
    let place = Place::new();
    place.good(&diamond(|_| ()));
    let graph = diamond(|graph| {
        graph.pipeline = "other".to_owned();
        graph.folder = PathBuf::from("/elsewhere");
        for stage in &mut graph.stages {
            stage.resources.threads = Some(1);
            stage.resources.device = DeviceWish::Cpu;
            stage.label = format!("{}[x=1]", stage.name).into();
            stage.points = vec![0, 1];
        }
    });
    assert_eq!(place.good(&graph).ran(), "");
    // The results folder may move.
    let moved = Place::new();
    fs::rename(place.results(), moved.results()).unwrap();
    assert_eq!(moved.good(&graph).ran(), "");
    // A copy has other times and inodes; its content is hashed and found right, once.
    let copied = Place::new();
    let copy = Command::new("cp")
        .arg("-r")
        .arg(moved.results())
        .arg(copied.results())
        .status()
        .unwrap();
    assert!(copy.success());
    assert_eq!(copied.plan(&graph).facts.remember.len(), 5);
    assert_eq!(copied.good(&graph).ran(), "");
    assert_eq!(copied.plan(&graph).facts.remember.len(), 0);
    // Without the index all is the same.
    fs::remove_file(copied.results().join("cache/v1/index")).unwrap();
    assert_eq!(copied.good(&graph).ran(), "");
    assert!(copied.results().join("cache/v1/index").exists());
}

#[test]
fn equal_output_cuts_off_what_is_downstream() {
    let place = Place::new();
    let graph = |seed| {
        toy_graph(|toys| {
            toys.add("a", source(seed), &[]);
            toys.add("r", Round { to: 10.0 }, &[("a", "a")]);
            toys.add("j", Join::default(), &[("a", "r")]);
            toys.add("k", Join { add: 1.0 }, &[("a", "j")]);
        })
    };
    assert_eq!(place.good(&graph(11)).ran(), "a j k r");
    assert_eq!(place.words(&graph(12)), "a stale, r waiting, j waiting, k waiting");
    assert_eq!(place.why(&graph(12), "r"), ["input a: may change, because a is stale"]);
    assert_eq!(place.good(&graph(12)).ran(), "a r");
    assert_eq!(place.good(&graph(25)).ran(), "a j k r");
}

#[test]
fn a_users_file_counts_by_content() {
    let place = Place::new();
    let data = place.folder.path().join("data.txt");
    let graph = |path: &Path| {
        toy_graph(|toys| {
            toys.add(
                "a",
                Source {
                    file: Some(path.to_owned()),
                    ..source(1)
                },
                &[],
            );
            toys.add("b", Join::default(), &[("a", "a")]);
        })
    };
    fs::write(&data, "5").unwrap();
    assert_eq!(place.good(&graph(&data)).ran(), "a b");
    // The same bytes written again, and under another name.
    fs::write(&data, "5").unwrap();
    assert_eq!(place.good(&graph(&data)).ran(), "");
    let other = place.folder.path().join("other.txt");
    fs::rename(&data, &other).unwrap();
    assert_eq!(place.good(&graph(&other)).ran(), "");
    // Other bytes of the same size.
    fs::write(&other, "6").unwrap();
    assert_eq!(place.why(&graph(&other), "a"), ["file file: content changed"]);
    assert_eq!(place.good(&graph(&other)).ran(), "a b");
    // A file that is known for long is not hashed again, but a change is noticed.
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    fs::File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(place.good(&graph(&other)).ran(), "");
    fs::write(&other, "7").unwrap();
    fs::File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(place.good(&graph(&other)).ran(), "a b");
    fs::remove_file(&other).unwrap();
    match plan(&graph(&other), &place.store(), &place.options)
        .unwrap_err()
        .as_slice()
    {
        [
            PlanError::File {
                stage, parameter, path, ..
            },
        ] => assert_eq!((stage.as_str(), parameter.as_str(), path), ("a", "file", &other)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn to_and_force_choose_stages() {
    let mut place = Place::new();
    let graph = diamond(|_| ());
    place.options.to = vec!["c".to_owned()];
    assert_eq!(
        place.words(&graph),
        "a stale, b stale, c waiting, d unselected, e unselected"
    );
    assert_eq!(place.good(&graph).ran(), "a b c");
    place.options = Options {
        force: vec!["a".to_owned()],
        ..place.options
    };
    place.options.to.clear();
    assert_eq!(place.words(&graph), "a stale, b hit, c waiting, d waiting, e waiting");
    assert_eq!(place.why(&graph, "a"), ["forced"]);
    // c depends on a, which gives the same again.
    assert_eq!(place.good(&graph).ran(), "a d e");
    place.options.to = vec!["dd".to_owned(), "nothing like it".to_owned()];
    let errors = plan(&graph, &place.store(), &place.options).unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "there is no stage dd; did you mean d?",
            "there is no stage nothing like it"
        ]
    );
}

#[test]
fn damaged_files_are_made_again() {
    let place = Place::new();
    let graph = diamond(|_| ());
    place.good(&graph);
    type Case = (&'static str, fn(&Path));
    let damages: [Case; 8] = [
        ("changed", |folder| {
            fs::write(folder.join("values.parquet"), "9\n").unwrap()
        }),
        ("truncated", |folder| {
            fs::write(folder.join("values.parquet"), "").unwrap()
        }),
        ("missing", |folder| {
            fs::remove_file(folder.join("values.parquet")).unwrap()
        }),
        ("no manifest", |folder| {
            fs::remove_file(folder.join("manifest.json")).unwrap()
        }),
        ("torn manifest", |folder| {
            let text = fs::read(folder.join("manifest.json")).unwrap();
            fs::write(folder.join("manifest.json"), &text[..text.len() / 2]).unwrap();
        }),
        ("manifest of another", |folder| {
            let text = fs::read_to_string(folder.join("manifest.json")).unwrap();
            fs::write(
                folder.join("manifest.json"),
                text.replace("\"fingerprint\": \"", "\"fingerprint\": \"0"),
            )
            .unwrap();
        }),
        ("no folder", |folder| fs::remove_dir_all(folder).unwrap()),
        ("empty folder", |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
        }),
    ];
    for with_index in [true, false] {
        for (name, damage) in damages {
            let folder = place.entry(&graph, "a");
            damage(&folder);
            if !with_index {
                fs::remove_file(place.results().join("cache/v1/index")).unwrap();
            }
            assert_eq!(
                place.words(&graph),
                "a stale, b hit, c waiting, d waiting, e waiting",
                "{name}"
            );
            assert_eq!(place.good(&graph).ran(), "a", "{name}");
            assert_eq!(
                fs::read_to_string(folder.join("values.parquet")).unwrap(),
                "1\n",
                "{name}"
            );
        }
    }
}

/// Damage that no stat shows (here: the index was made to believe it) is found when the content is to be read.
#[test]
fn silent_damage_is_found_before_it_is_read() {
    let place = Place::new();
    place.good(&diamond(|_| ()));
    let graph = diamond(|_| ());
    let (a, b) = (place.entry(&graph, "a"), place.entry(&graph, "b"));
    for (folder, file) in [(&a, "values.parquet"), (&b, "negative.parquet")] {
        let store = place.store();
        let text = fs::read_to_string(folder.join(file)).unwrap();
        fs::write(folder.join(file), text.replace(char::is_numeric, "9")).unwrap();
        let hash = Hash256::parse(folder.file_name().unwrap().to_str().unwrap()).unwrap();
        store.remember("source", &hash, || None).unwrap();
    }
    assert_eq!(
        place.words(&graph),
        "a hit, b hit, c hit, d hit, e hit",
        "nothing to be seen by a stat"
    );
    let report = collect(&graph, &place.plan(&graph), &place.store());
    assert!(
        report.stages[0].artifact(&place.store(), "values").unwrap().is_err(),
        "a report must not read it"
    );
    // c and d must run: both read a, c reads b.
    let changed = diamond(|graph| {
        stage(graph, "c").revision = 2;
        stage(graph, "d").revision = 2;
    });
    let done = place.good(&changed);
    assert_eq!(done.ran(), "a b c d");
    assert!((place.number(&changed, "c", "sum.parquet") + 1.0).abs() < 1e-12);
    assert_eq!(fs::read_to_string(a.join("values.parquet")).unwrap(), "1\n");
}
