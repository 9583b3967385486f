//! The runner's laws, on toy stages.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;
use crate::plan::{Options, PlanError, plan, why};
use crate::ports::{Artifact, column};
use crate::report::collect;
use crate::stage::Stage;
use crate::toys::{Fail, Fill, Find, Join, Remote, Round, Slow, Source, Toys, remote_body, toy_graph};
use crate::worker;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A results folder, and what running in it takes.
struct Place {
    folder: tempfile::TempDir,
    budget: Budget,
    options: Options,
    cancel: Cancel,
    worker: Option<WorkerCommand>,
}

#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Sink for Recorder {
    fn take(&mut self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

struct Done {
    summary: RunSummary,
    events: Vec<Event>,
}

impl Done {
    /// Labels of the stages whose body ran, sorted.
    fn ran(&self) -> String {
        let mut labels: Vec<&str> = Vec::new();
        for event in &self.events {
            if let Event::StageStarted { stage, .. } = event {
                labels.push(stage);
            }
        }
        labels.sort_unstable();
        labels.join(" ")
    }

    fn skipped(&self) -> Vec<(String, String)> {
        let skip = |event: &Event| match event {
            Event::StageSkipped { stage, because } => Some((stage.clone(), because.clone())),
            _ => None,
        };
        self.events.iter().filter_map(skip).collect()
    }

    fn notes(&self, label: &str) -> Vec<String> {
        let note = |event: &Event| match event {
            Event::Stage {
                stage,
                told: Told::Note { text },
            } if stage == label => Some(text.clone()),
            _ => None,
        };
        self.events.iter().filter_map(note).collect()
    }
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            budget: Budget {
                cpu_threads: 2,
                gpus: Vec::new(),
            },
            options: Options {
                libtorch: "2.11.0".to_owned(),
                ..Options::default()
            },
            cancel: Cancel::default(),
            worker: None,
        }
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn store(&self) -> Store {
        Store::open(&self.results())
    }

    fn plan(&self, graph: &Graph) -> Plan {
        plan(graph, &self.store(), &self.options).unwrap()
    }

    fn run(&self, graph: &Graph) -> Done {
        let store = self.store();
        let plan = plan(graph, &store, &self.options).unwrap();
        let recorder = Recorder::default();
        let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(recorder.clone())];
        let summary = execute(
            graph,
            &plan,
            &store,
            &mut sinks,
            &self.budget,
            &self.cancel,
            self.worker.as_ref(),
        );
        let events = recorder.0.lock().unwrap().clone();
        Done { summary, events }
    }

    /// Runs and expects all to go well.
    fn good(&self, graph: &Graph) -> Done {
        let done = self.run(graph);
        assert_eq!(done.summary.failures, []);
        assert_eq!(done.summary.warnings, Vec::<String>::new());
        assert!(!done.summary.interrupted);
        done
    }

    /// The folder of a stage's entry, as the plan has it.
    fn entry(&self, graph: &Graph, label: &str) -> PathBuf {
        let report = collect(graph, &self.plan(graph), &self.store());
        let stage = report.stages.into_iter().find(|stage| stage.label == label).unwrap();
        stage.folder.unwrap_or_else(|| panic!("{label} is {:?}", stage.entry))
    }

    fn number(&self, graph: &Graph, label: &str, file: &str) -> f64 {
        fs::read_to_string(self.entry(graph, label).join(file))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// What the plan says to each stage, in a word.
    fn words(&self, graph: &Graph) -> String {
        let word = |(stage, entry): (&crate::graph::StageInstance, &Entry)| {
            let word = match entry {
                Entry::Hit(_) => "hit",
                Entry::Stale(_) => "stale",
                Entry::Waiting { .. } => "waiting",
                Entry::Skipped { .. } => "skipped",
                Entry::Unselected => "unselected",
            };
            format!("{} {word}", stage.label)
        };
        graph
            .stages
            .iter()
            .zip(&self.plan(graph).entries)
            .map(word)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn why(&self, graph: &Graph, label: &str) -> Vec<String> {
        let at = graph.stages.iter().position(|stage| stage.label == label).unwrap();
        why(graph, &self.plan(graph), &self.store(), id(at))
    }

    /// Every file under the results folder.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, files)
                } else {
                    files.push(path)
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.results(), &mut files);
        files
    }
}

/// A graph of one stage, called `a`.
fn one(stage: impl Stage) -> Graph {
    toy_graph(|toys| {
        toys.add("a", stage, &[]);
    })
}

fn source(seed: i64) -> Source {
    Source {
        seed,
        ..Source::default()
    }
}

