//! Signals that ask a run to end.

use std::sync::{Arc, Mutex, PoisonError};

use runner::context::Cancel;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

use super::common::ENDS_RUNS;
use super::failure::Failure;
use crate::console::say;

/// The first Ctrl-C asks to stop, the second ends the program at once.
#[derive(Debug, Default)]
pub struct Stopping {
    asked: Cancel,
    /// What stops the run that goes on now.
    run: Arc<Mutex<Cancel>>,
    listens: bool,
}

impl Stopping {
    /// Hears signals from now on; `what` is said of the first.
    pub fn listen(&mut self, what: &'static str) -> Result<(), Failure> {
        if std::mem::replace(&mut self.listens, true) {
            return Ok(());
        }
        let heard = ENDS_RUNS
            .into_iter()
            .filter(|signal| *signal != SIGHUP || !ignores_hangups());
        let mut signals = Signals::new(heard).map_err(Failure::work)?;
        let (asked, run) = (self.asked.clone(), self.run.clone());
        std::thread::spawn(move || {
            for _ in signals.forever() {
                if asked.is_cancelled() {
                    say("stopped at once");
                    std::process::exit(130);
                }
                asked.cancel();
                run.lock().unwrap_or_else(PoisonError::into_inner).cancel();
                say(&format!("{what}; press Ctrl-C again to stop at once"));
            }
        });
        Ok(())
    }

    /// Whether a signal came.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// What stops the run that begins now.
    pub fn fresh(&self) -> Cancel {
        let cancel = Cancel::default();
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = cancel.clone();
        if self.is_asked() {
            cancel.cancel();
        }
        cancel
    }
}

/// Whether whoever started this program wants it to live on when the terminal is closed, as `nohup` does.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
