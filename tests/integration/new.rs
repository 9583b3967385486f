//! `actionfinder new --from`: a pipeline for the columns of a file, which plans as written wherever it is put.

use crate::program::{Place, project};

/// Streams with names, as positions and velocities; every second column in another unit, and one that is not known.
fn streams(names: usize) -> String {
    let mut text = "Name,x,y,z,vx,vy,vz,G_mag\n".to_owned();
    for row in 0..names * 4 {
        let (stream, t) = (row / 4, row as f64);
        text += &format!(
            "S {stream},{},{},{},{},180,{},15\n",
            6.0 + t.sin(),
            t.cos(),
            0.1 * t.sin(),
            30.0 * t.cos(),
            9.0
        );
    }
    text
}

const GAIA: &str = "\
# %ECSV 1.0
# ---
# datatype:
# - {name: source_id, datatype: int64}
# - {name: ra, unit: deg, datatype: float64}
# - {name: ra_error, unit: mas, datatype: float64}
# - {name: dec, unit: deg, datatype: float64}
# - {name: dec_error, unit: mas, datatype: float64}
# - {name: parallax, unit: mas, datatype: float64}
# - {name: parallax_error, unit: mas, datatype: float64}
# - {name: pmra, unit: mas / yr, datatype: float64}
# - {name: pmdec, unit: mas / yr, datatype: float64}
# - {name: ruwe, datatype: float64}
# - {name: radial_velocity, unit: km / s, datatype: float64}
# delimiter: ','
source_id,ra,ra_error,dec,dec_error,parallax,parallax_error,pmra,pmdec,ruwe,radial_velocity
11,266.4,0.01,-28.9,0.01,0.5,0.02,-3.1,-5.5,1.0,20.0
12,120.0,0.01,30.0,0.01,1.0,0.02,2.0,-4.0,1.1,-15.0
13,200.0,0.01,5.0,0.01,2.0,0.02,-10.0,-8.0,0.9,40.0
";

/// The file `to` as `new --from` writes it, and what that said.
fn written(place: &Place, from: &str, to: &str) -> (String, String) {
    let said = place.well(&["new", "--from", from, to]).out;
    (std::fs::read_to_string(place.path(to)).unwrap(), said)
}

