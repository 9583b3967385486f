//! CSV and ECSV. Numbers have as few digits as give the same number again.

use std::io::{self, Write};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use tables::RecordBatch;

/// Writes the header of an ECSV file (astropy proposal for enhancement 6), separated by commas.
pub(super) fn ecsv_header(file: &mut dyn Write, schema: &Schema) -> io::Result<()> {
    write!(file, "# %ECSV 1.0\n# ---\n# delimiter: ','\n")?;
    for line in tables::astropy_header(schema).lines() {
        writeln!(file, "# {line}")?;
    }
    writeln!(file, "# schema: astropy-2.0")
}

/// Writes the names of the columns.
pub(super) fn names(file: &mut dyn Write, schema: &Schema) -> io::Result<()> {
    let names = schema.fields().iter().map(|field| quoted(field.name()));
    writeln!(file, "{}", names.collect::<Vec<_>>().join(","))
}

/// Writes rows: what is missing is empty.
pub(super) fn rows(file: &mut dyn Write, table: &RecordBatch) -> io::Result<()> {
    for row in 0..table.num_rows() {
        for (place, column) in table.columns().iter().enumerate() {
            if place > 0 {
                file.write_all(b",")?;
            }
            if !column.is_null(row) {
                cell(file, column.as_ref(), row)?;
            }
        }
        file.write_all(b"\n")?;
    }
    Ok(())
}

fn cell(file: &mut dyn Write, column: &dyn Array, row: usize) -> io::Result<()> {
    match column.data_type() {
        // Debug, for 1e-300 in few digits.
        DataType::Float64 => write!(file, "{:?}", column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => write!(file, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => file.write_all(if column.as_boolean().value(row) {
            b"True"
        } else {
            b"False"
        }),
        DataType::Utf8 => file.write_all(quoted(column.as_string::<i32>().value(row)).as_bytes()),
        other => Err(io::Error::other(format!("a column of {other} has no text"))),
    }
}

/// A text in quotes, if it needs them.
fn quoted(text: &str) -> String {
    let is_plain = !text.contains([',', '"', '\n', '\r', '#']) && text.trim() == text && !text.is_empty();
    if is_plain {
        text.to_owned()
    } else {
        // A row is a line.
        format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "))
    }
}
