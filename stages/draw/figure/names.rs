//! What streams and tables are called in a figure.

use std::collections::BTreeMap;

use runner::error::StageError;
use tables::RecordBatch;

use super::i64s;
use crate::common::columns::NAME;

/// Names of streams, where they have names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamNames(BTreeMap<i64, String>);

impl StreamNames {
    /// Those of a table of stars.
    pub fn of(table: &RecordBatch) -> Result<Self, StageError> {
        let names = tables::optional_str_column(table, NAME).map_err(StageError::failed)?;
        let Some(names) = names else {
            return Ok(Self::default());
        };
        let pairs = i64s(table, "stream")?.iter().zip(names);
        let pairs = pairs.filter_map(|(stream, name)| Some((*stream, name?.to_owned())));
        Ok(Self(pairs.collect()))
    }

    /// The name of a stream, or its number.
    pub fn call(&self, stream: i64) -> String {
        self.0
            .get(&stream)
            .cloned()
            .unwrap_or_else(|| format!("stream {stream}"))
    }
}

/// What a user calls a table, or else its usual name.
pub fn or_usual(given: &Option<String>, usual: &str) -> String {
    given.clone().unwrap_or_else(|| usual.to_owned())
}
