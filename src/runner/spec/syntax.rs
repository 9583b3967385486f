//! Where a text is not YAML, and why.

use super::diagnostics::{At, Mistake};
use super::problem::Problem;

/// The mistake behind an error of the YAML parser at a byte of the text.
pub(super) fn mistake(text: &str, message: String, offset: Option<usize>) -> Mistake {
    let offset = offset.filter(|&offset| text.is_char_boundary(offset));
    let at = offset.unwrap_or(text.len()).min(text.len());
    // A line that begins with a tab confuses the parser there or on the line after.
    let reach = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let mut start = 0;
    for line in text[..reach].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return Mistake::new(At::Bytes(start + tab..start + tab + 1), Problem::Tab);
        }
        start += line.len();
    }
    // Of an unquoted `${name}`, YAML takes the braces for its own.
    if let (Some(start), true) = (text[..at].strip_suffix('$'), text[at..].starts_with('{')) {
        let end = text[at..].find('}').map_or(at + 1, |end| at + end + 1);
        return Mistake::new(At::Bytes(start.len()..end), Problem::BareBraces);
    }
    let end = text[at..]
        .chars()
        .next()
        .filter(|&next| next != '\n')
        .map_or(at, |next| at + next.len_utf8());
    // At the very end of the text, the last character is a better place to show.
    let trimmed = text.trim_end();
    let span = if at >= trimmed.len() && !trimmed.is_empty() {
        let last = trimmed.char_indices().next_back().map_or(0, |(offset, _)| offset);
        last..trimmed.len()
    } else {
        at..end
    };
    Mistake::new(At::Bytes(span), Problem::Syntax { message })
}
