//! `actionfinder run`

use std::path::Path;
use std::time::Instant;

use runner::context::Cancel;
use runner::event::{Event, Sink};
use runner::execute::{Budget, By, Run, RunSummary, execute};
use runner::journal::Journal;
use runner::live::Live;
use runner::plan::Entry;
use runner::seal::Answer;
use runner::store::{SharedLock, Store};
use runner::worker::Processes;

use super::answers::{Ran, Status};
use super::common::{Given, Loaded, Work};
use super::failure::{Failure, Finished, with_hint};
use super::looks::Looks;
use super::on::{self, On, Place};
use super::record::Recorded;
use super::stopping::Stopping;
use crate::console::{Log, alert, answer, count, manners, print, say, sink};
use crate::report::{self, Detail, summary};

/// Run what is stale.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    work: Work,
    /// Only show what would run
    #[arg(long)]
    dry_run: bool,
    /// Stop at the first stage that fails; trainings at work save a checkpoint
    #[arg(long)]
    fail_fast: bool,
    /// CPU threads for all stages together [default: all]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Run again whenever the pipeline, a file that it uses, or one that a stage reads changes, until Ctrl-C
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    #[command(flatten)]
    on: On,
    /// How to show progress
    #[arg(long, value_enum, default_value = "auto")]
    log: Log,
}

/// The most threads that may be asked for: each stage starts its share of them, and a thousand take two seconds.
const MOST_THREADS: usize = 512;

/// A number of threads, as it is given.
pub fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(threads),
        _ => Err(format!("want a whole number from 1 to {MOST_THREADS}")),
    }
}

impl Args {
    /// Those of another command that runs a pipeline.
    pub fn of(work: Work, threads: Option<usize>, log: Log) -> Self {
        Self {
            work,
            dry_run: false,
            fail_fast: false,
            watch: false,
            threads,
            on: On::default(),
            log,
        }
    }
}

/// Runs the pipeline, once or whenever it changes.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let mut stopping = Stopping::default();
    if args.watch {
        again_and_again(&args, &mut stopping)
    } else {
        once(&args, &mut stopping)
    }
}

/// Runs it whenever something has changed, until it is interrupted. What is wrong with it is for the user to mend.
fn again_and_again(args: &Args, stopping: &mut Stopping) -> Result<Finished, Failure> {
    loop {
        // What changes while it runs has changed.
        let before = Looks::at(args.work.files());
        match once(args, stopping) {
            Ok(Finished::Interrupted) if stopping.is_asked() => return Ok(Finished::Interrupted),
            Ok(_) => {}
            Err(failure) => say(&failure.to_string()),
        }
        stopping.listen(Place::Here.when_stopping())?;
        let files = before.files().count();
        say(&format!("looking at {}; Ctrl-C ends it", count(files, "file")));
        match before.wait_for_change(|| stopping.is_asked()) {
            Some(changed) => say(&format!("{} changed", changed.display())),
            None => return Ok(Finished::Interrupted),
        }
    }
}

