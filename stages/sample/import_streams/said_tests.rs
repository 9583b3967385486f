//! What is said of files that say twice where stars are, and of numbers that cannot be in the units that they are taken in.
#![allow(clippy::unwrap_used)]

use std::fs;

use dynamics::sky::{Observables, Side, Sun};
use runner::stage::Stage;
use serde_json::{Value, json};

use super::ImportStreams;
use crate::apply::estimate_actions::EstimateActions;
use crate::testing::{Ran, faults, reference, run, stage};

/// Stars that the Sun sees: distance, l, b, v_los, mu_l_cosb, mu_b.
const SEEN: [[f64; 6]; 5] = [
    [0.8, 30.0, 10.0, 20.0, 1.5, -0.5],
    [2.0, 200.0, -5.0, 45.0, -2.0, 0.1],
    [1.2, 100.0, 40.0, -15.0, 3.0, -4.0],
    [3.0, 320.0, -30.0, 60.0, -1.0, 2.0],
    [0.5, 75.0, 2.0, -5.0, 0.3, 1.0],
];
const SKY: &str = "distance,l,b,v_los,mu_l_cosb,mu_b";
const ERRORS: &str = "distance_error,v_los_error,mu_l_cosb_error,mu_b_error";
const CARTESIAN: &str = "x,y,z,vx,vy,vz";

fn seen(star: &[f64; 6]) -> Observables {
    let [distance, l, b, v_los, mu_l_cosb, mu_b] = *star;
    Observables {
        distance,
        l,
        b,
        v_los,
        mu_l_cosb,
        mu_b,
    }
}

/// A text of some of the sets of columns; positions and velocities as from this Sun, changed by `turned`.
fn text(sets: &[&str], sun: Sun, turned: impl Fn(usize, [f64; 6]) -> [f64; 6]) -> String {
    let mut text = format!("{}\n", sets.join(","));
    for (row, star) in SEEN.iter().enumerate() {
        let located = sun.locate(&seen(star));
        let cells = sets.iter().flat_map(|set| match *set {
            SKY => star.to_vec(),
            ERRORS => vec![0.05 * star[0], 2.0, 0.02, 0.03],
            CARTESIAN => turned(row, [located.x, located.v].concat().try_into().unwrap()).to_vec(),
            // All but the line-of-sight velocity.
            _ => [&star[..3], &star[4..]].concat(),
        });
        let cells: Vec<String> = cells.map(|number| number.to_string()).collect();
        text += &format!("{}\n", cells.join(","));
    }
    text
}

/// Imports a text, without a mapping where there is none.
fn import(text: &str, more: Value) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stars.csv");
    fs::write(&path, text).unwrap();
    let mut with = json!({ "path": path });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let given: ImportStreams = stage(with);
    let settled = Stage::settled(&given, &|path| path.to_owned()).unwrap();
    let import = settled.unwrap_or(given);
    assert_eq!(import.check(), []);
    run(&import, &[], &[("path", path.clone())]).completed()
}

fn has(ran: &Ran, column: &str) -> bool {
    ran.tables["stars"].column_by_name(column).is_some()
}

/// Where a file says both, the same columns are used with errors and without, and so are the answers.
#[test]
fn of_two_sets_of_columns_one_is_used_with_errors_and_without() {
    // Positions that are twice those that follow show which were used.
    let double = |_, point: [f64; 6]| point.map(|number| 2.0 * number);
    let method = json!({ "isochrone": { "mass": 3.334e11, "scale": 5.0 } });
    let actions = |ran: &Ran, errors: bool| {
        let with = match errors {
            true => json!({ "method": method, "errors": {} }),
            false => json!({ "method": method }),
        };
        let stars = &ran.tables["stars"];
        run(&stage::<EstimateActions>(with), &[("stars", stars)], &[]).completed()
    };
    let sun = Sun::default();
    let sky = import(&text(&[SKY], sun, double), json!({}));
    let expected = actions(&sky, false);
    for sets in [&[SKY, CARTESIAN][..], &[CARTESIAN, SKY, ERRORS]] {
        let ran = import(&text(sets, sun, double), json!({ "keep": "all" }));
        let said = format!(
            "`{}` are used, `{}` are not",
            SKY.replace(',', " ")
                .replace("l b v_los mu_l_cosb mu_b", "l b mu_l_cosb mu_b v_los"),
            CARTESIAN.replace(',', " ")
        );
        assert!(ran.notes().contains(&said), "{said}\n{}", ran.notes());
        for errors in [false, true].into_iter().filter(|errors| !errors || sets.len() == 3) {
            let found = actions(&ran, errors);
            for name in ["J_phi", "J_z", "J_r"] {
                let both = found.f64("stars", name).into_iter().zip(expected.f64("stars", name));
                let apart = both.map(|(found, expected)| (found - expected).abs() / (1.0 + expected.abs()));
                assert!(apart.fold(0.0, f64::max) < 1e-9, "{name}");
                assert_eq!(found.f64("stars", name).len(), SEEN.len());
            }
        }
        assert!(ran.tables["kept"].column_by_name("vx").is_some());
    }
    // Without line-of-sight velocities the sky says less: it is not used, whether it has errors or not.
    let text = text(&["distance,l,b,mu_l_cosb,mu_b", CARTESIAN], sun, double);
    let ran = import(&text, json!({}));
    assert!(!has(&ran, "distance") && !has(&ran, "l"));
    let x = 2.0 * sun.locate(&seen(&SEEN[0])).x[0];
    assert!((ran.f64("stars", "x")[0] - x).abs() < 1e-12);
    let said = "`x y z vx vy vz` are used, `distance l b mu_l_cosb mu_b` are not, nor are errors";
    assert!(ran.notes().contains(said), "{}", ran.notes());
    // Who maps both is asked for one.
    let both = format!("{SKY},{CARTESIAN}");
    let columns: serde_json::Map<String, Value> = both.split(',').map(|name| (name.to_owned(), json!(name))).collect();
    let said = faults::<ImportStreams>(json!({ "path": "a.csv", "columns": columns }));
    assert!(
        said.len() == 1
            && said[0].starts_with("columns.x: says twice where stars are")
            && said[0].contains("leave x y z vx vy vz out"),
        "{said:?}"
    );
}

