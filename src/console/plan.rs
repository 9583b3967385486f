//! A plan in words.

use std::fmt::Write as _;

use runner::graph::{Graph, Searched, StageId, StageInstance};
use runner::plan::{Entry, Plan};
use runner::search::Limit;

/// Where outputs are that are not here.
pub const AWAY: &str = "in the shared cache";

/// The sum, then one line for each stage.
pub fn describe_plan(graph: &Graph, plan: &Plan) -> String {
    let label = |id: StageId| &*graph[id].label;
    let shown = || {
        let entries = graph.stages.iter().zip(&plan.entries);
        entries.filter(|(_, entry)| **entry != Entry::Unselected)
    };
    let widest = |cell: fn((&StageInstance, &Entry)) -> usize| shown().map(cell).max().unwrap_or(0);
    let states = widest(|(_, entry)| plan_state(entry).len());
    let labels = widest(|(stage, _)| stage.label.chars().count());
    let kinds = widest(|(stage, _)| stage.kind.len());
    let mut lines = String::new();
    for (stage, entry) in shown() {
        let why = match entry {
            Entry::Hit(cached) => {
                let told: Vec<&str> = cached
                    .finding
                    .iter()
                    .chain(&cached.findings)
                    .map(String::as_str)
                    .collect();
                let place = (!cached.is_here).then(|| AWAY.to_owned());
                let finding = (!told.is_empty()).then(|| format!("finding: {}", told.join("; ")));
                let words: Vec<String> = place.into_iter().chain(finding).collect();
                (!words.is_empty()).then(|| words.join("; "))
            }
            Entry::Stale(reason) => Some(reason.to_string()),
            Entry::Waiting { on } => Some(format!("waits for {}", label(*on))),
            Entry::Skipped { because } => Some(format!("because of {}", label(*because))),
            Entry::Unselected => None,
        };
        let (state, label) = (plan_state(entry), &stage.label);
        let _ = match why {
            Some(why) => writeln!(
                lines,
                "  {state:<states$}  {label:<labels$}  {:<kinds$}  {why}",
                stage.kind
            ),
            None => writeln!(lines, "  {state:<states$}  {label:<labels$}  {}", stage.kind),
        };
    }
    let fresh = plan.count(|entry| matches!(entry, Entry::Hit(_)));
    let wait = plan.count(|entry| matches!(entry, Entry::Waiting { .. }));
    let mut sum = match (plan.stale(), wait) {
        (0, 0) => format!("nothing to run: {fresh} fresh"),
        (run, 0) => format!("{run} would run, {fresh} fresh"),
        (run, wait) => format!("{run} would run, {wait} after them, {fresh} fresh"),
    };
    if plan.away() > 0 {
        let _ = write!(sum, ", {} of them {AWAY}", plan.away());
    }
    let search = graph.search.as_ref().map(describe_search).unwrap_or_default();
    format!("{}: {sum}\n{search}{lines}", graph.pipeline)
}

/// How far a search is, in a line.
pub fn describe_search(searched: &Searched) -> String {
    let (known, all) = (searched.known.trials.len(), searched.search.trials);
    let limits = &searched.known.limits;
    let pruned = limits.iter().filter(|limit| matches!(limit, Limit::Pruned(_))).count();
    let waits = limits.iter().any(|limit| matches!(limit, Limit::Until(_)));
    if searched.search.prune.is_some() && (pruned > 0 || waits) {
        let then = if waits {
            "; the others of a batch are compared on their way"
        } else {
            ""
        };
        format!("search: {known} of {all} trials are known, {pruned} given up early{then}\n")
    } else if known >= all {
        format!("search: all {all} trials are known\n")
    } else if searched.known.last {
        format!("search: {known} of {all} trials; it ended there, for its hours are spent or no trial has a result\n")
    } else {
        format!("search: {known} of {all} trials are known; the next depend on their results\n")
    }
}

/// How a stage stands in a plan, in a word.
pub fn plan_state(entry: &Entry) -> &'static str {
    match entry {
        Entry::Hit(_) => "fresh",
        Entry::Stale(_) => "run",
        Entry::Waiting { .. } => "after",
        Entry::Skipped { .. } => "skip",
        Entry::Unselected => "",
    }
}
