//! The walls between the rooms, as cargo sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::program::PROGRAM;

/// Packages by name with the names of all packages they are built from, directly or not; tests do not count.
fn built_from() -> BTreeMap<String, BTreeSet<String>> {
    // Only this platform's packages are sure to be there.
    let rustc = String::from_utf8(Command::new("rustc").arg("-vV").output().unwrap().stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--offline",
            "--locked",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let normal = |dep: &&Value| {
            dep["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"].is_null())
        };
        let dependencies = node["deps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(normal)
            .map(|dep| text(&dep["pkg"]));
        direct.insert(text(&node["id"]), dependencies.collect());
    }
    let members = metadata["workspace_members"].as_array().unwrap().iter().map(text);
    let mut all = BTreeMap::new();
    for member in members {
        let (mut reached, mut open) = (BTreeSet::new(), vec![member.clone()]);
        while let Some(id) = open.pop() {
            open.extend(
                direct[&id]
                    .iter()
                    .filter(|next| reached.insert((*next).clone()))
                    .cloned(),
            );
        }
        all.insert(
            names[&member].clone(),
            reached.iter().map(|id| names[id].clone()).collect(),
        );
    }
    all
}

#[test]
fn crates_stay_in_their_rooms() {
    let built_from = built_from();
    let walls: [(&str, &[&str]); 9] = [
        (
            "runner",
            &[
                "tch",
                "torch-sys",
                "parquet",
                "arrow",
                "arrow-array",
                "dynamics",
                "tables",
                "stages",
                "object_store",
                "tokio",
            ],
        ),
        ("remote", &["tch", "arrow", "parquet", "tables", "stages", "dynamics"]),
        (
            "dynamics",
            &[
                "serde_yaml",
                "arrow",
                "arrow-schema",
                "parquet",
                "runner",
                "tch",
                "torch-sys",
            ],
        ),
        (
            "parameters",
            &["serde_yaml", "arrow", "arrow-schema", "parquet", "runner", "tables"],
        ),
        (
            "networks",
            &["serde_yaml", "arrow", "arrow-schema", "parquet", "runner", "tables"],
        ),
        ("tables", &["runner", "dynamics", "tch", "torch-sys", "serde_yaml"]),
        ("formats", &["runner", "dynamics", "stages", "tch", "torch-sys"]),
        ("stages", &["tch", "torch-sys", "networks", "tensor_stages"]),
        ("tensor_stages", &["actionfinder"]),
    ];
    for (member, forbidden) in walls {
        let reached = built_from.get(member).unwrap_or_else(|| panic!("no crate {member}"));
        let broken: Vec<_> = forbidden.iter().filter(|name| reached.contains(**name)).collect();
        assert!(broken.is_empty(), "{member} is built from {broken:?}");
    }
    let known: BTreeSet<&str> = walls.iter().map(|wall| wall.0).chain(["actionfinder"]).collect();
    let unknown: Vec<_> = built_from
        .keys()
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "crates without a wall: {unknown:?}");
}

/// Loading libtorch would cost a third of a second at every start.
#[test]
fn the_program_does_not_link_libtorch() {
    let program = std::fs::read(PROGRAM).unwrap();
    for library in ["libtorch_cpu.so", "libc10.so"] {
        // The names of needed libraries stand in the program as strings that end with a zero byte.
        let name = [b"\0", library.as_bytes(), b"\0"].concat();
        assert!(
            !program.windows(name.len()).any(|window| window == name),
            "the program needs {library}"
        );
    }
}
