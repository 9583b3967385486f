#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::arrow_schema::{DataType, Field, Schema};
use runner::context::Cancel;
use runner::event::Told;
use runner::ports::{Artifact, Connected, column, unit_of};
use serde_json::{Value, json};
use tables::RecordBatch;

use super::*;
use crate::common::columns;
use crate::testing::{Ran, faults, run, run_until, stage, stars};

/// Two streams of two stars.
fn table() -> RecordBatch {
    let point = |vx: f64, vy: f64| [8.0, 0.0, 0.1, vx, vy, 0.0];
    stars(
        &[point(3.0, 4.0), point(6.0, 8.0), point(0.0, 1.0), point(5.0, 12.0)],
        2,
    )
}

/// A command of the shell, and what it gives.
fn shell(script: &str, outputs: Value) -> Value {
    json!({ "run": ["sh", "-c", script], "outputs": outputs, "tables": "csv" })
}

fn ran(with: Value) -> Ran {
    run(&stage::<Command>(with), &[("stars", &table())], &[])
}

fn speeds() -> Value {
    json!({ "stars": { "table": { "like": "stars", "rows": { "as": "stars" }, "add": {
        "speed": { "unit": "km / s", "frame": "galactocentric", "description": "speed" }
    } } } })
}

const SPEED: &str = r#"awk -F, 'NR == 1 { print $0 ",speed"; next } { print $0 "," sqrt($6^2 + $7^2 + $8^2) }' \
    inputs/stars.csv > outputs/stars.csv"#;

#[test]
fn a_table_comes_back_with_its_columns_and_their_metadata() {
    let ran = ran(shell(SPEED, speeds())).completed();
    assert_eq!(ran.f64("stars", "speed"), [5.0, 10.0, 1.0, 13.0]);
    assert_eq!(ran.f64("stars", "vx"), [3.0, 6.0, 0.0, 5.0]);
    assert_eq!(ran.i64("stars", "stream"), [0, 0, 1, 1]);
    let schema = ran.tables["stars"].schema();
    let speed = schema.field_with_name("speed").unwrap();
    assert_eq!(unit_of(speed), "km/s");
    assert_eq!(speed.metadata().get("frame").unwrap(), "galactocentric");
    assert_eq!(
        schema.field_with_name("x").unwrap(),
        table().schema().field_with_name("x").unwrap()
    );
}

/// The request says all that is asked for; what is told comes through, the rest is the log.
#[test]
fn requests_reports_and_logs() {
    let script = r#"
        cp "$ACTIONFINDER_REQUEST" outputs/request.json
        echo '{"progress": 0.5}'
        echo '{"metric": {"name": "speed", "value": 2.5, "unit": "km/s"}}'
        echo '{"note": "as it should"}'
        echo '{"metric": 3}'
        echo plain words
        echo words of warning >&2
    "#;
    let mut with = shell(script, json!({ "request": { "file": { "ending": "json" } } }));
    with["parameters"] = json!({ "angle": 30, "names": ["a", "b"] });
    let ran = ran(with).completed();
    let request: Value = serde_json::from_slice(&ran.bytes["request"]).unwrap();
    assert_eq!(request["parameters"], json!({ "angle": 30, "names": ["a", "b"] }));
    assert_eq!(request["inputs"]["stars"]["path"], "inputs/stars.csv");
    let vx = json!({ "type": "float", "unit": "km/s", "frame": "galactocentric", "description": "velocity along x", "missing": false });
    assert_eq!(request["inputs"]["stars"]["columns"]["vx"], vx);
    assert_eq!(
        request["outputs"]["request"],
        json!({ "path": "outputs/request.json", "type": "file" })
    );
    assert_eq!(ran.metric("speed"), 2.5);
    let halfway = |told: &Told| {
        matches!(
            told,
            Told::Progress {
                done: 50,
                total: 100,
                ..
            }
        )
    };
    assert!(ran.told.iter().any(halfway));
    assert!(
        ran.notes().contains("as it should") && ran.notes().contains("cannot be read: 1;"),
        "{}",
        ran.notes()
    );
    let log = String::from_utf8(ran.bytes["log"].clone()).unwrap();
    assert!(
        log.contains("plain words\n") && log.contains("words of warning\n") && !log.contains("progress"),
        "{log}"
    );
}

