#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use runner::stage::Stage;
use serde_json::json;
use tables::RecordBatch;

use super::{ImportStreams, number_of};
use crate::testing::{Ran, faults, reference, run, stage};

fn cartesian() -> serde_json::Value {
    json!({ "stream": "id", "x": "x", "y": "y", "z": "z", "vx": "vx", "vy": "vy", "vz": "vz" })
}

fn import(path: &Path, columns: serde_json::Value) -> Ran {
    let stage: ImportStreams = stage(json!({ "path": path, "columns": columns }));
    run(&stage, &[], &[("path", path.to_owned())])
}

fn csv(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("stars.csv");
    fs::write(&path, text).unwrap();
    path
}

/// The column `name`.
fn names(ran: &Ran) -> Vec<Option<&str>> {
    tables::optional_str_column(&ran.tables["stars"], "name")
        .unwrap()
        .unwrap()
}

const HEADER: &str = "id,x,y,z,vx,vy,vz\n";

#[test]
fn a_parquet_file_is_read_as_it_is() {
    let path = reference("orbits_dehnen_binney_98_1_halo.parquet");
    let mut columns = cartesian();
    columns["stream"] = json!("stream");
    columns["J_r"] = json!("J_r");
    let ran = import(&path, columns).completed();
    assert_eq!(
        (ran.metric("streams"), ran.metric("stars"), ran.metric("set_aside_rows")),
        (62.0, 496.0, 0.0)
    );
    let original = tables::read(&path).unwrap();
    assert_eq!(ran.f64("stars", "J_r"), tables::f64_column(&original, "J_r").unwrap());
    // This file holds positions and velocities in single precision.
    let x = original
        .column_by_name("x")
        .unwrap()
        .as_primitive::<Float32Type>()
        .values()
        .to_vec();
    assert_eq!(ran.f64("stars", "x"), x.into_iter().map(f64::from).collect::<Vec<_>>());
    assert_eq!(ran.i64("stars", "star")[..9], [0, 1, 2, 3, 4, 5, 6, 7, 0]);
    let fields = ran.tables["stars"].schema();
    assert_eq!(
        fields.field_with_name("J_r").unwrap().metadata().get("unit").unwrap(),
        "km s-1 kpc"
    );
}

#[test]
fn bad_rows_are_named_counted_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "1,8,0,0,0,200,0\n1,NaN,0,0,0,200,0\n1,8,inf,0,0,200,0\n2,8,0,,0,200,0\n2,8,0,1,0,fast,0\n,8,0,1,0,200,0\n1.5,8,0,1,0,2,0\n";
    let ran = import(&csv(folder.path(), &format!("{HEADER}{rows}")), cartesian()).completed();
    assert_eq!(ran.i64("stars", "stream"), [1]);
    assert_eq!(ran.i64("set_aside_rows", "row"), [2, 3, 4, 5, 6, 7]);
    assert_eq!(ran.texts("set_aside_rows", "column"), ["x", "y", "z", "vy", "id", "id"]);
    let reasons = [
        "NaN",
        "infinite",
        "missing",
        "\"fast\", not a number",
        "missing",
        "1.5, not a whole number",
    ];
    assert_eq!(ran.texts("set_aside_rows", "reason"), reasons);
    assert_eq!(ran.metric("set_aside_rows"), 6.0);
    assert!(
        ran.notes()
            .contains("6 of 7 rows set aside; row 2: x is NaN; the output set_aside_rows has them all"),
        "{}",
        ran.notes()
    );
}

#[test]
fn nothing_usable_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let ran = import(
        &csv(folder.path(), &format!("{HEADER}1,NaN,0,0,0,200,0\n")),
        cartesian(),
    );
    assert!(
        ran.error().contains("none of the 1 rows") && ran.error().contains("row 1: x is NaN"),
        "{}",
        ran.error()
    );
    assert!(
        import(&csv(folder.path(), HEADER), cartesian())
            .error()
            .contains("has no rows")
    );
    assert!(
        import(&csv(folder.path(), ""), cartesian())
            .error()
            .contains("is empty (0 bytes)")
    );
}

#[test]
fn units_signs_and_ranges_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(
        folder.path(),
        "id,d,lon,lat,rv,pml,pmb\n0,8000,-1.5707963267948966,0.5,-3,0.002,1\n0,-1,0,0,0,0,0\n0,1,0,3,0,0,0\n",
    );
    let columns = json!({
        "stream": "id",
        "distance": { "column": "d", "unit": "pc" },
        "l": { "column": "lon", "unit": "rad" },
        "b": { "column": "lat", "unit": "rad" },
        "v_los": { "column": "rv", "factor": -1 },
        "mu_l_cosb": { "column": "pml", "unit": "arcsec/yr" },
        "mu_b": "pmb",
    });
    let ran = import(&path, columns).completed();
    assert_eq!(
        (ran.f64("stars", "distance"), ran.f64("stars", "v_los")),
        (vec![8.0], vec![3.0])
    );
    assert!(
        (ran.f64("stars", "l")[0] - 270.0).abs() < 1e-12
            && (ran.f64("stars", "b")[0] - 28.64788975654116).abs() < 1e-12
    );
    assert_eq!(
        (ran.f64("stars", "mu_l_cosb"), ran.f64("stars", "mu_b")),
        (vec![2.0], vec![1.0])
    );
    assert_eq!(ran.texts("set_aside_rows", "column"), ["d", "lat"]);
}