/// Runs the pipeline, writes the report, prints the results.
fn once(args: &Args, stopping: &mut Stopping) -> Result<Finished, Failure> {
    let file = args.work.read()?;
    let place = args.on.place()?;
    if args.on.detaches() {
        let loaded = args.work.load(&file)?;
        return on::detach(&loaded, &file);
    }
    // JSON lines name every stage, a seal does not.
    if let Some(answer) = args
        .work
        .sealed(&file)
        .filter(|_| args.log != Log::Json && !manners().json && place == Place::Here)
        && let Some(finished) = repeat(args, &answer)
    {
        return Ok(finished);
    }
    if args.dry_run {
        let loaded = args.work.load(&file)?;
        super::plan::tell(&loaded);
        return Ok(Finished::Well);
    }
    let mut loaded = args.work.load_to_run(&file, place.gpus())?;
    stopping.listen(place.when_stopping())?;
    let cancel = stopping.fresh();
    let hold = hold(&mut loaded)?;
    let asked = args.work.asked(&file, &loaded.graph);
    let journal = Journal::new(&loaded.store.pipeline_folder(&loaded.graph.pipeline));
    let mut record = Recorded::begin(&loaded, &file, asked, journal.run());
    let (loaded, done) = rounds((args, &place), loaded, journal, &cancel)?;
    let recorded = record.end(&loaded, &done, args.work.asked(&file, &loaded.graph));
    for warning in &done.warnings {
        alert(&format!("warning: {warning}"));
    }
    let part = record.part();
    let folder = loaded.store.report_folder(&loaded.graph.pipeline, part.as_deref());
    let (data, written) = report_of(&loaded, &done, &args.work.given(), &folder)?;
    let results = results(&data);
    for warning in written.iter().flat_map(|written| &written.warnings) {
        alert(&format!("warning: {warning}"));
    }
    let html = written.as_ref().ok().map(|written| written.html.as_path());
    if manners().json {
        let ran = || {
            Ok(Ran {
                status: Status::of(&loaded.data_in(Detail::Rows)?),
                report: html.map(|html| html.display().to_string()),
            })
        };
        let ran: Ran = ran()?;
        answer(|| ran, String::new);
    } else if args.log != Log::Json {
        show(&results, html);
    }
    let stopped = args.fail_fast && !done.failures.is_empty();
    let left = place.when_left();
    if done.interrupted && !stopped {
        for failure in [recorded.err(), written.err()].into_iter().flatten() {
            alert(&failure.to_string());
        }
        alert(&format!("interrupted; finished stages are kept, {left}"));
        return Ok(Finished::Interrupted);
    }
    if done.interrupted {
        alert("stopped at the first failure; finished stages are kept, and trainings go on from their last checkpoint");
    }
    recorded?;
    written?;
    let verdict = verdict(&done);
    // A seal speaks of the GPUs of this machine.
    if place == Place::Here {
        args.work
            .seal(&file, &loaded, &done.plan, results, !done.outside_tolerance.is_empty());
    }
    drop(hold);
    // The program ends here; taking thousands of stages apart would only take time.
    if !args.watch {
        std::mem::forget((loaded, done));
    }
    Ok(verdict)
}

/// Keeps `gc` away until the end. Before the first run of a results folder there was nothing to hold, or to remove.
fn hold(loaded: &mut Loaded) -> Result<Option<SharedLock>, Failure> {
    let hold = loaded.hold.take();
    let plan = &loaded.plan;
    if plan.is_fresh() && plan.away() == 0 {
        return Ok(hold);
    }
    // Said once, and not by every stage.
    if let Err(error) = loaded.store.can_write() {
        let folder = loaded.store.results().display();
        let elsewhere = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                format!(
                    "\n  help: let --results name a folder of your own; --cache file://{folder} reads what is in this one"
                )
            }
            _ => String::new(),
        };
        return Err(Failure::Work(with_hint("the results folder", &error) + &elsewhere));
    }
    match hold {
        Some(hold) => Ok(Some(hold)),
        None => loaded
            .store
            .hold()
            .map_err(|error| Failure::Work(with_hint("the results folder", &error))),
    }
}

/// The results, and the report; where nothing has changed since the report was made, it stays.
fn report_of(
    loaded: &Loaded,
    done: &RunSummary,
    given: &Given,
    folder: &Path,
) -> Result<(report::Data, Result<report::Written, Failure>), Failure> {
    let Loaded { graph, store, .. } = loaded;
    // The plan that execution leaves covers only the stages that were asked for.
    let whole = !done.plan.entries.contains(&Entry::Unselected);
    let planned = if whole { None } else { Some(loaded.whole_plan()?) };
    let plan = planned.as_ref().unwrap_or(&done.plan);
    let sources = report::sources(graph, plan, store.program());
    let unchanged = done.ran == 0 && done.failures.is_empty() && !done.interrupted;
    let before = || report::made_before(folder, &sources, &graph.pipeline, store);
    if let Some(written) = unchanged.then(before).flatten() {
        return Ok((report::collect(graph, store, plan, Detail::Results), Ok(written)));
    }
    let data = report::collect(graph, store, plan, Detail::Whole);
    let written = report::write(&data, given, &sources, folder, store);
    let failed = |error| Failure::Work(with_hint("the report", &error));
    Ok((data, written.map_err(failed)))
}

