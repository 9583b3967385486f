//! Tables in pieces: for those that are larger than memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::error::TableError;
use crate::make::check;
use crate::parquet_file::{create, damaged, guarded, open, projected, unwritable};

/// The rows of a table, some at a time, in order.
pub struct Batches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

/// The number of rows of a table, from its footer.
pub fn count_rows(path: &Path) -> Result<usize, TableError> {
    guarded(path, || {
        let rows = open(path)?.metadata().file_metadata().num_rows();
        usize::try_from(rows).map_err(|_| damaged(path))
    })
}

/// Reads a table `rows` rows at a time; only the columns `names`, if any are named.
pub fn batches(path: &Path, names: &[&str], rows: usize) -> Result<Batches, TableError> {
    guarded(path, || {
        let builder = if names.is_empty() {
            open(path)?
        } else {
            projected(path, names)?
        };
        let reader = builder.with_batch_size(rows).build();
        Ok(Batches {
            path: path.to_owned(),
            reader: reader.map_err(|_| damaged(path))?,
        })
    })
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (path, reader) = (&self.path, &mut self.reader);
        let next = guarded(path, || reader.next().transpose().map_err(|_| damaged(path)));
        next.transpose()
    }
}

/// Writes a table piece by piece; see [`check`]. The same pieces give the same bytes.
pub struct TableWriter {
    path: PathBuf,
    declared: SchemaRef,
    writer: ArrowWriter<File>,
}

impl TableWriter {
    /// Begins a table of the declared schema.
    pub fn create(path: &Path, declared: &SchemaRef) -> Result<Self, TableError> {
        Ok(Self {
            path: path.to_owned(),
            declared: declared.clone(),
            writer: create(path, declared)?,
        })
    }

    /// Adds rows, after checking them.
    pub fn append(&mut self, rows: &RecordBatch) -> Result<(), TableError> {
        check(rows, &self.declared)?;
        self.writer.write(rows).map_err(|error| unwritable(&self.path, error))
    }

    /// Writes the footer: without it there is no table.
    pub fn finish(self) -> Result<(), TableError> {
        let Self { path, writer, .. } = self;
        writer.close().map(|_| ()).map_err(|error| unwritable(&path, error))
    }
}
