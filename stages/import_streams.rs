//! Imports a user's streams, from one table or from the snapshots of a simulation: names and units are mapped, bad rows are
//! named and set aside.
//!
//! One file of stars, `path`; or one file for each snapshot, `snapshots`, in which every particle is a stream, told by its
//! id, and every snapshot one of its stars:
//!
//! ```yaml
//! import_streams:
//!   with:
//!     snapshots: [snapshot_000.parquet, snapshot_001.parquet, snapshot_002.parquet]
//!     times: [0.0, 0.01, 0.02] # Gyr; left out, from a column mapped to t, or not at all
//!     columns: { stream: id, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz }
//! ```

mod file;
mod rows;
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

use self::file::Table;
use self::rows::{Bad, Read, Row, number, numbers};
use crate::columns::{self, CARTESIAN, Column, OBSERVABLES, TIME};
use crate::io::{PieceWriter, TableContext};

/// `import_streams`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportStreams {
    /// The file: absolute, or relative to the pipeline's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Instead of `path`, one file for each snapshot of a simulation, in the order of time. The rows of a `stream` in them, which is
    /// a particle, are its stars 0, 1, 2, …; particles that are not in all of them are set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<PathBuf>,
    /// Times of the snapshots, Gyr.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<f64>,
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

/// Rows written together.
const PIECE: usize = 1 << 16;

fn default_separator() -> char {
    ','
}

