//! Tables in Parquet files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::astropy;
use crate::error::TableError;
use crate::make::check;

/// Rows kept together in a file; a writer holds one such group at a time.
const ROW_GROUP: usize = 1 << 16;

/// Reads a whole table. The metadata of its fields and its own is kept.
pub fn read(path: &Path) -> Result<RecordBatch, TableError> {
    guarded(path, || collect(path, open(path)?))
}

/// Reads some columns of a table, in the order they have in the file. All must be there.
pub fn read_columns(path: &Path, names: &[&str]) -> Result<RecordBatch, TableError> {
    guarded(path, || collect(path, projected(path, names)?))
}

pub(crate) fn projected(path: &Path, names: &[&str]) -> Result<Builder, TableError> {
    let reader = open(path)?;
    let there: Vec<String> = reader
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    if let Some(missing) = names.iter().find(|name| !there.iter().any(|column| column == *name)) {
        return Err(TableError::NoColumn {
            column: (*missing).to_owned(),
            there,
        });
    }
    let roots = there
        .iter()
        .enumerate()
        .filter(|(_, column)| names.contains(&column.as_str()))
        .map(|(root, _)| root);
    let mask = ProjectionMask::roots(reader.parquet_schema(), roots);
    Ok(reader.with_projection(mask))
}

/// The schema of a table, without reading its rows.
pub fn read_schema(path: &Path) -> Result<SchemaRef, TableError> {
    guarded(path, || Ok(open(path)?.schema().clone()))
}

/// Writes a table that has the declared schema; see [`check`]. The same table gives the same bytes.
pub fn write(path: &Path, table: &RecordBatch, declared: &Schema) -> Result<(), TableError> {
    check(table, declared)?;
    let mut writer = create(path, &table.schema())?;
    let written = writer.write(table).and_then(|()| writer.close());
    written.map(|_| ()).map_err(|error| unwritable(path, error))
}

/// Writes any table piece by piece, for other programs, with the header that astropy looks for. A missing text is empty:
/// astropy has no other.
pub struct ExportWriter {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
}

impl ExportWriter {
    /// Begins a table whose texts have at most so many letters, by column; 0 for columns of no texts.
    pub fn create(path: &Path, schema: &Schema, longest: &[usize]) -> Result<Self, TableError> {
        let schema = outward(schema, longest);
        Ok(Self {
            path: path.to_owned(),
            writer: create(path, &schema)?,
            schema,
        })
    }

    /// Adds rows.
    pub fn append(&mut self, rows: &RecordBatch) -> Result<(), TableError> {
        let columns = rows.columns().iter().map(|column| match column.as_string_opt::<i32>() {
            Some(texts) => Arc::new(
                texts
                    .iter()
                    .map(|text| Some(text.unwrap_or_default()))
                    .collect::<StringArray>(),
            ),
            None => column.clone(),
        });
        let rows = RecordBatch::try_new(self.schema.clone(), columns.collect()).map_err(|_| TableError::Unfit)?;
        self.writer.write(&rows).map_err(|error| unwritable(&self.path, error))
    }

    /// Writes the footer: without it there is no table.
    pub fn finish(self) -> Result<(), TableError> {
        let Self { path, writer, .. } = self;
        writer.close().map(|_| ()).map_err(|error| unwritable(&path, error))
    }
}

/// The schema as other programs read it.
fn outward(schema: &Schema, longest: &[usize]) -> SchemaRef {
    let mut header = HashMap::from([(astropy::HEADER.to_owned(), astropy::astropy_header(schema))]);
    for (field, longest) in schema.fields().iter().zip(longest) {
        if *field.data_type() == DataType::Utf8 {
            header.insert(astropy::length_key(field.name()), (*longest).max(1).to_string());
        }
    }
    Schema::new_with_metadata(schema.fields().clone(), header).into()
}

/// Begins a file of tables of this schema.
pub(crate) fn create(path: &Path, schema: &SchemaRef) -> Result<ArrowWriter<File>, TableError> {
    let file = File::create(path).map_err(|source| TableError::Io {
        path: path.to_owned(),
        source,
    })?;
    let properties = WriterProperties::builder()
        .set_created_by("actionfinder".to_owned())
        // Measured numbers hardly repeat: a dictionary costs time and gains nothing.
        .set_dictionary_enabled(false)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(|error| unwritable(path, error))
}

pub(crate) type Builder = ParquetRecordBatchReaderBuilder<File>;

/// The Parquet reader panics on some damaged files (a negative length in the footer, for one); to us that is an error.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, TableError>) -> Result<T, TableError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged(path)))
}

pub(crate) fn open(path: &Path) -> Result<Builder, TableError> {
    let io = |source| TableError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let about = file.metadata().map_err(io)?;
    if about.is_dir() {
        return Err(TableError::Folder { path: path.to_owned() });
    }
    if about.is_file() && about.len() == 0 {
        return Err(TableError::Empty { path: path.to_owned() });
    }
    let unreadable = |_| match kind(path) {
        Kind::Whole => damaged(path),
        Kind::CutOff => TableError::CutOff { path: path.to_owned() },
        Kind::Encrypted => TableError::Encrypted { path: path.to_owned() },
        Kind::Other => TableError::NotParquet { path: path.to_owned() },
    };
    let builder = Builder::try_new(file).map_err(unreadable)?;
    let groups = builder.metadata().row_groups().iter();
    let methods = groups.flat_map(|group| group.columns().iter().map(|column| column.compression()));
    match methods.map(unread).find(Option::is_some).flatten() {
        Some(method) => Err(TableError::Compressed {
            path: path.to_owned(),
            method,
        }),
        None => Ok(builder),
    }
}

/// The name of a method of compression that is not read.
fn unread(method: Compression) -> Option<&'static str> {
    match method {
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    }
}

/// What the first and last four bytes of a file tell.
enum Kind {
    Whole,
    CutOff,
    Encrypted,
    Other,
}

fn kind(path: &Path) -> Kind {
    let ends = || -> std::io::Result<([u8; 4], [u8; 4])> {
        let (mut first, mut last) = ([0; 4], [0; 4]);
        let mut file = File::open(path)?;
        file.read_exact(&mut first)?;
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut last)?;
        Ok((first, last))
    };
    match ends() {
        Ok((first, last)) if [first, last].contains(b"PARE") => Kind::Encrypted,
        Ok((first, last)) if &first == b"PAR1" && first == last => Kind::Whole,
        Ok((first, _)) if &first == b"PAR1" => Kind::CutOff,
        Ok(_) => Kind::Other,
        // Too short to tell.
        Err(_) => Kind::CutOff,
    }
}

fn collect(path: &Path, builder: Builder) -> Result<RecordBatch, TableError> {
    let metadata = builder.schema().metadata().clone();
    let reader = builder.build().map_err(|_| damaged(path))?;
    // The reader's own schema knows what is projected, and not what the file says of the whole table.
    let fields = arrow::record_batch::RecordBatchReader::schema(&reader).fields().clone();
    let schema: SchemaRef = Schema::new_with_metadata(fields, metadata).into();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|_| damaged(path))?;
    concat_batches(&schema, &batches).map_err(|_| damaged(path))
}

pub(crate) fn damaged(path: &Path) -> TableError {
    TableError::Damaged { path: path.to_owned() }
}

pub(crate) fn unwritable(path: &Path, error: ParquetError) -> TableError {
    let path = path.to_owned();
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(source) => TableError::Io { path, source: *source },
            Err(_) => TableError::Unwritable { path },
        },
        _ => TableError::Unwritable { path },
    }
}
