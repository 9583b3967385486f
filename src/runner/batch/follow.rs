//! One thread that submits what is ordered, asks now and then how the jobs stand, and says what became of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use super::intents::{self, Intent, Task, Want};
use super::{Ask, Batch, Followed, Pace, Refused, Scheduler, States, Word};
use crate::error::StageError;
use crate::event::Told;
use crate::graph::StageId;
use crate::order::Order;
use crate::store::{Cached, Hash256, KeyLock};

/// Orders as jobs of a batch system.
pub struct Jobs<'a> {
    /// The system.
    pub scheduler: &'a dyn Scheduler,
    /// How often it is asked.
    pub pace: Pace,
    /// CPU threads of a stage that says nothing of them.
    pub threads: usize,
}

impl Batch for Jobs<'_> {
    fn most(&self) -> usize {
        self.pace.jobs
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn follow(&self, run: Followed<'_>, asks: &Receiver<Ask>, say: &dyn Fn(StageId, Word)) {
        Follower::new(self, run, say).follow(asks);
    }
}

pub(super) struct Follower<'a> {
    pub scheduler: &'a dyn Scheduler,
    pub pace: Pace,
    pub run: Followed<'a>,
    pub say: &'a dyn Fn(StageId, Word),
    /// The folder of intents.
    jobs: PathBuf,
    /// What the file said, when this began, by which all jobs of a pipeline are ended.
    stop: Option<Vec<u8>>,
    /// The stages that wait for a fingerprint: the first had it ordered.
    pub waiting: HashMap<Hash256, Vec<StageId>>,
    /// What is to be submitted.
    pub pile: Vec<Piled>,
    /// When the pile may be submitted, after the system had no room for it.
    hold_until: Option<Instant>,
    /// Intents that are known, by name.
    pub known: BTreeMap<String, Known>,
    /// Of every fingerprint in them, the newest task.
    pub tasks: HashMap<Hash256, (String, usize)>,
    /// Whether it was said that the system does not answer.
    silent: bool,
}

/// An order that waits to be submitted.
pub(super) struct Piled {
    pub order: Order,
    pub lost: u32,
}

/// An intent that is there.
pub(super) struct Known {
    pub intent: Intent,
    pub folder: PathBuf,
    pub job: Option<String>,
    /// Its tasks that stages of this run wait for.
    pub flights: BTreeMap<usize, Flight>,
    /// Tasks that have settled, or are done again.
    pub done: usize,
}

/// What is known of a task.
#[derive(Default)]
pub(super) struct Flight {
    pub began: bool,
    /// Whether another run submitted it.
    pub adopted: bool,
    /// Whether its system was seen to have something to do for it.
    pub seen: bool,
    /// Whether it was said that someone has to let it go on.
    pub held: bool,
    /// How often it was found gone, without anything to show for it.
    pub gone: u32,
}

impl<'a> Follower<'a> {
    fn new(jobs: &Jobs<'a>, run: Followed<'a>, say: &'a dyn Fn(StageId, Word)) -> Self {
        Self {
            scheduler: jobs.scheduler,
            pace: jobs.pace,
            run,
            say,
            jobs: intents::folder(run.store),
            stop: std::fs::read(intents::stop_path(run.store, run.pipeline)).ok(),
            waiting: HashMap::new(),
            pile: Vec::new(),
            hold_until: None,
            known: BTreeMap::new(),
            tasks: HashMap::new(),
            silent: false,
        }
    }

    fn follow(mut self, asks: &Receiver<Ask>) {
        let mut pause = self.pace.least;
        let mut next = Instant::now() + pause;
        loop {
            let wait = if self.pile.is_empty() || self.hold_until.is_some() {
                next.saturating_duration_since(Instant::now())
            } else {
                self.pace.gather
            };
            match asks.recv_timeout(wait) {
                Ok(Ask::Do(id, order)) => {
                    self.take(id, *order);
                    continue;
                }
                Ok(Ask::Leave) => return self.leave(),
                Ok(Ask::End) => return self.end(),
                Err(RecvTimeoutError::Disconnected) if self.waiting.is_empty() => return self.tidy(),
                // Nobody orders any more, and some wait still.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if self.hold_until.is_some_and(|until| now >= until) {
                self.hold_until = None;
            }
            if !self.pile.is_empty() && self.hold_until.is_none() {
                self.submit();
                pause = self.pace.least;
                next = next.min(Instant::now() + pause);
            }
            if now >= next {
                if self.is_stopped() {
                    self.run.cancel.cancel();
                    return self.end();
                }
                let changed = self.look();
                pause = if changed {
                    self.pace.least
                } else {
                    (pause * 3 / 2).min(self.pace.most)
                };
                next = Instant::now() + pause;
            }
        }
    }

