//! `actionfinder explain`

use std::path::PathBuf;

use super::answers::{Explained, PageRow};
use super::failure::{Failure, Finished};
use crate::console::{align, answer};
use crate::reference::{self, Page};

/// Explain a kind of stage, a potential, a measure or a word of the glossary: parameters, units, defaults, columns.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to explain; without it, all that can be is listed
    name: Option<String>,
    /// Write every page as Markdown into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    write: Option<PathBuf>,
}

/// Prints a page, a part of one, or the list of them.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let pages = reference::pages(&crate::catalog::catalog());
    if let Some(folder) = args.write {
        return write(&folder, &pages);
    }
    let Some(name) = args.name else {
        let rows = pages.iter().map(|page| vec![page.name.clone(), page.about.clone()]);
        let glossary = reference::glossary();
        let terms = glossary.iter().filter_map(|entry| entry.words.first().cloned());
        let terms = terms.collect::<Vec<_>>().join(", ");
        let words = format!(
            "{}words of the glossary: {terms}\n",
            align(&rows.collect::<Vec<_>>(), &[])
        );
        let of_glossary = glossary
            .iter()
            .flat_map(|entry| entry.words.first())
            .map(|word| PageRow {
                name: word.clone(),
                about: "a word of the glossary".to_owned(),
                text: None,
            });
        let listed = pages.iter().map(|page| row(page, None)).chain(of_glossary);
        let listed = listed.collect();
        answer(|| Explained { pages: listed }, || words);
        return Ok(Finished::Well);
    };
    if let Some(page) = pages.iter().find(|page| page.name == name) {
        let pages = vec![row(page, Some(page.text.clone()))];
        answer(|| Explained { pages }, || page.text.trim_end().to_owned());
        return Ok(Finished::Well);
    }
    let term = reference::of_glossary(&name);
    // Where the glossary says what a word means, ports and parameters of that name say no more.
    let places = pages.iter().filter(|page| term.is_none() || reference::is_shared(page));
    let found = places.flat_map(reference::entries).filter(|(entry, _)| *entry == name);
    let mut parts: Vec<String> = term.iter().map(|entry| format!("{}\n", entry.text)).collect();
    parts.extend(found.map(|(_, part)| part));
    parts.dedup();
    if parts.is_empty() {
        return Err(Failure::Usage(unknown(&name, &pages)));
    }
    let text = parts.concat().trim_end().to_owned();
    let part = PageRow {
        name,
        about: String::new(),
        text: Some(text.clone()),
    };
    answer(|| Explained { pages: vec![part] }, || text);
    Ok(Finished::Well)
}

fn row(page: &Page, text: Option<String>) -> PageRow {
    PageRow {
        name: page.name.clone(),
        about: page.about.clone(),
        text,
    }
}

fn unknown(name: &str, pages: &[Page]) -> String {
    let known: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    format!(
        "nothing is called {name}; there are {}, what these name, and the words of the glossary, which `actionfinder explain` lists",
        known.join(", ")
    )
}

fn write(folder: &std::path::Path, pages: &[Page]) -> Result<Finished, Failure> {
    let failed = |error: std::io::Error| Failure::file(folder, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for page in pages {
        std::fs::write(folder.join(format!("{}.md", page.name)), &page.text).map_err(failed)?;
    }
    Ok(Finished::Well)
}
