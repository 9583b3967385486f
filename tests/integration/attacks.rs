//! What hostile files, signals, full disks and damage do to the program: an error in its words, the right exit code, and never a
//! wrong result.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runner::store::{Hash256, Manifest};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::data::SMALL;
use crate::program::{PROGRAM, Place};
use crate::trainings::{CHAIN, files_below, outputs};

/// A training that nothing but a signal ends, to be stopped at its first epoch.
const ENDLESS: [&str; 8] = [
    "run",
    "p.yaml",
    "-p",
    "epochs=1000000",
    "--to",
    "actions",
    "--log",
    "json",
];

/// Starts a run in a process group of its own, sends it and all its workers a signal at the first epoch of its training, and
/// gives its exit code.
fn stopped(place: &Place, arguments: &[&str], signal: Signal) -> Option<i32> {
    let mut command = place.command(arguments);
    let command = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    let trains = BufReader::new(run.stdout.take().unwrap()).lines().any(|line| {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        event["unit"] == "epochs" && event["done"].as_u64().is_some_and(|done| done > 0)
    });
    assert!(trains, "the training told no progress");
    kill_process_group(Pid::from_child(&run), signal).unwrap();
    run.wait().unwrap().code()
}

fn checkpoint(place: &Place) -> PathBuf {
    let files = files_below(&place.path("results/checkpoints"));
    let mut saved = files
        .into_iter()
        .filter(|file| file.ends_with("checkpoint.safetensors"));
    saved.next().expect("no checkpoint was saved")
}

/// A closed terminal, a batch system and a shutdown signal every process of a run: the training still saves.
#[test]
fn signals_to_the_whole_group_save_the_training() {
    for signal in [Signal::HUP, Signal::TERM, Signal::INT] {
        let place = Place::with(CHAIN);
        assert_eq!(stopped(&place, &ENDLESS, signal), Some(130), "{signal:?}");
        assert!(checkpoint(&place).metadata().unwrap().len() > 0);
        let plan = place
            .well(&["plan", "p.yaml", "-p", "epochs=1000000", "--to", "actions"])
            .out;
        assert!(plan.contains("unfinished: goes on from its checkpoint"), "{plan}");
    }
}

/// One bit of a checkpoint: it is said, and the training begins anew and gives what it always gives.
#[test]
fn a_damaged_checkpoint_is_said_and_made_again() {
    let long = ["run", "p.yaml", "-p", "epochs=300", "--to", "actions", "--log", "json"];
    let undisturbed = Place::with(CHAIN);
    undisturbed.well(&long);
    // In the data, in the history in the header, and cut off.
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| *bytes.last_mut().unwrap() ^= 0x40,
        |bytes| {
            let at = bytes.windows(10).position(|window| window == b"train_loss").unwrap();
            let digit = bytes[at..].iter().position(u8::is_ascii_digit).unwrap();
            bytes[at + digit] ^= 1;
        },
        |bytes| bytes.truncate(bytes.len() / 2),
    ];
    for damage in damages {
        let place = Place::with(CHAIN);
        assert_eq!(stopped(&place, &long, Signal::INT), Some(130));
        let file = checkpoint(&place);
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let gave = place.well(&long);
        assert!(gave.out.contains("the training begins anew"), "{}", gave.out);
        assert!(outputs(&place.path("results")) == outputs(&undisturbed.path("results")));
    }
}

fn manifests(place: &Place) -> Vec<PathBuf> {
    let files = files_below(&place.path("results/cache/v1"));
    files
        .into_iter()
        .filter(|file| file.ends_with("manifest.json"))
        .collect()
}

/// A digit of a manifest: no report shows it, and the entry is made again.
#[test]
fn a_changed_digit_in_a_manifest_is_found_and_repaired() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let kept = outputs(&place.path("results"));
    for manifest in manifests(&place) {
        let text = fs::read_to_string(&manifest).unwrap();
        let at = text.find("\"seconds\": ").unwrap() + "\"seconds\": ".len();
        let other = if text.as_bytes()[at] == b'9' { "8" } else { "9" };
        fs::write(&manifest, [&text[..at], other, &text[at + 1..]].concat()).unwrap();
    }
    let plan = place.well(&["plan", "p.yaml"]).out;
    assert!(plan.contains("manifest.json is damaged"), "{plan}");
    place.well(&["run", "p.yaml"]);
    assert!(
        manifests(&place)
            .iter()
            .all(|file| Manifest::parse(&fs::read(file).unwrap()).is_some())
    );
    assert!(outputs(&place.path("results")) == kept);
    assert!(place.well(&["plan", "p.yaml"]).out.contains("nothing to run"));
}

