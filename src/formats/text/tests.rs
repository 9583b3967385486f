#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::cells::{Cells, Label, Role};
use crate::table::{Table, Wanted};
use crate::testing::whole;

/// Columns of a file, all rows at once.
fn read(path: &Path, separator: Option<char>, wanted: &[Wanted]) -> Result<Table, FormatError> {
    whole(wanted, |pieces| super::read(path, separator, pieces))
}

const WANTED: [Wanted; 3] = [("id", Role::Label), ("x", Role::Number), ("y", Role::Number)];

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.csv");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Rows as `id x y`, with why a value is none.
fn rows(table: &Table) -> Vec<String> {
    let cell = |cells: &Cells, row| match cells {
        Cells::Numbers(numbers) => numbers
            .get(row)
            .map_or_else(|reason| format!("({reason})"), |number| number.to_string()),
        Cells::Labels(labels) => match labels.get(row) {
            Label::Number(number) => number.to_string(),
            Label::Name(place) => format!("'{}'", labels.name(place)),
            label => format!("{label:?}"),
        },
        Cells::Kept(array) => format!("{array:?}"),
    };
    let row = |row| {
        table
            .columns
            .iter()
            .map(|(_, cells)| cell(cells, row))
            .collect::<Vec<_>>()
            .join(" ")
    };
    (0..table.rows).map(row).collect()
}

fn read_text(text: impl AsRef<[u8]>) -> Table {
    let (_folder, path) = file(text.as_ref());
    read(&path, None, &WANTED).unwrap()
}

/// The error's message and hint.
fn error(text: impl AsRef<[u8]>) -> String {
    let (_folder, path) = file(text.as_ref());
    match read(&path, None, &WANTED) {
        Err(FormatError::Unfit { message, hint }) => format!("{message} | {}", hint.unwrap_or_default()),
        Err(other) => format!("{other:?}"),
        Ok(table) => panic!("was read: {:?}", rows(&table)),
    }
}

#[test]
fn one_table_in_many_forms() {
    let expected = ["1 8 0.5", "'Pal 5' 8.5 -2"];
    let forms = [
        "id,x,y\n1,8,0.5\nPal 5,8.5,-2\n",
        "id,x,y\n1,8,0.5\nPal 5,8.5,-2",
        "id,x,y\r\n1,8,0.5\r\nPal 5,8.5,-2\r\n",
        "\u{feff}id,x,y\n1,8,0.5\nPal 5,8.5,-2\n",
        "id, x, y\n1, 8, 0.5\nPal 5, 8.5, -2\n",
        "\"id\",\"x\",\"y\"\n\"1\",\"8\",\"0.5\"\n\"Pal 5\", \"8.5\" ,-2\n",
        "id;x;y\n1;8;0.5\nPal 5;8.5;-2\n",
        "id\tx\ty\n1\t8\t0.5\nPal 5\t8.5\t-2\n",
        "id|x|y\n1|8|0.5\nPal 5|8.5|-2\n",
        "  id   x    y\n  1    8.0  5e-1\n\"Pal 5\"\t8.5D0 -2 \n",
        "# a catalogue\n\n# units: kpc\nid,x,y\n1,8,0.5\n\nPal 5,8.5,-2\n",
        "# a catalogue\n# id x y\n1 8 0.5\n\"Pal 5\" 8.5 -2\n",
        "# id, x, y\n1 8 0.5\n\"Pal 5\" 8.5 -2\n",
        "#id x y\n1,8,0.5\nPal 5,8.5,-2\n",
        "id,x,y,\n1,8,0.5,\nPal 5,8.5,-2,\n",
        "id,x,y\n1,8,0.5,,\nPal 5,8.5,-2\n",
        "z,y,x,id\n,0.5,8,1\n,-2,8.5,Pal 5\n",
    ];
    for form in forms {
        assert_eq!(rows(&read_text(form)), expected, "{form:?}");
        // As the Gaia archive sends it, in one piece or two.
        let (first, second) = form.as_bytes().split_at(form.len() / 2);
        let packed = [first, second].map(|part| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(part).unwrap();
            gzip.finish().unwrap()
        });
        assert_eq!(rows(&read_text(packed.concat())), expected, "{form:?}");
    }
    assert_eq!(rows(&read_text("id,x,y\n")), [""; 0]);
}

#[test]
fn latin_letters_are_read() {
    let table = read_text(b"id,x,y\nB\xf6otes,1,2\n");
    assert_eq!(rows(&table), ["'Böotes' 1 2"]);
}