/// a, b → c; a → d; c.sum, d → e.
fn diamond(change: impl FnOnce(&mut Graph)) -> Graph {
    let mut graph = toy_graph(|toys| {
        toys.add("a", source(1), &[]);
        toys.add("b", source(2), &[]);
        toys.add("c", Join { add: 0.0 }, &[("a", "a"), ("b", "b.negative")]);
        toys.add("d", Join { add: 10.0 }, &[("a", "a")]);
        toys.add("e", Join { add: 0.0 }, &[("a", "c"), ("b", "d")]);
    });
    change(&mut graph);
    graph
}

fn stage<'a>(graph: &'a mut Graph, label: &str) -> &'a mut crate::graph::StageInstance {
    graph.stages.iter_mut().find(|stage| stage.label == label).unwrap()
}

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
        ("d", "parameter add: 10.0 → 11.0", "d e", |graph| {
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
            stage(graph, "d").outputs[0].artifact = Artifact::Table(arrow_schema::Schema::new(vec![column]).into());
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
            stage.resources.device = "cpu".to_owned();
            stage.label = format!("{}[x=1]", stage.name);
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
    assert_eq!(copied.plan(&graph).facts.heal.len(), 5);
    assert_eq!(copied.good(&graph).ran(), "");
    assert_eq!(copied.plan(&graph).facts.heal.len(), 0);
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
                stage,
                parameter: "file",
                path,
                ..
            },
        ] => assert_eq!((stage.as_str(), path), ("a", &other)),
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
        store.remember("source", &hash).unwrap();
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

fn slow(seed: i64, steps: u64, milliseconds: u64) -> Slow {
    Slow {
        seed,
        steps,
        milliseconds,
        break_after: None,
    }
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
    let cancel = place.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        cancel.cancel();
    });
    let done = place.run(&graph);
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

// Below: laws that need other processes. This test binary runs itself, with `child` as the only test.

/// Not a test: what a child process does, as `RUNNER_CHILD` says.
#[test]
#[ignore = "runs only as a child of other tests"]
fn child() {
    let Some(results) = std::env::var_os("RUNNER_CHILD") else {
        return;
    };
    let place = PathBuf::from(results);
    let store = Store::open(&place);
    let act = std::env::var("RUNNER_ACT").unwrap();
    if act == "full" {
        // As a full disk: no file may grow beyond 40 kB.
        limit_file_size(40_000);
    }
    let graph = if act == "full" { large() } else { killed() };
    let plan = plan(&graph, &store, &Options::default()).unwrap();
    let budget = Budget {
        cpu_threads: 2,
        gpus: Vec::new(),
    };
    let summary = execute(&graph, &plan, &store, &mut [], &budget, &Cancel::default(), None);
    for failure in summary.failures {
        println!("FAILED {} {}", failure.stage, failure.message);
    }
}

fn limit_file_size(bytes: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        },
    )
    .unwrap();
}

fn child_of(results: &Path, act: &str) -> Command {
    // A file that grows too large is to be an error, as on a full disk, not a deadly signal.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "execute::tests::child",
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env("RUNNER_CHILD", results)
        .env("RUNNER_ACT", act)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Many small stages, so that a kill hits publication as well as bodies.
fn killed() -> Graph {
    toy_graph(|toys| {
        toys.add("s0", source(0), &[]);
        toys.add("slow", slow(1, 20, 2), &[]);
        for number in 1..25_i64 {
            toys.add(&format!("s{number}"), source(number), &[]);
            let before = if number == 1 {
                "s0".to_owned()
            } else {
                format!("j{}", number - 1)
            };
            let join = Join { add: 0.5 };
            toys.add(
                &format!("j{number}"),
                join,
                &[("a", &before), ("b", &format!("s{number}.values"))],
            );
        }
    })
}

/// Every entry in the store is whole: what its manifest says is there, and is what an undisturbed run writes.
fn assert_whole(store: &Store, expected: &BTreeMap<PathBuf, Hash256>) -> usize {
    let mut entries = 0;
    let root = store.results().join("cache/v1");
    for kind in fs::read_dir(&root)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        for entry in fs::read_dir(kind.path()).unwrap().flatten() {
            let hash = Hash256::parse(entry.file_name().to_str().unwrap()).unwrap();
            let kind_name = kind.file_name().into_string().unwrap();
            let manifest = store
                .manifest(&kind_name, &hash)
                .expect("an entry without a manifest is visible");
            assert!(store.fingerprint_of(&kind_name, &hash).is_some());
            for output in &manifest.outputs {
                let file = entry.path().join(&output.file);
                let relative = file.strip_prefix(&root).unwrap();
                assert_eq!(Hash256::of_file(&file).unwrap(), output.sha256);
                assert_eq!(expected.get(relative), Some(&output.sha256), "{}", relative.display());
            }
            entries += 1;
        }
    }
    entries
}

