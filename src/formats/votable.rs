//! Tables of VOTable files (IVOA VOTable 1.5): TABLEDATA, BINARY and BINARY2, read from beginning to end, never the whole document.
//!
//! A reader of our own on `quick-xml`: the crate `votable` depends on the insides of one release of serde, and keeps a whole table as a tree.

mod binary;
mod field;

use std::borrow::Cow;
use std::io::BufRead;
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use self::field::{Field, Part};
use crate::bytes;
use crate::cells::{Value, clipped};
use crate::error::FormatError;
use crate::pieces::Pieces;
use crate::table::{Column, Kind, places};

/// The events of a document.
struct Document<'a> {
    path: &'a Path,
    reader: Reader<Box<dyn BufRead>>,
    buffer: Vec<u8>,
}

/// What follows the fields of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    None,
    Text,
    Binary,
    Binary2,
}

/// A table whose fields were read; the document stands at its data.
struct Opened<'a> {
    document: Document<'a>,
    fields: Vec<Field>,
    parts: Vec<Part>,
    data: Data,
    notes: Vec<String>,
}

impl<'a> Document<'a> {
    fn open(path: &'a Path) -> Result<Self, FormatError> {
        Ok(Self {
            path,
            reader: Reader::from_reader(bytes::open(path)?),
            buffer: Vec::new(),
        })
    }

    /// The next event; an end before the document's is an error.
    fn next(&mut self) -> Result<Event<'_>, FormatError> {
        self.buffer.clear();
        let path = self.path;
        match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => Ok(event),
            Err(quick_xml::Error::Io(error)) => Err(bytes::failed(path, std::io::Error::new(error.kind(), "read"))),
            Err(_) => {
                let at = self.reader.error_position();
                Err(damaged(path, &format!("its XML makes no sense at byte {at}")))
            }
        }
    }

    /// The text up to the end of the element that was begun.
    fn text(&mut self) -> Result<String, FormatError> {
        let (mut text, mut depth) = (String::new(), 0);
        loop {
            let path = self.path;
            match self.next()? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(name) => text.extend(resolved(&name)),
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => return Ok(text),
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(cut_off(path, "")),
                _ => {}
            }
        }
    }
}

/// The sign that a reference stands for.
fn resolved(reference: &quick_xml::events::BytesRef) -> Option<char> {
    if let Ok(Some(sign)) = reference.resolve_char_ref() {
        return Some(sign);
    }
    let known = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"'), ("apos", '\'')];
    let name: &str = reference;
    known.iter().find(|(known, _)| *known == name).map(|(_, sign)| *sign)
}

fn damaged(path: &Path, what: &str) -> FormatError {
    FormatError::unfit(format!("{} is a damaged VOTable: {what}", path.display()))
}

fn cut_off(path: &Path, place: &str) -> FormatError {
    FormatError::with_hint(
        format!("{} is cut off{place}", path.display()),
        "fetch or copy it again",
    )
}

/// An attribute, without the space around it.
fn attribute(start: &BytesStart, name: &str) -> Option<String> {
    let found = start
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.as_ref() == name)?;
    let value: Cow<str> = found.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.trim().to_owned())
}

/// The name of an element, without its namespace, in capitals.
fn name(start: &BytesStart) -> String {
    let local = start.local_name();
    let name: &str = local.as_ref();
    name.to_ascii_uppercase()
}

