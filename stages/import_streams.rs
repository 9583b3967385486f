//! Imports a user's table of streams: names and units are mapped, bad rows are named and set aside.

mod file;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;

use runner::arrow_schema::{DataType, Schema};
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, InputPort, OutputPort, column};
use runner::stage::{Fault, FileParameter, Outcome, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::file::Format;
pub use self::source::{ColumnMap, Source};

use self::file::{Cells, Table};
use crate::columns::{self, CARTESIAN, Column, OBSERVABLES};
use crate::io::TableContext;

/// `import_streams`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportStreams {
    /// The file: absolute, or relative to the pipeline's file.
    pub path: PathBuf,
    /// Its format; left out, told by the ending of its name.
    #[serde(default)]
    pub format: Option<Format>,
    /// What separates the columns of a CSV file.
    #[serde(default = "default_separator")]
    pub separator: char,
    /// Our columns, and where they come from. Needed are `stream`, and either all of `x y z vx vy vz` or all of
    /// `distance l b v_los mu_l_cosb mu_b`.
    pub columns: ColumnMap,
}

fn default_separator() -> char {
    ','
}

/// One value that cannot be used.
struct Bad {
    row: usize,
    column: String,
    reason: String,
}

impl Stage for ImportStreams {
    const KIND: &'static str = "import_streams";
    const ABOUT: &'static str = "Import a Parquet or CSV table of streams, mapping its columns and units";
    const REVISION: u32 = 1;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let set_aside = Schema::new(vec![
            column(
                "row",
                DataType::Int64,
                "",
                "",
                "row in the file, from 1, not counting a header",
            ),
            column("column", DataType::Utf8, "", "", "column of the file"),
            column("reason", DataType::Utf8, "", "", "what is wrong with the value"),
        ]);
        let columns: Vec<Column> = self.columns.numbers().into_iter().map(|(column, _)| column).collect();
        Ok(vec![
            OutputPort::table("stars", columns::stars(&[&columns])),
            OutputPort::table("set_aside", set_aside),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.columns.faults();
        if self.format.is_none() && Format::of(&self.path).is_none() {
            let mut fault = Fault::new(
                "path",
                format!("{} has no ending that tells its format", self.path.display()),
            );
            fault.hint = Some("say format: parquet or format: csv".to_owned());
            faults.push(fault);
        }
        if !self.separator.is_ascii() {
            faults.push(Fault::new(
                "separator",
                format!("must be an ASCII character, not {:?}", self.separator),
            ));
        }
        faults
    }

    fn files(&self) -> Vec<FileParameter> {
        vec![FileParameter {
            parameter: "path",
            path: self.path.clone(),
        }]
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let path = context.file("path")?;
        let format = self
            .format
            .or_else(|| Format::of(&self.path))
            .unwrap_or(Format::Parquet);
        let numbers = self.columns.numbers();
        let named = [Some(&self.columns.stream), self.columns.star.as_ref()]
            .into_iter()
            .flatten();
        let names: Vec<&str> = named
            .chain(numbers.iter().map(|(_, source)| *source))
            .map(Source::name)
            .collect();
        let table = file::read(path, format, self.separator as u8, &names)?;
        let read = self.rows(&table)?;
        report(context, &read.bad, table.rows)?;
        if read.rows.is_empty() {
            return Err(StageError::failed(match read.bad.first() {
                None => format!("{} has no rows", self.path.display()),
                Some(Bad { row, column, reason }) => format!(
                    "none of the {} rows of {} can be used; row {}: {column} is {reason}",
                    table.rows,
                    self.path.display(),
                    row + 1
                ),
            }));
        }
        if let Some(note) = &read.note {
            context.note(note);
        }
        self.write(context, read)
    }
}

/// A usable row: stream, star where it is said, numbers in the order of the columns.
struct Row {
    stream: i64,
    star: Option<i64>,
    values: Vec<f64>,
    at: usize,
}

/// What was read.
struct Read {
    rows: Vec<Row>,
    bad: Vec<Bad>,
    note: Option<String>,
}

impl ImportStreams {
    fn rows(&self, table: &Table) -> Result<Read, StageError> {
        let numbers = self.columns.numbers();
        let (streams, note) = stream_numbers(table.column(self.columns.stream.name())?);
        let stars = match &self.columns.star {
            Some(source) => Some(table.column(source.name())?),
            None => None,
        };
        let cells: Vec<&Cells> = numbers
            .iter()
            .map(|(_, source)| table.column(source.name()))
            .collect::<Result<_, _>>()?;
        let mut read = Read {
            rows: Vec::new(),
            bad: Vec::new(),
            note,
        };
        for (at, stream) in streams.into_iter().enumerate() {
            let bad = |source: &Source, reason| Bad {
                row: at,
                column: source.name().to_owned(),
                reason,
            };
            let row = || -> Result<Row, Bad> {
                let stream = stream.map_err(|reason| bad(&self.columns.stream, reason))?;
                let star = match (stars, &self.columns.star) {
                    (Some(cells), Some(source)) => Some(cells.integer(at).map_err(|reason| bad(source, reason))?),
                    _ => None,
                };
                let mut values = Vec::with_capacity(cells.len());
                for ((column, source), cells) in numbers.iter().zip(&cells) {
                    let value = cells.number(at).and_then(|value| source.convert(column, value));
                    values.push(value.map_err(|reason| bad(source, reason))?);
                }
                Ok(Row {
                    stream,
                    star,
                    values,
                    at,
                })
            };
            match row() {
                Ok(row) => read.rows.push(row),
                Err(bad) => read.bad.push(bad),
            }
        }
        Ok(read)
    }

