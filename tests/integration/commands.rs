//! Every command, and the exit codes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::data::{SMALL, swept};
use crate::program::{Place, kinds, project};

#[test]
fn help_of_every_command() {
    let place = Place::new();
    let mut text = place.well(&["--help"]).out;
    let commands: Vec<String> = text
        .lines()
        .skip_while(|line| *line != "Run:")
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help" && name.chars().all(char::is_alphabetic))
        .collect();
    // Those that are dispatched, but for those that are for the program and its packing, and an older name.
    let source = std::fs::read_to_string(project("src/cli/mod.rs")).unwrap();
    let dispatched = source.lines().filter_map(|line| line.trim().strip_prefix("Command::"));
    let dispatched = dispatched.map(|line| line.split('(').next().unwrap().to_lowercase());
    let dispatched = dispatched.filter(|name| !["job", "worker", "manual", "gc"].contains(&name.as_str()));
    // In help they are grouped by what they are for.
    let sorted = |names: Vec<String>| names.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(commands.clone()), sorted(dispatched.collect()));
    for command in commands {
        text.push_str(&format!(
            "\n\n$ actionfinder {command} --help\n{}",
            place.well(&[&command, "--help"]).out
        ));
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn version() {
    assert_eq!(
        Place::new().well(&["--version"]).out,
        format!("actionfinder {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_the_system_refuses_is_said_without_its_numbers() {
    let place = Place::with(SMALL);
    std::fs::create_dir(place.path("folder")).unwrap();
    for arguments in [
        &["runs", "where", "no.parquet"][..],
        &["show", "no.parquet"],
        &["show", "no.safetensors"],
        &["show", "no.svg"],
        &["new", "no/p.yaml"],
        &["new", "--from", "no.csv", "q.yaml"],
        &["explain", "--write", "p.yaml/pages"],
        &["export", "no.svg", "-o", "a.pdf"],
        &["export", "p.yaml:orbits", "-o", "no/a.csv"],
        &["report", "no.yaml"],
        &["predict", "no.safetensors", "no.csv", "-o", "o.csv"],
        &["actions", "no.csv", "--potential", "mcmillan_17", "-o", "o.csv"],
        &["run", "p.yaml", "--results", "p.yaml/results"],
        &["run", "folder"],
    ] {
        let gave = place.run(arguments);
        assert!(gave.code != 0 && !gave.err.is_empty(), "{arguments:?}");
        assert!(!gave.err.contains("os error"), "{arguments:?}: {}", gave.err);
    }
}

/// Whatever is given for a pipeline, every command says what it is, in words of ours.
#[test]
fn what_is_no_pipeline_is_said_by_every_command() {
    let place = Place::new();
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::create_dir(place.path("folder.yaml")).unwrap();
    place.write("empty.yaml", "");
    let bytes: Vec<u8> = (0..2000_u32).map(|number| (number * number % 251) as u8).collect();
    std::fs::write(place.path("binary.yaml"), bytes).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("dangling.yaml")).unwrap();
    std::fs::write(place.path("stars.csv"), "x,y\n1,2\n").unwrap();
    let files = [
        ("none.yaml", "it does not exist"),
        ("dangling.yaml", "it does not exist"),
        ("folder.yaml", "is a folder"),
        ("folder", "is a folder"),
        ("empty.yaml", "is empty"),
        ("binary.yaml", "is not a text file"),
        ("stars.csv", "is a table, no pipeline"),
    ];
    let commands: [&[&str]; 17] = [
        &["run", "FILE"],
        &["run", "FILE", "--dry-run"],
        &["plan", "FILE"],
        &["plan", "FILE", "--json"],
        &["why", "FILE", "stars"],
        &["show", "FILE", "stars"],
        &["show", "FILE"],
        &["status", "FILE"],
        &["sweep", "FILE"],
        &["table", "FILE"],
        &["graph", "FILE"],
        &["report", "FILE"],
        &["watch", "FILE"],
        &["cancel", "FILE"],
        &["compare", "FILE", "FILE"],
        &["fmt", "--edition", "2", "FILE"],
        &["export", "FILE", "-o", "o.csv"],
    ];
    let said = |words: &[&str], file: &str| {
        let words: Vec<String> = words.iter().map(|word| word.replace("FILE", file)).collect();
        place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for command in commands {
        for (file, expected) in files {
            // Those that also take tables of the results say what they take.
            let of_results = ["show", "export"].contains(&command[0]);
            if of_results && !file.ends_with(".yaml") {
                continue;
            }
            let gave = said(command, file);
            let text = gave.err.clone() + &gave.out;
            assert!(
                gave.code != 0 && gave.code < 10,
                "{command:?} {file}: {} {text}",
                gave.code
            );
            let is_table = command[0] == "fmt" && file == "stars.csv";
            assert!(
                text.contains(file) && (text.contains(expected) || is_table),
                "{command:?} {file}: {text}"
            );
            for foreign in [
                "os error",
                "Is a directory",
                "No such file",
                "panic",
                "utf-8 sequence",
                "serde",
                "YAMLError",
            ] {
                assert!(!text.contains(foreign), "{command:?} {file}: {text}");
            }
        }
    }
    let gave = place.run(&["show", "folder"]);
    assert!(
        gave.code == 2 && gave.err.contains("folder: is a folder: name a pipeline"),
        "{}",
        gave.err
    );
    assert!(!place.path("results").exists() && !place.path("o.csv").exists());
}

/// What is to be written is looked at before anything is made for it, by every command that writes a file.
#[test]
fn what_cannot_be_written_is_said_by_every_command() {
    let place = Place::with(SMALL);
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::create_dir(place.path("folder.csv")).unwrap();
    for (folder, mode) in [("shut", 0o555), ("open", 0o755)] {
        std::fs::create_dir(place.path(folder)).unwrap();
        std::fs::set_permissions(place.path(folder), Permissions::from_mode(mode)).unwrap();
    }
    place.write("kept.csv", "mine\n");
    std::fs::set_permissions(place.path("kept.csv"), Permissions::from_mode(0o444)).unwrap();
    place.write("s.csv", "x,y,z,vx,vy,vz\n-8,0,0,0,220,0\n");
    let commands: [&[&str]; 4] = [
        &["export", "p.yaml:orbits"],
        &["actions", "s.csv", "--potential", "mw_potential_2014"],
        &["predict", "no.safetensors", "s.csv"],
        &["runs"],
    ];
    for command in commands {
        for (to, expected) in [
            ("folder", "folder: is a folder: name a file in it"),
            ("folder.csv", "folder.csv: is a folder: name a file in it"),
            ("new.csv/", "new.csv/: is the name of a folder"),
            ("nowhere/o.csv", "nowhere: there is no such folder: make it first"),
            ("p.yaml/o.csv", "p.yaml: is no folder"),
            ("shut/o.csv", "shut: may not be written in"),
            ("kept.csv", "kept.csv: may only be read, and is left as it is"),
            ("o.xyz", "o.xyz has no ending of a format that is written"),
            ("open/o", "open/o has no ending of a format that is written"),
        ] {
            let gave = place.run(&[command, &["-o", to]].concat());
            assert!(
                gave.code == 2 && gave.err.contains(expected),
                "{command:?} {to}: {} {}",
                gave.code,
                gave.err
            );
        }
    }
    assert_eq!(std::fs::read_to_string(place.path("kept.csv")).unwrap(), "mine\n");
    let gave = place.run(&["new", "nowhere/p.yaml"]);
    assert!(
        gave.code == 2 && gave.err.contains("nowhere: there is no such folder"),
        "{}",
        gave.err
    );
}

#[test]
fn shells_and_man_know_every_command() {
    let place = Place::new();
    let help = place.well(&["help"]).out;
    let listed = help.lines().skip_while(|line| *line != "Run:");
    let commands: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 15, "{help}");
    place.well(&["manual", "man1"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = place.well(&["completions", shell]).out;
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(place.path(&format!("man1/actionfinder-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
}

#[test]
fn wrong_use_ends_with_2() {
    let place = Place::with(SMALL);
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["run"],
        vec!["run", "p.yaml", "--to", "nowhere"],
        vec!["run", "p.yaml", "-p", "streams"],
        vec!["run", "p.yaml", "--force", "nowhere"],
        vec!["why", "p.yaml", "nowhere"],
    ] {
        let gave = place.run(&arguments);
        assert_eq!(gave.code, 2, "{arguments:?}: {}", gave.err);
        assert!(!gave.err.is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn invalid_pipelines_end_with_3_and_say_where() {
    let place = Place::with(
        &SMALL
            .replace("integrate_orbits", "integrate_orbit")
            .replace("draw: orbits", "draw: orbit"),
    );
    let gave = place.run(&["run", "p.yaml"]);
    assert_eq!((gave.code, gave.out.as_str()), (3, ""));
    for part in ["p.yaml:6:5", "integrate_orbits", "p.yaml:21:54", "2 mistakes"] {
        assert!(gave.err.contains(part), "{part} is not in\n{}", gave.err);
    }
    assert_eq!(place.run(&["plan", "missing.yaml"]).code, 3);
    assert!(
        !place.path("results").exists(),
        "nothing is written for an invalid pipeline"
    );
}

#[test]
fn unknown_parameters_are_reported() {
    let gave = Place::with(SMALL).run(&["plan", "p.yaml", "-p", "stream=3"]);
    assert_eq!(gave.code, 3);
    assert!(
        gave.err.contains("stream") && gave.err.contains("streams"),
        "{}",
        gave.err
    );
}

#[test]
fn schema_is_a_json_schema_of_every_kind() {
    let schema: serde_json::Value = serde_json::from_str(&Place::new().well(&["schema"]).out).unwrap();
    let described = schema.pointer("/$defs/stage/properties").unwrap().as_object().unwrap();
    let described: Vec<&str> = described.keys().map(String::as_str).collect();
    assert_eq!(described, kinds(), "every kind of the catalog, and no other");
    assert!(schema["$schema"].is_string());
}

#[test]
fn graphs() {
    let place = Place::with(&swept());
    insta::assert_snapshot!("graph_mermaid", place.well(&["graph", "p.yaml"]).out);
    insta::assert_snapshot!(
        "graph_dot",
        place.well(&["graph", "p.yaml", "--format", "dot", "--all"]).out
    );
}

#[test]
fn show_gives_schema_units_and_rows() {
    let place = Place::with(SMALL);
    let gave = place.run(&["show", "p.yaml", "orbits"]);
    assert_eq!(gave.code, 2, "{}", gave.err);
    assert!(
        gave.err.contains("actionfinder run"),
        "an output that is not there names the command: {}",
        gave.err
    );
    place.well(&["run", "p.yaml"]);
    let shown = place.well(&["show", "p.yaml", "truth", "-n", "3"]).out;
    for part in ["24 rows", "J_phi", "km/s kpc", "galactocentric", "… 21 more rows"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let path = shown
        .lines()
        .next()
        .unwrap()
        .replace("[place]", &place.path("").to_string_lossy());
    assert_eq!(
        place.well(&["show", &path, "-n", "3"]).out.lines().nth(1),
        shown.lines().nth(1)
    );
    assert_eq!(place.run(&["show", "p.yaml", "truth.nothing"]).code, 2);
    let network = place.path("n.safetensors");
    let header = br#"{"__metadata__":{"map":"actions"},"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 16]].concat();
    std::fs::write(&network, &bytes).unwrap();
    let shown = place.well(&["show", "n.safetensors"]).out;
    assert!(
        shown.contains("map: actions") && shown.contains("w       F64   [2]"),
        "{shown}"
    );
    std::fs::write(&network, &bytes[..40]).unwrap();
    assert_eq!(place.run(&["show", "n.safetensors"]).code, 4);
}

#[test]
fn new_writes_a_template_once() {
    let place = Place::new();
    place.well(&["new", "mine.yaml"]);
    let template = std::fs::read_to_string(place.path("mine.yaml")).unwrap();
    assert!(template.contains("import_streams"));
    let again = place.run(&["new", "mine.yaml"]);
    assert_eq!(again.code, 2);
    assert_eq!(std::fs::read_to_string(place.path("mine.yaml")).unwrap(), template);
    // It plans as written, where it is and where it is moved to.
    place.well(&["plan", "mine.yaml"]);
    std::fs::create_dir_all(place.path("a/b")).unwrap();
    std::fs::rename(place.path("mine.yaml"), place.path("a/b/moved.yaml")).unwrap();
    place.well(&["plan", "a/b/moved.yaml"]);
    // Its stars are a file that is not written over either.
    let stars = std::fs::read(place.path("example_stars.parquet")).unwrap();
    place.well(&["new", "second.yaml"]);
    assert_eq!(std::fs::read(place.path("example_stars.parquet")).unwrap(), stars);
    place.write("example_stars.parquet", "my own");
    let taken = place.run(&["new", "third.yaml"]);
    assert!(
        taken.code == 2 && taken.err.contains("example_stars.parquet is there already"),
        "{}",
        taken.err
    );
    assert!(!place.path("third.yaml").exists());
}

/// What was written in the first edition of the language means the same in the second.
#[test]
fn fmt_rewrites_a_pipeline_of_the_first_edition() {
    let first = "\
pipeline: old # of long ago
params: { seed: 1, scale: 5, streams: 16 }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3e11, scale: ${scale} } }, streams: \"${streams}\", seed: ${seed} } # the sample
";
    let second = first
        .replace("${scale}", "$scale")
        .replace("\"${streams}\"", "$streams")
        .replace("${seed}", "$seed");
    let place = Place::with(&second);
    place.well(&["run", "p.yaml"]);
    place.write("p.yaml", first);
    place.write("new.yaml", &second);
    assert_eq!(place.run(&["plan", "p.yaml"]).code, 3, "it is no longer read");
    let check = place.run(&["fmt", "--edition", "2", "--check", "p.yaml", "new.yaml"]);
    assert_eq!(check.code, 1);
    assert_eq!(
        check.out,
        "p.yaml:6: ${scale} → $scale\np.yaml:6: \"${streams}\" → $streams\np.yaml:6: ${seed} → $seed\n"
    );
    assert_eq!(std::fs::read_to_string(place.path("p.yaml")).unwrap(), first);
    assert_eq!(
        place.well(&["fmt", "--edition", "2", "p.yaml"]).out,
        "p.yaml: 3 changes\n"
    );
    assert_eq!(std::fs::read_to_string(place.path("p.yaml")).unwrap(), second);
    assert_eq!(place.run(&["plan", "--check", "p.yaml"]).code, 0, "the same experiment");
    assert_eq!(
        place.well(&["fmt", "--edition", "2", "p.yaml"]).out,
        "p.yaml: nothing to change\n"
    );
    assert_eq!(place.run(&["fmt", "--edition", "3", "p.yaml"]).code, 2);
    let nowhere = place.run(&["fmt", "--edition", "2", "nowhere.yaml"]);
    assert_eq!(nowhere.code, 4);
    assert_eq!(
        nowhere.err,
        "error: nowhere.yaml: the file cannot be read: it does not exist\n"
    );
}

/// What changed its shape between the editions is not rewritten, and `fmt` says so.
#[test]
fn fmt_says_what_it_leaves() {
    let first = "\
pipeline: old
params: { width: 32 }
stages:
  orbits: { integrate_orbits: { with: { potential: { isochrone: { mass: 3e11, scale: 5 } }, streams: 16 } } }
  sets: { split: { from: { stars: orbits }, with: { train_streams: 8 } } }
  actions:
    train_actions: { from: { train: sets.train }, with: { network: smooth, width: \"${width}\", epochs: 4 } }
";
    let place = Place::with(first);
    let said = "p.yaml: 2 mistakes left that only you can mend, the first in line 7: `actionfinder plan p.yaml` shows what may stand there\n";
    let check = place.run(&["fmt", "--edition", "2", "--check", "p.yaml"]);
    assert_eq!(check.code, 1);
    assert!(check.out.ends_with(said), "{}", check.out);
    assert_eq!(
        place.well(&["fmt", "--edition", "2", "p.yaml"]).out,
        format!("p.yaml: 1 change\n{said}")
    );
    assert_eq!(place.run(&["plan", "p.yaml"]).code, 3);
}

/// `fmt` changes no file while another of the same command is cut off; links and permissions stay.
#[test]
fn fmt_loses_nothing() {
    let first = "pipeline: p\nparams: { n: 4 }\nstages: { o: { integrate_orbits: { with: { streams: ${n} } } } }\n";
    let place = Place::with(first);
    place.write("cut.yaml", "pipeline: p\nstages: { a: [1");
    for files in [&["cut.yaml"][..], &["p.yaml", "cut.yaml"]] {
        let gave = place.run(&[&["fmt", "--edition", "2"], files].concat());
        assert_eq!(gave.code, 4);
        assert!(gave.err.contains("cut.yaml is no pipeline"), "{}", gave.err);
    }
    let (file, link) = (place.path("p.yaml"), place.path("link.yaml"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    std::os::unix::fs::symlink("p.yaml", &link).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    place.well(&["fmt", "--edition", "2", "link.yaml"]);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first.replace("${n}", "$n"));
}

#[test]
fn doctor_looks_at_libtorch_and_the_disk() {
    let place = Place::new();
    let gave = place.well(&["doctor"]);
    for part in [
        "tensor library",
        "libtorch",
        "CPU threads",
        "results folder",
        "disk free",
    ] {
        assert!(gave.out.contains(part), "{part} is not in\n{}", gave.out);
    }
    let output = place
        .command(&["doctor"])
        .env("ACTIONFINDER_TENSOR_LIBRARY", "/nowhere.so")
        .output()
        .unwrap();
    let gave = place.gave(output);
    assert_eq!(gave.code, 4);
    assert!(
        gave.out.contains("BAD  tensor library") && gave.out.contains("/nowhere.so"),
        "{}",
        gave.out
    );
}

#[test]
fn gc_only_says_what_it_would_remove() {
    let place = Place::with(SMALL);
    assert_eq!(place.well(&["gc"]).out, "nothing is unused\n");
    assert!(!place.path("results").exists());
    place.well(&["run", "p.yaml"]);
    let used = place.well(&["gc"]).out;
    assert!(used.starts_with("nothing is unused: 1 recorded run needs it"), "{used}");
    place.well(&["run", "p.yaml", "-p", "seed=2"]);
    let dry = place.well(&["gc", "--run", "small"]).out;
    assert!(
        dry.contains("integrate_orbits") && dry.contains("actionfinder cache gc --remove --run small"),
        "{dry}"
    );
    assert_eq!(place.well(&["gc", "--run", "small"]).out, dry, "nothing was removed");
    assert!(place.well(&["run", "p.yaml", "-p", "seed=2"]).err.contains("all fresh"));
    place.well(&["gc", "--remove", "--run", "small"]);
    assert_eq!(place.well(&["gc"]).out, "nothing is unused\n");
    assert!(place.well(&["run", "p.yaml", "-p", "seed=2"]).err.contains("5 ran"));
}