impl Stage for ImportStreams {
    const KIND: &'static str = "import_streams";
    const ABOUT: &'static str = "Import a Parquet or CSV table of streams, or snapshots, mapping columns and units";
    const REVISION: u32 = 2;

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let set_aside = Schema::new(vec![
            column(
                "snapshot",
                DataType::Int64,
                "",
                "",
                "place of the file in snapshots, from 0; 0 for a single file",
            ),
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
        let timed = (!self.times.is_empty()).then_some(TIME);
        let numbers = self.columns.numbers().into_iter().map(|(column, _)| column);
        let columns: Vec<Column> = timed.into_iter().chain(numbers).collect();
        Ok(vec![
            OutputPort::table("stars", columns::stars(&[&columns])),
            OutputPort::table("set_aside", set_aside),
        ])
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = self.columns.faults();
        if self.path.is_some() != self.snapshots.is_empty() {
            faults.push(Fault::new(
                "",
                "needs either path, one file, or snapshots, a list of files",
            ));
        }
        if self.path.is_none() && self.columns.star.is_some() {
            faults.push(Fault::new("columns.star", "stars are numbered by their snapshots"));
        }
        if !self.times.is_empty() {
            let (times, snapshots) = (self.times.len(), self.snapshots.len());
            if times != snapshots {
                faults.push(Fault::new("times", format!("are {times}, of {snapshots} snapshots")));
            }
            if self.times.iter().any(|time| !time.is_finite()) {
                faults.push(Fault::new("times", "must be numbers, in Gyr"));
            }
            if self.columns.t.is_some() {
                faults.push(Fault::new("columns.t", "times of the snapshots are given already"));
            }
        }
        let untold = |path: &&PathBuf| self.format.is_none() && Format::of(path).is_none();
        for file in self.files() {
            if untold(&&file.path) {
                let message = format!("{} has no ending that tells its format", file.path.display());
                let mut fault = Fault::new(&file.name(), message);
                fault.hint = Some("say format: parquet or format: csv".to_owned());
                faults.push(fault);
            }
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
        let one = self.path.iter().map(|path| FileParameter {
            parameter: "path",
            place: None,
            path: path.clone(),
        });
        let many = self.snapshots.iter().enumerate().map(|(place, path)| FileParameter {
            parameter: "snapshots",
            place: Some(place),
            path: path.clone(),
        });
        one.chain(many).collect()
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let names = self.columns.names();
        let mut tables = Vec::new();
        for file in self.files() {
            let format = self
                .format
                .or_else(|| Format::of(&file.path))
                .unwrap_or(Format::Parquet);
            tables.push(file::read(
                context.file(&file.name())?,
                format,
                self.separator as u8,
                &names,
            )?);
        }
        let mut read = Read::new(&tables, &self.columns)?;
        if self.path.is_none() {
            let incomplete = read.set_aside_incomplete(tables.len(), self.columns.stream.name());
            context.metric("incomplete_streams", incomplete as f64, "");
        }
        let rows: usize = tables.iter().map(|table| table.rows).sum();
        self.report(context, &read.bad, rows)?;
        if read.rows.is_empty() {
            let files: Vec<String> = self
                .files()
                .iter()
                .map(|file| file.path.display().to_string())
                .collect();
            let files = files.join(", ");
            return Err(StageError::failed(match read.bad.first() {
                None => format!("{files} has no rows"),
                Some(bad) => format!(
                    "none of the {rows} rows of {files} can be used; row {}: {} is {}",
                    self.row(bad.snapshot, bad.row),
                    bad.column,
                    bad.reason
                ),
            }));
        }
        if let Some(note) = &read.note {
            context.note(note);
        }
        self.write(context, &tables, &read.rows)
    }
}

impl ImportStreams {
    /// What a row is called.
    fn row(&self, snapshot: usize, row: usize) -> String {
        match self.path {
            Some(_) => (row + 1).to_string(),
            None => format!("{} of snapshot {snapshot}", row + 1),
        }
    }

    fn write(&self, context: &StageContext, tables: &[Table], rows: &[Row]) -> Result<Outcome, StageError> {
        if let Some(pair) = rows
            .windows(2)
            .find(|w| w[0].star.is_some() && (w[0].stream, w[0].star) == (w[1].stream, w[1].star))
        {
            return Err(StageError::failed(format!(
                "rows {} and {} of {} are both star {} of stream {}",
                pair[0].at + 1,
                pair[1].at + 1,
                self.files()[pair[0].snapshot].path.display(),
                pair[0].star.unwrap_or_default(),
                pair[0].stream
            )));
        }
        let numbers = tables
            .iter()
            .map(|table| numbers(table, &self.columns))
            .collect::<Result<Vec<_>, _>>()?;
        let mapped = self.columns.numbers();
        let mut writer = PieceWriter::create(context, "stars")?;
        let (mut last, mut streams) = (None, 0);
        for piece in rows.chunks(PIECE) {
            context.check_cancelled()?;
            let mut stars: Vec<i64> = Vec::with_capacity(piece.len());
            for row in piece {
                let counted = match last {
                    Some((stream, star)) if stream == row.stream => star + 1,
                    _ => {
                        streams += 1;
                        0
                    }
                };
                let star = row.star.unwrap_or(counted);
                last = Some((row.stream, star));
                stars.push(star);
            }
            let of = |value: &dyn Fn(&Row) -> i64| piece.iter().map(value).collect::<Vec<_>>();
            let mut columns = vec![("stream", of(&|row| row.stream).into()), ("star", stars.into())];
            if !self.times.is_empty() {
                let times = piece.iter().map(|row| self.times[row.snapshot]);
                columns.push((TIME.name, times.collect::<Vec<f64>>().into()));
            }
            for (index, (column, _)) in mapped.iter().enumerate() {
                let values = piece.iter().map(|row| number(&numbers[row.snapshot][index], row.at));
                let values = values.collect::<Result<Vec<f64>, String>>().map_err(StageError::Bug)?;
                columns.push((column.name, values.into()));
            }
            writer.append(columns)?;
        }
        writer.finish()?;
        context.metric("stars", rows.len() as f64, "");
        context.metric("streams", f64::from(streams), "");
        Ok(Outcome::Complete)
    }

    /// Tells how many rows were set aside and why, and writes them.
    fn report(&self, context: &StageContext, bad: &[Bad], rows: usize) -> Result<(), StageError> {
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
            let first: Vec<String> = bad.iter().take(5).map(|bad| self.row(bad.snapshot, bad.row)).collect();
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
                    "snapshot",
                    bad.iter().map(|bad| bad.snapshot as i64).collect::<Vec<_>>().into(),
                ),
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
}

/// The two sets of columns that say where a star is.
const COORDINATES: [&[Column]; 2] = [&CARTESIAN, &OBSERVABLES];

#[cfg(test)]
mod tests;
