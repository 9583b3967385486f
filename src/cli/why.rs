//! `actionfinder why`

use std::fmt::Write as _;

use super::common::Pipeline;
use super::failure::{Failure, Finished};
use crate::console::print;

/// Say which part of a stage's fingerprint changed since it last ran.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
    /// The stage; in a sweep also a label such as `actions[seed=2]`
    stage: String,
}

/// Prints the reasons.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = args.pipeline.load()?;
    let id = loaded.stage(&args.stage)?;
    let mut text = format!("{}:", loaded.graph[id].label);
    for sentence in runner::plan::why(&loaded.graph, &loaded.plan, &loaded.store, id) {
        let _ = write!(text, "\n  {sentence}");
    }
    print(&text);
    Ok(Finished::Well)
}