/// Runs all that is known; of a search then what is known by that, until there is nothing new.
fn rounds(
    asked: (&Args, &Place),
    loaded: Loaded,
    journal: Journal,
    cancel: &Cancel,
) -> Result<(Loaded, RunSummary), Failure> {
    let args = asked.0;
    let live = Live::new(&loaded.store.pipeline_folder(&loaded.graph.pipeline), journal.run());
    let mut sinks: Vec<Box<dyn Sink>> = vec![sink(args.log), Box::new(journal), Box::new(live)];
    let mut done = go(asked, &loaded, &mut sinks, cancel)?;
    let (mut loaded, mut more) = if done.interrupted {
        (loaded, false)
    } else {
        loaded.go_on()?
    };
    while more {
        let searched = loaded.graph.search.as_ref().map(|searched| searched.known.trials.len());
        if args.log != Log::Json {
            let (known, all) = (
                searched.unwrap_or(0),
                loaded.graph.search.as_ref().map_or(0, |own| own.search.trials),
            );
            say(&format!("search: {known} of {all} trials are known"));
        }
        sinks[0] = sink(args.log);
        let next = go(asked, &loaded, &mut sinks, cancel)?;
        let before = std::mem::replace(&mut done, next);
        done.ran += before.ran;
        done.skipped += before.skipped;
        done.failures.splice(0..0, before.failures);
        done.warnings.splice(0..0, before.warnings);
        done.seconds += before.seconds;
        if done.interrupted {
            break;
        }
        (loaded, more) = loaded.go_on()?;
    }
    Ok((loaded, done))
}

fn go(
    (args, place): (&Args, &Place),
    loaded: &Loaded,
    sinks: &mut [Box<dyn Sink>],
    cancel: &Cancel,
) -> Result<RunSummary, Failure> {
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    let budget = Budget {
        cpu_threads: threads.unwrap_or(1),
        gpus: loaded.gpus.clone(),
    };
    let run = |by| Run {
        graph: &loaded.graph,
        plan: &loaded.plan,
        store: &loaded.store,
        budget: &budget,
        cancel,
        fail_fast: args.fail_fast,
        pauses: &loaded.pruning.pauses,
        by,
    };
    match place {
        Place::Here => {
            let processes = Processes::new(on::worker()?, budget.cpu_threads);
            Ok(execute(run(By::Executor(&processes)), sinks))
        }
        Place::Slurm(profile, each) => {
            let slurm = on::slurm(profile)?;
            let jobs = on::jobs(&slurm, *each);
            Ok(execute(run(By::Batch(&jobs)), sinks))
        }
    }
}

/// Says again what was sealed, if the run still has its record.
fn repeat(args: &Args, answer: &Answer) -> Option<Finished> {
    if args.dry_run {
        print(&answer.plan);
        return Some(Finished::Well);
    }
    let begun = Instant::now();
    let store = Store::at(&args.work.results_folder());
    let asked = &answer.asked;
    if !store.touch_run(asked) {
        return None;
    }
    let mut sinks: [Box<dyn Sink>; 2] = [
        sink(args.log),
        Box::new(Journal::new(&store.pipeline_folder(&asked.pipeline))),
    ];
    let started = Event::RunStarted {
        pipeline: asked.pipeline.clone(),
        stages: answer.fresh + answer.skipped,
        stale: 0,
        behind: 0,
        results: store.results().display().to_string(),
    };
    let finished = Event::RunFinished {
        ran: 0,
        fresh: answer.fresh,
        failed: 0,
        skipped: answer.skipped,
        seconds: begun.elapsed().as_secs_f64(),
    };
    for event in [started, finished] {
        sinks.iter_mut().for_each(|sink| sink.take(&event));
    }
    let folder = store.report_folder(&asked.pipeline, asked.part().as_deref());
    show(&answer.results, Some(&report::page(&folder)));
    Some(if answer.outside_tolerance {
        Finished::OutsideTolerance
    } else {
        Finished::Well
    })
}

/// The results and the findings.
fn results(data: &report::Data) -> String {
    let mut text = summary::table(data);
    for line in summary::unevenness(data).into_iter().chain(summary::findings(data)) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// The results, and where the report is.
fn show(results: &str, html: Option<&Path>) {
    let mut text = results.to_owned();
    if let Some(html) = html {
        text.push_str(&format!("report: {}\n", html.display()));
    }
    print(&text);
}

fn verdict(done: &RunSummary) -> Finished {
    if done.failures.iter().any(|failure| failure.bug) {
        Finished::Code(super::failure::BUG)
    } else if !done.failures.is_empty() {
        Finished::StageFailed
    } else if !done.outside_tolerance.is_empty() {
        Finished::OutsideTolerance
    } else {
        Finished::Well
    }
}
