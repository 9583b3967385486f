//! A batch system that is made up.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use crate::batch::intents::Intent;
use crate::batch::job::{Surroundings, TaskEnded, perform};
use crate::batch::pilot::perform_waiting;
use crate::batch::{Refused, Scheduler, State, States};

/// What becomes of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs.
    Runs,
    /// It never runs, and ends so; `None` where the system knows nothing of it any more.
    Ends(Option<State>),
    /// It hears that its time is over: before it begins, or once it has saved something.
    OutOfTime { saved: bool },
    /// It waits until another fate is given.
    Waits,
}

/// The fate of a task, by its label and the number of times that it was submitted before.
pub(super) type Fates = dyn Fn(&str, usize) -> Fate + Send + Sync;

/// What becomes of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Given,
    /// It was submitted, and the answer was lost.
    Lost,
    /// Nothing was submitted, and nobody answered.
    Unheard,
    Full,
    Never,
}

#[derive(Default)]
pub(super) struct Known {
    pub states: HashMap<String, State>,
    pub names: HashMap<String, String>,
    /// Labels as they were submitted.
    pub submitted: Vec<String>,
    pub cancelled: Vec<String>,
    pub silent: usize,
}

/// A batch system. Its jobs are threads, which live on when the run that submitted them is gone.
pub(super) struct Made {
    pub results: PathBuf,
    pub known: Arc<Mutex<Known>>,
    pub fate: Arc<Fates>,
    pub answer: fn(usize) -> Answer,
    pub submissions: AtomicUsize,
}

impl Made {
    pub fn new(place: &Place, fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        Self {
            results: place.results(),
            known: Arc::default(),
            fate: Arc::new(fate),
            answer: |_| Answer::Given,
            submissions: AtomicUsize::new(0),
        }
    }

    pub fn submitted(&self) -> String {
        let mut labels = self.known.lock().unwrap().submitted.clone();
        labels.sort();
        labels.join(" ")
    }
}

impl Scheduler for Made {
    fn submit(&self, intent: &Intent, name: &str, folder: &Path, _: File) -> Result<String, Refused> {
        let number = self.submissions.fetch_add(1, Ordering::SeqCst);
        let answer = (self.answer)(number);
        match answer {
            Answer::Unheard => return Err(Refused::Unclear("nobody answers".into())),
            Answer::Full => return Err(Refused::Full("too many jobs".into())),
            Answer::Never => return Err(Refused::Never("no partition x".into())),
            Answer::Given | Answer::Lost => {}
        }
        let job = (100 + number).to_string();
        let mut known = self.known.lock().unwrap();
        known.names.insert(name.to_owned(), job.clone());
        let shares = intent.pilots.is_some();
        for (index, task) in intent.tasks.iter().take(intent.jobs()).enumerate() {
            let before = known.submitted.iter().filter(|label| **label == task.label).count();
            known.submitted.push(task.label.clone());
            let key = format!("{job}_{index}");
            known.states.insert(key.clone(), State::Waiting);
            let (shared, fate, label) = (self.known.clone(), self.fate.clone(), task.label.clone());
            let (folder, results) = (folder.to_owned(), self.results.clone());
            std::thread::spawn(move || {
                let fate = || fate(&label, before);
                task_thread(&shared, &key, &fate, (&folder, index, shares), &results);
            });
        }
        drop(known);
        if answer == Answer::Lost {
            return Err(Refused::Unclear("the answer is lost".into()));
        }
        Ok(job)
    }

    fn states(&self) -> Result<States, String> {
        let mut known = self.known.lock().unwrap();
        if known.silent > 0 {
            known.silent -= 1;
            return Err("nobody answers".into());
        }
        Ok(States {
            tasks: known.states.clone(),
            names: known.names.clone(),
        })
    }

    fn cancel(&self, jobs: &[String]) -> Result<(), String> {
        self.known.lock().unwrap().cancelled.extend(jobs.to_owned());
        Ok(())
    }
}

fn task_thread(
    known: &Mutex<Known>,
    key: &str,
    fate: &dyn Fn() -> Fate,
    (folder, task, shares): (&Path, usize, bool),
    results: &Path,
) {
    let set = |state: Option<State>| {
        let states = &mut known.lock().unwrap().states;
        match state {
            Some(state) => drop(states.insert(key.to_owned(), state)),
            None => drop(states.remove(key)),
        }
    };
    while fate() == Fate::Waits {
        std::thread::sleep(Duration::from_millis(2));
    }
    let time = match fate() {
        Fate::Ends(state) => return set(state),
        Fate::OutOfTime { saved } => Some(saved),
        Fate::Runs | Fate::Waits => None,
    };
    set(Some(State::Running));
    let cancel = Cancel::default();
    let ends = cancel.clone();
    if time == Some(false) {
        cancel.cancel();
    } else if time == Some(true) {
        let checkpoints = results.join("checkpoints");
        let saved = move || {
            let stages = fs::read_dir(&checkpoints).into_iter().flatten().flatten();
            let mut files = stages.flat_map(|stage| fs::read_dir(stage.path()).into_iter().flatten());
            files.next().is_some()
        };
        std::thread::spawn(move || {
            while !saved() {
                std::thread::sleep(Duration::from_millis(1));
            }
            ends.cancel();
        });
    }
    let around = Surroundings {
        store: &Store::open(results),
        executor: &OfAnyRevision(Threads::new(toy_bodies())),
        gpu: None,
        cancel: &cancel,
        time_is_over: &|| time.is_some(),
        requeue: &|| false,
    };
    let ended = if shares {
        perform_waiting(folder, task, &around, Duration::ZERO)
    } else {
        perform(folder, task, &around)
    };
    set(Some(match ended {
        Ok(TaskEnded::Well | TaskEnded::Stopped) => State::Completed,
        Ok(TaskEnded::Failed) | Err(_) => State::Failed,
    }));
}
