//! `actionfinder run`

use std::path::Path;
use std::time::Instant;

use runner::context::Cancel;
use runner::event::Event;
use runner::execute::{Budget, RunSummary, execute};
use runner::journal::Journal;
use runner::plan::Entry;
use runner::seal::Answer;
use runner::stage::Place;
use runner::worker::WorkerCommand;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::common::{Loaded, Work};
use super::failure::{Failure, Finished};
use crate::console::{Log, print, say, sink};
use crate::report::{self, Detail, summary};

/// Run what is stale.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    work: Work,
    /// Only show what would run
    #[arg(long)]
    dry_run: bool,
    /// CPU threads for all stages together [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// How to show progress
    #[arg(long, value_enum, default_value = "auto")]
    log: Log,
}

/// Runs the pipeline, writes the report, prints the results.
pub fn run(args: Args) -> Result<Finished, Failure> {
    // JSON lines name every stage, a seal does not.
    if let Some(answer) = args.work.sealed().filter(|_| args.log != Log::Json) {
        return Ok(repeat(&args, &answer));
    }
    let loaded = args.work.load()?;
    if args.dry_run {
        print(&super::plan::describe(&loaded.graph, &loaded.plan));
        return Ok(Finished::Well);
    }
    let cancel = Cancel::default();
    watch_signals(cancel.clone())?;
    let done = go(&args, &loaded, &cancel)?;
    for warning in &done.warnings {
        say(&format!("warning: {warning}"));
    }
    let folder = loaded.store.pipeline_folder(&loaded.graph.pipeline);
    let (data, written) = report_of(&loaded, &done, &folder)?;
    let results = results(&data);
    if args.log != Log::Json {
        show(&results, written.as_ref().ok().map(|written| written.html.as_path()));
    }
    if done.interrupted {
        say("interrupted; finished stages are kept, and trainings go on from their last checkpoint");
        return Ok(Finished::Interrupted);
    }
    written?;
    let verdict = verdict(&done);
    args.work
        .seal(&loaded, &done.plan, results, !done.outside_tolerance.is_empty());
    // The program ends here; taking thousands of stages apart would only take time.
    std::mem::forget((loaded, done));
    Ok(verdict)
}

/// The results, and the report; where nothing has changed since the report was made, it stays.
fn report_of(
    loaded: &Loaded,
    done: &RunSummary,
    folder: &Path,
) -> Result<(report::Data, Result<report::Written, Failure>), Failure> {
    // The plan that execution leaves covers only the stages that were asked for.
    let whole = !done.plan.entries.contains(&Entry::Unselected);
    let planned = if whole { None } else { Some(loaded.whole_plan()?) };
    let plan = planned.as_ref().unwrap_or(&done.plan);
    let sources = report::sources(&loaded.graph, plan);
    let unchanged = done.ran == 0 && done.failures.is_empty() && !done.interrupted;
    if let Some(written) = report::made_before(folder, &sources).filter(|_| unchanged) {
        let data = report::collect(&loaded.graph, &loaded.store, plan, Detail::Results);
        return Ok((data, Ok(written)));
    }
    let data = report::collect(&loaded.graph, &loaded.store, plan, Detail::Whole);
    let written = report::write(&data, &sources, folder);
    Ok((
        data,
        written.map_err(|error| Failure::Work(format!("the report: {error}"))),
    ))
}

fn go(args: &Args, loaded: &Loaded, cancel: &Cancel) -> Result<RunSummary, Failure> {
    let threads = args
        .threads
        .map(usize::from)
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    let budget = Budget {
        cpu_threads: threads.unwrap_or(1),
        gpus: loaded.gpus.clone(),
    };
    let worker = if loaded.graph.stages.iter().any(|stage| stage.place == Place::Worker) {
        let program = std::env::current_exe().map_err(Failure::work)?;
        Some(WorkerCommand {
            program,
            arguments: vec!["worker".to_owned()],
            environment: Vec::new(),
        })
    } else {
        None
    };
    let mut sinks = vec![sink(args.log)];
    let folder = loaded.store.pipeline_folder(&loaded.graph.pipeline);
    sinks.push(Box::new(Journal::new(&folder)));
    Ok(execute(
        &loaded.graph,
        &loaded.plan,
        &loaded.store,
        &mut sinks,
        &budget,
        cancel,
        worker.as_ref(),
    ))
}

/// Says again what was sealed.
fn repeat(args: &Args, answer: &Answer) -> Finished {
    if args.dry_run {
        print(&answer.plan);
        return Finished::Well;
    }
    let begun = Instant::now();
    let folder = args.work.results().join(&answer.pipeline);
    let mut sinks = [sink(args.log), Box::new(Journal::new(&folder))];
    let started = Event::RunStarted {
        pipeline: answer.pipeline.clone(),
        stages: answer.fresh + answer.skipped,
        stale: 0,
        behind: 0,
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
    show(&answer.results, Some(&report::page(&folder)));
    if answer.outside_tolerance {
        Finished::OutsideTolerance
    } else {
        Finished::Well
    }
}

/// The results and the findings.
fn results(data: &report::Data) -> String {
    let mut text = summary::table(data);
    for line in summary::findings(data) {
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

/// The first Ctrl-C asks to stop, the second ends the program at once.
fn watch_signals(cancel: Cancel) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::work)?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if cancel.is_cancelled() {
                say("stopped at once");
                std::process::exit(130);
            }
            cancel.cancel();
            say("stopping: running trainings save a checkpoint; press Ctrl-C again to stop at once");
        }
    });
    Ok(())
}
