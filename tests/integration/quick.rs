//! One line instead of a pipeline: `actions` and `predict`.

use crate::program::{Place, project};

const GAIA: &str = "\
source_id,ra,dec,parallax,pmra,pmdec,radial_velocity
11,266.4,-28.9,0.5,-3.1,-5.5,20.0
12,120.0,30.0,1.0,2.0,-4.0,-15.0
13,10.0,-60.0,0.8,5.0,1.0,
14,200.0,5.0,2.0,-10.0,-8.0,40.0
";

#[test]
fn a_gaia_table_gives_actions_in_one_line_and_a_second_time_from_the_cache() {
    let place = Place::new();
    place.write("my stars.csv", GAIA);
    let line = [
        "actions",
        "my stars.csv",
        "--potential",
        "mw_potential_2014",
        "-o",
        "out.csv",
    ];
    let first = place.well(&line);
    // One has no velocity.
    assert!(first.err.contains("out.csv: 3 rows"), "{}\n{}", first.out, first.err);
    let text = std::fs::read_to_string(place.path("out.csv")).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    for column in ["source_id", "x", "vz", "J_phi", "J_z", "J_r", "theta_r", "Omega_z"] {
        assert!(header.contains(&column), "{header:?}");
    }
    let place_of = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0][place_of("source_id")], "11");
    // They turn with the Galaxy.
    for row in &rows {
        assert!(row[place_of("J_phi")].parse::<f64>().unwrap().abs() > 500.0, "{row:?}");
    }
    let again = place.well(&line);
    assert!(
        again.err.contains("out.csv: 3 rows") && !again.err.contains("estimate_actions"),
        "{}",
        again.err
    );
    assert_eq!(std::fs::read_to_string(place.path("out.csv")).unwrap(), text);
    // What is missing is said each time.
    for gave in [first, again] {
        assert!(
            gave.err
                .contains("3 of 4 rows; 1 set aside:\n  1: radial_velocity missing (row 3)")
                && gave.err.contains("pipeline.yaml stars.set_aside_rows"),
            "{}",
            gave.err
        );
    }
}

#[test]
fn stars_without_a_result_are_said_each_time() {
    let place = Place::new();
    place.write(
        "stars.csv",
        "x,y,z,vx,vy,vz\n0,0,0,0,0,0\n8,0,0,0,220,10\n8,0,0,1000,0,0\n9,0,0,0,1200,0\n",
    );
    let line = ["actions", "stars.csv", "--potential", "mcmillan_17", "-o", "out.csv"];
    for _ in 0..2 {
        let gave = place.well(&line);
        assert!(
            gave.err.contains(
                "1 of 4 stars; 3 set aside:\n  2: unbound (first star 0 of stream 3)\n  1: the star rests at the centre"
            ) && gave.err.contains("(star 0 of stream 1)")
                && gave.err.contains("pipeline.yaml actions.set_aside"),
            "{}",
            gave.err
        );
    }
}

