//! Tests of the program from outside: what a user types, and what comes back.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod accelerations;
mod aggregates;
mod attacks;
mod caches;
mod cases_dynamics;
mod cases_fields;
mod cases_files;
mod cases_language;
mod cases_orbits;
mod cases_runner;
mod cases_trainings;
mod catalog;
mod commands;
mod crates;
mod data;
mod diagnostics;
mod exports;
mod golden;
mod history;
mod manners;
mod measured;
mod memory;
mod new;
mod own_programs;
mod pages;
mod pipelines;
mod plans;
mod predictions;
mod program;
mod quick;
mod reference;
mod report;
mod runs;
mod schema;
mod seals;
mod searches;
mod sentences;
mod shipped;
mod slurm;
mod trainings;
mod uses;
mod walls;
mod watching;

/// Every file of this folder is part of the binary, and no other test binary lies beside it.
#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else {
            continue;
        };
        assert!(
            main.contains(&format!("\nmod {module};\n")),
            "{name} is not listed in main.rs"
        );
    }
    let beside = std::fs::read_dir(folder.parent().unwrap()).unwrap();
    let stray: Vec<_> = beside
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect();
    assert_eq!(
        stray,
        Vec::<std::path::PathBuf>::new(),
        "tests of the program belong in tests/integration"
    );
}
