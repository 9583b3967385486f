//! `actionfinder status`

use super::answers::Status;
use super::common::Pipeline;
use super::failure::{Failure, Finished};
use crate::console::{align, answer, describe_search, duration, manners, print};
use crate::report::{Detail, State, summary};

/// Show how the stages of a pipeline stand.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Prints the state of every stage, then findings and results.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let loaded = args.pipeline.load()?;
    if manners().json {
        let data = loaded.data_in(Detail::Rows)?;
        answer(|| Status::of(&data), String::new);
        return Ok(Finished::Well);
    }
    let data = loaded.data()?;
    let mut lines = Vec::new();
    for stage in &data.stages {
        let (state, more) = match &stage.state {
            State::Done => ("done", String::new()),
            State::Failed { message, .. } => ("FAILED", message.lines().next().unwrap_or_default().to_owned()),
            State::Skipped { because } => ("skipped", format!("because of {because}")),
            State::Unfinished { checkpoint: true } => ("unfinished", "goes on from its checkpoint".to_owned()),
            State::Unfinished { checkpoint: false } => ("unfinished", "begins anew".to_owned()),
            State::NotRun => ("not run", String::new()),
        };
        let more = match stage.manifest.as_ref() {
            Some(manifest) => format!("{} on {}", duration(manifest.seconds), manifest.device),
            None => more,
        };
        lines.push(vec![
            format!("  {state}"),
            stage.label.to_string(),
            stage.kind.clone(),
            more,
        ]);
        let told = stage.manifest.iter().flat_map(|manifest| &manifest.metrics);
        for metric in told.filter(|_| manners().verbose) {
            let number = summary::with_unit(metric.value, &metric.unit);
            lines.push(vec![String::new(), format!("  {} = {number}", metric.name)]);
        }
    }
    let search = loaded.graph.search.as_ref().map(describe_search).unwrap_or_default();
    let done = data.stages.iter().filter(|stage| stage.state == State::Done).count();
    let mut text = format!(
        "{}: {done} of {} stages done\n{search}{}",
        data.pipeline,
        data.stages.len(),
        align(&lines, &[])
    );
    for line in summary::findings(&data) {
        text.push_str(&format!("{line}\n"));
    }
    let table = summary::table(&data);
    if !table.is_empty() {
        text.push_str(&format!("\n{table}"));
        for line in summary::unevenness(&data) {
            text.push_str(&format!("{line}\n"));
        }
    }
    let unfinished = loaded.store.unfinished().len();
    if unfinished > 0 {
        text.push_str(&format!(
            "\nunfinished stages with a checkpoint in this results folder: {unfinished}\n"
        ));
    }
    print(&text);
    // The process ends here. To give back the memory of ten thousand stages one by one takes a fifteenth of the time.
    std::mem::forget((data, lines));
    Ok(Finished::Well)
}
