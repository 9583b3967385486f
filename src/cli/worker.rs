//! `actionfinder worker`: the process of one body; it has libtorch where the body needs that.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use runner::catalog::Kind;

use super::common::ENDS_RUNS;
use super::failure::{Failure, Finished};
use crate::console::print;
use crate::{libtorch, worker};

/// Run one stage.
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
    // Ctrl-C and the end of a terminal or a job reach every process of the group. The parent decides: it closes our standard
    // input, and the body then saves a checkpoint.
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in ENDS_RUNS {
        signal_hook::flag::register(signal, ignored.clone()).map_err(Failure::work)?;
    }
    let Some(request) = args.request else {
        worker::probe().map_err(Failure::Work)?;
        print(&serde_json::to_string(&libtorch::loaded()).map_err(Failure::work)?);
        return Ok(Finished::Well);
    };
    let asked = runner::worker::read(&request)
        .map_err(|_| Failure::Usage(format!("{} is not a request of this program", request.display())))?;
    // Until it begins; loading libtorch takes a while.
    if !runner::worker::die_with_parent(asked.parent).map_err(Failure::work)? {
        return Err(Failure::Work("the run that started this worker is gone".to_owned()));
    }
    if let Some(body) = crate::catalog::catalog().get(&asked.kind).and_then(Kind::body) {
        let code = runner::worker::serve(&request, &[body]);
        return Ok(Finished::Code(u8::try_from(code).unwrap_or(super::failure::BUG)));
    }
    let code = worker::run(&request).map_err(Failure::Work)?;
    Ok(Finished::Code(u8::try_from(code).unwrap_or(super::failure::BUG)))
}
