//! `actionfinder why`

use std::fmt::Write as _;

use super::answers::Why;
use super::common::Pipeline;
use super::failure::{Failure, Finished};
use crate::console::answer;

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
    let stage = loaded.graph[id].label.to_string();
    let reasons: Vec<String> = runner::plan::why(&loaded.graph, &loaded.plan, &loaded.store, id);
    let mut text = format!("{stage}:");
    for sentence in &reasons {
        let _ = write!(text, "\n  {sentence}");
    }
    answer(|| Why { stage, reasons }, || text);
    Ok(Finished::Well)
}
