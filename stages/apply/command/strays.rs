//! What a command leaves behind: processes that it started, wherever they went.
//!
//! While a command runs, this process is the parent of whatever below it loses its own (on Linux), so that even one that leaves group and
//! session and clears its environment stays below this process.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

use super::process::REQUEST;

/// How often strays are looked for: what one of them starts meanwhile is found the next time.
const LOOKS: usize = 100;

const PAUSE: Duration = Duration::from_millis(10);

/// Commands that this process is at. In a worker there is one; where there are more, a child may be another's.
static COMMANDS: AtomicUsize = AtomicUsize::new(0);

/// Held while a command runs.
pub(super) struct Adoption;

impl Adoption {
    /// Becomes the parent of those that lose theirs.
    pub fn begin() -> Self {
        COMMANDS.fetch_add(1, Ordering::SeqCst);
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_child_subreaper(Some(getpid()));
        Self
    }

    /// Ends all that is left of a command that has ended.
    pub fn end(self, request: &Path) {
        let mark = [REQUEST.as_bytes(), b"=", request.as_os_str().as_bytes()].concat();
        let is_alone = COMMANDS.load(Ordering::SeqCst) == 1;
        for _ in 0..LOOKS {
            let strays: Vec<Pid> = all()
                .filter(|process| is_marked(*process, &mark) || is_alone && is_child(*process))
                .collect();
            if strays.is_empty() {
                return;
            }
            for stray in strays {
                // One that is gone needs no signal, and one that is not a child is not waited for.
                let _ = kill_process(stray, Signal::KILL);
                let _ = waitpid(Some(stray), WaitOptions::NOHANG);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        COMMANDS.fetch_sub(1, Ordering::SeqCst);
    }
}

fn all() -> impl Iterator<Item = Pid> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Whether it has the request of the command in its environment.
fn is_marked(process: Pid, mark: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// Whether this process is its parent.
fn is_child(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    // The name, in brackets, may hold anything; state and parent follow.
    let parent = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
    parent == Some(getpid().as_raw_nonzero().get())
}
