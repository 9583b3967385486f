//! Both tables in blocks of rows, so that tables larger than memory are compared, too.

use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use tables::RecordBatch;

use crate::common::io::{self, star_ids};
use crate::common::layout::StarId;

/// Rows of a table that are read together.
pub const ROWS: usize = 1 << 16;

/// Rows of both tables; their stars are in no other block.
pub struct Block {
    pub predicted: RecordBatch,
    pub truth: RecordBatch,
}

/// A table, and the columns of it that are read.
pub type Read<'a> = (&'a str, &'a [&'a str]);

/// How many rows of both tables each block has.
pub struct Cuts(Vec<(usize, usize)>);

impl Cuts {
    /// Tables whose stars ascend, as in all that stages make, are cut every so many rows of the truth; others are one block.
    pub fn by_star(context: &StageContext, predicted: &str, truth: &str) -> Result<Self, StageError> {
        let mut ends: Vec<(StarId, usize)> = Vec::new();
        let truth_ascends = ascends(context, truth, |stars| {
            ends.extend(stars.last().map(|&last| (last, stars.len())));
        })?;
        let (mut counts, mut block) = (vec![0; ends.len()], 0);
        let ascend = truth_ascends
            && !ends.is_empty()
            && ascends(context, predicted, |stars| {
                for star in stars {
                    while block + 1 < ends.len() && *star > ends[block].0 {
                        block += 1;
                    }
                    counts[block] += 1;
                }
            })?;
        if !ascend {
            return Ok(Self(vec![(
                io::count_rows(context, predicted)?,
                io::count_rows(context, truth)?,
            )]));
        }
        Ok(Self(
            counts.into_iter().zip(ends.iter().map(|&(_, rows)| rows)).collect(),
        ))
    }

    /// Reads them.
    pub fn read(
        self,
        context: &StageContext,
        predicted: Read<'_>,
        truth: Read<'_>,
    ) -> Result<impl Iterator<Item = Result<Block, StageError>> + use<>, StageError> {
        let most = self
            .0
            .iter()
            .fold((1, 1), |most, cut| (most.0.max(cut.0), most.1.max(cut.1)));
        let mut predicted = Rows::read(context, predicted, most.0)?;
        let mut truth = Rows::read(context, truth, most.1)?;
        Ok(self.0.into_iter().map(move |(of_predicted, of_truth)| {
            Ok(Block {
                predicted: predicted.take(of_predicted)?,
                truth: truth.take(of_truth)?,
            })
        }))
    }
}

/// Whether each star of a table is above the one before; `look` sees those up to where it is not.
fn ascends(context: &StageContext, port: &str, mut look: impl FnMut(&[StarId])) -> Result<bool, StageError> {
    let mut last = None;
    for piece in io::pieces(context, port, &["stream", "star"], ROWS)? {
        let stars = star_ids(&piece?)?;
        if last.is_some_and(|last| stars.first().is_some_and(|first| last >= *first))
            || !stars.is_sorted_by(|a, b| a < b)
        {
            return Ok(false);
        }
        look(&stars);
        last = stars.last().copied().or(last);
    }
    Ok(true)
}

/// A table that is read as many rows at a time as are asked for.
struct Rows {
    pieces: Box<dyn Iterator<Item = Result<RecordBatch, StageError>>>,
    /// What was read and not yet taken.
    rest: RecordBatch,
}

impl Rows {
    fn read(context: &StageContext, (port, columns): Read<'_>, most: usize) -> Result<Self, StageError> {
        let schema = context.input_schema(port)?;
        let fields = schema
            .fields()
            .iter()
            .filter(|field| columns.contains(&field.name().as_str()));
        let schema = Schema::new(fields.cloned().collect::<Vec<_>>());
        Ok(Self {
            pieces: Box::new(io::pieces(context, port, columns, most)?),
            rest: RecordBatch::new_empty(schema.into()),
        })
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch, StageError> {
        let mut taken = self.rest.clone();
        while taken.num_rows() < rows {
            let Some(piece) = self.pieces.next() else { break };
            let piece = piece?;
            taken = match taken.num_rows() {
                0 => piece,
                _ => tables::join(&piece.schema(), &[taken, piece]).map_err(StageError::failed)?,
            };
        }
        let rows = rows.min(taken.num_rows());
        self.rest = taken.slice(rows, taken.num_rows() - rows);
        Ok(taken.slice(0, rows))
    }
}
