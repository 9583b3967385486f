//! Events as JSON lines.

use runner::event::{Event, Sink};

/// Writes each event as one line to standard output.
pub struct JsonLines;

impl Sink for JsonLines {
    fn take(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            super::print(&line);
        }
    }
}
