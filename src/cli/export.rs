//! `actionfinder export`

mod crated;
mod drawn;
mod kept;
mod rows;
mod swept;

use std::path::{Path, PathBuf};

use formats::{FormatError, Rows, Written};
use runner::graph::StageId;
use runner::ports::Artifact;

use super::answers::Exported;
use super::common::{Loaded, Parameters};
use super::failure::{Failure, Finished};
use super::output::can_be_written;
use super::results::Results;
use crate::console::{answer, manners, say};
use drawn::Form;
use rows::{Beside, OfFile};
use swept::{Files, Swept};

/// Write an output for other programs: a table as Parquet, CSV, ECSV or FITS, with units; a figure as SVG, PDF or PNG, or what is drawn
/// in it as a table; or all of a pipeline or a recorded run as one .zip, to be handed over. Columns that an import keeps (`keep`) are beside the
/// results of its stars, which are then in the order of the file. Of a stage that is swept, the tables of all points are one, with the swept
/// parameters as columns.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// PIPELINE, PIPELINE:STAGE or PIPELINE:STAGE.PORT; or a Parquet or SVG file of the results; for a .zip also a run, as `runs` names it.
    /// Without a stage, the last that gives a table
    output: String,
    /// The file to write; its ending tells the format: .parquet, .csv, .ecsv, .fits; .svg, .pdf, .png; .zip for all (RO-Crate)
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    to: PathBuf,
    /// Into a .zip: leave out the data that the pipeline reads
    #[arg(long)]
    without_data: bool,
    /// Into a .zip: the licence of the results, by its SPDX identifier or its address [default: that of the project's CITATION.cff]
    #[arg(long, value_name = "LICENCE")]
    license: Option<String>,
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    results: Results,
}

/// Writes it.
pub fn run(args: Args) -> Result<Finished, Failure> {
    can_be_written(&args.to)?;
    if args.to.extension().is_some_and(|ending| ending == "zip") {
        crated::write(&args)?;
        return told(&args.to);
    }
    if args.without_data || args.license.is_some() {
        return Err(Failure::Usage(
            "--without-data and --license are for a .zip, which holds all of a pipeline".to_owned(),
        ));
    }
    let form = Form::of(&args.to);
    let (file, output) = split(&args.output);
    let is_pipeline = file
        .extension()
        .is_some_and(|ending| ending == "yaml" || ending == "yml");
    let format = |is_figure: bool| match (form, is_figure) {
        (Some(_), _) => Ok(None),
        (None, false) => format_of(&args.to).map(Some),
        (None, true) => Written::of(&args.to)
            .map(Some)
            .map_err(|_| no_ending_of_figures(&args.to)),
    };
    let (path, kept, name, format) = if is_pipeline {
        let loaded = Loaded::new(&file, &args.parameters, &args.results)?;
        let read = loaded.graph.stages.iter().flat_map(|stage| stage.files.iter());
        spare(&args.to, read.map(|file| file.path.as_path()))?;
        let (stages, port) = match output {
            Some(output) => loaded.all_of(output)?,
            None => loaded.last_table()?,
        };
        let stage = match (form, stages.as_slice()) {
            (None, [stage]) => *stage,
            (None, several) => return all_points(&loaded, several, (port, output.is_none()), &args.to),
            // A figure is of one point.
            (Some(_), _) => loaded.stage(output.unwrap_or(&loaded.graph[stages[0]].name))?,
        };
        let format = format(is_figure(&loaded, stage, port))?;
        let port = if form.is_none() {
            table_of(&loaded, stage, port)
        } else {
            port
        };
        let name = format!("{}.{port}", loaded.graph[stage].label);
        let path = loaded.file(stage, port)?;
        if output.is_none() {
            say(&format!(
                "{name}: the last stage's table; PIPELINE:STAGE.PORT names another"
            ));
        }
        (path, kept::file(&loaded, stage, port), name, format)
    } else {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
        let is_figure = file.extension().is_some_and(|ending| ending == "svg");
        let format = format(is_figure)?;
        (PathBuf::from(&args.output), None, name.unwrap_or_default(), format)
    };
    let is = |ending: &str| path.extension().is_some_and(|own| own == ending);
    match (form, format) {
        (Some(form), _) if is("svg") => draw(&path, &args.to, form)?,
        (None, Some(format)) if is("parquet") => write(&path, kept.as_deref(), &name, &args.to, format)?,
        (Some(_), _) => {
            return Err(Failure::Usage(format!(
                "{} is no figure of the results: only those are written as .svg, .pdf and .png",
                path.display()
            )));
        }
        _ => {
            return Err(Failure::Usage(format!(
                "{} is no table of the results: only those are exported",
                path.display()
            )));
        }
    }
    told(&args.to)
}

