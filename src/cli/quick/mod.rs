//! One line instead of a pipeline: the pipeline is written, run like any other, and the table that was asked for is written where it
//! was asked for. What was made before is found again.

pub mod columns;
mod set_aside;

use std::path::{Path, PathBuf};

use runner::store::Hash256;

use super::common::{Loaded, Parameters, Work};
use super::export;
use super::failure::{Failure, Finished};
use super::output::can_be_written;
use super::results::Results;
use super::run;
use crate::console::{Log, print, say};

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
        if !self.explain {
            can_be_written(&self.output)?;
        }
        export::format_of(&self.output)?;
        is_file(read)?;
        if self.table.is_some()
            && let Some(formats::Ending::Read(format)) = formats::Format::of(read)
            && !format.has_tables()
        {
            let why = "has one table, and takes no --table";
            return Err(Failure::Usage(format!("{}: {why}", read.display())));
        }
        export::spare(&self.output, std::iter::once(read))
    }

    /// Runs the pipeline and writes the table.
    pub fn run(self, quick: &Quick) -> Result<Finished, Failure> {
        let format = export::format_of(&self.output)?;
        if self.explain {
            print(&quick.explained());
            return Ok(Finished::Well);
        }
        quick.check()?;
        let path = self.results.folder_here().join(&quick.name).join("pipeline.yaml");
        put(&path, &quick.yaml)?;
        // Its own file is below the results, which it would not find by itself if they are somewhere else.
        let results = self.results.in_folder(self.results.folder_here());
        let work = Work::of(path.clone(), results.clone());
        let finished = run::run(run::Args::of(work, self.threads, self.log))?;
        if !finished.is_well() {
            return Ok(finished);
        }
        let loaded = Loaded::new(&path, &Parameters::default(), &results)?;
        let given = Parameters::default().given(&path, &self.results);
        for text in set_aside::said(&loaded, &given, quick.wanted) {
            say(&text);
        }
        let none = |_| {
            let why = "no star has a result, and nothing is written; the finding above says why";
            Failure::Work(why.to_owned())
        };
        let (table, kept) = export::files_of(&loaded, quick.wanted).map_err(none)?;
        export::write(&table, kept.as_deref(), quick.wanted, &self.output, format)?;
        Ok(Finished::Well)
    }
}

impl Quick {
    /// What is wrong with it is wrong with an option of the command line.
    ///
    /// **Fails when** it is no pipeline that can be planned.
    fn check(&self) -> Result<(), Failure> {
        let catalog = crate::catalog::catalog();
        let resolved = runner::spec::parse_str(&self.yaml, &self.name, Path::new("."), &[], &catalog);
        let Err(mistakes) = resolved else {
            return Ok(());
        };
        let said = |mistake: &runner::spec::Diagnostic| {
            let option = option_of(&mistake.path).map_or_else(String::new, |option| format!("{option}: "));
            let help = mistake.hint.as_ref().map(|hint| format!("\n  help: {hint}"));
            format!("{option}{}{}", mistake.message, help.unwrap_or_default())
        };
        // What two stages are given is wrong in both.
        let mut all: Vec<String> = mistakes.iter().map(said).collect();
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|text| seen.insert(text.clone()));
        Err(Failure::Usage(all.join("\n")))
    }

    /// Its text for a file of the user's own, which has another name: results of one name are of one file.
    fn explained(&self) -> String {
        let line = format!("pipeline: {}\n", self.name);
        self.yaml.replacen(&line, &format!("pipeline: my_{}\n", self.name), 1)
    }
}

/// The option whose value stands at a path of the pipeline.
fn option_of(path: &str) -> Option<&'static str> {
    let has = |key: &str| path.split('.').any(|part| part == key);
    match () {
        () if has("samples") => Some("--samples"),
        () if has("radii") => Some("--radii"),
        () if has("method") || has("potential") => Some("--potential"),
        () => None,
    }
}

/// Whether a file is there to be read.
fn is_file(path: &Path) -> Result<(), Failure> {
    let why = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "there is no such file",
        Err(error) => return Err(Failure::file(path, &error)),
        Ok(found) if found.is_dir() => "is a folder: name a file with a table in it",
        _ => return Ok(()),
    };
    Err(Failure::Usage(format!("{}: {why}", path.display())))
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

/// The name of a pipeline for a file and what it is given to: letters, numbers, `-` and `_` of their own. Where others are lost, a few
/// digits tell them apart.
pub fn name(command: &str, file: &Path, with: &str) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let (cleaned, with_cleaned) = (clean(&stem), clean(with));
    let name = format!("{command}_{cleaned}_{with_cleaned}");
    if cleaned == stem && with_cleaned == with {
        return name;
    }
    let hash = Hash256::of(format!("{stem}\n{with}").as_bytes()).to_string();
    format!("{name}_{}", hash.get(..6).unwrap_or(&hash))
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
    text.chars().take(40).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_fit_whatever_a_file_is_called() {
        let of = |file: &str, with: &str| name("actions", Path::new(file), with);
        assert_eq!(of("a/Gaia-DR3.fits", "mcmillan_17"), "actions_Gaia-DR3_mcmillan_17");
        assert!(of("a/Gaia DR3.v2.fits", "mcmillan_17").starts_with("actions_Gaia_DR3_v2_mcmillan_17_"));
        let (beta, gamma) = ("Étoiles du halo β.csv", "Étoiles du halo γ.csv");
        assert_ne!(of(beta, "mcmillan_17"), of(gamma, "mcmillan_17"));
        assert_ne!(of("s.csv", "{ a: 1 }"), of("s.csv", "{ a: 2 }"));
        assert_eq!(quoted("it's \"x\": $a"), "\"it's \\\"x\\\": $a\"");
    }
}
