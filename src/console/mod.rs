//! Sinks for events. They only draw: whatever they show is also in the journal.

mod bars;
mod json;
mod plain;
mod words;

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use runner::event::Sink;

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
        Log::Auto | Log::Bar if std::io::stderr().is_terminal() => Box::new(bars::Bars::new()),
        _ => Box::new(plain::Plain::new()),
    }
}

/// Why standard output could not be written, if it could not.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes to standard output. A reader that has gone away (`| head`) is no error; any other is kept for [`lost`].
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(newline.as_bytes()))
        .and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// Why something that was printed is lost, if it is.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Writes to standard error, above the bars if there are any.
pub fn say(text: &str) {
    let text = text.trim_end_matches('\n');
    if !bars::above(text) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
