//! What a long file needs of memory.

use std::fmt::Write as _;
use std::process::Command;

use formats::{How, Role, Wanted, Written};
use tables::RecordBatch;

use crate::program::{PROGRAM, Place};

/// Runs a command, and prints the most memory that one of its processes held, in KiB.
const MEASURED: &str = "\
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
";

/// Stars as a catalogue has them, with 13 columns besides, of which one is a text.
fn catalogue(rows: usize) -> String {
    let mut text = "source_id,x,y,z,vx,vy,vz,class".to_owned();
    (0..12).for_each(|more| write!(text, ",m{more}").unwrap());
    text.push('\n');
    for row in 0..rows {
        let turn = row as f64;
        let (x, y) = (8.0 * turn.cos(), 8.0 * turn.sin());
        write!(text, "{row},{x:.6},{y:.6},0.{row:06},{y:.3},{x:.3},20,class {row}").unwrap();
        (0..12).for_each(|more| write!(text, ",{more}.{row}").unwrap());
        text.push('\n');
    }
    text
}

/// MiB at the most.
fn peak(place: &Place, from: &str, to: &str) -> f64 {
    let potential = "{ isochrone: { mass: 3.0e11, scale: 4.0 } }";
    let line = [
        "actions",
        from,
        "--potential",
        potential,
        "--method",
        "isochrone",
        "-o",
        to,
    ];
    let output = Command::new("python3")
        .args(["-c", MEASURED, PROGRAM])
        .args(line)
        .args(["--threads", "1"])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse::<f64>().unwrap() / 1024.0
}

/// The same catalogue in another format.
fn written(place: &Place, from: &str, to: &str) {
    let path = place.path(from);
    let columns = formats::columns(&path, How::default()).unwrap();
    let wanted: Vec<Wanted> = columns
        .iter()
        .map(|column| (column.name.as_str(), Role::Kept))
        .collect();
    let table = formats::read(&path, How::default(), &wanted).unwrap();
    let of = wanted
        .iter()
        .map(|(name, _)| (*name, table.kept(name).unwrap().clone(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(of).unwrap();
    let to = place.path(to);
    formats::write(&to, Written::of(&to).unwrap(), "stars", &batch).unwrap();
}

/// Three times as many stars, in and out. The shorter table fills what is held of one already. The longer has 45 MiB more in
/// numbers alone: none of its copies may be whole.
#[test]
fn a_long_file_needs_no_more_memory_than_a_short_one() {
    let place = Place::new();
    let ways = [("csv", "parquet"), ("fits", "fits"), ("parquet", "ecsv")];
    let sizes = [140_000, 420_000].map(|rows| {
        let name = |ending: &str| format!("s{rows}.{ending}");
        place.write(&name("csv"), &catalogue(rows));
        ways.map(|(from, to)| {
            if from != "csv" {
                written(&place, &name("csv"), &name(from));
            }
            peak(&place, &name(from), &format!("{from}_{rows}.{to}"))
        })
    });
    let [short, long] = &sizes;
    for ((short, long), (from, to)) in short.iter().zip(long).zip(ways) {
        assert!(
            long - short < 30.0,
            "{from} to {to}: {short:.0} MiB, then {long:.0} MiB"
        );
    }
}
