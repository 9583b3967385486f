//! What is written and said of the rows.

use std::collections::BTreeSet;

use formats::Table;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Stage;
use runner::units::standard;

use super::ImportStreams;
use super::rows::{Bad, Counter, Read, Row};
use super::source::COLUMNS;
use super::values::{NO_VALUES, Reading, T, V_LOS, Values, is_error};
use crate::common::columns::{NAME, TIME};
use crate::common::io::PieceWriter;

/// Rows written together.
const PIECE: usize = 1 << 16;

/// Writes the output `stars`.
pub(super) struct StarsWriter {
    writer: Option<PieceWriter>,
    /// The columns of numbers, by their place in [`COLUMNS`].
    written: Vec<usize>,
    counter: Counter,
    stars: usize,
    streams: usize,
}

impl StarsWriter {
    pub fn new(stage: &ImportStreams) -> Self {
        Self {
            writer: None,
            written: stage.recipe().written(&stage.columns),
            counter: Counter::default(),
            stars: 0,
            streams: 0,
        }
    }

    /// Adds the stars of the rows that can be used, which are shown to `seen`.
    pub fn append(
        &mut self,
        stage: &ImportStreams,
        context: &StageContext,
        readings: &[Reading],
        read: &Read,
        seen: &mut dyn FnMut(&Row, &Values),
    ) -> Result<(), StageError> {
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
        if stage.path.is_none() && stage.columns.has(TIME.name) {
            times_increase(readings, read)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let writer = begun(&mut self.writer, context, "stars")?;
        for piece in rows.chunks(PIECE) {
            context.check_cancelled()?;
            let mut stars: Vec<i64> = Vec::with_capacity(piece.len());
            let mut columns: Vec<Vec<f64>> = self.written.iter().map(|_| Vec::with_capacity(piece.len())).collect();
            let mut values = NO_VALUES;
            for row in piece {
                let (star, is_first) = self.counter.star(row);
                self.streams += usize::from(is_first);
                stars.push(star);
                let filled = readings[row.snapshot()].fill(row.at(), &mut values);
                filled.map_err(|(column, reason)| StageError::Bug(format!("{column} is {reason} now")))?;
                seen(row, &values);
                for (column, &place) in columns.iter_mut().zip(&self.written) {
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
            for (values, &place) in columns.into_iter().zip(&self.written) {
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
        self.stars += rows.len();
        Ok(())
    }

    /// Ends the output.
    pub fn finish(self, context: &StageContext) -> Result<(), StageError> {
        self.writer.map_or(Ok(()), PieceWriter::finish)?;
        context.metric("stars", self.stars as f64, "");
        context.metric("streams", self.streams as f64, "");
        Ok(())
    }
}

/// The writer of an output, which is begun when there is something to write.
fn begun<'a>(
    writer: &'a mut Option<PieceWriter>,
    context: &StageContext,
    port: &str,
) -> Result<&'a mut PieceWriter, StageError> {
    Ok(match writer {
        Some(writer) => writer,
        None => writer.insert(PieceWriter::create(context, port)?),
    })
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

/// Writes the output of rows that are set aside, and counts them.
pub(super) struct SetAsideWriter {
    writer: Option<PieceWriter>,
    count: usize,
    first: Option<Bad>,
    /// The column of the file with line-of-sight velocities, and how many rows lack one.
    v_los: Option<String>,
    without_v_los: usize,
}

impl SetAsideWriter {
    pub fn new(stage: &ImportStreams) -> Self {
        let v_los = [&stage.columns.v_los, &stage.columns.radial_velocity];
        let v_los = v_los.into_iter().flatten().next();
        Self {
            writer: None,
            count: 0,
            first: None,
            v_los: v_los.map(|source| source.name().to_owned()),
            without_v_los: 0,
        }
    }

    pub fn append(&mut self, context: &StageContext, bad: Vec<Bad>) -> Result<(), StageError> {
        let lacks = |bad: &&Bad| bad.reason == "missing" && self.v_los.as_ref() == Some(&bad.column);
        self.without_v_los += bad.iter().filter(lacks).count();
        self.count += bad.len();
        let whole = |of: &dyn Fn(&Bad) -> usize| bad.iter().map(|bad| of(bad) as i64).collect::<Vec<_>>();
        begun(&mut self.writer, context, super::SET_ASIDE_ROWS)?.append(vec![
            ("snapshot", whole(&|bad| bad.snapshot).into()),
            ("row", whole(&|bad| bad.row + 1).into()),
            (
                "column",
                bad.iter().map(|bad| bad.column.as_str()).collect::<Vec<_>>().into(),
            ),
            (
                "reason",
                bad.iter().map(|bad| bad.reason.as_str()).collect::<Vec<_>>().into(),
            ),
        ])?;
        if self.first.is_none() {
            self.first = bad.into_iter().next();
        }
        Ok(())
    }

    /// Ends the output, and says how many of so many `rows` are in it and why. Gives the first.
    pub fn finish(self, stage: &ImportStreams, context: &StageContext, rows: usize) -> Result<Option<Bad>, StageError> {
        self.writer.map_or(Ok(()), PieceWriter::finish)?;
        context.metric(super::SET_ASIDE_ROWS, self.count as f64, "");
        if let Some(first) = &self.first {
            let rest = if self.count > 1 {
                "; the output set_aside_rows has them all"
            } else {
                ""
            };
            let row = stage.row((first.snapshot, first.row));
            context.note(format!(
                "{} of {rows} rows set aside; row {row}{}{rest}",
                self.count,
                first.shown()
            ));
        }
        if self.without_v_los > 0 {
            context.note(format!(
                "{} of them lack v_los: `missing_v_los: keep` keeps such rows, for recover_velocities",
                self.without_v_los
            ));
        }
        Ok(self.first)
    }
}

/// What the files say of themselves.
#[derive(Default)]
pub(super) struct Said {
    notes: Vec<String>,
    /// Units other than ours, by the place of our column.
    units: BTreeSet<(usize, String)>,
    /// How many streams have names.
    names: usize,
}

impl Said {
    pub fn add(&mut self, stage: &ImportStreams, tables: &[Table], read: &Read) {
        self.notes.extend(tables.iter().flat_map(|table| table.notes.clone()));
        for (place, source) in stage.columns.numbers() {
            let stated = tables.iter().filter_map(|table| table.unit(source.name()));
            self.units.extend(
                stated
                    .filter(|unit| standard(unit) != standard(COLUMNS[place].unit))
                    .map(|unit| (place, unit.to_owned())),
            );
        }
        if let super::identity::Streams::Names(names) = &read.streams {
            self.names += names.len();
        }
    }
}

/// Says what was taken from the files, and what follows from what.
pub(super) fn notes(stage: &ImportStreams, context: &StageContext, said: &Said) {
    for note in &said.notes {
        context.note(note);
    }
    if !said.units.is_empty() {
        let texts = said
            .units
            .iter()
            .map(|(place, unit)| format!("{} in {unit}", COLUMNS[*place].name));
        let texts: Vec<String> = texts.collect();
        context.note(format!("units as the file states them: {}", texts.join(", ")));
    }
    if said.names > 0 {
        let noun = if said.names == 1 {
            "stream has a name"
        } else {
            "streams have names"
        };
        context.note(format!(
            "{} {noun}: in the column `name`; the numbers of streams are made of them",
            said.names
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
