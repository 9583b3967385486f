//! What became of the tasks of an intent.

use std::collections::HashSet;
use std::sync::Arc;

use super::follow::{Flight, Follower, Piled};
use super::intents::{self, TaskEnd};
use super::states::{MOST_LOST, Rule};
use super::{State, States, Word};
use crate::error::{Death, StageError};
use crate::event::Told;
use crate::order::Done;
use crate::store::{Cached, Hash256, Lookup, Manifest};
use crate::worker::WireError;

/// Why a task is submitted anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It was lost for no fault of its own.
    Lost,
    /// It died, and has a retry left.
    Died,
    /// It has more to do, and nothing is held against it.
    GoesOn,
}

/// So often a task has to be found gone, without anything to show for it, before that is believed: on a network file system what it
/// wrote is seen a moment later.
const LOOKS: u32 = 2;

impl Follower<'_> {
    /// Looks at the tasks of an intent that stages wait for; whether something changed.
    pub(super) fn look_at(&mut self, name: &str, states: &States) -> bool {
        let Some(known) = self.known.get_mut(name).filter(|known| !known.flights.is_empty()) else {
            return false;
        };
        if known.job.is_none() {
            // Its number was lost with the answer, or with whoever asked.
            known.job = states.names.get(name).cloned();
            if let Some(job) = &known.job {
                let _ = intents::keep_job(&known.folder, job);
            }
        }
        if known.intent.pilots.is_some() {
            return self.look_at_shared(name, states);
        }
        let job = known.job.clone();
        let tasks: Vec<usize> = known.flights.keys().copied().collect();
        let mut changed = false;
        for task in tasks {
            let state = job
                .as_ref()
                .and_then(|job| states.tasks.get(&format!("{job}_{task}")).copied());
            changed |= match state {
                Some(state) if state.is_active() => self.goes_on(name, task, state),
                ended => self.is_gone(name, task, ended),
            };
        }
        changed
    }

    /// The same where jobs share the tasks: how a task stands it says itself, as long as one of them is there.
    fn look_at_shared(&mut self, name: &str, states: &States) -> bool {
        let Some(known) = self.known.get_mut(name) else {
            return false;
        };
        let is_active = known.is_active(states);
        let job = known.job.clone().unwrap_or_default();
        let state = states.tasks.get(&format!("{job}_0")).copied();
        let folder = known.folder.clone();
        let flights = known.flights.iter_mut();
        let looks = flights.map(|(task, flight)| {
            flight.seen |= is_active;
            *task
        });
        let tasks: Vec<usize> = looks.collect();
        let said: HashSet<usize> = intents::ended(&folder);
        let mut changed = false;
        for task in tasks {
            if said.contains(&task) {
                changed |= self.is_gone(name, task, None);
            } else if !is_active {
                changed |= self.is_gone(name, task, state);
            }
        }
        changed
    }

    fn goes_on(&mut self, name: &str, task: usize, state: State) -> bool {
        let Some(known) = self.known.get_mut(name) else {
            return false;
        };
        let Some(flight) = known.flights.get_mut(&task) else {
            return false;
        };
        (flight.gone, flight.seen) = (0, true);
        let began = state == State::Running && !std::mem::replace(&mut flight.began, true);
        let held = state == State::Held && !std::mem::replace(&mut flight.held, true);
        let fingerprint = known.intent.tasks[task].fingerprint;
        if began {
            self.begins(&fingerprint);
        }
        if held {
            self.note(
                &fingerprint,
                "its job is held: someone has to release it, or to cancel it",
            );
        }
        began
    }

    fn begins(&self, fingerprint: &Hash256) {
        for id in self.waiting.get(fingerprint).into_iter().flatten() {
            (self.say)(*id, Word::Begins);
        }
    }

    /// Its system is done with a task: what came of it. First what is in the store counts, then what the task says, and only then
    /// what its system says.
    fn is_gone(&mut self, name: &str, number: usize, state: Option<State>) -> bool {
        let Some(known) = self.known.get(name) else {
            return false;
        };
        let (folder, task) = (known.folder.clone(), known.intent.tasks[number].clone());
        let word = intents::end(&folder, number);
        let may_be_there = !task.forced || matches!(word, Some(TaskEnd::Published));
        if may_be_there && let Some(cached) = self.found(&task.kind, &task.fingerprint) {
            let began = self.settle(name, number);
            let news = match word {
                Some(TaskEnd::Found) => None,
                _ => self.run.store.manifest(&task.kind, &task.fingerprint),
            };
            self.published(cached, news.as_ref(), began);
            return true;
        }
        match word {
            Some(TaskEnd::Paused { at, loss }) => {
                self.settle(name, number);
                for id in self.waiting.remove(&task.fingerprint).unwrap_or_default() {
                    (self.say)(id, Word::Ended(Ok(Done::Paused { at, loss })));
                }
            }
            Some(TaskEnd::Damaged(ports)) => {
                self.settle(name, number);
                for id in self.waiting.remove(&task.fingerprint).unwrap_or_default() {
                    (self.say)(id, Word::Ended(Ok(Done::Damaged(ports.clone()))));
                }
            }
            Some(TaskEnd::Failed(error)) => {
                self.settle(name, number);
                self.ended_badly(&task.fingerprint, error.into());
            }
            Some(TaskEnd::Saved) => {
                let why = "its time was over; it goes on from its checkpoint";
                self.again(name, number, why, Again::GoesOn);
            }
            // What it published is not to be seen, or it said nothing.
            Some(TaskEnd::Published | TaskEnd::Found) | None => {
                let Some(known) = self.known.get_mut(name) else {
                    return false;
                };
                let Some(flight) = known.flights.get_mut(&number) else {
                    return false;
                };
                flight.gone += 1;
                if flight.gone < LOOKS {
                    return true;
                }
                self.without_a_word(name, number, state);
            }
        }
        true
    }

    fn without_a_word(&mut self, name: &str, number: usize, state: Option<State>) {
        let Some(known) = self.known.get(name) else { return };
        let (folder, task) = (known.folder.clone(), known.intent.tasks[number].clone());
        let missed = |flight: &Flight| flight.adopted && !flight.seen;
        if known.flights.get(&number).is_some_and(missed) {
            let why = "its job ended while nobody looked: it is submitted again";
            return self.again(name, number, why, Again::GoesOn);
        }
        let said = match intents::last_lines(&folder, number) {
            said if said.is_empty() => said,
            said => format!("; it last said:\n{said}"),
        };
        let died = |why: Death, message: String| StageError::Died {
            why,
            message,
            hint: None,
        };
        // Where jobs share tasks, how one of them ended says nothing of a task that none had begun.
        let shared = known.intent.pilots.is_some() && state != Some(State::Cancelled);
        match State::rule(state.filter(|_| !shared)) {
            Rule::Lost(why) if task.lost < MOST_LOST => {
                self.again(name, number, &format!("{why}: it is submitted again"), Again::Lost);
            }
            Rule::Lost(why) => {
                let message = format!(
                    "{} was lost {} times, the last time because {why}{said}",
                    task.kind,
                    task.lost + 1
                );
                self.settle(name, number);
                self.ended_badly(&task.fingerprint, died(Death::Crash, message));
            }
            Rule::Died(why) => match intents::order(&folder, number) {
                Ok(order) if order.retries > 0 => {
                    let text = format!("its job {}: retry, with {} left", why.words(), order.retries - 1);
                    self.again(name, number, &text, Again::Died);
                }
                _ => {
                    let message = format!("the job of {} {}{said}", task.kind, why.words());
                    self.settle(name, number);
                    self.ended_badly(&task.fingerprint, died(why, message));
                }
            },
            Rule::Ended => {
                self.settle(name, number);
                let error = StageError::with_hint("someone cancelled its job", "run again to have it made");
                self.ended_badly(&task.fingerprint, error);
            }
        }
    }

    /// Submits a task anew.
    fn again(&mut self, name: &str, number: usize, why: &str, how: Again) {
        let Some(known) = self.known.get(name) else { return };
        let (folder, task) = (known.folder.clone(), known.intent.tasks[number].clone());
        let order = intents::order(&folder, number);
        self.settle(name, number);
        match order {
            Ok(mut order) => {
                self.note(&task.fingerprint, why);
                if how == Again::Died {
                    order.retries = order.retries.saturating_sub(1);
                }
                let lost = task.lost + u32::from(how == Again::Lost);
                self.pile.push(Piled { order, lost });
            }
            Err(error) => self.ended_badly(&task.fingerprint, StageError::io(folder, error)),
        }
    }

    /// A task that is done with; its intent goes with the last one. Gives whether it was said that it runs.
    fn settle(&mut self, name: &str, number: usize) -> bool {
        let Some(known) = self.known.get_mut(name) else {
            return false;
        };
        let began = known.flights.remove(&number).is_some_and(|flight| flight.began);
        known.done += 1;
        let fingerprint = known.intent.tasks[number].fingerprint;
        if self.tasks.get(&fingerprint).is_some_and(|(at, _)| at == name) {
            self.tasks.remove(&fingerprint);
        }
        if known.done == known.intent.tasks.len() {
            let _ = intents::remove(&known.folder);
            self.known.remove(name);
        }
        began
    }

    pub(super) fn found(&self, kind: &str, fingerprint: &Hash256) -> Option<Arc<Cached>> {
        self.run.store.look_anew(kind);
        match self.run.store.lookup(kind, fingerprint) {
            Lookup::Found(cached) => Some(cached),
            Lookup::Absent | Lookup::Damaged(_) => None,
        }
    }

    /// Says what the manifest says, as if the body had told it here.
    pub(super) fn published(&mut self, cached: Arc<Cached>, news: Option<&Manifest>, began: bool) {
        let ids = self.waiting.remove(&cached.fingerprint).unwrap_or_default();
        for (place, id) in ids.into_iter().enumerate() {
            let done = match news {
                Some(manifest) if place == 0 => {
                    if !began {
                        (self.say)(id, Word::Begins);
                    }
                    let metrics = manifest.metrics.iter().cloned();
                    let metrics = metrics.map(|metric| Told::Metric {
                        name: metric.name,
                        value: metric.value,
                        unit: metric.unit,
                    });
                    let notes = manifest.notes.iter().cloned().map(|text| Told::Note { text });
                    let findings = manifest.findings.iter().cloned().map(|text| Told::Finding { text });
                    let outside = manifest.outside_tolerance.iter().cloned();
                    let outside = outside.map(|text| Told::OutsideTolerance { text });
                    for told in metrics.chain(notes).chain(findings).chain(outside) {
                        (self.say)(id, Word::Told(told));
                    }
                    let cached = Cached::clone(&cached);
                    Done::Published {
                        cached,
                        seconds: manifest.seconds,
                    }
                }
                _ => Done::Found(cached.clone()),
            };
            (self.say)(id, Word::Ended(Ok(done)));
        }
    }

    /// Says to all that wait for a fingerprint that there will be nothing.
    pub(super) fn ended_badly(&mut self, fingerprint: &Hash256, error: StageError) {
        let error = WireError::from(error);
        for id in self.waiting.remove(fingerprint).unwrap_or_default() {
            (self.say)(id, Word::Ended(Err(error.clone().into())));
        }
    }
}
