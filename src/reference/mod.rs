//! Reference pages, made from the types: what a kind of stage takes and gives, the potentials, the measures.

mod choices;
mod glossary;
mod kind;
mod schema;

use runner::catalog::{Catalog, Kind};

/// A page on one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What is explained: the word that a pipeline uses.
    pub name: String,
    /// One line.
    pub about: String,
    /// Markdown, which a terminal shows well as it is.
    pub text: String,
}

/// Of which type in which kind a list of words is explained by itself, because many kinds take it.
struct Shared {
    /// What the page is called.
    page: &'static str,
    about: &'static str,
    kind: &'static str,
    /// The type's name in the schema of that kind.
    definition: &'static str,
}

const SHARED: [Shared; 2] = [
    Shared {
        page: "potentials",
        about: "Potentials that a pipeline can name, with their parameters",
        kind: "integrate_orbits",
        definition: "PotentialParameters",
    },
    Shared {
        page: "measures",
        about: "What `compare` measures, in the units of its errors",
        kind: "compare",
        definition: "PaperFigures",
    },
];

/// Every page: kinds in the order of the catalog, then what they share.
pub fn pages(catalog: &Catalog) -> Vec<Page> {
    let shared = SHARED.iter().filter_map(|shared| {
        let kind = catalog.get(shared.kind)?;
        Some(Page {
            name: shared.page.to_owned(),
            about: shared.about.to_owned(),
            text: definition_page(shared, kind)?,
        })
    });
    let kinds = catalog.kinds().iter().map(|kind| Page {
        name: kind.name.to_owned(),
        about: kind.about.to_owned(),
        text: kind::page(kind),
    });
    kinds.chain(shared).chain([answers_page()]).collect()
}

/// What commands print with `--json`.
fn answers_page() -> Page {
    let about = "What commands print with `--json`: one object, with these fields";
    let mut text = format!(
        "# answers\n\n{about}.\n\nA number that is not finite is null. Errors go to standard error, and the exit code is the same. \
         `schema` prints JSON anyway.\n"
    );
    let all = crate::cli::answers::schemas();
    for (n, (_, schema)) in all.iter().enumerate() {
        let first = all.iter().position(|(_, other)| other == schema);
        if first != Some(n) {
            continue;
        }
        let same = all.iter().filter(|(_, other)| other == schema);
        let names: Vec<&str> = same.map(|(command, _)| *command).collect();
        text.push_str(&format!("\n## {}\n\n", names.join(", ")));
        let (mut fields, schema) = (String::new(), schema.as_value());
        schema::Walk::new(schema, "").inside(schema, 0, &mut fields);
        // Of a parameter one says whether it is needed, of an answer whether it may be null.
        text.push_str(
            &fields
                .replace("; needed)", ")")
                .replace(" (needed)", "")
                .replace("may be left out", "or null"),
        );
    }
    Page {
        name: "answers".to_owned(),
        about: about.to_owned(),
        text,
    }
}

fn definition_page(shared: &Shared, kind: &Kind) -> Option<String> {
    let root = kind.parameters();
    let definition = root.get("$defs")?.get(shared.definition)?;
    let mut text = format!("# {}\n\n{}.\n\n", shared.page, shared.about);
    schema::Walk::new(root, shared.definition).inside(definition, 0, &mut text);
    Some(text)
}

/// The words of a type that has a page of its own.
fn page_of(definition: &str) -> Option<&'static str> {
    let shared = SHARED.iter().find(|shared| shared.definition == definition)?;
    Some(shared.page)
}

pub use glossary::{entries as glossary, entry as of_glossary};

/// Whether a page is of what many kinds take.
pub fn is_shared(page: &Page) -> bool {
    SHARED.iter().any(|shared| shared.page == page.name)
}

/// The words that choose something within a page, such as the names of potentials, each with its part of the page.
pub fn entries(page: &Page) -> impl Iterator<Item = (&str, String)> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in page.text.lines() {
        match line.strip_prefix("- `").and_then(|line| line.split_once('`')) {
            Some((name, _)) => parts.push((name, format!("{line}\n"))),
            None if line.starts_with(' ') => {
                if let Some((_, part)) = parts.last_mut() {
                    part.push_str(line);
                    part.push('\n');
                }
            }
            None => {}
        }
    }
    parts.into_iter()
}
