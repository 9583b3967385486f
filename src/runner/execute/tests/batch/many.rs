//! What following many jobs costs.

use std::collections::HashMap;
use std::fs::File;

use super::super::*;
use crate::batch::intents::Intent;
use crate::batch::job::{Surroundings, perform};
use crate::batch::{Jobs, Pace, Refused, Scheduler, State, States};

/// Not a test of right and wrong: what following many jobs costs, for `docs/`.
#[test]
#[ignore = "a measurement: minutes"]
fn many_jobs() {
    let many = std::env::var("RUNNER_JOBS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_i64);
    let place = Place::new();
    let graph = toy_graph(|toys| {
        for seed in 0..many {
            toys.add(&format!("s{seed}"), source(seed), &[]);
        }
    });
    let made = Instantly {
        results: place.results(),
        known: Mutex::default(),
    };
    let store = place.store();
    let plan = plan(&graph, &store, &place.options).unwrap();
    let jobs = Jobs {
        scheduler: &made,
        pace: Pace {
            array: 1000,
            jobs: usize::try_from(many).unwrap(),
            ..Pace::default()
        },
        threads: 1,
    };
    let begun = Instant::now();
    let run = Run {
        by: By::Batch(&jobs),
        ..place.work(&graph, &plan, &store)
    };
    let summary = execute(run, &mut Vec::new());
    let whole = begun.elapsed();
    let known = made.known.lock().unwrap();
    assert_eq!(i64::try_from(summary.ran).unwrap(), many);
    println!(
        "{many} jobs in {} submissions, {} looks: {whole:?}, of it {:?} in the bodies",
        known.submissions, known.looks, known.bodies
    );
}

/// A batch system that has done all when it has taken it.
struct Instantly {
    results: PathBuf,
    known: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    states: HashMap<String, State>,
    submissions: usize,
    looks: usize,
    bodies: Duration,
}

impl Scheduler for Instantly {
    fn submit(&self, intent: &Intent, _: &str, folder: &Path, _: File) -> Result<String, Refused> {
        let begun = Instant::now();
        let mut known = self.known.lock().unwrap();
        known.submissions += 1;
        let job = known.submissions.to_string();
        let around = Surroundings {
            store: &Store::at(&self.results),
            executor: &OfAnyRevision(Threads::new(toy_bodies())),
            gpu: None,
            cancel: &Cancel::default(),
            time_is_over: &|| false,
            requeue: &|| false,
        };
        for task in 0..intent.tasks.len() {
            perform(folder, task, &around).unwrap();
            known.states.insert(format!("{job}_{task}"), State::Completed);
        }
        known.bodies += begun.elapsed();
        Ok(job)
    }

    fn states(&self) -> Result<States, String> {
        let mut known = self.known.lock().unwrap();
        known.looks += 1;
        Ok(States {
            tasks: known.states.clone(),
            names: HashMap::new(),
        })
    }

    fn cancel(&self, _: &[String]) -> Result<(), String> {
        Ok(())
    }
}
