//! `actionfinder worker`: the process that has libtorch.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::failure::{Failure, Finished};
use crate::console::print;
use crate::{libtorch, worker};

/// Run one stage on libtorch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The request, written by the process that starts this one
    #[arg(required_unless_present = "probe")]
    request: Option<PathBuf>,
    /// Print what libtorch there is and which devices it sees, as JSON
    #[arg(long)]
    probe: bool,
}

/// Runs the request.
pub fn run(args: Args) -> Result<Finished, Failure> {
    // Ctrl-C reaches every process of the terminal. The parent decides: it closes our standard input, and the body then
    // saves a checkpoint.
    let ignored = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, ignored).map_err(Failure::work)?;
    let Some(request) = args.request else {
        worker::probe().map_err(Failure::Work)?;
        print(&serde_json::to_string(&libtorch::loaded()).map_err(Failure::work)?);
        return Ok(Finished::Well);
    };
    let code = worker::run(&request).map_err(Failure::Work)?;
    Ok(Finished::Code(u8::try_from(code).unwrap_or(super::failure::BUG)))
}
