//! Progress bars: one line for each running stage, and the lines of finished ones above them.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use runner::event::{Event, Sink, Told};

use super::{one_line, words};

/// All bars of the program, once there are any.
static ALL: OnceLock<MultiProgress> = OnceLock::new();

/// Writes a line above the bars; false if there are none.
pub fn above(line: &str) -> bool {
    ALL.get().is_some_and(|all| all.println(line).is_ok())
}

/// Draws on standard error.
pub struct Bars {
    all: MultiProgress,
    /// All stages of a run, where there are several.
    whole: Option<ProgressBar>,
    running: HashMap<String, ProgressBar>,
}

impl Bars {
    /// A sink.
    pub fn new() -> Self {
        Self {
            all: ALL.get_or_init(MultiProgress::new).clone(),
            whole: None,
            running: HashMap::new(),
        }
    }

    /// Above the stages: how many of those that are stale, or behind such, are done.
    fn begin(&mut self, stages: usize) {
        if stages > 1 {
            let bar = self.all.insert(0, ProgressBar::new(stages as u64));
            bar.set_style(style("  {human_pos}/{human_len} stages  {elapsed}, {eta} left"));
            bar.tick();
            self.whole = Some(bar);
        }
    }

    fn start(&mut self, stage: &str) {
        let bar = self.all.add(ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {prefix}  {elapsed}"));
        bar.set_prefix(shortened(&one_line(stage), columns() / 3));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(stage.to_owned(), bar);
    }

    fn progress(&mut self, stage: &str, done: u64, total: u64, unit: &str, message: &str) {
        let Some(bar) = self.running.get(stage) else { return };
        if bar.length() != Some(total) {
            bar.set_length(total);
            bar.set_style(style(&template(columns(), unit)));
        }
        bar.set_position(done);
        if !message.is_empty() {
            bar.set_message(one_line(message).into_owned());
        }
    }
}

/// Width of the terminal now.
fn columns() -> usize {
    terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

/// A line that never wraps: what the bar, the count and the time leave is the message's, and no more.
fn template(columns: usize, unit: &str) -> String {
    let bar = (columns / 5).min(28);
    let unit = one_line(unit).replace(['{', '}'], "");
    let colours = if super::manners::in_colour() { ".cyan/dim" } else { "" };
    format!(
        "  {{spinner}} {{prefix}}  {{bar:{bar}{colours}}} {{human_pos}}/{{human_len}} {unit}  {{eta}} left  {{wide_msg}}"
    )
}

/// At most `most` characters of a label, its end left out.
fn shortened(label: &str, most: usize) -> String {
    if label.chars().count() <= most {
        return label.to_owned();
    }
    let kept: String = label.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
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
            Event::StageFinished { stage, .. }
            | Event::StageFailed { stage, .. }
            | Event::StagePaused { stage, .. } => {
                if let Some(bar) = self.running.remove(stage) {
                    bar.finish_and_clear();
                }
                self.whole.iter().for_each(|bar| bar.inc(1));
            }
            Event::StageSkipped { .. } => self.whole.iter().for_each(|bar| bar.inc(1)),
            Event::RunStarted { stale, behind, .. } => self.begin(stale + behind),
            Event::RunFinished { .. } => {
                let stages = self.running.drain().map(|(_, bar)| bar);
                for bar in stages.chain(self.whole.take()) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        if let Some(line) = words::line(event) {
            // Above the bars.
            super::alert(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal that keeps what is written to it.
    #[derive(Debug, Clone)]
    struct Paper {
        columns: u16,
        text: Arc<Mutex<String>>,
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            self.columns
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.text.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// One line at any width, with count, time and as much of the message as there is room for.
    #[test]
    fn a_bar_takes_one_line() {
        let whole = "loss 0.3159, validation 0.7268 km/s kpc";
        for (columns, message) in [(60, ""), (80, "loss"), (140, whole)] {
            let paper = Paper {
                columns,
                text: Arc::default(),
            };
            let bar = ProgressBar::with_draw_target(Some(450), ProgressDrawTarget::term_like(Box::new(paper.clone())));
            bar.set_style(style(&template(usize::from(columns), "epochs")));
            bar.set_prefix(shortened(
                "actions[toy_mass=3.0e11, toy_scale=5.5]",
                usize::from(columns) / 3,
            ));
            bar.set_message(whole);
            bar.set_position(113);
            std::mem::take(&mut *paper.text.lock().unwrap());
            bar.force_draw();
            let shown = std::mem::take(&mut *paper.text.lock().unwrap());
            let line = shown.trim();
            assert!(
                !line.contains('\n') && line.chars().count() <= usize::from(columns),
                "{line}"
            );
            for part in ["actions[", "113/450 epochs", " left", message] {
                assert!(line.contains(part), "{part} is not in {line}");
            }
        }
    }

    #[test]
    fn labels_are_shortened_at_their_end() {
        assert_eq!(shortened("actions", 7), "actions");
        assert_eq!(shortened("actions[φ=1]", 9), "actions[…");
    }
}
