//! Tables that are larger than memory: in pieces, whole streams together where that matters.

use std::collections::HashSet;

use runner::arrow_schema::SchemaRef;
use runner::context::StageContext;
use runner::error::StageError;
use stages::common::io;
use tables::RecordBatch;
use tch::Device;

/// Rows looked at together on a processor.
pub const ROWS: usize = 4096;

/// Rows looked at together: a GPU waits for each of many small kernels, so that it is given more.
pub fn rows_at_once(device: Device) -> usize {
    match device {
        Device::Cpu => ROWS,
        _ => 16 * ROWS,
    }
}

/// Whether the rows of each stream follow each other in the table at `port`. Only the column `stream` is read; where streams are
/// numbered upwards nothing is kept in memory, else the numbers of all streams.
pub fn streams_follow(context: &StageContext, port: &str) -> Result<bool, StageError> {
    let mut last: Option<i64> = None;
    let mut is_sorted = true;
    for piece in io::pieces(context, port, &["stream"], 1 << 16)? {
        let piece = piece?;
        for &stream in tables::i64_column(&piece, "stream").map_err(StageError::failed)? {
            is_sorted &= last.is_none_or(|last| last <= stream);
            last = Some(stream);
        }
    }
    if is_sorted {
        return Ok(true);
    }
    let (mut seen, mut last) = (HashSet::new(), None);
    for piece in io::pieces(context, port, &["stream"], 1 << 16)? {
        let piece = piece?;
        for &stream in tables::i64_column(&piece, "stream").map_err(StageError::failed)? {
            if last != Some(stream) && !seen.insert(stream) {
                return Ok(false);
            }
            last = Some(stream);
        }
    }
    Ok(true)
}

/// Pieces of whole streams, which must follow each other in `pieces`.
pub struct WholeStreams<I> {
    pieces: I,
    schema: Option<SchemaRef>,
    kept: Vec<RecordBatch>,
}

impl<I: Iterator<Item = Result<RecordBatch, StageError>>> WholeStreams<I> {
    /// Of these pieces.
    pub fn new(pieces: I) -> Self {
        Self {
            pieces,
            schema: None,
            kept: Vec::new(),
        }
    }

    fn joined(&mut self) -> Result<Option<RecordBatch>, StageError> {
        let kept = std::mem::take(&mut self.kept);
        let Some(schema) = self.schema.as_ref().filter(|_| !kept.is_empty()) else {
            return Ok(None);
        };
        tables::join(schema, &kept).map(Some).map_err(StageError::failed)
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, StageError> {
        for piece in self.pieces.by_ref() {
            let piece = piece?;
            self.schema.get_or_insert_with(|| piece.schema());
            let stream = tables::i64_column(&piece, "stream").map_err(StageError::failed)?;
            let Some(&last) = stream.last() else { continue };
            // Where the last stream of this piece begins; it may go on in the next.
            let begin = stream
                .iter()
                .rposition(|&stream| stream != last)
                .map_or(0, |row| row + 1);
            let kept_stream = self
                .kept
                .first()
                .map(|kept| tables::i64_column(kept, "stream").map(|ids| ids[0]));
            let goes_on = kept_stream.transpose().map_err(StageError::failed)? == Some(last);
            if begin == 0 && (self.kept.is_empty() || goes_on) {
                self.kept.push(piece);
                continue;
            }
            let tail = piece.slice(begin, piece.num_rows() - begin);
            self.kept.push(piece.slice(0, begin));
            let whole = self.joined()?;
            self.kept.push(tail);
            return Ok(whole);
        }
        self.joined()
    }
}

impl<I: Iterator<Item = Result<RecordBatch, StageError>>> Iterator for WholeStreams<I> {
    type Item = Result<RecordBatch, StageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    fn table(streams: &[i64]) -> RecordBatch {
        let schema = Arc::new(stages::common::columns::stars(&[]));
        let star: Vec<i64> = (0..streams.len() as i64).collect();
        tables::build(&schema, vec![("stream", streams.into()), ("star", star.into())]).unwrap()
    }

    #[test]
    fn streams_stay_whole_whatever_the_pieces() {
        let streams: Vec<i64> = [vec![3; 5], vec![1; 1], vec![7; 9], vec![2; 3]].concat();
        let table = table(&streams);
        for rows in 1..=streams.len() + 1 {
            let cut = (0..streams.len())
                .step_by(rows)
                .map(|first| Ok(table.slice(first, rows.min(streams.len() - first))));
            let pieces: Vec<Vec<i64>> = WholeStreams::new(cut)
                .map(|piece| tables::i64_column(&piece.unwrap(), "stream").unwrap().to_vec())
                .collect();
            assert_eq!(pieces.concat(), streams, "{rows} rows");
            for pair in pieces.windows(2) {
                assert_ne!(pair[0].last(), pair[1].first(), "{rows} rows");
            }
        }
    }
}