/// Of a file that says twice where stars are one is used, with errors and without, and it is said: by `actions`, `predict` and `new --from`.
#[test]
fn a_file_with_positions_and_sky_gives_one_answer() {
    let place = Place::new();
    let rows = [
        "266.4,-28.9,0.5,-3.1,-5.5,20,",
        "120,30,1,2,-4,-15,",
        "200,5,2,-10,-8,40,",
    ];
    let wrong = ["1000,20,3,11,220,7", "900,21,4,12,230,8", "800,22,5,13,240,9"];
    let both = rows.iter().zip(wrong);
    let both: Vec<String> = both.map(|(sky, positions)| format!("{sky}{positions}")).collect();
    let header = "ra,dec,parallax,pmra,pmdec,radial_velocity,x,y,z,vx,vy,vz";
    place.write("plain.csv", &format!("{header}\n{}\n", both.join("\n")));
    let with_errors: Vec<String> = both.iter().map(|row| format!("{row},0.02,0.03,0.03,1.5")).collect();
    let errors = "parallax_error,pmra_error,pmdec_error,radial_velocity_error";
    place.write(
        "errors.csv",
        &format!("{header},{errors}\n{}\n", with_errors.join("\n")),
    );
    let used = "`parallax ra dec pmra pmdec radial_velocity` are used, `x y z vx vy vz` are not";
    let actions = |file: &str| -> Vec<String> {
        let point = "{ isochrone: { mass: 3.0e11, scale: 4.0 } }";
        let gave = place.well(&[
            "actions",
            file,
            "--potential",
            point,
            "--method",
            "isochrone",
            "-o",
            "o.csv",
            "--log",
            "plain",
        ]);
        let said = gave.err + &gave.out;
        assert!(said.contains(used), "{said}");
        assert!(
            said.contains("contradict the sky in 3 of 3 rows; the first is row 1; there x is 1000.0000 kpc"),
            "{said}"
        );
        let text = std::fs::read_to_string(place.path("o.csv")).unwrap();
        let names: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        assert_eq!(names.contains(&"J_r_sd"), file == "errors.csv");
        let wanted = ["x", "vz", "J_phi", "J_z", "J_r"].map(|name| names.iter().position(|own| *own == name).unwrap());
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            wanted.map(|at| cells[at]).join(" ")
        };
        text.lines().skip(1).map(row).collect()
    };
    let plain = actions("plain.csv");
    assert_eq!(plain.len(), 3);
    assert_eq!(plain, actions("errors.csv"));
    std::fs::copy(
        project("tests/golden/field.safetensors"),
        place.path("field.safetensors"),
    )
    .unwrap();
    // What was brought in before is not said again; so another file.
    let fewer = format!("{header},{errors}\n{}\n", with_errors[1..].join("\n"));
    place.write("fewer.csv", &fewer);
    let gave = place.well(&[
        "predict",
        "field.safetensors",
        "fewer.csv",
        "-o",
        "a.csv",
        "--log",
        "plain",
    ]);
    assert!((gave.err + &gave.out).contains(used));
    let gave = place.well(&["new", "--from", "errors.csv", "mine.yaml"]);
    assert!((gave.err + &gave.out).contains(used));
    let yaml = std::fs::read_to_string(place.path("mine.yaml")).unwrap();
    assert!(yaml.contains("ra: \"ra\"") && !yaml.contains("x: \"x\""), "{yaml}");
}

#[test]
fn the_pipeline_can_be_seen_and_is_one_that_runs() {
    let place = Place::new();
    place.write("s.csv", GAIA);
    place.write(
        "halo.ini",
        "[Potential]\ntype = Isochrone\nmass = 3e11\nscaleRadius = 4\n",
    );
    let explained = place.well(&[
        "actions",
        "s.csv",
        "--potential",
        "halo.ini",
        "--method",
        "spherical",
        "--explain",
        "-o",
        "o.parquet",
    ]);
    assert!(!place.path("results").exists() && !place.path("o.parquet").exists());
    let folder = place.path("").to_string_lossy().trim_end_matches('/').to_owned();
    place.write(
        "p.yaml",
        &explained
            .out
            .replace("[place]", &folder)
            .replace("pipeline: my_actions_s", "pipeline: mine"),
    );
    place.well(&["run", "p.yaml"]);
    place.well(&["export", "p.yaml:actions", "-o", "ini.csv"]);
    // The same potential by its formula.
    let formula = "{ isochrone: { mass: 3.0e11, scale: 4.0 } }";
    place.well(&[
        "actions",
        "s.csv",
        "--potential",
        formula,
        "--method",
        "isochrone",
        "-o",
        "exact.csv",
    ]);
    let actions = |file: &str| -> Vec<f64> {
        let text = std::fs::read_to_string(place.path(file)).unwrap();
        let column = text
            .lines()
            .next()
            .unwrap()
            .split(',')
            .position(|name| name == "J_r")
            .unwrap();
        let cell = |line: &str| line.split(',').nth(column).unwrap().parse().unwrap();
        text.lines().skip(1).map(cell).collect()
    };
    let (ini, exact) = (actions("ini.csv"), actions("exact.csv"));
    assert_eq!(ini.len(), 3);
    assert!(
        ini.iter().zip(&exact).all(|(a, b)| (a / b - 1.0).abs() < 1e-8),
        "{ini:?} {exact:?}"
    );
    // What the file holds decides, and a mistake in it is said with its line.
    place.write(
        "halo.ini",
        "[Potential]\ntype = Isochrone\nmass = 3e11\nscaleRadius = 4\nnoise = 1\n",
    );
    let wrong = place.run(&["run", "p.yaml"]);
    assert_eq!(wrong.code, 4);
    assert!(
        wrong
            .err
            .contains("halo.ini, line 5: `noise` is not read for type Isochrone"),
        "{}",
        wrong.err
    );
}

