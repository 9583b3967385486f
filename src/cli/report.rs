//! `actionfinder report`

use super::answers::Reported;
use super::common::{Loaded, Pipeline};
use super::failure::{Failure, Finished, with_hint};
use crate::console::{alert, answer, count, say};
use crate::report::{self, Detail, State};

/// Write the report of a pipeline again, from what is cached; nothing is run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Writes it, and prints where it is.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = args.pipeline.load()?;
    let Loaded { graph, store, plan, .. } = &loaded;
    let data = report::collect(graph, store, plan, Detail::Whole);
    let folder = store.report_folder(&graph.pipeline, args.pipeline.parameters.part().as_deref());
    let sources = report::sources(graph, plan, store.program());
    let written = report::write(&data, &args.pipeline.given(), &sources, &folder, store);
    let written = written.map_err(|error| Failure::Work(with_hint("the report", &error)))?;
    for warning in &written.warnings {
        alert(&format!("warning: {warning}"));
    }
    let missing = data.stages.iter().filter(|stage| stage.state != State::Done).count();
    if missing > 0 {
        say(&format!("{missing} of {} not done", count(data.stages.len(), "stage")));
    }
    let report = written.html.display().to_string();
    let words = report.clone();
    answer(
        || Reported {
            report,
            not_done: missing,
        },
        || words,
    );
    Ok(Finished::Well)
}
