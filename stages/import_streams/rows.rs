//! Rows of one or several files as stars of streams.

use std::collections::BTreeMap;

use runner::error::StageError;

use super::file::{Cells, Table};
use super::source::{ColumnMap, Source};

/// One value that cannot be used.
pub(super) struct Bad {
    /// Place of the file, from 0.
    pub snapshot: usize,
    pub row: usize,
    pub column: String,
    pub reason: String,
}

/// A usable row: stream, star where it is said, numbers in the order of the columns.
pub(super) struct Row {
    pub stream: i64,
    pub star: Option<i64>,
    pub values: Vec<f64>,
    /// Place of the file, from 0, and row in it.
    pub snapshot: usize,
    pub at: usize,
}

/// What was read, rows by stream and star.
pub(super) struct Read {
    pub rows: Vec<Row>,
    pub bad: Vec<Bad>,
    pub note: Option<String>,
}

impl Read {
    /// The rows of all `tables`. Of several, each holds one star of every stream, whose number is the table's place.
    pub fn new(tables: &[Table], columns: &ColumnMap) -> Result<Self, StageError> {
        let numbers = columns.numbers();
        let ids = tables.iter().map(|table| table.column(columns.stream.name()));
        let (streams, note) = stream_numbers(&ids.collect::<Result<Vec<_>, _>>()?);
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for ((snapshot, table), streams) in tables.iter().enumerate().zip(streams) {
            let stars = match &columns.star {
                Some(source) => Some((source, table.column(source.name())?)),
                None => None,
            };
            let cells: Vec<&Cells> = numbers
                .iter()
                .map(|(_, source)| table.column(source.name()))
                .collect::<Result<_, _>>()?;
            for (at, stream) in streams.into_iter().enumerate() {
                let fault = |source: &Source, reason| Bad {
                    snapshot,
                    row: at,
                    column: source.name().to_owned(),
                    reason,
                };
                let row = || -> Result<Row, Bad> {
                    let stream = stream.map_err(|reason| fault(&columns.stream, reason))?;
                    let star = match stars {
                        Some((source, cells)) => Some(cells.integer(at).map_err(|reason| fault(source, reason))?),
                        None if tables.len() > 1 => Some(snapshot as i64),
                        None => None,
                    };
                    let mut values = Vec::with_capacity(cells.len());
                    for ((column, source), cells) in numbers.iter().zip(&cells) {
                        let value = cells.number(at).and_then(|value| source.convert(column, value));
                        values.push(value.map_err(|reason| fault(source, reason))?);
                    }
                    Ok(Row {
                        stream,
                        star,
                        values,
                        snapshot,
                        at,
                    })
                };
                match row() {
                    Ok(row) => rows.push(row),
                    Err(fault) => bad.push(fault),
                }
            }
        }
        rows.sort_by_key(|row| (row.stream, row.star, row.at));
        Ok(Self { rows, bad, note })
    }

    /// Sets aside the streams that lack a star in one of `snapshots` files, and gives their number.
    pub fn set_aside_incomplete(&mut self, snapshots: usize, column: &str) -> usize {
        let mut incomplete = 0;
        let mut complete = Vec::with_capacity(self.rows.len());
        let mut rows = std::mem::take(&mut self.rows).into_iter().peekable();
        while let Some(first) = rows.next() {
            let mut stream = vec![first];
            while let Some(row) = rows.next_if(|row| row.stream == stream[0].stream) {
                stream.push(row);
            }
            let lacks = |snapshot: &usize| stream.iter().all(|row| row.snapshot != *snapshot);
            let missing: Vec<String> = (0..snapshots).filter(lacks).map(|place| place.to_string()).collect();
            if missing.is_empty() {
                complete.append(&mut stream);
                continue;
            }
            incomplete += 1;
            let reason = format!("not usable in, or missing from, snapshot {}", missing.join(", "));
            self.bad.extend(stream.into_iter().map(|row| Bad {
                snapshot: row.snapshot,
                row: row.at,
                column: column.to_owned(),
                reason: reason.clone(),
            }));
        }
        self.rows = complete;
        self.bad.sort_by_key(|bad| (bad.snapshot, bad.row));
        incomplete
    }
}

/// Numbers of streams in every table: as they are if they are whole numbers; names are numbered as they appear.
type Numbers = Vec<Result<i64, String>>;

fn stream_numbers(tables: &[&Cells]) -> (Vec<Numbers>, Option<String>) {
    let rows = |cells: &Cells| 0..cells.len();
    if !tables.iter().any(|cells| cells.are_names()) {
        let whole = tables
            .iter()
            .map(|cells| rows(cells).map(|row| cells.integer(row)).collect());
        return (whole.collect(), None);
    }
    let mut numbers: BTreeMap<&str, i64> = BTreeMap::new();
    let mut numbered = Vec::with_capacity(tables.len());
    for cells in tables {
        let mut number = |row| {
            let name = cells.text(row).ok_or_else(|| "missing".to_owned())?;
            let next = numbers.len() as i64;
            Ok(*numbers.entry(name).or_insert(next))
        };
        numbered.push(rows(cells).map(&mut number).collect());
    }
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