/// `--method finder` builds its table in the same pipeline; here a small one.
#[test]
fn the_finder_has_its_table_built_and_says_its_errors() {
    let place = Place::new();
    place.write(
        "s.csv",
        "x,y,z,vx,vy,vz\n8,0,0,50,200,20\n9,0,0.5,-40,190,30\n7,1,0,20,210,-10\n8,0,0,150,20,5\n",
    );
    let formula = "{ isochrone: { mass: 3.0e11, scale: 4.0 } }";
    let by = |method: &str, more: &[&str]| {
        let line = ["actions", "s.csv", "--potential", formula, "--method", method];
        place.run(&[&line, more].concat())
    };
    let explained = by("finder", &["--radii", "5,12", "--explain", "-o", "o.csv"]).out;
    assert!(explained.contains("radii: [5, 12], energies: 8 }"), "{explained}");
    let folder = place.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let small = explained
        .replace("[place]", &folder)
        .replace("pipeline: my_actions_s", "pipeline: mine")
        .replace("energies: 8 }", "energies: 4, momenta: 4, tilts: 6 }");
    place.write("p.yaml", &small);
    place.well(&["run", "p.yaml"]);
    place.well(&["export", "p.yaml:actions", "-o", "found.csv"]);
    assert_eq!(by("isochrone", &["-o", "exact.csv"]).code, 0);
    let column = |file: &str, name: &str| -> Vec<f64> {
        let text = std::fs::read_to_string(place.path(file)).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let at = header.split(',').position(|own| own == name).unwrap();
        rows.lines()
            .map(|row| row.split(',').nth(at).unwrap().parse().unwrap())
            .collect()
    };
    // The last has too little angular momentum.
    let (found, exact) = (column("found.csv", "J_r"), column("exact.csv", "J_r"));
    assert_eq!((found.len(), exact.len()), (3, 4));
    for ((found, exact), error) in found.iter().zip(exact).zip(column("found.csv", "J_error")) {
        assert!(
            error > 0.0 && (found - exact).abs() < 5.0 * error + 1e-3,
            "{found} {exact} {error}"
        );
    }
    let wrong = by("fudge", &["--radii", "5,12", "-o", "o.csv"]);
    assert!(
        wrong.err.contains("--radii: belongs to --method finder"),
        "{}",
        wrong.err
    );
    let wrong = by("finder", &["--radii", "12,5", "-o", "o.csv"]);
    assert!(wrong.err.contains("two radii in kpc that rise"), "{}", wrong.err);
}

/// The file of the stars, and tables of the results, are never written over, under whatever name.
#[test]
fn what_is_read_is_never_written_over() {
    let place = Place::new();
    place.write("s.csv", GAIA);
    let line = |to: &str| ["actions", "s.csv", "--potential", "mw_potential_2014", "-o", to].map(str::to_owned);
    let run = |to: &str| place.run(&line(to).each_ref().map(String::as_str));
    std::os::unix::fs::symlink("s.csv", place.path("link.csv")).unwrap();
    for to in ["s.csv", "./s.csv", "link.csv"] {
        let gave = run(to);
        assert!(
            gave.code == 2 && gave.err.contains("is left as it is"),
            "{to}: {}",
            gave.err
        );
    }
    assert_eq!(run("out.csv").code, 0);
    let pipeline = "results/actions_s_mw_potential_2014/pipeline.yaml";
    let gave = place.run(&["export", &format!("{pipeline}:actions"), "-o", "s.csv"]);
    assert!(gave.code == 2 && gave.err.contains("is left as it is"), "{}", gave.err);
    assert_eq!(std::fs::read_to_string(place.path("s.csv")).unwrap(), GAIA);
    // Nor a table of the store.
    let shown = place.well(&["show", pipeline, "actions"]).out;
    let table = shown
        .lines()
        .next()
        .unwrap()
        .replace("[place]", &place.path("").to_string_lossy());
    let gave = place.run(&["export", &table, "-o", &table]);
    assert!(
        gave.code == 2 && gave.err.contains("is left as it is"),
        "{table}: {}",
        gave.err
    );
}

#[test]
fn what_a_file_lacks_is_said_with_what_it_has() {
    let place = Place::new();
    place.write("s.csv", "id,ra,dec,parallax,pmra,pmdec\n1,2,3,4,5,6\n");
    let gave = place.run(&["actions", "s.csv", "--potential", "mcmillan_17", "-o", "o.csv"]);
    assert_eq!(gave.code, 2, "{}", gave.err);
    assert!(
        gave.err.contains("s.csv: has no column radial_velocity"),
        "{}",
        gave.err
    );
    assert!(
        gave.err.contains("its columns: id, ra, dec, parallax, pmra, pmdec"),
        "{}",
        gave.err
    );
    let format = place.run(&["actions", "s.csv", "--potential", "mcmillan_17", "-o", "o.xls"]);
    assert!(format.code == 2 && format.err.contains("o.xls"), "{}", format.err);
    place.write("s.csv", GAIA);
    let name = place.run(&["actions", "s.csv", "--potential", "mcmilan_17", "-o", "o.csv"]);
    assert!(
        name.code == 2
            && name.err.contains("--potential: ")
            && name.err.contains("did you mean `mcmillan_17`?")
            && !name.err.contains("pipeline.yaml"),
        "{}",
        name.err
    );
}

