//! The records of runs: what was asked, with which program, and which entries it needs. As long as a run has its record,
//! `gc` keeps what it needs.
//!
//! ```text
//! results/cache/runs/<pipeline>/<name>.json   the record
//! results/cache/runs/<pipeline>/<name>.yaml   the pipeline file as that run read it
//! results/cache/runs/<pipeline>/file          which file the pipeline's name belongs to
//! ```
//!
//! A run that asks for the same as one before takes its record over. The time of the file is when that was last asked.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{self, Keep};
use super::notes::{self, Notes};
use super::{Hash256, Store, checked, named};

/// What a run was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Pipeline name.
    pub pipeline: String,
    /// The pipeline file.
    pub file: PathBuf,
    /// Hash of its text.
    pub yaml: Hash256,
    /// The `-p name=value`, as they were given.
    pub overrides: Vec<(String, String)>,
    /// The `--to`.
    pub to: Vec<String>,
    /// Every parameter with its value. A swept one has the list of its values; one that depends on these is as it is
    /// written in the file.
    pub parameters: Map<String, Value>,
}

impl Asked {
    /// The name of the part of the pipeline that was asked for; `None` for the whole of it, as the file has it.
    pub fn part(&self) -> Option<String> {
        part(&self.overrides, &self.to)
    }

    /// The name of the record: the part, and what tells other versions of the file apart.
    pub fn name(&self) -> String {
        let all = (&self.yaml, &self.overrides, &self.to);
        let hash = Hash256::of(serde_json::to_vec(&all).unwrap_or_default());
        let part = self.part().unwrap_or_else(|| "whole".to_owned());
        format!("{part}-{}", &hash.hex()[..8])
    }
}

/// The longest name of a part, in bytes.
const LONGEST: usize = 60;

/// A name for a part of a pipeline that can name a folder: `scale=5.8,to=truth`; `None` for the whole.
pub fn part(overrides: &[(String, String)], to: &[String]) -> Option<String> {
    if overrides.is_empty() && to.is_empty() {
        return None;
    }
    let set = overrides.iter().map(|(name, value)| format!("{name}={value}"));
    let words: Vec<String> = set.chain(to.iter().map(|stage| format!("to={stage}"))).collect();
    let text = words.join(",");
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.=,+".contains(letter);
    let mut name: String = text
        .chars()
        .map(|letter| if plain(letter) { letter } else { '_' })
        .take(LONGEST)
        .collect();
    if name != text || name.starts_with('.') {
        name = format!("_{name}-{}", &Hash256::of(&text).hex()[..8]);
    }
    Some(name)
}

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Asked,
    /// The run in the journal.
    pub run: String,
    /// Version and commit of this program.
    pub program: String,
    /// The machine.
    pub host: String,
    /// When it began, RFC 3339 in UTC.
    pub began: String,
    /// When it ended; `None` if it goes on or was killed. All that was published since it began may be its own.
    pub ended: Option<String>,
    /// How it ended; `None` if it has not, or was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<How>,
    /// Fingerprints of all that it found, made, or left unfinished.
    pub needs: Vec<Hash256>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// With all that it was asked for.
    Well,
    /// With a comparison outside its tolerance.
    OutsideTolerance,
    /// A stage failed.
    Failed,
    /// It was interrupted.
    Interrupted,
}

impl How {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::OutsideTolerance => "outside tolerance",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Record {
    /// Whether another says the same, but for when and where it ran.
    fn agrees_with(&self, other: &Self) -> bool {
        let Self {
            asked,
            run: _,
            program,
            host: _,
            began: _,
            ended,
            how,
            needs,
        } = self;
        (asked, program, how, needs) == (&other.asked, &other.program, &other.how, &other.needs)
            && ended.is_some() == other.ended.is_some()
    }
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It has all that it was asked for.
    All,
    /// It has only begun, was interrupted, or something failed.
    Part,
}

/// A record in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRun {
    /// Pipeline and name, as `gc --run` takes it: `small/scale=5.8-0123abcd`.
    pub name: String,
    /// The record's file.
    pub file: PathBuf,
    /// When the same was last asked.
    pub asked: SystemTime,
    /// The record.
    pub record: Record,
    /// What the user noted of it.
    pub notes: Notes,
}

impl Store {
    fn runs(&self) -> PathBuf {
        self.results().join("cache").join("runs")
    }

    fn run_file(&self, asked: &Asked) -> PathBuf {
        self.runs().join(&asked.pipeline).join(format!("{}.json", asked.name()))
    }

