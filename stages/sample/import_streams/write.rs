//! What is written and said of the rows.

use std::collections::BTreeSet;

use formats::Table;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::{Outcome, Stage};
use runner::units::standard;

use super::ImportStreams;
use super::rows::{Bad, Counter, Read, Row};
use super::source::COLUMNS;
use super::values::{NO_VALUES, Reading, T, V_LOS, is_error};
use crate::common::columns::{NAME, TIME};
use crate::common::io::{PieceWriter, TableContext};

/// Rows written together.
const PIECE: usize = 1 << 16;

/// Writes `stars`.
pub(super) fn stars(
    stage: &ImportStreams,
    context: &StageContext,
    readings: &[Reading],
    read: &Read,
) -> Result<Outcome, StageError> {
    let (rows, streams) = (&read.rows, &read.streams);
    let is_twice = |w: &&[Row]| w[0].star.is_some() && (w[0].stream, w[0].star) == (w[1].stream, w[1].star);
    if let Some([first, second]) = rows.windows(2).find(is_twice) {
        return Err(StageError::failed(format!(
            "rows {} and {} of {} are both star {} of stream {}",
            first.at() + 1,
            second.at() + 1,
            stage.files()[first.snapshot()].path.display(),
            first.star.unwrap_or_default(),
            streams.shown(first.stream)
        )));
    }
    let written = stage.recipe().written(&stage.columns);
    if stage.path.is_none() && stage.columns.has(TIME.name) {
        times_increase(readings, read)?;
    }
    let mut writer = PieceWriter::create(context, "stars")?;
    let (mut counter, mut count) = (Counter::default(), 0);
    for piece in rows.chunks(PIECE) {
        context.check_cancelled()?;
        let mut stars: Vec<i64> = Vec::with_capacity(piece.len());
        let mut columns: Vec<Vec<f64>> = written.iter().map(|_| Vec::with_capacity(piece.len())).collect();
        let mut values = NO_VALUES;
        for row in piece {
            let (star, is_first) = counter.star(row);
            count += i64::from(is_first);
            stars.push(star);
            let filled = readings[row.snapshot()].fill(row.at(), &mut values);
            filled.map_err(|(column, reason)| StageError::Bug(format!("{column} is {reason} now")))?;
            for (column, &place) in columns.iter_mut().zip(&written) {
                column.push(values[place]);
            }
        }
        let numbers = piece.iter().map(|row| streams.number(row.stream)).collect::<Vec<_>>();
        let names = piece.iter().map(|row| streams.name(row.stream)).collect::<Vec<_>>();
        let mut table = vec![("stream", numbers.into()), ("star", stars.into()), (NAME, names.into())];
        if !stage.times.is_empty() {
            let times = piece.iter().map(|row| stage.times[row.snapshot()].get());
            table.push((TIME.name, times.collect::<Vec<f64>>().into()));
        }
        for (values, &place) in columns.into_iter().zip(&written) {
            let values = match place {
                _ if place == V_LOS || is_error(place) => values
                    .into_iter()
                    .map(|value| Some(value).filter(|value| !value.is_nan()))
                    .collect::<Vec<_>>()
                    .into(),
                _ => values.into(),
            };
            table.push((COLUMNS[place].name, values));
        }
        writer.append(table)?;
    }
    writer.finish()?;
    context.metric("stars", rows.len() as f64, "");
    context.metric("streams", count as f64, "");
    Ok(Outcome::Complete)
}

/// Snapshots are in the order of time: in each, a particle is later than in the one before.
fn times_increase(readings: &[Reading], read: &Read) -> Result<(), StageError> {
    let mut values = NO_VALUES;
    let mut last: Option<(i64, f64)> = None;
    for row in &read.rows {
        // Rows are usable: nothing fails here.
        let _ = readings[row.snapshot()].fill(row.at(), &mut values);
        let time = values[T];
        if last.is_some_and(|(stream, before)| stream == row.stream && time <= before) {
            let (stream, snapshot) = (read.streams.shown(row.stream), row.snapshot());
            let message =
                format!("stream {stream} has t = {time} Gyr in snapshot {snapshot}, not after the one before");
            return Err(StageError::with_hint(
                message,
                "list `snapshots` in the order of time, each once",
            ));
        }
        last = Some((row.stream, time));
    }
    Ok(())
}

/// Says how many rows were set aside and why, and writes them.
pub(super) fn set_aside(
    stage: &ImportStreams,
    context: &StageContext,
    bad: &[Bad],
    rows: usize,
) -> Result<(), StageError> {
    context.metric(super::SET_ASIDE_ROWS, bad.len() as f64, "");
    if let Some(first) = bad.first() {
        let rest = if bad.len() > 1 {
            "; the output set_aside_rows has them all"
        } else {
            ""
        };
        let row = stage.row((first.snapshot, first.row));
        context.note(format!(
            "{} of {rows} rows set aside; row {row}{}{rest}",
            bad.len(),
            first.shown()
        ));
    }
    let v_los = [&stage.columns.v_los, &stage.columns.radial_velocity]
        .into_iter()
        .flatten()
        .next();
    let lacks = |bad: &&Bad| bad.reason == "missing" && v_los.is_some_and(|source| source.name() == bad.column);
    let without_v_los = bad.iter().filter(lacks).count();
    if without_v_los > 0 {
        context.note(format!(
            "{without_v_los} of them lack v_los: `missing_v_los: keep` keeps such rows, for recover_velocities"
        ));
    }
    context.write_table(
        super::SET_ASIDE_ROWS,
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

/// Says what was taken from the files, and what follows from what.
pub(super) fn notes(stage: &ImportStreams, context: &StageContext, tables: &[Table], read: &Read) {
    for note in tables.iter().flat_map(|table| &table.notes) {
        context.note(note);
    }
    let mut units: BTreeSet<(usize, String)> = BTreeSet::new();
    for (place, source) in stage.columns.numbers() {
        let stated = tables.iter().filter_map(|table| table.unit(source.name()));
        units.extend(
            stated
                .filter(|unit| standard(unit) != standard(COLUMNS[place].unit))
                .map(|unit| (place, unit.to_owned())),
        );
    }
    if !units.is_empty() {
        let texts = units
            .iter()
            .map(|(place, unit)| format!("{} in {unit}", COLUMNS[*place].name));
        let texts: Vec<String> = texts.collect();
        context.note(format!("units as the file states them: {}", texts.join(", ")));
    }
    if let super::identity::Streams::Names(names) = &read.streams {
        let noun = if names.len() == 1 {
            "stream has a name"
        } else {
            "streams have names"
        };
        context.note(format!(
            "{} {noun}: in the column `name`; the numbers of streams are made of them",
            names.len()
        ));
    }
    if stage.columns.stream.is_none() {
        context.note("no column is mapped to stream: each star is a stream by itself, numbered by its row");
    }
    let recipe = stage.recipe();
    if stage.columns.has("parallax") {
        context.note("distances are 1/parallax, which is biased where the error is no small part of it");
    }
    if let Some(sun) = &recipe.sun {
        context.note(format!(
            "x y z vx vy vz follow from the sky, with the Sun at R0 = {} kpc and V = {} km/s (`sun`)",
            sun.r0,
            sun.v + sun.v_lsr
        ));
    } else if !stage.columns.has_cartesian() {
        context.note("there are no x y z vx vy vz, for want of v_los; recover_velocities finds both");
    }
}