#[test]
fn rows_are_sorted_and_streams_may_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let text = "id,n,x,y,z,vx,vy,vz\nGD-1,4,1,0,0,0,200,0\nPal 5,1,2,0,0,0,200,0\nGD-1,2,3,0,0,0,200,0\n";
    let path = csv(folder.path(), text);
    let mut columns = cartesian();
    columns["star"] = json!("n");
    let ran = import(&path, columns.clone()).completed();
    assert_eq!(
        (ran.i64("stars", "stream"), ran.i64("stars", "star")),
        (["GD-1", "GD-1", "Pal 5"].map(number_of).to_vec(), vec![2, 4, 1])
    );
    assert_eq!(ran.f64("stars", "x"), [3.0, 1.0, 2.0]);
    assert_eq!(names(&ran), ["GD-1", "GD-1", "Pal 5"].map(Some));
    assert!(ran.notes().contains("2 streams have names"), "{}", ran.notes());
    let path = csv(folder.path(), &text.replace("GD-1,2", "GD-1,4"));
    let error = import(&path, columns).error();
    assert!(
        error.contains("rows 1 and 3") && error.contains("star 4 of stream GD-1"),
        "{error}"
    );
}

#[test]
fn narrow_numbers_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narrow.parquet");
    let floats = |value: f32| Arc::new(Float32Array::from(vec![value, value])) as ArrayRef;
    let mut columns = vec![("id", Arc::new(Int32Array::from(vec![7, 7])) as ArrayRef)];
    columns.extend(["x", "y", "z", "vx", "vy", "vz"].map(|name| (name, floats(1.25))));
    columns.push(("kind", Arc::new(StringArray::from(vec!["a", "b"]))));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    tables::write(&path, &batch, batch.schema_ref()).unwrap();
    let ran = import(&path, cartesian()).completed();
    assert_eq!(
        (ran.i64("stars", "stream"), ran.f64("stars", "vz")),
        (vec![7, 7], vec![1.25, 1.25])
    );
    let mut text = cartesian();
    text["x"] = json!("kind");
    assert!(import(&path, text).error().contains("\"a\", not a number"));
}

#[test]
fn a_missing_column_is_reported_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), "id,X,y,z,v_x,vy,vz\n1,8,0,0,0,200,0\n");
    let error = import(&path, cartesian()).error();
    assert!(error.contains("no columns x, vx"), "{error}");
    assert!(
        error.contains("did you mean X instead of x?") && error.contains("did you mean v_x instead of vx?"),
        "{error}"
    );
    assert!(error.contains("columns there are: id, X, y, z, v_x, vy, vz"), "{error}");
}

#[test]
fn damaged_files_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(reference("orbits_dehnen_binney_98_1_halo.parquet")).unwrap();
    let path = folder.path().join("cut.parquet");
    let mut columns = cartesian();
    columns["stream"] = json!("stream");
    for (length, said) in [
        (0, "is empty (0 bytes)"),
        (3, "is cut off: it has only 3 bytes"),
        (100, "truncated"),
        (whole.len() / 2, "truncated"),
        (whole.len() - 1, "truncated"),
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = import(&path, columns.clone()).error();
        assert!(
            error.contains("cut.parquet") && error.contains(said),
            "{length}: {error}"
        );
    }
}

#[test]
fn mistakes_in_the_mapping_are_found_before_the_run() {
    let found = |columns: serde_json::Value| faults::<ImportStreams>(json!({ "path": "a.csv", "columns": columns }));
    let mut columns = cartesian();
    columns["x"] = json!({ "column": "x", "unit": "km/s" });
    assert_eq!(
        found(columns.clone()),
        ["columns.x.unit: \"km/s\" is a speed, not a length (kpc) | such as kpc, pc, Mpc"]
    );
    columns["x"] = json!({ "column": "x", "factor": 0 });
    assert_eq!(found(columns.clone()).len(), 1);
    columns.as_object_mut().unwrap().remove("x");
    assert!(
        found(columns.clone())[0].starts_with("columns: lacks x |"),
        "{:?}",
        found(columns.clone())
    );
    columns["X"] = json!("x");
    let unknown = serde_json::from_value::<ImportStreams>(json!({ "path": "a.csv", "columns": columns }));
    assert!(unknown.unwrap_err().to_string().contains("unknown field `X`"));
    let number = serde_json::from_value::<ImportStreams>(json!({ "path": "a.csv", "columns": { "stream": 3 } }));
    assert!(number.unwrap_err().to_string().contains("the name of a column"));
    assert_eq!(
        faults::<ImportStreams>(json!({ "path": "a.xlsx", "columns": cartesian() })).len(),
        1
    );
}

