//! Lines of a text, and the fields in them.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::bytes;
use crate::error::FormatError;

/// What stands between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// One sign.
    Sign(u8),
    /// Spaces and tabs, as many as there are.
    Spaces,
}

impl From<char> for Separator {
    fn from(sign: char) -> Self {
        match sign {
            ' ' => Self::Spaces,
            sign => Self::Sign(u8::try_from(sign).unwrap_or(b',')),
        }
    }
}

/// Opens a text; gzip and the mark of UTF-8 are taken off, and UTF-16 with its mark is turned into UTF-8.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, FormatError> {
    let mut text = bytes::open(path)?;
    let begin = text.fill_buf().map_err(|error| bytes::failed(path, error))?;
    let (mark, wide) = match begin {
        [0xff, 0xfe, ..] => (2, Some(false)),
        [0xfe, 0xff, ..] => (2, Some(true)),
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        _ => (0, None),
    };
    text.consume(mark);
    let begin = text.fill_buf().map_err(|error| bytes::failed(path, error))?;
    // Lines of old: each ends with a carriage return alone.
    if wide.is_none() && begin.contains(&b'\r') && !begin.contains(&b'\n') {
        return Ok(Box::new(BufReader::new(Returns(text))));
    }
    Ok(match wide {
        Some(is_big) => Box::new(BufReader::new(Wide {
            text,
            is_big,
            ready: Vec::new(),
            given: 0,
            high: None,
        })),
        None => text,
    })
}

/// Carriage returns as ends of lines.
struct Returns(Box<dyn BufRead>);

impl Read for Returns {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        let returns = into[..count].iter_mut().filter(|byte| **byte == b'\r');
        returns.for_each(|byte| *byte = b'\n');
        Ok(count)
    }
}

/// UTF-16 as UTF-8.
struct Wide {
    text: Box<dyn BufRead>,
    is_big: bool,
    ready: Vec<u8>,
    given: usize,
    /// The first half of a sign of two units.
    high: Option<u16>,
}

impl Wide {
    /// The next pieces of two bytes, decoded.
    fn more(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        (&mut self.text).take(1 << 15).read_to_end(&mut piece)?;
        let unit = |pair: &[u8]| match (pair, self.is_big) {
            (&[first, second], true) => u16::from_be_bytes([first, second]),
            (&[first, second], false) => u16::from_le_bytes([first, second]),
            // Half a unit ends the file.
            _ => 0xfffd,
        };
        let mut units: Vec<u16> = self.high.take().into_iter().collect();
        units.extend(piece.chunks(2).map(unit));
        let is_high = |unit: &u16| (0xd800..0xdc00).contains(unit);
        if piece.len() == 1 << 15 && units.last().is_some_and(is_high) {
            self.high = units.pop();
        }
        let signs = char::decode_utf16(units).map(|sign| sign.unwrap_or('\u{fffd}'));
        self.ready = signs.collect::<String>().into_bytes();
        self.given = 0;
        Ok(())
    }
}

impl Read for Wide {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.more()?;
        }
        let left = &self.ready[self.given..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}

/// The sign that most often stands between the fields of a header, outside quotes; if there is none, spaces.
pub(crate) fn separator_of(header: &[u8]) -> Separator {
    let mut counts = [0_usize; 4];
    let signs = *b",\t;|";
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        if let Some(place) = signs.iter().position(|sign| sign == byte).filter(|_| !quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    match counts.iter().position(|&count| count == most) {
        Some(place) if most > 0 => Separator::Sign(signs[place]),
        _ => Separator::Spaces,
    }
}

/// The fields of one line.
#[derive(Debug, Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Whether a quote is open at the end.
    pub is_open: bool,
}

impl Record {
    /// Splits a line into trimmed fields.
    pub fn split(&mut self, line: &[u8], separator: Separator) {
        self.bytes.clear();
        self.ends.clear();
        self.is_open = false;
        match separator {
            Separator::Sign(sign) => self.split_at(line, sign),
            Separator::Spaces => self.split_at_spaces(line),
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn field(&self, place: usize) -> &[u8] {
        let begin = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.bytes[begin..self.ends[place]]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.field(place))
    }

    fn push(&mut self, field: &[u8]) {
        self.bytes.extend_from_slice(field.trim_ascii());
        self.ends.push(self.bytes.len());
    }

    fn split_at(&mut self, line: &[u8], sign: u8) {
        let mut rest = line;
        loop {
            // A tab may separate, and so is no space to skip.
            let spaces = rest
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace() && **byte != sign)
                .count();
            let after = if rest.get(spaces) == Some(&b'"') {
                self.quoted(&rest[spaces..])
            } else {
                None
            };
            if let Some(length) = after {
                rest = &rest[spaces + length..];
                // What follows a closing quote belongs to nothing, unless it is a field of quotes and more.
                let more = rest.iter().position(|&byte| byte == sign).unwrap_or(rest.len());
                let extra = rest[..more].trim_ascii();
                self.bytes.extend_from_slice(extra);
                self.ends.push(self.bytes.len());
                rest = &rest[more..];
            } else {
                let length = rest.iter().position(|&byte| byte == sign).unwrap_or(rest.len());
                self.push(&rest[..length]);
                rest = &rest[length..];
            }
            match rest {
                [] => return,
                [_, after @ ..] => rest = after,
            }
        }
    }

    fn split_at_spaces(&mut self, line: &[u8]) {
        let mut rest = line.trim_ascii();
        while let Some(&first) = rest.first() {
            let length = match first {
                b'"' => self.quoted(rest).inspect(|_| self.ends.push(self.bytes.len())),
                _ => None,
            };
            let length = length.unwrap_or_else(|| {
                let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                self.push(&rest[..length]);
                length
            });
            rest = rest[length..].trim_ascii_start();
        }
    }

    /// Takes what is in quotes, in which two quotes are one, and gives its length with them; `None` if they are not closed.
    fn quoted(&mut self, text: &[u8]) -> Option<usize> {
        let (begin, mut at) = (self.bytes.len(), 1);
        loop {
            match (text.get(at), text.get(at + 1)) {
                (Some(b'"'), Some(b'"')) => at += 1,
                (Some(b'"'), _) => return Some(at + 1),
                (Some(_), _) => {}
                (None, _) => {
                    self.is_open = true;
                    self.bytes.truncate(begin);
                    return None;
                }
            }
            self.bytes.push(text[at]);
            at += 1;
        }
    }
}

/// Reads a line of at most `longest` bytes; `false` at the end of the text.
pub(crate) fn next(text: &mut dyn BufRead, line: &mut Vec<u8>, longest: usize) -> io::Result<bool> {
    line.clear();
    Ok(text.take(longest as u64 + 1).read_until(b'\n', line)? > 0)
}
