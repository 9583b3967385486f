//! Runs a program of the user's: a stage without Rust.
//!
//! The program begins in a working folder that holds its inputs, its declared files and a request, and writes its outputs there. What
//! it wrote is checked against what the pipeline says, and kept with units, frames and descriptions as every other output. On Linux it
//! can read nothing else but the system's folders and write nowhere else, so that no input is left undeclared.

mod folder;
mod log;
mod outputs;
mod process;
mod report;
mod sandbox;
mod strays;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use indexmap::IndexMap;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Accepts, Connected, InputPort, Need, OutputPort, lasting};
use runner::stage::{Fault, FileParameter, Outcome, Place, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::outputs::{ColumnType, FileOutput, Frame, NewColumn, Output, Rows, TableOutput};
use crate::common::units;

/// `command`
///
/// ```yaml
/// command:
///   from: { stars: orbits }
///   with:
///     run: [python3, speed.py]
///     files: [speed.py]
///     outputs: { stars: { table: { like: stars, add: { speed: { unit: km/s } } } } }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program, which is looked for on PATH, and its arguments. It begins in its working folder, where `request.json` says all that
    /// it is asked for: inputs are in `inputs/`, outputs belong into `outputs/`.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// Files that it reads besides its inputs, such as the program itself: absolute, or relative to the pipeline's file. They lie in the
    /// working folder under the same relative path; those from elsewhere, under their names. A change of their content makes the stage stale.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Parameters of the program, of any type; they are in the request.
    #[serde(default)]
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// What it gives, by name; the first is meant where only the stage is named. What it prints is the output `log`: its first and last 4 MiB.
    pub outputs: IndexMap<String, Output>,
    /// Columns that inputs must have, with their units: `{ stars: { x: kpc } }`.
    #[serde(default)]
    pub needs: BTreeMap<String, BTreeMap<String, String>>,
    /// Environment variables. Others are not there, but for PATH, HOME, LANG and numbers of threads.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The format of tables, in and out.
    #[serde(default)]
    pub tables: TableFormat,
}

/// A format of tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Parquet, with types and units.
    #[default]
    Parquet,
    /// Text with a line of names, separated by commas, for programs that do not read Parquet. Numbers have as many digits as they need;
    /// what is missing is empty.
    Csv,
}

/// The output that holds what the program prints.
const LOG: &str = "log";

/// Names that stand for something in the folder of a stage's outputs.
const TAKEN: [&str; 3] = [LOG, "manifest", "fingerprint"];

/// The longest name of an input or output.
const LONGEST: usize = 64;

/// Whether this can be the name of an input or output, and so of a file.
fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    first && name.len() <= LONGEST && letters.all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
}

/// Where a declared file lies in the working folder.
fn place_of(path: &Path) -> Option<PathBuf> {
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if plain.components().all(|part| matches!(part, Component::Normal(_))) {
        return Some(plain);
    }
    path.file_name().map(PathBuf::from)
}

impl Command {
    fn faults_of_files(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut places = BTreeSet::new();
        for (index, path) in self.files.iter().enumerate() {
            let at = format!("files.{index}");
            let Some(place) = place_of(path) else {
                faults.push(Fault::new(&at, "is no path of a file"));
                continue;
            };
            let first = place.components().next().map(|part| part.as_os_str().to_os_string());
            if first.is_some_and(|first| folder::OURS.iter().any(|ours| first == **ours)) {
                let message = format!("{} has the name of a part of the working folder", place.display());
                faults.push(Fault::new(&at, message));
            } else if !places.insert(place.clone()) {
                let message = format!("two files would be {} in the working folder", place.display());
                faults.push(Fault::new(&at, message));
            }
        }
        faults
    }

    fn faults_of_names(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.outputs.is_empty() {
            faults.push(Fault::new("outputs", "names no output: the stage gives nothing"));
        }
        for name in self.outputs.keys() {
            let at = format!("outputs.{name}");
            if TAKEN.contains(&name.as_str()) {
                faults.push(Fault::new(&at, format!("`{name}` is the name of something else here")));
            } else if !is_name(name) {
                let mut fault = Fault::new(&at, "cannot be the name of an output");
                fault.hint = Some("names have letters, digits, _ and -, and begin with a letter".to_owned());
                faults.push(fault);
            }
        }
        for name in self.environment.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                faults.push(Fault::new(
                    &format!("environment.{name}"),
                    "cannot be the name of a variable",
                ));
            }
        }
        for (input, columns) in &self.needs {
            for (column, unit) in columns {
                if units::spelled(unit).is_none() {
                    let at = format!("needs.{input}.{column}");
                    faults.push(Fault::new(&at, format!("\"{unit}\" is not a unit that is understood")));
                }
            }
        }
        faults
    }
}

impl Stage for Command {
    const KIND: &'static str = "command";
    const ABOUT: &'static str = "Run a program of your own on tables, figures and files";
    const REVISION: u32 = 2;
    const ROLE: Role = Role::Apply;
    const PLACE: Place = Place::Command;

    fn inputs(&self) -> Vec<InputPort> {
        let needed = self.needs.iter().filter(|(name, _)| is_name(name));
        let port = |(name, columns): (&String, &BTreeMap<String, String>)| {
            let needs = columns.iter().map(|(name, unit)| Need {
                name: lasting(name),
                unit: lasting(units::spelled(unit).unwrap_or(unit)),
            });
            InputPort {
                accepts: Accepts::Table(needs.collect()),
                ..InputPort::anything(lasting(name))
            }
        };
        needed.map(port).collect()
    }

    fn other_input(&self, name: &str) -> Option<InputPort> {
        is_name(name).then(|| InputPort::anything(lasting(name)))
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let mut ports = Vec::new();
        for (name, output) in &self.outputs {
            let artifact = output.artifact(connected);
            ports.push(OutputPort {
                name: lasting(name),
                artifact: artifact.map_err(|reason| format!("outputs.{name}.{reason}"))?,
            });
        }
        ports.push(OutputPort::file(LOG, "txt"));
        Ok(ports)
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.faults_of_names();
        faults.extend(self.faults_of_files());
        for (name, output) in &self.outputs {
            faults.extend(output.faults(&format!("outputs.{name}")));
        }
        faults
    }

    fn files(&self) -> Vec<FileParameter> {
        let file = |(place, path): (usize, &PathBuf)| FileParameter {
            parameter: "files".into(),
            place: Some(place),
            called: place_of(path).map(|place| place.display().to_string()),
            path: path.clone(),
        };
        self.files.iter().enumerate().map(file).collect()
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let folder = folder::WorkingFolder::make(self, context)?;
        let ended = process::run(self, &folder, context).and_then(|()| outputs::take(self, &folder, context));
        let cleared = folder.remove();
        ended?;
        cleared?;
        Ok(Outcome::Complete)
    }
}
