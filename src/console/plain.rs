//! Events as plain lines without timestamps, for files and continuous integration.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use runner::event::{Event, Sink, Told};

use super::{say, words};

/// No more than one line of progress per stage in this time.
const PAUSE: Duration = Duration::from_secs(10);

/// Writes lines to standard error.
pub struct Plain {
    last: HashMap<String, Instant>,
}

impl Plain {
    /// A sink.
    pub fn new() -> Self {
        Self { last: HashMap::new() }
    }

    fn progress(&mut self, stage: &str, text: impl FnOnce() -> String) {
        let last = self.last.entry(stage.to_owned()).or_insert_with(Instant::now);
        if last.elapsed() >= PAUSE {
            *last = Instant::now();
            say(&text());
        }
    }
}

/// Says of a run only what failed.
pub struct Failures;

impl Sink for Failures {
    fn take(&mut self, event: &Event) {
        if let Event::StageFailed { .. } = event
            && let Some(line) = words::line(event)
        {
            super::alert(&line);
        }
    }
}

impl Sink for Plain {
    fn take(&mut self, event: &Event) {
        if let Event::Stage {
            stage,
            told:
                Told::Progress {
                    done,
                    total,
                    unit,
                    message,
                },
        } = event
        {
            self.progress(stage, || format!("  ...   {stage}: {done} of {total} {unit} {message}"));
        } else if let Some(line) = words::line(event) {
            say(&line);
        }
    }
}
