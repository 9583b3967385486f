//! Stages as jobs of a batch system that is made up here: whatever becomes of jobs and of those who submit them, every stage is
//! published once, with the bytes that it has anywhere else.

mod made;
mod many;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::batch::intents;
use crate::batch::{Jobs, Pace, State};
use crate::shared::Mode;
use made::{Answer, Fate, Made};

const QUICK: Pace = Pace {
    least: Duration::from_millis(5),
    most: Duration::from_millis(20),
    gather: Duration::from_millis(10),
    array: 3,
    jobs: 100,
    pilots: None,
};

impl Place {
    fn by_batch(&self, graph: &Graph, made: &Made) -> Done {
        self.by_batch_with(graph, made, QUICK, Vec::new())
    }

    fn by_batch_with(&self, graph: &Graph, made: &Made, pace: Pace, mut sinks: Vec<Box<dyn Sink>>) -> Done {
        let store = self.store();
        let plan = plan(graph, &store, &self.options).unwrap();
        let recorder = Recorder::default();
        sinks.push(Box::new(recorder.clone()));
        let jobs = Jobs {
            scheduler: made,
            pace,
            threads: 1,
        };
        let run = Run {
            by: By::Batch(&jobs),
            ..self.work(graph, &plan, &store)
        };
        let summary = execute(run, &mut sinks);
        let events = recorder.0.lock().unwrap().clone();
        Done { summary, events }
    }

    /// What the store holds: names of files and their contents, without manifests, which say when.
    fn held(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = self.results().join("cache/v1");
        let is_content = |path: &PathBuf| path.starts_with(&entries) && !path.ends_with("manifest.json");
        let mut files = self.files();
        files.retain(is_content);
        files.retain(|path| path.parent() != Some(&entries));
        files.sort();
        let name = |path: &PathBuf| path.strip_prefix(&entries).unwrap().to_owned();
        files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
    }

    fn intents(&self) -> usize {
        intents::names(&intents::folder(&self.store())).unwrap().len()
    }
}

fn well(done: &Done) {
    assert_eq!(done.summary.failures, []);
    assert!(!done.summary.interrupted);
}

#[test]
fn jobs_publish_what_a_run_here_does() {
    let (here, there) = (Place::new(), Place::new());
    let graph = diamond(|_| {});
    here.good(&graph);
    let made = Made::new(&there, |_, _| Fate::Runs);
    let done = there.by_batch(&graph, &made);
    well(&done);
    assert_eq!((done.summary.ran, done.ran().as_str()), (5, "a b c d e"));
    assert_eq!(made.submitted(), "a b c d e");
    assert_eq!(there.held(), here.held());
    assert_eq!(there.intents(), 0);
    // What the bodies told is told here too.
    let metric = |done: &Done| {
        let of_a = |event: &&Event| matches!(event, Event::Stage { stage, told: Told::Metric { .. } } if stage == "a");
        done.events.iter().filter(of_a).count()
    };
    assert_eq!(metric(&done), 1);
    let again = there.by_batch(&graph, &made);
    assert_eq!((again.summary.fresh, made.submitted().as_str()), (5, "a b c d e"));
}

#[test]
fn what_is_ready_together_is_one_array() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        for seed in 0..4 {
            toys.add(&format!("s{seed}"), source(seed), &[]);
        }
    });
    let made = Made::new(&place, |_, _| Fate::Runs);
    let gather = Duration::from_secs(1);
    well(&place.by_batch_with(&graph, &made, Pace { gather, ..QUICK }, Vec::new()));
    assert_eq!(
        made.submissions.load(Ordering::SeqCst),
        2,
        "three tasks, the most of an array, and one"
    );
}

#[test]
fn the_same_work_is_submitted_once() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        toys.add("a", source(1), &[]);
        toys.add("b", source(1), &[]);
        toys.add("c", Join { add: 0.0 }, &[("a", "a"), ("b", "b")]);
    });
    let made = Made::new(&place, |_, _| Fate::Runs);
    well(&place.by_batch(&graph, &made));
    assert_eq!(made.submitted(), "a c");
}

