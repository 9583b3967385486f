//! Rows of one or several files as stars of streams.

use std::collections::HashMap;

use runner::error::StageError;

use super::file::{Cells, Table};
use super::source::{ColumnMap, Source};
use crate::columns::Column;

/// One value that cannot be used.
pub(super) struct Bad {
    /// Place of the file, from 0.
    pub snapshot: usize,
    pub row: usize,
    pub column: String,
    pub reason: String,
}

/// A usable row: its stream, its star where that is said, and where it is.
pub(super) struct Row {
    pub stream: i64,
    pub star: Option<i64>,
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

/// A column of numbers of one file: ours, where it comes from, and its cells.
pub(super) type Numbers<'a> = (Column, &'a Source, &'a Cells);

/// The columns of numbers of a file, in our order.
pub(super) fn numbers<'a>(table: &'a Table, columns: &'a ColumnMap) -> Result<Vec<Numbers<'a>>, StageError> {
    let numbers = columns.numbers().into_iter();
    numbers
        .map(|(column, source)| Ok((column, source, table.column(source.name())?)))
        .collect()
}

/// A number in our unit and range, or why there is none.
pub(super) fn number((column, source, cells): &Numbers, row: usize) -> Result<f64, String> {
    cells.number(row).and_then(|value| source.convert(column, value))
}

impl Read {
    /// The rows of all `tables`. Of several, each holds one star of every stream, whose number is the table's place.
    pub fn new(tables: &[Table], columns: &ColumnMap) -> Result<Self, StageError> {
        let ids = tables.iter().map(|table| table.column(columns.stream.name()));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let names = stream_names(&ids);
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for ((snapshot, table), ids) in tables.iter().enumerate().zip(ids) {
            let stars = match &columns.star {
                Some(source) => Some((source, table.column(source.name())?)),
                None => None,
            };
            let numbers = numbers(table, columns)?;
            for at in 0..table.rows {
                let fault = |source: &Source, reason| Bad {
                    snapshot,
                    row: at,
                    column: source.name().to_owned(),
                    reason,
                };
                let row = || -> Result<Row, Bad> {
                    let stream =
                        stream_number(names.as_ref(), ids, at).map_err(|reason| fault(&columns.stream, reason))?;
                    let star = match stars {
                        Some((source, cells)) => Some(cells.integer(at).map_err(|reason| fault(source, reason))?),
                        None if tables.len() > 1 => Some(snapshot as i64),
                        None => None,
                    };
                    for column in &numbers {
                        number(column, at).map_err(|reason| fault(column.1, reason))?;
                    }
                    Ok(Row {
                        stream,
                        star,
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
        let place = |row: &Row| (row.stream, row.star, row.at);
        if !rows.is_sorted_by_key(place) {
            rows.sort_by_key(place);
        }
        let note = names.map(|names| numbered(&names));
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

/// Where streams have names, not numbers: their numbers, as they appear.
fn stream_names<'a>(tables: &[&'a Cells]) -> Option<HashMap<&'a str, i64>> {
    if !tables.iter().any(|cells| cells.are_names()) {
        return None;
    }
    let mut numbers = HashMap::new();
    for cells in tables {
        for name in (0..cells.len()).filter_map(|row| cells.text(row)) {
            let next = numbers.len() as i64;
            numbers.entry(name).or_insert(next);
        }
    }
    Some(numbers)
}

/// The number of a row's stream.
fn stream_number(names: Option<&HashMap<&str, i64>>, cells: &Cells, row: usize) -> Result<i64, String> {
    let Some(names) = names else { return cells.integer(row) };
    let number = cells.text(row).and_then(|name| names.get(name));
    number.copied().ok_or_else(|| "missing".to_owned())
}

/// Which numbers the names were given.
fn numbered(names: &HashMap<&str, i64>) -> String {
    let mut names: Vec<(i64, &str)> = names.iter().map(|(&name, &number)| (number, name)).collect();
    names.sort_unstable();
    let shown: Vec<String> = names
        .iter()
        .take(10)
        .map(|(number, name)| format!("{number} = {name}"))
        .collect();
    let more = if names.len() > 10 { ", …" } else { "" };
    format!("streams were numbered as they appear: {}{more}", shown.join(", "))
}
