//! The process of a command: started in its sandbox, followed to its end, and ended with all that it started.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runner::context::StageContext;
use runner::error::{Death, StageError};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::folder::WorkingFolder;
use super::log::{KEPT, Log};
use super::report::{Said, read};
use super::sandbox::{Reach, enter, program_folders};
use super::strays::Adoption;
use super::{Command, LOG};

/// How often it is asked whether it has ended, or is to end.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines of standard error that an error shows.
const TAIL: usize = 12;

/// A longer line is taken for several.
const LONGEST_LINE: u64 = 1 << 16;

/// Where programs are, if the environment does not say.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables by which libraries are told their number of threads.
const THREADS: [&str; 6] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "ACTIONFINDER_THREADS",
];

/// The variable that names the request.
pub(super) const REQUEST: &str = "ACTIONFINDER_REQUEST";

/// Runs the command to its end. An error where it did not end well.
pub(super) fn run(command: &Command, folder: &WorkingFolder, context: &StageContext) -> Result<(), StageError> {
    let name = command.run.first().map_or("", String::as_str);
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    let path = command.environment.get("PATH").map(OsString::from).or(path);
    let path = path.unwrap_or_else(|| USUAL_PATH.into());
    let program = find(name, &path, folder.path()).ok_or_else(|| {
        StageError::with_hint(
            format!("there is no program {name}"),
            "name one that is on PATH, or a declared file that may be executed, as ./NAME",
        )
    })?;
    let home = std::env::home_dir();
    let mut read = program_folders(&path, &program, home.as_deref(), folder.path());
    read.extend(folder.inputs.iter().cloned());
    read.push(program);
    let reach = Reach {
        read,
        write: folder.path().to_owned(),
    };
    let to = context.output(LOG)?;
    let log = File::create(to).map_err(|error| StageError::io(to, error))?;
    let adoption = Adoption::begin();
    let (mut child, notes) = start(command, &path, folder, &reach, context)?;
    notes.into_iter().for_each(|note| context.note(note));
    let end = follow(&mut child, adoption, (name, &folder.request()), log, context)?;
    if end.status.success() {
        if end.garbled > 0 {
            context.note(format!(
                "lines that begin as reports and cannot be read: {}; they are in the output {LOG}",
                end.garbled
            ));
        }
        return Ok(());
    }
    Err(failed(name, &end))
}

/// Where the program is.
fn find(name: &str, path: &OsString, folder: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let found = path.metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(folder.join(name)).filter(runs);
    }
    std::env::split_paths(path).map(|folder| folder.join(name)).find(runs)
}

/// Starts it on a thread that is in its sandbox, for what a thread may do, what it starts may do too.
fn start(
    command: &Command,
    path: &OsString,
    folder: &WorkingFolder,
    reach: &Reach,
    context: &StageContext,
) -> Result<(Child, Vec<String>), StageError> {
    let mut process = std::process::Command::new(command.run.first().map_or("", String::as_str));
    process
        .args(command.run.iter().skip(1))
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path().join("tmp"))
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        // What Python and those who draw would else make differ from run to run.
        .env("PYTHONHASHSEED", "0")
        .env("SOURCE_DATE_EPOCH", "0")
        .envs(THREADS.map(|name| (name, context.tensor_threads.to_string())))
        .envs(&command.environment)
        .env(REQUEST, folder.request())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, to be ended as a whole.
        .process_group(0);
    let started = std::thread::scope(|scope| {
        let start = || {
            let notes = enter(reach).map_err(|why| StageError::Bug(format!("Landlock: {why}")))?;
            let child = process.spawn();
            let child = child.map_err(|error| StageError::io(&command.run[0], error))?;
            Ok((child, notes))
        };
        scope.spawn(start).join()
    });
    started.unwrap_or_else(|_| Err(StageError::Bug("the thread that starts the command is gone".to_owned())))
}

