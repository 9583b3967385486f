#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::cells::{Label, Role};
use crate::table::{Kind, Table, Wanted};
use crate::testing::{reference, shown, whole};

/// Columns of a file, all rows at once.
fn read(path: &Path, table: Option<&str>, wanted: &[Wanted]) -> Result<Table, FormatError> {
    whole(wanted, |pieces| super::read(path, table, pieces))
}

fn kinds() -> PathBuf {
    reference("kinds.fits")
}

#[test]
fn integers_of_all_signs_and_scales_are_exact() {
    let wanted = ["u16", "u32", "u64", "i8", "null", "text"].map(|name| (name, Role::Label));
    let table = read(&kinds(), None, &wanted).unwrap();
    let expected = [
        "0 0 0 -128 1 'a'",
        "65535 4294967295 (18446744073709551615, too large for a whole number of 64 bits) 127 Missing 'bc d'",
        "7 7 9007199254740993 0 3 Missing",
    ];
    assert_eq!(shown(&table), expected);
    let numbers = ["scaled", "covariance[0]", "covariance[3]"].map(|name| (name, Role::Number));
    let table = read(&kinds(), Some("first"), &numbers).unwrap();
    assert_eq!(shown(&table), ["100.5 0 3", "(missing) 4 7", "102 8 11"]);
    assert_eq!(table.unit("scaled"), Some("km s-1"));
}

#[test]
fn what_is_no_column_of_numbers_is_named() {
    let columns = columns(&kinds(), None).unwrap();
    let kind = |name: &str| columns.iter().find(|column| column.name == name).unwrap().kind;
    let found = ["list", "bits", "complex"].map(kind);
    assert_eq!(
        found,
        [
            Kind::Other("lists"),
            Kind::Other("bits"),
            Kind::Other("complex numbers")
        ]
    );
    let error = read(&kinds(), None, &[("list", Role::Number)])
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.ends_with("kinds.fits: column list holds lists, not numbers"),
        "{error}"
    );
}

#[test]
fn one_of_several_tables_is_named() {
    let wanted = [("x", Role::Number)];
    for name in ["SECOND", "second", "2"] {
        assert_eq!(
            shown(&read(&kinds(), Some(name), &wanted).unwrap()),
            ["1", "2"],
            "{name}"
        );
    }
    let error = |table| match read(&kinds(), table, &wanted) {
        Err(FormatError::Unfit { message, hint }) => format!("{message} | {}", hint.unwrap_or_default()),
        _ => panic!("was read"),
    };
    assert!(
        error(Some("third")).ends_with("has no table third | tables there are: 1 FIRST, 2 SECOND"),
        "{}",
        error(Some("third"))
    );
    assert!(
        error(None).ends_with("; of several tables write `table: NAME`"),
        "{}",
        error(None)
    );
}

/// The reference table with another value in the header of its table.
fn changed(key: &str, value: &str) -> (tempfile::TempDir, PathBuf) {
    let mut bytes = fs::read(reference("table.fits")).unwrap();
    let key = format!("{key:<8}= ");
    let at = bytes
        .windows(key.len())
        .rposition(|part| part == key.as_bytes())
        .unwrap();
    bytes[at + 10..at + 80].copy_from_slice(format!("{value:<70}").as_bytes());
    written(&bytes)
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.fits");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn files_that_are_cut_off_or_lie_are_said_shortly() {
    let wanted = [("id", Role::Label), ("x", Role::Number)];
    let whole = fs::read(reference("table.fits")).unwrap();
    let error = |path: &Path| read(path, None, &wanted).err().unwrap().to_string();
    for (key, value, words) in [
        (
            "NAXIS2",
            "9223372036854775807",
            "is cut off: its header says 9223372036854775807 rows, it ends in row",
        ),
        ("NAXIS2", "-1", "is damaged: NAXIS2 of a header is -1"),
        ("NAXIS1", "9223372036854775807", "is damaged: its columns have"),
        ("TFIELDS", "123456", "and may have 999"),
        ("TFIELDS", "'9'", "is damaged: TFIELDS of a header is missing"),
        ("TFORM1", "'99999999999999999999K'", "is damaged: column 1 has TFORM"),
        ("TFORM1", "'999999999K'", "is damaged: column 1 has TFORM"),
        ("TFORM1", "'7z'", "is damaged: column 1 has TFORM \"7z\""),
        ("XTENSION", "'IMAGE   '", "has no binary table, but an image"),
    ] {
        let (_folder, path) = changed(key, value);
        assert!(error(&path).contains(words), "{words}: {}", error(&path));
    }
    let begin = whole.windows(8).position(|part| part == b"BINTABLE").unwrap() - 11;
    let (_folder, path) = written(&whole[..begin + 100]);
    assert!(
        error(&path).ends_with("is cut off: it ends in a header"),
        "{}",
        error(&path)
    );
    // Whatever its length, a part is read or refused.
    for length in (0..whole.len()).step_by(97) {
        let (_folder, path) = written(&whole[..length]);
        if let Ok(table) = read(&path, None, &wanted) {
            assert_eq!(table.labels("id").unwrap().get(0), Label::Number(1));
            assert_eq!(table.rows, 5);
        }
    }
}

#[test]
fn damaged_headers_never_panic() {
    let whole = fs::read(reference("kinds.fits")).unwrap();
    let wanted = [("u16", Role::Label), ("scaled", Role::Number)];
    let begin = whole.windows(8).position(|part| part == b"BINTABLE").unwrap() - 11;
    for at in (begin..begin + 30 * 80).step_by(7) {
        for byte in [b' ', b'9', b'-', b'\'', 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            let (_folder, path) = written(&damaged);
            let _ = read(&path, None, &wanted);
        }
    }
}
