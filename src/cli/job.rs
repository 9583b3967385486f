//! `actionfinder job`: one task of an array that `run --executor slurm` submitted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runner::batch::job::{self, Surroundings, TaskEnded};
use runner::batch::{intents, pilot, slurm};
use runner::context::Cancel;
use runner::store::Store;
use runner::worker::Processes;
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;

use super::common::{ENDS_RUNS, program};
use super::failure::{Failure, Finished};
use super::on;

/// Make one stage, or many.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the intent
    intent: PathBuf,
    /// The number of the task, or of the pilot
    task: usize,
}

/// The exit code of a task that was stopped.
const STOPPED: u8 = 75;

/// Makes the stage.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let (cancel, time_is_over) = (Cancel::default(), Arc::new(AtomicBool::new(false)));
    watch_signals(cancel.clone(), time_is_over.clone())?;
    // results/cache/jobs/<intent>
    let results = args
        .intent
        .ancestors()
        .nth(3)
        .ok_or_else(|| Failure::Usage(format!("{} is no folder of an intent", args.intent.display())))?;
    // Reading the index takes longer than looking at the one entry.
    let store = Store::at(results).of_program(program());
    let shares = intents::read(&args.intent).is_some_and(|intent| intent.pilots.is_some());
    let gpu = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let around = Surroundings {
        store: &store,
        executor: &Processes::new(on::worker()?, 1),
        gpu: Some(gpu.unwrap_or_else(|| "0".to_owned())),
        cancel: &cancel,
        time_is_over: &|| time_is_over.load(Ordering::SeqCst),
        requeue: &|| !shares && slurm::requeue(),
    };
    let perform = if shares { pilot::perform } else { job::perform };
    let ended = perform(&args.intent, args.task, &around);
    Ok(match ended.map_err(|error| Failure::file(&args.intent, &error))? {
        TaskEnded::Well => Finished::Well,
        TaskEnded::Failed => Finished::StageFailed,
        TaskEnded::Stopped => Finished::Code(STOPPED),
    })
}

/// `SIGUSR1` says that the time of the job is nearly over; the others, that it is being ended.
fn watch_signals(cancel: Cancel, time_is_over: Arc<AtomicBool>) -> Result<(), Failure> {
    let mut signals = Signals::new(ENDS_RUNS.into_iter().chain([SIGUSR1])).map_err(Failure::work)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                time_is_over.store(true, Ordering::SeqCst);
            }
            cancel.cancel();
        }
    });
    Ok(())
}
