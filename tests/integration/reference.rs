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

/// Of every drawing, and of every method, what it takes; of what is made of whatever columns there are, what is made of each.
#[test]
fn pages_say_what_depends_on_a_choice_and_on_the_input() {
    let place = Place::new();
    let says = |name: &str| place.well(&["explain", name]).out;
    let figure = says("figure");
    let of = |draw: &str| -> String {
        let part = figure.split(&format!("With `draw: {draw}`")).nth(1);
        let part = part.unwrap_or_else(|| panic!("{draw} has no inputs:\n{figure}"));
        part.split("\nWith `")
            .next()
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap()
            .to_owned()
    };
    for (draw, ports) in [
        ("loss_curves", &["history"][..]),
        ("residuals", &["residuals"]),
        ("action_space", &["beside"]),
        ("methods", &["staeckel_fudge", "torus", "o2gf", "network"]),
        ("agreement", &["predicted", "truth"]),
        ("rotation_curve", &["free", "potential", "energy", "galaxy"]),
        ("field", &["meridian"]),
        ("convergence", &["turns", "beside"]),
    ] {
        for port in ports {
            assert!(
                of(draw).contains(&format!("- `{port}`: table with")),
                "{draw}: {}",
                of(draw)
            );
        }
    }
    let estimate = says("estimate_actions");
    assert!(estimate.contains("With `method: finder`"), "{estimate}");
    assert!(
        estimate.contains("- `field`: network of type `field/linear`"),
        "{estimate}"
    );
    let tori = says("map_tori");
    assert!(tori.contains("With `sample: actions`:\n\n- `actions`: table"), "{tori}");
    let finder = says("build_finder");
    assert!(
        finder.contains("Without `potential`:\n\n- `field`: network"),
        "{finder}"
    );
    let means = says("aggregate");
    for line in [
        "`COLUMN`: mean over the tables of: a column of numbers of the input",
        "`COLUMN_sd`: standard deviation of COLUMN over the tables",
        "every other column of texts of the input",
    ] {
        assert!(means.contains(line), "{line}:\n{means}");
    }
    assert!(!means.contains("`vx`"), "of no example:\n{means}");
    assert!(
        says("split").contains("every other column of the input"),
        "{}",
        says("split")
    );
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
    // A word may be one of the glossary, too.
    for word in [
        "actions",
        "angles",
        "frequencies",
        "frequency",
        "set_aside",
        "toy",
        "o2gf",
        "Stäckel fudge",
        "S",
    ] {
        let said = says(word);
        assert!(said.starts_with("**"), "{word}: {said}");
    }
    let list = place.well(&["explain"]).out;
    assert!(list.contains("words of the glossary: star, stream, s,"), "{list}");
    assert!(list.contains("train_actions") && list.contains("potentials"), "{list}");
    let unknown = place.run(&["explain", "nonsense"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("nothing is called nonsense"), "{}", unknown.err);
}
