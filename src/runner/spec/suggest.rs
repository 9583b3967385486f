//! "Did you mean": the nearest of the allowed words, and lists of them.

/// The allowed word that `given` was probably meant to be.
pub(super) fn nearest<'a>(given: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for &word in allowed {
        let distance = strsim::damerau_levenshtein(&lower, &word.to_lowercase());
        let length = given.chars().count();
        let close = length > 1 && distance * 3 <= length.max(3);
        if close && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, word));
        }
    }
    best.map(|(_, word)| word)
}

/// "did you mean `x`?", or what is allowed.
pub(super) fn hint(given: &str, allowed: &[String], noun: &str) -> Option<String> {
    let words: Vec<&str> = allowed.iter().map(String::as_str).collect();
    match nearest(given, &words) {
        Some(word) => Some(format!("did you mean `{word}`?")),
        None if words.is_empty() => Some(format!("there are no {noun} here")),
        None => Some(format!("{noun}: {}", list(&words))),
    }
}

/// `a`, `b` and `c`.
pub(super) fn all(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

/// `a`, `b` and 3 more.
pub(super) fn list(words: &[&str]) -> String {
    const SHOWN: usize = 20;
    let mut text = words
        .iter()
        .take(SHOWN)
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if words.len() > SHOWN {
        text += &format!(" and {} more", words.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["streams", "seed", "toy_mass"];
        assert_eq!(nearest("steams", &words), Some("streams"));
        assert_eq!(nearest("Seed", &words), Some("seed"));
        assert_eq!(nearest("toymass", &words), Some("toy_mass"));
        assert_eq!(nearest("potential", &words), None);
    }
}
