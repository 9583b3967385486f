//! Binary tables of FITS files (FITS 4.0, section 7.3), row by row.
//!
//! A reader of our own: the format is a header of 80-byte cards and rows of fixed length, and the libraries that there are read images
//! first (with an executor, or libcfitsio, which a bare machine lacks).

mod column;
mod header;

use std::io::BufRead;
use std::path::Path;

use self::column::Part;
use self::header::Header;
use crate::bytes;
use crate::cells::clipped;
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Column, places};

/// Bytes of rows read together.
const PIECE: usize = 1 << 18;

/// A table whose header was read; the file stands at its first row.
struct Opened {
    file: Box<dyn BufRead>,
    row_bytes: usize,
    rows: u64,
    parts: Vec<Part>,
}

/// Finds a table: the first with columns, or the one `named` by its EXTNAME or its number.
fn open(path: &Path, named: Option<&str>) -> Result<Opened, FormatError> {
    let mut file = bytes::open(path)?;
    let mut header = header::read(path, &mut *file)?
        .ok_or_else(|| FormatError::unfit(format!("{} is empty: no FITS file", path.display())))?;
    let (mut tables, mut others) = (Vec::<String>::new(), Vec::<&'static str>::new());
    loop {
        match header.what() {
            header::What::Table => {
                let name = header.text("EXTNAME").unwrap_or_default().trim().to_owned();
                let is_it =
                    named.is_none_or(|named| name.eq_ignore_ascii_case(named) || named.parse() == Ok(tables.len() + 1));
                if is_it {
                    return begin(path, file, &header);
                }
                tables.push(name);
            }
            header::What::Other(noun) if !others.contains(&noun) => others.push(noun),
            header::What::Other(_) | header::What::Nothing => {}
        }
        let size = header.size(path)?;
        let there = bytes::skip(path, &mut *file, size)?;
        // The last block may lack its padding.
        header = match header::read(path, &mut *file)? {
            Some(next) if there == size => next,
            _ => break,
        };
    }
    let shown = path.display();
    Err(match named {
        Some(named) => {
            let there = tables
                .iter()
                .enumerate()
                .map(|(at, name)| format!("{} {}", at + 1, clipped(name)));
            let there: Vec<String> = there.take(20).collect();
            FormatError::with_hint(
                format!("{shown} has no table {}", clipped(named)),
                format!("tables there are: {}", there.join(", ")),
            )
        }
        None => {
            let what = if others.is_empty() {
                "nothing else".to_owned()
            } else {
                others.join(" and ")
            };
            FormatError::with_hint(
                format!("{shown} has no binary table, but {what}"),
                "in Python: astropy.table.Table.read(FILE).write(\"stars.parquet\")",
            )
        }
    })
}

fn begin(path: &Path, file: Box<dyn BufRead>, header: &Header) -> Result<Opened, FormatError> {
    let count = |key| header.count(path, key);
    let (row_bytes, rows, fields) = (count("NAXIS1")?, count("NAXIS2")?, count("TFIELDS")?);
    let damaged = |what: String| FormatError::unfit(format!("{} is damaged: {what}", path.display()));
    if fields > 999 {
        return Err(damaged(format!("its table has {fields} columns, and may have 999")));
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    for field in 1..=fields {
        let (more, width) = column::parts(path, header, field, at)?;
        parts.extend(more);
        at = usize::checked_add(at, width).ok_or_else(|| damaged("its rows have no end".to_owned()))?;
    }
    if at as u64 != row_bytes {
        return Err(damaged(format!("its columns have {at} bytes, its rows {row_bytes}")));
    }
    Ok(Opened {
        file,
        row_bytes: at,
        rows,
        parts,
    })
}

/// The columns of a table.
pub(crate) fn columns(path: &Path, table: Option<&str>) -> Result<Vec<Column>, FormatError> {
    let opened = open(path, table)?;
    Ok(opened.parts.into_iter().map(|part| part.column).collect())
}

/// Reads columns of a table.
pub(crate) fn read(path: &Path, table: Option<&str>, pieces: &mut Pieces) -> Result<(), FormatError> {
    let wanted = pieces.wanted;
    let Opened {
        mut file,
        row_bytes,
        rows,
        parts,
    } = open(path, table)?;
    let there: Vec<&str> = parts.iter().map(|part| part.column.name.as_str()).collect();
    let places = places(path, wanted, &there).map_err(|error| match table {
        None => error.hinted("of several tables write `table: NAME`"),
        Some(_) => error,
    })?;
    for ((_, role), &place) in wanted.iter().zip(&places) {
        parts[place].column.expect(path, *role)?;
    }
    let units = parts
        .iter()
        .filter_map(|part| Some((part.column.name.clone(), part.column.unit.clone()?)));
    pieces.begin(vec![false; places.len()], units.collect());
    let rows_together = (PIECE / row_bytes.max(1)).max(1);
    let mut piece = vec![0; rows_together.checked_mul(row_bytes).unwrap_or_default()];
    let mut left = rows;
    while left > 0 && row_bytes > 0 {
        let expected = left.min(rows_together as u64) as usize;
        let filled = bytes::fill(path, &mut *file, &mut piece[..expected * row_bytes])?;
        if filled < expected * row_bytes {
            let last = rows - left + (filled / row_bytes) as u64;
            return Err(FormatError::with_hint(
                format!(
                    "{} is cut off: its header says {rows} rows, it ends in row {}",
                    path.display(),
                    last + 1
                ),
                "fetch or copy it again",
            ));
        }
        for row in piece[..filled].chunks_exact(row_bytes) {
            for (at, &place) in places.iter().enumerate() {
                pieces.push(at, parts[place].cell(row));
            }
            if !pieces.end_row() {
                return Ok(());
            }
        }
        left -= expected as u64;
    }
    pieces.finish(Vec::new());
    Ok(())
}

#[cfg(test)]
mod tests;
