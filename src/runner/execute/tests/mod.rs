//! The runner's laws, on toy stages.

#![allow(clippy::unwrap_used)]

mod batch;
mod durable;
mod fresh;
mod order;
mod processes;
mod report;
mod running;
mod sealed;
mod shared;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::{Budget, By, Run, RunSummary, execute};
use crate::context::{Cancel, Teller};
use crate::error::StageError;
use crate::event::{Event, Sink, Told};
use crate::executor::{Ended, Executor, Threads};
use crate::fingerprint::{Hash256, Input};
use crate::graph::{Graph, StageId};
use crate::plan::{Entry, Options, Plan, PlanError, plan, why};
use crate::ports::{Artifact, column};
use crate::shared::Shared;
use crate::stage::Stage;
use crate::store::gc::{Choice, Survey};
use crate::store::runs::{Asked, Reached, Record};
use crate::store::{Store, TryLock};
use crate::toys::{Fail, Fill, Find, Join, Remote, Round, Slow, Source, Toys, toy_bodies, toy_graph};
use crate::worker::{self, Processes, Request, WorkerCommand};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use report::collect;

/// A results folder, and what running in it takes.
struct Place {
    folder: tempfile::TempDir,
    budget: Budget,
    options: Options,
    cancel: Cancel,
    fail_fast: bool,
    executor: Box<dyn Executor>,
    /// The shared cache below it, as each process opens it.
    shared: Option<Box<dyn Fn() -> Arc<Shared> + Sync>>,
}

/// Bodies that do not mind which revision a graph says they are of; those of another kind are joins.
struct OfAnyRevision(Threads);

impl Executor for OfAnyRevision {
    fn run(&self, request: &Request, gpu: Option<&str>, teller: &Teller, cancel: &Cancel) -> Result<Ended, StageError> {
        let request = Request {
            revision: 1,
            ..request.clone()
        };
        let kind = if request.kind == "other" {
            Join::KIND.to_owned()
        } else {
            request.kind.clone()
        };
        let request = Request { kind, ..request };
        self.0.run(&request, gpu, teller, cancel)
    }
}

#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Sink for Recorder {
    fn take(&mut self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Does something as soon as a body tells of so much progress.
struct AtProgress<F> {
    least: u64,
    act: Option<F>,
}

impl<F: FnOnce() + Send> Sink for AtProgress<F> {
    fn take(&mut self, event: &Event) {
        let Event::Stage {
            told: Told::Progress { done, .. },
            ..
        } = event
        else {
            return;
        };
        if *done >= self.least
            && let Some(act) = self.act.take()
        {
            act();
        }
    }
}

fn at_progress(least: u64, act: impl FnOnce() + Send + 'static) -> Vec<Box<dyn Sink>> {
    vec![Box::new(AtProgress { least, act: Some(act) })]
}

/// Waits for a file that another process writes; whether it came within a minute, which is far more than any needs.
fn appears(file: &Path) -> bool {
    let begun = Instant::now();
    while !file.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    file.exists()
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
                environment: libtorch("2.11.0"),
                ..Options::default()
            },
            cancel: Cancel::default(),
            fail_fast: false,
            executor: Box::new(OfAnyRevision(Threads::new(toy_bodies()))),
            shared: None,
        }
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn store(&self) -> Store {
        Store::open(&self.results()).above(self.shared.as_ref().map(|open| open()))
    }

    fn plan(&self, graph: &Graph) -> Plan {
        plan(graph, &self.store(), &self.options).unwrap()
    }

    /// A run in this place.
    fn work<'a>(&'a self, graph: &'a Graph, plan: &'a Plan, store: &'a Store) -> Run<'a> {
        Run {
            graph,
            plan,
            store,
            budget: &self.budget,
            cancel: &self.cancel,
            fail_fast: self.fail_fast,
            pauses: const { &BTreeMap::new() },
            by: By::Executor(self.executor.as_ref()),
        }
    }

    fn run(&self, graph: &Graph) -> Done {
        self.run_with(graph, Vec::new())
    }

    /// Runs with further sinks.
    fn run_with(&self, graph: &Graph, mut sinks: Vec<Box<dyn Sink>>) -> Done {
        let store = self.store();
        let plan = plan(graph, &store, &self.options).unwrap();
        let recorder = Recorder::default();
        sinks.push(Box::new(recorder.clone()));
        let summary = execute(self.work(graph, &plan, &store), &mut sinks);
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
        let stage = report.stages.into_iter().find(|stage| *stage.label == *label).unwrap();
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
        let at = graph.stages.iter().position(|stage| *stage.label == *label).unwrap();
        why(graph, &self.plan(graph), &self.store(), StageId::new(at))
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

fn libtorch(version: &str) -> BTreeMap<String, String> {
    [("libtorch".to_owned(), version.to_owned())].into()
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
    graph.stages.iter_mut().find(|stage| *stage.label == *label).unwrap()
}

fn slow(seed: i64, steps: u64, milliseconds: u64) -> Slow {
    Slow {
        seed,
        steps,
        milliseconds,
        break_after: None,
    }
}
