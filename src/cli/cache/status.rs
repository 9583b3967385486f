//! `actionfinder cache status`

use std::fmt::Write as _;

use runner::store::Store;

use super::super::answers::CacheStatus;
use super::super::failure::{Failure, Finished};
use super::super::results::Results;
use super::size;
use crate::console::{answer, count};

/// Say where the shared cache is, whether it answers, and what is there and here.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: Results,
}

/// Says it.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let store = args.results.shared_store_here()?;
    let status = of(&store);
    let text = words(&store, &status);
    answer(|| status, || text);
    Ok(Finished::Well)
}

fn of(store: &Store) -> CacheStatus {
    let shared = store.shared();
    let (here, away) = (store.all().len(), store.all_away().len());
    let status = CacheStatus {
        results: store.results().display().to_string(),
        here,
        away,
        remote: shared.map(|shared| shared.address().to_string()),
        mode: shared.map(|shared| shared.mode().word().to_owned()),
        ..CacheStatus::default()
    };
    match shared.map(|shared| shared.stock()) {
        None => status,
        Some(Err(problem)) => CacheStatus {
            problem: Some(problem),
            ..status
        },
        Some(Ok(stock)) => CacheStatus {
            entries: stock.entries,
            files: stock.objects,
            bytes: stock.bytes,
            ..status
        },
    }
}

fn words(store: &Store, status: &CacheStatus) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "here: {} in {}",
        count(status.here, "stage"),
        store.results().display()
    );
    let (Some(remote), Some(mode)) = (&status.remote, &status.mode) else {
        text.push_str("no shared cache is named: --cache URL, or `cache: { remote: URL }` in .actionfinder");
        return text;
    };
    let _ = writeln!(
        text,
        "known to be in the shared cache, and not fetched: {}",
        status.away
    );
    let _ = write!(text, "shared: {remote} ({mode}): ");
    match &status.problem {
        Some(problem) => {
            let _ = write!(text, "does not answer: {problem}");
        }
        None => {
            let entries = status.entries.values().sum();
            let _ = write!(
                text,
                "{}, {}, {}",
                count(entries, "stage"),
                count(status.files, "file"),
                size(status.bytes)
            );
            for (kind, number) in &status.entries {
                let _ = write!(text, "\n  {number:>6}  {kind}");
            }
        }
    }
    text
}
