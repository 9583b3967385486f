//! How the whole program behaves, whatever the command: what it says, in which colours, and whether it answers in JSON.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;

/// What every command takes.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Manners {
    /// Print the answer as JSON, with the fields that `explain answers` lists
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Say nothing but the answer, warnings and errors
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// Say more: the numbers that stages tell, and stages that are fresh
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Everywhere")]
    pub verbose: bool,
    /// Colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Everywhere"
    )]
    pub color: Color,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

static MANNERS: OnceLock<Manners> = OnceLock::new();

impl Manners {
    /// Sets them, once.
    pub fn set(self) {
        let _ = MANNERS.set(self);
    }
}

/// How the program behaves now.
pub fn manners() -> Manners {
    MANNERS.get().copied().unwrap_or_default()
}

/// Whether standard error gets colours.
pub fn in_colour() -> bool {
    coloured(
        manners().color,
        std::env::var("NO_COLOR").ok().as_deref(),
        std::env::var("TERM").ok().as_deref(),
        std::io::stderr().is_terminal(),
    )
}

fn coloured(color: Color, no_color: Option<&str>, term: Option<&str>, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
    }
}

/// Words at the beginning of a line, with the colour that each has there.
const WORDS: [(&str, &str); 6] = [
    ("error:", "1;31"),
    ("warning:", "1;33"),
    ("  FAILED", "1;31"),
    ("  FINDING", "1;33"),
    ("  OUTSIDE TOLERANCE", "1;33"),
    ("  done", "32"),
];

/// Lines with the words at their beginning painted.
pub fn painted(text: &str) -> String {
    let line = |line: &str| {
        let word = WORDS.iter().find(|(word, _)| line.starts_with(word));
        word.map_or_else(
            || line.to_owned(),
            |(word, colour)| format!("\u{1b}[{colour}m{word}\u{1b}[0m{}", &line[word.len()..]),
        )
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_told() {
        assert!(coloured(Color::Auto, None, Some("xterm"), true));
        assert!(coloured(Color::Auto, Some(""), None, true));
        assert!(!coloured(Color::Auto, Some("1"), Some("xterm"), true));
        assert!(!coloured(Color::Auto, None, Some("dumb"), true));
        assert!(!coloured(Color::Auto, None, None, false));
        assert!(coloured(Color::Always, Some("1"), Some("dumb"), false));
        assert!(!coloured(Color::Never, None, None, true));
    }

    #[test]
    fn only_words_at_the_beginning_are_painted() {
        assert_eq!(
            painted("error: a\n  error: b"),
            "\u{1b}[1;31merror:\u{1b}[0m a\n  error: b"
        );
        assert_eq!(painted("note: error: a"), "note: error: a");
    }
}