/// The answer, where one is asked for.
fn told(to: &Path) -> Result<Finished, Failure> {
    if manners().json {
        let file = to.display().to_string();
        answer(|| Exported { file }, String::new);
    }
    Ok(Finished::Well)
}

/// Writes an output at several points of a sweep as one table.
fn all_points(
    loaded: &Loaded,
    stages: &[StageId],
    (port, is_last): (&'static str, bool),
    to: &Path,
) -> Result<Finished, Failure> {
    let format = format_of(to)?;
    let port = table_of(loaded, stages[0], port);
    let files = stages
        .iter()
        .map(|&stage| -> Result<Files, Failure> { Ok((loaded.file(stage, port)?, kept::file(loaded, stage, port))) });
    let files: Vec<Files> = files.collect::<Result<_, _>>()?;
    if files
        .iter()
        .any(|(file, _)| file.extension().is_none_or(|ending| ending != "parquet"))
    {
        // What is no table is of one point.
        loaded.stage(&loaded.graph[stages[0]].name)?;
    }
    let all = files.iter().flat_map(|(file, kept)| std::iter::once(file).chain(kept));
    spare(to, all.map(PathBuf::as_path))?;
    let rows = files.iter().map(|(file, kept)| table(file, kept.as_deref()));
    let swept = Swept::new(&loaded.graph, stages, rows.collect::<Result<_, _>>()?)?;
    let name = format!("{}.{port}", loaded.graph[stages[0]].name);
    let last = if is_last { "the last stage's table, " } else { "" };
    say(&format!("{name}: {last}at {} points of the sweep", stages.len()));
    write_rows(&swept, &name, to, format)?;
    told(to)
}

/// The table of what a figure shows, for the figure; the output itself for others.
fn table_of(loaded: &Loaded, stage: StageId, port: &'static str) -> &'static str {
    let outputs = &loaded.graph[stage].outputs;
    let table = outputs
        .iter()
        .find(|output| matches!(output.artifact, Artifact::Table(_)));
    match table {
        Some(table) if is_figure(loaded, stage, port) => table.name,
        _ => port,
    }
}

fn is_figure(loaded: &Loaded, stage: StageId, port: &str) -> bool {
    let outputs = &loaded.graph[stage].outputs;
    let found = outputs.iter().find(|output| output.name == port);
    found.is_some_and(|output| output.artifact == Artifact::Figure)
}

fn no_ending_of_figures(to: &Path) -> Failure {
    Failure::Usage(format!(
        "{} has no ending of a format that figures are written in\n  help: end it in .svg, .pdf or .png; what is drawn is a table: .csv, \
         .ecsv, .fits or .parquet",
        to.display()
    ))
}

/// Writes a figure of the results to a file, and says so.
fn draw(from: &Path, to: &Path, form: Form) -> Result<(), Failure> {
    spare(to, std::iter::once(from))?;
    let svg = std::fs::read_to_string(from).map_err(|error| Failure::file(from, &error))?;
    let bytes = drawn::bytes(&svg, form).map_err(|error| Failure::Work(format!("{}: {error}", from.display())))?;
    formats::write_bytes(to, &bytes).map_err(|error| Failure::Work(said(&error)))?;
    say(&format!("{}: {} bytes", to.display(), bytes.len()));
    Ok(())
}

/// The file of an output, and that of what was kept of its stars.
pub fn files_of(loaded: &Loaded, output: &str) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let (stage, port) = loaded.output(output)?;
    Ok((loaded.file(stage, port)?, kept::file(loaded, stage, port)))
}

/// The format of a file to write, by the ending of its name.
pub fn format_of(to: &Path) -> Result<Written, Failure> {
    Written::of(to).map_err(|error| Failure::Usage(said(&error)))
}

/// Refuses to write over one of the files that the results are made of.
pub fn spare<'a>(to: &Path, mut read: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    let Ok(place) = to.canonicalize() else {
        return Ok(());
    };
    match read.any(|file| file.canonicalize().is_ok_and(|file| file == place)) {
        true => Err(Failure::Usage(format!(
            "{} is what the results are made of, and is left as it is: name another file to write",
            to.display()
        ))),
        false => Ok(()),
    }
}

