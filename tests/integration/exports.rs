//! Outputs for other programs: `export`, and the list of `show`.

use formats::{How, Role};

use crate::program::{Place, project};

const YAML: &str = "pipeline: p
stages:
  stars:
    import_streams:
      with:
        path: s.fits
        columns: { stream: id, x: x, y: y, z: z, vx: vx, vy: vy, vz: vz }
  known:
    estimate_actions:
      from: { stars: stars }
      with: { method: { spherical: { potential: { isochrone: { mass: 3e11, scale: 5 } } } } }
";

fn place() -> Place {
    let place = Place::with(YAML);
    std::fs::copy(project("tests/cases/format_fits/s.fits"), place.path("s.fits")).unwrap();
    place
}

#[test]
fn every_output_is_listed_and_exported_with_its_units() {
    let place = place();
    let before = place.well(&["show", "p.yaml"]).out;
    assert_eq!(before.matches("not made yet").count(), 4, "{before}");
    place.well(&["run", "p.yaml"]);
    let listed = place.well(&["show", "p.yaml"]).out;
    let lines: Vec<Vec<&str>> = listed
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let names: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    assert_eq!(
        names,
        ["stars.stars", "stars.set_aside_rows", "known.stars", "known.set_aside"]
    );
    let rows: Vec<&str> = lines.iter().map(|line| line[2]).collect();
    assert_eq!(rows, ["2", "0", "2", "0"]);
    let original = tables::read(&place.path(lines[2][3])).unwrap();
    let expected = tables::f64_column(&original, "J_r").unwrap();
    for (from, ending) in [
        ("p.yaml", "parquet"),
        ("p.yaml:known", "csv"),
        ("p.yaml:known.stars", "ecsv"),
        (lines[2][3], "fits"),
    ] {
        let to = place.path(&format!("k.{ending}"));
        place.well(&["export", from, "-o", to.to_str().unwrap()]);
        let found = formats::read(&to, How::default(), &[("J_r", Role::Number), ("Omega_z", Role::Number)]).unwrap();
        let numbers = found.numbers("J_r").unwrap();
        // The same to the last bit.
        assert_eq!([0, 1].map(|row| numbers.get(row).unwrap()), expected, "{ending}");
        let units = ["J_r", "Omega_z"].map(|name| found.unit(name));
        let stated = [Some("km s-1 kpc"), Some("km s-1 kpc-1")];
        assert_eq!(units, if ending == "csv" { [None; 2] } else { stated }, "{ending}");
    }
}

#[test]
fn what_cannot_be_exported_says_why() {
    let place = place();
    for (arguments, words) in [
        (
            ["export", "p.yaml", "-o", "k.xlsx"],
            "k.xlsx has no ending of a format that is written",
        ),
        (
            ["export", "p.yaml:known", "-o", "k.fits"],
            "known.stars is not there yet",
        ),
        (
            ["export", "p.yaml:no", "-o", "k.fits"],
            "there is no stage no; there are: stars, known",
        ),
        (["export", "s.fits", "-o", "k.csv"], "s.fits is no table of the results"),
    ] {
        let gave = place.run(&arguments);
        assert!(gave.code == 2 && gave.err.contains(words), "{} {}", gave.code, gave.err);
    }
    place.well(&["run", "p.yaml"]);
    let gave = place.run(&["export", "p.yaml", "-o", "no/such/k.fits"]);
    assert!(
        gave.code == 4 && gave.err.contains("No such file"),
        "{} {}",
        gave.code,
        gave.err
    );
    assert!(!place.path("k.fits").exists());
}
