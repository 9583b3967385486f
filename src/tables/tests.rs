#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;

use crate::{RecordBatch, TableError, Values, bool_column, build, check, f64_column, f64_columns, i64_column};
use crate::{read, read_columns, read_schema, str_column, take_rows, write};

fn field(name: &str, data_type: DataType, unit: &str) -> Field {
    let pairs = [("unit", unit), ("frame", "galactocentric"), ("description", "a column")];
    let metadata: HashMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Field::new(name, data_type, false).with_metadata(metadata)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        field("stream", DataType::Int64, ""),
        field("x", DataType::Float64, "kpc"),
        field("paper", DataType::Float64, "").with_nullable(true),
        field("name", DataType::Utf8, ""),
        field("best", DataType::Boolean, ""),
    ]))
}

fn columns(x: Vec<f64>) -> Vec<(&'static str, Values)> {
    let rows = x.len();
    vec![
        ("x", x.into()),
        ("best", (0..rows).map(|row| row % 2 == 0).collect::<Vec<_>>().into()),
        ("stream", (0..rows as i64).collect::<Vec<_>>().into()),
        (
            "paper",
            (0..rows)
                .map(|row| (row % 3 == 0).then_some(row as f64))
                .collect::<Vec<_>>()
                .into(),
        ),
        (
            "name",
            (0..rows).map(|row| format!("star {row}")).collect::<Vec<_>>().into(),
        ),
    ]
}

fn table(x: Vec<f64>) -> RecordBatch {
    build(&schema(), columns(x)).unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    (folder, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_written_is_read(x in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 0..200)) {
        let (_folder, path) = place();
        let table = table(x.clone());
        write(&path, &table, &schema()).unwrap();
        let again = read(&path).unwrap();
        prop_assert_eq!(&again, &table);
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(f64_column(&again, "x").unwrap()), bits(&x));
    }
}

#[test]
fn metadata_is_kept() {
    let (_folder, path) = place();
    write(&path, &table(vec![1.0]), &schema()).unwrap();
    assert_eq!(read(&path).unwrap().schema(), schema());
    assert_eq!(
        read_schema(&path).unwrap().field(1).metadata().get("unit").unwrap(),
        "kpc"
    );
}

#[test]
fn the_same_table_gives_the_same_bytes() {
    let bytes = |rows: usize| {
        let (_folder, path) = place();
        // The schema is made anew each time, so that the order of its metadata's hash map differs.
        write(
            &path,
            &table((0..rows).map(|row| (row as f64).sqrt()).collect()),
            &schema(),
        )
        .unwrap();
        fs::read(path).unwrap()
    };
    for _ in 0..8 {
        assert!(bytes(3000) == bytes(3000));
    }
    assert!(bytes(3000) != bytes(2999));
}

#[test]
fn columns_are_typed() {
    let table = table(vec![1.0, 2.0]);
    assert_eq!(i64_column(&table, "stream").unwrap(), [0, 1]);
    assert_eq!(bool_column(&table, "best").unwrap(), [true, false]);
    assert_eq!(str_column(&table, "name").unwrap(), ["star 0", "star 1"]);
    assert_eq!(f64_columns(&table, ["x", "x"]).unwrap()[1], [1.0, 2.0]);
    assert_eq!(
        f64_column(&table, "y").unwrap_err().to_string(),
        "no column y; there are: stream, x, paper, name, best"
    );
    assert_eq!(
        f64_column(&table, "stream").unwrap_err().to_string(),
        "column stream holds whole numbers, not numbers"
    );
    assert!(
        f64_column(&table, "paper")
            .unwrap_err()
            .to_string()
            .contains("missing value in row 1")
    );
}

#[test]
fn numbers_that_are_none_are_named() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = build(&schema(), columns(vec![0.0, 1.0, bad, bad])).unwrap_err();
        assert!(
            matches!(error, TableError::NotFinite { row: 2, count: 2, .. }),
            "{error}"
        );
        assert!(error.to_string().starts_with("column x is "));
    }
    // Also in a column that may be empty: empty is not NaN.
    let mut with = columns(vec![0.0]);
    with[3].1 = vec![Some(f64::NAN)].into();
    assert!(matches!(
        build(&schema(), with).unwrap_err(),
        TableError::NotFinite { .. }
    ));
}

