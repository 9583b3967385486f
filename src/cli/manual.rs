//! `actionfinder manual`

use std::path::PathBuf;

use clap::Command;

use super::failure::{Failure, Finished, with_hint};

/// Write manual pages, one for each command, as `man` reads them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, such as share/man/man1
    folder: PathBuf,
}

/// Writes `actionfinder.1`, `actionfinder-run.1`, …
pub fn run(args: Args, commands: Command) -> Result<Finished, Failure> {
    let failed = |error| Failure::Work(with_hint("the manual pages", &error));
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(commands, &args.folder).map_err(failed)?;
    Ok(Finished::Well)
}