/// A results folder from someone else, in which all agrees, but the figure holds a script.
#[test]
fn a_hostile_figure_does_nothing_in_the_report() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let figure = files_below(&place.path("results/cache/v1/figure"));
    let figure = figure
        .iter()
        .find(|file| file.extension().is_some_and(|e| e == "svg"))
        .unwrap();
    let svg = fs::read_to_string(figure).unwrap();
    let hostile = svg.replace(
        "</svg>",
        "<script>bad()</script><image href=\"x\" onerror=\"bad()\"/></svg>",
    );
    assert_ne!(svg, hostile);
    fs::write(figure, &hostile).unwrap();
    let manifest_file = figure.with_file_name("manifest.json");
    let mut manifest = Manifest::parse(&fs::read(&manifest_file).unwrap()).unwrap();
    manifest.outputs[0].sha256 = Hash256::of(&hostile);
    manifest.outputs[0].identity.bytes = hostile.len() as u64;
    fs::write(&manifest_file, manifest.to_text().unwrap()).unwrap();
    fs::remove_dir_all(place.path("results/small")).unwrap();
    place.well(&["run", "p.yaml"]);
    let page = fs::read_to_string(place.path("results/small/report.html")).unwrap();
    assert!(page.contains("<figure><svg") && page.contains("default-src 'none'"));
    assert!(
        !page.contains("bad()") && !page.contains("<script"),
        "the script is in the page"
    );
}

/// What is printed and lost is an error; a reader that has gone away is none.
#[test]
fn a_full_disk_under_standard_output_is_an_error() {
    let place = Place::with(SMALL);
    place.well(&["run", "p.yaml"]);
    let commands: [&[&str]; 13] = [
        &["schema"],
        &["graph", "p.yaml"],
        &["plan", "p.yaml"],
        &["why", "p.yaml", "truth"],
        &["status", "p.yaml"],
        &["show", "p.yaml", "truth"],
        &["table", "p.yaml"],
        &["sweep", "p.yaml"],
        &["compare", "p.yaml", "p.yaml"],
        &["gc"],
        &["run", "p.yaml"],
        &["run", "p.yaml", "--log", "json"],
        &["--help"],
    ];
    for arguments in commands {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let gave = place.gave(place.command(arguments).stdout(full).output().unwrap());
        assert_eq!(gave.code, 4, "{arguments:?}: {}", gave.err);
        assert!(
            gave.err.contains("standard output could not be written: No space left"),
            "{arguments:?}: {}",
            gave.err
        );
        let mut reader = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(reader.stdout.take());
        let code = reader.wait().unwrap();
        assert_eq!(
            code.code(),
            Some(0),
            "{arguments:?} without a reader: {:?}",
            code.signal()
        );
    }
}

/// Whatever names and titles hold, the terminal only shows it.
#[test]
fn no_escape_sequence_reaches_the_terminal() {
    let bad = "\\e]0;x\\a\\e[2J";
    let titled = SMALL.replace("paper:", &format!("row: \"{bad}\", paper:"));
    let swept = format!(
        "{}sweep: {{ axes: {{ title: [\"{bad}\", \"b\\r\\nc\"] }} }}\n",
        SMALL
            .replace("paper:", "row: \"${title}\", paper:")
            .replace("params: {", "params: { title: a,")
    );
    let wrong = SMALL.replace("pipeline: small", &format!("pipeline: \"{bad}\""));
    let unknown = SMALL.replace("draw: orbits", &format!("draw: \"{bad}\""));
    let shown = |text: &str| {
        let acts = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
        assert_eq!(acts, None, "{text:?}");
    };
    for yaml in [titled, swept, wrong, unknown] {
        let place = Place::with(&yaml);
        let commands: [&[&str]; 10] = [
            &["plan", "p.yaml"],
            &["run", "p.yaml", "--log", "plain"],
            &["run", "p.yaml", "--log", "json", "--force", "errors"],
            &["status", "p.yaml"],
            &["table", "p.yaml"],
            &["sweep", "p.yaml"],
            &["graph", "p.yaml", "--all"],
            &["compare", "p.yaml@title=b", "p.yaml@title=c"],
            &["why", "p.yaml", "\u{1b}[2J"],
            &["show", "p.yaml", "\u{1b}[2J"],
        ];
        for arguments in commands {
            let gave = place.run(arguments);
            assert_ne!(gave.code, 70, "{}", gave.err);
            shown(&gave.out);
            shown(&gave.err);
        }
    }
}

