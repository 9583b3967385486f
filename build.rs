//! Links the program to a fixed address. Its 295,000 pointers (arrow, most of them) would otherwise be relocated at every
//! start, which takes half of what a run with nothing to do costs.
//!
//! Tells the program where cargo puts the library of the tensor stages: `cargo install` takes the program alone.
//!
//! Tells the program which commit it is built from, for the records of runs. Only this crate, the command line, is
//! compiled again after a commit.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rerun-if-env-changed=ACTIONFINDER_DIST");
    if let Some(folder) = libraries() {
        println!("cargo::rustc-env=ACTIONFINDER_LIBRARIES={}", folder.display());
    }
    if let Some(commit) = commit() {
        println!("cargo::rustc-env=ACTIONFINDER_COMMIT={commit}");
    }
}

/// The folder of this build's libraries; none for a program that is given away, which has its library with it.
fn libraries() -> Option<PathBuf> {
    if std::env::var_os("ACTIONFINDER_DIST").is_some() {
        return None;
    }
    // Of target/PROFILE/build/NAME/out.
    let out = PathBuf::from(std::env::var_os("OUT_DIR")?);
    Some(out.ancestors().nth(3)?.join("deps"))
}

/// The commit, with a mark where the sources differ from it; `None` without git, or where these sources are no checkout.
fn commit() -> Option<String> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")?;
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(&folder)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&folder).canonicalize().ok()? {
        return None;
    }
    // Every commit and checkout adds a line to the log of HEAD; the sources are looked at for the mark.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={}", Path::new(&folder).join(log).display());
    for sources in ["Cargo.toml", "Cargo.lock", "src", "stages"] {
        println!("cargo::rerun-if-changed={sources}");
    }
    let hash = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "Cargo.lock",
        "src",
        "stages",
    ])?;
    let mark = if changed.is_empty() { "" } else { " with changes" };
    Some(format!("{hash}{mark}"))
}
