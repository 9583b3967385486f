//! Headers of FITS files: cards of 80 bytes in blocks of 2880.

use std::io::BufRead;
use std::path::Path;

use crate::bytes;
use crate::error::FormatError;

const BLOCK: usize = 2880;
const CARD: usize = 80;

/// Longest header that is read, in blocks: 999 columns need some 200.
const LONGEST: usize = 4000;

/// The cards of one header: keyword and value.
pub(super) struct Header {
    cards: Vec<(String, Value)>,
}

/// A value as a card has it.
enum Value {
    Text(String),
    /// A number or truth value, as it is written.
    Plain(String),
}

/// What a header stands before.
pub(super) enum What {
    Table,
    /// Data of another kind.
    Other(&'static str),
    Nothing,
}

/// Reads the next header; `None` at the end of the file.
pub(super) fn read(path: &Path, file: &mut dyn BufRead) -> Result<Option<Header>, FormatError> {
    let mut cards: Vec<(String, Value)> = Vec::new();
    let mut block = vec![0; BLOCK];
    for blocks in 0..LONGEST {
        let filled = bytes::fill(path, file, &mut block)?;
        let is_end = blocks == 0 && (filled == 0 || !is_header(&block[..filled]));
        if is_end {
            return Ok(None);
        }
        if filled < BLOCK {
            let message = format!("{} is cut off: it ends in a header", path.display());
            return Err(FormatError::with_hint(message, "fetch or copy it again"));
        }
        for card in block.chunks_exact(CARD) {
            // Cards are ASCII.
            let sign = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
            let text: String = card.iter().map(sign).collect();
            let key = text[..8].trim_end();
            if key == "END" {
                return Ok(Some(Header { cards }));
            }
            if key == "CONTINUE" {
                // A long text ends in & and goes on in the next card.
                if let (Some((_, Value::Text(begun))), Some(Value::Text(more))) = (cards.last_mut(), value(&text[8..]))
                    && begun.ends_with('&')
                {
                    begun.pop();
                    *begun += &more;
                }
                continue;
            }
            let found = Some(&text[8..10])
                .filter(|sign| **sign == *"= ")
                .and_then(|_| value(&text[10..]));
            if let Some(value) = found {
                cards.push((key.to_owned(), value));
            }
        }
    }
    Err(FormatError::unfit(format!(
        "{} is damaged: a header has no END",
        path.display()
    )))
}

/// Whether bytes begin a header; what follows the last is padding, or rubbish.
fn is_header(block: &[u8]) -> bool {
    block.starts_with(b"SIMPLE  =") || block.starts_with(b"XTENSION=")
}

/// What stands in the columns of a value.
fn value(text: &str) -> Option<Value> {
    let text = text.trim_start();
    let Some(rest) = text.strip_prefix('\'') else {
        let plain = text.split('/').next().unwrap_or_default().trim();
        return (!plain.is_empty()).then(|| Value::Plain(plain.to_owned()));
    };
    // Two quotes stand for one.
    let (mut value, mut signs) = (String::new(), rest.chars().peekable());
    while let Some(sign) = signs.next() {
        if sign == '\'' && signs.next_if_eq(&'\'').is_none() {
            break;
        }
        value.push(sign);
    }
    Some(Value::Text(value.trim_end().to_owned()))
}

impl Header {
    fn get(&self, key: &str) -> Option<&Value> {
        self.cards.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a card.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            Value::Plain(_) => None,
        }
    }

    /// The number of a card, as it is written.
    pub fn plain(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(_) => None,
            Value::Plain(text) => Some(text),
        }
    }

    /// A whole number, not negative, that must be there.
    pub fn count(&self, path: &Path, key: &str) -> Result<u64, FormatError> {
        let number = self.plain(key).and_then(|text| text.parse().ok());
        number.ok_or_else(|| {
            let found = self
                .plain(key)
                .map_or("is missing".to_owned(), |text| format!("is {text}"));
            FormatError::unfit(format!("{} is damaged: {key} of a header {found}", path.display()))
        })
    }

    /// What the header stands before.
    pub fn what(&self) -> What {
        let is_true = |key| self.plain(key) == Some("T");
        let is_empty = matches!(self.plain("NAXIS"), None | Some("0"));
        match self.text("XTENSION") {
            Some("BINTABLE") if is_true("ZIMAGE") => What::Other("a compressed image"),
            Some("BINTABLE") if is_true("ZTABLE") => What::Other("a table packed by fpack"),
            Some("BINTABLE") => What::Table,
            Some("TABLE") => What::Other("a table in ASCII"),
            _ if is_empty => What::Nothing,
            _ => What::Other("an image"),
        }
    }

    /// Bytes of the data that follow, with their padding.
    pub fn size(&self, path: &Path) -> Result<u64, FormatError> {
        let damaged = || FormatError::unfit(format!("{} is damaged: it says no size of its data", path.display()));
        let whole = |key: &str| self.plain(key).and_then(|text| text.parse::<i64>().ok());
        let axes = whole("NAXIS")
            .filter(|axes| (0..=999).contains(axes))
            .ok_or_else(damaged)?;
        if axes == 0 {
            return Ok(0);
        }
        let size = || -> Option<u64> {
            let mut size = 1_u64;
            for axis in 1..=axes {
                let length = u64::try_from(whole(&format!("NAXIS{axis}"))?).ok()?;
                // Random groups say 0 for their first axis.
                size = size.checked_mul(
                    if axis == 1 && axes > 1 && length == 0 && self.plain("GROUPS") == Some("T") {
                        1
                    } else {
                        length
                    },
                )?;
            }
            let heap = u64::try_from(whole("PCOUNT").unwrap_or(0)).ok()?;
            let groups = u64::try_from(whole("GCOUNT").unwrap_or(1)).ok()?;
            let bytes = whole("BITPIX")?.unsigned_abs() / 8;
            let size = size.checked_add(heap)?.checked_mul(groups)?.checked_mul(bytes)?;
            size.checked_next_multiple_of(BLOCK as u64)
        };
        size().ok_or_else(damaged)
    }
}
