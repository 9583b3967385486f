//! `actionfinder new`

mod from;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::answers::Begun;
use super::failure::{Failure, Finished};
use super::output::can_be_written;
use super::quick::{absolute, quoted};
use crate::console::answer;

/// Write a commented pipeline for your own data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write
    #[arg(default_value = "pipeline.yaml")]
    path: PathBuf,
    /// Your table: its columns, units, errors and streams are looked up in it, and gaps are left for those of other names
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Which table of a file that has several: its name or number; which particles of a snapshot, such as `stars`
    #[arg(long, value_name = "NAME", requires = "from")]
    table: Option<String>,
}

const TEMPLATE: &str = include_str!("../../pipelines/your_data.yaml");

/// The stars on which the template runs as it stands, and where it has them.
const SAMPLE: &[u8] = include_bytes!("../../tests/reference/orbits_dehnen_binney_98_1_halo.parquet");
const SAMPLE_AT: &str = "../tests/reference/orbits_dehnen_binney_98_1_halo.parquet";

/// What the stars are called beside a template.
const SAMPLE_NAME: &str = "example_stars.parquet";

/// Writes the template, never over an existing file.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let path = args.path.display();
    // Nothing is looked up for a file that will not be written.
    if args.path.exists() {
        return Err(there(&args.path));
    }
    can_be_written(&args.path)?;
    let (yaml, found) = match &args.from {
        None => {
            let sample = args.path.with_file_name(SAMPLE_NAME);
            let stars = sample.display().to_string();
            put(&sample, SAMPLE)?;
            (
                TEMPLATE.replacen(SAMPLE_AT, &quoted(&absolute(&sample)?), 1),
                vec![
                    format!("it runs as it stands, on {stars}; name your own file and its columns in it"),
                    "what it would do:".to_owned(),
                ],
            )
        }
        Some(file) => {
            let written = from::pipeline(TEMPLATE, file, args.table.as_deref(), &name(&args.path))?;
            let next = match written.has_gaps {
                true => "what is still to be named:",
                false => "what it would do:",
            };
            (written.yaml, [written.found, vec![next.to_owned()]].concat())
        }
    };
    put(&args.path, yaml.as_bytes())?;
    let words = format!("wrote {path}\n{} actionfinder plan {path}", found.join("\n"));
    let begun = Begun {
        file: path.to_string(),
        found,
    };
    answer(|| begun, || words);
    Ok(Finished::Well)
}

/// Writes a file, unless it is there: one that holds the same stays.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there(path),
        _ => Failure::file(path, &error),
    })?;
    file.write_all(bytes).map_err(|error| Failure::file(path, &error))
}

fn there(path: &Path) -> Failure {
    Failure::Usage(format!("{} is there already, and is left as it is", path.display()))
}

/// The name of a pipeline in a file: letters, numbers, `-` and `_` of the file's own.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    super::quick::clean(&stem)
}
