//! `actionfinder import`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner::clock;
use runner::shared::{Address, Mode, Setting, Shared};
use runner::spec::PipelineFile;
use runner::store::lock::host;
use runner::store::runs::{Asked, How, Reached, Record};
use runner::store::{Hash256, Store};

use super::answers::Imported;
use super::common::quoted;
use super::failure::{Failure, Finished, with_hint};
use super::results::Results;
use crate::console::{answer, count};
use crate::handover::lock::Lock;
use crate::handover::read::Crate;

/// Take in results that someone exported as .zip. Every hash is checked before anything is written; what was changed is refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The .zip file
    file: PathBuf,
    /// Unpack the pipeline and its data to this new folder, too; the results then go to results/ in it
    #[arg(short = 'o', long = "output", value_name = "FOLDER")]
    to: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
}

/// What the pipeline's files lie in.
const PIPELINE: &str = "pipeline/";

/// Takes them in.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let packed = Crate::open(&args.file).map_err(Failure::Work)?;
    let results = match &args.to {
        Some(folder) if !args.results.is_named() => args.results.in_folder(folder.join("results")),
        _ => args.results.clone(),
    };
    if let Some(folder) = &args.to {
        is_new(folder)?;
    }
    let folder = results.folder_here();
    has_room(&folder, packed.bytes())?;
    packed.check().map_err(Failure::Work)?;
    let pipeline = args.to.as_deref().map(|to| unpack(&packed, to)).transpose()?;
    let (lock, bytes) = (packed.lock().clone(), packed.bytes());
    let text = packed.text(&lock.file).map_err(Failure::Work)?;
    let store = results.store_here();
    let failed = |error| Failure::Work(with_hint("the results folder", &error));
    store.prepare().map_err(failed)?;
    let _hold = store.hold().map_err(failed)?;
    let setting = Setting {
        address: Address::Folder(args.file.clone()),
        mode: Mode::Read,
    };
    let store = store.above(Some(Arc::new(Shared::new(setting, Box::new(packed)))));
    let (stages, new) = take_in(&store, &lock)?;
    keep(&store, &lock, (&args.file, pipeline.as_deref(), text))?;
    let done = Imported {
        stages,
        new,
        bytes,
        results: folder.display().to_string(),
        pipeline: pipeline.as_ref().map(|file| file.display().to_string()),
    };
    let words = words(&done, &lock, &results);
    answer(|| done, || words);
    Ok(Finished::Well)
}

fn words(done: &Imported, lock: &Lock, results: &Results) -> String {
    let stages = count(done.stages, "stage");
    let mut text = format!(
        "{}: {stages} taken in, {} of them new, into {}",
        lock.pipeline, done.new, done.results
    );
    let set = lock
        .overrides
        .iter()
        .map(|(name, value)| format!(" -p {}", quoted(&format!("{name}={value}"))));
    let to = lock.to.iter().map(|stage| format!(" --to {}", quoted(stage)));
    let options: String = set.chain(to).collect();
    match &done.pipeline {
        Some(file) => {
            let named = if results.is_named() && !done.results.ends_with("results") {
                results.options()
            } else {
                String::new()
            };
            text.push_str(&format!(
                "\nrun it with: actionfinder run {}{options}{named}",
                quoted(file)
            ));
        }
        None => text.push_str("\nits pipeline and data are unpacked by: -o FOLDER"),
    }
    text
}

/// Nothing that is there is written over.
fn is_new(folder: &Path) -> Result<(), Failure> {
    let is_empty = |folder: &Path| fs::read_dir(folder).is_ok_and(|mut found| found.next().is_none());
    match fs::symlink_metadata(folder) {
        Ok(found) if !(found.is_dir() && is_empty(folder)) => Err(Failure::Usage(format!(
            "{} is there already; name a new folder",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn has_room(folder: &Path, bytes: u64) -> Result<(), Failure> {
    let there = folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statvfs(there) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match bytes > free {
        true => Err(Failure::Work(format!(
            "it has {bytes} bytes unpacked, and {free} are free in {}; nothing was written",
            there.display()
        ))),
        false => Ok(()),
    }
}

/// Writes the pipeline's files; gives the pipeline's own.
fn unpack(packed: &Crate, to: &Path) -> Result<PathBuf, Failure> {
    let lock = packed.lock();
    for name in lock.files.keys().filter(|name| name.starts_with(PIPELINE)) {
        let path = place(to, name);
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        let mut file = File::create_new(&path).map_err(|error| Failure::file(&path, &error))?;
        packed.copy(name, &mut file).map_err(Failure::Work)?;
    }
    Ok(place(to, &lock.file))
}

fn place(to: &Path, name: &str) -> PathBuf {
    to.join(name.strip_prefix(PIPELINE).unwrap_or(name))
}

/// Puts every entry into the store; gives how many stages there are, and how many entries were not here.
fn take_in(store: &Store, lock: &Lock) -> Result<(usize, usize), Failure> {
    let stages = lock.stages.iter();
    let mut wanted: Vec<(&str, Hash256)> = stages.map(|stage| (&*stage.kind, stage.fingerprint)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let new = wanted.iter().filter(|(kind, hash)| !store.has(kind, hash)).count();
    for ((kind, hash), came) in wanted.iter().zip(store.take_in(&wanted)) {
        came.map_err(|damage| Failure::Work(format!("{kind} {}: {damage}", hash.short())))?;
    }
    Ok((lock.stages.len(), new))
}

/// Keeps a record, as of a run: nothing else keeps what was taken in from `gc`.
fn keep(store: &Store, lock: &Lock, (from, pipeline, text): (&Path, Option<&Path>, String)) -> Result<(), Failure> {
    let unpacked = pipeline.and_then(|file| PipelineFile::read(file).ok());
    let text = unpacked.as_ref().map_or(text, PipelineFile::text);
    let file = pipeline.unwrap_or(from);
    let now = clock::now();
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let record = Record {
        asked: Asked {
            pipeline: lock.pipeline.clone(),
            file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
            yaml: Hash256::of(&text),
            overrides: lock.overrides.clone(),
            to: lock.to.clone(),
            parameters: lock.parameters.clone(),
        },
        run: format!("import of {name}"),
        program: lock.program.clone(),
        host: host(),
        began: now.clone(),
        ended: Some(now),
        how: Some(How::Well),
        needs: lock.stages.iter().map(|stage| stage.fingerprint).collect(),
    };
    let kept = store.keep_run(record, text.as_bytes(), Reached::All);
    kept.map_err(|error| Failure::Work(with_hint("the record of what was taken in", &error)))?;
    if let Some(file) = pipeline {
        let kept = store.keep_file_of(&lock.pipeline, file);
        kept.map_err(|error| Failure::Work(with_hint("the record of what was taken in", &error)))?;
    }
    Ok(())
}