/// How a command ended.
struct End {
    status: ExitStatus,
    tail: VecDeque<String>,
    garbled: usize,
}

/// Passes on what it says, keeps its log, and waits for its end.
fn follow(
    child: &mut Child,
    adoption: Adoption,
    (name, request): (&str, &Path),
    log: File,
    context: &StageContext,
) -> Result<End, StageError> {
    let log = Mutex::new(Log::new(BufWriter::new(log), KEPT));
    let tail = Mutex::new(VecDeque::new());
    let garbled = AtomicUsize::new(0);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let write = |line: &str| {
        if let Ok(mut log) = log.lock() {
            // A full disk shows when the log is finished.
            let _ = log.line(line);
        }
    };
    let status = std::thread::scope(|scope| {
        if let Some(stdout) = stdout {
            scope.spawn(|| {
                lines(stdout, |line| match read(line) {
                    Said::Told(told) => (context.teller)(told),
                    Said::Log => write(line),
                    Said::Garbled => {
                        garbled.fetch_add(1, Ordering::Relaxed);
                        write(line);
                    }
                });
            });
        }
        if let Some(stderr) = stderr {
            scope.spawn(|| {
                lines(stderr, |line| {
                    write(line);
                    if let Ok(mut tail) = tail.lock() {
                        if tail.len() == TAIL {
                            tail.pop_front();
                        }
                        tail.push_back(line.to_owned());
                    }
                });
            });
        }
        // What the command started ends with it, and then the readers do.
        wait(child, adoption, request, context)
    });
    let status = status.map_err(|error| StageError::io(name, error))?;
    context.check_cancelled()?;
    let left_out = log.into_inner().map_or(Ok(0), Log::finish);
    let left_out = left_out.map_err(|error| StageError::io(LOG, error))?;
    if left_out > 0 {
        context.note(format!(
            "the output {LOG} has the beginning and the end of what it printed; {left_out} lines between are left out"
        ));
    }
    Ok(End {
        status,
        tail: tail.into_inner().unwrap_or_default(),
        garbled: garbled.into_inner(),
    })
}

/// Waits until it has ended, or ends it when the run is cancelled; then ends what is left of its group, before another can have its number, and
/// what has left the group.
fn wait(child: &mut Child, adoption: Adoption, request: &Path, context: &StageContext) -> std::io::Result<ExitStatus> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let end_group = || {
        if let Some(group) = group {
            // One that is gone needs no signal.
            let _ = kill_process_group(group, Signal::KILL);
        }
    };
    if let Some(group) = group {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(group), options)?.is_none() && !context.cancel.is_cancelled() {
            std::thread::sleep(PAUSE);
        }
    }
    end_group();
    let status = child.wait();
    adoption.end(request);
    status
}

/// Each line, without its end.
fn lines(from: impl Read, mut take: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => take(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
        }
    }
}

/// The error of a command that did not end well.
fn failed(name: &str, end: &End) -> StageError {
    let (why, how) = match (end.status.code(), end.status.signal()) {
        (Some(code), _) => (Death::Crash, format!("{name} ended with exit code {code}")),
        (None, Some(9)) => (Death::Memory, format!("{name} was killed by signal 9 (out of memory?)")),
        (None, Some(signal)) => (Death::Crash, format!("{name} was ended by signal {signal}")),
        (None, None) => (Death::Crash, format!("{name} ended with {}", end.status)),
    };
    let said: Vec<&str> = end.tail.iter().map(String::as_str).collect();
    let denied = said.iter().any(|line| line.contains("Permission denied"));
    let said = match said.join("\n") {
        said if said.trim().is_empty() => String::new(),
        said => format!("; it last said:\n{said}"),
    };
    let hint = "a command reads what it declares (`from`, `files`), and writes in its working folder";
    StageError::Died {
        why,
        message: format!("{how}{said}"),
        hint: denied.then(|| hint.to_owned()),
    }
}
