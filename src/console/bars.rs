//! Progress bars: one for each running stage, and the lines of finished ones above them.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use runner::event::{Event, Sink, Told};

use super::words;

/// Draws on standard error.
pub struct Bars {
    all: MultiProgress,
    running: HashMap<String, ProgressBar>,
}

impl Bars {
    /// A sink.
    pub fn new() -> Self {
        Self {
            all: MultiProgress::new(),
            running: HashMap::new(),
        }
    }

    fn start(&mut self, stage: &str) {
        let bar = self.all.add(ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {prefix}  {elapsed}"));
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(stage.to_owned(), bar);
    }

    fn progress(&mut self, stage: &str, done: u64, total: u64, unit: &str, message: &str) {
        let Some(bar) = self.running.get(stage) else { return };
        if bar.length() != Some(total) {
            bar.set_length(total);
            let template = format!(
                "  {{spinner}} {{prefix}}  {{bar:28.cyan/dim}} {{human_pos}}/{{human_len}} {}  {{msg}}  {{eta}} left",
                unit.replace(['{', '}'], "")
            );
            bar.set_style(style(&template));
        }
        bar.set_position(done);
        if !message.is_empty() {
            bar.set_message(message.to_owned());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("━╸─")
}

impl Sink for Bars {
    fn take(&mut self, event: &Event) {
        match event {
            Event::StageStarted { stage, .. } => return self.start(stage),
            Event::Stage {
                stage,
                told:
                    Told::Progress {
                        done,
                        total,
                        unit,
                        message,
                    },
            } => {
                return self.progress(stage, *done, *total, unit, message);
            }
            Event::StageFinished { stage, .. } | Event::StageFailed { stage, .. } => {
                if let Some(bar) = self.running.remove(stage) {
                    bar.finish_and_clear();
                }
            }
            Event::RunFinished { .. } => {
                for (_, bar) in self.running.drain() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        if let Some(line) = words::line(event) {
            // Above the bars.
            let _ = self.all.println(&line);
        }
    }
}
