//! Which rows of two tables are of the same star.

use std::collections::HashMap;

use runner::error::StageError;
use tables::RecordBatch;

use super::Pair;
use crate::common::columns::NAME;
use crate::common::io::{identity, rows_by_star, star_ids};

/// Rows (predicted, truth) of the same star, for the rows `asked` of the truth.
pub fn pair_rows(predicted: &RecordBatch, truth: &RecordBatch, asked: &[usize]) -> Result<Vec<Pair>, StageError> {
    let rows = rows_by_star("predicted", predicted)?;
    let ids = star_ids(truth)?;
    let pair = |&row: &usize| Some((*rows.get(&ids[row])?, row));
    Ok(asked.iter().filter_map(pair).collect())
}

/// The rows `asked` of the truth by their streams, of which each has one.
pub fn rows_by_stream(truth: &RecordBatch, asked: &[usize]) -> Result<HashMap<i64, usize>, StageError> {
    let stream = identity(truth)?.0;
    let mut rows = HashMap::with_capacity(asked.len());
    for &row in asked {
        if rows.insert(stream[row], row).is_some() {
            return Err(StageError::with_hint(
                format!("input truth: stream {} has more than one row", stream[row]),
                "`against: { truth: { of: stream } }` needs one row for each stream",
            ));
        }
    }
    Ok(rows)
}

/// The names of a table's streams, row by row; none where it has no such column.
pub fn names(table: &RecordBatch) -> Result<Vec<Option<&str>>, StageError> {
    let names = tables::optional_str_column(table, NAME).map_err(StageError::failed)?;
    Ok(names.unwrap_or_default())
}

/// Whether the streams of each table have names.
#[derive(Default)]
pub struct Names {
    predicted: bool,
    truth: bool,
}

impl Names {
    /// Looks at more rows of both.
    pub fn look(&mut self, predicted: &RecordBatch, truth: &RecordBatch) -> Result<(), StageError> {
        self.predicted |= names(predicted)?.iter().any(Option::is_some);
        self.truth |= names(truth)?.iter().any(Option::is_some);
        Ok(())
    }
}

/// Why nothing can be compared.
pub fn no_pairs(names: &Names) -> StageError {
    let message = "no star of the truth has a prediction (by stream and star)";
    match names.predicted == names.truth {
        true => StageError::failed(message),
        false => StageError::with_hint(
            message,
            "the streams of one table have names, those of the other numbers: write `ids: names` where both are imported",
        ),
    }
}

/// Numbers of streams follow from their names, so the same number is the same name.
pub fn names_agree(predicted: &RecordBatch, truth: &RecordBatch, pairs: &[Pair]) -> Result<(), StageError> {
    let (of_predicted, of_truth) = (names(predicted)?, names(truth)?);
    let stream = identity(predicted)?.0;
    for &(row, other) in pairs {
        let both = of_predicted.get(row).zip(of_truth.get(other));
        if let Some((Some(name), Some(true_name))) = both
            && name != true_name
        {
            return Err(StageError::failed(format!(
                "stream {} is called {name} in predicted, and {true_name} in truth",
                stream[row]
            )));
        }
    }
    Ok(())
}