/// Finds a table: the first with fields, or the one `named` by its ID, name or number.
fn open<'a>(path: &'a Path, named: Option<&str>) -> Result<Opened<'a>, FormatError> {
    let mut document = Document::open(path)?;
    let (mut tables, mut notes, mut is_votable) = (Vec::<String>::new(), Vec::new(), false);
    // Inside a table that is not wanted nothing is of interest.
    let mut skips = false;
    loop {
        let (start, is_empty) = match document.next()? {
            Event::Start(start) => (start.into_owned(), false),
            Event::Empty(start) => (start.into_owned(), true),
            Event::End(end) => {
                let local = end.local_name();
                let name: &str = local.as_ref();
                skips &= !name.eq_ignore_ascii_case("TABLE");
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        match name(&start).as_str() {
            "VOTABLE" => is_votable = true,
            "INFO" if attribute(&start, "name").is_some_and(|name| name == "QUERY_STATUS") => {
                let value = attribute(&start, "value").unwrap_or_default();
                if value == "OVERFLOW" || value == "ERROR" {
                    notes.push(format!(
                        "{}: the archive says {value}: rows are missing",
                        path.display()
                    ));
                }
            }
            "TABLE" if !is_empty && !skips => {
                let called = ["ID", "name"].map(|key| attribute(&start, key));
                let is_it = named.is_none_or(|named| {
                    called.iter().flatten().any(|name| name == named) || named.parse() == Ok(tables.len() + 1)
                });
                if is_it {
                    let (fields, data) = fields(&mut document)?;
                    if !fields.is_empty() || named.is_some() {
                        return Ok(Opened {
                            parts: field::parts(&fields),
                            document,
                            fields,
                            data,
                            notes,
                        });
                    }
                }
                skips = true;
                tables.push(called.into_iter().flatten().next().unwrap_or_default());
            }
            _ => {}
        }
    }
    let shown = path.display();
    if !is_votable {
        return Err(FormatError::unfit(format!("{shown} is XML, but no VOTable")));
    }
    let there = tables
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{} {}", at + 1, clipped(name)));
    let there: Vec<String> = there.take(20).collect();
    Err(match named {
        Some(named) => FormatError::with_hint(
            format!("{shown} has no table {}", clipped(named)),
            format!("tables there are: {}", there.join(", ")),
        ),
        None => FormatError::unfit(format!("{shown} has no table with fields")),
    })
}

/// The fields of a table, up to the beginning of its rows.
fn fields(document: &mut Document) -> Result<(Vec<Field>, Data), FormatError> {
    let path = document.path;
    let mut fields: Vec<Field> = Vec::new();
    // Of a field, or of the table?
    let mut in_field = false;
    loop {
        let (start, is_empty) = match document.next()? {
            Event::Start(start) => (start.into_owned(), false),
            Event::Empty(start) => (start.into_owned(), true),
            Event::End(end) => {
                let local = end.local_name();
                let name: &str = local.as_ref();
                match name.to_ascii_uppercase().as_str() {
                    "FIELD" => in_field = false,
                    "TABLE" => return Ok((fields, Data::None)),
                    _ => {}
                }
                continue;
            }
            Event::Eof => return Err(cut_off(path, " before its rows")),
            _ => continue,
        };
        match name(&start).as_str() {
            "FIELD" => {
                fields.push(Field::new(path, fields.len(), &|key| attribute(&start, key))?);
                in_field = !is_empty;
            }
            "VALUES" if in_field => {
                let null = attribute(&start, "null").filter(|null| !null.is_empty());
                if let Some(field) = fields.last_mut() {
                    field.null = null;
                }
            }
            "DESCRIPTION" if in_field && !is_empty => {
                let text = document.text()?;
                if let Some(field) = fields.last_mut() {
                    field.description = Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
                }
            }
            "TABLEDATA" => return Ok((fields, if is_empty { Data::None } else { Data::Text })),
            "BINARY" => return Ok((fields, Data::Binary)),
            "BINARY2" => return Ok((fields, Data::Binary2)),
            "FITS" => {
                let message = format!("{} points to a FITS file for its rows", path.display());
                return Err(FormatError::with_hint(message, "read that file instead"));
            }
            _ => {}
        }
    }
}

/// The columns of a table.
pub(crate) fn columns(path: &Path, table: Option<&str>) -> Result<Vec<Column>, FormatError> {
    Ok(open(path, table)?.parts.into_iter().map(|part| part.column).collect())
}

/// Reads columns of a table.
pub(crate) fn read(path: &Path, table: Option<&str>, pieces: &mut Pieces) -> Result<(), FormatError> {
    let wanted = pieces.wanted;
    let mut opened = open(path, table)?;
    let there: Vec<&str> = opened.parts.iter().map(|part| part.column.name.as_str()).collect();
    let places = places(path, wanted, &there)?;
    for ((_, role), &place) in wanted.iter().zip(&places) {
        opened.parts[place].column.expect(path, *role)?;
    }
    // Numbers are written as texts, and texts that look like some stay texts.
    let are_texts = places
        .iter()
        .map(|&place| opened.parts[place].column.kind != Kind::Texts);
    let units = opened.parts.iter();
    let units = units.filter_map(|part| Some((part.column.name.clone(), part.column.unit.clone()?)));
    pieces.begin(are_texts.collect(), units.collect());
    let mut rows = Rows {
        parts: places.iter().map(|&place| &opened.parts[place]).collect(),
        pieces,
    };
    match opened.data {
        Data::None => {}
        Data::Text => text_rows(&mut opened.document, opened.fields.len(), &opened.fields, &mut rows)?,
        Data::Binary | Data::Binary2 => {
            let bytes = stream(&mut opened.document)?;
            let has_flags = opened.data == Data::Binary2;
            binary::rows(path, &bytes, &opened.fields, has_flags, &mut rows)?;
        }
    }
    pieces.finish(opened.notes);
    Ok(())
}

/// What has been read.
struct Rows<'a, 'b> {
    /// Of the wanted columns.
    parts: Vec<&'a Part>,
    pieces: &'a mut Pieces<'b>,
}

/// Rows of TABLEDATA.
fn text_rows(document: &mut Document, count: usize, fields: &[Field], rows: &mut Rows) -> Result<(), FormatError> {
    let path = document.path;
    let mut cells: Vec<String> = vec![String::new(); count];
    // The place of the open cell, and of the next.
    let (mut cell, mut next): (Option<usize>, usize) = (None, 0);
    loop {
        let mut push = |text: &str| {
            if let Some(cell) = cell.and_then(|at| cells.get_mut(at)) {
                cell.push_str(text);
            }
        };
        match document.next()? {
            Event::Start(start) if start.local_name().as_ref() == "TD" => {
                cell = Some(next);
                next += 1;
            }
            Event::Empty(start) if start.local_name().as_ref() == "TD" => next += 1,
            Event::Text(text) => push(&text.xml10_content()),
            Event::CData(text) => push(&text.xml10_content()),
            Event::GeneralRef(name) => push(&resolved(&name).map(String::from).unwrap_or_default()),
            Event::End(end) => {
                let local = end.local_name();
                let name: &str = local.as_ref();
                match name {
                    "TD" => cell = None,
                    "TR" => {
                        if !rows.push_texts(&cells, next, fields) {
                            return Ok(());
                        }
                        cells.iter_mut().for_each(String::clear);
                        next = 0;
                    }
                    "TABLEDATA" => return Ok(()),
                    _ => {}
                }
            }
            Event::Eof => return Err(cut_off(path, &format!(" in row {}", rows.pieces.rows() + 1))),
            _ => {}
        }
    }
}

impl Rows<'_, '_> {
    /// Adds a row, and says whether to go on.
    fn push_texts(&mut self, cells: &[String], found: usize, fields: &[Field]) -> bool {
        if found != cells.len() {
            let reason = format!("has {found} cells, the table {} fields", cells.len());
            self.pieces.push_odd(reason);
        } else {
            for (at, part) in self.parts.iter().enumerate() {
                let text = cells[part.field].trim();
                let text = match part.element {
                    Some(element) => text.split_whitespace().nth(element).unwrap_or_default(),
                    None => text,
                };
                let is_null = fields[part.field].null.as_deref() == Some(text);
                let value = match fields[part.field].of {
                    _ if is_null => Value::Missing,
                    field::Type::Boolean | field::Type::Bit => field::flag(text.as_bytes()),
                    _ => Value::Text(text.as_bytes()),
                };
                self.pieces.push(at, value);
            }
        }
        self.pieces.end_row()
    }
}

/// The bytes of BINARY and BINARY2.
fn stream(document: &mut Document) -> Result<Vec<u8>, FormatError> {
    use base64::Engine as _;
    let path = document.path;
    loop {
        let start = match document.next()? {
            Event::Start(start) => start.into_owned(),
            Event::Empty(_) | Event::End(_) => return Ok(Vec::new()),
            Event::Eof => return Err(cut_off(path, " before its rows")),
            _ => continue,
        };
        if name(&start) != "STREAM" {
            continue;
        }
        if attribute(&start, "href").is_some() {
            let message = format!("{} keeps its rows in another file, which is not read", path.display());
            return Err(FormatError::with_hint(message, "write it as one file"));
        }
        let mut text = document.text()?.into_bytes();
        text.retain(|byte| !byte.is_ascii_whitespace());
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        return decoded.map_err(|_| damaged(path, "its rows are not base64"));
    }
}

#[cfg(test)]
mod tests;
