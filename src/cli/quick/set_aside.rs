//! What is said of the rows of a file that give no star: each time, whether the stars were brought in now or before.

use std::collections::{BTreeMap, HashSet};

use arrow::array::AsArray;
use tables::{RecordBatch, TableError};

use crate::cli::common::{Given, Loaded};
use crate::cli::export;
use crate::console::count;

/// The rows set aside, in the import of a line.
const ROWS: &str = "stars.set_aside_rows";

/// Reasons that are said; the table has them all.
const MOST: usize = 4;

/// How many rows are set aside and why, with the command that shows them; `None` where all give stars.
pub fn said(loaded: &Loaded, given: &Given) -> Option<String> {
    let (rows, kept) = export::files_of(loaded, ROWS).ok()?;
    let aside = reasons(&tables::read(&rows).ok()?).ok()?;
    let kept = tables::count_rows(&kept?).ok()?;
    let text = line(&aside, kept)?;
    Some(format!("{text}\n  all of them: {}", given.opens(ROWS, false)))
}

/// Rows set aside.
#[derive(Debug, Default)]
struct Aside {
    /// How many.
    rows: usize,
    /// Reasons, each with its rows and the first of them.
    reasons: Vec<(String, usize, i64)>,
}

fn reasons(table: &RecordBatch) -> Result<Aside, TableError> {
    let (snapshots, rows) = (
        tables::i64_column(table, "snapshot")?,
        tables::i64_column(table, "row")?,
    );
    let texts = |name: &str| {
        table
            .column_by_name(name)
            .and_then(|column| column.as_string_opt::<i32>())
    };
    let (Some(columns), Some(reasons)) = (texts("column"), texts("reason")) else {
        return Ok(Aside::default());
    };
    let mut found: BTreeMap<String, (usize, i64)> = BTreeMap::new();
    for (at, &row) in rows.iter().enumerate() {
        // A value stands before what is wrong with it.
        let reason = reasons.value(at);
        let reason = reason.split_once(": ").map_or(reason, |(_, reason)| reason);
        let entry = found
            .entry(format!("{} {reason}", columns.value(at)))
            .or_insert((0, row));
        entry.0 += 1;
        entry.1 = entry.1.min(row);
    }
    let mut reasons: Vec<_> = found
        .into_iter()
        .map(|(text, (count, row))| (text.trim().to_owned(), count, row))
        .collect();
    reasons.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    let rows: HashSet<(i64, i64)> = snapshots.iter().copied().zip(rows.iter().copied()).collect();
    Ok(Aside {
        rows: rows.len(),
        reasons,
    })
}

fn line(aside: &Aside, kept: usize) -> Option<String> {
    if aside.rows == 0 {
        return None;
    }
    let all = count(kept + aside.rows, "row");
    let mut text = format!("{kept} of {all}; {} set aside:", aside.rows);
    for (reason, rows, first) in aside.reasons.iter().take(MOST) {
        text.push_str(&match rows {
            1 => format!("\n  1: {reason} (row {first})"),
            _ => format!("\n  {rows}: {reason} (first row {first})"),
        });
    }
    if let more @ 1.. = aside.reasons.len().saturating_sub(MOST) {
        text.push_str(&format!("\n  and for {}", count(more, "other reason")));
    }
    Some(text)
}
