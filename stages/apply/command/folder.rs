//! The working folder of a command, and the request in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use runner::arrow_schema::FieldRef;
use runner::context::{ArtifactFile, StageContext};
use runner::error::StageError;
use runner::ports::{Artifact, unit_of};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::outputs::ColumnType;
use super::{Command, LOG, TableFormat};
use crate::common::io::TableContext;

/// What is in the folder besides the declared files.
pub(super) const OURS: [&str; 4] = ["inputs", "outputs", "tmp", "request.json"];

/// A folder for one attempt.
pub(super) struct WorkingFolder {
    path: PathBuf,
    /// What may be read though it lies elsewhere.
    pub inputs: Vec<PathBuf>,
}

/// The request: all that a command is asked for. Paths are relative to the folder of the request.
#[derive(Serialize)]
struct Request<'a> {
    parameters: &'a Map<String, Value>,
    inputs: Map<String, Value>,
    outputs: Map<String, Value>,
    threads: usize,
}

impl WorkingFolder {
    /// Makes it, with everything that the command may read.
    pub fn make(command: &Command, context: &StageContext) -> Result<Self, StageError> {
        let path = std::path::absolute(context.checkpoints.join("work"))
            .map_err(|error| StageError::io(&context.checkpoints, error))?;
        let mut folder = Self {
            path,
            inputs: Vec::new(),
        };
        folder.clear()?;
        for name in ["inputs", "outputs", "tmp"] {
            let path = folder.path.join(name);
            fs::create_dir_all(&path).map_err(|error| StageError::io(&path, error))?;
        }
        for (place, from) in &context.files {
            let to = folder.path.join(place);
            let above = to.parent().unwrap_or(&folder.path);
            fs::create_dir_all(above).map_err(|error| StageError::io(above, error))?;
            fs::copy(from, &to).map_err(|error| StageError::io(from, error))?;
        }
        for (name, input) in &context.inputs {
            folder.put_input(command.tables, name, input, context)?;
        }
        folder.write_request(command, context)?;
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of its request, whose path no other command has while this one runs.
    pub fn request(&self) -> PathBuf {
        self.path.join("request.json")
    }

    /// Where the command writes an output.
    pub fn output(&self, name: &str, artifact: &Artifact, tables: TableFormat) -> PathBuf {
        self.path.join(relative("outputs", name, artifact, tables))
    }

    /// Removes it.
    pub fn remove(self) -> Result<(), StageError> {
        self.clear()
    }

    fn clear(&self) -> Result<(), StageError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StageError::io(&self.path, error)),
            _ => Ok(()),
        }
    }

    fn put_input(
        &mut self,
        tables: TableFormat,
        name: &str,
        input: &ArtifactFile,
        context: &StageContext,
    ) -> Result<(), StageError> {
        let to = self.path.join(relative("inputs", name, &input.artifact, tables));
        if matches!(input.artifact, Artifact::Table(_)) && tables == TableFormat::Csv {
            let table = context.read_table(name)?;
            let written = formats::write(&to, formats::Written::Csv, "", &table);
            return written.map(drop).map_err(StageError::failed);
        }
        // A link, and not a second name of the file: what it leads to cannot be written.
        let from = fs::canonicalize(&input.path).map_err(|error| StageError::io(&input.path, error))?;
        symlink(&from, &to).map_err(|error| StageError::io(&to, error))?;
        self.inputs.push(from);
        Ok(())
    }

    fn write_request(&self, command: &Command, context: &StageContext) -> Result<(), StageError> {
        let describe = |folder: &str, name: &str, artifact: &Artifact| {
            let path = relative(folder, name, artifact, command.tables);
            (name.to_owned(), described(&path, artifact))
        };
        let inputs = context.inputs.iter();
        let outputs = command.outputs.keys().filter(|name| name.as_str() != LOG);
        let outputs = outputs.filter_map(|name| Some((name, context.outputs.get(name)?)));
        let request = Request {
            parameters: &command.parameters,
            inputs: inputs
                .map(|(name, file)| describe("inputs", name, &file.artifact))
                .collect(),
            outputs: outputs
                .map(|(name, file)| describe("outputs", name, &file.artifact))
                .collect(),
            threads: context.tensor_threads,
        };
        let path = self.request();
        let text = serde_json::to_string_pretty(&request).map_err(|error| StageError::Bug(error.to_string()))?;
        fs::write(&path, text + "\n").map_err(|error| StageError::io(&path, error))
    }
}

/// Where an input or output lies in the folder.
fn relative(folder: &str, name: &str, artifact: &Artifact, tables: TableFormat) -> String {
    let ending = match (artifact, tables) {
        (Artifact::Table(_), TableFormat::Csv) => "csv",
        _ => artifact.extension(),
    };
    format!("{folder}/{name}.{ending}")
}

/// An input or output in the request.
fn described(path: &str, artifact: &Artifact) -> Value {
    let mut said = json!({ "path": path, "type": artifact.noun() });
    if let Artifact::Table(schema) = artifact {
        let column = |field: &FieldRef| {
            let says = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
            let about = json!({
                "type": ColumnType::of(field.data_type()),
                "unit": unit_of(field),
                "frame": says("frame"),
                "description": says("description"),
                "missing": field.is_nullable(),
            });
            (field.name().clone(), about)
        };
        said["columns"] = Value::Object(schema.fields().iter().map(column).collect());
    }
    said
}
