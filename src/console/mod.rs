//! Sinks for events, and the two ways to the terminal. Sinks only draw: whatever they show is also in the journal.
//!
//! Names, titles and messages may come from anywhere, such as a file that someone else wrote. No character of theirs does
//! anything to the terminal: see `visible`.

mod align;
mod bars;
mod json;
mod manners;
mod plain;
mod plan;
mod visible;
mod words;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use runner::event::Sink;

pub use align::align;
pub use manners::{Color, Manners, manners};
pub use plan::{AWAY, describe_plan, describe_search, plan_state};
pub use visible::{one_line, visible};
pub use words::{count, duration, number, significant};

/// How a run shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    /// Progress bars, where standard error is a terminal.
    Bar,
    /// Plain lines, on standard error.
    Plain,
    /// One JSON object a line, on standard output.
    Json,
}

/// The sink for `log`.
pub fn sink(log: Log) -> Box<dyn Sink> {
    match log {
        Log::Json => Box::new(json::JsonLines),
        _ if manners().quiet => Box::new(plain::Failures),
        Log::Auto | Log::Bar if io::stderr().is_terminal() => Box::new(bars::Bars::new()),
        _ => Box::new(plain::Plain::new()),
    }
}

/// What standard output would not take, first of all.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output. A reader that has gone away (`| head`) is no error; what else is lost, such as to a full disk,
/// makes the program fail at its end: see [`lost`].
pub fn print(text: &str) {
    let mut text = visible(text).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut out = io::stdout().lock();
    keep(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints an answer as JSON, where that was asked for, or else in words.
pub fn answer<T: serde::Serialize>(value: impl FnOnce() -> T, words: impl FnOnce() -> String) {
    if !manners().json {
        return print(&words());
    }
    match serde_json::to_string_pretty(&value()) {
        Ok(text) => print(&text),
        Err(error) => keep(Err(io::Error::other(error))),
    }
}

/// Remembers an error of standard output.
pub fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Why some of the output is lost, if it is.
pub fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Writes to standard error, above the bars if there are any; where only the answer is wanted, nothing.
pub fn say(text: &str) {
    if !manners().quiet {
        alert(text);
    }
}

/// Says a warning or an error, whatever is wanted.
pub fn alert(text: &str) {
    let text = visible(text.trim_end_matches('\n'));
    let text = if manners::in_colour() {
        manners::painted(&text).into()
    } else {
        text
    };
    if !bars::above(&text) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
