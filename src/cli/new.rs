//! `actionfinder new`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::failure::{Failure, Finished};
use crate::console::print;

/// Write a commented pipeline for your own data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write
    #[arg(default_value = "pipeline.yaml")]
    path: PathBuf,
}

const TEMPLATE: &str = include_str!("../../pipelines/your_data.yaml");

/// Writes the template, never over an existing file.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let path = args.path.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.path)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Failure::Usage(format!("{path} is there already, and is left as it is"))
            } else {
                Failure::Work(format!("{path}: {error}"))
            }
        })?;
    file.write_all(TEMPLATE.as_bytes())
        .map_err(|error| Failure::Work(format!("{path}: {error}")))?;
    print(&format!(
        "wrote {path}\nname your file and its columns in it, then: actionfinder plan {path}"
    ));
    Ok(Finished::Well)
}
