//! `actionfinder runs`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use runner::error::reason;
use runner::store::notes::Notes;
use runner::store::runs::{How, KeptRun, Record};
use runner::store::state::State;
use runner::store::{Hash256, Manifest, Store};
use serde_json::Value;

use super::answers::{Difference, Differences, Exported, Origin, Origins, Recorded, RunRow};
use super::failure::{Failure, Finished};
use super::output::can_be_written;
use super::results::Results;
use crate::console::{align, answer, duration};
use crate::report::plain;

mod records;
mod restore;

/// The recorded runs, newest first; where a file comes from; what differs between two runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Only runs with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Write them, with all parameters, to a file of this ending: .csv, .json or .parquet
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say which stage, parameters, code and runs a file comes from: one of the results, or a copy of it
    Where {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        results: Results,
    },
    /// Note something of a run, give it tags, or take them away
    Note {
        /// The run, as `runs` names it; the beginning will do
        run: String,
        /// A sentence
        text: Option<String>,
        /// Give it this tag (may be given several times)
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// Take this tag away (may be given several times)
        #[arg(long, value_name = "TAG")]
        untag: Vec<String>,
        #[command(flatten)]
        results: Results,
    },
    /// Write the pipeline of a run, as it read it, into a folder, and say how it is run again; nothing there is overwritten
    Restore {
        /// The run, as `runs` names it; the beginning will do
        run: String,
        /// The folder
        folder: PathBuf,
        #[command(flatten)]
        results: Results,
    },
    /// Say what differs between two recorded runs: program, file, parameters, results
    Diff {
        /// A run, as `runs` names it; the beginning will do
        left: String,
        /// Another
        right: String,
        #[command(flatten)]
        results: Results,
    },
}

/// Prints what was asked for.
pub fn run(args: Args) -> Result<Finished, Failure> {
    match &args.what {
        None => {
            args.output.as_deref().map_or(Ok(()), can_be_written)?;
            let mut runs = kept(&args.results.store_here())?;
            runs.retain(|run| args.tag.as_ref().is_none_or(|tag| run.notes.tags.contains(tag)));
            match &args.output {
                Some(file) => {
                    let words = records::write(&runs, file)?;
                    let file = file.display().to_string();
                    answer(|| Exported { file }, || words);
                }
                None => answer(|| recorded(&runs), || list(&runs)),
            }
        }
        Some(What::Note {
            run,
            text,
            tag,
            untag,
            results,
        }) => {
            let runs = kept(&results.store_here())?;
            let noted = note(named(&runs, run)?, text.as_deref(), tag, untag)?;
            answer(|| row(&noted), || format!("{}  {}\n", noted.name, words(&noted)));
        }
        Some(What::Restore { run, folder, results }) => {
            let store = results.store_here();
            let restored = restore::restore(&store, named(&kept(&store)?, run)?, folder)?;
            let words = restore::words(&restored);
            answer(|| restored, || words);
        }
        Some(What::Where { file, results }) => {
            let store = results.store_here();
            let found = entries_of(&store, file)?;
            let runs = kept(&store)?;
            answer(|| origins(&store, &found, &runs), || origin(&store, &found, &runs));
        }
        Some(What::Diff { left, right, results }) => {
            let store = results.store_here();
            let runs = kept(&store)?;
            let (left, right) = (named(&runs, left)?, named(&runs, right)?);
            let found = differences(&store, left, right);
            answer(
                || Differences {
                    differences: found.clone(),
                },
                || told(&found, left, right),
            );
        }
    }
    Ok(Finished::Well)
}

fn kept(store: &Store) -> Result<Vec<KeptRun>, Failure> {
    store.check().map_err(Failure::work)?;
    let mut runs = store.kept_runs().map_err(Failure::work)?;
    runs.sort_by(|a, b| b.asked.cmp(&a.asked).then(a.name.cmp(&b.name)));
    Ok(runs)
}

