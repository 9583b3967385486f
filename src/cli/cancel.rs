//! `actionfinder cancel`

use std::path::PathBuf;

use runner::batch::profile::Profile;
use runner::batch::{Scheduler, intents};
use runner::clock;

use super::answers::Cancelled;
use super::common;
use super::failure::{Failure, Finished};
use super::on;
use super::results::Results;
use crate::console::{answer, count};

/// End all jobs of a pipeline, and the runs that follow them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    results: Results,
}

/// Ends them.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let name = common::name(&args.pipeline)?;
    let store = args.results.store_of(&args.pipeline);
    // Runs that follow the jobs see it, and submit no more.
    let stop = intents::stop_path(&store, &name);
    if let Some(folder) = stop.parent().filter(|folder| folder.is_dir()) {
        let said = format!("{} {}\n", clock::now(), std::process::id());
        std::fs::write(&stop, said).map_err(|error| Failure::file(folder, &error))?;
    }
    let jobs = intents::folder(&store);
    let names = intents::names(&jobs).map_err(|error| Failure::file(&jobs, &error))?;
    let mut own = Vec::new();
    for intent in names {
        let folder = jobs.join(&intent);
        if intents::read(&folder).is_some_and(|read| read.pipeline == name) {
            own.push((intent, folder));
        }
    }
    if own.is_empty() {
        let words = format!("{name} has no jobs\n");
        answer(
            || Cancelled {
                pipeline: name,
                jobs: 0,
            },
            || words,
        );
        return Ok(Finished::Well);
    }
    let slurm = on::slurm(&Profile::default())?;
    let states = slurm.states().map_err(Failure::Work)?;
    let (mut ended, mut tasks) = (Vec::new(), 0);
    for (intent, folder) in &own {
        let known = intents::job(folder).or_else(|| states.names.get(intent).cloned());
        let Some(job) = known else { continue };
        let own = format!("{job}_");
        let active = states
            .tasks
            .iter()
            .filter(|(task, state)| task.starts_with(&own) && state.is_active());
        tasks += active.count();
        ended.push(job);
    }
    if !ended.is_empty() {
        slurm.cancel(&ended).map_err(Failure::Work)?;
    }
    for (_, folder) in &own {
        intents::remove(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    let words = format!("{name}: {} ended\n", count(tasks, "job"));
    let told = Cancelled {
        pipeline: name,
        jobs: tasks,
    };
    answer(|| told, || words);
    Ok(Finished::Well)
}
