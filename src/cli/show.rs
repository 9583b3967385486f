//! `actionfinder show`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use runner::ports::unit_of;
use serde_json::Value;
use stages::common::sun;
use tables::RecordBatch;

use super::answers::{ColumnRow, OutputRow, Shown};
use super::common::{Loaded, Output, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{AWAY, align, answer, manners, print, significant};

/// Show a table: schema, units, first rows; or all outputs of a pipeline, with their files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pipeline, or a Parquet, safetensors or SVG file
    file: PathBuf,
    /// With a pipeline: the output to show, `stage` or `stage.port`; in a sweep also a label such as `errors[seed=2]`. Left out, all are
    /// listed
    output: Option<String>,
    /// Rows to show
    #[arg(short = 'n', long, default_value_t = 10)]
    rows: usize,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Shows the artifact.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let is_pipeline = args
        .file
        .extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml");
    let path = match (&args.output, is_pipeline) {
        (Some(output), true) => Loaded::new(&args.file, &args.parameters, &args.results)?.output_file(output)?,
        (None, true) => {
            let outputs = Loaded::new(&args.file, &args.parameters, &args.results)?.outputs();
            answer(|| all(&outputs), || listed(&outputs));
            return Ok(Finished::Well);
        }
        (None, false) if args.file.is_dir() => {
            let why = "is a folder: name a pipeline, or a file of the results";
            return Err(Failure::Usage(format!("{}: {why}", args.file.display())));
        }
        (None, false) => args.file,
        (Some(output), false) => {
            return Err(Failure::Usage(format!(
                "{output}: outputs are named beside a pipeline, a .yaml file"
            )));
        }
    };
    if manners().json {
        let shown = shown(&path, args.rows)?;
        answer(|| shown, String::new);
    } else {
        print(&describe(&path, args.rows)?);
    }
    Ok(Finished::Well)
}

fn rows(output: &Output) -> Option<u64> {
    let file = output.file.as_ref().filter(|_| output.noun == "table")?;
    tables::count_rows(file).ok().and_then(|rows| u64::try_from(rows).ok())
}

fn all(outputs: &[Output]) -> Shown {
    let row = |output: &Output| OutputRow {
        output: output.name.clone(),
        what: output.noun.to_owned(),
        rows: rows(output),
        file: output.file.as_ref().map(|file| file.display().to_string()),
    };
    Shown {
        outputs: outputs.iter().map(row).collect(),
        ..Shown::default()
    }
}

/// A file, with the first rows of a table.
fn shown(path: &Path, rows: usize) -> Result<Shown, Failure> {
    let size = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    let mut shown = Shown {
        file: Some(path.display().to_string()),
        bytes: Some(size.len()),
        ..Shown::default()
    };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => {
            let table = tables::read(path).map_err(Failure::work)?;
            let schema = table.schema();
            shown.rows = Some(table.num_rows());
            for field in schema.fields() {
                let told = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
                shown.columns.push(ColumnRow {
                    name: field.name().clone(),
                    of: field.data_type().to_string(),
                    unit: unit_of(field),
                    frame: told("frame"),
                    description: told("description"),
                });
            }
            for row in 0..rows.min(table.num_rows()) {
                let cells = schema.fields().iter().zip(table.columns());
                let cells = cells.map(|(field, array)| (field.name().clone(), value(array.as_ref(), row)));
                shown.first.push(cells.collect());
            }
        }
        Some("safetensors") => {
            for (name, tensor) in header(path)? {
                match tensor {
                    Value::Object(about) if name == "__metadata__" => {
                        let texts = about.into_iter();
                        shown.about = texts
                            .map(|(name, text)| (name, text.as_str().unwrap_or_default().to_owned()))
                            .collect();
                    }
                    tensor => {
                        let shape = tensor.get("shape").and_then(Value::as_array);
                        let shape = shape.map(|shape| shape.iter().filter_map(Value::as_u64).collect());
                        shown.tensors.insert(name, shape.unwrap_or_default());
                    }
                }
            }
        }
        _ => {}
    }
    Ok(shown)
}

/// A cell: numbers as numbers, whatever else as text, null where there is none.
fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    if let Some(numbers) = array.as_any().downcast_ref::<Float64Array>() {
        return numbers.value(row).into();
    }
    if let Some(numbers) = array.as_any().downcast_ref::<Int64Array>() {
        return numbers.value(row).into();
    }
    if let Some(answers) = array.as_any().downcast_ref::<BooleanArray>() {
        return answers.value(row).into();
    }
    cell(array, row).into()
}

