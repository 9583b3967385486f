//! Text tables: a header line, then one line for each star, separated by commas, tabs, semicolons, bars or spaces; with comments,
//! as ECSV, compressed by gzip. Rows are read one after the other, never the whole text.

mod lines;

use std::borrow::Cow;
use std::io::BufRead;
use std::path::Path;

use self::lines::{Record, Separator, separator_of};
use crate::bytes;
use crate::cells::{Value, clipped, decoded};
use crate::ecsv;
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Column, Kind, places};

/// Longest line, in bytes: a text without lines is no table.
const LONGEST_LINE: usize = 1 << 22;

/// What stands before the first row.
struct Top {
    /// The first line that is no comment.
    first: Vec<u8>,
    /// The last comment before it, without its sign.
    comment: Option<Vec<u8>>,
    ecsv: ecsv::Header,
}

/// Reads columns of a text table.
pub(crate) fn read(path: &Path, separator: Option<char>, pieces: &mut Pieces) -> Result<(), FormatError> {
    let wanted = pieces.wanted;
    let mut text = lines::open(path)?;
    let top = top(path, &mut text)?;
    // ECSV says itself what separates its columns.
    let said = top.ecsv.delimiter.or(separator);
    let separator = said.map_or_else(|| separator_of(&top.first), Separator::from);
    let first = fields(&top.first, separator);
    let is_lacking = |header: &Vec<Vec<u8>>| {
        let is_there = |name: &str| header.iter().any(|field| decoded(field) == *name);
        wanted.iter().any(|(name, _)| !is_there(name))
    };
    // Names may be in the last comment, as NumPy and many catalogues have them.
    let in_comment = top.comment.iter().filter(|_| is_lacking(&first)).find_map(|comment| {
        let forms = [separator, separator_of(comment)].map(|separator| fields(comment, separator));
        forms
            .into_iter()
            .find(|names| names.len() == first.len() && !is_lacking(names))
    });
    let has_header = in_comment.is_none();
    let is_data = first.iter().all(|field| field.is_empty() || is_number(field));
    if has_header && is_data && is_lacking(&first) {
        return Err(no_header(path));
    }
    let header = in_comment.unwrap_or(first);
    let names: Vec<Cow<str>> = header.iter().map(|name| decoded(name)).collect();
    let there: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let places = places(path, wanted, &there)?;

    pieces.begin(vec![true; places.len()], top.ecsv.units);
    let mut rows = Rows {
        places,
        fields: header.len(),
        pieces,
    };
    let (mut record, mut line, mut comments) = (Record::default(), Vec::new(), 0_usize);
    let (mut is_first, mut has_rows, mut notes) = (true, false, Vec::new());
    if !has_header {
        record.split(&top.first, separator);
        if !rows.push(&record) {
            return Ok(());
        }
    }
    while lines::next(&mut text, &mut line, LONGEST_LINE).map_err(|error| bytes::failed(path, error))? {
        if line.len() > LONGEST_LINE {
            let message = format!(
                "row {} of {} has over {LONGEST_LINE} bytes",
                rows.pieces.rows() + 1,
                path.display()
            );
            return Err(FormatError::unfit(message));
        }
        let begin = line.trim_ascii_start();
        if begin.is_empty() {
            continue;
        }
        if begin.starts_with(b"#") {
            comments += 1;
            continue;
        }
        let end = line
            .iter()
            .rposition(|byte| !b"\r\n".contains(byte))
            .map_or(0, |last| last + 1);
        record.split(&line[..end], separator);
        if is_first && has_header && states_units(&record, names.len()) {
            let fields = record.iter().map(|unit| decoded(unit).into_owned());
            let units = names.iter().map(|name| name.clone().into_owned()).zip(fields);
            rows.pieces.state_units(units.collect());
            notes.push(format!("the line below the header of {} states units", path.display()));
            is_first = false;
            continue;
        }
        // Below units VizieR draws a line.
        let is_line = !is_first && !has_rows && record.iter().all(|field| field.iter().all(|sign| *sign == b'-'));
        (is_first, has_rows) = (false, true);
        if is_line && notes.len() == 1 {
            continue;
        }
        if !rows.push(&record) {
            return Ok(());
        }
    }
    if comments > 0 {
        let noun = if comments == 1 { "line" } else { "lines" };
        let shown = path.display();
        notes.push(format!(
            "{comments} {noun} after the header of {shown} with #: comments, not read"
        ));
    }
    pieces.finish(notes);
    Ok(())
}

/// The columns of a text table.
pub(crate) fn columns(path: &Path, separator: Option<char>) -> Result<Vec<Column>, FormatError> {
    let mut text = lines::open(path)?;
    let top = top(path, &mut text)?;
    let said = top.ecsv.delimiter.or(separator);
    let separator = said.map_or_else(|| separator_of(&top.first), Separator::from);
    let first = fields(&top.first, separator);
    let holds_numbers = first.iter().any(|field| is_number(field));
    let in_comment = top.comment.iter().filter(|_| holds_numbers).find_map(|comment| {
        let forms = [separator, separator_of(comment)].map(|separator| fields(comment, separator));
        forms.into_iter().find(|names| names.len() == first.len())
    });
    if holds_numbers && in_comment.is_none() {
        return Err(no_header(path));
    }
    let names = in_comment.unwrap_or(first);
    let of = |name: &Vec<u8>| {
        let name = decoded(name).into_owned();
        let said = |list: &[(String, String)]| {
            list.iter()
                .find(|(column, _)| *column == name)
                .map(|(_, text)| text.clone())
        };
        Column {
            kind: Kind::Texts,
            unit: said(&top.ecsv.units),
            description: said(&top.ecsv.descriptions),
            name,
        }
    };
    Ok(names.iter().map(of).collect())
}