    /// Keeps the record of a run with the text of its pipeline file. One that says the same already is only touched. A
    /// run that did not reach all it was asked for also needs what the one before it needed.
    pub fn keep_run(&self, mut record: Record, yaml: &[u8], reached: Reached) -> io::Result<()> {
        let file = self.run_file(&record.asked);
        let copy = file.with_extension("yaml");
        let copied = std::fs::read(&copy).is_ok_and(|there| there == yaml);
        let before = read(&file).ok();
        if let (Reached::Part, Some(before)) = (reached, &before) {
            record.needs.extend(&before.needs);
        }
        record.needs.sort_unstable();
        record.needs.dedup();
        if copied && before.is_some_and(|before| before.agrees_with(&record)) && touch(&file).is_ok() {
            return Ok(());
        }
        let folder = self.runs().join(&record.asked.pipeline);
        std::fs::create_dir_all(&folder).map_err(|error| named(&folder, &error))?;
        if !copied {
            files::replace(&copy, yaml, Keep::Durable)?;
        }
        let text = checked::with_check(&serde_json::to_string(&record)?);
        files::replace(&file, text.as_bytes(), Keep::Durable)
    }

    /// Notes that what a record says was asked again; whether there is one, and it and its copy of the file are whole.
    pub fn touch_run(&self, asked: &Asked) -> bool {
        let file = self.run_file(asked);
        let copied = Hash256::of_file(&file.with_extension("yaml")).is_ok_and(|copy| copy == asked.yaml);
        let whole = copied && std::fs::read(&file).is_ok_and(|text| checked::without_check(&text).is_some());
        // In a folder that cannot be written, nothing is removed either.
        let _ = whole.then(|| touch(&file));
        whole
    }

    /// All records; or the first that cannot be read.
    pub fn kept_runs(&self) -> io::Result<Vec<KeptRun>> {
        let mut runs = Vec::new();
        for folder in files::entries(&self.runs())? {
            let files = files::entries(&folder)?;
            let ends = |file: &Path, ending: &str| file.extension().is_some_and(|own| own == ending);
            let noted: HashSet<PathBuf> = files.iter().filter(|file| ends(file, notes::ENDING)).cloned().collect();
            for file in files.into_iter().filter(|file| ends(file, "json")) {
                let record = read(&file)?;
                if self.run_file(&record.asked) != file {
                    return Err(io::Error::other(format!(
                        "{} is the record of another run",
                        file.display()
                    )));
                }
                let asked = std::fs::metadata(&file).and_then(|found| found.modified());
                runs.push(KeptRun {
                    name: format!("{}/{}", record.asked.pipeline, record.asked.name()),
                    asked: asked.map_err(|error| named(&file, &error))?,
                    notes: if noted.contains(&file.with_extension(notes::ENDING)) {
                        Notes::beside(&file)?
                    } else {
                        Notes::default()
                    },
                    file,
                    record,
                });
            }
        }
        runs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(runs)
    }

    /// The file that a pipeline's name belongs to, as the newest run of it left it.
    pub fn file_of(&self, pipeline: &str) -> Option<PathBuf> {
        let text = std::fs::read_to_string(self.runs().join(pipeline).join("file")).ok()?;
        let kept = PathBuf::from(text.strip_suffix('\n')?);
        Some(self.results().join(kept))
    }

    /// Notes which file a pipeline's name belongs to: from the results folder, where the file lies beside or below it, so
    /// that both can be moved or copied together.
    pub fn keep_file_of(&self, pipeline: &str, file: &Path) -> io::Result<()> {
        let path = self.runs().join(pipeline).join("file");
        let file = file.canonicalize()?;
        let results = self.results().canonicalize()?;
        let beside = results.parent().and_then(|parent| file.strip_prefix(parent).ok());
        let kept = beside.map_or_else(|| file.clone(), |beside| Path::new("..").join(beside));
        let text = format!("{}\n", kept.display());
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        files::replace(&path, text.as_bytes(), Keep::Remakable)
    }
}

/// Reads a record, and checks that it is the one its name says.
fn read(file: &Path) -> io::Result<Record> {
    let text = std::fs::read(file).map_err(|error| named(file, &error))?;
    let body = checked::without_check(&text);
    let record: Option<Record> = body.and_then(|body| serde_json::from_str(&body).ok());
    record.ok_or_else(|| io::Error::other(format!("{} is damaged", file.display())))
}

