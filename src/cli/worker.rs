//! `actionfinder worker`: a process for bodies, one after the other; it has libtorch where they need that.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use runner::catalog::Kind;
use runner::stage::Place;

use super::common::ENDS_RUNS;
use super::failure::{Failure, Finished};
use crate::console::print;
use crate::{libtorch, worker};

/// Run stages.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// With libtorch (`worker`), without (`here`), or with the user's programs (`command`)
    #[arg(required_unless_present = "probe", value_parser = place)]
    place: Option<Place>,
    /// The process that asks for stages, on standard input
    #[arg(required_unless_present = "probe")]
    parent: Option<u32>,
    /// Print what libtorch there is and which devices it sees, as JSON
    #[arg(long)]
    probe: bool,
}

fn place(word: &str) -> Result<Place, String> {
    Place::of(word).ok_or_else(|| "want `here`, `worker` or `command`".to_owned())
}

/// Runs what is asked for.
pub fn run(args: Args) -> Result<Finished, Failure> {
    // Ctrl-C and the end of a terminal or a job reach every process of the group. The parent decides: it closes our standard
    // input, and the body then saves a checkpoint.
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in ENDS_RUNS {
        signal_hook::flag::register(signal, ignored.clone()).map_err(Failure::work)?;
    }
    let (Some(place), Some(parent)) = (args.place, args.parent) else {
        worker::probe().map_err(Failure::Work)?;
        print(&serde_json::to_string(&libtorch::loaded()).map_err(Failure::work)?);
        return Ok(Finished::Well);
    };
    // Loading libtorch takes a while, too.
    if !runner::worker::die_with_parent(parent).map_err(Failure::work)? {
        return Err(Failure::Work("the run that started this worker is gone".to_owned()));
    }
    let code = match place {
        Place::Here | Place::Command => {
            let bodies: Vec<_> = crate::catalog::catalog()
                .kinds()
                .iter()
                .filter_map(Kind::body)
                .collect();
            runner::worker::serve(parent, &bodies)
        }
        Place::Worker => worker::serve(parent).map_err(Failure::Work)?,
    };
    Ok(Finished::Code(u8::try_from(code).unwrap_or(super::failure::BUG)))
}
