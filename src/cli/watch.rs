//! `actionfinder watch`

use std::collections::HashMap;
use std::time::{Duration, Instant};

use runner::event::{Event, Told};
use runner::live::Follower;
use runner::search::order;
use serde_json::{Map, Value, json};

use super::common::{self, Loaded, Pipeline};
use super::failure::{Failure, Finished};
use super::sweep;
use crate::console::{Log, count, print, say, sink};

/// Between two looks at a run.
const PAUSE: Duration = Duration::from_millis(300);

/// Between two looks at the trials of a search, at least; and ten times as long as one takes.
const TRIALS_PAUSE: Duration = Duration::from_secs(2);

/// So many trials are shown.
const TRIALS: usize = 5;

/// Look on at a run that goes on, from any terminal: its stages as `run` shows them, and the best trials of a search. It ends with the run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
    /// Everything that it tells, as JSON lines from its beginning
    #[arg(long)]
    json: bool,
}

/// Follows the run to its end.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let path = &args.pipeline.pipeline;
    let name = common::name(path)?;
    let store = args.pipeline.results.store_of(path);
    let Some(mut follower) = Follower::attach(&store.pipeline_folder(&name)) else {
        say(&format!("no run of {name} is at work in {}", store.results().display()));
        return Ok(Finished::Well);
    };
    let mut sink = sink(if args.json { Log::Json } else { Log::Auto });
    let mut trials = Trials::new(&args);
    let mut ending = Ending::default();
    let mut is_first = true;
    loop {
        let goes_on = follower.goes_on();
        let mut news = follower.news().map_err(Failure::work)?;
        news.iter().for_each(|event| ending.take(event));
        if std::mem::replace(&mut is_first, false) && !args.json {
            news = caught_up(news);
        }
        news.iter().for_each(|event| sink.take(event));
        trials.show(!goes_on);
        if !goes_on {
            return Ok(ending.finished());
        }
        std::thread::sleep(PAUSE);
    }
}

/// How the run ends.
#[derive(Default)]
struct Ending {
    failed: bool,
    outside_tolerance: bool,
    finished: bool,
}

impl Ending {
    fn take(&mut self, event: &Event) {
        self.finished = matches!(event, Event::RunFinished { .. });
        self.failed |= matches!(event, Event::StageFailed { .. });
        self.outside_tolerance |= matches!(
            event,
            Event::Stage {
                told: Told::OutsideTolerance { .. },
                ..
            }
        );
    }

    fn finished(&self) -> Finished {
        if !self.finished {
            say("the run was killed");
            Finished::Interrupted
        } else if self.failed {
            Finished::StageFailed
        } else if self.outside_tolerance {
            Finished::OutsideTolerance
        } else {
            Finished::Well
        }
    }
}

/// What of a run's past is shown: that it began, what failed, and the stages that are at work.
fn caught_up(past: Vec<Event>) -> Vec<Event> {
    let began = past.iter().rposition(|event| matches!(event, Event::RunStarted { .. }));
    let mut at_work: HashMap<String, bool> = HashMap::new();
    let mut done = 0;
    for event in &past[began.unwrap_or(0)..] {
        match event {
            Event::StageStarted { stage, .. } => drop(at_work.insert(stage.clone(), true)),
            Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StagePaused { stage, .. } => {
                at_work.insert(stage.clone(), false);
                done += 1;
            }
            Event::StageSkipped { .. } => done += 1,
            _ => {}
        }
    }
    if done > 0 {
        say(&format!("{} done until now", count(done, "stage")));
    }
    let mut left = done;
    let mut shown = Vec::new();
    for event in past.into_iter().skip(began.unwrap_or(0)) {
        match event {
            Event::RunStarted {
                pipeline,
                stages,
                mut stale,
                mut behind,
                results,
            } => {
                let of_stale = left.min(stale);
                (stale, left) = (stale - of_stale, left - of_stale);
                behind = behind.saturating_sub(left);
                shown.push(Event::RunStarted {
                    pipeline,
                    stages,
                    stale,
                    behind,
                    results,
                });
            }
            Event::StageFailed { .. } | Event::RunFinished { .. } => shown.push(event),
            Event::StageStarted { ref stage, .. } | Event::Stage { ref stage, .. }
                if at_work.get(stage) == Some(&true) =>
            {
                shown.push(event);
            }
            _ => {}
        }
    }
    shown
}

