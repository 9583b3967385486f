//! Cases of `tests/cases` about users' files: identities, what a file says of itself, formats, and tables as users have them.

use tables::RecordBatch;

use crate::program::{Gave, Place, find, project};

/// A folder with the case's files.
fn case(name: &str) -> Place {
    let place = Place::new();
    for entry in std::fs::read_dir(project("tests/cases").join(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, place.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    place
}

/// What the program says of a case that runs, and its tables.
struct Ran {
    place: Place,
    said: String,
}

fn ran(name: &str) -> Ran {
    let place = case(name);
    let gave = place.well(&["run", "p.yaml", "--log", "plain"]);
    plain_words(&gave);
    // Whatever is small, near or slow in them is so.
    assert!(!gave.out.contains("the median "), "{}", gave.out);
    Ran {
        said: gave.err + &gave.out,
        place,
    }
}

/// No word of a library reaches the user.
fn plain_words(gave: &Gave) {
    for word in [
        "serde", "polars", "Arrow", "arrow", "Schema", "Utf8", "Int64", "Float64", "Binary", "unwrap", "panic",
        "feature", "ragged",
    ] {
        assert!(
            !(gave.err.clone() + &gave.out).contains(word),
            "{word} in\n{}\n{}",
            gave.out,
            gave.err
        );
    }
}

impl Ran {
    /// An output of a stage of this kind.
    fn table(&self, kind: &str, port: &str) -> RecordBatch {
        let cache = self.place.path("results/cache/v1").join(kind);
        tables::read(&find(&cache, &format!("{port}.parquet")).unwrap()).unwrap()
    }

    fn stars(&self) -> RecordBatch {
        self.table("import_streams", "stars")
    }

    fn reasons(&self) -> Vec<String> {
        let table = self.table("import_streams", "set_aside_rows");
        tables::str_column(&table, "reason")
            .unwrap()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

fn streams(table: &RecordBatch) -> Vec<i64> {
    tables::i64_column(table, "stream").unwrap().to_vec()
}

fn numbers(table: &RecordBatch, column: &str) -> Vec<f64> {
    tables::f64_column(table, column).unwrap().to_vec()
}

fn names(table: &RecordBatch) -> Vec<String> {
    let names = tables::optional_str_column(table, "name").unwrap().unwrap();
    names.into_iter().flatten().map(str::to_owned).collect()
}

/// The message of a case that does not run.
fn refused(name: &str, code: i32) -> String {
    let gave = case(name).run(&["run", "p.yaml", "--log", "plain"]);
    assert_eq!(gave.code, code, "{}\n{}", gave.out, gave.err);
    plain_words(&gave);
    gave.err
}

#[test]
fn ids_of_64_bits_are_exact() {
    let unsigned = ran("ids_uint64");
    assert_eq!(
        streams(&unsigned.stars()),
        [9007199254740993, 9007199254740995, 5853498713190525696]
    );
    assert_eq!(
        unsigned.reasons(),
        ["18446744073709551615, too large for a whole number of 64 bits"]
    );
    let decimal = ran("ids_decimal");
    assert_eq!(streams(&decimal.stars()), [3, 5853498713190525696, 5853498713190525697]);
    let float = ran("ids_float");
    assert_eq!(streams(&float.stars()), [3]);
    assert!(
        float
            .reasons()
            .iter()
            .all(|reason| reason.contains("double precision: ids run into each other"))
    );
}

#[test]
fn an_odd_line_changes_no_other() {
    assert_eq!(streams(&ran("ids_trailer").stars()), [7, 12]);
    let long = ran("csv_long_row");
    assert!(long.said.contains("row 1 has 8 fields, the header 7"), "{}", long.said);
    assert_eq!(numbers(&long.stars(), "x"), [8.5]);
}

#[test]
fn names_are_kept() {
    let lost = ran("names_lost").stars();
    let expected: Vec<String> = (0..25).map(|number| format!("Stream {number:02}")).collect();
    let mut found = names(&lost);
    found.dedup();
    assert_eq!(found, expected);
    let zeros = ran("names_leading_zeros").stars();
    assert_eq!(names(&zeros), ["007", "7", "07"]);
    let mut distinct = streams(&zeros);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 3);
    assert_eq!(names(&ran("parquet_bytes_ids").stars()), ["GD1", "PAL5"]);
}

/// Two files with the same names in another order: each star is compared with itself.
#[test]
fn two_files_agree_on_names() {
    let import = |stage: &str| {
        format!(
            "  {stage}:\n    import_streams: {{ with: {{ path: {stage}.csv, columns: {{ stream: id, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz, J_phi: a, J_z: b, J_r: c }} }} }}\n"
        )
    };
    let yaml = format!(
        "pipeline: p\nstages:\n{}{}  sets: {{ split: {{ from: {{ stars: one }} }} }}\n  errors: {{ compare: {{ from: {{ predicted: sets.train, truth: other }} }} }}\n",
        import("one"),
        import("other")
    );
    let place = Place::with(&yaml);
    let header = "id,x,y,z,vx,vy,vz,a,b,c\n";
    place.write(
        "one.csv",
        &format!("{header}GD-1,8,0,0,0,200,0,1,1,1\nPal 5,9,0,0,0,200,0,2,2,2\n"),
    );
    place.write(
        "other.csv",
        &format!("{header}Jhelum,7,0,0,0,200,0,3,3,3\nPal 5,9,0,0,0,200,0,2,2,2\nGD-1,8,0,0,0,200,0,1,1,1\n"),
    );
    place.well(&["run", "p.yaml"]);
    let ran = Ran {
        place,
        said: String::new(),
    };
    assert!(
        numbers(&ran.table("compare", "errors"), "value")
            .iter()
            .all(|error| *error == 0.0)
    );
    // Names go through.
    assert_eq!(names(&ran.table("compare", "residuals")).len(), 1);
    assert_eq!(names(&ran.table("split", "test")).len(), 1);
}

#[test]
fn units_of_the_file_are_used_or_contradicted_aloud() {
    let parquet = ran("parquet_units");
    assert_eq!(numbers(&parquet.stars(), "x"), [8.0, 8.5, -3.0]);
    assert!(
        parquet.said.contains("units as the file states them: x in pc"),
        "{}",
        parquet.said
    );
    assert_eq!(numbers(&ran("csv_ecsv").stars(), "x"), [8.0]);
    let place = case("parquet_units");
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", &yaml.replace("x: x,", "x: { column: x, unit: kpc },"));
    let gave = place.run(&["run", "p.yaml"]);
    assert!(
        gave.code == 3 && gave.err.contains("has x in pc, but the mapping says `unit: kpc`"),
        "{}",
        gave.err
    );
    // An explicit unit that agrees is no contradiction.
    place.write("p.yaml", &yaml.replace("x: x,", "x: { column: x, unit: parsec },"));
    place.well(&["run", "p.yaml"]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert!(refused("columns_duplicate_csv", 3).contains("has the column x twice"));
    let times = refused("snapshot_times_equal", 3);
    assert!(
        times.contains("must increase: 0.01 comes before 0.01") && times.contains("1 mistake"),
        "{times}"
    );
}

#[test]
fn the_commonest_texts_are_read() {
    let twice = ran("csv_column_twice").stars();
    assert_eq!(tables::i64_column(&twice, "star").unwrap(), streams(&twice));
    assert_eq!(numbers(&ran("csv_comments").stars(), "x"), [8.0, 8.5, -3.0]);
    assert_eq!(numbers(&ran("csv_header_spaces").stars(), "x"), [8.0]);
    assert_eq!(numbers(&ran("csv_gz").stars(), "x"), [8.0, 8.5, -3.0]);
}

#[test]
fn what_is_not_read_says_what_it_is() {
    let brotli = refused("parquet_brotli", 3);
    assert!(
        brotli.contains("is compressed with brotli, which is not read"),
        "{brotli}"
    );
    // What is known and not read is a mistake of the plan, by its first bytes and by its name.
    let place = case("csv_comments");
    place.write("s.csv", "root\0\0 a tree");
    let gave = place.run(&["run", "p.yaml"]);
    assert!(
        gave.code == 3 && gave.err.contains("s.csv is a ROOT file, which is not read"),
        "{}",
        gave.err
    );
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", &yaml.replace("s.csv", "s.root"));
    place.write("s.root", "root");
    let gave = place.run(&["plan", "p.yaml"]);
    assert!(
        gave.code == 3 && gave.err.contains("s.root is a ROOT file") && gave.err.contains("uproot"),
        "{}",
        gave.err
    );
}

#[test]
fn a_table_of_fits_is_read_in_its_units() {
    let fits = ran("format_fits");
    assert_eq!(numbers(&fits.stars(), "x"), [8.0, 8.5]);
    assert!(
        fits.said.contains("units as the file states them: x in pc"),
        "{}",
        fits.said
    );
}

#[test]
fn tables_that_users_have_come_in() {
    let without = ran("no_v_los").stars();
    assert_eq!(
        (without.num_rows(), without.column_by_name("v_los").is_none()),
        (3, true)
    );
    let gaia = ran("gaia_columns").stars();
    for (name, expected) in [
        ("distance", 2.0),
        ("l", 119.26936773760173),
        ("b", -42.79039286460446),
        ("mu_l_cosb", 1.1191706294452028),
        ("mu_b", 1.935834988367355),
    ] {
        assert!((numbers(&gaia, name)[0] / expected - 1.0).abs() < 1e-12, "{name}");
    }
    let actions = ran("sky_to_actions");
    let found = actions.table("estimate_actions", "stars");
    assert!(found.num_rows() == 3 && numbers(&found, "J_r").iter().all(|action| *action >= 0.0));
    assert!(
        actions
            .said
            .contains("follow from the sky, with the Sun at R0 = 8.122 kpc"),
        "{}",
        actions.said
    );
    let speeds = ran("units_spelling").stars();
    assert_eq!((numbers(&speeds, "vx")[0], numbers(&speeds, "vy")[0]), (10.0, 220.0));
}

/// A set of columns that is not there is one mistake.
#[test]
fn a_missing_set_is_one_mistake() {
    let place = case("sky_to_actions");
    let yaml = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", &yaml.replace("v_los: rv, ", ""));
    let gave = place.run(&["plan", "p.yaml"]);
    assert!(
        gave.code == 3 && gave.err.contains("1 mistake in p.yaml"),
        "{}",
        gave.err
    );
    assert!(
        gave.err
            .contains("needs the columns `x`, `y`, `z`, `vx`, `vy` and `vz`"),
        "{}",
        gave.err
    );
}