#[test]
fn what_is_lost_is_submitted_again_and_what_died_as_often_as_it_may() {
    let with_retries = |retries: u32| {
        let mut graph = one(source(1));
        graph.stages[0].resources.retries = retries;
        graph
    };
    let once =
        |state: Option<State>| move |_: &str, before: usize| if before == 0 { Fate::Ends(state) } else { Fate::Runs };
    for lost in [
        None,
        Some(State::NodeFailed),
        Some(State::Preempted),
        Some(State::Completed),
    ] {
        let place = Place::new();
        let made = Made::new(&place, once(lost));
        let done = place.by_batch(&with_retries(0), &made);
        well(&done);
        assert_eq!(made.submitted(), "a a", "{lost:?}");
        assert!(
            done.notes("a")[0].ends_with("it is submitted again"),
            "{:?}",
            done.notes("a")
        );
        assert_eq!(place.intents(), 0);
    }
    for (died, words) in [
        (State::OutOfMemory, "the job of source ran out of memory"),
        (State::TimedOut, "the job of source ran out of time"),
        (State::Failed, "the job of source crashed"),
    ] {
        let place = Place::new();
        let made = Made::new(&place, once(Some(died)));
        let done = place.by_batch(&with_retries(0), &made);
        assert_eq!(done.summary.failures[0].message, words);
        assert_eq!(made.submitted(), "a");
        let made = Made::new(&place, once(Some(died)));
        well(&place.by_batch(&with_retries(1), &made));
        assert_eq!(made.submitted(), "a a");
    }
    let place = Place::new();
    let made = Made::new(&place, |_, _| Fate::Ends(Some(State::Cancelled)));
    let done = place.by_batch(&with_retries(3), &made);
    assert_eq!(done.summary.failures[0].message, "someone cancelled its job");
    assert_eq!((made.submitted().as_str(), place.intents()), ("a", 0));
    // Never without an end.
    let made = Made::new(&place, |_, _| Fate::Ends(Some(State::NodeFailed)));
    let done = place.by_batch(&with_retries(3), &made);
    let message = &done.summary.failures[0].message;
    assert!(message.starts_with("source was lost 6 times"), "{message}");
}

#[test]
fn a_failure_of_the_body_is_said_as_it_would_be_here() {
    let place = Place::new();
    let graph = one(Fail {
        panic: false,
        crash: false,
        forget: false,
    });
    let made = Made::new(&place, |_, _| Fate::Runs);
    let there = place.by_batch(&graph, &made).summary.failures;
    assert_eq!(there, place.run(&graph).summary.failures);
    assert_eq!(there.len(), 1);
}

#[test]
fn a_training_whose_time_is_over_goes_on_in_another_job() {
    let place = Place::new();
    let graph = one(slow(1, 20, 50));
    let made = Made::new(&place, |_, before| match before {
        0 => Fate::OutOfTime { saved: true },
        _ => Fate::Runs,
    });
    let done = place.by_batch(&graph, &made);
    well(&done);
    assert_eq!(made.submitted(), "a a");
    let notes = done.notes("a");
    assert_eq!(notes[0], "its time was over; it goes on from its checkpoint");
    assert!(!notes.contains(&"from step 0".to_owned()), "{notes:?}");
    // One that saves nothing would begin from its beginning for ever.
    let made = Made::new(&place, |_, _| Fate::OutOfTime { saved: false });
    let done = place.by_batch(&one(slow(2, 40, 5)), &made);
    assert!(done.summary.failures[0].message.contains("saved nothing before"));
    assert_eq!(made.submitted(), "a");
}

