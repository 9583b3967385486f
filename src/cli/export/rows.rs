//! The rows of a table that is exported: those of a file, with what was kept of their stars beside them.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use formats::{FormatError, Rows};
use tables::{Batches, RecordBatch, TableError};

use super::kept;

/// Rows read together.
const PIECE: usize = 1 << 14;

/// The rows of a file, some at a time.
pub(super) struct OfFile<'a>(pub &'a Path);

impl Rows for OfFile<'_> {
    fn schema(&self) -> SchemaRef {
        tables::read_schema(self.0).unwrap_or_else(|_| Arc::new(Schema::empty()))
    }

    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        for piece in tables::batches(self.0, &[], PIECE).map_err(failed)? {
            take(&piece.map_err(failed)?)?;
        }
        Ok(())
    }
}

fn failed(error: TableError) -> FormatError {
    match error {
        TableError::Io { path, source } => FormatError::Io { path, source },
        error => FormatError::Unfit {
            message: error.to_string(),
            hint: None,
        },
    }
}

/// The rows of a file whose stars are in the order of the file that they were imported from, and those of what was kept.
pub(super) struct Beside<'a> {
    table: &'a Path,
    kept: &'a Path,
    /// Whether streams have names.
    are_named: bool,
    schema: SchemaRef,
}

impl<'a> Beside<'a> {
    /// Both files, where rows of the one go beside rows of the other in their order; nothing where they must be sorted first.
    pub fn new(table: &'a Path, kept: &'a Path) -> Result<Option<Self>, TableError> {
        let schema = tables::read_schema(table)?;
        let is_there = |name: &str| schema.column_with_name(name).is_some();
        if !(is_there("stream") && is_there("star") && are_in_order(table, kept)?) {
            return Ok(None);
        }
        let mut are_named = !is_there(kept::NAME) || tables::count_rows(table)? == 0;
        if !are_named {
            for piece in tables::batches(table, &[kept::NAME], PIECE)? {
                are_named |= piece?.columns().iter().any(|names| names.null_count() < names.len());
            }
        }
        let empty = |schema: SchemaRef| RecordBatch::new_empty(schema);
        let of_kept = empty(tables::read_schema(kept)?);
        let columns = of_kept.columns().to_vec();
        let joined = kept::beside(&empty(schema), are_named, of_kept.schema_ref(), columns)?;
        Ok(Some(Self {
            table,
            kept,
            are_named,
            schema: joined.schema(),
        }))
    }

    fn go_through(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        let schema = tables::read_schema(self.kept).map_err(failed)?;
        let mut cursor = Cursor::new(tables::batches(self.kept, &[], PIECE).map_err(failed)?);
        for piece in tables::batches(self.table, &[], PIECE).map_err(failed)? {
            let piece = piece.map_err(failed)?;
            let columns = cursor.rows_of(&piece, &schema).map_err(failed)?;
            let joined = kept::beside(&piece, self.are_named, &schema, columns).map_err(failed)?;
            take(&joined)?;
        }
        Ok(())
    }
}

impl Rows for Beside<'_> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn each(&self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), FormatError>) -> Result<(), FormatError> {
        self.go_through(take)
    }
}

/// Whether the stars of a table are those that were kept, some left out, in the order of the file.
fn are_in_order(table: &Path, kept: &Path) -> Result<bool, TableError> {
    let mut last = i64::MIN;
    let mut there = tables::batches(kept, &["stream", "star", "row"], PIECE)?;
    let mut current: Option<RecordBatch> = None;
    let mut at = 0;
    for piece in tables::batches(table, &["stream", "star"], PIECE)? {
        let piece = piece?;
        let (streams, stars) = identity(&piece)?;
        for star in streams.iter().zip(stars) {
            loop {
                let Some(batch) = current.as_ref().filter(|batch| at < batch.num_rows()) else {
                    match there.next().transpose()? {
                        Some(next) => (current, at) = (Some(next), 0),
                        None => return Ok(false),
                    }
                    continue;
                };
                let (streams, stars) = identity(batch)?;
                let row = tables::i64_column(batch, "row")?[at];
                let is_it = (&streams[at], &stars[at]) == star;
                at += 1;
                if row <= last {
                    return Ok(false);
                }
                last = row;
                if is_it {
                    break;
                }
            }
        }
    }
    Ok(true)
}

fn identity(table: &RecordBatch) -> Result<(&[i64], &[i64]), TableError> {
    Ok((tables::i64_column(table, "stream")?, tables::i64_column(table, "star")?))
}

/// Goes through what was kept, star by star.
struct Cursor {
    batches: Batches,
    current: Option<RecordBatch>,
    at: usize,
}

impl Cursor {
    fn new(batches: Batches) -> Self {
        Self {
            batches,
            current: None,
            at: 0,
        }
    }

    /// The kept columns of the stars of a table, which come in this order.
    fn rows_of(&mut self, table: &RecordBatch, schema: &Schema) -> Result<Vec<ArrayRef>, TableError> {
        let (streams, stars) = identity(table)?;
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
        let mut found: Vec<u64> = Vec::new();
        for star in streams.iter().zip(stars) {
            loop {
                let Some(batch) = self.current.as_ref().filter(|batch| self.at < batch.num_rows()) else {
                    self.hand_over(&mut found, &mut parts)?;
                    self.current = Some(self.batches.next().ok_or(TableError::Unfit)??);
                    self.at = 0;
                    continue;
                };
                let (streams, stars) = identity(batch)?;
                let is_it = (&streams[self.at], &stars[self.at]) == star;
                if is_it {
                    found.push(self.at as u64);
                }
                self.at += 1;
                if is_it {
                    break;
                }
            }
        }
        self.hand_over(&mut found, &mut parts)?;
        let joined = parts
            .iter()
            .zip(schema.fields())
            .map(|(parts, field): (_, &Arc<Field>)| {
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                match parts.as_slice() {
                    [] => Ok(arrow::array::new_empty_array(field.data_type())),
                    parts => concat(parts).map_err(|_| TableError::Unfit),
                }
            });
        joined.collect()
    }

    /// Takes the rows that were found of the current ones.
    fn hand_over(&self, found: &mut Vec<u64>, parts: &mut [Vec<ArrayRef>]) -> Result<(), TableError> {
        let places = UInt64Array::from_iter_values(found.drain(..));
        let Some(batch) = self.current.as_ref().filter(|_| !places.is_empty()) else {
            return Ok(());
        };
        for (part, column) in parts.iter_mut().zip(batch.columns()) {
            part.push(take(column, &places, None).map_err(|_| TableError::Unfit)?);
        }
        Ok(())
    }
}