#[test]
fn a_kill_at_any_moment_does_no_harm() {
    let graph = killed();
    let undisturbed = Place::new();
    let begun = Instant::now();
    let output = child_of(&undisturbed.results(), "run").output().unwrap();
    let whole_run = begun.elapsed();
    assert!(output.status.success());
    let root = undisturbed.results().join("cache/v1");
    let hashes = undisturbed
        .files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "parquet"));
    let expected: BTreeMap<PathBuf, Hash256> = hashes
        .map(|file| {
            (
                file.strip_prefix(&root).unwrap().to_owned(),
                Hash256::of_file(&file).unwrap(),
            )
        })
        .collect();
    let mut moments = rand_chacha::ChaCha8Rng::from_seed([7; 32]);
    let (mut place, mut killed_midway) = (Place::new(), 0);
    for _ in 0..36 {
        let mut child = child_of(&place.results(), "run").spawn().unwrap();
        let share = f64::from(moments.next_u32()) / f64::from(u32::MAX);
        std::thread::sleep(whole_run.mul_f64(share * 0.6));
        child.kill().unwrap();
        child.wait().unwrap();
        let entries = assert_whole(&place.store(), &expected);
        killed_midway += usize::from(entries > 0 && entries < graph.stages.len());
        if entries == graph.stages.len() {
            place = Place::new();
        }
    }
    assert!(killed_midway >= 10, "only {killed_midway} kills hit a run midway");
    let done = place.good(&graph);
    assert_eq!(done.summary.ran + done.summary.fresh, graph.stages.len());
    assert_eq!(assert_whole(&place.store(), &expected), graph.stages.len());
    assert!(
        place
            .files()
            .iter()
            .all(|file| !file.to_string_lossy().contains("/partial/"))
    );
    assert_eq!(place.good(&graph).ran(), "");
}

fn large() -> Graph {
    toy_graph(|toys| {
        toys.add("small", source(1), &[]);
        toys.add("large", Fill { bytes: 100_000 }, &[]);
        toys.add("after", Join::default(), &[("a", "large")]);
    })
}

#[test]
fn a_body_that_cannot_write_fails_cleanly() {
    let place = Place::new();
    let output = child_of(&place.results(), "full").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("FAILED"))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.contains("FAILED large") && line.contains("zeros.parquet"),
        "{line}"
    );
    assert_eq!(place.words(&large()), "small hit, large stale, after waiting");
    assert!(place.files().iter().all(|file| !file.ends_with("zeros.parquet")));
    assert_eq!(place.run(&large()).ran(), "after large");
}

/// Needs the right to mount; elsewhere the test above has to do.
#[test]
fn a_full_disk_fails_cleanly() {
    let mut place = Place::new();
    let results = place.results();
    fs::create_dir(&results).unwrap();
    let mount = |size: &str, options: &str| {
        let options = format!("{options}size={size}");
        let mut command = Command::new("mount");
        let command = command
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&results)
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount("64k", "") {
        return;
    }
    // Every size of the free space, so that every step of publication meets the full disk once.
    let graph = toy_graph(|toys| {
        for seed in 0..40 {
            toys.add(&format!("s{seed:02}"), source(seed), &[]);
        }
    });
    place.budget.cpu_threads = 1;
    let mut met = 0;
    for _ in 0..3 {
        let done = place.run(&graph);
        for failure in &done.summary.failures {
            assert!(failure.message.contains("No space left"), "{}", failure.message);
            assert!(
                failure.message.contains("results"),
                "names no file: {}",
                failure.message
            );
            met += 1;
        }
        for stage in collect(&graph, &place.plan(&graph), &place.store()).stages {
            if matches!(stage.entry, Entry::Hit(_)) {
                assert!(stage.artifact(&place.store(), "values").unwrap().is_ok());
            }
        }
    }
    assert!(met > 0, "the disk never was full");
    assert!(mount("16m", "remount,"));
    place.good(&graph);
    assert_eq!(place.good(&graph).ran(), "");
    assert!(Command::new("umount").arg(&results).status().unwrap().success());
}

/// Not a test: a worker process.
#[test]
#[ignore = "runs only as a child of other tests"]
fn worker_child() {
    if let Some(request) = std::env::args()
        .next_back()
        .filter(|path| path.ends_with("request.json"))
    {
        std::process::exit(worker::serve(Path::new(&request), &remote_body));
    }
}

impl Place {
    fn with_worker() -> Self {
        let arguments = [
            "--exact",
            "execute::tests::worker_child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
            "--",
        ];
        let worker = WorkerCommand {
            program: std::env::current_exe().unwrap(),
            arguments: arguments.map(str::to_owned).into(),
            environment: Vec::new(),
        };
        Self {
            worker: Some(worker),
            ..Self::new()
        }
    }
}

fn remote(act: &str) -> Remote {
    Remote {
        act: act.to_owned(),
        seed: 0,
    }
}