#[test]
fn both_ways_to_write_a_column_are_the_same() {
    let stage: ImportStreams = stage(json!({ "path": "../a.csv", "columns": cartesian() }));
    assert_eq!(stage.files()[0].path, PathBuf::from("../a.csv"));
    let full: ImportStreams = serde_json::from_value(json!({
        "path": "../a.csv",
        "columns": cartesian().as_object().unwrap().iter().map(|(k, v)| (k.clone(), json!({ "column": v }))).collect::<serde_json::Map<_, _>>()
    }))
    .unwrap();
    // Both ways to write a column are the same parameters, and so the same fingerprint.
    assert_eq!(
        serde_json::to_value(&full).unwrap(),
        serde_json::to_value(&stage).unwrap()
    );
}

fn snapshots(folder: &Path, texts: &[&str], more: serde_json::Value) -> Ran {
    let mut with = json!({ "snapshots": [], "columns": cartesian() });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let paths: Vec<PathBuf> = (texts.iter().enumerate())
        .map(|(place, text)| {
            let path = folder.join(format!("snapshot_{place}.csv"));
            fs::write(&path, format!("{HEADER}{text}")).unwrap();
            path
        })
        .collect();
    with["snapshots"] = json!(paths);
    let names: Vec<String> = (0..paths.len()).map(|place| format!("snapshots.{place}")).collect();
    let files: Vec<(&str, PathBuf)> = names.iter().map(String::as_str).zip(paths).collect();
    run(&stage::<ImportStreams>(with), &[], &files)
}

#[test]
fn particles_of_snapshots_are_streams() {
    let folder = tempfile::tempdir().unwrap();
    // Particle 9 leaves, particle 5 comes late, particle 4 has no velocity once; the order of rows differs.
    let texts = [
        "7,1,0,0,0,200,0\n3,2,0,0,0,200,0\n9,3,0,0,0,200,0\n4,4,0,0,0,200,0\n",
        "3,2.1,0,0,0,201,0\n7,1.1,0,0,0,201,0\n4,4.1,0,0,0,,0\n",
        "5,9,0,0,0,200,0\n7,1.2,0,0,0,202,0\n3,2.2,0,0,0,202,0\n4,4.2,0,0,0,202,0\n",
    ];
    let ran = snapshots(folder.path(), &texts, json!({ "times": [0.0, 0.01, 0.02] })).completed();
    assert_eq!(ran.i64("stars", "stream"), [3, 3, 3, 7, 7, 7]);
    assert_eq!(ran.i64("stars", "star"), [0, 1, 2, 0, 1, 2]);
    assert_eq!(ran.f64("stars", "t"), [0.0, 0.01, 0.02, 0.0, 0.01, 0.02]);
    assert_eq!(ran.f64("stars", "x"), [2.0, 2.1, 2.2, 1.0, 1.1, 1.2]);
    assert_eq!(ran.f64("stars", "vy"), [200.0, 201.0, 202.0, 200.0, 201.0, 202.0]);
    assert_eq!(
        (ran.metric("streams"), ran.metric("stars"), ran.metric("set_aside_rows")),
        (2.0, 6.0, 5.0)
    );
    assert_eq!(ran.metric("incomplete_streams"), 3.0);
    assert_eq!(ran.i64("set_aside_rows", "snapshot"), [0, 0, 1, 2, 2]);
    assert_eq!(ran.i64("set_aside_rows", "row"), [3, 4, 3, 1, 4]);
    assert_eq!(ran.texts("set_aside_rows", "column"), ["id", "id", "vy", "id", "id"]);
    let away = |snapshots: &str| format!("not usable in, or missing from, snapshot {snapshots}");
    assert_eq!(
        ran.texts("set_aside_rows", "reason"),
        [away("1, 2"), away("1"), "missing".to_owned(), away("0, 1"), away("1")]
    );
    assert!(
        ran.notes()
            .contains("5 of 11 rows set aside; row 3 of snapshot 0: id is not usable in"),
        "{}",
        ran.notes()
    );
}

