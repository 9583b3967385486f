//! `actionfinder cache pull`

use runner::plan::Entry;

use super::super::answers::CachePulled;
use super::super::common::Pipeline;
use super::super::failure::{Failure, Finished};
use super::{is_shared, size};
use crate::console::{answer, count};

/// Fetch all outputs of a pipeline from the shared cache: for work without it, and for other programs that read them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Fetches them.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = args.pipeline.load()?;
    let store = &loaded.store;
    is_shared(store)?;
    let entries = loaded.entries();
    let away: Vec<_> = entries
        .iter()
        .filter(|(kind, hash)| !store.has(kind, hash))
        .copied()
        .collect();
    let gone = loaded.bring(&away);
    let fetched = away.iter().filter(|(kind, hash)| store.has(kind, hash));
    let fetched: Vec<u64> = fetched.map(|(kind, hash)| store.bytes_of(kind, hash)).collect();
    let done = CachePulled {
        fetched: fetched.len(),
        bytes: fetched.iter().sum(),
        here: entries.len() - away.len(),
        missing: loaded
            .plan
            .count(|entry| matches!(entry, Entry::Stale(_) | Entry::Waiting { .. }))
            + gone,
    };
    let mut text = format!(
        "{} fetched ({}), {} here already",
        count(done.fetched, "stage"),
        size(done.bytes),
        done.here
    );
    if done.missing > 0 {
        text.push_str(&format!(
            ", {} not to be had: actionfinder run {} makes them",
            count(done.missing, "stage"),
            args.pipeline.given()
        ));
    }
    answer(|| done, || text);
    match gone {
        0 => Ok(Finished::Well),
        _ => Err(Failure::Work(format!("{} could not be fetched", count(gone, "stage")))),
    }
}
