//! `actionfinder cache push`

use std::path::PathBuf;

use runner::shared::{Mode, Pushed};
use runner::store::Hash256;

use super::super::answers::CachePushed;
use super::super::common::{Loaded, Parameters};
use super::super::failure::{Failure, Finished};
use super::super::results::Results;
use super::{is_shared, size, told};
use crate::console::{answer, count};

/// Put what is here into the shared cache. What is there already is left as it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline whose results are put there; without one, all that the results folder has
    pipeline: Option<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Puts it there.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let (store, entries) = match &args.pipeline {
        Some(pipeline) => {
            let loaded = Loaded::new(pipeline, &args.parameters, &args.results)?;
            let entries = loaded.entries().into_iter();
            let entries: Vec<(String, Hash256)> = entries.map(|(kind, hash)| (kind.to_owned(), hash)).collect();
            (loaded.store, entries)
        }
        None => {
            let store = args.results.shared_store_here()?;
            let entries = store.all();
            (store, entries)
        }
    };
    is_shared(&store)?;
    if store.shared().is_some_and(|shared| shared.mode() == Mode::Read) {
        return Err(Failure::Usage(
            "the shared cache is only read: --cache-mode read-write".to_owned(),
        ));
    }
    let here: Vec<(String, Hash256)> = entries
        .into_iter()
        .filter(|(kind, hash)| store.has(kind, hash))
        .collect();
    let _hold = store.hold().map_err(Failure::work)?;
    let all = store.push_all(&here);
    let of = |which: fn(&Pushed) -> bool| all.iter().filter(|pushed| which(pushed)).count();
    let bytes = |pushed: &Pushed| match pushed {
        Pushed::Written(bytes) => *bytes,
        _ => 0,
    };
    let done = CachePushed {
        written: of(|pushed| matches!(pushed, Pushed::Written(_))),
        there: of(|pushed| *pushed == Pushed::WasThere),
        damaged: of(|pushed| *pushed == Pushed::Damaged),
        bytes: all.iter().map(bytes).sum(),
    };
    let mut text = format!("{} put there ({})", count(done.written, "stage"), size(done.bytes));
    text.push_str(&format!(", {} there already", done.there));
    if done.damaged > 0 {
        text.push_str(&format!(
            ", {} damaged here and left out: actionfinder cache verify names them",
            done.damaged
        ));
    }
    let damaged = done.damaged;
    answer(|| done, || text);
    told(&store)?;
    match damaged {
        0 => Ok(Finished::Well),
        _ => Err(Failure::Work("not all that is here is whole".to_owned())),
    }
}
