//! Characters that act on a terminal instead of being shown.

use std::borrow::Cow;

/// Text in which every character is shown: those that act on a terminal (escape sequences begin with one) or turn the direction
/// of writing are written as `\\u001b`. Lines and tabulators stay. In a JSON text, this changes no value.
pub fn visible(text: &str) -> Cow<'_, str> {
    spelled(text, |c| acts(c) && c != '\n' && c != '\t')
}

/// The same for text that must stay in its line, such as a cell of a table.
pub fn one_line(text: &str) -> Cow<'_, str> {
    spelled(text, acts)
}

fn spelled(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Most texts are such, and there are many in a large sweep.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, line and paragraph separators, and what turns the direction of writing (Unicode 9.0, UAX 9, table 3).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        assert_eq!(visible("\u{1b}]0;x\u{7}\u{1b}[2J"), "\\u001b]0;x\\u0007\\u001b[2J");
        assert_eq!(visible("a\tb\nφ ✓"), "a\tb\nφ ✓");
        assert_eq!(one_line("a\tb\nc\r"), "a\\u0009b\\u000ac\\u000d");
        let all: String = (0..=0x2100_u32).filter_map(char::from_u32).collect();
        assert!(!visible(&all).replace(['\n', '\t'], "").contains(char::is_control));
        assert!(!one_line(&all).contains(char::is_control));
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({ "label": "\u{9b}31m\u{202e}\u{1b}[2J" });
        let text = value.to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&visible(&text)).unwrap(),
            value
        );
    }
}
