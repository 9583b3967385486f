//! One line instead of a pipeline: the pipeline is written, run like any other, and the table that was asked for is written where it
//! was asked for. What was made before is found again.

pub mod columns;

use std::path::{Path, PathBuf};

use super::common::{Loaded, Parameters, Work};
use super::export;
use super::failure::{Failure, Finished};
use super::results::Results;
use super::run;
use crate::console::{Log, print};

/// What every such command takes.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Where to write the table: its ending, .parquet, .csv, .ecsv or .fits, tells the format
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which table of a file that has several: its name or number; which particles of a snapshot, such as `stars`
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Only print the pipeline
    #[arg(long)]
    explain: bool,
    /// CPU threads [default: all]
    #[arg(long, value_name = "N", value_parser = run::threads)]
    threads: Option<usize>,
    /// How to show progress
    #[arg(long, value_enum, default_value = "auto")]
    log: Log,
    #[command(flatten)]
    results: Results,
}

/// A pipeline, and which of its tables is wanted.
pub struct Quick {
    /// Its name.
    pub name: String,
    /// Its text.
    pub yaml: String,
    /// `stage.port`.
    pub wanted: &'static str,
}

impl How {
    /// Whether a table can be written to the file that is named, which must not be the one that is `read`.
    pub fn check(&self, read: &Path) -> Result<(), Failure> {
        export::format_of(&self.output)?;
        export::spare(&self.output, std::iter::once(read))
    }

    /// Runs the pipeline and writes the table.
    pub fn run(self, quick: &Quick) -> Result<Finished, Failure> {
        let format = export::format_of(&self.output)?;
        if self.explain {
            print(&quick.yaml);
            return Ok(Finished::Well);
        }
        let path = self.results.folder_here().join(&quick.name).join("pipeline.yaml");
        put(&path, &quick.yaml)?;
        // Its own file is below the results, which it would not find by itself if they are somewhere else.
        let results = Results::in_folder(self.results.folder_here());
        let work = Work::of(path.clone(), results.clone());
        let finished = run::run(run::Args::of(work, self.threads, self.log))?;
        if !finished.is_well() {
            return Ok(finished);
        }
        let loaded = Loaded::new(&path, &Parameters::default(), &results)?;
        let none = |_| {
            let why = "no star has a result, and nothing is written; the finding above says why";
            Failure::Work(why.to_owned())
        };
        let (table, kept) = export::files_of(&loaded, quick.wanted).map_err(none)?;
        export::write(&table, kept.as_deref(), quick.wanted, &self.output, format)?;
        Ok(Finished::Well)
    }
}

/// Writes a text, unless the file holds it already: what is unchanged keeps its time, and seals stay.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::file(path, &error))
}

/// The stage `stars` that brings in a file of stars, as YAML below `stages`.
///
/// **Fails when** the file lacks columns that are needed.
pub fn stars(file: &Path, with: &How) -> Result<Stars, Failure> {
    let table = with.table.as_deref();
    let mapped = columns::mapped(
        file,
        formats::How {
            table,
            ..formats::How::default()
        },
    )?;
    let table = table.map(|name| format!("        table: {}\n", quoted(name)));
    let lines: Vec<String> = mapped
        .iter()
        .map(|(ours, theirs)| format!("          {ours}: {}\n", quoted(theirs)))
        .collect();
    let yaml = format!(
        "  stars:\n    import_streams:\n      with:\n        path: {}\n{}        keep: all\n        columns:\n{}",
        quoted(&absolute(file)?),
        table.unwrap_or_default(),
        lines.concat()
    );
    Ok(Stars {
        yaml,
        have_errors: mapped.iter().any(|(ours, _)| ours.ends_with("_error")),
    })
}

/// A stage that brings in the stars of a file.
pub struct Stars {
    /// The stage `stars`, in YAML.
    pub yaml: String,
    /// Whether the file says errors of what was measured.
    pub have_errors: bool,
}

/// A path that is the same from any folder.
pub fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::Usage(format!("{}: its name is no text", path.display())))
}

/// A text in YAML, whatever is in it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The name of a pipeline for a file: letters, numbers, `-` and `_` of the file's own.
pub fn name(command: &str, file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    format!("{command}_{}", clean(&stem))
}

/// A text as a name of a pipeline.
pub fn clean(text: &str) -> String {
    let clean = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '_'
        }
    };
    text.chars().take(60).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_fit_whatever_a_file_is_called() {
        assert_eq!(name("actions", Path::new("a/Gaia DR3.v2.fits")), "actions_Gaia_DR3_v2");
        assert_eq!(quoted("it's \"x\": $a"), "\"it's \\\"x\\\": $a\"");
    }
}
