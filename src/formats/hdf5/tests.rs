#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::cells::Role;
use crate::table::{Kind, Table, Wanted};
use crate::testing::{reference, shown, whole};
use crate::{How, read as read_any};

/// Columns of a file, all rows at once.
fn read(path: &Path, table: Option<&str>, wanted: &[Wanted]) -> Result<Table, FormatError> {
    whole(wanted, |pieces| super::read(path, table, pieces))
}

const PHASE_SPACE: [Wanted; 7] = [
    ("ParticleIDs", Role::Label),
    ("Coordinates[0]", Role::Number),
    ("Coordinates[1]", Role::Number),
    ("Coordinates[2]", Role::Number),
    ("Velocities[0]", Role::Number),
    ("Velocities[1]", Role::Number),
    ("Velocities[2]", Role::Number),
];

const SIX: [Wanted; 7] = [
    ("id", Role::Label),
    ("x", Role::Number),
    ("y", Role::Number),
    ("z", Role::Number),
    ("vx", Role::Number),
    ("vy", Role::Number),
    ("vz", Role::Number),
];

fn error(name: &str, table: Option<&str>) -> String {
    match read(&reference(name), table, &PHASE_SPACE) {
        Err(FormatError::Unfit { message, hint }) => format!("{message} | {}", hint.unwrap_or_default()),
        _ => panic!("was read"),
    }
}

#[test]
fn snapshots_give_the_particles_that_were_written() {
    // The same particles as text, by the same script.
    let all = shown(&read_any(&reference("snapshot.csv"), How::default(), &SIX).unwrap());
    for (file, table, rows) in [
        ("gizmo.hdf5", Some("dark"), &all[..4]),
        ("gizmo.hdf5", Some("stars"), &all[4..]),
        ("gizmo.hdf5", Some("PartType4"), &all[4..]),
        ("arepo.hdf5", None, &all[4..]),
        ("gadget4.hdf5", None, &all[..4]),
    ] {
        let table = read(&reference(file), table, &PHASE_SPACE).unwrap();
        assert_eq!(shown(&table), rows, "{file}");
    }
}

#[test]
fn units_and_time_are_those_of_the_header() {
    let unit = |file: &str, table, name: &str| {
        let columns = columns(&reference(file), table).unwrap();
        columns
            .into_iter()
            .find(|column| column.name == name)
            .unwrap()
            .unit
            .unwrap()
    };
    let number = |text: String, of: &str| text.strip_suffix(of).unwrap().trim().parse::<f64>().unwrap();
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-14, "{found} {expected}");
    close(
        number(unit("gizmo.hdf5", Some("stars"), "Coordinates[2]"), "cm"),
        3.085678e21,
    );
    close(number(unit("gizmo.hdf5", Some("stars"), "Masses"), "g"), 1.989e43);
    close(number(unit("gizmo.hdf5", Some("stars"), "Time"), "s"), 3.085678e16);
    // Redshift 1, h = 0.7.
    close(
        number(unit("arepo.hdf5", None, "Coordinates[0]"), "cm"),
        3.085678e21 * 0.5 / 0.7,
    );
    close(
        number(unit("arepo.hdf5", None, "Velocities[0]"), "cm/s"),
        1e5 * 0.5_f64.sqrt(),
    );
    close(number(unit("gadget4.hdf5", None, "Coordinates[0]"), "cm"), 3.085678e18);
    let time = read(&reference("gizmo.hdf5"), Some("stars"), &[("Time", Role::Number)]).unwrap();
    assert_eq!(shown(&time), ["0.5", "0.5"]);
    // A scale factor is no time.
    assert!(
        columns(&reference("arepo.hdf5"), None)
            .unwrap()
            .iter()
            .all(|column| column.name != "Time")
    );
    let note = read(&reference("arepo.hdf5"), None, &PHASE_SPACE)
        .unwrap()
        .notes
        .join("");
    assert!(
        note.ends_with("is comoving: lengths are turned into physical ones by its a = 0.5 and h = 0.7"),
        "{note}"
    );
}

