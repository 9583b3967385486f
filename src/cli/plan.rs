//! `actionfinder plan`

use super::common::Work;
use super::failure::{Failure, Finished};
use crate::console::{describe_plan, print};

/// Show what would run, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    work: Work,
    /// End with exit code 1 if something would run
    #[arg(long)]
    check: bool,
}

/// Prints the plan.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let file = args.work.read()?;
    if let Some(answer) = args.work.sealed(&file) {
        print(&answer.plan);
        return Ok(Finished::Well);
    }
    let loaded = args.work.load(&file)?;
    print(&describe_plan(&loaded.graph, &loaded.plan));
    let would_run = args.check && !loaded.plan.is_fresh();
    // The program ends here; taking thousands of stages apart would only take time.
    std::mem::forget(loaded);
    Ok(if would_run { Finished::WouldRun } else { Finished::Well })
}
