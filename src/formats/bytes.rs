//! The bytes of a file, unpacked where gzip packed them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::FormatError;

/// Bytes read from the disk together.
const PIECE: usize = 1 << 16;

/// Opens a file; gzip is taken off.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, FormatError> {
    let file = File::open(path).map_err(|error| FormatError::io(path, error))?;
    let mut file = BufReader::with_capacity(PIECE, file);
    let begin = file.fill_buf().map_err(|error| FormatError::io(path, error))?;
    Ok(if begin.starts_with(b"\x1f\x8b") {
        Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// The first bytes of a file, unpacked: at most `most`. What cannot be unpacked is shown when it is read.
pub(crate) fn begin(path: &Path, most: u64) -> Result<Vec<u8>, FormatError> {
    let mut begin = Vec::new();
    match open(path)?.take(most).read_to_end(&mut begin) {
        Err(error) if !is_damage(&error) => Err(FormatError::io(path, error)),
        _ => Ok(begin),
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
