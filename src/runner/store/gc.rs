//! Removing what no recorded run needs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::notes;
use super::runs::KeptRun;
use super::state::State;
use super::{Hash256, RESERVED, Store, files, named};

/// What to remove besides what no run needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Runs that were last asked for longer ago than this.
    pub older_than: Option<Duration>,
    /// Runs by name, or all of a pipeline.
    pub named: Vec<String>,
    /// The checkpoints of unfinished stages, whichever run needs them.
    pub checkpoints: bool,
}

impl Choice {
    fn takes(&self, run: &KeptRun, now: SystemTime) -> bool {
        let age = now.duration_since(run.asked).unwrap_or_default();
        let own = |name: &String| *name == run.name || *name == run.record.asked.pipeline;
        self.older_than.is_some_and(|limit| age > limit) || self.named.iter().any(own)
    }
}

/// What would be removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Runs whose records are dropped.
    pub dropped: Vec<KeptRun>,
    /// Runs that stay.
    pub kept: Vec<KeptRun>,
    /// What none of these needs.
    pub unused: Vec<Unused>,
    /// Names that name no run.
    pub unknown: Vec<String>,
}

/// A cache entry that no recorded run needs, here or away, or a folder of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its fingerprint.
    pub fingerprint: Hash256,
    /// Its folder; of one that is away, the file that tells of it.
    pub folder: PathBuf,
    /// Size of its files.
    pub bytes: u64,
}

impl Store {
    /// Finds the entries that no recorded run needs, once the chosen records are dropped. A record or state
    /// that cannot be read is an error: nobody knows what it needs.
    pub fn survey(&self, choice: &Choice, now: SystemTime) -> io::Result<Survey> {
        self.check()?;
        let all = self.kept_runs()?;
        let of_pipeline = |pipeline: &str| all.iter().any(|run| run.record.asked.pipeline == pipeline);
        let mut used = HashSet::new();
        for folder in folders(&self.results)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            if RESERVED.contains(&&*name) {
                continue;
            }
            let state = State::load(&folder).map_err(io::Error::other)?;
            // Its records know better, where there are some.
            if !of_pipeline(&name) {
                used.extend(state.stages.values().map(|last| last.hash));
                used.extend(state.stopped.values().map(|stopped| stopped.hash));
            }
        }
        let named_run = |name: &&String| all.iter().any(|run| run.name == **name) || of_pipeline(name);
        let unknown = choice.named.iter().filter(|name| !named_run(name)).cloned().collect();
        let (dropped, kept): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|run| choice.takes(run, now));
        used.extend(kept.iter().flat_map(|run| &run.record.needs));
        let unfinished: Vec<&KeptRun> = kept.iter().filter(|run| run.record.ended.is_none()).collect();
        let mut unused = Vec::new();
        for kind in folders(&self.entries)? {
            unused.extend(contents(&kind)?.into_iter().filter(|entry| {
                !used.contains(&entry.fingerprint) && !unfinished.iter().any(|run| made_since(run, &entry.folder))
            }));
        }
        for (kind, fingerprint) in self.all_away() {
            if !used.contains(&fingerprint) {
                let folder = self.away_path(&kind, &fingerprint);
                unused.push(Unused {
                    fingerprint,
                    folder,
                    bytes: 0,
                });
            }
        }
        if choice.checkpoints {
            unused.extend(contents(&self.results.join("checkpoints"))?);
        }
        for entry in &mut unused {
            entry.bytes = size(&entry.folder)?;
        }
        unused.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(Survey {
            dropped,
            kept,
            unused,
            unknown,
        })
    }

    /// Drops the records of a survey, with the reports of parts that no other record has.
    pub fn drop_runs(&self, survey: &Survey) -> io::Result<()> {
        for run in &survey.dropped {
            let asked = &run.record.asked;
            let others = || survey.kept.iter().map(|kept| &kept.record.asked);
            let others = || others().filter(|other| other.pipeline == asked.pipeline);
            for file in [
                run.file.clone(),
                run.file.with_extension("yaml"),
                run.file.with_extension(notes::ENDING),
            ] {
                gone(fs::remove_file(&file), &file)?;
            }
            if let Some(part) = asked
                .part()
                .filter(|_| !others().any(|other| other.part() == asked.part()))
            {
                let folder = self.report_folder(&asked.pipeline, Some(&part));
                gone(fs::remove_dir_all(&folder), &folder)?;
                // Only if it was the last.
                let _ = fs::remove_dir(folder.parent().unwrap_or(&folder));
            }
            if others().next().is_none() {
                let state = super::state::path(&self.pipeline_folder(&asked.pipeline));
                gone(fs::remove_file(&state), &state)?;
                if let Some(folder) = run.file.parent() {
                    gone(fs::remove_dir_all(folder), folder)?;
                }
            }
        }
        Ok(())
    }

    /// Removes entries, but for those that someone works on now. Gives the bytes set free.
    pub fn remove(&self, unused: &[Unused]) -> io::Result<u64> {
        self.prepare()?;
        let mut freed = 0;
        for entry in unused {
            let Some(_locks) = self.both_locks(&entry.fingerprint) else {
                continue;
            };
            // The manifest goes first: a removal that is cut short leaves no entry that looks valid.
            let _ = fs::remove_file(entry.folder.join("manifest.json"));
            let removed = match entry.folder.is_file() {
                true => fs::remove_file(&entry.folder),
                false => fs::remove_dir_all(&entry.folder),
            };
            gone(removed, &entry.folder)?;
            freed += entry.bytes;
        }
        Ok(freed)
    }
}

/// Whether an entry may be what a run made that was killed, or whose end is not known: it is not older than
/// the run, by what both say or by the times of their files.
fn made_since(run: &KeptRun, folder: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct When {
        when: String,
    }
    let manifest = fs::read(folder.join("manifest.json"));
    let when = manifest
        .ok()
        .and_then(|text| serde_json::from_slice::<When>(&text).ok());
    let written = fs::metadata(folder).and_then(|found| found.modified());
    when.is_some_and(|said| said.when >= run.record.began) || written.is_ok_and(|written| written >= run.asked)
}

fn gone(removed: io::Result<()>, path: &Path) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, &error)),
        _ => Ok(()),
    }
}

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let found = files::entries(parent)?;
    // A link is none.
    let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    Ok(found.into_iter().filter(is_folder).collect())
}

/// The folders of fingerprints in a folder, their sizes not yet known.
fn contents(parent: &Path) -> io::Result<Vec<Unused>> {
    let unused = |folder: PathBuf| {
        let fingerprint = Hash256::parse(&folder.file_name()?.to_string_lossy())?;
        Some(Unused {
            fingerprint,
            folder,
            bytes: 0,
        })
    };
    Ok(folders(parent)?.into_iter().filter_map(unused).collect())
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    if folder.is_file() {
        return Ok(fs::metadata(folder).map_err(|error| named(folder, &error))?.len());
    }
    for path in files::entries(folder)? {
        let found = fs::symlink_metadata(&path).map_err(|error| named(&path, &error))?;
        bytes += if found.is_dir() { size(&path)? } else { found.len() };
    }
    Ok(bytes)
}
