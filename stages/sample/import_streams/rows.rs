//! Rows of one or several files as stars of streams.

use formats::{Label, Labels, Table};
use runner::error::StageError;

use super::file;
use super::identity::{Identities, Ids, Place, Streams};
use super::source::ColumnMap;
use super::values::{NO_VALUES, Reading};

/// One value that cannot be used.
pub(super) struct Bad {
    /// Place of the file, from 0.
    pub snapshot: usize,
    /// Row in the file, from 0.
    pub row: usize,
    /// Column of the file; empty where it is the whole row.
    pub column: String,
    pub reason: String,
}

impl Bad {
    /// What is wrong, after the word "row" and its number.
    pub fn shown(&self) -> String {
        match self.column.as_str() {
            "" => format!(" {}", self.reason),
            column => format!(": {column} is {}", self.reason),
        }
    }
}

/// A usable row: its stream, its star where that is said, and where it is.
pub(super) struct Row {
    /// Key of its stream in [`Streams`].
    pub stream: i64,
    pub star: Option<i64>,
    snapshot: u32,
    at: u32,
}

impl Row {
    /// Place of the file, from 0.
    pub fn snapshot(&self) -> usize {
        self.snapshot as usize
    }

    /// Row in the table that was read, from 0.
    pub fn at(&self) -> usize {
        self.at as usize
    }
}

/// Numbers the stars of a stream, where the file does not.
#[derive(Default)]
pub(super) struct Counter {
    last: Option<(i64, i64)>,
}

impl Counter {
    /// The number of the next row's star, and whether it is the first of its stream.
    pub fn star(&mut self, row: &Row) -> (i64, bool) {
        let is_first = self.last.is_none_or(|(stream, _)| stream != row.stream);
        let counted = match self.last {
            Some((_, star)) if !is_first => star + 1,
            _ => 0,
        };
        let star = row.star.unwrap_or(counted);
        self.last = Some((row.stream, star));
        (star, is_first)
    }
}

/// What was read, rows by stream and star: streams by their numbers, those with names as they appear.
pub(super) struct Read {
    pub rows: Vec<Row>,
    pub bad: Vec<Bad>,
    pub streams: Streams,
}

/// A star's number, or why it has none.
fn star_number(labels: &Labels, row: usize) -> Result<i64, String> {
    match labels.get(row) {
        Label::Number(number) => Ok(number),
        Label::Missing => Err("missing".to_owned()),
        Label::Bad(place) => Err(labels.reason(place).to_owned()),
        Label::Name(place) => Err(format!(
            "\"{}\", not a whole number",
            formats::clipped(labels.name(place))
        )),
    }
}

impl Read {
    /// The rows of all `tables`. Of several, each holds one star of every stream, whose number is the table's place. `shown` says what a
    /// row is called.
    pub fn new(
        tables: &[Table],
        readings: &[Reading],
        columns: &ColumnMap,
        ids: Option<Ids>,
        shown: &dyn Fn(Place) -> String,
    ) -> Result<Self, StageError> {
        // Stars of no stream are known by their rows.
        let counted: Vec<Labels> = match columns.stream {
            None => tables
                .iter()
                .map(|table| Labels::counted(table.first, table.rows))
                .collect(),
            Some(_) => Vec::new(),
        };
        let labels = tables.iter().enumerate().map(|(at, table)| match counted.get(at) {
            Some(counted) => Ok(counted),
            None => file::labels(table, columns.stream_name()),
        });
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        let star = columns.star.as_ref().map(|source| source.name());
        let stars = tables
            .iter()
            .map(|table| star.map(|name| file::labels(table, name)).transpose());
        let stars = stars.collect::<Result<Vec<_>, _>>()?;
        // Why a row cannot be used, whatever its stream.
        let check = |(snapshot, at): Place, values: &mut _| -> Result<(), (String, String)> {
            if let (Some(labels), Some(name)) = (stars[snapshot], star) {
                star_number(labels, at).map_err(|reason| (name.to_owned(), reason))?;
            }
            readings[snapshot].fill(at, values)
        };
        let (mut values, mut usable, mut bad) = (NO_VALUES, Vec::with_capacity(tables.len()), Vec::new());
        for (snapshot, table) in tables.iter().enumerate() {
            if u32::try_from(table.rows).is_err() {
                return Err(StageError::failed(format!(
                    "{} rows are more than {} in one file",
                    table.rows,
                    u32::MAX
                )));
            }
            let mut odd_rows = table.odd_rows.iter().peekable();
            let mut are_usable = Vec::with_capacity(table.rows);
            for row in 0..table.rows {
                let odd = odd_rows.next_if(|(odd, _)| *odd == row);
                let found = match odd {
                    Some((_, reason)) => Err((String::new(), reason.clone())),
                    None => check((snapshot, row), &mut values),
                };
                are_usable.push(found.is_ok());
                if let Err((column, reason)) = found {
                    bad.push(Bad {
                        snapshot,
                        row: table.first + row,
                        column,
                        reason,
                    });
                }
            }
            usable.push(are_usable);
        }
        let is_usable = |(snapshot, row): Place| usable[snapshot][row];
        let identities = Identities::new(labels, ids, &is_usable, shown)?;
        let count = usable.iter().flatten().filter(|usable| **usable).count();
        let mut rows = Vec::with_capacity(count);
        for (snapshot, usable) in usable.iter().enumerate() {
            for at in (0..usable.len()).filter(|&at| usable[at]) {
                match identities.key((snapshot, at)) {
                    Ok(stream) => rows.push(Row {
                        stream,
                        star: match stars[snapshot] {
                            Some(labels) => star_number(labels, at).ok(),
                            None if tables.len() > 1 => Some(snapshot as i64),
                            None => None,
                        },
                        snapshot: snapshot as u32,
                        at: at as u32,
                    }),
                    Err(reason) => bad.push(Bad {
                        snapshot,
                        row: at,
                        column: columns.stream_name().to_owned(),
                        reason,
                    }),
                }
            }
        }
        bad.sort_by_key(|bad| (bad.snapshot, bad.row));
        let place = |row: &Row| (row.stream, row.star, row.snapshot, row.at);
        if !rows.is_sorted_by_key(place) {
            rows.sort_unstable_by_key(place);
        }
        Ok(Self {
            rows,
            bad,
            streams: identities.streams,
        })
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
            let lacks = |snapshot: &usize| stream.iter().all(|row| row.snapshot() != *snapshot);
            let missing: Vec<String> = (0..snapshots).filter(lacks).map(|place| place.to_string()).collect();
            if missing.is_empty() {
                complete.append(&mut stream);
                continue;
            }
            incomplete += 1;
            let reason = format!("not usable in, or missing from, snapshot {}", missing.join(", "));
            self.bad.extend(stream.into_iter().map(|row| Bad {
                snapshot: row.snapshot(),
                row: row.at(),
                column: column.to_owned(),
                reason: reason.clone(),
            }));
        }
        self.rows = complete;
        self.bad.sort_by_key(|bad| (bad.snapshot, bad.row));
        incomplete
    }
}