#[test]
fn a_network_that_was_given_away_is_applied_in_one_line() {
    let place = Place::new();
    place.write("s.csv", GAIA);
    std::fs::copy(
        project("tests/golden/field.safetensors"),
        place.path("field.safetensors"),
    )
    .unwrap();
    let gave = place.well(&["predict", "field.safetensors", "s.csv", "-o", "a.csv"]);
    assert!(gave.err.contains("a.csv: 3 rows"), "{}", gave.err);
    let text = std::fs::read_to_string(place.path("a.csv")).unwrap();
    assert!(text.lines().next().unwrap().contains("ax,ay,az"), "{text}");
    place.write("other.safetensors", "no network");
    let wrong = place.run(&["predict", "other.safetensors", "s.csv", "-o", "a.csv"]);
    assert!(
        wrong.code == 4 && wrong.err.contains("is not a whole safetensors file"),
        "{}",
        wrong.err
    );
}

/// A line that fails says which option is wrong, before anything is written, and leaves what a good one made.
#[test]
fn a_wrong_line_is_said_by_its_option_and_harms_no_results() {
    let place = Place::new();
    let line = |more: &[&str]| {
        let mut line = vec!["actions", "s.csv"];
        line.extend(more);
        place.run(&line)
    };
    let good = ["--potential", "mw_potential_2014", "-o", "o.csv", "--samples", "0"];
    place.write("s.csv", GAIA);
    assert_eq!(line(&good).code, 0);
    let pipeline = "results/actions_s_mw_potential_2014/pipeline.yaml";
    let before = std::fs::read_to_string(place.path(pipeline)).unwrap();
    place.write(
        "s.csv",
        "ra,dec,parallax,parallax_error,pmra,pmdec,radial_velocity\n10,20,1,0.1,1,2,3\n",
    );
    for (more, said) in [
        (
            &["--potential", "mw_potential_2014", "-o", "o.csv", "--samples", "10"][..],
            "--samples: must be at least 40, not 10",
        ),
        (
            &["--potential", "mw_potential_2014", "-o", "nowhere/o.csv"],
            "nowhere: there is no such folder",
        ),
        (
            &["--potential", "mw_potential_2014", "-o", "o.csv", "--table", "foo"],
            "s.csv: has one table",
        ),
        (&["-o", "o.csv"], "such as --potential mcmillan_17"),
    ] {
        let gave = line(more);
        assert!(gave.code == 2 && gave.err.contains(said), "{more:?}: {}", gave.err);
        assert!(
            !gave.err.contains("For more information") && !gave.err.contains("pipeline.yaml"),
            "{}",
            gave.err
        );
    }
    for (file, said) in [
        ("none.fits", "none.fits: there is no such file"),
        ("results", "results: is a folder"),
    ] {
        let gave = place.run(&["actions", file, "--potential", "mw_potential_2014", "-o", "o.csv"]);
        assert!(gave.code == 2 && gave.err.contains(said), "{}", gave.err);
    }
    assert_eq!(std::fs::read_to_string(place.path(pipeline)).unwrap(), before);
    place.write("s.csv", GAIA);
    place.well(&["show", pipeline, "actions"]);
}

/// Mistakes on the command line are said in our words, whatever the command.
#[test]
fn usage_is_said_without_words_of_a_library() {
    let place = Place::new();
    for (line, said) in [
        (&["run"][..], "error: <PIPELINE> is missing"),
        (&["run", "p.yaml", "--foo"], "error: --foo is not known here"),
        (&["runx"], "did you mean runs or run?"),
        (&["run", "p.yaml", "--log", "x"], "help: one of auto, bar, plain, json"),
        (&["run", "p.yaml", "--log"], "--log <LOG> lacks its value"),
        (&["run", "p.yaml", "--watch", "--dry-run"], "exclude each other"),
        (&["actions", "s.csv", "--samples", "p"], "want a whole number"),
        (
            &["run", "p.yaml", "--threads", "x"],
            "want a whole number from 1 to 512",
        ),
    ] {
        let gave = place.run(line);
        assert!(gave.code == 2 && gave.err.contains(said), "{line:?}: {}", gave.err);
        for theirs in ["For more information", "argument", "digit", "subcommand", "value for"] {
            assert!(!gave.err.contains(theirs), "{line:?}: {}", gave.err);
        }
    }
}