#[test]
fn a_file_with_streams_gives_the_template_with_its_own_columns() {
    let place = Place::new();
    place.write("my streams.csv", &streams(12));
    std::fs::create_dir_all(place.path("a/b")).unwrap();
    let (yaml, said) = written(&place, "my streams.csv", "a/b/gd1.yaml");
    for part in [
        "pipeline: \"gd1\"",
        "stream: \"Name\"\n",
        "x: \"x\" # no unit is stated: kpc",
        "vz: \"vz\" # no unit is stated: km/s",
        "# not mapped: G_mag\n",
        "train_potential",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    // Nobody knows their actions.
    assert!(!yaml.contains("truth") && !yaml.contains("J_phi"), "{yaml}");
    assert!(
        said.contains("48 rows; 7 columns are known by their names; kept as they are: 1 more")
            && said.contains("12 streams"),
        "{said}"
    );
    // As written, here and from elsewhere, and moved.
    let planned = place.well(&["plan", "a/b/gd1.yaml"]).out;
    assert!(
        planned.contains("train_potential") && planned.contains("train_actions"),
        "{planned}"
    );
    std::fs::rename(place.path("a/b/gd1.yaml"), place.path("gd1.yaml")).unwrap();
    place.well(&["plan", "gd1.yaml"]);
    let again = place.run(&["new", "--from", "my streams.csv", "gd1.yaml"]);
    assert_eq!(again.code, 2, "{}", again.err);
}

#[test]
fn a_column_that_is_there_twice_is_told_before_anything_is_written() {
    let place = Place::new();
    place.write(
        "twice.csv",
        "ra,ra,dec,parallax,pmra,pmdec,radial_velocity\n1,9,2,1,1,1,1\n",
    );
    for arguments in [
        &["new", "--from", "twice.csv", "p.yaml"][..],
        &["actions", "twice.csv", "--potential", "mcmillan_17", "-o", "o.csv"],
    ] {
        let gave = place.run(arguments);
        assert!(
            gave.code != 0 && gave.err.contains("has the column ra twice: columns 1 and 2"),
            "{}",
            gave.err
        );
    }
    assert!(!place.path("p.yaml").exists() && !place.path("o.csv").exists());
    place.write("one.csv", "x,y,z,vx,vy,vz\n8,0,0,0,220,0\n");
    let (_, said) = written(&place, "one.csv", "one.yaml");
    assert!(said.contains("1 row; 6 columns"), "{said}");
}

#[test]
fn true_actions_of_a_file_are_compared_with() {
    let place = Place::new();
    let sample = project("tests/reference/orbits_dehnen_binney_98_1_halo.parquet");
    let (yaml, said) = written(&place, &sample.to_string_lossy(), "p.yaml");
    assert!(
        said.contains("62 streams") && yaml.contains("J_r: \"J_r\"") && yaml.contains("truth: sets.test"),
        "{said}{yaml}"
    );
    place.well(&["plan", "p.yaml"]);
    // All that the template has beside the mapping is there: it differs from the file that comes with the program in nothing else.
    let template = std::fs::read_to_string(project("pipelines/your_data.yaml")).unwrap();
    let (_, rest) = template.split_once("\n\n  # Whole streams").unwrap();
    assert!(yaml.ends_with(rest), "{yaml}");
}

#[test]
fn stars_without_streams_get_actions_with_errors_in_a_known_potential() {
    let place = Place::new();
    place.write("gaia.ecsv", GAIA);
    let (yaml, said) = written(&place, "gaia.ecsv", "gaia.yaml");
    for part in [
        "parallax: \"parallax\" # mas",
        "pmra: \"pmra\" # mas / yr",
        "errors: { samples: 64",
        "# not mapped: source_id, ruwe",
    ] {
        assert!(yaml.contains(part), "{part}\n{yaml}");
    }
    assert!(
        !yaml.contains("stream:")
            && said.contains("3 rows; 6 columns are known by their names, of errors 3 and of correlations 0 besides"),
        "{yaml}{said}"
    );
    place.well(&["run", "gaia.yaml"]);
    place.well(&["export", "gaia.yaml:actions", "-o", "out.csv"]);
    let text = std::fs::read_to_string(place.path("out.csv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    for column in ["source_id", "ruwe", "J_phi", "J_r_sd"] {
        assert!(header.contains(&column), "{header:?}");
    }
    assert!(!header.contains(&"name"), "{header:?}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

/// Few streams, and stars without a velocity along the line of sight.
#[test]
fn what_cannot_be_learned_from_is_said() {
    let place = Place::new();
    place.write("few.csv", &streams(3));
    let (yaml, said) = written(&place, "few.csv", "few.yaml");
    assert!(
        said.contains("3 streams are too few to learn from") && yaml.contains("estimate_actions"),
        "{said}{yaml}"
    );
    place.well(&["plan", "few.yaml"]);
    let sky = "id,ra,dec,parallax,parallax_error,pmra,pmdec\n1,266.4,-28.9,0.5,0.02,-3.1,-5.5\n2,120.0,30.0,1.0,0.02,2.0,-4.0\n";
    place.write("sky.csv", &sky.replace("parallax_error", "other"));
    let (yaml, said) = written(&place, "sky.csv", "gap.yaml");
    assert!(
        said.contains("not known by their names: v_los") && yaml.contains("v_los: ??? # the file's column, in km/s"),
        "{said}{yaml}"
    );
    place.write("sky.csv", sky);
    let (yaml, said) = written(&place, "sky.csv", "sky.yaml");
    assert!(
        said.contains("no line-of-sight velocities") && yaml.contains("v_los_dispersion: 120 km/s"),
        "{said}{yaml}"
    );
    place.well(&["run", "sky.yaml"]);
    let shown = place.well(&["show", "sky.yaml", "actions"]).out;
    assert!(shown.contains("2 rows") && shown.contains("J_phi_sd"), "{shown}");
    // A unit of something else is pointed at before anything runs.
    place.write(
        "wrong.ecsv",
        &GAIA.replace("{name: parallax, unit: mas", "{name: parallax, unit: kpc"),
    );
    let (_, said) = written(&place, "wrong.ecsv", "wrong.yaml");
    assert!(
        said.contains("look at column parallax: \"kpc\" is a length, not an angle (mas)"),
        "{said}"
    );
    // Nothing is written for a file whose columns say nothing.
    place.write("other.csv", "a,b\n1,2\n");
    let gave = place.run(&["new", "--from", "other.csv", "other.yaml"]);
    assert!(gave.code == 2 && gave.err.contains("its columns: a, b"), "{}", gave.err);
    assert!(!place.path("other.yaml").exists());
}

/// What has other names is a gap, which `plan` names at its line; filled in, the pipeline runs.
#[test]
fn columns_of_other_names_are_gaps() {
    let place = Place::new();
    place.write(
        "mine.csv",
        "x_kpc,y_kpc,z_kpc,vx_kms,vy,Vz,mag\n8,0,0.1,5,200,3,15\n7,1,0.2,5,210,3,15\n",
    );
    let refused = place.run(&["actions", "mine.csv", "--potential", "mcmillan_17", "-o", "o.csv"]);
    assert!(
        refused.code == 2 && refused.err.contains("actionfinder new --from mine.csv my_stars.yaml"),
        "{}",
        refused.err
    );
    let (yaml, said) = written(&place, "mine.csv", "mine.yaml");
    assert!(said.contains("not known by their names: x, y, z, vx;"), "{said}");
    let planned = place.run(&["plan", "mine.yaml"]);
    assert_eq!(planned.code, 3, "{}", planned.err);
    let line = 1 + yaml
        .lines()
        .position(|line| line.contains("x: ??? # the file's column, in kpc, perhaps x_kpc"))
        .unwrap();
    assert!(
        planned.err.contains(&format!("mine.yaml:{line}:")) && planned.err.contains("4 mistakes"),
        "{}",
        planned.err
    );
    let mut filled = yaml;
    for column in ["x_kpc", "y_kpc", "z_kpc", "vx_kms"] {
        filled = filled.replacen("???", column, 1);
    }
    place.write("mine.yaml", &filled);
    place.well(&["run", "mine.yaml"]);
    place.write(
        "gaia.csv",
        "ra,dec,parallax,pm_RA_star,pmdec,radial_velocity\n10,20,1,3,2,5\n",
    );
    let (yaml, _) = written(&place, "gaia.csv", "gaia.yaml");
    assert!(
        yaml.contains("pmra: ??? # the file's column, in mas/yr, perhaps pm_RA_star"),
        "{yaml}"
    );
    assert_eq!(yaml.matches("???").count(), 1, "{yaml}");
}