#[test]
fn utf_16_is_read_in_both_orders() {
    // Two units for 𝒙, at every place of a long file.
    for shift in 0..3 {
        let text = format!("id,x,y\n{}\n{}7,8,0.5\n", "#".repeat(shift), "B𝒙,1,2\n".repeat(5000));
        for mark in [[0xff, 0xfe], [0xfe, 0xff]] {
            let bytes = text.encode_utf16().flat_map(|unit| {
                if mark[0] == 0xff {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            });
            let found = rows(&read_text(mark.into_iter().chain(bytes).collect::<Vec<u8>>()));
            assert_eq!(
                (found.len(), found[0].as_str(), found[5000].as_str()),
                (5001, "'B𝒙' 1 2", "7 8 0.5")
            );
            assert!(found[..5000].iter().all(|row| row == "'B𝒙' 1 2"));
        }
    }
}

#[test]
fn comments_between_rows_are_counted() {
    let table = read_text("id,x,y\n# first\n1,8,0.5\n  # 2,8,0.5\n3,8,0.5\n# \"end\n");
    assert_eq!(rows(&table), ["1 8 0.5", "3 8 0.5"]);
    assert!(
        table.notes.len() == 1 && table.notes[0].starts_with("3 lines after the header"),
        "{:?}",
        table.notes
    );
}

#[test]
fn a_row_that_is_odd_changes_no_other() {
    let table = read_text("id,x,y\n1,8,0.5\n2,8,0.5,7\n3,8\n4,\"8,0.5\n5,8,0.5\n6,8\"x,0.5\n");
    let expected = [
        "1 8 0.5",
        "Missing (missing) (missing)",
        "Missing (missing) (missing)",
        "Missing (missing) (missing)",
        "5 8 0.5",
    ];
    assert_eq!(rows(&table)[..5], expected);
    assert_eq!(rows(&table)[5], "6 (\"8\"x\", not a number) 0.5");
    let reasons = [
        (1, "has 4 fields, the header 3"),
        (2, "has 2 fields, the header 3"),
        (3, "has a quote that is not closed"),
    ];
    assert_eq!(table.odd_rows, reasons.map(|(row, reason)| (row, reason.to_owned())));
}

#[test]
fn ecsv_is_read_with_its_units() {
    let header = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: string}\n# - {name: x, unit: pc, datatype: float64}\n\
        # - name: y\n#   unit: km / s\n#   datatype: float64\n";
    let table = read_text(format!("{header}id x y\n1 8000 0.5\n\"Pal 5\" 8.5 \"\"\n"));
    assert_eq!(rows(&table), ["1 8000 0.5", "'Pal 5' 8.5 (missing)"]);
    assert_eq!(
        (table.unit("x"), table.unit("y"), table.unit("id")),
        (Some("pc"), Some("km / s"), None)
    );
    let commas = format!("{header}# delimiter: ','\n# schema: astropy-2.0\nid,x,y\n1,8000,0.5\n");
    assert_eq!(rows(&read_text(commas)), ["1 8000 0.5"]);
    assert!(error("# %ECSV 1.0\n# datatype: [\nid x y\n1 2 3\n").contains("the ECSV header of"));
}

#[test]
fn what_is_no_table_is_said_shortly() {
    for (text, words) in [
        (&b""[..], "is empty"),
        (b"\n\n# only a comment\n", "is empty"),
        (b"1,2,3\n4,5,6\n", "has no header: its first line holds numbers"),
        (b"id,x,x,y\n1,2,3,4\n", "has the column x twice: columns 2 and 3"),
        (b"id,X,z\n1,2,3\n", "has no columns x, y | did you mean X instead of x?"),
        (b"id\0,x", "is not text"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b", "gzip cannot unpack"),
    ] {
        assert!(error(text).contains(words), "{words}: {}", error(text));
    }
    // One line of many megabytes, and a header of very many names.
    let long = error(vec![b'x'; 32 << 20]);
    assert!(long.contains("is no table") && long.len() < 400, "{} bytes", long.len());
    let many: Vec<String> = (0..100_000).map(|name| format!("column_{name}")).collect();
    let many = error(many.join(","));
    assert!(
        many.contains("and 99980 more") && many.len() < 1000,
        "{} bytes",
        many.len()
    );
    let long_row = error([&b"id,x,y\n1,2,3\n"[..], &vec![b'7'; LONGEST_LINE + 7]].concat());
    assert!(long_row.contains("row 2 of"), "{long_row}");
}

#[test]
fn damaged_texts_never_panic() {
    let whole = b"# c\n\"id\", x ,y\n1,\"8\"\"\",0.5\n\"Pal 5\",8.5,-2\n";
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\n', b',', b'#', 0xff] {
            let mut damaged = whole.to_vec();
            damaged[at] = byte;
            let (_folder, path) = file(&damaged);
            let _ = read(&path, None, &WANTED);
            let _ = read(&path, Some(' '), &WANTED);
        }
    }
}

#[test]
fn a_line_of_units_below_the_header_is_no_row() {
    for (text, unit) in [
        ("id;x;y\n;pc;---\n---;---;---\n1;2;3\n", Some("pc")),
        ("id,x,y\n,km/s,\n1,2,3\n", Some("km/s")),
        ("id,x,y\n1,2,3\n", None),
        ("id,x,y\nkpc,2,3\n1,2,3\n", None),
    ] {
        let table = read_text(text);
        assert_eq!(table.unit("x"), unit, "{text}");
        assert_eq!(table.rows, if text.contains("kpc") { 2 } else { 1 }, "{text}");
    }
}

#[test]
fn lines_may_end_as_they_did_of_old() {
    let rows_of = |text: &str| rows(&read_text(text));
    let text = "id,x,y\n1,2,3\n2,3,4\n";
    assert_eq!(rows_of(&text.replace('\n', "\r")), rows_of(text));
    assert_eq!(rows_of(&text.replace('\n', "\r\n")), rows_of(text));
}
