//! `actionfinder cache gc`

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use runner::clock::rfc3339;
use runner::store::TryLock;
use runner::store::gc::{Choice, Survey};
use runner::store::runs::KeptRun;

use super::super::answers::Collected;
use super::super::failure::{Failure, Finished};
use super::super::results::Results;
use super::size;
use crate::console::{answer, count};

/// Remove cached outputs that no recorded run needs.
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
    /// Drop the records of runs that were last asked for longer ago: 30d, 12h, 10min
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Drop the record of this run, or of all runs of this pipeline (may be given several times)
    #[arg(long = "run", value_name = "NAME")]
    runs: Vec<String>,
    /// List the recorded runs, and do nothing else
    #[arg(long, conflicts_with_all = ["remove", "older_than", "runs"])]
    list: bool,
}

fn age(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] = [("min", 60), ("s", 1), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    let parsed = UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(*seconds)?))
    });
    parsed.ok_or_else(|| "write a whole number and a unit: 30d, 12h, 10min, 45s or 4w".to_owned())
}

/// Lists what is unused, and removes it if asked to.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let store = args.results.store_here();
    store.check().map_err(Failure::work)?;
    let choice = Choice {
        older_than: args.older_than,
        named: args.runs.clone(),
        checkpoints: args.checkpoints,
    };
    if args.list {
        let found = survey(&store, &Choice::default())?;
        answer(|| collected(&found, false), || list(&found));
        return Ok(Finished::Well);
    }
    // Held until the end: what a run finds in its plan must not go away while it runs.
    let _alone = alone(&store, args.remove)?;
    let found = survey(&store, &choice)?;
    if let Some(name) = found.unknown.first() {
        let known: Vec<&str> = found
            .kept
            .iter()
            .chain(&found.dropped)
            .map(|run| run.name.as_str())
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Failure::Usage(format!("there is no run {name}; there are: {known}")));
    }
    let mut text = String::new();
    for run in &found.dropped {
        let _ = writeln!(
            text,
            "{:>10}  {}, last asked for {}",
            "run",
            run.name,
            rfc3339(run.asked)
        );
    }
    for entry in &found.unused {
        let _ = writeln!(text, "{:>10}  {}", size(entry.bytes), entry.folder.display());
    }
    let total: u64 = found.unused.iter().map(|entry| entry.bytes).sum();
    if found.unused.is_empty() && found.dropped.is_empty() {
        text.push_str(&nothing(&found));
    } else if args.remove {
        runner::seal::remove_all(store.results()).map_err(Failure::work)?;
        store.drop_runs(&found).map_err(Failure::work)?;
        let freed = store.remove(&found.unused).map_err(Failure::work)?;
        let _ = write!(text, "{} freed", size(freed));
    } else {
        let _ = write!(
            text,
            "{} in {}; to remove them: actionfinder cache gc --remove{}",
            size(total),
            count(found.unused.len(), "unused folder"),
            again(&args)
        );
    }
    answer(|| collected(&found, args.remove), || text);
    Ok(Finished::Well)
}

fn collected(found: &Survey, removed: bool) -> Collected {
    let names = |runs: &[KeptRun]| runs.iter().map(|run| run.name.clone()).collect();
    let unused = found.unused.iter();
    Collected {
        kept: names(&found.kept),
        dropped: names(&found.dropped),
        unused: unused
            .map(|entry| (entry.folder.display().to_string(), entry.bytes))
            .collect(),
        removed,
    }
}

/// Keeps runs away from what is removed; or says which go on.
pub(super) fn alone(store: &runner::store::Store, remove: bool) -> Result<Option<runner::store::KeyLock>, Failure> {
    if !remove || !store.results().is_dir() {
        return Ok(None);
    }
    store.prepare().map_err(Failure::work)?;
    match store.hold_alone().map_err(Failure::work)? {
        TryLock::Held(lock) => Ok(Some(lock)),
        TryLock::Busy(who) => {
            let who = if who.is_empty() {
                "another process".to_owned()
            } else {
                who
            };
            Err(Failure::Work(format!(
                "a run goes on in this results folder ({who}); nothing is removed; try again when it has ended"
            )))
        }
    }
}

fn survey(store: &runner::store::Store, choice: &Choice) -> Result<Survey, Failure> {
    store.survey(choice, SystemTime::now()).map_err(|error| {
        Failure::Work(format!(
            "{error}; nothing is removed, because nobody knows what it needs; run that pipeline again, or remove the file"
        ))
    })
}

fn nothing(found: &Survey) -> String {
    match found.kept.len() {
        0 => "nothing is unused".to_owned(),
        1 => {
            "nothing is unused: 1 recorded run needs it; runs are dropped by --older-than 30d or --run NAME".to_owned()
        }
        runs => {
            format!(
                "nothing is unused: {runs} recorded runs need it; runs are dropped by --older-than 30d or --run NAME"
            )
        }
    }
}

/// The arguments that choose what goes, to be given again.
fn again(args: &Args) -> String {
    let mut text = String::new();
    if args.checkpoints {
        text.push_str(" --checkpoints");
    }
    if let Some(age) = args.older_than {
        let _ = write!(text, " --older-than {}s", age.as_secs());
    }
    for run in &args.runs {
        let _ = write!(text, " --run {run}");
    }
    text
}

/// A line for each recorded run.
fn list(found: &Survey) -> String {
    let head = ["run", "last asked for", "state", "entries", "program"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for run in &found.kept {
        let record = &run.record;
        let state = if record.ended.is_some() { "ended" } else { "not ended" };
        let needs = record.needs.len().to_string();
        let asked = rfc3339(run.asked);
        lines.push(vec![
            run.name.clone(),
            asked,
            state.to_owned(),
            needs,
            record.program.clone(),
        ]);
    }
    crate::console::align(&lines, &[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_units() {
        let seconds = |text| age(text).map(|age| age.as_secs()).ok();
        assert_eq!(seconds("30d"), Some(30 * 86_400));
        assert_eq!(
            (seconds("10min"), seconds("2 h"), seconds("0s")),
            (Some(600), Some(7200), Some(0))
        );
        assert_eq!(
            (seconds("30"), seconds("d"), seconds("-1d"), seconds("1e3d")),
            (None, None, None, None)
        );
        assert_eq!(seconds("99999999999999999999w"), None);
    }
}
