#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::cells::Role;
use crate::testing::shown;
use crate::{How, columns, read};

/// A table with all that a table of ours may hold.
pub(crate) fn table() -> RecordBatch {
    let field = |name: &str, of, unit: &str| {
        let metadata = [
            ("unit", unit),
            ("description", "it's \"said\": here, #1"),
            ("frame", ""),
        ];
        let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Field::new(name, of, true).with_metadata(metadata)
    };
    let schema = Schema::new(vec![
        field("star", DataType::Int64, ""),
        field("name", DataType::Utf8, ""),
        field("x", DataType::Float64, "kpc"),
        field("J_r", DataType::Float64, "km s-1 kpc"),
        field("ax", DataType::Float64, "km2 s-2 kpc-1"),
        field("good", DataType::Boolean, ""),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(-7)])),
        Arc::new(StringArray::from(vec![Some("GD-1, \"old\""), None, Some(" Pal 5")])),
        Arc::new(Float64Array::from(vec![Some(-1.0 / 3.0), Some(1e-300), None])),
        Arc::new(Float64Array::from(vec![1.0, 2.0, 1e22])),
        Arc::new(Float64Array::from(vec![0.1, -0.0, 3.0])),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = [
        ("star", Role::Label),
        ("name", Role::Label),
        ("x", Role::Number),
        ("J_r", Role::Number),
        ("ax", Role::Number),
    ];
    for ending in ["parquet", "csv", "ecsv", "fits"] {
        let path = folder.path().join(format!("t.{ending}"));
        write(&path, Written::of(&path).unwrap(), "stars", &table()).unwrap();
        let found = read(&path, How::default(), &wanted).unwrap();
        let rows = shown(&found).join("\n").replace("NaN", "missing");
        let expected = format!(
            "9223372036854775807 'GD-1, \"old\"' -0.3333333333333333 1 0.1\n\
            Missing Missing {} 2 -0\n\
            -7 'Pal 5' (missing) 10000000000000000000000 3",
            1e-300
        );
        assert_eq!(rows, expected, "{ending}");
        let units = ["x", "J_r", "ax", "star"].map(|name| found.unit(name));
        let expected = if ending == "csv" {
            [None; 4]
        } else {
            [Some("kpc"), Some("km s-1 kpc"), Some("km2 s-2 kpc-1"), None]
        };
        assert_eq!(units, expected, "{ending}");
        if ending != "csv" {
            let columns = columns(&path, How::default()).unwrap();
            assert_eq!(
                columns[2].description.as_deref(),
                Some("it's \"said\": here, #1"),
                "{ending}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        4,
        "no drafts are left"
    );
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = Written::of(Path::new("t.xlsx")).unwrap_err().to_string();
    assert!(
        error.contains("t.xlsx has no ending of a format that is written"),
        "{error}"
    );
    let path = folder.path().join("no/such/t.csv");
    assert!(matches!(
        write(&path, Written::Csv, "stars", &table()),
        Err(FormatError::Io { .. })
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn fits_is_spelled_in_ascii_and_cut_after_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.fits");
    let long = "the mean ± its error, of J_φ in km s⁻¹ kpc, over all stars whose don't-know flag isn't set";
    let metadata: HashMap<String, String> = [("description".to_owned(), long.to_owned())].into();
    let fields = ["name", "plain"].map(|name| Field::new(name, DataType::Utf8, true).with_metadata(metadata.clone()));
    let texts: [ArrayRef; 2] =
        [vec!["Jørgen φ", "θ−1"], vec!["a", "b"]].map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
    let table = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), texts.to_vec()).unwrap();
    let outcome = write(&path, Written::Fits, "räume.data", &table).unwrap();
    let respelled = vec!["name".to_owned()];
    assert_eq!(outcome, Outcome { rows: 2, respelled });
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.is_ascii());
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("EXTNAME = 'raume.data'"), "{text}");
    let expected = "TCOMM1  = 'the mean +- its error, of J_phi in km s^-1 kpc, over all stars...'";
    assert!(text.contains(expected), "{text}");
    let found = read(&path, How::default(), &[("name", Role::Label), ("plain", Role::Label)]).unwrap();
    assert_eq!(shown(&found), ["'Jorgen phi' 'a'", "'theta-1' 'b'"]);
}

#[test]
fn columns_of_others_are_written_and_what_has_no_form_is_named() {
    use arrow::array::{Float32Array, Int16Array, LargeStringArray, ListArray, UInt64Array};
    use arrow::datatypes::Int32Type;
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("r", Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::MAX)]))),
        ("n", Arc::new(Int16Array::from(vec![-3, 0, 7]))),
        ("id", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2]))),
        ("name", Arc::new(LargeStringArray::from(vec!["a", "b", "c,d"]))),
    ];
    let others = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let others = others.unwrap();
    let csv = folder.path().join("o.csv");
    write(&csv, Written::Csv, "", &others).unwrap();
    let expected = "r,n,id,name\n0.1,-3,18446744073709551615,a\n,0,1,b\n3.4028235e38,7,2,\"c,d\"\n";
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), expected);
    for ending in ["fits", "ecsv"] {
        let path = folder.path().join(format!("o.{ending}"));
        write(&path, Written::of(&path).unwrap(), "stars", &others).unwrap();
        let found = read(&path, How::default(), &[("r", Role::Number), ("n", Role::Number)]).unwrap();
        let rows = shown(&found)
            .join(", ")
            .replace("(NaN)", "NaN")
            .replace("(missing)", "NaN");
        assert_eq!(
            rows, "0.1 -3, NaN 0, 340282350000000000000000000000000000000 7",
            "{ending}"
        );
    }
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let lists = RecordBatch::try_from_iter([("times", Arc::new(lists) as ArrayRef)]).unwrap();
    let refused = write(&csv, Written::Csv, "", &lists).unwrap_err().to_string();
    assert!(refused.contains("column times holds lists"), "{refused}");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), expected, "it is left as it was");
}
