//! What a user has on a cluster: a file that says where jobs go and what they get when their stage says nothing.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::reason;
use crate::spec::limits;

/// A profile, as its file says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Partition of stages that name none.
    pub partition: Option<String>,
    /// Account of stages that name none.
    pub account: Option<String>,
    /// The longest that a job runs at a time. A training that needs longer goes on in another.
    pub time: Option<Duration>,
    /// Memory of stages that state none, in bytes.
    pub memory: Option<u64>,
    /// CPU threads of stages that state none.
    pub threads: usize,
    /// Most jobs of a run at a time, those that wait included.
    pub jobs: usize,
    /// Most tasks of one array; less than the cluster's `MaxArraySize`.
    pub array: usize,
    /// Most jobs that share the stages that are ready together, for `--executor pilot`.
    pub pilots: usize,
    /// What stages on a GPU get; without it there are none.
    pub gpu: Option<Gpu>,
    /// Lines of shell that each job begins with.
    pub setup: String,
    /// Further arguments of `sbatch`.
    pub arguments: Vec<String>,
}

/// What a stage on a GPU gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// `--gres`.
    pub gres: String,
    /// Partition.
    pub partition: Option<String>,
    /// Account.
    pub account: Option<String>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            time: None,
            memory: None,
            threads: 1,
            jobs: 1000,
            array: 1000,
            pilots: 8,
            gpu: None,
            setup: String::new(),
            arguments: Vec::new(),
        }
    }
}

const KEYS: [&str; 11] = [
    "partition",
    "account",
    "time",
    "memory",
    "threads",
    "jobs",
    "array",
    "pilots",
    "gpu",
    "setup",
    "arguments",
];
const GPU_KEYS: [&str; 3] = ["gres", "partition", "account"];

impl Profile {
    /// Reads a profile; what is wrong is said with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {}", path.display(), reason(&error)))?;
        Self::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Reads the text of a profile.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_yaml::from_str(text).map_err(|error| {
            let line = error.location().map(|place| format!("line {}: ", place.line()));
            format!("{}it is no YAML", line.unwrap_or_default())
        })?;
        let map = match value {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            _ => return Err("write keys with values, such as `partition: cpu`".to_owned()),
        };
        known(&map, &KEYS)?;
        let standard = Self::default();
        Ok(Self {
            partition: word(&map, "partition")?,
            account: word(&map, "account")?,
            time: sized(&map, "time", "24 h", limits::time)?,
            memory: sized(&map, "memory", "4 GB", limits::memory)?,
            threads: count(&map, "threads")?.unwrap_or(standard.threads),
            jobs: count(&map, "jobs")?.unwrap_or(standard.jobs),
            array: count(&map, "array")?.unwrap_or(standard.array),
            pilots: count(&map, "pilots")?.unwrap_or(standard.pilots),
            gpu: gpu(&map)?,
            setup: word(&map, "setup")?.unwrap_or_default(),
            arguments: words(&map, "arguments")?,
        })
    }
}

fn gpu(map: &Map<String, Value>) -> Result<Option<Gpu>, String> {
    let map = match map.get("gpu") {
        None => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("write `gpu: { gres: \"gpu:1\" }`".to_owned()),
    };
    known(map, &GPU_KEYS)?;
    Ok(Some(Gpu {
        gres: word(map, "gres")?.unwrap_or_else(|| "gpu:1".to_owned()),
        partition: word(map, "partition")?,
        account: word(map, "account")?,
    }))
}

fn known(map: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("there is no key `{key}`; there are {}", keys.join(", "))),
        None => Ok(()),
    }
}

fn word(map: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) => Ok(Some(word.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(format!("`{key}` is a text")),
    }
}

fn words(map: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` is a list of texts");
    match map.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}

fn sized<T>(
    map: &Map<String, Value>,
    key: &str,
    such: &str,
    read: fn(&Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match map.get(key) {
        None => Ok(None),
        Some(value) => read(value)
            .map(Some)
            .ok_or_else(|| format!("write `{key}` with its unit, such as `{key}: {such}`")),
    }
}

fn count(map: &Map<String, Value>, key: &str) -> Result<Option<usize>, String> {
    match map.get(key) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .map(Some)
            .ok_or_else(|| format!("`{key}` is a whole number from 1")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_profile_says_all_that_jobs_get() {
        let text = "partition: cpu\naccount: p12\ntime: 24 h\nmemory: 2 GB\nthreads: 4\njobs: 50\narray: 10\n\
                    gpu: { gres: \"gpu:a100:1\", partition: gpu }\nsetup: |\n  module load cuda\narguments: [--qos=long]\n";
        let profile = Profile::parse(text).unwrap();
        assert_eq!(profile.time, Some(Duration::from_secs(86_400)));
        assert_eq!(profile.memory, Some(2_000_000_000));
        assert_eq!((profile.threads, profile.jobs, profile.array), (4, 50, 10));
        assert_eq!(profile.gpu.unwrap().gres, "gpu:a100:1");
        assert_eq!(profile.setup, "module load cuda\n");
        assert_eq!(Profile::parse("").unwrap(), Profile::default());
        assert_eq!(Profile::parse("account: 12").unwrap().account.as_deref(), Some("12"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("partion: cpu", "no key `partion`"),
            ("time: 24", "with its unit"),
            ("jobs: 0", "whole number from 1"),
            ("gpu: yes", "write `gpu:"),
            ("gpu: { kind: a }", "no key `kind`"),
            ("arguments: --x", "a list of texts"),
            ("[1", "line"),
            ("- a", "write keys"),
        ] {
            let problem = Profile::parse(text).unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
        let missing = Profile::read(Path::new("/nowhere/slurm.yaml")).unwrap_err();
        assert_eq!(missing, "/nowhere/slurm.yaml: it does not exist");
    }
}