/// All outputs: name, what it is, rows, file.
fn listed(outputs: &[Output]) -> String {
    let mut lines = vec![["output", "what", "rows", "file"].map(str::to_owned).to_vec()];
    for output in outputs {
        let rows = rows(output);
        let file = match &output.file {
            Some(file) => file.display().to_string(),
            None if output.is_away => AWAY.to_owned(),
            None => "not made yet".to_owned(),
        };
        lines.push(vec![
            output.name.clone(),
            output.noun.to_owned(),
            rows.map_or_else(String::new, |rows| rows.to_string()),
            file,
        ]);
    }
    align(&lines, &[2])
}

fn describe(path: &Path, rows: usize) -> Result<String, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => Ok(table(path, &tables::read(path).map_err(Failure::work)?, rows)),
        Some("safetensors") => network(path),
        _ => {
            let bytes = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
            Ok(format!("{}\n{} bytes", path.display(), bytes.len()))
        }
    }
}

/// The schema, then the first rows.
fn table(path: &Path, table: &RecordBatch, rows: usize) -> String {
    let schema = table.schema();
    let mut text = format!(
        "{}\n{} rows, {} columns\n\n",
        path.display(),
        table.num_rows(),
        table.num_columns()
    );
    if let Some(sun) = sun::stated(&schema) {
        let _ = writeln!(text, "seen from the Sun {}\n", sun::shown(&sun));
    }
    let mut lines = vec![
        ["column", "type", "unit", "frame", "description"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for field in schema.fields() {
        let told = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let (name, kind) = (field.name().clone(), field.data_type().to_string());
        lines.push(vec![name, kind, unit_of(field), told("frame"), told("description")]);
    }
    text.push_str(&align(&lines, &[]));
    let shown = rows.min(table.num_rows());
    if shown == 0 {
        return text;
    }
    let mut lines = vec![
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect::<Vec<_>>(),
    ];
    for row in 0..shown {
        lines.push(table.columns().iter().map(|array| cell(array.as_ref(), row)).collect());
    }
    let numbers: Vec<usize> = (0..table.num_columns())
        .filter(|&n| table.column(n).data_type().is_numeric())
        .collect();
    let _ = write!(text, "\n{}", align(&lines, &numbers));
    if shown < table.num_rows() {
        let _ = writeln!(text, "… {} more rows", table.num_rows() - shown);
    }
    text
}

fn cell(array: &dyn Array, row: usize) -> String {
    if let Some(numbers) = array.as_any().downcast_ref::<Float64Array>() {
        return if numbers.is_null(row) {
            "-".to_owned()
        } else {
            significant(numbers.value(row), 6)
        };
    }
    let options = FormatOptions::default().with_null("-");
    ArrayFormatter::try_new(array, &options)
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default()
}

/// The header of a safetensors file: eight bytes of length, then JSON.
fn header(path: &Path) -> Result<serde_json::Map<String, Value>, Failure> {
    let damaged = || Failure::Work(format!("{} is not a whole safetensors file", path.display()));
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let length = bytes
        .first_chunk()
        .map(|first| u64::from_le_bytes(*first))
        .ok_or_else(damaged)?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(8))
        .ok_or_else(damaged)?;
    let header = bytes.get(8..end).ok_or_else(damaged)?;
    serde_json::from_slice(header).map_err(|_| damaged())
}

/// The tensors of a network.
fn network(path: &Path) -> Result<String, Failure> {
    let header = header(path)?;
    let mut text = format!("{}\n", path.display());
    if let Some(Value::Object(about)) = header.get("__metadata__") {
        for (name, value) in about {
            let _ = writeln!(text, "{name}: {}", value.as_str().unwrap_or_default());
        }
    }
    let mut lines = vec![["tensor", "type", "shape"].map(str::to_owned).to_vec()];
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let told = |key: &str| tensor.get(key).map(ToString::to_string).unwrap_or_default();
        lines.push(vec![
            name.clone(),
            told("dtype").trim_matches('"').to_owned(),
            told("shape"),
        ]);
    }
    let _ = write!(text, "\n{}", align(&lines, &[]));
    Ok(text)
}
