//! `actionfinder plan`

use std::path::PathBuf;

use runner::plan::Entry;

use super::align;
use super::common::{Loaded, Parameters, Results, Selection};
use super::failure::{Failure, Finished};
use crate::console::print;

/// Show what would run, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    results: Results,
    /// End with exit code 1 if something would run
    #[arg(long)]
    check: bool,
}

/// Prints the plan.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = Loaded::select(&args.pipeline, &args.parameters, &args.results, &args.selection)?;
    print(&describe(&loaded));
    let would_run = args.check && !loaded.plan.is_fresh();
    Ok(if would_run { Finished::WouldRun } else { Finished::Well })
}

/// One line for each stage, then the sum.
pub fn describe(loaded: &Loaded) -> String {
    let label = |id: runner::graph::StageId| loaded.graph.stages[id.index()].label.as_str();
    let mut lines = Vec::new();
    let (mut run, mut wait, mut fresh) = (0, 0, 0);
    for (stage, entry) in loaded.graph.stages.iter().zip(&loaded.plan.entries) {
        let (state, why) = match entry {
            Entry::Hit(cached) => {
                fresh += 1;
                (
                    "fresh",
                    cached
                        .finding
                        .as_ref()
                        .map(|title| format!("finding: {title}"))
                        .unwrap_or_default(),
                )
            }
            Entry::Stale(reason) => {
                run += 1;
                ("run", reason.to_string())
            }
            Entry::Waiting { on } => {
                wait += 1;
                ("after", format!("waits for {}", label(*on)))
            }
            Entry::Skipped { because } => ("skip", format!("because of {}", label(*because))),
            Entry::Unselected => continue,
        };
        lines.push(vec![
            format!("  {state}"),
            stage.label.clone(),
            stage.kind.to_owned(),
            why,
        ]);
    }
    let sum = match (run, wait) {
        (0, 0) => format!("nothing to run: {fresh} fresh"),
        (_, 0) => format!("{run} would run, {fresh} fresh"),
        _ => format!("{run} would run, {wait} after them, {fresh} fresh"),
    };
    format!("{}: {sum}\n{}", loaded.graph.pipeline, align(&lines, &[]))
}
