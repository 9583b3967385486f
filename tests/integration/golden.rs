//! What every kind gave for its small input in `tests/golden/kinds.yaml`, kept in `tests/golden/outputs.tsv`: a kind whose output
//! changes raises its REVISION, or fails here.
//!
//! On a processor and C library like those that wrote the file the SHA-256 of every output must be the same. On others libtorch, wide
//! vectors and `sin` round in other ways: there each column's mean and root mean square stand for the hash, within [`NEARLY`], of
//! outputs whose inputs are the same to the byte. What is made of inputs that were rounded in other ways is not held to a number there:
//! comparisons after a training of two epochs differ by a quarter between processors of Intel and AMD.
//! `GOLDEN=write cargo nextest run golden` writes the file anew, and refuses where a revision was not raised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde_json::Value;

use crate::program::{Place, project};

/// Relative to a column's root mean square, on another machine: 1e-9 is what other roundings make of orbits of a few periods;
/// trainings turn them into more. Between processors of Intel and AMD the losses of a field's network differ by 1.9 %, the spread of a map
/// by 1.1 %.
const NEARLY: [(&str, f64); 10] = [
    ("train_actions", 5e-2),
    ("train_acceleration", 1e-3),
    ("train_inverse", 1e-3),
    ("train_potential", 5e-2),
    ("fit_galaxy", 1e-3),
    ("correct_streams", 1e-3),
    ("predict", 1e-2),
    ("recover_velocities", 1e-2),
    ("compare", 1e-2),
    ("", 1e-6),
];

/// One output: its kind and that kind's revision, the fingerprint it was made under, its hash, its columns in short.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    kind: String,
    revision: u64,
    fingerprint: String,
    sha256: String,
    digest: BTreeMap<String, [f64; 2]>,
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// All outputs of the small pipeline by stage and file.
fn found(place: &Place) -> BTreeMap<(String, String), Output> {
    place.well(&["run", "kinds.yaml"]);
    let mut outputs = BTreeMap::new();
    let state = json(&place.path("results/kinds/state.json"));
    for (stage, last) in state["stages"].as_object().unwrap() {
        let (kind, hash) = (last["kind"].as_str().unwrap(), last["hash"].as_str().unwrap());
        let folder = place.path("results/cache/v1").join(kind).join(hash);
        let revision = json(&folder.join("fingerprint.json"))["revision"].as_u64().unwrap();
        for output in json(&folder.join("manifest.json"))["outputs"].as_array().unwrap() {
            let file = output["file"].as_str().unwrap();
            let found = Output {
                kind: kind.to_owned(),
                revision,
                fingerprint: hash.to_owned(),
                sha256: output["sha256"].as_str().unwrap().to_owned(),
                digest: digest(&folder.join(file)),
            };
            outputs.insert((stage.clone(), file.to_owned()), found);
        }
    }
    outputs
}

/// Mean and root mean square of every column of numbers; the number of rows.
fn digest(path: &Path) -> BTreeMap<String, [f64; 2]> {
    let mut digest = BTreeMap::new();
    if path.extension().is_none_or(|extension| extension != "parquet") {
        return digest;
    }
    let table = tables::read(path).unwrap();
    digest.insert("rows".to_owned(), [table.num_rows() as f64, 0.0]);
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        let unit = tables::unit_of(field);
        assert_eq!(
            unit,
            runner::units::standard(unit),
            "{}: {}",
            path.display(),
            field.name()
        );
        // Names and reasons are held by the hash; ids are too large for a mean.
        let is_number = matches!(
            field.data_type(),
            DataType::Float64 | DataType::Boolean | DataType::Int64
        );
        if !is_number || field.name() == "stream" {
            continue;
        }
        let numbers = cast(column, &DataType::Float64).unwrap();
        let values: Vec<f64> = numbers.as_primitive::<Float64Type>().iter().flatten().collect();
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let square = values.iter().map(|value| value * value).sum::<f64>() / count;
        digest.insert(field.name().clone(), [mean, square.sqrt()]);
    }
    digest
}