/// Too much memory asked for fails one stage, in a sentence that names its kind; the others are done.
#[test]
fn too_little_memory_fails_one_stage() {
    let more = "  huge:\n    integrate_orbits:\n      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, streams: 40000000, stars: 8 }\n";
    let place = Place::with(&SMALL.replace("  truth:\n", &format!("{more}  truth:\n")));
    let mut limited = Command::new("sh");
    let limited = limited
        .args(["-c", "ulimit -v 1500000; exec \"$0\" run p.yaml --log plain", PROGRAM])
        .current_dir(place.path(""));
    let gave = place.gave(limited.output().unwrap());
    assert_eq!(gave.code, 4, "{}", gave.err);
    assert!(
        gave.err
            .contains("FAILED  huge: integrate_orbits asked for more memory than there is"),
        "{}",
        gave.err
    );
    assert!(
        gave.err.contains("hint: free memory") && gave.out.contains("δJ"),
        "{}{}",
        gave.out,
        gave.err
    );
    assert!(place.well(&["plan", "p.yaml"]).out.contains("1 would run, 5 fresh"));
}

/// More rows than any table can have are found by the plan, at their line.
#[test]
fn a_table_too_large_is_a_mistake_of_the_file() {
    let place = Place::with(&SMALL.replace("streams: 6", "streams: 4000000000"));
    let gave = place.run(&["plan", "p.yaml"]);
    assert_eq!(gave.code, 3, "{}", gave.out);
    assert!(
        gave.err.contains("1 mistake") && gave.err.contains("rows"),
        "{}",
        gave.err
    );
}

#[test]
fn threads_have_a_bound() {
    let place = Place::with(SMALL);
    for threads in ["0", "4000", "65535", "many"] {
        let gave = place.run(&["run", "p.yaml", "--threads", threads]);
        assert_eq!(gave.code, 2, "{}", gave.err);
        assert!(gave.err.contains("a whole number from 1 to 512"), "{}", gave.err);
    }
}

/// A GPU that is not there is one mistake, at its line, however many stages and sweep points ask for it.
#[test]
fn a_missing_gpu_is_one_mistake() {
    let yaml = CHAIN
        .replace(
            "      with:\n        network:",
            "      on: { device: \"cuda:7\" }\n      with:\n        network:",
        )
        .replace(
            "with: { training: { epochs: 3 }, seed: 1 } }",
            "with: { training: { epochs: 3 }, seed: 1 }, on: { device: \"cuda:7\" } }",
        )
        + "sweep: { axes: { width: [8, 9, 10] } }\n";
    let line = 1 + yaml.lines().position(|line| line.contains("cuda:7")).unwrap();
    let place = Place::with(&yaml);
    let gave = place.run(&["plan", "p.yaml"]);
    assert_eq!(gave.code, 3, "{}{}", gave.out, gave.err);
    let place_of_mistake = format!("p.yaml:{line}: stage actions, on: {{ device: cuda:7 }}: there are");
    assert!(gave.err.contains(&place_of_mistake), "{}", gave.err);
    assert_eq!(gave.err.matches("error:").count(), 1, "{}", gave.err);
    assert!(gave.err.contains("1 other stage asks for it too"), "{}", gave.err);
}

/// The tensor library may be named from where one stands.
#[test]
fn a_relative_tensor_library_is_found_and_loads() {
    let place = Place::with(SMALL);
    let beside = Path::new(PROGRAM).parent().unwrap();
    let name = format!(
        "{}tensor_stages{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    let mut built = [beside.join(&name), beside.join("deps").join(&name)].into_iter();
    let built = built.find(|library| library.is_file()).unwrap();
    std::os::unix::fs::symlink(built, place.path("lib.so")).unwrap();
    let probe = |library: &str| {
        let mut command = place.command(&["worker", "--probe"]);
        place.gave(command.env("ACTIONFINDER_TENSOR_LIBRARY", library).output().unwrap())
    };
    let gave = probe("lib.so");
    assert_eq!(gave.code, 0, "{}", gave.err);
    assert!(gave.out.contains("\"libtorch\""), "{}", gave.out);
    let gave = probe("other.so");
    assert_eq!(gave.code, 4);
    assert!(
        gave.err.contains("[place]/other.so, and there is no such file"),
        "{}",
        gave.err
    );
}
