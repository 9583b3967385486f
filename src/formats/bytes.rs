//! The bytes of a file, unpacked where gzip packed them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::FormatError;

/// Bytes read from the disk together.
const PIECE: usize = 1 << 16;

/// How what gzip packed begins.
const GZIP: &[u8] = b"\x1f\x8b";

/// Opens a file; gzip is taken off.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, FormatError> {
    let file = File::open(path).map_err(|error| FormatError::io(path, error))?;
    let mut file = BufReader::with_capacity(PIECE, file);
    let begin = file.fill_buf().map_err(|error| FormatError::io(path, error))?;
    Ok(if begin.starts_with(GZIP) {
        Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// The first bytes of a file.
pub(crate) struct Begun {
    /// Unpacked.
    pub bytes: Vec<u8>,
    /// Whether gzip packed them.
    pub is_packed: bool,
}

/// The first bytes of a file, at most `most`. What cannot be unpacked behind some that can is shown when it is read.
pub(crate) fn begin(path: &Path, most: u64) -> Result<Begun, FormatError> {
    let io = |error| FormatError::io(path, error);
    let mut first = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(2)
        .read_to_end(&mut first)
        .map_err(io)?;
    let mut bytes = Vec::new();
    match open(path)?.take(most).read_to_end(&mut bytes) {
        Err(error) if bytes.is_empty() || !is_damage(&error) => Err(failed(path, error)),
        _ => Ok(Begun {
            bytes,
            is_packed: first == GZIP,
        }),
    }
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// An error while reading: of the disk, or of what gzip packed.
pub(crate) fn failed(path: &Path, error: io::Error) -> FormatError {
    if is_damage(&error) {
        let message = format!("{} is cut off or damaged: gzip cannot unpack all of it", path.display());
        FormatError::with_hint(message, "fetch or pack it again")
    } else {
        FormatError::io(path, error)
    }
}

/// Fills `buffer` as far as the file goes, and says how far that is.
pub(crate) fn fill(path: &Path, file: &mut dyn BufRead, buffer: &mut [u8]) -> Result<usize, FormatError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
    Ok(filled)
}

/// Passes over `count` bytes, and says how many there were.
pub(crate) fn skip(path: &Path, file: &mut dyn BufRead, count: u64) -> Result<u64, FormatError> {
    io::copy(&mut file.take(count), &mut io::sink()).map_err(|error| failed(path, error))
}
