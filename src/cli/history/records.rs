//! The recorded runs as a table.

use std::path::Path;
use std::sync::Arc;

use formats::Written;
use runner::arrow_schema::{DataType, Field, Schema};
use runner::ports::column;
use runner::store::runs::{How, KeptRun};
use serde_json::{Value, json};
use tables::Values;

use crate::cli::export::{format_of, said};
use crate::cli::failure::Failure;
use crate::report::plain;

/// What stands in each column, but for the parameters.
const COLUMNS: [(&str, &str); 8] = [
    ("run", "name of the run"),
    ("began", "when it began, RFC 3339 in UTC"),
    ("ended", "when it ended; missing where it did not"),
    ("how", "how it ended: well, outside tolerance, failed, interrupted"),
    ("program", "version of actionfinder"),
    ("file", "the pipeline file"),
    ("tags", "its tags"),
    ("notes", "its notes"),
];

/// Writes them all; says what was written.
pub fn write(runs: &[KeptRun], to: &Path) -> Result<String, Failure> {
    let mut names: Vec<&String> = Vec::new();
    for name in runs.iter().flat_map(|run| run.record.asked.parameters.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let done = format!("{}: {}\n", to.display(), crate::console::count(runs.len(), "run"));
    if to.extension().is_some_and(|ending| ending == "json") {
        let text = serde_json::to_string_pretty(&runs.iter().map(object).collect::<Vec<_>>()).map_err(Failure::work)?;
        formats::write_bytes(to, text.as_bytes()).map_err(|error| Failure::Work(said(&error)))?;
        return Ok(done);
    }
    let format: Written = format_of(to)?;
    let mut fields: Vec<Field> = Vec::new();
    let mut columns: Vec<(String, Values)> = Vec::new();
    let mut add = |name: &str, about: &str, texts: Vec<Option<String>>| {
        fields.push(column(name, DataType::Utf8, "", "", about).with_nullable(true));
        let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        columns.push((name.to_owned(), texts.into()));
    };
    for (name, about) in COLUMNS {
        let text = |run: &KeptRun| match &object(run)[name] {
            Value::Null => None,
            value => Some(plain(value)),
        };
        add(name, about, runs.iter().map(text).collect());
    }
    for name in names {
        let value = |run: &KeptRun| run.record.asked.parameters.get(name).map(plain);
        let own = format!("parameter {name}");
        let taken = COLUMNS.iter().any(|(column, _)| column == name);
        add(
            if taken { &own } else { name },
            "parameter of the pipeline",
            runs.iter().map(value).collect(),
        );
    }
    let schema = Arc::new(Schema::new(fields));
    let columns = columns
        .iter()
        .map(|(name, values)| (name.as_str(), values.clone()))
        .collect();
    let table = tables::build(&schema, columns).map_err(Failure::work)?;
    formats::write(to, format, "runs", &table).map_err(|error| Failure::Work(said(&error)))?;
    Ok(done)
}

/// A run as an object; tags and notes as texts, for tables have no lists.
fn object(run: &KeptRun) -> Value {
    let record = &run.record;
    json!({
        "run": run.name,
        "began": record.began,
        "ended": record.ended,
        "how": record.how.map(How::words),
        "program": record.program,
        "file": record.asked.file,
        "tags": run.notes.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        "notes": run.notes.notes.join("; "),
        "parameters": record.asked.parameters,
    })
}
