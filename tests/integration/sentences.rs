//! What readers are given reads well: short sentences with few numbers, a README of one sitting, and a tutorial whose commands run.

use std::path::PathBuf;

use crate::program::{Place, project};

/// Words in a sentence, and numbers.
const MOST: (usize, usize) = (25, 2);
/// Lines of README.md.
const LINES: usize = 200;

/// Documents in prose: README.md, the tutorial, the glossary, the index and the how-tos. Science has formulae and sources.
fn prose() -> Vec<PathBuf> {
    let mut found = ["README.md", "docs/tutorial.md", "docs/glossary.md", "docs/index.md"]
        .map(project)
        .to_vec();
    let howtos = std::fs::read_dir(project("docs/howto")).unwrap();
    found.extend(howtos.map(|entry| entry.unwrap().path()));
    found
}

/// The sentences of a document, without code, tables, headings and addresses; what stands in backticks is one word.
fn sentences(text: &str) -> Vec<String> {
    let (mut paragraphs, mut code) = (vec![String::new()], false);
    for line in text.lines().map(str::trim) {
        let item = line.strip_prefix("- ").or_else(|| {
            let (number, rest) = line.split_once(". ")?;
            number.parse::<u8>().is_ok().then_some(rest)
        });
        let is_fence = line.starts_with("```");
        code ^= is_fence;
        if is_fence || code || line.is_empty() || line.starts_with(['|', '#', '!']) {
            paragraphs.push(String::new());
            continue;
        }
        if item.is_some() {
            paragraphs.push(String::new());
        }
        let paragraph = paragraphs.last_mut().unwrap();
        paragraph.push_str(item.unwrap_or(line));
        paragraph.push(' ');
    }
    let code = regex::Regex::new("`[^`]*`").unwrap();
    let link = regex::Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let end = regex::Regex::new(r"[.!?:;]\s+").unwrap();
    let plain = |text: &String| link.replace_all(&code.replace_all(text, "x"), "$1").into_owned();
    let split = |text: String| end.split(&text).map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    paragraphs
        .iter()
        .map(plain)
        .flat_map(split)
        .filter(|text| !text.is_empty())
        .collect()
}

/// Words that begin with a digit, but for its sign; a name such as DR3 is no number.
fn numbers(sentence: &str) -> usize {
    let words = sentence.split_whitespace();
    words
        .filter(|word| {
            word.trim_start_matches(['(', '-', '−', '~'])
                .starts_with(|c: char| c.is_ascii_digit())
        })
        .count()
}

#[test]
fn sentences_are_short_and_have_few_numbers() {
    let mut wrong = Vec::new();
    let mut all = 0;
    for path in prose() {
        for sentence in sentences(&std::fs::read_to_string(&path).unwrap()) {
            let words = sentence
                .split_whitespace()
                .filter(|word| word.contains(char::is_alphanumeric))
                .count();
            let numbers = numbers(&sentence);
            all += 1;
            if words > MOST.0 || numbers > MOST.1 {
                wrong.push(format!(
                    "{}: {words} words, {numbers} numbers: {sentence}",
                    path.display()
                ));
            }
        }
    }
    assert!(all > 300, "{all} sentences");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    assert!(readme.lines().count() <= LINES);
    assert_eq!(readme.matches("![").count(), 1, "one picture");
}

#[test]
fn there_is_one_version() {
    let citation = std::fs::read_to_string(project("CITATION.cff")).unwrap();
    let fields: serde_yaml::Value = serde_yaml::from_str(&citation).unwrap();
    assert_eq!(fields["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    let python = std::fs::read_to_string(project("python/Cargo.toml")).unwrap();
    assert!(
        python.contains(concat!("\nversion = \"", env!("CARGO_PKG_VERSION"), "\"\n")),
        "python/Cargo.toml"
    );
    let date = fields["date-released"].as_str().unwrap();
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");
}

#[test]
fn a_sentence_is_told_from_code_and_lists() {
    let text = "# Title 1\n\nOne `a b` [two](x.md).\nThree 4\n```yaml\nno: 1\n```\n- Item (5). More\n| 1 | 2 |\n";
    let sentences = sentences(text);
    assert_eq!(sentences, ["One x two", "Three 4", "Item (5)", "More"]);
    assert_eq!((numbers("Three 4 DR3"), numbers("(5) −6")), (1, 2));
}

/// The tutorial, command by command, in a copy of what it needs.
#[test]
fn the_tutorial_runs_as_it_stands() {
    let place = Place::new();
    for folder in ["pipelines", "tests"] {
        std::os::unix::fs::symlink(project(folder), place.path(folder)).unwrap();
    }
    let text = std::fs::read_to_string(project("docs/tutorial.md")).unwrap();
    let mut told = String::new();
    let mut found = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("$ actionfinder ")) {
        // Links are followed, so the results would lie in this project.
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0] != "explain" {
            words.extend(["--results", "results"]);
        }
        let gave = place.well(&words);
        told.push_str(&gave.err);
        told.push_str(&gave.out);
        found += 1;
    }
    assert!(found > 8, "{found} commands");
    assert!(place.path("clusters.fits").is_file());
    for line in [
        "17 of 237 rows set aside",
        "0 ran, 5 fresh",
        "1 would run, 2 after them, 2 fresh",
    ] {
        assert!(text.contains(line) && told.contains(line), "{line}");
    }
}