/// The trials of a search, shown when others are the best.
struct Trials<'a> {
    args: &'a Args,
    loaded: Option<Loaded>,
    shown: String,
    next: Instant,
}

impl<'a> Trials<'a> {
    fn new(args: &'a Args) -> Self {
        // A pipeline that was changed since the run began may not be read any more: its stages are shown nevertheless.
        let loaded = args.pipeline.load().ok().filter(|loaded| loaded.graph.search.is_some());
        Self {
            args,
            loaded,
            shown: String::new(),
            next: Instant::now(),
        }
    }

    fn show(&mut self, at_once: bool) {
        let begun = Instant::now();
        if !at_once && begun < self.next {
            return;
        }
        let again = |loaded: Loaded| loaded.again().ok().map(|(loaded, _)| loaded);
        self.loaded = self.loaded.take().and_then(again);
        let Some(loaded) = &self.loaded else { return };
        let text = if self.args.json {
            as_json(loaded)
        } else {
            in_words(loaded)
        };
        if let Some(text) = text.filter(|text| *text != self.shown) {
            if self.args.json {
                print(&text)
            } else {
                say(&text)
            }
            self.shown = text;
        }
        self.next = Instant::now() + TRIALS_PAUSE.max(10 * begun.elapsed());
    }
}

fn in_words(loaded: &Loaded) -> Option<String> {
    let searched = loaded.graph.search.as_ref()?;
    let data = loaded.data().ok()?;
    let found = loaded.outcomes(&data, searched).ok()?;
    let all = 0..searched.known.trials.len();
    let done = all.filter(|&n| searched.known.outcome(n, &found).is_some()).count();
    let (best, _) = sweep::trials(loaded, &data, searched, TRIALS.min(done)).ok()?;
    let head = format!("{done} of {} done, best first:", count(searched.search.trials, "trial"));
    (done > 0).then(|| format!("{head}\n{best}"))
}

/// All trials that are done, best first, as an event of its own.
fn as_json(loaded: &Loaded) -> Option<String> {
    let searched = loaded.graph.search.as_ref()?;
    let search = &searched.search;
    let found = loaded.outcomes(&loaded.data().ok()?, searched).ok()?;
    let trials = searched.known.trials.iter().enumerate();
    let (done, results): (Vec<_>, Vec<_>) = trials
        .filter_map(|(number, trial)| Some(((number, trial), searched.known.outcome(number, &found)?)))
        .unzip();
    let row = |n: usize| {
        let (number, trial) = done[n];
        let set = search.axes.iter().zip(trial);
        let set: Map<String, Value> = set
            .filter_map(|(axis, value)| Some((axis.name.clone(), value.clone()?)))
            .collect();
        let values = results[n].objectives.iter().flatten();
        let values = search
            .objectives
            .iter()
            .map(|objective| objective.of.clone())
            .zip(values.map(|value| json!(value)));
        json!({
            "trial": number + 1,
            "parameters": set,
            "objectives": values.collect::<Map<String, Value>>(),
            "violation": results[n].violation,
            "given_up": results[n].pruned.is_some(),
        })
    };
    let rows: Vec<Value> = order(search, &results).into_iter().map(row).collect();
    (!rows.is_empty()).then(|| json!({ "event": "trials", "of": search.trials, "trials": rows }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_past_only_what_still_matters_is_shown() {
        let started = |stale, behind| Event::RunStarted {
            pipeline: "p".into(),
            stages: 9,
            stale,
            behind,
            results: String::new(),
        };
        let begins = |stage: &str| Event::StageStarted {
            stage: stage.into(),
            kind: "k".into(),
            reason: String::new(),
            device: "cpu".into(),
        };
        let ends = |stage: &str| Event::StageFinished {
            stage: stage.into(),
            seconds: 1.0,
            finding: None,
        };
        let fails = Event::StageFailed {
            stage: "c".into(),
            message: "m".into(),
            hint: None,
        };
        let past = vec![
            started(1, 0),
            begins("z"),
            ends("z"),
            started(2, 3),
            begins("a"),
            begins("b"),
            ends("a"),
            begins("c"),
            fails.clone(),
            begins("d"),
            ends("d"),
        ];
        assert_eq!(caught_up(past), [started(0, 2), begins("b"), fails]);
        assert_eq!(caught_up(Vec::new()), []);
    }
}
