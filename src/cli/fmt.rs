//! `actionfinder fmt`

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use runner::spec::{self, Change, Diagnostics, PipelineFile, apply, second_edition};
use runner::store::files::{self, Keep};

use super::answers::Rewritten;
use super::failure::{Failure, Finished, with_hint};
use crate::catalog::catalog;
use crate::console::{answer, count, one_line};

/// Rewrite pipelines of an older edition of the language; comments and layout stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The edition to write
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=2))]
    edition: u8,
    /// Change nothing: say what would change, and end with exit code 1 if anything would
    #[arg(long)]
    check: bool,
    /// The pipelines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Rewrites each file, or says what would change in it. Nothing is written where one of them cannot be read.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let (mut lines, mut changed) = (Vec::new(), false);
    let found = args.files.iter().map(|file| changes(file));
    let found: Vec<(String, Vec<Change>)> = found.collect::<Result<_, _>>()?;
    for (file, (text, changes)) in args.files.iter().zip(found) {
        let shown = file.display();
        changed |= !changes.is_empty();
        let second = apply(&text, &changes);
        let left = left(file, &second);
        if args.check {
            for change in &changes {
                let line = 1 + text[..change.span.start].matches('\n').count();
                let (from, to) = (brief(&text[change.span.clone()]), brief(&change.with));
                lines.push(format!("{shown}:{line}: {from} → {to}"));
            }
        } else if changes.is_empty() {
            lines.push(format!("{shown}: nothing to change"));
        } else {
            write(file, &second)?;
            lines.push(format!("{shown}: {}", count(changes.len(), "change")));
        }
        lines.extend(left);
    }
    if args.check && !changed {
        lines.push(format!("nothing to change in {}", count(args.files.len(), "file")));
    }
    let words = lines.join("\n");
    answer(|| Rewritten { lines, changed }, || words);
    Ok(if args.check && changed {
        Finished::WouldRun
    } else {
        Finished::Well
    })
}

/// What a file says, and what would change in it.
fn changes(file: &Path) -> Result<(String, Vec<Change>), Failure> {
    let shown = file.display();
    let pipeline = PipelineFile::read(file).map_err(|why| Failure::Work(format!("{shown}: {}", messages(&why))))?;
    let text = pipeline.own_text().to_owned();
    if text.trim().is_empty() {
        return Err(Failure::Work(format!("{shown}: the file is empty")));
    }
    let changes = second_edition(&text);
    // One that is cut off has nothing to change either.
    if changes.is_empty() && pipeline.name().is_none() {
        let text = format!("{shown} is no pipeline that can be read: `actionfinder plan {shown}` says why");
        return Err(Failure::Work(text));
    }
    Ok((text, changes))
}

fn messages(why: &Diagnostics) -> String {
    let messages: Vec<&str> = why.iter().map(|mistake| mistake.message.as_str()).collect();
    messages.join("; ")
}

/// What is left to do by hand in a file of the second edition: the shape of a parameter follows from what it is for.
fn left(file: &Path, text: &str) -> Option<String> {
    let shown = file.display().to_string();
    let folder = file.parent().unwrap_or(Path::new(""));
    let mistakes = spec::parse_str(text, &shown, folder, &[], &catalog()).err()?;
    let first = mistakes.iter().next()?;
    Some(format!(
        "{shown}: {} left that only you can mend, the first in line {}: `actionfinder plan {shown}` shows what may stand there",
        count(mistakes.len(), "mistake"),
        first.line
    ))
}

/// The beginning of a text, on one line.
fn brief(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = one_line(&text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// Rewritten whole or not at all. It keeps its permissions, and links to it lead to it.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let file = file.canonicalize()?;
        // One that may not be written is not replaced either.
        let permissions = OpenOptions::new().append(true).open(&file)?.metadata()?.permissions();
        files::replace_with(&file, Keep::Durable, |draft| {
            fs::write(draft, text)?;
            fs::set_permissions(draft, permissions)
        })
    };
    write().map_err(|error| Failure::Work(with_hint(&format!("cannot rewrite {}", file.display()), &error)))
}
