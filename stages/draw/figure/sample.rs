//! Tables that are too large to draw whole: a part of the stars, the same in all tables.

use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::Artifact;
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
    let Some(share) = share.filter(|_| is_of_stars(context, port)) else {
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
    let schema = parts.first().map(RecordBatch::schema);
    let schema = schema.ok_or_else(|| StageError::Bug(format!("no rows at {port}")))?;
    let table = tables::join(&schema, &parts).map_err(StageError::failed)?;
    Ok((table, Some(taken)))
}

fn is_of_stars(context: &StageContext, port: &str) -> bool {
    let schema = context.inputs.get(port).and_then(|input| match &input.artifact {
        Artifact::Table(schema) => Some(schema),
        _ => None,
    });
    schema.is_some_and(|schema| {
        ["stream", "star"]
            .iter()
            .all(|name| schema.column_with_name(name).is_some())
    })
}

/// The share of stars that is drawn, where the largest of these tables of stars is too large.
pub fn share(context: &StageContext, ports: &[&'static str]) -> Result<Option<f64>, StageError> {
    let mut largest = 0;
    for port in ports {
        largest = largest.max(io::count_rows(context, port)?);
    }
    Ok((largest > MOST).then(|| MOST as f64 / largest as f64))
}
