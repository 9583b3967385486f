//! `actionfinder plan`

use runner::plan::Entry;

use super::answers::{Planned, PlannedStage};
use super::common::{Loaded, Work};
use super::failure::{Failure, Finished};
use crate::console::{AWAY, answer, describe_plan, manners, plan_state, print};

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
    if let Some(answer) = args.work.sealed(&file).filter(|_| !manners().json) {
        print(&answer.plan);
        return Ok(Finished::Well);
    }
    let loaded = args.work.load(&file)?;
    tell(&loaded);
    let would_run = args.check && !loaded.plan.is_fresh();
    // The program ends here; taking thousands of stages apart would only take time.
    std::mem::forget(loaded);
    Ok(if would_run { Finished::WouldRun } else { Finished::Well })
}

/// Says what would run.
pub fn tell(loaded: &Loaded) {
    let Loaded { graph, plan, .. } = loaded;
    answer(|| planned(loaded), || describe_plan(graph, plan));
}

fn planned(loaded: &Loaded) -> Planned {
    let Loaded { graph, plan, .. } = loaded;
    let shown = graph.stages.iter().zip(&plan.entries);
    let stages = shown
        .filter(|(_, entry)| **entry != Entry::Unselected)
        .map(|(stage, entry)| PlannedStage {
            stage: stage.label.to_string(),
            kind: stage.kind.to_owned(),
            state: plan_state(entry).to_owned(),
            reason: match entry {
                Entry::Stale(reason) => Some(reason.to_string()),
                Entry::Waiting { on } => Some(graph[*on].label.to_string()),
                Entry::Skipped { because } => Some(graph[*because].label.to_string()),
                Entry::Hit(cached) => {
                    let place = (!cached.is_here).then(|| AWAY.to_owned());
                    cached.finding.clone().or(place)
                }
                Entry::Unselected => None,
            },
        });
    Planned {
        pipeline: graph.pipeline.clone(),
        stale: plan.stale(),
        waiting: plan.count(|entry| matches!(entry, Entry::Waiting { .. })),
        fresh: plan.count(|entry| matches!(entry, Entry::Hit(_))),
        stages: stages.collect(),
    }
}