#[test]
fn a_table_must_be_as_declared() {
    let mut other = schema().as_ref().clone();
    let fields: Vec<_> = other.fields.iter().cloned().collect();
    let (_folder, path) = place();
    let error = |declared: &Schema| write(&path, &table(vec![1.0]), declared).unwrap_err();

    other.fields = fields.iter().take(4).cloned().collect();
    assert!(matches!(error(&other), TableError::Undeclared { .. }));
    other.fields = fields.iter().rev().cloned().collect();
    assert!(matches!(error(&other), TableError::NoColumn { .. }));
    let mut changed = fields.clone();
    changed[1] = Arc::new(field("x", DataType::Float64, "pc"));
    other.fields = changed.clone().into();
    assert_eq!(error(&other).to_string(), "column x is in \"kpc\", not in \"pc\"");
    changed[1] = Arc::new(field("x", DataType::Float32, "kpc"));
    other.fields = changed.into();
    assert!(matches!(error(&other), TableError::WrongType { .. }));
    assert!(!path.exists(), "nothing is written that is not right");
    assert!(check(&table(vec![1.0]), &schema()).is_ok());
}

#[test]
fn columns_must_fit_together() {
    let mut with = columns(vec![1.0, 2.0]);
    with[0].1 = vec![1.0].into();
    assert!(matches!(
        build(&schema(), with).unwrap_err(),
        TableError::Length {
            expected: 2,
            found: 1,
            ..
        }
    ));
    let mut with = columns(vec![1.0]);
    with.push(("y", vec![1.0].into()));
    assert!(matches!(
        build(&schema(), with).unwrap_err(),
        TableError::Undeclared { .. }
    ));
    let without = columns(vec![1.0]).split_off(1);
    assert!(matches!(
        build(&schema(), without).unwrap_err(),
        TableError::NoColumn { .. }
    ));
}

#[test]
fn some_columns_and_some_rows() {
    let (_folder, path) = place();
    write(&path, &table(vec![1.0, 2.0, 3.0]), &schema()).unwrap();
    let some = read_columns(&path, &["best", "x"]).unwrap();
    assert_eq!(some.num_columns(), 2);
    assert_eq!(
        f64_column(&take_rows(&some, &[2, 0]).unwrap(), "x").unwrap(),
        [3.0, 1.0]
    );
    assert!(matches!(
        read_columns(&path, &["y"]).unwrap_err(),
        TableError::NoColumn { .. }
    ));
}

#[test]
fn a_file_that_is_not_read_says_what_it_is() {
    let (_folder, path) = place();
    write(&path, &table((0..50).map(f64::from).collect()), &schema()).unwrap();
    let whole = fs::read(&path).unwrap();
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err().to_string();
        error.strip_prefix(&path.display().to_string()).unwrap().to_owned()
    };
    assert!(said(&whole[..whole.len() - 9]).contains("is cut off"));
    assert!(said(b"").contains("is empty (0 bytes)"));
    assert!(said(b"id,x,y\n1,2,3\n").contains("is not a Parquet file"));
    let encrypted = [&whole[..whole.len() - 4], b"PARE"].concat();
    assert!(said(&encrypted).contains("is encrypted"));
    let mut damaged = whole.clone();
    let footer = whole.len() - 60;
    damaged[footer..footer + 40].fill(0xff);
    assert!(said(&damaged).contains("is a damaged Parquet file"));
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let (_folder, path) = place();
    write(&path, &table((0..50).map(f64::from).collect()), &schema()).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("table.parquet"), "{error}");
    }
    // A byte changed somewhere is an error or another table, as it may be: Parquet has no checksum over everything.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let _ = read(&path);
    }
    assert!(matches!(
        read(&path.with_extension("none")).unwrap_err(),
        TableError::Io { .. }
    ));
}
