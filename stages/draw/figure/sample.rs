//! Tables that are too large to draw whole: a part of the stars, the same in all tables.

use runner::context::StageContext;
use runner::error::StageError;
use tables::RecordBatch;

use crate::common::io::{self, TableContext, identity};
use crate::common::measured::key;

/// Rows that are drawn whole.
const MOST: usize = 1 << 20;
/// Rows that are read together.
const ROWS: usize = 1 << 16;

/// How many of how many rows were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    rows: usize,
    of: usize,
}

impl Taken {
    /// What a caption says of it.
    pub fn says(self) -> String {
        let Self { rows, of } = self;
        format!(" All of it is of {rows} of {of} stars, chosen by their numbers.")
    }
}

/// The table at a port, or so much of it as can be drawn. A star is taken by its identity, so that tables of the same stars agree; `share` is that of
/// the largest table.
pub fn read(
    context: &StageContext,
    port: &str,
    share: Option<f64>,
) -> Result<(RecordBatch, Option<Taken>), StageError> {
    let schema = context.input_schema(port)?;
    let are_stars = ["stream", "star"]
        .iter()
        .all(|name| schema.column_with_name(name).is_some());
    let Some(share) = share.filter(|_| are_stars) else {
        return Ok((context.read_table(port)?, None));
    };
    // Numbers of 64 bits are below 2⁶⁴.
    let limit = (share * 2f64.powi(64)) as u64;
    let mut parts = Vec::new();
    let mut taken = Taken { rows: 0, of: 0 };
    for piece in io::pieces(context, port, &[], ROWS)? {
        context.check_cancelled()?;
        let piece = piece?;
        let (stream, star) = identity(&piece)?;
        let is_in = |row: &usize| key(stream[*row], star[*row]) < limit;
        let rows: Vec<usize> = (0..piece.num_rows()).filter(is_in).collect();
        taken.rows += rows.len();
        taken.of += piece.num_rows();
        parts.push(tables::take_rows(&piece, &rows).map_err(StageError::failed)?);
    }
    let schema = parts.first().map_or(schema, RecordBatch::schema);
    let table = tables::join(&schema, &parts).map_err(StageError::failed)?;
    Ok((table, Some(taken)))
}

/// The share of stars that is drawn, where the largest of these tables of stars is too large.
pub fn share(context: &StageContext, ports: &[&'static str]) -> Result<Option<f64>, StageError> {
    let mut largest = 0;
    for port in ports {
        largest = largest.max(io::count_rows(context, port)?);
    }
    Ok((largest > MOST).then(|| MOST as f64 / largest as f64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use tables::{RecordBatch, Values};

    use crate::common::columns::{self, ACTIONS};
    use crate::draw::figure::Figure;
    use crate::testing::{Ran, run, stage, table};

    const STARS: i64 = 1_100_000;

    /// The actions of a star are its number, and `more`.
    fn actions(stars: impl Iterator<Item = i64>, more: f64) -> RecordBatch {
        let stars: Vec<i64> = stars.collect();
        let values: Vec<f64> = stars.iter().map(|&star| star as f64 + more).collect();
        let streams: Vec<i64> = stars.iter().map(|star| star / 100).collect();
        let mut columns = vec![("stream", streams.into()), ("star", Values::from(stars))];
        columns.extend(ACTIONS.map(|column| (column.name, values.clone().into())));
        table(columns::stars(&[&ACTIONS]), columns)
    }

    fn caption_has(ran: &Ran, text: &str) -> bool {
        String::from_utf8_lossy(&ran.bytes["figure"]).contains(text)
    }

    #[test]
    fn of_large_tables_the_same_stars_are_drawn() {
        let (truth, predicted) = (actions(0..STARS, 0.0), actions((0..STARS).rev(), 1.0));
        let figure: Figure = stage(json!({ "draw": { "agreement": {} } }));
        let ran = run(&figure, &[("predicted", &predicted), ("truth", &truth)], &[]).completed();
        let off = ran.f64("data", "y");
        assert!(off.len() > 3 * 3000 && off.iter().all(|off| *off == 1.0));
        assert!(caption_has(&ran, " of 1100000 stars, chosen by their numbers."));
        // Half as many are drawn whole.
        let drawn = actions(0..STARS / 2, 0.0);
        let ran = run(&figure, &[("predicted", &drawn), ("truth", &drawn)], &[]).completed();
        assert!(caption_has(&ran, "for 550000 stars") && !caption_has(&ran, "chosen by their numbers"));
    }

    #[test]
    fn an_empty_table_beside_a_large_one_is_no_fault() {
        let figure: Figure = stage(json!({ "draw": { "action_space": {} } }));
        let (stars, beside) = (actions(0..STARS, 1.0), actions(0..0, 0.0));
        run(&figure, &[("stars", &stars), ("beside", &beside)], &[]).completed();
    }
}