#[test]
fn it_sees_its_own_environment_and_declared_files_and_nothing_else() {
    let (home, secret) = (tempfile::tempdir().unwrap(), "what nobody declared");
    let undeclared = home.path().join("undeclared");
    std::fs::write(&undeclared, secret).unwrap();
    let declared = home.path().join("script.sh");
    std::fs::write(
        &declared,
        "env > outputs/seen.txt; ls >> outputs/seen.txt; pwd >> outputs/seen.txt",
    )
    .unwrap();
    let with = json!({
        "run": ["sh", "script.sh"], "files": ["../elsewhere/script.sh"], "outputs": { "seen": { "file": {} } }, "environment": { "FEATURE": "on" }
    });
    let with = serde_json::from_value::<Command>(with).unwrap();
    assert_eq!(with.files()[0].name(), "script.sh");
    let ran = run(&with, &[], &[("script.sh", declared)]).completed();
    let seen = String::from_utf8(ran.bytes["seen"].clone()).unwrap();
    let names: BTreeSet<&str> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let expected = "ACTIONFINDER_REQUEST ACTIONFINDER_THREADS FEATURE HOME LANG MKL_NUM_THREADS NUMEXPR_NUM_THREADS OMP_NUM_THREADS \
                    OPENBLAS_NUM_THREADS PATH PWD PYTHONHASHSEED RAYON_NUM_THREADS SOURCE_DATE_EPOCH TMPDIR TZ";
    let own = names
        .iter()
        .filter(|name| !["_", "OLDPWD", "SHLVL"].contains(name))
        .copied();
    assert_eq!(own.collect::<Vec<_>>().join(" "), expected);
    assert!(
        seen.contains("\ninputs\noutputs\nrequest.json\nscript.sh\ntmp\n"),
        "{seen}"
    );
    if ran.notes().contains("no Landlock") {
        return;
    }
    let outside = home.path().join("written");
    for (script, what) in [
        (format!("cat {}", undeclared.display()), "read"),
        (format!("ls {}", home.path().display()), "list"),
        (format!("echo a > {}", outside.display()), "write"),
        (format!("ln {} here", undeclared.display()), "link"),
    ] {
        let denied = run(
            &stage::<Command>(shell(&script, json!({ "seen": { "file": {} } }))),
            &[],
            &[],
        )
        .error();
        assert!(
            denied.contains("exit code") && !denied.contains(secret),
            "{what}: {denied}"
        );
        assert!(
            denied.contains("a command reads what it declares") || what == "link",
            "{what}: {denied}"
        );
    }
    assert!(!outside.exists());
}

