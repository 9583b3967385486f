//! `actionfinder cache verify`

use std::fmt::Write as _;
use std::path::PathBuf;

use runner::store::verify::Verdict;

use super::super::answers::{CacheVerified, DamagedEntry};
use super::super::failure::{Failure, Finished};
use super::super::results::Results;
use super::{gc, size};
use crate::console::{answer, count};

/// Hash all that is kept here, and say what is not as it was written. A run trusts files that look unchanged; this trusts none.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: Results,
    /// Remove what is damaged, so that the next run makes or fetches it again
    #[arg(long)]
    remove: bool,
}

/// Hashes it all.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let store = args.results.store_here();
    store.check().map_err(Failure::work)?;
    if !store.results().is_dir() {
        let results = store.results().display();
        return Err(Failure::Usage(format!(
            "there is no results folder {results}, and so nothing to vouch for"
        )));
    }
    let _alone = gc::alone(&store, args.remove)?;
    let verified = store.verify_all().map_err(Failure::work)?;
    let damaged: Vec<&Verdict> = verified
        .entries
        .iter()
        .filter(|entry| !entry.problems.is_empty())
        .collect();
    let unknown: Vec<PathBuf> = verified.unknown.clone();
    let mut text = String::new();
    for entry in &damaged {
        for problem in &entry.problems {
            let _ = writeln!(text, "damaged  {}: {problem}", entry.folder.display());
        }
    }
    for path in &unknown {
        let _ = writeln!(text, "unknown  {}: no entry names it", path.display());
    }
    let whole = verified.entries.len() - damaged.len();
    let files: usize = verified.entries.iter().map(|entry| entry.files).sum();
    let bytes: u64 = verified.entries.iter().map(|entry| entry.bytes).sum();
    let _ = write!(
        text,
        "{} as written ({}, {}), {} damaged, {} of no entry",
        count(whole, "stage"),
        count(files, "file"),
        size(bytes),
        damaged.len(),
        count(unknown.len(), "file")
    );
    let done = CacheVerified {
        whole,
        files,
        bytes,
        damaged: damaged
            .iter()
            .map(|entry| DamagedEntry {
                folder: entry.folder.display().to_string(),
                problems: entry.problems.clone(),
            })
            .collect(),
        unknown: unknown.iter().map(|path| path.display().to_string()).collect(),
        removed: args.remove && !damaged.is_empty(),
    };
    if done.removed {
        runner::seal::remove_all(store.results()).map_err(Failure::work)?;
        let unused: Vec<_> = damaged.iter().map(|entry| entry.as_unused()).collect();
        store.remove(&unused).map_err(Failure::work)?;
        text.push_str("; what is damaged was removed, and the next run makes it again");
    }
    let sound = damaged.is_empty() || done.removed;
    answer(|| done, || text);
    match sound {
        true => Ok(Finished::Well),
        false => Err(Failure::Work(
            "not all is as it was written; --remove has the next run make it again".to_owned(),
        )),
    }
}