/// Writes a table of the results to a file, under the name of its output, with what was kept of the stars beside it, and says so.
pub fn write(from: &Path, kept: Option<&Path>, name: &str, to: &Path, format: Written) -> Result<(), Failure> {
    spare(to, std::iter::once(from).chain(kept))?;
    write_rows(table(from, kept)?.as_ref(), name, to, format)
}

/// The rows of a table of the results, with what was kept of the stars beside them.
fn table<'a>(from: &'a Path, kept: Option<&'a Path>) -> Result<Box<dyn Rows + 'a>, Failure> {
    let Some(kept) = kept else {
        return Ok(Box::new(OfFile(from)));
    };
    if let Some(beside) = Beside::new(from, kept).map_err(Failure::work)? {
        return Ok(Box::new(beside));
    }
    // Stars of streams are sorted by them, and no longer in the order of the file.
    let [table, kept] = [from, kept].map(|path| tables::read(path).map_err(Failure::work));
    Ok(Box::new(kept::joined(table?, &kept?).map_err(Failure::work)?))
}

/// Writes rows to a file, under the name of their output, and says so.
fn write_rows(rows: &dyn Rows, name: &str, to: &Path, format: Written) -> Result<(), Failure> {
    let written = formats::write(to, format, name, rows).map_err(|error| Failure::Work(said(&error)))?;
    say(&format!(
        "{}: {} rows, {} columns",
        to.display(),
        written.rows,
        rows.schema().fields().len()
    ));
    if !written.respelled.is_empty() {
        let columns = written.respelled.join(", ");
        say(&format!(
            "note: FITS has only ASCII: texts of {columns} are spelled in it, such as phi for φ; .ecsv and .parquet keep them"
        ));
    }
    Ok(())
}

/// A pipeline's file, and what is named after the colon.
fn split(text: &str) -> (PathBuf, Option<&str>) {
    // A file may have a colon in its name.
    match text.rsplit_once(':').filter(|_| !Path::new(text).exists()) {
        Some((file, output)) if !output.is_empty() => (file.into(), Some(output)),
        _ => (text.into(), None),
    }
}

/// What is said of an error with a file.
pub fn said(error: &FormatError) -> String {
    match error {
        FormatError::Unfit {
            message,
            hint: Some(hint),
        } => format!("{message}\n  help: {hint}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_stands_after_the_colon() {
        let named = |text| split(text);
        assert_eq!(named("a/p.yaml"), ("a/p.yaml".into(), None));
        assert_eq!(
            named("a/p.yaml:stars.set_aside"),
            ("a/p.yaml".into(), Some("stars.set_aside"))
        );
        assert_eq!(
            named("p.yaml:errors[seed=2]"),
            ("p.yaml".into(), Some("errors[seed=2]"))
        );
    }
}
