//! Files that are not what their names say, in every format: each is an error that names the file and says what it is, in our words.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cells::Role;
use crate::error::FormatError;
use crate::format::Format;
use crate::testing::reference;
use crate::{How, columns, files, read};

/// Of each format a file, endings that it may have, and how it is called.
const FORMATS: [(&str, &[&str], &str); 5] = [
    ("astropy.parquet", &["parquet", "pq"], "a Parquet file"),
    ("pandas.csv", &["csv", "txt", "ecsv", "dat"], "text"),
    ("table.fits", &["fits", "fits.gz", "fit"], "a FITS file"),
    ("tabledata.vot", &["vot", "xml"], "XML"),
    ("astropy.hdf5", &["hdf5", "h5"], "an HDF5 file"),
];

/// Words of libraries and of the system.
const FOREIGN: [&str; 14] = [
    "os error",
    "Parquet error",
    "Arrow",
    "Thrift",
    "thrift",
    "EOF",
    "eof",
    "panick",
    "utf",
    "invalid",
    "directory",
    "corrupt",
    "deflate",
    "quick_xml",
];

/// What is said of a file, with the help, whatever is asked of it; `None` if it is read.
fn said(path: &Path, format: Option<Format>) -> Option<String> {
    let how = How {
        format,
        ..How::default()
    };
    let asked = ["columns", "read", "files"];
    let mut told: Option<String> = None;
    for what in asked {
        let ask = || match what {
            "columns" => columns(path, how).map(drop),
            "read" => read(path, how, &[("x", Role::Number)]).map(drop),
            _ => files(path, how).map(drop),
        };
        let gave = catch_unwind(ask).unwrap_or_else(|_| panic!("{what} of {} panics", path.display()));
        let Err(error) = gave else { continue };
        let text = match &error {
            FormatError::Unfit { message, hint } => format!("{message} | {}", hint.as_deref().unwrap_or_default()),
            FormatError::Io { .. } => error.to_string(),
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name), "{what} of {name} does not name it: {text}");
        for word in FOREIGN {
            assert!(!text.contains(word), "{what} of {name}: {word} in: {text}");
        }
        told = told.or(Some(text));
    }
    told
}

/// Bytes that are like those of no format, always the same.
fn random(count: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Writes `bytes` under each ending that a format may have, and gives what is said of each.
fn under_endings(folder: &Path, endings: &[&str], bytes: &[u8]) -> Vec<Option<String>> {
    let of = |ending: &&str| {
        let path = folder.join(format!("wrong.{ending}"));
        fs::write(&path, bytes).unwrap();
        said(&path, None)
    };
    endings.iter().map(of).collect()
}

#[track_caller]
fn expect(found: Vec<Option<String>>, words: &[&str]) {
    for text in found {
        let text = text.unwrap_or_else(|| panic!("it is read, and {words:?} was expected"));
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
}

#[test]
fn nothing_folders_and_pages_are_called_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (_, endings, _) in FORMATS {
        expect(
            under_endings(at, endings, b""),
            &["is empty (0 bytes) | fetch or write it again"],
        );
        expect(
            under_endings(at, endings, &packed(b"")),
            &["is empty: gzip packed 0 bytes"],
        );
        expect(
            under_endings(at, endings, b"\n<!DOCTYPE html>\n<html><body>404</body></html>\n"),
            &["is a page of the web (HTML)", "fetch it again"],
        );
        for ending in endings {
            let inner = at.join(format!("folder.{ending}"));
            fs::create_dir(&inner).unwrap();
            expect(vec![said(&inner, None)], &["is a folder | name a file in it"]);
            expect(
                vec![said(&at.join(format!("none.{ending}")), None)],
                &["it does not exist"],
            );
        }
    }
    expect(
        vec![said(Path::new("/dev/null"), Some(Format::Csv))],
        &["is a pipe or a device"],
    );
}

#[test]
fn text_under_another_name_is_called_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"id,x,y,z,vx,vy,vz\n1,8,0,0,0,220,0\n";
    for (_, endings, what) in FORMATS {
        let found = under_endings(folder.path(), endings, text);
        if what == "text" {
            assert!(found.iter().all(Option::is_none), "{found:?}");
            continue;
        }
        let words = format!("is text, not {what} | rename it to end in .csv, or write `format: csv`");
        expect(found, &[&words]);
        expect(under_endings(folder.path(), endings, &packed(text)), &["is text, not"]);
    }
    // Which format it is may be said where the name is of another.
    let path = folder.path().join("wrong.fits");
    fs::write(&path, text).unwrap();
    assert_eq!(said(&path, Some(Format::Csv)), None);
}

