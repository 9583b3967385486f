//! `actionfinder cache`: what is kept, and what is shared with others.

pub mod gc;
mod pull;
mod push;
mod setting;
mod status;
mod verify;

pub use setting::Cache;

use runner::store::Store;

use super::failure::{Failure, Finished};

/// Look after cached outputs, and share them with others.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say where the shared cache is, whether it answers, and what is there and here
    Status(status::Args),
    /// Put what is here into the shared cache, of a pipeline or of all
    Push(push::Args),
    /// Fetch all outputs of a pipeline from the shared cache; `run` fetches only what it reads
    Pull(pull::Args),
    /// Remove cached outputs that no recorded run needs
    Gc(gc::Args),
    /// Hash all that is kept here, and say what is not as it was written
    Verify(verify::Args),
}

/// Does what was asked.
pub fn run(args: Args) -> Result<Finished, Failure> {
    match args.what {
        What::Status(args) => status::run(args),
        What::Push(args) => push::run(args),
        What::Pull(args) => pull::run(args),
        What::Gc(args) => gc::run(args),
        What::Verify(args) => verify::run(args),
    }
}

/// A size in decimal units.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A command needs a shared cache.
fn is_shared(store: &Store) -> Result<(), Failure> {
    match store.shared() {
        Some(_) => Ok(()),
        None => Err(Failure::Usage(
            "no shared cache is named\n  help: name one: --cache s3://bucket/prefix, or `cache: { remote: … }` in .actionfinder".to_owned(),
        )),
    }
}

/// What it had to tell, as the failure of a command that needs it.
fn told(store: &Store) -> Result<(), Failure> {
    match store.warnings().as_slice() {
        [] => Ok(()),
        warnings => Err(Failure::Work(warnings.join("\n"))),
    }
}
