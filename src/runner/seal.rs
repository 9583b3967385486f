//! The seal of a pipeline in which nothing is left to do: what the next run would say, and every file it would look at.
//!
//! Only an accelerator. If the YAML file, the parameters and the program are the same, and every file looks as it did,
//! the answer is known without parsing the pipeline and hashing its fingerprints again. In all other cases there is no
//! answer, and planning goes its usual way.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::plan::{Entry, Plan};
use crate::spec::PipelineFile;
use crate::store::files::{self, Keep};
use crate::store::runs::Asked;
use crate::store::{Hash256, Identity, Store};

/// Bump when the meaning of a seal changes.
const VERSION: u32 = 2;

/// Where a seal lies, and what must be the same for it to speak.
#[derive(Debug, Clone)]
pub struct Key {
    file: PathBuf,
    hash: Hash256,
}

impl Key {
    /// The key of a pipeline file, as it was read, with its `-p name=value`, for this program, in a results folder.
    pub fn new(results: &Path, pipeline: &PipelineFile, overrides: &[(String, String)]) -> io::Result<Self> {
        let place = serde_json::to_vec(&(std::path::absolute(pipeline.path())?, overrides))?;
        // Links to the program come and go; they change its attributes, not the program.
        let program = Identity::of(&std::env::current_exe()?)?;
        let program = (program.bytes, program.modified, program.inode);
        let content = (VERSION, &place, program, pipeline.hash());
        Ok(Self {
            file: folder(results).join(Hash256::of(&place).hex()),
            hash: Hash256::of(serde_json::to_vec(&content)?),
        })
    }
}

fn folder(results: &Path) -> PathBuf {
    results.join("cache").join("seals")
}

/// What a run with nothing to do says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked for.
    pub asked: Asked,
    /// Number of stage instances whose outputs are there.
    pub fresh: usize,
    /// Number of those that are skipped because of a finding.
    pub skipped: usize,
    /// What workers find, where the pipeline has stages that run in one. It is for the caller to compare.
    pub worker: Option<String>,
    /// Whether a comparison is outside its tolerance.
    pub outside_tolerance: bool,
    /// The plan as text.
    pub plan: String,
    /// The results as text.
    pub results: String,
}

/// A file, from the results folder unless its path is absolute, and how it looked: the fields of [`Identity`], without
/// their names, for there may be thousands.
type Look<'a> = (Cow<'a, str>, u64, i64, i64, u64);

fn look(path: String, identity: Identity) -> Look<'static> {
    let Identity {
        bytes,
        modified,
        changed,
        inode,
    } = identity;
    (Cow::from(path), bytes, modified, changed, inode)
}

fn is_unchanged(results: &File, look: &Look<'_>) -> bool {
    let (path, bytes, modified, changed, inode) = look;
    let then = Identity {
        bytes: *bytes,
        modified: *modified,
        changed: *changed,
        inode: *inode,
    };
    Identity::at(results.as_fd(), path).is_ok_and(|now| now == then)
}

#[derive(Serialize, Deserialize)]
struct Seal<'a> {
    /// Comes first, so that a seal of another key is known by its beginning.
    key: Hash256,
    answer: Answer,
    #[serde(borrow)]
    files: Vec<Look<'a>>,
}

/// The answer, if nothing changed since it was sealed.
pub fn answer(results: &Path, key: &Key) -> Option<Answer> {
    let bytes = std::fs::read(&key.file).ok()?;
    let (sum, text) = bytes.split_at_checked(64)?;
    // Of another pipeline, or another program: nothing else in it needs to be read.
    if !text.starts_with(format!("{{\"key\":\"{}\"", key.hash.hex()).as_bytes()) {
        return None;
    }
    let sum = Hash256::parse(std::str::from_utf8(sum).ok()?)?;
    if Hash256::of(text) != sum {
        return None;
    }
    let seal: Seal = serde_json::from_slice(text).ok()?;
    let results = File::open(results).ok()?;
    (seal.key == key.hash && unchanged(&results, &seal.files)).then_some(seal.answer)
}

/// Looks at every file; many of them on two threads.
fn unchanged(results: &File, files: &[Look<'_>]) -> bool {
    let all = |files: &[Look<'_>]| files.iter().all(|look| is_unchanged(results, look));
    if files.len() < 1000 {
        return all(files);
    }
    let (one, two) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| all(one));
        all(two) && one.join().unwrap_or(false)
    })
}

/// Seals a plan in which every stage is a hit, or skipped because of a finding. `beside` are files of the pipeline's own
/// folder that the answer speaks of; `now` is the moment, in nanoseconds since 1970. Where some file may still change
/// unseen, or is not what the store remembers, nothing is sealed.
pub fn seal(
    key: &Key,
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    answer: Answer,
    beside: &[PathBuf],
    now: i64,
) -> io::Result<bool> {
    let results = store.results();
    let mut files = Vec::new();
    for (stage, entry) in graph.stages.iter().zip(&plan.entries) {
        let cached = match entry {
            Entry::Hit(cached) => cached,
            Entry::Skipped { .. } => continue,
            _ => return Ok(false),
        };
        let Some((cached, description)) = store.recall(&cached.fingerprint) else {
            return Ok(false);
        };
        let folder = store.folder(stage.kind, &cached.fingerprint);
        let Some(folder) = folder.strip_prefix(results).ok().and_then(Path::to_str) else {
            return Ok(false);
        };
        files.push(look(format!("{folder}/manifest.json"), description.manifest));
        files.push(look(format!("{folder}/fingerprint.json"), description.fingerprint));
        let outputs = cached.outputs.iter();
        files.extend(outputs.map(|output| look(format!("{folder}/{}", output.file), output.identity)));
    }
    for (path, identity) in plan.user_files() {
        let path = std::path::absolute(path)?;
        let (Some(path), true) = (path.to_str(), identity.is_settled(now)) else {
            return Ok(false);
        };
        files.push(look(path.to_owned(), identity));
    }
    for path in beside {
        let Some(inside) = path.strip_prefix(results).ok().and_then(Path::to_str) else {
            return Ok(false);
        };
        files.push(look(inside.to_owned(), Identity::of(path)?));
    }
    let hash = key.hash;
    let text = serde_json::to_vec(&Seal {
        key: hash,
        answer,
        files,
    })?;
    let folder = folder(results);
    std::fs::create_dir_all(&folder)?;
    let sealed = [Hash256::of(&text).hex().as_bytes(), &text].concat();
    files::replace(&key.file, &sealed, Keep::Remakable)?;
    Ok(true)
}

/// Removes all seals: they cost one slower run.
pub fn remove_all(results: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder(results)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