#[test]
fn whoever_runs_next_takes_up_the_jobs_of_a_run_that_is_gone() {
    let place = Place::new();
    let graph = diamond(|_| {});
    let go = Arc::new(AtomicUsize::new(0));
    let waits = go.clone();
    let made = Made::new(&place, move |_, _| {
        if waits.load(Ordering::SeqCst) == 0 {
            Fate::Waits
        } else {
            Fate::Runs
        }
    });
    let cancel = place.cancel.clone();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.by_batch(&graph, &made));
        while made.submissions.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        cancel.cancel();
        assert!(run.join().unwrap().summary.interrupted);
    });
    assert_eq!((made.submitted().as_str(), place.intents()), ("a b", 1));
    assert!(made.known.lock().unwrap().cancelled.is_empty());
    let next = Place {
        cancel: Cancel::default(),
        ..place
    };
    go.store(1, Ordering::SeqCst);
    let done = next.by_batch(&graph, &made);
    well(&done);
    assert_eq!((made.submitted().as_str(), done.summary.ran), ("a b c d e", 5));
    assert_eq!(next.intents(), 0);
}

#[test]
fn what_ended_while_nobody_looked_is_made_by_whoever_runs_next() {
    for state in [None, Some(State::Cancelled), Some(State::OutOfMemory)] {
        let place = Place::new();
        let graph = one(source(1));
        let ends = Arc::new(AtomicUsize::new(0));
        let waits = ends.clone();
        let made = Made::new(&place, move |_, before| match (before, waits.load(Ordering::SeqCst)) {
            (0, 0) => Fate::Waits,
            (0, _) => Fate::Ends(state),
            _ => Fate::Runs,
        });
        let cancel = place.cancel.clone();
        std::thread::scope(|scope| {
            let run = scope.spawn(|| place.by_batch(&graph, &made));
            while made.submissions.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            cancel.cancel();
            assert!(run.join().unwrap().summary.interrupted);
        });
        ends.store(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        let next = Place {
            cancel: Cancel::default(),
            ..place
        };
        well(&next.by_batch(&graph, &made));
        assert_eq!((made.submitted().as_str(), next.intents()), ("a a", 0), "{state:?}");
    }
}

#[test]
fn a_lost_answer_submits_nothing_twice() {
    let place = Place::new();
    let graph = diamond(|_| {});
    let made = Made {
        answer: |number| if number == 0 { Answer::Lost } else { Answer::Given },
        ..Made::new(&place, |_, _| Fate::Runs)
    };
    well(&place.by_batch(&graph, &made));
    assert_eq!(made.submitted(), "a b c d e");
    // Where nothing came of it, it is submitted again.
    let place = Place::new();
    let made = Made {
        answer: |number| if number == 0 { Answer::Unheard } else { Answer::Given },
        ..Made::new(&place, |_, _| Fate::Runs)
    };
    made.known.lock().unwrap().silent = 3;
    let done = place.by_batch(&graph, &made);
    well(&done);
    assert_eq!((made.submitted().as_str(), place.intents()), ("a b c d e", 0));
}

#[test]
fn a_full_system_is_asked_later_and_a_refusal_is_said() {
    let place = Place::new();
    let made = Made {
        answer: |number| if number < 3 { Answer::Full } else { Answer::Given },
        ..Made::new(&place, |_, _| Fate::Runs)
    };
    let done = place.by_batch(&diamond(|_| {}), &made);
    well(&done);
    assert_eq!(made.submitted(), "a b c d e");
    let place = Place::new();
    let made = Made {
        answer: |_| Answer::Never,
        ..Made::new(&place, |_, _| Fate::Runs)
    };
    let done = place.by_batch(&one(source(1)), &made);
    assert_eq!(
        done.summary.failures[0].message,
        "the batch system refuses its job: no partition x"
    );
    assert_eq!(place.intents(), 0);
}

#[test]
fn two_runs_at_once_submit_every_stage_once() {
    let place = Place::new();
    let graph = toy_graph(|toys| {
        for seed in 0..20 {
            toys.add(&format!("s{seed}"), slow(seed, 2, 10), &[]);
        }
    });
    let made = Made::new(&place, |_, _| Fate::Runs);
    std::thread::scope(|scope| {
        for run in [(); 2].map(|()| scope.spawn(|| place.by_batch(&graph, &made))) {
            well(&run.join().unwrap());
        }
    });
    assert_eq!(made.known.lock().unwrap().submitted.len(), 20);
    assert_eq!(place.intents(), 0);
}

#[test]
fn pilots_share_what_is_ready_together() {
    let (here, there) = (Place::new(), Place::new());
    let graph = toy_graph(|toys| {
        for seed in 0..20 {
            toys.add(&format!("s{seed}"), source(seed), &[]);
        }
        toys.add("sum", Join { add: 0.0 }, &[("a", "s1"), ("b", "s2")]);
        toys.add(
            "bad",
            Fail {
                panic: false,
                crash: false,
                forget: false,
            },
            &[("a", "s3")],
        );
    });
    let by_pilots = |made: &Made| {
        let pace = Pace {
            gather: Duration::from_millis(300),
            array: 100,
            pilots: Some(3),
            ..QUICK
        };
        there.by_batch_with(&graph, made, pace, Vec::new())
    };
    here.run(&graph);
    // The first pilots are lost; others take what they left.
    let made = Made::new(
        &there,
        |_, before| if before == 0 { Fate::Ends(None) } else { Fate::Runs },
    );
    let done = by_pilots(&made);
    assert_eq!(done.summary.failures, here.run(&graph).summary.failures);
    // One that two pilots came to at once was found by the second.
    assert_eq!(done.summary.ran + done.summary.fresh, 21);
    assert_eq!((there.held(), there.intents()), (here.held(), 0));
    assert!(made.known.lock().unwrap().submitted.len() <= 12, "{}", made.submitted());
}

#[test]
fn damaged_inputs_are_made_again() {
    let place = Place::new();
    let graph = diamond(|_| {});
    place.good(&graph);
    let file = place.entry(&graph, "d").join("sum.parquet");
    let good = fs::read(&file).unwrap();
    fs::remove_dir_all(place.entry(&graph, "e")).unwrap();
    // It is damaged when the plan is made and the job of `e` has not begun.
    let (damaged, bad) = (file.clone(), vec![b'9'; good.len()]);
    let made = Made::new(&place, move |label, before| {
        if label == "e" && before == 0 {
            fs::write(&damaged, &bad).unwrap();
        }
        Fate::Runs
    });
    well(&place.by_batch(&graph, &made));
    assert_eq!(made.submitted(), "d e e");
    assert_eq!(fs::read(&file).unwrap(), good);
}

#[test]
fn the_file_that_ends_all_jobs_of_a_pipeline_does() {
    let place = Place::new();
    let graph = one(source(1));
    let made = Made::new(&place, |_, _| Fate::Waits);
    let stop = intents::stop_path(&place.store(), &graph.pipeline);
    fs::create_dir_all(stop.parent().unwrap()).unwrap();
    // That of another day says nothing.
    fs::write(&stop, "yesterday").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.by_batch(&graph, &made));
        while made.submissions.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        fs::write(&stop, "now").unwrap();
        assert!(run.join().unwrap().summary.interrupted);
    });
    assert_eq!(made.known.lock().unwrap().cancelled, ["100"]);
}

/// Jobs ask no cache: the run fetches what they read, and settles what is there.
#[test]
fn a_shared_cache_serves_jobs_too() {
    let cache = tempfile::tempdir().unwrap();
    let graph = diamond(|_| {});
    let first = shared::above(cache.path(), Mode::ReadWrite);
    well(&first.by_batch(&graph, &Made::new(&first, |_, _| Fate::Runs)));
    let second = shared::above(cache.path(), Mode::ReadWrite);
    let made = Made::new(&second, |_, _| Fate::Runs);
    well(&second.by_batch(&graph, &made));
    assert_eq!(made.submitted(), "");
    let changed = diamond(|graph| stage(graph, "e").revision = 2);
    let third = shared::above(cache.path(), Mode::ReadWrite);
    let made = Made::new(&third, |_, _| Fate::Runs);
    let done = third.by_batch(&changed, &made);
    assert_eq!((done.summary.failures.len(), made.submitted().as_str()), (0, "e"));
}