/// A line for each run.
fn list(runs: &[KeptRun]) -> String {
    if runs.is_empty() {
        return "no run is recorded here\n".to_owned();
    }
    let head = [
        "run",
        "began",
        "ended",
        "how",
        "stages",
        "program",
        "parameters",
        "tags and notes",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for run in runs {
        let record = &run.record;
        lines.push(vec![
            run.name.clone(),
            minute(&record.began),
            record
                .ended
                .as_deref()
                .map_or_else(|| "not yet, or killed".to_owned(), minute),
            record.how.map_or("", How::words).to_owned(),
            record.needs.len().to_string(),
            record.program.clone(),
            given(record),
            words(run),
        ]);
    }
    align(&lines, &[4])
}

/// Its tags, then its notes.
fn words(run: &KeptRun) -> String {
    let tags = run.notes.tags.iter().map(|tag| format!("#{tag}"));
    tags.chain(run.notes.notes.iter().cloned())
        .collect::<Vec<_>>()
        .join("  ")
}

/// Notes something of a run, which then has it.
fn note(run: &KeptRun, text: Option<&str>, tags: &[String], untag: &[String]) -> Result<KeptRun, Failure> {
    if text.is_none() && tags.is_empty() && untag.is_empty() {
        return Err(Failure::Usage(
            "say what is to be noted: a sentence, --tag or --untag".to_owned(),
        ));
    }
    let is_word = |tag: &&String| !tag.is_empty() && !tag.contains(char::is_whitespace);
    if let Some(wrong) = tags.iter().find(|tag| !is_word(tag)) {
        return Err(Failure::Usage(format!("a tag is one word, not \"{wrong}\"")));
    }
    let mut notes = Notes::beside(&run.file).map_err(Failure::work)?;
    notes.notes.extend(text.map(str::to_owned));
    notes.tags.extend(tags.iter().cloned());
    notes.tags.retain(|tag| !untag.contains(tag));
    notes.keep(&run.file).map_err(Failure::work)?;
    Ok(KeptRun { notes, ..run.clone() })
}

/// A time without its seconds.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// What was set on the command line; of all parameters, those that differ from run to run are there.
fn given(record: &Record) -> String {
    let set = record
        .asked
        .overrides
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let to = record.asked.to.iter().map(|stage| format!("--to {stage}"));
    set.chain(to).collect::<Vec<_>>().join(" ")
}

/// The run that a name, or the beginning of one, means.
fn named<'a>(runs: &'a [KeptRun], name: &str) -> Result<&'a KeptRun, Failure> {
    if let Some(run) = runs.iter().find(|run| run.name == name) {
        return Ok(run);
    }
    let fit: Vec<&KeptRun> = runs.iter().filter(|run| run.name.starts_with(name)).collect();
    let names = |runs: &[&KeptRun]| runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>().join(", ");
    match fit[..] {
        [run] => Ok(run),
        [] => {
            let all: Vec<&KeptRun> = runs.iter().collect();
            Err(Failure::Usage(format!(
                "there is no run {name}; there are: {}",
                names(&all)
            )))
        }
        _ => Err(Failure::Usage(format!("{name} may be any of: {}", names(&fit)))),
    }
}

/// An entry that has a file.
struct Entry {
    kind: String,
    fingerprint: Hash256,
    file: String,
}

/// The recorded runs.
fn recorded(runs: &[KeptRun]) -> Recorded {
    Recorded {
        runs: runs.iter().map(row).collect(),
    }
}

/// A recorded run.
fn row(run: &KeptRun) -> RunRow {
    let record = &run.record;
    RunRow {
        run: run.name.clone(),
        file: record.asked.file.display().to_string(),
        began: record.began.clone(),
        ended: record.ended.clone(),
        stages: record.needs.len(),
        program: record.program.clone(),
        set: record.asked.overrides.iter().cloned().collect(),
        to: record.asked.to.clone(),
        how: record.how.map(|how| how.words().to_owned()),
        tags: run.notes.tags.iter().cloned().collect(),
        notes: run.notes.notes.clone(),
    }
}

/// Where a file comes from.
fn origins(store: &Store, found: &[Entry], runs: &[KeptRun]) -> Origins {
    let origin = |entry: &Entry| {
        let manifest = store.manifest(&entry.kind, &entry.fingerprint);
        let json = store.fingerprint_of(&entry.kind, &entry.fingerprint);
        let of = runs.iter().filter(|run| run.record.needs.contains(&entry.fingerprint));
        Origin {
            file: entry.file.clone(),
            kind: entry.kind.clone(),
            folder: store.folder(&entry.kind, &entry.fingerprint).display().to_string(),
            made: manifest.as_ref().map(|manifest| manifest.when.clone()),
            program: manifest.map(|manifest| manifest.version),
            parameters: parameters(&json.unwrap_or_default()),
            runs: of.map(|run| run.name.clone()).collect(),
        }
    };
    Origins {
        origins: found.iter().map(origin).collect(),
    }
}

/// The entries of the cache that have the content of a file.
fn entries_of(store: &Store, file: &Path) -> Result<Vec<Entry>, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("{}: {}", file.display(), reason(&error)));
    let hash = Hash256::of_file(file).map_err(failed)?;
    let found = entries(store, &hash);
    if found.is_empty() {
        let results = store.results().display();
        return Err(Failure::Usage(format!(
            "no output in {results} has the content of {}",
            file.display()
        )));
    }
    Ok(found)
}