    fn take(&mut self, id: StageId, order: Order) {
        let waiting = self.waiting.entry(order.fingerprint).or_default();
        waiting.push(id);
        if waiting.len() == 1 {
            self.pile.push(Piled { order, lost: 0 });
        }
    }

    /// Submits the pile, but for what someone else has submitted.
    fn submit(&mut self) {
        let prepared = self.run.store.prepare().map_err(|error| error.to_string());
        let lock = prepared.and_then(|()| {
            let path = self.run.store.lock_named(intents::LOCK);
            KeyLock::wait(&path).map_err(|error| format!("{}: {error}", path.display()))
        });
        let lock = match lock.and_then(|lock| self.learn().map(|()| lock)) {
            Ok(lock) => lock,
            Err(problem) => {
                for Piled { order, .. } in std::mem::take(&mut self.pile) {
                    self.fail(&order.fingerprint, &problem);
                }
                return;
            }
        };
        let mut groups: BTreeMap<Want, Vec<Piled>> = BTreeMap::new();
        for piled in std::mem::take(&mut self.pile) {
            if let Some((name, task)) = self.tasks.get(&piled.order.fingerprint)
                && let Some(known) = self.known.get_mut(name)
                && (known.intent.tasks[*task].forced || !piled.order.forced)
            {
                known.flights.entry(*task).or_insert(Flight {
                    adopted: true,
                    ..Flight::default()
                });
            } else if let Some(cached) = self.is_there(&piled.order) {
                // Whoever made it has removed its intent since.
                self.published(cached, None, false);
            } else {
                groups.entry(Want::of(&piled.order)).or_default().push(piled);
            }
        }
        for (want, mut group) in groups {
            while !group.is_empty() {
                let rest = group.split_off(group.len().min(self.pace.array.max(1)));
                if self.hold_until.is_some() {
                    self.pile.append(&mut group);
                } else {
                    self.submit_one(&want, group, &lock);
                }
                group = rest;
            }
        }
    }

    fn is_there(&self, order: &Order) -> Option<Arc<Cached>> {
        (!order.forced)
            .then(|| self.found(&order.kind, &order.fingerprint))
            .flatten()
    }

    fn submit_one(&mut self, want: &Want, group: Vec<Piled>, lock: &KeyLock) {
        let intent = Intent {
            pipeline: self.run.pipeline.to_owned(),
            want: want.clone(),
            tasks: group.iter().map(Piled::task).collect(),
            pilots: self.pace.pilots.map(|most| most.clamp(1, group.len())),
        };
        let write = || {
            let name = intents::begin(&self.jobs)?;
            let folder = self.jobs.join(&name);
            for (task, piled) in group.iter().enumerate() {
                intents::keep_order(&folder, task, &piled.order)?;
            }
            intents::keep(&folder, &intent)?;
            Ok((name, folder, lock.also()?))
        };
        let (name, folder, held) = match write() {
            Ok(written) => written,
            Err(error) => {
                let error: std::io::Error = error;
                let problem = format!("{}: {}", self.jobs.display(), crate::error::reason(&error));
                return group
                    .iter()
                    .for_each(|piled| self.fail(&piled.order.fingerprint, &problem));
            }
        };
        let job = match self.scheduler.submit(&intent, &name, &folder, held) {
            Ok(job) => {
                // Without it the job is found by its name.
                let _ = intents::keep_job(&folder, &job);
                Some(job)
            }
            Err(Refused::Unclear(_)) => None,
            Err(Refused::Full(problem)) => {
                let _ = intents::remove(&folder);
                if self.tasks.is_empty() && self.hold_until.is_none() {
                    let first = group.first().map(|piled| piled.order.fingerprint);
                    let text = format!("the batch system has no room now, it is asked again: {problem}");
                    first.iter().for_each(|first| self.note(first, &text));
                }
                self.pile.extend(group);
                self.hold_until = Some(Instant::now() + self.pace.most);
                return;
            }
            Err(Refused::Never(problem)) => {
                let _ = intents::remove(&folder);
                for piled in &group {
                    let error = StageError::with_hint(
                        format!("the batch system refuses its job: {problem}"),
                        "mend the stage's `on`, or the profile",
                    );
                    self.ended_badly(&piled.order.fingerprint, error);
                }
                return;
            }
        };
        let mut known = Known::new(intent, folder, job);
        known.flights = (0..group.len()).map(|task| (task, Flight::default())).collect();
        self.remember(name, known);
    }