fn no_header(path: &Path) -> FormatError {
    FormatError::with_hint(
        format!("{} has no header: its first line holds numbers", path.display()),
        "write the names of the columns into a first line",
    )
}

/// The fields of one line.
fn fields(line: &[u8], separator: Separator) -> Vec<Vec<u8>> {
    let mut record = Record::default();
    record.split(line, separator);
    record.iter().map(<[u8]>::to_vec).collect()
}

/// What has been read.
struct Rows<'a, 'b> {
    /// Of the wanted columns, among the fields of a row.
    places: Vec<usize>,
    /// Fields of the header.
    fields: usize,
    pieces: &'a mut Pieces<'b>,
}

impl Rows<'_, '_> {
    /// Adds a line, and says whether to go on.
    fn push(&mut self, record: &Record) -> bool {
        let beyond = (self.fields..record.len()).any(|place| !record.field(place).is_empty());
        if record.is_open || record.len() < self.fields || beyond {
            let found = record.len();
            let noun = if found == 1 { "field" } else { "fields" };
            let reason = match record.is_open {
                true => "has a quote that is not closed".to_owned(),
                false => format!("has {found} {noun}, the header {}", self.fields),
            };
            self.pieces.push_odd(reason);
        } else {
            for (at, &place) in self.places.iter().enumerate() {
                self.pieces.push(at, Value::Text(record.field(place)));
            }
        }
        self.pieces.end_row()
    }
}

/// Whether the line below a header states units, as tables of VizieR and spreadsheets do: some of its fields are the usual ones, and none is
/// a number.
fn states_units(record: &Record, fields: usize) -> bool {
    const USUAL: [&[u8]; 12] = [
        b"deg",
        b"mas",
        b"mas/yr",
        b"mas.yr-1",
        b"mas yr-1",
        b"km/s",
        b"km.s-1",
        b"km s-1",
        b"kpc",
        b"pc",
        b"arcsec",
        b"mag",
    ];
    record.len() == fields
        && record.iter().any(|field| USUAL.contains(&field))
        && record.iter().all(|field| !is_number(field))
}

fn is_number(field: &[u8]) -> bool {
    std::str::from_utf8(field.trim_ascii()).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// Reads on to the first line that is neither empty nor a comment.
fn top(path: &Path, text: &mut dyn BufRead) -> Result<Top, FormatError> {
    let (mut comments, mut line): (Vec<Vec<u8>>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut size = 0;
    let first = loop {
        let is_line = lines::next(text, &mut line, LONGEST_LINE).map_err(|error| bytes::failed(path, error))?;
        size += line.len();
        if line.contains(&0) {
            let message = format!("{} is not text", path.display());
            return Err(FormatError::with_hint(
                message,
                "write it as text in UTF-8, or as Parquet",
            ));
        }
        if line.len() > LONGEST_LINE || size > 4 * LONGEST_LINE {
            let begin = clipped(&decoded(&line));
            let message = format!(
                "{} is no table: it begins with megabytes that hold no row",
                path.display()
            );
            return Err(FormatError::with_hint(message, format!("it begins: {begin}")));
        }
        if !is_line {
            return Err(FormatError::unfit(format!(
                "{} is empty: it has no header line",
                path.display()
            )));
        }
        match line.trim_ascii().strip_prefix(b"#") {
            Some(comment) => comments.push(comment.to_owned()),
            None if line.trim_ascii().is_empty() => {}
            None => {
                let end = line
                    .iter()
                    .rposition(|byte| !b"\r\n".contains(byte))
                    .map_or(0, |last| last + 1);
                break line[..end].to_owned();
            }
        }
    };
    let is_ecsv = comments
        .first()
        .is_some_and(|comment| comment.trim_ascii().starts_with(b"%ECSV"));
    let yaml = || {
        let lines = comments
            .iter()
            .skip(1)
            .map(|line| decoded(line.strip_prefix(b" ").unwrap_or(line)));
        ecsv::header(&lines.collect::<Vec<_>>().join("\n"))
    };
    let ecsv = if is_ecsv {
        let unreadable = || FormatError::unfit(format!("the ECSV header of {} cannot be read", path.display()));
        let mut header = yaml().ok_or_else(unreadable)?;
        header.delimiter = header.delimiter.or(Some(' '));
        header
    } else {
        ecsv::Header::default()
    };
    let comment = comments.pop().filter(|_| !is_ecsv);
    Ok(Top { first, comment, ecsv })
}

#[cfg(test)]
mod tests;
