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
fn a_figure_is_written_for_papers_and_its_points_for_other_programs() {
    let place = Place::with(&format!(
        "{YAML}  seen:\n    figure: {{ from: {{ stars: stars }}, with: {{ draw: orbits }} }}\n"
    ));
    std::fs::copy(project("tests/cases/format_fits/s.fits"), place.path("s.fits")).unwrap();
    place.well(&["run", "p.yaml"]);
    for (ending, begins) in [
        ("svg", &b"<svg "[..]),
        ("pdf", &b"%PDF-"[..]),
        ("png", &b"\x89PNG"[..]),
        ("parquet", &b"PAR1"[..]),
    ] {
        let to = place.path(&format!("seen.{ending}"));
        place.well(&["export", "p.yaml:seen", "-o", to.to_str().unwrap()]);
        assert!(std::fs::read(&to).unwrap().starts_with(begins), "{ending}");
    }
    // Two stars, each from above and in the meridional plane.
    let points = tables::read(&place.path("seen.parquet")).unwrap();
    assert_eq!(points.num_rows(), 4);
    assert_eq!(tables::bool_column(&points, "inside").unwrap(), [true; 4]);
    let stars = place.path("stars.parquet");
    place.well(&["export", "p.yaml:stars", "-o", stars.to_str().unwrap()]);
    let stars = tables::read(&stars).unwrap();
    let mut drawn = tables::f64_column(&points, "x").unwrap()[..2].to_vec();
    let mut there = tables::f64_column(&stars, "x").unwrap().to_vec();
    drawn.sort_by(f64::total_cmp);
    there.sort_by(f64::total_cmp);
    assert_eq!(drawn, there);
    let page = std::fs::read_to_string(place.path("results/p/report.html")).unwrap();
    assert!(
        page.contains("Positions of 2 stars in") && page.contains("From stars."),
        "the caption is under the figure"
    );
    let gave = place.run(&["export", "p.yaml:known", "-o", "k.pdf"]);
    assert!(
        gave.code == 2 && gave.err.contains("is no figure of the results"),
        "{}",
        gave.err
    );
    // What is missing in one folder may be in another.
    let gave = place.run(&["export", "p.yaml:seen", "-o", "k.pdf", "--results", "other"]);
    let command = "seen.figure is not in the results folder other\n  help: make it with: actionfinder run p.yaml --results other --to seen\n";
    assert!(gave.code == 2 && gave.err.contains(command), "{}", gave.err);
    let gave = place.run(&["export", "p.yaml:seen", "-o", "k.eps"]);
    let help = "help: end it in .svg, .pdf or .png";
    assert!(gave.code == 2 && gave.err.contains(help), "{}", gave.err);
}

#[test]
fn without_an_output_the_one_that_is_taken_is_told_and_fits_has_its_name() {
    let place = place();
    place.well(&["run", "p.yaml"]);
    let gave = place.run(&["export", "p.yaml", "-o", "k.fits"]);
    assert!(
        gave.code == 0 && gave.err.contains("known.stars: the last stage's table"),
        "{}",
        gave.err
    );
    let bytes = std::fs::read(place.path("k.fits")).unwrap();
    let headers = String::from_utf8_lossy(&bytes);
    assert!(headers.contains("EXTNAME = 'known.stars'"));
    assert!(
        !headers
            .split("TCOMM")
            .skip(1)
            .any(|card| card[..70.min(card.len())].contains('?'))
    );
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
            "known.stars is not in the results folder results\n  help: make it with: actionfinder run p.yaml --to known\n",
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
        gave.code == 2 && gave.err.contains("no/such: there is no such folder: make it first"),
        "{} {}",
        gave.code,
        gave.err
    );
    assert!(!place.path("k.fits").exists());
}

#[test]
fn kept_columns_travel_to_the_results_in_the_order_of_the_file() {
    let place = Place::with(
        &YAML
            .replace("s.fits", "s.csv")
            .replace("vz: vz }", "vz: vz }\n        keep: [source_id, name, x]"),
    );
    let rows = ["5853498713190525696,C,2", "7,A,3", "9007199254740993,B,1"];
    let rows = rows.map(|row| {
        let (source, id) = row.rsplit_once(',').unwrap();
        format!("{source},{id},8.{id},0,0,0,220,1\n")
    });
    place.write("s.csv", &format!("source_id,name,id,x,y,z,vx,vy,vz\n{}", rows.concat()));
    place.well(&["run", "p.yaml"]);
    let to = place.path("k.fits");
    place.well(&["export", "p.yaml:known", "-o", to.to_str().unwrap()]);
    // No stream has a name, so that the column is the file's.
    let wanted = ["stream", "row", "source_id", "name"].map(|name| (name, Role::Kept));
    let found = formats::read(&to, How::default(), &wanted).unwrap();
    let whole = |name: &str| {
        use arrow::array::AsArray;
        found
            .kept(name)
            .unwrap()
            .as_primitive::<arrow::datatypes::Int64Type>()
            .values()
            .to_vec()
    };
    assert_eq!((whole("stream"), whole("row")), (vec![2, 3, 1], vec![1, 2, 3]));
    assert_eq!(
        whole("source_id"),
        [5_853_498_713_190_525_696, 7, 9_007_199_254_740_993]
    );
    let numbers = formats::read(&to, How::default(), &[("x", Role::Number), ("x_kept", Role::Number)]).unwrap();
    for row in 0..3 {
        let of = |name: &str| numbers.numbers(name).unwrap().get(row).unwrap();
        assert_eq!(of("x"), of("x_kept"));
    }
}

/// Whatever kind passes stars on, and whoever adds one: what the file said of them goes along.
#[test]
fn kept_columns_travel_through_a_choice_of_stars() {
    let place = Place::with(
        &YAML
            .replace("s.fits", "s.csv")
            .replace("vz: vz }", "vz: vz }\n        keep: [source_id]")
            .replace("{ stars: stars }", "{ stars: near }")
            .replace(
                "  known:",
                "  near: { select_stars: { from: { stars: stars }, with: { within: { radius: { below: 9 } } } } }\n  known:",
            ),
    );
    place.write(
        "s.csv",
        "source_id,id,x,y,z,vx,vy,vz\n9007199254740993,1,8,0,0,0,220,1\n7,2,20,0,0,0,220,1\n",
    );
    place.well(&["run", "p.yaml"]);
    for output in ["p.yaml:near", "p.yaml:known"] {
        place.well(&["export", output, "-o", "k.csv"]);
        let text = std::fs::read_to_string(place.path("k.csv")).unwrap();
        assert!(
            text.lines().next().unwrap().ends_with("row,source_id"),
            "{output}: {text}"
        );
        assert!(
            text.lines().nth(1).unwrap().ends_with(",1,9007199254740993"),
            "{output}: {text}"
        );
    }
}
