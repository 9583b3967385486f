//! `actionfinder show`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use arrow::array::{Array, Float64Array};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use runner::ports::unit_of;
use stages::common::sun;
use tables::RecordBatch;

use super::common::{Loaded, Output, Parameters};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{align, print, significant};

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
            print(&listed(
                &Loaded::new(&args.file, &args.parameters, &args.results)?.outputs(),
            ));
            return Ok(Finished::Well);
        }
        (None, false) => args.file,
        (Some(output), false) => {
            return Err(Failure::Usage(format!(
                "{output}: outputs are named beside a pipeline, a .yaml file"
            )));
        }
    };
    print(&describe(&path, args.rows)?);
    Ok(Finished::Well)
}

/// All outputs: name, what it is, rows, file.
fn listed(outputs: &[Output]) -> String {
    let mut lines = vec![["output", "what", "rows", "file"].map(str::to_owned).to_vec()];
    for output in outputs {
        let rows = output.file.as_ref().filter(|_| output.noun == "table");
        let rows = rows.and_then(|file| tables::count_rows(file).ok());
        let file = output
            .file
            .as_ref()
            .map_or_else(|| "not made yet".to_owned(), |file| file.display().to_string());
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

/// The tensors of a safetensors file, from its header: eight bytes of length, then JSON.
fn network(path: &Path) -> Result<String, Failure> {
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
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).map_err(|_| damaged())?;
    let mut text = format!("{}\n", path.display());
    if let Some(serde_json::Value::Object(about)) = header.get("__metadata__") {
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