#[test]
fn a_worker_does_its_stage() {
    let mut place = Place::with_worker();
    let graph = toy_graph(|toys| {
        toys.add("a", source(1), &[]);
        toys.add("r", remote("add"), &[("a", "a")]).resources.threads = Some(1);
        toys.add("j", Join::default(), &[("a", "r")]);
    });
    let done = place.good(&graph);
    assert_eq!(done.notes("r"), ["device cpu gpus [] threads 1"]);
    assert!((place.number(&graph, "j", "sum.parquet") - 2.0).abs() < 1e-12);
    assert_eq!(place.good(&graph).ran(), "");
    let report = collect(&graph, &place.plan(&graph), &place.store());
    assert!(report.stages[1].metric("loss").unwrap().is_nan());
    // The device class and the version of libtorch are part of a worker's fingerprint, and of no other's.
    place.options.libtorch = "2.12.0".to_owned();
    assert_eq!(place.why(&graph, "r"), ["libtorch: 2.11.0 → 2.12.0"]);
    place.options.libtorch = "2.11.0".to_owned();
    (place.options.gpus, place.budget.gpus) = (2, vec!["4".to_owned(), "GPU-8932f937".to_owned()]);
    assert_eq!(place.why(&graph, "r"), ["device: cpu → cuda"]);
    let done = place.good(&graph);
    assert_eq!(
        (done.ran().as_str(), done.notes("r")[0].as_str()),
        ("r", "device cuda:0 gpus [4] threads 1")
    );
}

#[test]
fn a_workers_troubles_are_told_clearly() {
    let place = Place::with_worker();
    let acts = ["fail", "panic", "kill", "exit"];
    let graph = toy_graph(|toys| {
        for act in acts {
            toys.add(act, remote(act), &[]);
        }
        toys.add("find", remote("find"), &[]);
    });
    let done = place.run(&graph);
    let message = |act: &str| {
        done.summary
            .failures
            .iter()
            .find(|failure| failure.stage == act)
            .unwrap()
    };
    assert_eq!(message("fail").message, "orbit 3 escapes");
    assert_eq!(message("fail").hint.as_deref(), Some("use fewer orbits"));
    assert!(message("panic").message.contains("row 7 is odd") && message("panic").bug);
    let kill = &message("kill").message;
    assert!(
        kill.contains("killed by signal 9 (out of memory?)") && kill.contains("allocating a lot"),
        "{kill}"
    );
    assert!(
        message("exit").message.contains("exit code 3"),
        "{}",
        message("exit").message
    );
    assert_eq!(done.summary.findings.len(), 1);
}

#[test]
fn a_cancelled_worker_saves_its_checkpoint() {
    let place = Place::with_worker();
    let graph = one(remote("wait"));
    let cancel = place.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
    });
    let done = place.run(&graph);
    assert!(done.summary.interrupted, "{:?}", done.summary.failures);
    let place = Place {
        cancel: Cancel::default(),
        ..place
    };
    place.good(&graph);
    assert!(
        (place.number(&graph, "a", "sum.parquet") - 2.0).abs() < 1e-12,
        "it went on from its checkpoint"
    );
}

/// User and system time of this process, in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Times a plan that finds all fresh; run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn no_op_plan_time() {
    for count in [1_000, 10_000] {
        let place = Place::new();
        let graph = toy_graph(|toys| {
            for number in 0..count {
                let name = format!("s{number}");
                if number % 4 == 0 {
                    toys.add(&name, source(number), &[]);
                } else {
                    let stage = Join {
                        add: f64::from(i32::try_from(number).unwrap()),
                    };
                    toys.add(&name, stage, &[("a", &format!("s{}", number - 1))]);
                }
            }
        });
        let begun = Instant::now();
        place.good(&graph);
        println!("{count} stages: first run {:.1} s", begun.elapsed().as_secs_f64());
        // Wall-clock times suffer from others on the machine; processor time, over many rounds, does not.
        let (rounds, used) = (10, processor_seconds());
        for _ in 0..rounds {
            let store = place.store();
            assert!(plan(&graph, &store, &place.options).unwrap().is_fresh());
        }
        let each = (processor_seconds() - used) / f64::from(rounds);
        println!(
            "{count} stages: processor time of opening and planning {:.1} ms",
            each * 1e3
        );
        for _ in 0..5 {
            let begun = Instant::now();
            let store = place.store();
            let opened = begun.elapsed();
            let plan = plan(&graph, &store, &place.options).unwrap();
            let planned = begun.elapsed();
            assert!(plan.is_fresh());
            let summary = execute(&graph, &plan, &store, &mut [], &place.budget, &place.cancel, None);
            let executed = begun.elapsed();
            assert_eq!(summary.fresh, graph.stages.len());
            println!("{count} stages: open {opened:.1?}, planned after {planned:.1?}, executed after {executed:.1?}");
        }
    }
}
