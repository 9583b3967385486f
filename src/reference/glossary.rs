//! The words of the glossary, which is a page of the manual.

/// The page.
const PAGE: &str = include_str!("../../docs/glossary.md");

/// What is said of some words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The words, as a reader would write them in lower case.
    pub words: Vec<String>,
    /// The paragraph.
    pub text: String,
}

/// All entries, in the order of the page.
pub fn entries() -> Vec<Entry> {
    let paragraphs = PAGE.split("\n\n").filter(|paragraph| paragraph.starts_with("**"));
    let entry = |paragraph: &str| Entry {
        words: bold(paragraph).flat_map(words).collect(),
        text: paragraph.trim_end().to_owned(),
    };
    paragraphs.map(entry).collect()
}

/// What is said of a word.
pub fn entry(word: &str) -> Option<Entry> {
    let word = plain(word);
    let all = entries();
    let first = all.iter().find(|entry| entry.words.contains(&word));
    let is_it = |own: &String| singular(own) == singular(&word);
    let found = first.or_else(|| all.iter().find(|entry| entry.words.iter().any(is_it)));
    found.cloned()
}

/// A noun without the ending of several.
fn singular(word: &str) -> String {
    match (word.strip_suffix("ies"), word.strip_suffix('s')) {
        (Some(head), _) => format!("{head}y"),
        (None, Some(head)) if !head.is_empty() => head.to_owned(),
        _ => word.to_owned(),
    }
}

/// The parts of a paragraph in bold.
fn bold(paragraph: &str) -> impl Iterator<Item = &str> {
    paragraph.split("**").skip(1).step_by(2)
}

/// The words of a heading such as "Actions, angles, frequencies.".
fn words(heading: &str) -> impl Iterator<Item = String> {
    heading.trim_end_matches('.').split(", ").map(plain)
}

/// As it is looked up: in lower case, with blanks, in ASCII.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('_', " ").replace('ä', "ae")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_word_of_the_glossary_is_found() {
        let all = entries();
        assert!(all.len() > 30, "{} entries", all.len());
        for entry in &all {
            for word in &entry.words {
                assert!(
                    super::entry(word).is_some_and(|found| found.words.contains(word)),
                    "{word}"
                );
            }
        }
        let text = |word: &str| entry(word).unwrap().text;
        assert_eq!(text("actions"), text("frequencies"));
        assert_eq!((text("action"), text("frequency")), (text("angles"), text("angles")));
        assert!(text("staeckel_fudge").starts_with("**Stäckel fudge.**"));
        assert!(text("set_aside").starts_with("**Set aside.**") && text("kind").starts_with("**Stage.**"));
        assert_eq!(text("S"), text("s"));
        assert_eq!(entry("nonsense"), None);
    }
}