#[test]
fn positions_that_contradict_the_sky_are_told_with_a_row() {
    let sun = Sun::default();
    let same = |_, point| point;
    let agree = import(&text(&[SKY, CARTESIAN], sun, same), json!({}));
    assert_eq!(agree.findings(), [""; 0]);
    // Rounded as tables are, and within the errors of distances.
    let rounded = |_, point: [f64; 6]| point.map(|number| (1000.0 * number).round() / 1000.0);
    assert_eq!(
        import(&text(&[SKY, CARTESIAN], sun, rounded), json!({})).findings(),
        [""; 0]
    );
    let moved = |row: usize, point: [f64; 6]| {
        let mut star = seen(&SEEN[row]);
        star.distance *= 1.1;
        let located = sun.locate(&star);
        [located.x, located.v].concat().try_into().unwrap_or(point)
    };
    assert_eq!(
        import(&text(&[SKY, ERRORS, CARTESIAN], sun, moved), json!({})).findings(),
        [""; 0]
    );
    assert_eq!(
        import(&text(&[SKY, CARTESIAN], sun, moved), json!({})).findings().len(),
        1
    );

    // One star is wrong.
    let one = |row: usize, mut point: [f64; 6]| {
        point[1] += if row == 2 { 1.5 } else { 0.0 };
        point
    };
    let y = sun.locate(&seen(&SEEN[2])).x[1];
    let said = import(&text(&[SKY, CARTESIAN], sun, one), json!({})).findings();
    assert!(
        said.len() == 1
            && said[0]
                .starts_with("`x y z vx vy vz` of the file contradict the sky in 1 of 5 rows; the first is row 3; ")
            && said[0].contains(&format!("there y is {:.4} kpc, and {y:.4} follows", y + 1.5)),
        "{said:?}"
    );
    // Another habit, another Sun, another unit: all are, unless they are stated.
    let galpy = Sun {
        side: Side::PlusX,
        ..sun
    };
    let said = import(&text(&[SKY, CARTESIAN], galpy, same), json!({})).findings();
    assert!(
        said[0].contains("in 5 of 5 rows; the first is row 1; there x is 7.4"),
        "{said:?}"
    );
    let stated = json!({ "sun": { "side": "plus_x" } });
    assert_eq!(
        import(&text(&[SKY, CARTESIAN], galpy, same), stated).findings(),
        [""; 0]
    );
    let slower = Sun { v_lsr: 220.0, ..sun };
    let said = import(&text(&[SKY, CARTESIAN], slower, same), json!({})).findings();
    assert!(said.len() == 1 && said[0].contains("there vy is"), "{said:?}");
}

#[test]
fn distances_are_those_of_one_column() {
    let text = "distance,parallax,l,b,v_los,mu_l_cosb,mu_b\n0.8,1.2,30,10,20,1.5,-0.5\n";
    let ran = import(text, json!({}));
    assert_eq!(ran.f64("stars", "distance"), [0.8]);
    assert!(
        ran.notes()
            .contains("distances are those of `distance`, not of `parallax`"),
        "{}",
        ran.notes()
    );
}

/// Five Gaia-like rows whose columns are multiplied by these: parallax, proper motions, radial velocity.
fn gaia([parallax, motion, v_los]: [f64; 3]) -> String {
    let mut text = "ra,dec,parallax,pmra,pmdec,radial_velocity\n".to_owned();
    for (row, [distance, l, b, v, mu_l, mu_b]) in SEEN.iter().enumerate() {
        let (ra, dec) = (l + row as f64, b - 1.0);
        text += &format!(
            "{ra},{dec},{},{},{},{}\n",
            parallax / distance,
            motion * mu_l,
            motion * mu_b,
            v_los * v
        );
    }
    text
}