#[test]
fn names_and_repeats_in_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let texts = [
        "b,1,0,0,0,200,0\na,2,0,0,0,200,0\n",
        "a,2.1,0,0,0,200,0\nb,1.1,0,0,0,200,0\n",
    ];
    let ran = snapshots(folder.path(), &texts, json!({})).completed();
    assert_eq!(ran.f64("stars", "x"), [1.0, 1.1, 2.0, 2.1]);
    assert_eq!(names(&ran), ["b", "b", "a", "a"].map(Some));
    let twice = [texts[0], "a,2.1,0,0,0,200,0\nb,1.1,0,0,0,200,0\nb,1.2,0,0,0,200,0\n"];
    let error = snapshots(folder.path(), &twice, json!({})).error();
    assert!(
        error.contains("rows 2 and 3 of") && error.contains("snapshot_1.csv"),
        "{error}"
    );
    let apart = ["1,1,0,0,0,200,0\n", "2,1,0,0,0,200,0\n"];
    let error = snapshots(folder.path(), &apart, json!({})).error();
    assert!(
        error.contains("none of the 2 rows") && error.contains("row 1 of snapshot 0"),
        "{error}"
    );
}

#[test]
fn mistakes_about_snapshots_are_found_before_the_run() {
    let found = |more: serde_json::Value| {
        let mut with = json!({ "columns": cartesian() });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        faults::<ImportStreams>(with)
    };
    assert!(found(json!({ "snapshots": ["a.csv", "b.parquet"], "times": [0, 1] })).is_empty());
    for (more, at) in [
        (json!({}), "needs either path"),
        (json!({ "path": "a.csv", "snapshots": ["a.csv"] }), "needs either path"),
        (
            json!({ "snapshots": ["a.csv", "b.csv"], "times": [0] }),
            "times: are 1, of 2 snapshots",
        ),
        (
            json!({ "snapshots": ["a.csv", "b.npz"] }),
            "snapshots.1: b.npz is a NumPy file, which is not read",
        ),
    ] {
        let found = found(more);
        assert!(found.len() == 1 && found[0].contains(at), "{found:?}");
    }
    for (times, count) in [
        (json!([0, 0.01, 0.02]), 0),
        (json!([0, 0.01, 0.01]), 1),
        (json!([0.02, 0.01, 0]), 1),
    ] {
        let found = found(json!({ "snapshots": ["a.csv", "b.csv", "c.csv"], "times": times }));
        assert_eq!(found.len(), count, "{found:?}");
        assert!(
            found.iter().all(|fault| fault.starts_with("times: must increase: 0.0")),
            "{found:?}"
        );
    }
    let twice = found(json!({ "snapshots": ["a.csv", "b.csv", "a.csv"] }));
    assert!(
        twice.len() == 1 && twice[0].contains("snapshots.2: a.csv is listed twice"),
        "{twice:?}"
    );
    let mut columns = cartesian();
    columns["star"] = json!("n");
    columns["t"] = json!("t");
    let found = faults::<ImportStreams>(json!({ "snapshots": ["a.csv"], "times": [0], "columns": columns }));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn times_in_the_files_must_increase() {
    let folder = tempfile::tempdir().unwrap();
    let header = "id,x,y,z,vx,vy,vz,t\n";
    let snapshot = |name: &str, time: f64| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{header}7,1,0,0,0,200,0,{time}\n")).unwrap();
        path
    };
    let paths = [snapshot("a.csv", 0.5), snapshot("b.csv", 0.5), snapshot("c.csv", 1.0)];
    let mut columns = cartesian();
    columns["t"] = json!("t");
    let import = |places: &[usize]| {
        let paths: Vec<&PathBuf> = places.iter().map(|&place| &paths[place]).collect();
        let with = json!({ "snapshots": paths, "columns": columns });
        let names: Vec<String> = (0..paths.len()).map(|place| format!("snapshots.{place}")).collect();
        let files: Vec<(&str, PathBuf)> = names
            .iter()
            .map(String::as_str)
            .zip(paths.into_iter().cloned())
            .collect();
        run(&stage::<ImportStreams>(with), &[], &files)
    };
    assert_eq!(import(&[0, 2]).completed().f64("stars", "t"), [0.5, 1.0]);
    for places in [[0, 1], [2, 0]] {
        let error = import(&places).error();
        assert!(
            error.contains("stream 7 has t = 0.5 Gyr in snapshot 1, not after"),
            "{error}"
        );
    }
}

#[test]
fn two_files_agree_on_names() {
    let folder = tempfile::tempdir().unwrap();
    let streams = |text: &str| {
        let ran = import(&csv(folder.path(), &format!("{HEADER}{text}")), cartesian()).completed();
        let pairs: std::collections::BTreeMap<String, i64> = names(&ran)
            .into_iter()
            .map(|name| name.unwrap().to_owned())
            .zip(ran.i64("stars", "stream"))
            .collect();
        pairs
    };
    let one = streams("GD-1,1,0,0,0,200,0\nPal 5,2,0,0,0,200,0\n");
    let other = streams("Jhelum,9,0,0,0,200,0\nPal 5,2,0,0,0,200,0\nGD-1,1,0,0,0,200,0\n");
    assert!(
        one.iter().all(|(name, number)| other[name] == *number),
        "{one:?} {other:?}"
    );
    // Numbers have no names.
    let ran = import(&csv(folder.path(), &format!("{HEADER}7,1,0,0,0,200,0\n")), cartesian()).completed();
    assert_eq!(names(&ran), [None]);
}