fn touch(file: &Path) -> io::Result<()> {
    File::options().append(true).open(file)?.set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(overrides: &[(&str, &str)], to: &[&str]) -> Asked {
        let own = |text: &&str| (*text).to_owned();
        Asked {
            pipeline: "toys".to_owned(),
            file: PathBuf::from("/p.yaml"),
            yaml: Hash256::of("pipeline: toys"),
            overrides: overrides.iter().map(|(name, value)| (own(name), own(value))).collect(),
            to: to.iter().map(own).collect(),
            parameters: Map::from_iter([("seed".to_owned(), Value::from(1))]),
        }
    }

    fn record(overrides: &[(&str, &str)]) -> Record {
        Record {
            asked: asked(overrides, &[]),
            run: "run".to_owned(),
            program: "0.1.0 (0123456)".to_owned(),
            host: "here".to_owned(),
            began: "2026-01-02T03:04:05.000Z".to_owned(),
            ended: Some("2026-01-02T03:04:06.000Z".to_owned()),
            how: Some(How::Well),
            needs: sorted(["a", "b"]),
        }
    }

    fn sorted<const N: usize>(texts: [&str; N]) -> Vec<Hash256> {
        let mut hashes = texts.map(Hash256::of);
        hashes.sort_unstable();
        hashes.to_vec()
    }

    #[test]
    fn parts_have_names_that_can_name_folders() {
        let part = |overrides: &[(&str, &str)], to: &[&str]| asked(overrides, to).part();
        assert_eq!(part(&[], &[]), None);
        assert_eq!(part(&[("scale", "5.8")], &["truth"]).unwrap(), "scale=5.8,to=truth");
        let (slash, colon) = (
            part(&[("a", "x/../y")], &[]).unwrap(),
            part(&[("a", "x:..:y")], &[]).unwrap(),
        );
        assert!(slash.starts_with("_a=x_.._y-") && slash != colon, "{slash} {colon}");
        assert!(part(&[], &[&"x".repeat(1000)]).unwrap().len() < 100);
        assert!(part(&[("λ", "λ")], &[]).unwrap().is_ascii());
        assert_ne!(asked(&[], &["a"]).name(), asked(&[], &["b"]).name());
        assert!(asked(&[], &[]).name().starts_with("whole-"));
    }

    #[test]
    fn a_record_comes_back_and_asking_again_only_touches_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let first = record(&[("scale", "5.8")]);
        store.keep_run(first.clone(), b"pipeline: toys", Reached::All).unwrap();
        store.keep_run(record(&[]), b"pipeline: toys", Reached::All).unwrap();
        let runs = store.kept_runs().unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0].record, first);
        assert!(runs[0].name.starts_with("toys/scale=5.8-"), "{}", runs[0].name);
        assert_eq!(
            std::fs::read(runs[0].file.with_extension("yaml")).unwrap(),
            b"pipeline: toys"
        );
        let noted = Notes {
            notes: vec!["as in the paper".to_owned()],
            tags: ["best".to_owned()].into(),
        };
        noted.keep(&runs[0].file).unwrap();
        let kept = store.kept_runs().unwrap();
        assert_eq!((&kept[0].notes, &kept[1].notes), (&noted, &Notes::default()));
        let old = SystemTime::UNIX_EPOCH;
        File::options()
            .append(true)
            .open(&runs[0].file)
            .unwrap()
            .set_modified(old)
            .unwrap();
        let again = Record {
            run: "another".to_owned(),
            began: "later".to_owned(),
            ..first.clone()
        };
        store.keep_run(again.clone(), b"pipeline: toys", Reached::All).unwrap();
        let kept = store.kept_runs().unwrap();
        assert_eq!(kept[0].record, first);
        assert!(kept[0].asked > old);
        let more = Record {
            needs: vec![Hash256::of("c")],
            ..again.clone()
        };
        store.keep_run(more.clone(), b"pipeline: toys", Reached::All).unwrap();
        assert_eq!(store.kept_runs().unwrap()[0].record, more);
        store.keep_run(again, b"pipeline: toys", Reached::Part).unwrap();
        assert_eq!(store.kept_runs().unwrap()[0].record.needs.len(), 3);
        assert!(store.touch_run(&more.asked) && !store.touch_run(&asked(&[], &["x"])));
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        assert_eq!(store.kept_runs().unwrap(), []);
        store.keep_run(record(&[]), b"", Reached::All).unwrap();
        let file = store.kept_runs().unwrap()[0].file.clone();
        let mut text = std::fs::read(&file).unwrap();
        let last = text.len() - 5;
        text[last] ^= 1;
        std::fs::write(&file, text).unwrap();
        let error = store.kept_runs().unwrap_err().to_string();
        assert!(error.ends_with("json is damaged"), "{error}");
    }

    #[test]
    fn a_folder_can_be_copied_with_its_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        let (file, results) = (folder.path().join("a/p.yaml"), folder.path().join("a/results"));
        std::fs::create_dir_all(results.join("cache/runs/toys")).unwrap();
        std::fs::write(&file, "").unwrap();
        let store = Store::open(&results);
        assert_eq!(store.file_of("toys"), None);
        store.keep_file_of("toys", &file).unwrap();
        let same = |found: PathBuf, wanted: &Path| found.canonicalize().unwrap() == wanted.canonicalize().unwrap();
        assert!(same(store.file_of("toys").unwrap(), &file));
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        let moved = Store::open(&folder.path().join("b/results"));
        assert!(same(moved.file_of("toys").unwrap(), &folder.path().join("b/p.yaml")));
    }
}
