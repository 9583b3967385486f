#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::cells::Role;
use crate::table::{Kind, Table, Wanted};
use crate::testing::{reference, shown, whole};

/// Columns of a file, all rows at once.
fn read(path: &Path, table: Option<&str>, wanted: &[Wanted]) -> Result<Table, FormatError> {
    whole(wanted, |pieces| super::read(path, table, pieces))
}

fn written(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.vot");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn error(text: &str, wanted: &[Wanted]) -> String {
    let (_folder, path) = written(text.as_bytes());
    match read(&path, None, wanted) {
        Err(FormatError::Unfit { message, hint }) => format!("{message} | {}", hint.unwrap_or_default()),
        _ => panic!("was read"),
    }
}

const X: [Wanted; 1] = [("x", Role::Number)];

#[test]
fn vectors_and_what_is_said_of_fields() {
    for file in ["tabledata.vot", "binary.vot", "binary2.vot"] {
        let wanted = [("position[1]", Role::Number), ("position[2]", Role::Number)];
        let table = read(&reference(file), Some("stars"), &wanted).unwrap();
        assert_eq!(shown(&table)[..2], ["0.125 0.25", "0.5 0.625"], "{file}");
        let columns = columns(&reference(file), None).unwrap();
        let of = |name: &str| columns.iter().find(|column| column.name == name).unwrap();
        assert_eq!(of("v").description.as_deref(), Some("a velocity"), "{file}");
        assert_eq!(of("v").unit.as_deref(), Some("km.s**-1"), "{file}");
        assert_eq!(of("good").kind, Kind::Other("truth values"), "{file}");
    }
}

#[test]
fn tables_by_name_entities_and_odd_rows() {
    let text = "<?xml version='1.0'?><VOTABLE xmlns='http://www.ivoa.net/xml/VOTable/v1.3'><RESOURCE>\
        <INFO name='QUERY_STATUS' value='OVERFLOW'/>\
        <TABLE name='none'/><TABLE name='first'><FIELD name='x' datatype='double'/><DATA><TABLEDATA/></DATA></TABLE>\
        <TABLE ID='second'><FIELD name='x' datatype='int' unit='pc'><VALUES null='-1'/></FIELD><FIELD name='n' datatype='char' arraysize='*'/>\
        <DATA><TABLEDATA><TR><TD>7</TD><TD>A &amp; B</TD></TR><TR><TD>-1</TD><TD/></TR><TR><TD>3</TD></TR>\
        <TR><TD> 4 </TD><TD><![CDATA[<c>]]></TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
    let (_folder, path) = written(text.as_bytes());
    let wanted = [("x", Role::Number), ("n", Role::Label)];
    let table = read(&path, Some("second"), &wanted).unwrap();
    assert_eq!(
        shown(&table),
        ["7 'A & B'", "(missing) Missing", "(missing) Missing", "4 '<c>'"]
    );
    assert_eq!(table.odd_rows, [(2, "has 1 cells, the table 2 fields".to_owned())]);
    assert_eq!(table.unit("x"), Some("pc"));
    assert!(
        table.notes[0].ends_with("the archive says OVERFLOW: rows are missing"),
        "{:?}",
        table.notes
    );
    assert_eq!(read(&path, None, &X).unwrap().rows, 0);
}

#[test]
fn what_is_not_read_is_said_shortly() {
    let table = |inside: &str| format!("<VOTABLE><RESOURCE><TABLE>{inside}</TABLE></RESOURCE></VOTABLE>");
    for (text, words) in [
        ("<html><body/></html>".to_owned(), "is XML, but no VOTable"),
        (table(""), "has no table with fields"),
        (
            table("<FIELD name='x' datatype='quad'/>"),
            "field x has the datatype \"quad\"",
        ),
        (
            table("<FIELD name='x' datatype='int' arraysize='3x-1'/>"),
            "field x has the arraysize",
        ),
        (
            table("<FIELD name='x' datatype='int'/><DATA><BINARY><STREAM href='a.bin'/></BINARY></DATA>"),
            "has no",
        ),
        (
            table("<FIELD name='x' datatype='int'/><DATA><BINARY><STREAM href='a.bin'></STREAM></BINARY></DATA>"),
            "in another file",
        ),
        (
            table(
                "<FIELD name='x' datatype='int'/><DATA><BINARY><STREAM encoding='base64'>AAAA</STREAM></BINARY></DATA>",
            ),
            "is cut off in row 1",
        ),
        (
            table("<FIELD name='x' datatype='int'/><DATA><BINARY><STREAM>?!</STREAM></BINARY></DATA>"),
            "are not base64",
        ),
        (
            table("<FIELD name='x' datatype='int'/><DATA><FITS><STREAM/></FITS></DATA>"),
            "points to a FITS file",
        ),
        (
            "<VOTABLE><RESOURCE><TABLE><FIELD name='x' datatype='int'/><DATA><TABLEDATA><TR><TD>1".to_owned(),
            "is cut off in row 1",
        ),
        (
            "<VOTABLE><RESOURCE><TABLE><FIELD name='x' datatype='int'/></RESOURCE>".to_owned(),
            "makes no sense at byte",
        ),
    ] {
        if words == "has no" {
            let (_folder, path) = written(text.as_bytes());
            assert_eq!(read(&path, None, &X).unwrap().rows, 0);
            continue;
        }
        assert!(error(&text, &X).contains(words), "{words}: {}", error(&text, &X));
    }
}

#[test]
fn damaged_files_never_panic() {
    for file in ["tabledata.vot", "binary.vot", "binary2.vot"] {
        let whole = fs::read(reference(file)).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] = damaged[at].wrapping_add(13);
            for text in [&damaged[..], &whole[..at]] {
                let (_folder, path) = written(text);
                let _ = read(&path, None, &X);
            }
        }
    }
}
