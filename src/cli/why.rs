//! `actionfinder why`

use std::fmt::Write as _;
use std::path::PathBuf;

use super::common::{Loaded, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::print;

/// Say which part of a stage's fingerprint changed since it last ran.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: PathBuf,
    /// The stage; in a sweep also a label such as `actions[seed=2]`
    stage: String,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Prints the reasons.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = Loaded::new(&args.pipeline, &args.parameters, &args.results)?;
    let id = loaded.stage(&args.stage)?;
    let mut text = format!("{}:", loaded.graph[id].label);
    for sentence in runner::plan::why(&loaded.graph, &loaded.plan, &loaded.store, id) {
        let _ = write!(text, "\n  {sentence}");
    }
    print(&text);
    Ok(Finished::Well)
}
