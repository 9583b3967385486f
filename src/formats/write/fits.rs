//! A FITS file with one binary table.

use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type, Schema};
use tables::RecordBatch;

use super::Extent;
use super::ascii::{ascii, cut};

const BLOCK: usize = 2880;

/// What stands for a missing whole number.
const NULL: i64 = i64::MIN;

/// Writes the headers of a table of some name. Missing are NaN, [`NULL`], an empty text or a zero byte; what is not ASCII, which FITS has
/// not, is spelled in it.
pub(super) fn begin(file: &mut dyn Write, name: &str, schema: &Schema, extent: &Extent) -> io::Result<()> {
    let mut header = Header::default();
    header.plain("SIMPLE", "T");
    header.plain("BITPIX", "8");
    header.plain("NAXIS", "0");
    header.plain("EXTEND", "T");
    header.write(file)?;
    let widths = widths(schema, extent)?;
    let mut header = Header::default();
    header.text("XTENSION", "BINTABLE");
    for (key, number) in [
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", widths.iter().sum()),
        ("NAXIS2", extent.rows),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
        ("TFIELDS", widths.len()),
    ] {
        header.plain(key, &number.to_string());
    }
    for (place, (field, width)) in schema.fields().iter().zip(widths).enumerate() {
        let key = |word: &str| format!("{word}{}", place + 1);
        header.text(&key("TTYPE"), field.name());
        header.text(&key("TFORM"), &form(field.data_type(), width));
        let unit = tables::unit_of(field);
        if !unit.is_empty() {
            header.text(&key("TUNIT"), unit);
        }
        if *field.data_type() == DataType::Int64 && extent.have_missing[place] {
            header.plain(&key("TNULL"), &NULL.to_string());
        }
        if let Some(description) = field.metadata().get("description").filter(|text| !text.is_empty()) {
            header.text(&key("TCOMM"), description);
        }
    }
    header.text("EXTNAME", name);
    header.write(file)
}

/// Writes rows.
pub(super) fn rows(file: &mut dyn Write, table: &RecordBatch, extent: &Extent) -> io::Result<()> {
    let widths = widths(table.schema_ref(), extent)?;
    let mut row_of = Vec::new();
    for row in 0..table.num_rows() {
        row_of.clear();
        for (array, width) in table.columns().iter().zip(&widths) {
            cell(&mut row_of, array, row, *width);
        }
        file.write_all(&row_of)?;
    }
    Ok(())
}

/// Fills the last block.
pub(super) fn end(file: &mut dyn Write, schema: &Schema, extent: &Extent) -> io::Result<()> {
    let row_bytes: usize = widths(schema, extent)?.iter().sum();
    pad(file, row_bytes * extent.rows, 0)
}

/// Bytes of the values of each column.
fn widths(schema: &Schema, extent: &Extent) -> io::Result<Vec<usize>> {
    let fields = schema.fields().iter().zip(&extent.longest);
    let width = |(field, longest): (&FieldRef, &usize)| match field.data_type() {
        DataType::Float64 | DataType::Int64 => Ok(8),
        DataType::Boolean => Ok(1),
        // At least one: some programs do not expect a text of no length.
        DataType::Utf8 => Ok((*longest).max(1)),
        other => Err(io::Error::other(format!("a column of {other} has no form in FITS"))),
    };
    fields.map(width).collect()
}

fn form(of: &DataType, width: usize) -> String {
    match of {
        DataType::Float64 => "D".to_owned(),
        DataType::Int64 => "K".to_owned(),
        DataType::Boolean => "L".to_owned(),
        _ => format!("{width}A"),
    }
}

fn cell(bytes: &mut Vec<u8>, array: &ArrayRef, row: usize, width: usize) {
    let is_missing = array.is_null(row);
    match array.data_type() {
        DataType::Float64 => {
            let number = if is_missing {
                f64::NAN
            } else {
                array.as_primitive::<Float64Type>().value(row)
            };
            bytes.extend(number.to_be_bytes());
        }
        DataType::Int64 => {
            let number = if is_missing {
                NULL
            } else {
                array.as_primitive::<Int64Type>().value(row)
            };
            bytes.extend(number.to_be_bytes());
        }
        DataType::Boolean => bytes.push(match (is_missing, array.as_boolean().value(row)) {
            (true, _) => 0,
            (false, true) => b'T',
            (false, false) => b'F',
        }),
        _ => {
            let text = if is_missing {
                ""
            } else {
                array.as_string::<i32>().value(row)
            };
            let end = bytes.len() + width;
            bytes.extend(ascii(text).bytes().take(width));
            bytes.resize(end, 0);
        }
    }
}

fn pad(file: &mut dyn Write, length: usize, with: u8) -> io::Result<()> {
    let missing = length.next_multiple_of(BLOCK) - length;
    file.write_all(&vec![with; missing])
}

/// Cards of 80 bytes.
#[derive(Default)]
struct Header {
    cards: Vec<u8>,
}

impl Header {
    fn card(&mut self, text: &str) {
        let end = self.cards.len() + 80;
        self.cards.extend(text.bytes().take(80));
        self.cards.resize(end, b' ');
    }

    fn plain(&mut self, key: &str, value: &str) {
        self.card(&format!("{key:<8}= {value:>20}"));
    }

    /// A text; what is longer than a card is cut off after a word.
    fn text(&mut self, key: &str, value: &str) {
        // A quote is written twice.
        const ROOM: usize = 68;
        let value = ascii(value);
        let fitting = (0..=ROOM).rev().map(|most| cut(&value, most).replace('\'', "''"));
        let quoted = fitting
            .into_iter()
            .find(|quoted| quoted.len() <= ROOM)
            .unwrap_or_default();
        self.card(&format!("{key:<8}= '{quoted:<8}'"));
    }

    fn write(mut self, file: &mut dyn Write) -> io::Result<()> {
        self.card("END");
        file.write_all(&self.cards)?;
        pad(file, self.cards.len(), b' ')
    }
}
