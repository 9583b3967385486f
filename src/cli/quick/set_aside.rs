//! What is said of the rows of a file that give no star, and of the stars that have no result: each time, whether they were looked at now or
//! before.

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

/// How many rows are set aside, and how many stars on the way to the output that is wanted, and why, with the commands that show them;
/// nothing where all have a result.
pub fn said(loaded: &Loaded, given: &Given, wanted: &str) -> Vec<String> {
    let stage = wanted.split('.').next().unwrap_or(wanted);
    let stars = format!("{stage}.set_aside");
    let found = [
        (ROWS, of_rows(loaded), "row"),
        (stars.as_str(), of_stars(loaded, &stars, wanted), "star"),
    ];
    let lines = found.into_iter().filter_map(|(output, found, noun)| {
        let (aside, kept) = found?;
        let text = line(&aside, kept, noun)?;
        Some(format!("{text}\n  all of them: {}", given.opens(output, false)))
    });
    lines.collect()
}

fn of_rows(loaded: &Loaded) -> Option<(Aside, usize)> {
    let (rows, kept) = export::files_of(loaded, ROWS).ok()?;
    let aside = rows_aside(&tables::read(&rows).ok()?).ok()?;
    Some((aside, tables::count_rows(&kept?).ok()?))
}

fn of_stars(loaded: &Loaded, output: &str, wanted: &str) -> Option<(Aside, usize)> {
    let (stars, _) = export::files_of(loaded, output).ok()?;
    let (results, _) = export::files_of(loaded, wanted).ok()?;
    let aside = stars_aside(&tables::read(&stars).ok()?).ok()?;
    Some((aside, tables::count_rows(&results).ok()?))
}

/// What is set aside.
#[derive(Debug, Default)]
struct Aside {
    /// How many.
    all: usize,
    /// Reasons, each with their number and the first.
    reasons: Vec<Reason>,
}

#[derive(Debug)]
struct Reason {
    text: String,
    count: usize,
    /// The first, in words, after the noun.
    first: String,
}

impl Aside {
    /// Of reasons, and which star or row each is of.
    fn of<K: Ord + Copy>(all: usize, found: impl Iterator<Item = (String, K)>, named: impl Fn(K) -> String) -> Self {
        let mut counted: BTreeMap<String, (usize, K)> = BTreeMap::new();
        for (text, key) in found {
            let entry = counted.entry(text.trim().to_owned()).or_insert((0, key));
            entry.0 += 1;
            entry.1 = entry.1.min(key);
        }
        let reason = |(text, (count, first))| Reason {
            text,
            count,
            first: named(first),
        };
        let mut reasons: Vec<Reason> = counted.into_iter().map(reason).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        Self { all, reasons }
    }
}

fn rows_aside(table: &RecordBatch) -> Result<Aside, TableError> {
    let (snapshots, rows) = (
        tables::i64_column(table, "snapshot")?,
        tables::i64_column(table, "row")?,
    );
    let (Some(columns), Some(reasons)) = (texts(table, "column"), texts(table, "reason")) else {
        return Ok(Aside::default());
    };
    let different: HashSet<(i64, i64)> = snapshots.iter().copied().zip(rows.iter().copied()).collect();
    let found = rows.iter().enumerate().map(|(at, &row)| {
        // A value stands before what is wrong with it.
        let reason = reasons.value(at);
        let reason = reason.split_once(": ").map_or(reason, |(_, reason)| reason);
        (format!("{} {reason}", columns.value(at)), row)
    });
    Ok(Aside::of(different.len(), found, |row| row.to_string()))
}

fn stars_aside(table: &RecordBatch) -> Result<Aside, TableError> {
    let (streams, stars) = (tables::i64_column(table, "stream")?, tables::i64_column(table, "star")?);
    let Some(reasons) = texts(table, "reason") else {
        return Ok(Aside::default());
    };
    let found = streams.iter().zip(stars).enumerate().map(|(at, (&stream, &star))| {
        // Numbers stand after what is wrong.
        let reason = reasons.value(at);
        let reason = reason.split_once(": ").map_or(reason, |(reason, _)| reason);
        (reason.to_owned(), (stream, star))
    });
    Ok(Aside::of(streams.len(), found, |(stream, star)| {
        format!("{star} of stream {stream}")
    }))
}

fn texts<'a>(table: &'a RecordBatch, name: &str) -> Option<&'a arrow::array::StringArray> {
    table
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
}

fn line(aside: &Aside, kept: usize, noun: &str) -> Option<String> {
    if aside.all == 0 {
        return None;
    }
    let all = count(kept + aside.all, noun);
    let mut text = format!("{kept} of {all}; {} set aside:", aside.all);
    for Reason {
        text: why,
        count,
        first,
    } in aside.reasons.iter().take(MOST)
    {
        text.push_str(&match count {
            1 => format!("\n  1: {why} ({noun} {first})"),
            _ => format!("\n  {count}: {why} (first {noun} {first})"),
        });
    }
    if let more @ 1.. = aside.reasons.len().saturating_sub(MOST) {
        text.push_str(&format!("\n  and for {}", count(more, "other reason")));
    }
    Some(text)
}
