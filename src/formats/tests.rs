//! One table in every format, as Python's libraries write it (`tests/reference/formats/make.py`).
#![allow(clippy::unwrap_used)]

use crate::cells::{Cells, Role};
use crate::error::FormatError;
use crate::table::Wanted;
use crate::testing::{reference, shown};
use crate::{How, columns, read, read_pieces};

/// Of the columns id, name, x, v, pm, count and mass.
const ROWS: [&str; 5] = [
    "1 'GD-1' 8.122 220.5 1.5 3 1",
    "9007199254740993 'Pal 5' -0.3333333333333333 -0.1 (missing) (missing) 2.5",
    "-7 'Boötes III' 1e-300 0.001 -2.25 -32000 0.00001",
    "5853498713190525696 Missing 12345.678901234567 300 0.000000001 7 3",
    "12 'C-19' 0 7 0.125 1 0.1",
];

/// What differs by format: single precision as the nearest double, or as decimals; letters beyond ASCII; NaN for a missing number.
fn plain(row: &str) -> String {
    let number = |word: &str| match word.parse::<f64>() {
        Ok(number) if number.fract() != 0.0 => format!("{}", number as f32),
        _ => word.to_owned(),
    };
    let words: Vec<String> = row
        .replace('ö', "o")
        .replace("(NaN)", "(missing)")
        .split(' ')
        .map(number)
        .collect();
    words.join(" ")
}

#[test]
fn one_table_from_every_format() {
    let wanted = [
        ("id", Role::Label),
        ("name", Role::Label),
        ("x", Role::Number),
        ("v", Role::Number),
        ("pm", Role::Number),
        ("count", Role::Number),
        ("mass", Role::Number),
    ];
    for (file, has_units) in [
        ("table.fits", true),
        ("table.fits.gz", true),
        ("table.ecsv", true),
        ("commas.ecsv", true),
        ("astropy.parquet", true),
        ("pyarrow.parquet", true),
        ("pandas.parquet", false),
        ("pandas.csv", false),
        ("pandas.csv.gz", false),
        ("latin1.csv", false),
        ("utf16.csv", false),
        ("tabledata.vot", true),
        ("binary.vot", true),
        ("binary2.vot", true),
        ("astropy.hdf5", true),
    ] {
        let path = reference(file);
        let table = read(&path, How::default(), &wanted).unwrap();
        let found: Vec<String> = shown(&table).iter().map(|row| plain(row)).collect();
        assert_eq!(found, ROWS.map(plain), "{file}");
        // Doubles are the same to the last bit.
        let x = table.numbers("x").unwrap();
        let exact = [8.122, -1.0 / 3.0, 1e-300, 12_345.678_901_234_567, 0.0];
        assert_eq!([0, 1, 2, 3, 4].map(|row| x.get(row).unwrap()), exact, "{file}");
        let units = ["x", "v", "pm", "mass", "id"].map(|name| table.unit(name).is_some());
        assert_eq!(units, [has_units, has_units, has_units, has_units, false], "{file}");
        let names: Vec<String> = columns(&path, How::default())
            .unwrap()
            .into_iter()
            .map(|column| column.name)
            .collect();
        assert!(
            wanted.iter().all(|(name, _)| names.iter().any(|there| there == name)),
            "{file}: {names:?}"
        );
    }
}

#[test]
fn datasets_of_a_group_are_columns() {
    let wanted = [
        ("id", Role::Label),
        ("name", Role::Label),
        ("x", Role::Number),
        ("v", Role::Number),
        ("pm", Role::Number),
        ("mass", Role::Number),
        ("position[2]", Role::Number),
    ];
    for file in ["columns.hdf5", "columns_packed.hdf5"] {
        let table = read(&reference(file), How::default(), &wanted).unwrap();
        let found: Vec<String> = shown(&table).iter().map(|row| plain(row)).collect();
        // Without the count, and with the third number of a vector.
        let expected = ROWS
            .iter()
            .zip(["0.25", "0.625", "1", "1.375", "1.75"])
            .map(|(row, last)| {
                let words: Vec<String> = plain(row).split(' ').map(str::to_owned).collect();
                let count = words.len() - 2;
                let kept = words
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != count)
                    .map(|(_, word)| word.as_str());
                format!("{} {last}", kept.collect::<Vec<_>>().join(" "))
            });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{file}");
        let units = ["x", "v", "pm", "mass", "position[0]", "id"].map(|name| table.unit(name));
        assert_eq!(
            units,
            [
                Some("kpc"),
                Some("km/s"),
                Some("mas yr-1"),
                Some("1e10 Msun"),
                Some("pc"),
                None
            ],
            "{file}"
        );
    }
}