fn sky() -> serde_json::Value {
    json!({ "stream": "id", "distance": "d", "l": "l", "b": "b", "v_los": "rv", "mu_l_cosb": "pml", "mu_b": "pmb" })
}

const SKY: &str = "id,d,l,b,rv,pml,pmb\n1,1.5,30,-10,20,-3,0.5\n1,1.6,359.9,-9,,-3,0.5\n2,8,-10,9,20,-3,0.5\n";

#[test]
fn positions_and_velocities_follow_from_the_sky() {
    use dynamics::sky::Sun;
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), SKY);
    let ran = import(&path, sky()).completed();
    assert_eq!(ran.i64("set_aside_rows", "row"), [2]);
    let points: Vec<dynamics::phase_space::PhaseSpace> = crate::common::io::quantity(&ran.tables["stars"]).unwrap();
    for (row, point) in points.iter().enumerate() {
        let seen = Sun::default().observe(point).unwrap();
        let found = [seen.distance, seen.l, seen.b, seen.v_los, seen.mu_l_cosb, seen.mu_b];
        for (found, column) in found.into_iter().zip(crate::common::columns::OBSERVABLES) {
            let expected = ran.f64("stars", column.name)[row];
            assert!(
                (found / expected - 1.0).abs() < 1e-12,
                "{}: {found} {expected}",
                column.name
            );
        }
    }
    assert!(
        ran.notes().contains("with the Sun at R0 = 8.122 kpc"),
        "{}",
        ran.notes()
    );
    let with = json!({ "path": path, "columns": sky(), "sun": { "r0": 8.2 } });
    let moved = run(&stage::<ImportStreams>(with), &[], &[("path", path.clone())]).completed();
    assert!((moved.f64("stars", "x")[0] - ran.f64("stars", "x")[0] + 0.078).abs() < 1e-12);
}

#[test]
fn stars_without_line_of_sight_velocities_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), SKY);
    // Kept where that is said, or where there is no such column.
    let with = json!({ "path": path, "columns": sky(), "missing_v_los": "keep" });
    let kept = run(&stage::<ImportStreams>(with), &[], &[("path", path.clone())]).completed();
    let v_los = tables::optional_f64_column(&kept.tables["stars"], "v_los")
        .unwrap()
        .unwrap();
    assert_eq!(v_los, [Some(20.0), None, Some(20.0)]);
    assert!(kept.tables["stars"].column_by_name("x").is_none());
    let mut columns = sky();
    columns.as_object_mut().unwrap().remove("v_los");
    let none = import(&path, columns).completed();
    assert_eq!(none.metric("stars"), 3.0);
    assert!(none.tables["stars"].column_by_name("v_los").is_none() && none.notes().contains("recover_velocities"));
}

#[test]
fn the_columns_of_gaia_become_ours() {
    let folder = tempfile::tempdir().unwrap();
    let text = "source_id,ra,dec,parallax,pmra,pmdec,radial_velocity\n\
        4295806720,10,20,0.5,1,2,3\n4295806721,10,20,-0.1,1,2,3\n4295806722,10,20,,1,2,3\n";
    let path = csv(folder.path(), text);
    let mut columns = json!({ "stream": "source_id" });
    for name in ["ra", "dec", "parallax", "pmra", "pmdec", "radial_velocity"] {
        columns[name] = json!(name);
    }
    let ran = import(&path, columns.clone()).completed();
    assert_eq!(ran.i64("stars", "stream"), [4_295_806_720]);
    // astropy 8.0.2: SkyCoord(ra=10°, dec=20°, pm_ra_cosdec=1, pm_dec=2).galactic.
    for (name, expected) in [
        ("distance", 2.0),
        ("l", 119.26936773760173),
        ("b", -42.79039286460446),
        ("v_los", 3.0),
        ("mu_l_cosb", 1.1191706294452028),
        ("mu_b", 1.935834988367355),
    ] {
        let found = ran.f64("stars", name)[0];
        assert!((found / expected - 1.0).abs() < 1e-12, "{name}: {found}");
    }
    assert!(ran.tables["stars"].column_by_name("vx").is_some() && ran.tables["stars"].column_by_name("ra").is_none());
    let reasons = ["-0.1 mas: only a positive parallax gives a distance", "missing"];
    assert_eq!(ran.texts("set_aside_rows", "reason"), reasons);
    let found = |columns: &serde_json::Value| faults::<ImportStreams>(json!({ "path": "a.csv", "columns": columns }));
    columns["l"] = json!("l");
    assert_eq!(
        found(&columns),
        ["columns.l: follows from ra, dec, pmra and pmdec: leave it out | "]
    );
    columns.as_object_mut().unwrap().remove("l");
    columns["distance"] = json!("d");
    assert_eq!(found(&columns), ["columns.parallax: distance is given already | "]);
    columns.as_object_mut().unwrap().remove("distance");
    columns.as_object_mut().unwrap().remove("pmdec");
    assert!(
        found(&columns).len() == 1 && found(&columns)[0].starts_with("columns: lacks pmdec |"),
        "{:?}",
        found(&columns)
    );
}

