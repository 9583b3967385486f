//! The worker's side.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use super::{Ask, Body, GRACE, Line, Request, lock_unless};
use crate::context::{Cancel, Teller};
use crate::error::StageError;
use crate::executor::{Ended, perform};
use crate::stage::Place;

/// The exit code of a worker that stops because its parent is gone or has cancelled it: nobody waits for it.
const PARENT_GONE: i32 = 75;

/// The whole life of a worker process: takes requests of `parent`, runs their bodies, writes lines. Gives the exit code: 0 when the
/// parent heard how every body ended that it asked for, whatever was said, and lives. One that dies may have asked for nothing yet.
pub fn serve(parent: u32, bodies: &[Body]) -> i32 {
    match try_serve(parent, bodies) {
        Ok(true) => 0,
        Ok(false) => PARENT_GONE,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "worker: {error}");
            70
        }
    }
}

/// Lets this process, a worker that has not begun, end when its `parent` does; `false` if that is gone already. Where the system
/// has no such thing, an orphan ends when it would begin.
pub fn die_with_parent(parent: u32) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have died before that was asked for.
    Ok(is_parent(parent))
}

/// A training at work outlives its parent, to save a checkpoint; a command's body, to end the command.
fn outlives(place: Place) -> bool {
    match place {
        Place::Here => false,
        Place::Worker | Place::Command => true,
    }
}

fn outlive_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(None)?;
    Ok(())
}

fn is_parent(process: u32) -> bool {
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    parent.and_then(|parent| u32::try_from(parent).ok()) == Some(process)
}

/// Whether the parent heard how all bodies ended, and lives.
fn try_serve(parent: u32, bodies: &[Body]) -> io::Result<bool> {
    note_panics();
    let cancel = Cancel::default();
    let asks = listen(cancel.clone());
    while let Ok(ask) = asks.recv() {
        let Ask::Work(request) = ask else {
            return Err(io::Error::other("a go-ahead without a request"));
        };
        let outlives = outlives(request.place);
        let Some(ended) = work(parent, *request, bodies, &asks, &cancel)? else {
            return Ok(false);
        };
        write_line(&match ended {
            Ok(Ended { outcome: how, outputs }) => Line::Ended { how, outputs },
            Err(error) => Line::Failed { error: error.into() },
        })?;
        if outlives && !die_with_parent(parent)? {
            break;
        }
    }
    Ok(is_parent(parent))
}

/// Runs the body of one request, when its lock is free and the parent gives the go-ahead; `None` where it does not.
fn work(
    parent: u32,
    request: Request,
    bodies: &[Body],
    asks: &Receiver<Ask>,
    cancel: &Cancel,
) -> io::Result<Option<Result<Ended, StageError>>> {
    // Another worker may be busy with the same stage, for a run that was killed. The lock is given back before the end is told:
    // what the parent then does, it may do at once.
    let Some(_lock) = lock_unless(cancel, &request.lock)? else {
        return Ok(None);
    };
    let told = write_line(&Line::Ready).is_ok();
    if !told || !matches!(asks.recv(), Ok(Ask::Go)) || cancel.is_cancelled() {
        return Ok(None);
    }
    if outlives(request.place) {
        outlive_parent()?;
    }
    // Threads that a body leaves behind say nothing of the next one.
    let open = Arc::new(Mutex::new(true));
    let is_open = open.clone();
    let teller: Teller = Arc::new(move |told| {
        if let Ok(open) = is_open.lock()
            && *open
        {
            // A parent that is gone reads no more; the end of stdin tells so.
            let _ = write_line(&Line::Told(told));
        }
    });
    let written: Vec<PathBuf> = request.outputs.values().map(|output| output.path.clone()).collect();
    let ended = perform(bodies, request, teller, cancel.clone()).map_err(with_place);
    // Nobody publishes what an orphan wrote. It goes while the lock says that somebody is at it.
    if !is_parent(parent) {
        forget(&written);
    }
    if let Ok(mut open) = open.lock() {
        *open = false;
    }
    Ok(Some(ended))
}

/// Removes the outputs of an attempt, and their folder where nothing else is in it. What stays, the next run clears up.
fn forget(outputs: &[PathBuf]) {
    for path in outputs {
        let _ = fs::remove_file(path);
    }
    for folder in outputs.iter().filter_map(|path| path.parent()) {
        let _ = fs::remove_dir(folder);
    }
}

/// Where a panic was, for whoever mends it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let (Some(place), Ok(mut noted)) = (panic.location(), PANIC.lock()) {
            *noted = Some(format!(" ({}:{})", place.file(), place.line()));
        }
    }));
}

fn with_place(error: StageError) -> StageError {
    let place = PANIC.lock().ok().and_then(|mut noted| noted.take());
    match error {
        StageError::Bug(message) => StageError::Bug(message + &place.unwrap_or_default()),
        other => other,
    }
}

/// Listens to stdin: what is asked, line by line; its end cancels, and a body that does not stop then is ended after a while.
fn listen(cancel: Cancel) -> Receiver<Ask> {
    let (send, asks) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(ask) => drop(send.send(ask)),
                // Half a line of a parent that is gone.
                Err(_) => break,
            }
        }
        cancel.cancel();
        drop(send);
        std::thread::sleep(GRACE);
        std::process::exit(PARENT_GONE);
    });
    asks
}

/// A line in one write, after a newline: whatever a library printed before stays apart.
fn write_line(line: &Line) -> io::Result<()> {
    let mut text = vec![b'\n'];
    serde_json::to_writer(&mut text, line)?;
    text.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}