/// Where a file comes from, in words.
fn origin(store: &Store, found: &[Entry], runs: &[KeptRun]) -> String {
    let mut text = String::new();
    for entry in found {
        let _ = writeln!(text, "{} of a stage {}", entry.file, entry.kind);
        let _ = writeln!(
            text,
            "  in    {}",
            store.folder(&entry.kind, &entry.fingerprint).display()
        );
        if let Some(manifest) = store.manifest(&entry.kind, &entry.fingerprint) {
            let Manifest {
                when,
                version,
                seconds,
                device,
                ..
            } = &manifest;
            let _ = writeln!(
                text,
                "  made  {} by {version}, in {} on {device}",
                minute(when),
                duration(*seconds)
            );
        }
        let json = store
            .fingerprint_of(&entry.kind, &entry.fingerprint)
            .unwrap_or_default();
        for (name, value) in parameters(&json) {
            let _ = writeln!(text, "  with  {name}: {}", plain(&value));
        }
        for run in runs.iter().filter(|run| run.record.needs.contains(&entry.fingerprint)) {
            let folder = store.pipeline_folder(&run.record.asked.pipeline);
            let state = State::load(&folder).unwrap_or_default();
            let label = state.stages.iter().find(|(_, last)| last.hash == entry.fingerprint);
            let label = label.map(|(label, _)| format!(", as {label}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "  run   {} of {}{label}",
                run.name,
                run.record.asked.file.display()
            );
        }
    }
    text
}

/// The entries with an output of this content.
fn entries(store: &Store, hash: &Hash256) -> Vec<Entry> {
    let mut found = Vec::new();
    for (kind, fingerprint) in store.all() {
        let outputs = store.outputs(&kind, &fingerprint);
        let own = outputs.into_iter().find(|output| output.sha256 == *hash);
        found.extend(own.map(|output| Entry {
            kind,
            fingerprint,
            file: output.file,
        }));
    }
    found
}

/// The parameters in a fingerprint.
fn parameters(json: &str) -> BTreeMap<String, Value> {
    let json: Value = serde_json::from_str(json).unwrap_or_default();
    let own = json
        .get("parameters")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    own.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// What differs between two runs.
fn differences(store: &Store, left: &KeptRun, right: &KeptRun) -> Vec<Difference> {
    let (a, b) = (&left.record, &right.record);
    let mut lines: Vec<Difference> = Vec::new();
    let mut differ = |name: &str, left: String, right: String| {
        if left != right {
            lines.push(Difference {
                what: name.to_owned(),
                left,
                right,
            });
        }
    };
    differ("run", left.name.clone(), right.name.clone());
    differ("began", minute(&a.began), minute(&b.began));
    differ("program", a.program.clone(), b.program.clone());
    let file = |record: &Record| record.asked.file.display().to_string();
    differ("file", file(a), file(b));
    differ("text", short(&a.asked.yaml), short(&b.asked.yaml));
    differ("to", a.asked.to.join(" "), b.asked.to.join(" "));
    let value = |record: &Record, name: &str| record.asked.parameters.get(name).map_or_else(|| "-".to_owned(), plain);
    let mut names: Vec<&String> = a.asked.parameters.keys().collect();
    names.extend(
        b.asked
            .parameters
            .keys()
            .filter(|name| !a.asked.parameters.contains_key(*name)),
    );
    for name in names {
        differ(name, value(a, name), value(b, name));
    }
    let only = |one: &Record, other: &Record| {
        let mut kinds: BTreeMap<String, Vec<Hash256>> = BTreeMap::new();
        for hash in one.needs.iter().filter(|hash| !other.needs.contains(hash)) {
            let kind = store.kind_of(hash).unwrap_or_else(|| "gone".to_owned());
            kinds.entry(kind).or_default().push(*hash);
        }
        kinds
    };
    let (of_a, of_b) = (only(a, b), only(b, a));
    let mut kinds: Vec<&String> = of_a.keys().chain(of_b.keys()).collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        let own = |of: &BTreeMap<String, Vec<Hash256>>| of.get(kind).cloned().unwrap_or_default();
        let (own_a, own_b) = (own(&of_a), own(&of_b));
        differ(
            &format!("stages {kind}"),
            format!("{} of its own", own_a.len()),
            format!("{} others", own_b.len()),
        );
        // Where each has one such stage, these are the same of two runs.
        if let ([one], [other]) = (&own_a[..], &own_b[..]) {
            let told = |hash: &Hash256| {
                store
                    .manifest(kind, hash)
                    .map(|manifest| manifest.metrics)
                    .unwrap_or_default()
            };
            let (one, other) = (told(one), told(other));
            for metric in &one {
                let same = other.iter().find(|same| same.name == metric.name);
                let text = |value: f64| crate::report::summary::with_unit(value, &metric.unit);
                let right = same.map_or_else(|| "-".to_owned(), |same| text(same.value));
                differ(&format!("{kind}.{}", metric.name), text(metric.value), right);
            }
        }
    }
    lines
}

/// The same in words.
fn told(found: &[Difference], left: &KeptRun, right: &KeptRun) -> String {
    if found.is_empty() {
        return format!("{} and {} do not differ\n", left.name, right.name);
    }
    let mut lines: Vec<Vec<String>> = vec![["", "left", "right"].map(str::to_owned).to_vec()];
    let line = |one: &Difference| vec![one.what.clone(), one.left.clone(), one.right.clone()];
    lines.extend(found.iter().map(line));
    align(&lines, &[])
}

/// The beginning of a hash.
fn short(hash: &Hash256) -> String {
    hash.hex()[..12].to_owned()
}