#[test]
fn units_that_cannot_be_are_told_by_their_columns() {
    let import = |text: &str| import(text, json!({}));
    for (text, column, words) in [
        // Parallaxes in microarcseconds, or in arcseconds.
        (
            gaia([1000.0, 1.0, 1.0]),
            "parallax",
            "the median distance is 0.0012 kpc if parallax is in mas, for the file states no unit",
        ),
        (gaia([1e-3, 1.0, 1.0]), "parallax", "the median distance is 1200 kpc"),
        (
            gaia([1.0, 1e3, 1.0]),
            "pmra",
            "the median speed across the line of sight is",
        ),
        (gaia([1.0, 1e-3, 1.0]), "pmra", "if pmra pmdec are in mas/yr"),
        (
            gaia([1.0, 1.0, 1e3]),
            "v_los",
            "the median speed along the line of sight is 20000 km/s",
        ),
        (
            gaia([1.0, 1.0, 1e-3]),
            "v_los",
            "is 0.02 km/s if radial_velocity is in km/s",
        ),
    ] {
        let said = import(&text).findings();
        assert!(said.len() == 1 && said[0].contains(words), "{words}\n{said:?}");
        assert!(
            said[0].contains("stars.csv: ") && said[0].contains(&format!("map `{column}: {{ column: ")),
            "{said:?}"
        );
        // Each part of a sentence has at most two numbers, and so many words.
        for part in said[0].split(';') {
            assert!(part.split_whitespace().count() <= 25, "{part}");
        }
    }
    let sun = Sun::default();
    let scaled = |lengths: f64, speeds: f64| {
        let by = move |_, [x, y, z, u, v, w]: [f64; 6]| {
            [
                lengths * x,
                lengths * y,
                lengths * z,
                speeds * u,
                speeds * v,
                speeds * w,
            ]
        };
        import(&text(&[CARTESIAN], sun, by)).findings()
    };
    for (lengths, speeds, words) in [
        (1000.0, 1.0, "the median distance from the Galactic centre is"),
        (1.0, 1000.0, "the median speed is"),
        (1.0, 1.0 / 977.8, "if vx vy vz are in km/s"),
    ] {
        let said = scaled(lengths, speeds);
        assert!(said.len() == 1 && said[0].contains(words), "{words}\n{said:?}");
    }
    assert_eq!(scaled(1.0, 1.0), [""; 0]);

    // A unit that the file states may be wrong, too.
    let stated = format!(
        "# %ECSV 1.0\n# ---\n# datatype:\n{}ra dec parallax pmra pmdec radial_velocity\n266 -29 1.2 3 4 20\n",
        [
            ("ra", "deg"),
            ("dec", "deg"),
            ("parallax", "arcsec"),
            ("pmra", "mas/yr"),
            ("pmdec", "mas/yr"),
            ("radial_velocity", "km/s")
        ]
        .map(|(name, unit)| format!("# - {{name: {name}, unit: {unit}, datatype: float64}}\n"))
        .concat()
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stars.ecsv");
    fs::write(&path, stated).unwrap();
    let given: ImportStreams = stage(json!({ "path": path }));
    let settled = Stage::settled(&given, &|path| path.to_owned()).unwrap().unwrap();
    let said = run(&settled, &[], &[("path", path.clone())]).completed().findings();
    assert!(
        said.len() == 1 && said[0].contains("is in arcsec, as the file says") && said[0].contains("factor: …"),
        "{said:?}"
    );
}

/// What is near, far, slow or fast, and true.
#[test]
fn tables_that_are_as_they_should_be_are_not_doubted() {
    // A sample within 100 pc, with stars as near as 8 pc in the middle of it.
    assert_eq!(import(&gaia([20.0, 20.0, 1.0]), json!({})).findings(), [""; 0]);
    assert_eq!(import(&gaia([120.0, 120.0, 1.0]), json!({})).findings(), [""; 0]);
    // Dwarf galaxies at the edge of the Local Group.
    assert_eq!(
        import(&gaia([1.0 / 400.0, 1.0 / 400.0, 5.0]), json!({})).findings(),
        [""; 0]
    );
    let clusters = fs::read_to_string(reference("clusters.csv")).unwrap();
    assert_eq!(import(&clusters, json!({})).findings(), [""; 0]);
    let mut files = vec![
        reference("orbits_dehnen_binney_98_1_halo.parquet"),
        reference("clusters.csv"),
    ];
    for case in fs::read_dir(reference("../cases")).unwrap() {
        let inside = fs::read_dir(case.unwrap().path()).into_iter().flatten();
        files.extend(inside.map(|entry| entry.unwrap().path()));
    }
    let mut read = 0;
    for path in files {
        let given: ImportStreams = serde_json::from_value(json!({ "path": path })).unwrap();
        // What has other names, or is wrong, is for other tests.
        let Ok(Some(import)) = Stage::settled(&given, &|path| path.to_owned()) else {
            continue;
        };
        let ran = run(&import, &[], &[("path", path.clone())]);
        assert_eq!(ran.findings(), [""; 0], "{}", path.display());
        read += usize::from(ran.result.is_ok());
    }
    assert!(read > 20, "{read} files");
}