#[test]
fn mistakes_about_the_sky_are_found_before_the_run() {
    let found = |more: serde_json::Value, columns: serde_json::Value| {
        let mut with = json!({ "path": "a.csv", "columns": columns });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        faults::<ImportStreams>(with)
    };
    assert_eq!(found(json!({}), sky()).len(), 0);
    assert_eq!(found(json!({ "sun": {} }), cartesian()).len(), 1);
    assert_eq!(found(json!({ "missing_v_los": "keep" }), cartesian()).len(), 1);
    assert_eq!(found(json!({ "separator": "a" }), cartesian()).len(), 1);
    assert_eq!(found(json!({ "separator": "#" }), cartesian()).len(), 1);
}

/// A Parquet file of one star with these columns besides x y z vx vy vz.
fn parquet(folder: &Path, more: Vec<(Field, ArrayRef)>) -> PathBuf {
    let path = folder.join("s.parquet");
    let rows = more.first().map_or(1, |(_, array)| array.len());
    let number = |name: &str| {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![8.0; rows]));
        (Field::new(name, DataType::Float64, false), values)
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
        more.into_iter().chain(["y", "z", "vx", "vy", "vz"].map(number)).unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    tables::write(&path, &batch, batch.schema_ref()).unwrap();
    path
}

fn column(name: &str, array: impl Array + 'static) -> (Field, ArrayRef) {
    (Field::new(name, array.data_type().clone(), true), Arc::new(array))
}

#[test]
fn a_column_that_a_parquet_file_has_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let id = || column("id", Int32Array::from(vec![7]));
    let x = |value| column("x", Float64Array::from(vec![value]));
    let path = parquet(folder.path(), vec![id(), x(1.0), x(2.0)]);
    let error = import(&path, cartesian()).error();
    assert!(
        error.contains("s.parquet has the column x twice: columns 2 and 3"),
        "{error}"
    );
    // One that is not read may be.
    let note = || column("note", StringArray::from(vec!["a"]));
    let path = parquet(folder.path(), vec![id(), x(1.0), note(), note()]);
    assert_eq!(import(&path, cartesian()).completed().f64("stars", "x"), [1.0]);
}

#[test]
fn units_in_the_metadata_of_a_file_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let id = || column("id", Int32Array::from(vec![7]));
    let x = |unit: &str| {
        let (field, array) = column("x", Float64Array::from(vec![8000.0]));
        (
            field.with_metadata(std::collections::HashMap::from([("unit".to_owned(), unit.to_owned())])),
            array,
        )
    };
    for (unit, kpc) in [("pc", 8.0), ("parsec", 8.0), ("kpc", 8000.0), ("", 8000.0)] {
        let path = parquet(folder.path(), vec![id(), x(unit)]);
        let ran = import(&path, cartesian()).completed();
        assert_eq!(ran.f64("stars", "x"), [kpc], "{unit}");
        assert_eq!(
            ran.notes().contains("x in "),
            !["kpc", ""].contains(&unit),
            "{}",
            ran.notes()
        );
    }
    let mapped = |unit: &str| {
        let mut columns = cartesian();
        columns["x"] = json!({ "column": "x", "unit": unit });
        columns
    };
    for (unit, columns, words) in [
        ("km/s", cartesian(), "\"km/s\" is a speed, not a length (kpc)"),
        ("parsnip", cartesian(), "\"parsnip\" is not a unit that is understood"),
        ("pc", mapped("kpc"), "has x in pc, but the mapping says `unit: kpc`"),
        ("km/s", mapped("kpc"), "\"km/s\" is a speed"),
    ] {
        let path = parquet(folder.path(), vec![id(), x(unit)]);
        let error = import(&path, columns).error();
        assert!(error.contains(words), "{error}");
    }
    // What only the mapping can read is the mapping's.
    let path = parquet(folder.path(), vec![id(), x("parsnip")]);
    assert_eq!(import(&path, mapped("pc")).completed().f64("stars", "x"), [8.0]);
    // The header of astropy, in the metadata of the whole table.
    let path = parquet(folder.path(), vec![id(), x("")]);
    let table = tables::read(&path).unwrap();
    let yaml = "datatype:\n- {name: x, unit: pc, datatype: float64}\n";
    let fields: Vec<Field> = table
        .schema_ref()
        .fields()
        .iter()
        .map(|field| {
            field
                .as_ref()
                .clone()
                .with_metadata(std::collections::HashMap::<String, String>::new())
        })
        .collect();
    let schema = Schema::new_with_metadata(
        fields,
        std::collections::HashMap::from([("table_meta_yaml".to_owned(), yaml.to_owned())]),
    );
    let table = RecordBatch::try_new(Arc::new(schema), table.columns().to_vec()).unwrap();
    tables::write(&path, &table, table.schema_ref()).unwrap();
    assert_eq!(import(&path, cartesian()).completed().f64("stars", "x"), [8.0]);
}