    /// Reads the intents that others left, or live ones submitted.
    fn learn(&mut self) -> Result<(), String> {
        let names = intents::names(&self.jobs).map_err(|error| error.to_string())?;
        for name in names {
            if self.known.contains_key(&name) {
                continue;
            }
            let folder = self.jobs.join(&name);
            match intents::read(&folder) {
                Some(intent) => {
                    let job = intents::job(&folder);
                    self.remember(name, Known::new(intent, folder, job));
                }
                // Whoever wrote it is dead, for we have the lock: nothing was submitted.
                None => drop(intents::remove(&folder)),
            }
        }
        Ok(())
    }

    fn remember(&mut self, name: String, known: Known) {
        for (number, task) in known.intent.tasks.iter().enumerate() {
            // Names are in the order of time; what a stage of ours waits for already stays.
            let place = self.tasks.entry(task.fingerprint);
            place
                .and_modify(|place| {
                    if place.0 < name {
                        *place = (name.clone(), number);
                    }
                })
                .or_insert_with(|| (name.clone(), number));
        }
        self.known.insert(name, known);
    }

    /// Asks how the jobs stand; whether something changed.
    fn look(&mut self) -> bool {
        if self.known.values().all(|known| known.flights.is_empty()) {
            return false;
        }
        let states = match self.scheduler.states() {
            Ok(states) => states,
            Err(problem) => {
                // The jobs go on, whoever is asked.
                if !std::mem::replace(&mut self.silent, true)
                    && let Some(first) = self.waiting.keys().next().copied()
                {
                    let text = format!("the batch system does not answer, it is asked again: {problem}");
                    self.note(&first, &text);
                }
                return false;
            }
        };
        self.silent = false;
        let names: Vec<String> = self.known.keys().cloned().collect();
        let mut changed = false;
        for name in names {
            changed |= self.look_at(&name, &states);
        }
        changed
    }

    /// The jobs go on; whoever runs the pipeline next takes them up.
    fn leave(self) {
        self.all_cancelled();
    }

    /// Ends all jobs that stages of this run wait for.
    fn end(self) {
        let known = self.known.values().filter(|known| !known.flights.is_empty());
        let jobs: Vec<String> = known.filter_map(|known| known.job.clone()).collect();
        if !jobs.is_empty() {
            let _ = self.scheduler.cancel(&jobs);
        }
        self.all_cancelled();
    }

    fn all_cancelled(&self) {
        for id in self.waiting.values().flatten() {
            (self.say)(*id, Word::Ended(Err(StageError::Cancelled)));
        }
    }

    fn is_stopped(&self) -> bool {
        let now = std::fs::read(intents::stop_path(self.run.store, self.run.pipeline)).ok();
        now.is_some() && now != self.stop
    }

    /// Removes intents of this pipeline that nobody waits for and whose jobs are gone.
    fn tidy(self) {
        let own = |known: &&Known| known.intent.pipeline == self.run.pipeline;
        let rest: Vec<&Known> = self.known.values().filter(own).collect();
        if rest.is_empty() {
            return;
        }
        let Ok(states) = self.scheduler.states() else { return };
        for known in rest {
            if !known.is_active(&states) {
                let _ = intents::remove(&known.folder);
            }
        }
    }

    pub fn note(&self, fingerprint: &Hash256, text: &str) {
        if let Some(id) = self.waiting.get(fingerprint).and_then(|ids| ids.first()) {
            let text = text.to_owned();
            (self.say)(*id, Word::Told(Told::Note { text }));
        }
    }

    fn fail(&mut self, fingerprint: &Hash256, problem: &str) {
        self.ended_badly(fingerprint, StageError::failed(problem));
    }
}

impl Piled {
    fn task(&self) -> Task {
        let order = &self.order;
        Task {
            label: order.label.clone(),
            kind: order.kind.clone(),
            fingerprint: order.fingerprint,
            forced: order.forced,
            lost: self.lost,
        }
    }
}

impl Known {
    fn new(intent: Intent, folder: PathBuf, job: Option<String>) -> Self {
        Self {
            intent,
            folder,
            job,
            flights: BTreeMap::new(),
            done: 0,
        }
    }

    /// Whether its system still has something to do for it.
    pub fn is_active(&self, states: &States) -> bool {
        let name = self
            .folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some(job) = self.job.as_ref().or_else(|| states.names.get(name)) else {
            return false;
        };
        let state = |task: usize| states.tasks.get(&format!("{job}_{task}"));
        (0..self.intent.jobs()).any(|task| state(task).is_some_and(|state| state.is_active()))
    }
}