/// Inputs are in the store: what one command does to them would be done to all who read them.
#[test]
fn inputs_cannot_be_changed() {
    let mut with = shell("echo a >> inputs/stars.parquet", json!({ "seen": { "file": {} } }));
    with["tables"] = json!("parquet");
    let ran = ran(with);
    if !ran.notes().contains("no Landlock") {
        assert!(ran.error().contains("Permission denied"), "{}", ran.error());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn there_is_no_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected > outputs/seen.txt");
    if !Path::new("/bin/bash").exists() {
        return;
    }
    let with = json!({ "run": ["bash", "-c", script], "outputs": { "seen": { "file": {} } } });
    let ran = run(&stage::<Command>(with), &[], &[]);
    if !ran.notes().contains("Landlock") {
        assert!(ran.error().contains("Permission denied"), "{}", ran.error());
    }
}

#[test]
fn a_command_that_fails_says_how() {
    let error = |script: &str| ran(shell(script, json!({ "seen": { "file": {} } }))).error();
    let said = error("for n in $(seq 20); do echo line $n >&2; done; exit 3");
    assert!(
        said.starts_with("sh ended with exit code 3; it last said:\nline 9\n"),
        "{said}"
    );
    assert!(said.contains("line 20 |"), "{said}");
    assert!(error("kill -SEGV $$").contains("sh was ended by signal 11"));
    assert!(error("kill -KILL $$").contains("killed by signal 9 (out of memory?)"));
    assert!(error("true").contains("has not written its output seen"));
    let none = json!({ "run": ["no_such_program"], "outputs": { "seen": { "file": {} } } });
    assert!(ran(none).error().starts_with("there is no program no_such_program"));
}

/// With what it started, and at once.
#[cfg(target_os = "linux")]
#[test]
fn a_command_ends_when_the_run_does() {
    let started = tempfile::tempdir().unwrap();
    let mark = started.path().join("mark").display().to_string();
    // Every process that it starts has the mark in its arguments.
    let script = format!("sh -c 'sleep 600; : {mark}' & sh -c 'sleep 600; : {mark}'");
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let says = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        processes
            .map(says)
            .filter(|said| String::from_utf8_lossy(said).contains(&mark))
            .count()
    };
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let (begun, alive_before) = (Instant::now(), &alive);
    let ran = std::thread::scope(|scope| {
        scope.spawn(move || {
            while alive_before() < 2 {
                assert!(begun.elapsed() < Duration::from_secs(60), "it has not begun");
                std::thread::sleep(Duration::from_millis(5));
            }
            stop.cancel();
        });
        run_until(
            &stage::<Command>(shell(&script, json!({ "seen": { "file": {} } }))),
            &[],
            &[],
            &[],
            cancel,
        )
    });
    assert!(matches!(ran.result, Err(StageError::Cancelled)), "{:?}", ran.result);
    assert_eq!(alive(), 0);
    // What goes on after the command has ended well goes with it.
    let script = format!("sh -c 'sleep 600; : {mark}' & echo a > outputs/seen.txt");
    ran_well(&script);
    assert_eq!(alive(), 0);
    // So does what has left its group, whoever started it.
    let stray = format!("setsid sh -c \"(echo a > outputs/seen.txt; sleep 600; : {mark}) &\"");
    ran_well(&format!(
        "{stray} & while [ ! -s outputs/seen.txt ]; do sleep 0.01; done"
    ));
    assert_eq!(alive(), 0);
    // And what has cleared its environment, too.
    let stray =
        format!("env -i PATH=$PATH setsid sh -c \"(echo a > outputs/seen.txt; exec >&- 2>&-; sleep 600; : {mark}) &\"");
    ran_well(&format!(
        "{stray} & while [ ! -s outputs/seen.txt ]; do sleep 0.01; done"
    ));
    assert_eq!(alive(), 0);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// A program that prints without end keeps what it said first and last.
#[test]
fn a_long_log_keeps_its_beginning_and_its_end() {
    let script = "i=0; while [ $i -lt 200 ]; do head -c 60000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo the end; echo a > outputs/seen.txt";
    let ran = ran(shell(
        &format!("echo the beginning; {script}"),
        json!({ "seen": { "file": {} } }),
    ))
    .completed();
    let log = &ran.bytes["log"];
    assert!(log.len() < 10 << 20, "{}", log.len());
    assert!(log.starts_with(b"the beginning\n") && log.ends_with(b"the end\n"));
    assert!(ran.notes().contains("lines between are left out"), "{}", ran.notes());
}

fn ran_well(script: &str) {
    ran(shell(script, json!({ "seen": { "file": {} } }))).completed();
}

#[test]
fn what_a_table_lacks_or_has_too_much_is_said() {
    let column = |of: Value| json!({ "t": { "table": { "columns": { "a": of }, "rows": { "count": 2 } } } });
    let error = |text: &str, of: Value| ran(shell(&format!("printf '{text}' > outputs/t.csv"), column(of))).error();
    let float = || json!({ "unit": "kpc" });
    for (text, of, expected) in [
        (r"b\n1\n2\n", float(), "output t: it lacks the column a"),
        (r"a,b\n1,2\n3,4\n", float(), "output t: its column b is not declared"),
        (r"a\n1\n2\n3\n", float(), "output t: has 3 rows, not 2 as declared"),
        (
            r"a\n1\nnan\n",
            float(),
            "output t: column a has a missing value in row 1",
        ),
        (
            r"a\n1\nb\n",
            float(),
            "output t: its column a holds texts, and is declared as numbers",
        ),
        (
            r"a\n1\n2.5\n",
            json!({ "type": "integer" }),
            "its column a holds numbers, and is declared as whole numbers",
        ),
        (
            r"a\n1\n2\n",
            json!({ "type": "boolean" }),
            "and is declared as truth values",
        ),
    ] {
        let said = error(text, of);
        assert!(said.contains(expected), "{text}: {said}");
    }
    let given = |text: &str, of: Value| ran(shell(&format!("printf '{text}' > outputs/t.csv"), column(of))).completed();
    assert_eq!(given(r"a\n1\n2\n", float()).f64("t", "a"), [1.0, 2.0]);
    let missing = given(r"a\n1\nnan\n", json!({ "missing": true }));
    assert_eq!(
        tables::optional_f64_column(&missing.tables["t"], "a").unwrap().unwrap(),
        [Some(1.0), None]
    );
    let flags = given(r"a\n1\n0\n", json!({ "type": "boolean" }));
    assert_eq!(tables::bool_column(&flags.tables["t"], "a").unwrap(), [true, false]);
    assert_eq!(
        given(r"a\n7\nx\n", json!({ "type": "text" })).texts("t", "a"),
        ["7", "x"]
    );
}

/// A unit that the file itself states is not put aside.
#[test]
fn a_unit_of_the_file_must_be_the_declared_one() {
    let outputs = |unit: &str| {
        json!({ "t": { "table": { "columns": {
        "stream": { "type": "integer" }, "star": { "type": "integer" }, "x": { "unit": unit }
    } } } })
    };
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("given.parquet");
    let schema = columns::stars(&[&columns::POSITION[..1]]);
    let made = crate::testing::table(
        schema.clone(),
        vec![
            ("stream", vec![1_i64].into()),
            ("star", vec![1_i64].into()),
            ("x", vec![1.0].into()),
        ],
    );
    tables::write(&given, &made, &schema).unwrap();
    let run_with = |unit: &str| {
        let with = json!({ "run": ["cp", "given.parquet", "outputs/t.parquet"], "files": ["given.parquet"], "outputs": outputs(unit) });
        run(&stage::<Command>(with), &[], &[("given.parquet", given.clone())])
    };
    assert_eq!(run_with("kpc").completed().f64("t", "x"), [1.0]);
    assert!(
        run_with("pc")
            .error()
            .contains("its column x says that it is in kpc, and is declared in \"pc\"")
    );
}

#[test]
fn figures_are_drawings() {
    let gives = |text: &str| {
        ran(shell(
            &format!("printf '{text}' > outputs/p.svg"),
            json!({ "p": "figure" }),
        ))
    };
    let whole = gives(r#"<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg><g/></svg>\n"#).completed();
    assert_eq!(whole.bytes["p"], b"<svg><g/></svg>\n");
    assert!(gives("PNG").error().contains("is no SVG"));
    assert!(gives("<svg><g/>").error().contains("is no SVG"));
}

fn port(name: &'static str, fields: Vec<Field>) -> Connected {
    Connected::from([(name, Artifact::Table(Arc::new(Schema::new(fields))))])
}

#[test]
fn outputs_are_known_before_anything_runs() {
    let of = |outputs: Value| stage::<Command>(json!({ "run": ["a"], "outputs": outputs }));
    let connected = port(
        "stars",
        vec![
            column("x", DataType::Float64, "kpc", "", ""),
            column("y", DataType::Float64, "kpc", "", ""),
        ],
    );
    let command = of(
        json!({ "b": { "table": { "like": "stars", "drop": ["y"], "add": { "v": { "unit": "km s-1" } } } }, "a": "figure" }),
    );
    let outputs = command.outputs(&connected).unwrap();
    assert_eq!(
        outputs.iter().map(|output| output.name).collect::<Vec<_>>(),
        ["b", "a", "log"]
    );
    let Artifact::Table(schema) = &outputs[0].artifact else {
        panic!("a table")
    };
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), unit_of(field)))
        .collect();
    assert_eq!(names, [("x", "kpc".to_owned()), ("v", "km/s".to_owned())]);
    let refused = |outputs: Value| of(outputs).outputs(&connected).unwrap_err();
    assert_eq!(
        refused(json!({ "b": { "table": { "like": "orbits" } } })),
        "outputs.b.table.like: no table is connected to `orbits`"
    );
    assert!(
        refused(json!({ "b": { "table": { "like": "stars", "drop": ["z"] } } }))
            .starts_with("outputs.b.table.drop.0: ")
    );
    assert!(
        refused(json!({ "b": { "table": { "like": "stars", "add": { "x": {} } } } }))
            .starts_with("outputs.b.table.add.x: ")
    );
    assert!(refused(json!({ "b": { "table": { "like": "stars", "rows": { "as": "z" } } } })).contains("rows.as"));
    // Any input may be named, and those that are needed have columns.
    let needs = stage::<Command>(
        json!({ "run": ["a"], "outputs": { "b": { "file": {} } }, "needs": { "stars": { "v": "km s-1" } } }),
    );
    assert_eq!(needs.inputs(), [InputPort::table("stars", &[("v", "km/s")])]);
    assert!(needs.other_input("more").is_some() && needs.other_input("../more").is_none());
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    let of = |outputs: Value| faults::<Command>(json!({ "run": ["a"], "outputs": outputs })).join("\n");
    assert!(of(json!({})).contains("outputs: names no output"));
    assert!(of(json!({ "log": { "file": {} } })).contains("outputs.log: `log` is the name of something else"));
    assert!(of(json!({ "a/b": { "file": {} } })).contains("cannot be the name of an output"));
    assert!(of(json!({ "a": { "table": {} } })).contains("outputs.a.table: needs `like` or `columns`"));
    assert!(of(json!({ "a": { "table": { "like": "s", "columns": { "x": {} } } } })).contains("write `add`"));
    assert!(
        of(json!({ "a": { "table": { "columns": { "x": { "unit": "furlong" } } } } }))
            .contains("outputs.a.table.columns.x.unit")
    );
    assert!(
        of(json!({ "a": { "table": { "columns": { "x": { "type": "text", "unit": "kpc" } } } } }))
            .contains("only numbers have a unit")
    );
    assert!(of(json!({ "a": { "table": { "columns": { "stream": {} } } } })).contains("`type: integer`"));
    assert!(of(json!({ "a": { "file": { "ending": "../x" } } })).contains("cannot end the name"));
    let files = faults::<Command>(
        json!({ "run": ["a"], "outputs": { "b": { "file": {} } }, "files": ["x/a.py", "../a.py", "/b/a.py", "outputs/c"] }),
    );
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(
        files[0].starts_with("files.2: two files would be a.py")
            && files[1].starts_with("files.3: outputs/c has the name")
    );
    assert_eq!(place_of(Path::new("./x/./a.py")), Some(PathBuf::from("x/a.py")));
}
