//! Runs a stage body by hand in a temporary folder.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use runner::arrow_schema::{Schema, SchemaRef};
use runner::context::{ArtifactFile, Cancel, Device, StageContext};
use runner::error::StageError;
use runner::event::Told;
use runner::ports::{Accepts, Artifact, Connected, unit_of};
use runner::stage::{Outcome, Stage};
use tables::{RecordBatch, Values};

use crate::common::columns::{self, CARTESIAN};

/// What a body did.
pub struct Ran {
    pub result: Result<Outcome, StageError>,
    pub tables: BTreeMap<String, RecordBatch>,
    pub bytes: BTreeMap<String, Vec<u8>>,
    pub told: Vec<Told>,
}

impl Ran {
    pub fn f64(&self, port: &str, column: &str) -> Vec<f64> {
        tables::f64_column(&self.tables[port], column).unwrap().to_vec()
    }

    pub fn i64(&self, port: &str, column: &str) -> Vec<i64> {
        tables::i64_column(&self.tables[port], column).unwrap().to_vec()
    }

    pub fn texts(&self, port: &str, column: &str) -> Vec<&str> {
        tables::str_column(&self.tables[port], column).unwrap()
    }

    pub fn metric(&self, wanted: &str) -> f64 {
        let metric = |told: &Told| match told {
            Told::Metric { name, value, .. } if name == wanted => Some(*value),
            _ => None,
        };
        self.told.iter().find_map(metric).unwrap()
    }

    pub fn notes(&self) -> String {
        let note = |told: &Told| match told {
            Told::Note { text } | Told::OutsideTolerance { text } => Some(text.clone()),
            _ => None,
        };
        self.told.iter().filter_map(note).collect::<Vec<_>>().join("\n")
    }

    pub fn findings(&self) -> Vec<String> {
        let finding = |told: &Told| match told {
            Told::Finding { text } => Some(text.clone()),
            _ => None,
        };
        self.told.iter().filter_map(finding).collect()
    }

    /// The error's message and hint.
    pub fn error(&self) -> String {
        match &self.result {
            Err(StageError::Failed { message, hint } | StageError::Died { message, hint, .. }) => {
                format!("{message} | {}", hint.as_deref().unwrap_or(""))
            }
            other => format!("{other:?}"),
        }
    }

    pub fn completed(self) -> Self {
        assert!(matches!(self.result, Ok(Outcome::Complete)), "{:?}", self.result);
        self
    }
}

/// A stage from the YAML-like JSON of its parameters; its faults must be none.
pub fn stage<S: Stage>(parameters: serde_json::Value) -> S {
    let stage: S = serde_json::from_value(parameters).unwrap();
    assert_eq!(stage.check(), []);
    // Filled-in parameters are parameters too, and the same.
    let filled = serde_json::to_value(&stage).unwrap();
    let again: S = serde_json::from_value(filled.clone()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), filled);
    stage
}

/// The messages of the faults, `path: message | hint`.
pub fn faults<S: Stage>(parameters: serde_json::Value) -> Vec<String> {
    let stage: S = serde_json::from_value(parameters).unwrap();
    let text = |fault: runner::stage::Fault| {
        format!(
            "{}: {} | {}",
            fault.at.join("."),
            fault.message,
            fault.hint.unwrap_or_default()
        )
    };
    stage.check().into_iter().map(text).collect()
}