    fn write(&self, context: &StageContext, read: Read) -> Result<Outcome, StageError> {
        let mut rows = read.rows;
        rows.sort_by_key(|row| (row.stream, row.star, row.at));
        if let Some(pair) = rows
            .windows(2)
            .find(|w| w[0].star.is_some() && (w[0].stream, w[0].star) == (w[1].stream, w[1].star))
        {
            return Err(StageError::failed(format!(
                "rows {} and {} of {} are both star {} of stream {}",
                pair[0].at + 1,
                pair[1].at + 1,
                self.path.display(),
                pair[0].star.unwrap_or_default(),
                pair[0].stream
            )));
        }
        let mut stars: Vec<i64> = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let next = match index.checked_sub(1).map(|before| &rows[before]) {
                Some(before) if before.stream == row.stream => stars[index - 1] + 1,
                _ => 0,
            };
            stars.push(row.star.unwrap_or(next));
        }
        let mut streams: Vec<i64> = rows.iter().map(|row| row.stream).collect();
        let numbers = self.columns.numbers();
        let mut columns = vec![("stream", streams.clone().into()), ("star", stars.into())];
        for (index, (column, _)) in numbers.iter().enumerate() {
            columns.push((
                column.name,
                rows.iter().map(|row| row.values[index]).collect::<Vec<_>>().into(),
            ));
        }
        context.write_table("stars", columns)?;
        streams.dedup();
        context.metric("stars", rows.len() as f64, "");
        context.metric("streams", streams.len() as f64, "");
        Ok(Outcome::Complete)
    }
}

/// Tells how many rows were set aside and why, and writes them.
fn report(context: &StageContext, bad: &[Bad], rows: usize) -> Result<(), StageError> {
    context.metric("set_aside", bad.len() as f64, "");
    if !bad.is_empty() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for Bad { column, reason, .. } in bad {
            *counts.entry(format!("{column} is {reason}")).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut texts: Vec<String> = counts
            .iter()
            .take(5)
            .map(|(what, count)| format!("{what} ({count})"))
            .collect();
        texts.extend((counts.len() > 5).then(|| "…".to_owned()));
        let first: Vec<String> = bad.iter().take(5).map(|bad| (bad.row + 1).to_string()).collect();
        let more = if bad.len() > 5 { ", …" } else { "" };
        context.note(format!(
            "{} of {rows} rows set aside: {}; rows {}{more}",
            bad.len(),
            texts.join(", "),
            first.join(", ")
        ));
    }
    context.write_table(
        "set_aside",
        vec![
            (
                "row",
                bad.iter().map(|bad| bad.row as i64 + 1).collect::<Vec<_>>().into(),
            ),
            (
                "column",
                bad.iter().map(|bad| bad.column.as_str()).collect::<Vec<_>>().into(),
            ),
            (
                "reason",
                bad.iter().map(|bad| bad.reason.as_str()).collect::<Vec<_>>().into(),
            ),
        ],
    )
}

/// Numbers of streams: as they are if they are whole numbers; names are numbered as they appear.
fn stream_numbers(cells: &Cells) -> (Vec<Result<i64, String>>, Option<String>) {
    let rows = 0..cells.len();
    if !cells.are_names() {
        return (rows.map(|row| cells.integer(row)).collect(), None);
    }
    let mut numbers: BTreeMap<&str, i64> = BTreeMap::new();
    let numbered = rows
        .map(|row| {
            let name = cells.text(row).ok_or_else(|| "missing".to_owned())?;
            let next = numbers.len() as i64;
            Ok(*numbers.entry(name).or_insert(next))
        })
        .collect();
    let mut names: Vec<(i64, &str)> = numbers.iter().map(|(&name, &number)| (number, name)).collect();
    names.sort_unstable();
    let shown: Vec<String> = names
        .iter()
        .take(10)
        .map(|(number, name)| format!("{number} = {name}"))
        .collect();
    let more = if names.len() > 10 { ", …" } else { "" };
    (
        numbered,
        Some(format!(
            "streams were numbered as they appear: {}{more}",
            shown.join(", ")
        )),
    )
}

/// The two sets of columns that say where a star is.
const COORDINATES: [&[Column]; 2] = [&CARTESIAN, &OBSERVABLES];

#[cfg(test)]
mod tests;
