//! What a file is before it is read: nothing, a folder, text, a page of the web; and whether it can be of the format that its name says.

use std::path::Path;

use crate::bytes;
use crate::error::FormatError;
use crate::format::{Format, Known};

/// As many bytes are looked at: HDF5 may begin behind a block of the user's own.
const MOST: usize = 4096 + SIGNATURE.len();

/// How HDF5 begins, and where it may.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
const PLACES: [usize; 4] = [512, 1024, 2048, 4096];

/// The first bytes of a file, unpacked where gzip packed them.
pub(crate) struct Beginning {
    bytes: Vec<u8>,
    is_packed: bool,
}

impl Beginning {
    /// Those of a file.
    ///
    /// **Fails when** it is no file, or there is nothing in it.
    pub fn of(path: &Path) -> Result<Self, FormatError> {
        let shown = path.display();
        let about = std::fs::metadata(path).map_err(|error| FormatError::io(path, error))?;
        if about.is_dir() {
            return Err(FormatError::with_hint(
                format!("{shown} is a folder"),
                "name a file in it",
            ));
        }
        if !about.is_file() {
            let message = format!("{shown} is a pipe or a device, and tables are read from files");
            return Err(FormatError::with_hint(message, "write the table into a file first"));
        }
        if about.len() == 0 {
            let message = format!("{shown} is empty (0 bytes)");
            return Err(FormatError::with_hint(message, "fetch or write it again"));
        }
        let bytes::Begun { bytes, is_packed } = bytes::begin(path, MOST as u64)?;
        if bytes.is_empty() {
            let message = format!("{shown} is empty: gzip packed 0 bytes");
            return Err(FormatError::with_hint(message, "fetch or write it again"));
        }
        Ok(Self { bytes, is_packed })
    }

    /// Whether the file begins with one of these.
    pub fn starts_with(&self, begins: &[&[u8]]) -> bool {
        begins.iter().any(|begin| self.bytes.starts_with(begin))
    }

    /// An error if a file of this format, which its bytes tell, was packed by gzip, and is not read so: places in it are looked for.
    pub fn expect_unpacked(&self, path: &Path, known: &Known) -> Result<(), FormatError> {
        match self.is_packed && matches!(known.format, Format::Parquet | Format::Hdf5) {
            true => Err(FormatError::with_hint(
                format!("{} is {} packed by gzip", path.display(), known.what),
                "unpack it first, by gunzip",
            )),
            false => Ok(()),
        }
    }

    /// An error if the file, whose bytes tell no format, cannot be of the one that its name or its user says.
    pub fn expect(&self, path: &Path, known: &Known) -> Result<(), FormatError> {
        let (shown, what) = (path.display(), known.what);
        let (message, hint) = if self.is_page() {
            (
                format!("{shown} is a page of the web (HTML), no table"),
                "fetch it again: the server sent a page instead, perhaps with the reason in it",
            )
        } else if self.may_be(known.format) {
            return Ok(());
        } else if known.format == Format::Csv {
            (
                format!("{shown} is not text"),
                "write it as text in UTF-8, or as Parquet; or give it the ending of its own format",
            )
        } else if known.begins.iter().any(|begin| begin.starts_with(&self.bytes)) {
            let message = format!("{shown} is cut off: it has only {} bytes", self.bytes.len());
            (message, "fetch or copy it again")
        } else if self.is_text() {
            (
                format!("{shown} is text, not {what}"),
                "rename it to end in .csv, or write `format: csv`",
            )
        } else {
            (
                format!("{shown} is not {what}: it begins in another way"),
                "fetch it again, or give it the ending of its own format",
            )
        };
        Err(FormatError::with_hint(message, hint))
    }

    /// Whether what begins so may be of a format, although its bytes do not tell.
    fn may_be(&self, format: Format) -> bool {
        match format {
            Format::Csv => self.is_text(),
            // With a mark, or comments and space before its head.
            Format::Votable => self.is_wide() || self.plain().trim_ascii_start().starts_with(b"<"),
            Format::Hdf5 => PLACES
                .iter()
                .any(|at| self.bytes.get(*at..).is_some_and(|rest| rest.starts_with(SIGNATURE))),
            // Encrypted, which is said where it is opened.
            Format::Parquet => self.bytes.starts_with(b"PARE"),
            Format::Fits => false,
        }
    }

    /// Without the mark of UTF-8.
    fn plain(&self) -> &[u8] {
        self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes)
    }

    /// Whether it has the mark of UTF-16.
    fn is_wide(&self) -> bool {
        self.starts_with(&[b"\xff\xfe", b"\xfe\xff"])
    }

    /// Whether it is text: in it no sign controls anything but lines, pages and its end.
    fn is_text(&self) -> bool {
        let is_sign = |byte: &u8| *byte >= b' ' && *byte != 0x7f || b"\t\n\x0b\x0c\r\x1a".contains(byte);
        self.is_wide() || self.plain().iter().all(is_sign)
    }

    fn is_page(&self) -> bool {
        let text = self.plain().trim_ascii_start();
        let starts = |with: &[u8]| {
            text.get(..with.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        starts(b"<!doctype html") || starts(b"<html")
    }
}