#[test]
fn what_a_file_says_about_a_column_is_there() {
    for file in ["table.ecsv", "tabledata.vot", "astropy.hdf5"] {
        let columns = columns(&reference(file), How::default()).unwrap();
        let v = columns.iter().find(|column| column.name == "v").unwrap();
        assert_eq!(v.description.as_deref(), Some("a velocity"), "{file}");
    }
}

#[test]
fn columns_are_kept_as_they_are_in_every_format() {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Int64Type};
    for file in [
        "table.fits",
        "table.ecsv",
        "astropy.parquet",
        "pandas.csv",
        "tabledata.vot",
        "binary2.vot",
        "astropy.hdf5",
    ] {
        let wanted = ["id", "name", "x", "good"].map(|name| (name, Role::Kept));
        let table = read(&reference(file), How::default(), &wanted).unwrap();
        let kept = |name: &str| table.kept(name).unwrap();
        let ids = [1, 9_007_199_254_740_993, -7, 5_853_498_713_190_525_696, 12];
        assert_eq!(kept("id").as_primitive::<Int64Type>().values(), &ids, "{file}");
        let names: Vec<Option<&str>> = kept("name").as_string::<i32>().iter().collect();
        assert_eq!((names[1], names[3]), (Some("Pal 5"), None), "{file}");
        assert_eq!(kept("x").data_type(), &DataType::Float64, "{file}");
        assert_eq!(kept("good").data_type(), &DataType::Boolean, "{file}");
        let good: Vec<Option<bool>> = kept("good").as_boolean().iter().collect();
        assert_eq!(good, [true, false, true, true, false].map(Some), "{file}");
    }
}

/// However many rows are read at a time, they are those of the file, and columns that are kept have one type throughout.
#[test]
fn pieces_of_a_file_are_the_whole() {
    for file in [
        "table.fits",
        "table.fits.gz",
        "pandas.csv",
        "astropy.parquet",
        "tabledata.vot",
        "binary2.vot",
    ] {
        let path = reference(file);
        let there = columns(&path, How::default()).unwrap();
        let kept = there.iter().filter(|column| column.can_be_kept());
        let kept: Vec<Wanted> = kept.map(|column| (column.name.as_str(), Role::Kept)).collect();
        let values: [Wanted; 2] = [("x", Role::Number), ("id", Role::Label)];
        let whole = read(&path, How::default(), &kept).unwrap();
        let rows = shown(&read(&path, How::default(), &values).unwrap());
        assert!(rows.len() == 5 && kept.len() > 5, "{file}");
        for most in [1, 2, 5] {
            let (mut first, mut found) = (0, Vec::new());
            let wanted: Vec<Wanted> = values.iter().chain(&kept).copied().collect();
            read_pieces(&path, How::default(), &wanted, most, |mut piece| {
                assert!(piece.first == first && piece.rows <= most, "{file}");
                assert_eq!(piece.units, whole.units, "{file}");
                for (name, _) in &kept {
                    let (part, of) = (piece.kept(name).unwrap(), whole.kept(name).unwrap());
                    assert_eq!(part.as_ref(), of.slice(first, piece.rows).as_ref(), "{file} {name}");
                }
                first += piece.rows;
                piece.columns.retain(|(_, cells)| !matches!(cells, Cells::Kept(_)));
                found.extend(shown(&piece));
                Ok::<(), FormatError>(())
            })
            .unwrap();
            assert_eq!(found, rows, "{file}");
        }
    }
}