#[test]
fn labels_and_numbers_of_any_type_are_read() {
    use arrow::array::{BinaryArray, BooleanArray, DictionaryArray, UInt64Array};
    use arrow::datatypes::Int8Type;
    let folder = tempfile::tempdir().unwrap();
    let x = || column("x", StringArray::from(vec![" 1e0 ", "2"]));
    let import = |id: (Field, ArrayRef)| import(&parquet(folder.path(), vec![id, x()]), cartesian());
    let big = 9_007_199_254_740_993_u64;
    let ran = import(column("id", UInt64Array::from(vec![big, big + 2]))).completed();
    assert_eq!(ran.i64("stars", "stream"), [big as i64, big as i64 + 2]);
    assert_eq!(ran.f64("stars", "x"), [1.0, 2.0]);
    let dictionary: DictionaryArray<Int8Type> = vec!["GD-1", "Pal 5"].into_iter().collect();
    let bytes = BinaryArray::from(vec![&b"GD-1\0\0"[..], b"Pal 5 "]);
    for id in [column("id", dictionary), column("id", bytes)] {
        assert_eq!(names(&import(id).completed()), [Some("GD-1"), Some("Pal 5")]);
    }
    let error = import(column("id", BooleanArray::from(vec![true, false]))).error();
    assert!(
        error.contains("column id holds truth values, not numbers or names"),
        "{error}"
    );
}

/// Particles of snapshots in HDF5, in the units of their headers: the same as from text.
#[test]
fn snapshots_of_simulations_are_read_in_their_units() {
    let formats = |name: &str| reference(&format!("formats/{name}"));
    let phase_space = |extra: serde_json::Value| {
        let mut columns = json!({ "stream": "ParticleIDs" });
        for (place, name) in ["x", "y", "z"].into_iter().enumerate() {
            columns[name] = json!(format!("Coordinates[{place}]"));
            columns[format!("v{name}")] = json!(format!("Velocities[{place}]"));
        }
        if let (Some(all), Some(more)) = (columns.as_object_mut(), extra.as_object()) {
            all.extend(more.clone());
        }
        columns
    };
    let text = import(&formats("snapshot.csv"), cartesian()).completed();
    let expected = |name: &str, ids: &[i64]| -> Vec<f64> {
        let (streams, values) = (text.i64("stars", "stream"), text.f64("stars", name));
        let of = |id: &i64| values[streams.iter().position(|stream| stream == id).unwrap()];
        ids.iter().map(of).collect()
    };
    let close = |found: Vec<f64>, expected: Vec<f64>, factor: f64| {
        let pairs = found.iter().zip(&expected);
        assert!(
            found.len() == expected.len() && pairs.clone().all(|(a, b)| (a / b / factor - 1.0).abs() < 3e-7),
            "{found:?} {expected:?}"
        );
    };
    let path = formats("gizmo.hdf5");
    let columns = phase_space(json!({ "t": "Time" }));
    let stage: ImportStreams = stage(json!({ "path": path, "particles": "dark", "columns": columns }));
    let ran = run(&stage, &[], &[("path", path.clone())]).completed();
    let ids = [3, 7, 12, (1 << 40) + 1];
    assert_eq!(ran.i64("stars", "stream"), ids);
    // The kpc of the header is that of the IAU to 3e-7.
    for (name, factor) in [("x", 1.0), ("z", 1.0), ("vy", 1.0)] {
        close(ran.f64("stars", name), expected(name, &ids), factor);
    }
    close(ran.f64("stars", "t"), vec![0.5 * 0.977_792_2; 4], 1.0);
    assert!(
        ran.notes().contains("units and time are those of the header of"),
        "{}",
        ran.notes()
    );
    // Comoving: a = 0.5, h = 0.7.
    let ran = import(&formats("arepo.hdf5"), phase_space(json!({}))).completed();
    close(ran.f64("stars", "x"), expected("x", &[1, 9]), 0.5 / 0.7);
    close(ran.f64("stars", "vz"), expected("vz", &[1, 9]), 0.5_f64.sqrt());
    let several = import(&path, phase_space(json!({})));
    assert!(
        several.error().contains("has particles of several types: dark, stars"),
        "{}",
        several.error()
    );
    let twice = json!({ "path": "a.hdf5", "table": "b", "particles": "stars", "columns": cartesian() });
    assert_eq!(faults::<ImportStreams>(twice).len(), 1);
}