#[test]
fn files_that_are_cut_off_are_called_so() {
    let folder = tempfile::tempdir().unwrap();
    for (file, endings, what) in FORMATS {
        let whole = fs::read(reference(file)).unwrap();
        for length in [1, 3, 5, 40, 100, whole.len() / 2, whole.len() - 1] {
            let found = under_endings(folder.path(), &endings[..1], &whole[..length]);
            // Of a text no one can tell; the last block of FITS may lack its padding; of HDF5 the last byte may be of no use.
            let may_be_read = what == "text" || length + 1 == whole.len();
            for text in found.into_iter().flatten() {
                let is_said = ["cut off", "damaged", "truncated", "makes no sense"];
                // The beginning of XML is text, too.
                let is_said = is_said.iter().any(|word| text.contains(word)) || (what == "text");
                assert!(is_said, "{file} {length}: {text}");
            }
            let again = under_endings(folder.path(), &endings[..1], &whole[..length]);
            assert!(may_be_read || again[0].is_some(), "{file} {length} is read");
        }
        // Packed by gzip, and cut off then.
        let whole = packed(&whole);
        for length in [2, 9, 20, whole.len() / 2] {
            let found = under_endings(folder.path(), &endings[..1], &whole[..length]);
            let text = found[0].clone().unwrap_or_else(|| panic!("{file} {length} is read"));
            let is_said = text.contains("cut off") || text.contains("packed by gzip");
            assert!(is_said, "{file} {length}: {text}");
        }
    }
}

#[test]
fn bytes_of_another_format_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    for (file, _, what) in FORMATS {
        let bytes = fs::read(reference(file)).unwrap();
        for (_, endings, other) in FORMATS {
            for text in under_endings(folder.path(), endings, &bytes) {
                // A file is what its bytes say; text begins with anything.
                let expected = what == "text" && other != "text";
                assert_eq!(text.is_some(), expected, "{file} as {other}: {text:?}");
            }
            if ["a Parquet file", "an HDF5 file"].contains(&what) {
                let found = under_endings(folder.path(), endings, &packed(&bytes));
                expect(found, &[&format!("is {what} packed by gzip | unpack it first")]);
            }
        }
    }
}

#[test]
fn random_bytes_are_no_table() {
    let folder = tempfile::tempdir().unwrap();
    for (_, endings, what) in FORMATS {
        for count in [64, 3000, 100_000] {
            let words = match what {
                "text" => "is not text".to_owned(),
                what => format!("is not {what}"),
            };
            expect(under_endings(folder.path(), endings, &random(count)), &[&words]);
        }
        // A few may be anything: whatever is said names the file, in our words.
        for count in 1..16 {
            under_endings(folder.path(), endings, &random(count));
        }
    }
    // Behind the first bytes of a format, too.
    for (file, endings, what) in FORMATS.into_iter().filter(|(.., what)| *what != "text") {
        let begin = &fs::read(reference(file)).unwrap()[..9];
        let found = under_endings(folder.path(), &endings[..1], &[begin, &random(5000)].concat());
        assert!(found[0].is_some(), "{what}");
    }
}
