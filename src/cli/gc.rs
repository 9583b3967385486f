//! `actionfinder gc`

use std::fmt::Write as _;

use runner::store::Store;

use super::common::Results;
use super::failure::{Failure, Finished};
use crate::console::{count, print};

/// Remove cached outputs that no pipeline's newest results need.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: Results,
    /// Remove them; without this, only say what would be removed
    #[arg(long)]
    remove: bool,
    /// Checkpoints of unfinished trainings too
    #[arg(long)]
    checkpoints: bool,
}

/// Lists what is unused, and removes it if asked to.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let store = Store::open(&args.results.folder());
    let mut unused = store.unused().map_err(Failure::work)?;
    if !args.checkpoints {
        let checkpoints = store.results().join("checkpoints");
        unused.retain(|entry| !entry.folder.starts_with(&checkpoints));
    }
    let mut text = String::new();
    for entry in &unused {
        let _ = writeln!(text, "{:>10}  {}", size(entry.bytes), entry.folder.display());
    }
    let total: u64 = unused.iter().map(|entry| entry.bytes).sum();
    if unused.is_empty() {
        text.push_str("nothing is unused");
    } else if args.remove {
        runner::seal::remove_all(store.results()).map_err(Failure::work)?;
        let freed = store.remove(&unused).map_err(Failure::work)?;
        let _ = write!(text, "{} freed", size(freed));
    } else {
        let _ = write!(
            text,
            "{} in {}; to remove them: actionfinder gc --remove{}",
            size(total),
            count(unused.len(), "unused folder"),
            if args.checkpoints { " --checkpoints" } else { "" }
        );
    }
    print(&text);
    Ok(Finished::Well)
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