/// All files of a snapshot are looked at for changes, and read as one; columns are known by their names.
#[test]
fn a_snapshot_in_several_files_is_found_by_one() {
    let formats = |name: &str| reference("formats").join(name);
    let path = formats("part.0.hdf5");
    let import: ImportStreams = stage(json!({ "path": path, "particles": "dark" }));
    let settled = Stage::settled(&import, &|path| path.to_owned()).unwrap().unwrap();
    let (second, third) = (formats("part.1.hdf5"), formats("part.2.hdf5"));
    assert_eq!(settled.parts, [second.clone(), third.clone()]);
    assert_eq!(settled.files().len(), 3);
    let files = [("path", path.clone()), ("parts.0", second), ("parts.1", third)];
    let ran = run(&settled, &[], &files).completed();
    assert_eq!(ran.i64("stars", "stream"), [3, 7, 12, (1 << 40) + 1]);
    let without = ImportStreams {
        parts: vec![formats("part.1.hdf5")],
        ..settled
    };
    let error = run(&without, &[], &files[..2]).error();
    assert!(
        error.contains("part.2.hdf5 belongs to the snapshot, and is not in `parts`"),
        "{error}"
    );
}

#[test]
fn stars_of_no_stream_are_known_by_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(
        folder.path(),
        "x,y,z,vx,vy,vz\n8,0,0,0,220,0\n8.5,0,,0,220,0\n9,0,0,0,200,1\n",
    );
    let alone = json!({ "x": "x", "y": "y", "z": "z", "vx": "vx", "vy": "vy", "vz": "vz" });
    let ran = import(&path, alone.clone()).completed();
    assert_eq!(
        (ran.i64("stars", "stream"), ran.i64("stars", "star")),
        (vec![1, 3], vec![0, 0])
    );
    assert_eq!(ran.f64("stars", "x"), [8.0, 9.0]);
    assert_eq!(ran.i64("set_aside_rows", "row"), [2]);
    assert!(
        ran.notes()
            .contains("each star is a stream by itself, numbered by its row"),
        "{}",
        ran.notes()
    );
    assert_eq!(ran.metric("streams"), 2.0);
    let mut with_star = alone.clone();
    with_star["star"] = json!("x");
    let found = faults::<ImportStreams>(json!({ "path": "a.csv", "columns": with_star }));
    assert!(
        found.len() == 1 && found[0].contains("no column is mapped to stream"),
        "{found:?}"
    );
    let found = faults::<ImportStreams>(json!({ "snapshots": ["a.csv", "b.csv"], "columns": alone }));
    assert!(
        found.len() == 1 && found[0].contains("lacks stream, by which a particle is known"),
        "{found:?}"
    );
}

#[test]
fn columns_are_kept_beside_the_stars() {
    let folder = tempfile::tempdir().unwrap();
    let text = "source_id,s,x,y,z,vx,vy,vz,feh,note\n5853498713190525696,2,8,0,0,0,220,0,-1.5,a\n7,1,9,0,,0,220,0,0,b\n\
        12,1,8.5,0,0,0,220,0,,\"c, d\"\n";
    let path = csv(folder.path(), text);
    let mut columns = cartesian();
    columns["stream"] = json!("s");
    let kept = |keep: serde_json::Value| {
        let stage: ImportStreams = stage(json!({ "path": path, "columns": columns, "keep": keep }));
        run(&stage, &[], &[("path", path.clone())])
    };
    let ran = kept(json!("all")).completed();
    let table = &ran.tables["kept"];
    let names: Vec<String> = table
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["stream", "star", "row", "source_id", "feh", "note"]);
    assert_eq!(
        (
            ran.i64("kept", "stream"),
            ran.i64("kept", "star"),
            ran.i64("kept", "row")
        ),
        (vec![1, 2], vec![0, 0], vec![3, 1])
    );
    assert_eq!(ran.i64("kept", "source_id"), [12, 5_853_498_713_190_525_696]);
    assert_eq!(
        tables::optional_f64_column(table, "feh").unwrap().unwrap(),
        [None, Some(-1.5)]
    );
    assert_eq!(ran.texts("kept", "note"), ["c, d", "a"]);
    assert!(
        ran.notes()
            .contains("3 columns are kept beside the stars, in the output kept"),
        "{}",
        ran.notes()
    );
    let some = kept(json!(["note", "note"])).completed();
    assert_eq!(some.tables["kept"].num_columns(), 4);
    let none = kept(json!(["Note"]));
    assert!(
        none.error().contains("has no column Note") && none.error().contains("did you mean note"),
        "{}",
        none.error()
    );
    let found =
        faults::<ImportStreams>(json!({ "snapshots": ["a.csv", "b.csv"], "columns": cartesian(), "keep": "all" }));
    assert!(
        found.len() == 1 && found[0].contains("keeps columns of one file"),
        "{found:?}"
    );
}