/// What roundings depend on: the processor's instructions and the C library.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let vendor = cpu.lines().find(|line| line.starts_with("vendor_id")).unwrap_or("");
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or("");
    let has = |name: &&str| flags.split_whitespace().any(|flag| flag == *name);
    let wide: Vec<&str> = ["avx2", "fma", "avx512f", "avx512_vnni", "amx_tile"]
        .into_iter()
        .filter(has)
        .collect();
    let version = std::process::Command::new("ldd").arg("--version").output();
    let version = version
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let version = version
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().last())
        .unwrap_or("")
        .to_owned();
    format!(
        "{} {} glibc {version}",
        vendor.rsplit(' ').next().unwrap_or(""),
        wide.join(" ")
    )
}

fn write(outputs: &BTreeMap<(String, String), Output>) -> String {
    let mut text = format!("# {}\n", machine());
    for ((stage, file), output) in outputs {
        let digest: Vec<String> = output
            .digest
            .iter()
            .map(|(name, [mean, rms])| format!("{name}={mean:.12e},{rms:.12e}"))
            .collect();
        let Output {
            kind,
            revision,
            fingerprint,
            sha256,
            ..
        } = output;
        let _ = writeln!(
            text,
            "{stage}\t{file}\t{kind}\t{revision}\t{fingerprint}\t{sha256}\t{}",
            digest.join(" ")
        );
    }
    text
}

fn read(text: &str) -> BTreeMap<(String, String), Output> {
    let number = |text: &str| text.parse::<f64>().unwrap();
    let column = |text: &str| {
        let (name, values) = text.split_once('=').unwrap();
        let (mean, rms) = values.split_once(',').unwrap();
        (name.to_owned(), [number(mean), number(rms)])
    };
    let line = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let output = Output {
            kind: cells[2].to_owned(),
            revision: cells[3].parse().unwrap(),
            fingerprint: cells[4].to_owned(),
            sha256: cells[5].to_owned(),
            digest: cells[6].split_whitespace().map(column).collect(),
        };
        ((cells[0].to_owned(), cells[1].to_owned()), output)
    };
    text.lines().filter(|text| !text.starts_with('#')).map(line).collect()
}

/// What an output's columns differ in, beyond other roundings.
fn differs(before: &Output, now: &Output) -> Vec<String> {
    let tolerance = NEARLY
        .iter()
        .find(|(kind, _)| kind.is_empty() || *kind == now.kind)
        .map_or(0.0, |(_, most)| *most);
    let mut wrong = Vec::new();
    for (name, [mean, rms]) in &before.digest {
        let same = now.digest.get(name).is_some_and(|[a, b]| {
            let most = tolerance * rms.abs().max(1e-300);
            (mean - a).abs() <= most && (rms - b).abs() <= most || a.is_nan() && mean.is_nan()
        });
        if !same {
            wrong.push(format!("{name}: {mean:e}, {rms:e} became {:?}", now.digest.get(name)));
        }
    }
    wrong
}

#[test]
fn a_kind_whose_output_changes_raises_its_revision() {
    let path = project("tests/golden/outputs.tsv");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let (before, now) = (read(&text), found(&crate::catalog::place()));
    let same_machine = text.lines().next() == Some(&format!("# {}", machine()));
    let (mut changed, mut other) = (Vec::new(), Vec::new());
    for (name @ (stage, file), output) in &now {
        let Output { kind, revision, .. } = output;
        match before.get(name) {
            None => other.push(format!("{stage}: {file} is new")),
            Some(was) if was.revision != *revision => {
                other.push(format!(
                    "{stage}: {kind} is at revision {revision}, the file at {}",
                    was.revision
                ));
            }
            // The same parameters, inputs and revision.
            Some(was) if was.fingerprint == output.fingerprint => {
                let columns = differs(was, output);
                if (same_machine && was.sha256 != output.sha256) || !columns.is_empty() {
                    let columns = columns.join("; ");
                    changed.push(format!(
                        "{stage}: {kind} changed {file} without raising its REVISION. {columns}"
                    ));
                }
            }
            // Other inputs or parameters: by a change before this stage, or on another machine by their last bits.
            Some(was) if same_machine => {
                let columns = differs(was, output).join("; ");
                other.push(format!("{stage}: {file} has other inputs or parameters. {columns}"));
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    other.extend(gone.map(|(stage, file)| format!("{stage}: {file} is gone")));
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    if std::env::var("GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, write(&now)).unwrap();
        return;
    }
    assert!(
        other.is_empty(),
        "{}\nOnce that is meant: GOLDEN=write cargo nextest run golden",
        other.join("\n")
    );
}
