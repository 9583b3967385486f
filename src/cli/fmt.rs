//! `actionfinder fmt`

use std::path::{Path, PathBuf};

use runner::spec::{apply, second_edition};

use super::failure::{Failure, Finished};
use crate::console::{count, one_line, print};

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

/// Rewrites each file, or says what would change in it.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let (mut lines, mut changed) = (Vec::new(), false);
    for file in &args.files {
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| Failure::Work(format!("{shown}: {error}")))?;
        let changes = second_edition(&text);
        changed |= !changes.is_empty();
        if args.check {
            for change in &changes {
                let line = 1 + text[..change.span.start].matches('\n').count();
                let (from, to) = (brief(&text[change.span.clone()]), brief(&change.with));
                lines.push(format!("{shown}:{line}: {from} → {to}"));
            }
        } else if changes.is_empty() {
            lines.push(format!("{shown}: nothing to change"));
        } else {
            write(file, &apply(&text, &changes))?;
            lines.push(format!("{shown}: {}", count(changes.len(), "change")));
        }
    }
    if args.check && !changed {
        lines.push(format!("nothing to change in {}", count(args.files.len(), "file")));
    }
    print(&lines.join("\n"));
    Ok(if args.check && changed {
        Finished::WouldRun
    } else {
        Finished::Well
    })
}

/// The beginning of a text, on one line.
fn brief(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = one_line(text);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// The file stays the same one, with its permissions, and links to it lead to it.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Work(format!("{}: {error}", file.display())))
}