/// What a stage says of connected schemas: its output schemas, or why they do not fit.
pub fn planned<S: Stage>(stage: &S, inputs: &[(&'static str, SchemaRef)]) -> Result<Vec<Artifact>, String> {
    let connected: Connected = inputs
        .iter()
        .map(|(port, schema)| (*port, Artifact::Table(schema.clone())))
        .collect();
    Ok(stage
        .outputs(&connected)?
        .into_iter()
        .map(|output| output.artifact)
        .collect())
}

/// Runs `stage` on tables; its needs must be met.
pub fn run<S: Stage>(stage: &S, inputs: &[(&'static str, &RecordBatch)], files: &[(&str, PathBuf)]) -> Ran {
    run_until(stage, inputs, &[], files, Cancel::default())
}

/// The same with networks: of each port the file's bytes, of the first type that the port accepts.
pub fn run_with<S: Stage>(
    stage: &S,
    inputs: &[(&'static str, &RecordBatch)],
    networks: &[(&'static str, &[u8])],
    files: &[(&str, PathBuf)],
) -> Ran {
    run_until(stage, inputs, networks, files, Cancel::default())
}

/// The same, until it is cancelled.
pub fn run_until<S: Stage>(
    stage: &S,
    inputs: &[(&'static str, &RecordBatch)],
    networks: &[(&'static str, &[u8])],
    files: &[(&str, PathBuf)],
    cancel: Cancel,
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(format!("{name}.parquet"));
    let ports = stage.inputs();
    let mut connected = Connected::new();
    let mut input_files = BTreeMap::new();
    for &(port, table) in inputs {
        let known = ports.iter().find(|input| input.is_called(port)).cloned();
        let accepts = known.or_else(|| stage.other_input(port)).unwrap().accepts;
        if let Accepts::Table(needs) = &accepts {
            for need in needs {
                let (_, field) = table.schema_ref().column_with_name(need.name).unwrap();
                assert_eq!(unit_of(field), need.unit, "{}", need.name);
            }
        }
        let path = at(&format!("input_{port}"));
        tables::write(&path, table, table.schema_ref()).unwrap();
        connected.insert(port, Artifact::Table(table.schema()));
        input_files.insert(
            port.to_owned(),
            ArtifactFile {
                path,
                artifact: Artifact::Table(table.schema()),
            },
        );
    }
    for &(port, bytes) in networks {
        let accepts = &ports.iter().find(|input| input.name == port).unwrap().accepts;
        let Accepts::Network(types) = accepts else {
            panic!("{port} is for a table")
        };
        let artifact = Artifact::Network(types[0]);
        let path = folder.path().join(format!("input_{port}.safetensors"));
        std::fs::write(&path, bytes).unwrap();
        connected.insert(port, artifact.clone());
        input_files.insert(port.to_owned(), ArtifactFile { path, artifact });
    }
    let outputs = stage.outputs(&connected).unwrap();
    let file = |output: &runner::ports::OutputPort| {
        (
            output.name.to_owned(),
            ArtifactFile {
                path: at(output.name),
                artifact: output.artifact.clone(),
            },
        )
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let mut context = StageContext {
        inputs: input_files,
        outputs: outputs.iter().map(file).collect(),
        files: files
            .iter()
            .map(|(name, path)| ((*name).to_owned(), path.clone()))
            .collect(),
        checkpoints: folder.path().to_owned(),
        device: Device::Cpu,
        threads: 1,
        tensor_threads: 1,
        pause_after: None,
        cancel,
        teller: Arc::new(move |one| listener.lock().unwrap().push(one)),
    };
    let result = stage.run(&mut context);
    let written = outputs.iter().filter(|output| at(output.name).exists());
    let tables = written
        .clone()
        .filter(|output| matches!(output.artifact, Artifact::Table(_)))
        .map(|output| (output.name.to_owned(), tables::read(&at(output.name)).unwrap()));
    let bytes = written.map(|output| (output.name.to_owned(), std::fs::read(at(output.name)).unwrap()));
    let (tables, bytes) = (tables.collect(), bytes.collect());
    let told = told.lock().unwrap().clone();
    Ran {
        result,
        tables,
        bytes,
        told,
    }
}

/// A table with a schema.
pub fn table(schema: Schema, columns: Vec<(&str, Values)>) -> RecordBatch {
    tables::build(&Arc::new(schema), columns).unwrap()
}

/// A star table of the given phase-space points; `stream` and `star` count them, `stars` to a stream.
pub fn stars(points: &[[f64; 6]], stars: usize) -> RecordBatch {
    let numbers = |axis: usize| points.iter().map(|point| point[axis]).collect::<Vec<_>>();
    let mut table = vec![
        (
            "stream",
            (0..points.len())
                .map(|row| (row / stars) as i64)
                .collect::<Vec<_>>()
                .into(),
        ),
        (
            "star",
            (0..points.len())
                .map(|row| (row % stars) as i64)
                .collect::<Vec<_>>()
                .into(),
        ),
    ];
    table.extend(
        CARTESIAN
            .iter()
            .enumerate()
            .map(|(axis, column)| (column.name, numbers(axis).into())),
    );
    self::table(columns::stars(&[&CARTESIAN]), table)
}

/// A file of the project's reference data.
pub fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/reference")
        .join(name)
}
