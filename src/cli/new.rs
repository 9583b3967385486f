//! `actionfinder new`

mod from;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::failure::{Failure, Finished};
use crate::console::print;

/// Write a commented pipeline for your own data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write
    #[arg(default_value = "pipeline.yaml")]
    path: PathBuf,
    /// Your table: its columns, units, errors and streams are looked up in it, and the pipeline is ready to run
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

const TEMPLATE: &str = include_str!("../../pipelines/your_data.yaml");

/// Writes the template, never over an existing file.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let path = args.path.display();
    let there = || Failure::Usage(format!("{path} is there already, and is left as it is"));
    // Nothing is looked up for a file that will not be written.
    if args.path.exists() {
        return Err(there());
    }
    let (yaml, found) = match &args.from {
        None => (
            TEMPLATE.to_owned(),
            vec!["name your file and its columns in it, then:".to_owned()],
        ),
        Some(file) => {
            let written = from::pipeline(TEMPLATE, file, &name(&args.path))?;
            (
                written.yaml,
                [written.found, vec!["what it would do:".to_owned()]].concat(),
            )
        }
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => there(),
            _ => Failure::file(&args.path, &error),
        })?;
    file.write_all(yaml.as_bytes())
        .map_err(|error| Failure::file(&args.path, &error))?;
    print(&format!("wrote {path}\n{} actionfinder plan {path}", found.join("\n")));
    Ok(Finished::Well)
}

/// The name of a pipeline in a file: letters, numbers, `-` and `_` of the file's own.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    super::quick::clean(&stem)
}
