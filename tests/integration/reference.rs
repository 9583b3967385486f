//! The reference pages in `docs/reference` are those that `explain` makes from the types.
//!
//! `GOLDEN=write cargo nextest run reference` writes them anew.

use std::collections::BTreeMap;
use std::path::Path;

use crate::program::{Place, project};

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect()
}

#[test]
fn reference_pages_are_those_of_the_types() {
    let place = Place::new();
    place.well(&["explain", "--write", "pages"]);
    let made = pages(&place.path("pages"));
    let kept = project("docs/reference");
    if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") {
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).unwrap();
        for (name, text) in &made {
            std::fs::write(kept.join(name), text).unwrap();
        }
    }
    let kept = pages(&kept);
    for (name, text) in &made {
        assert_eq!(
            kept.get(name),
            Some(text),
            "docs/reference/{name}; once that is meant: GOLDEN=write cargo nextest run reference"
        );
    }
    assert_eq!(
        kept.len(),
        made.len(),
        "a page of docs/reference is of nothing that there is"
    );
}

/// A kind whose least parameters cannot be told from its types would have no ports on its page.
#[test]
fn every_page_of_a_kind_says_what_goes_in_and_out() {
    let place = Place::new();
    place.well(&["explain", "--write", "pages"]);
    let made = pages(&place.path("pages"));
    assert!(made.len() > 15);
    for (name, text) in made {
        if ["potentials.md", "measures.md", "answers.md"].contains(&name.as_str()) {
            continue;
        }
        assert!(text.contains("\n## Outputs\n\n- "), "{name} has no outputs:\n{text}");
        assert!(
            text.contains("\n## Parameters (`with`)\n\n- "),
            "{name} has no parameters:\n{text}"
        );
        // Only samples can come from nothing.
        assert!(
            text.contains("\n## Inputs") || text.contains("Role: sample"),
            "{name}:\n{text}"
        );
    }
}

#[test]
fn a_kind_a_potential_and_a_measure_can_be_explained() {
    let place = Place::new();
    let says = |name: &str| place.well(&["explain", name]).out;
    assert!(says("split").starts_with("# split"), "{}", says("split"));
    assert!(
        says("isochrone").contains("`mass` (a mass, M_sun; needed)"),
        "{}",
        says("isochrone")
    );
    assert!(says("delta_theta").contains("degrees"), "{}", says("delta_theta"));
    let list = place.well(&["explain"]).out;
    assert!(list.contains("train_actions") && list.contains("potentials"), "{list}");
    let unknown = place.run(&["explain", "nonsense"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("nothing is called nonsense"), "{}", unknown.err);
}