#[test]
fn what_is_not_read_says_what_to_do() {
    let several = error("gizmo.hdf5", None);
    assert!(
        several.contains("has particles of several types: dark, stars | say which"),
        "{several}"
    );
    let none = error("gizmo.hdf5", Some("gas"));
    assert!(
        none.ends_with("has no particles gas | there are: dark, stars"),
        "{none}"
    );
    for file in ["pandas_table.h5", "pandas_fixed.h5"] {
        let pandas = error(file, Some("stars"));
        assert!(
            pandas.contains("was written by pandas") && pandas.contains("pandas.read_hdf"),
            "{pandas}"
        );
    }
    let no = error("columns.hdf5", Some("stars"));
    assert!(no.ends_with("has no table stars | tables there are: cluster"), "{no}");
    let flags = columns(&reference("astropy.hdf5"), None).unwrap();
    let good = flags.iter().find(|column| column.name == "good").unwrap();
    assert_eq!(good.kind, Kind::Other("truth values"));
}

#[test]
fn damaged_files_never_panic() {
    for name in ["columns.hdf5", "columns_packed.hdf5", "gizmo.hdf5"] {
        let whole = fs::read(reference(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.hdf5");
        let wanted = [("x", Role::Number), ("name", Role::Label)];
        for length in (0..whole.len()).step_by(whole.len() / 40) {
            fs::write(&path, &whole[..length]).unwrap();
            let _ = read(&path, None, &wanted);
        }
        for at in (0..whole.len()).step_by(whole.len() / 150) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xa5;
            fs::write(&path, &damaged).unwrap();
            let _ = read(&path, None, &wanted);
            let _ = read(&path, Some("stars"), &PHASE_SPACE);
        }
    }
}

/// Gadget writes a snapshot in several files, of which some lack a type of particles.
#[test]
fn a_snapshot_in_several_files_is_one() {
    let all = shown(&read_any(&reference("snapshot.csv"), How::default(), &SIX).unwrap());
    for name in ["part.0.hdf5", "part.1.hdf5", "part.2.hdf5"] {
        let table = read(&reference(name), Some("dark"), &PHASE_SPACE).unwrap();
        assert_eq!(shown(&table), all[..4], "{name}");
        let of_stars = read(&reference(name), Some("stars"), &PHASE_SPACE).unwrap();
        assert_eq!(shown(&of_stars), all[4..], "{name}");
    }
    // Each file comes by itself.
    let mut pieces = Vec::new();
    let how = How {
        table: Some("dark"),
        ..How::default()
    };
    crate::read_pieces(&reference("part.2.hdf5"), how, &PHASE_SPACE, 1, |table| {
        pieces.push((table.first, table.rows));
        Ok::<(), FormatError>(())
    })
    .unwrap();
    // What there is to say comes last.
    assert_eq!(pieces, [(0, 3), (3, 1), (4, 0)]);
    let three = crate::files(&reference("part.1.hdf5"), How::default()).unwrap();
    assert_eq!(three, ["part.0.hdf5", "part.1.hdf5", "part.2.hdf5"].map(reference));
    assert_eq!(crate::files(&reference("gizmo.hdf5"), How::default()).unwrap().len(), 1);
}

#[test]
fn a_snapshot_that_is_not_whole_says_which_file_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| match read(path, Some("dark"), &PHASE_SPACE) {
        Err(FormatError::Unfit { message, hint }) => format!("{message} | {}", hint.unwrap_or_default()),
        _ => panic!("was read"),
    };
    for name in ["part.0.hdf5", "part.2.hdf5"] {
        fs::copy(reference(name), folder.path().join(name)).unwrap();
    }
    let lacking = error(&folder.path().join("part.0.hdf5"));
    assert!(
        lacking.contains(
            "is one of 3 files of a snapshot, and part.1.hdf5 is not beside it | copy all of them into one folder"
        ),
        "{lacking}"
    );
    let other = folder.path().join("part.hdf5");
    fs::copy(reference("part.0.hdf5"), &other).unwrap();
    let unnamed = error(&other);
    assert!(unnamed.contains("its name does not say which | name them"), "{unnamed}");
}
