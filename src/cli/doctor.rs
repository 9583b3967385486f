//! `actionfinder doctor`: the commonest reasons why nothing works, each with what to do.

use std::path::Path;
use std::time::{Duration, SystemTime};

use runner::store::Store;
use rustix::process::{Resource, getrlimit};

use super::answers::{Check, Examined};
use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::{align, answer};
use crate::{libtorch, worker};

/// Check libtorch, devices, threads, limits, disk and the results folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: Results,
}

/// What a check found: a word on it, or what is wrong and what to do.
type Found = Result<String, (String, &'static str)>;

/// Less memory than this is little, GB.
const LITTLE_MEMORY: f64 = 2.0;
/// Less disk, GB.
const LITTLE_DISK: f64 = 1.0;
/// Fewer open files do not do for a run.
const FEW_FILES: u64 = 256;
/// Address space below this does not hold libtorch, GB.
const SMALL_SPACE: f64 = 8.0;
/// Files may be this much from the future: clocks of file servers differ.
const FUTURE: Duration = Duration::from_secs(120);

/// Looks at everything, then says whether all is well.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let folder = args.results.folder_here();
    let checks = [
        ("actionfinder", Ok(super::common::program())),
        ("tensor library", tensor_library()),
        ("libtorch", look().map(|found| found.libtorch)),
        (
            "LIBTORCH",
            named_libtorch(std::env::var_os("LIBTORCH").as_deref().map(Path::new)),
        ),
        (
            "GPUs",
            look()
                .map(|found| gpus(&found))
                .or_else(|_| Ok("not looked for".to_owned())),
        ),
        ("CPU threads", threads()),
        ("memory", memory()),
        ("open files", open_files()),
        ("temporary files", temporary()),
        ("results folder", results_folder(&folder)),
        ("run records", records(&folder)),
        ("clock", clock(&folder)),
        ("disk free", disk(&folder)),
    ];
    let checks: Vec<Check> = checks.into_iter().map(|(name, found)| check(name, found)).collect();
    let sound = checks.iter().all(|check| check.sound);
    let words = words(&checks);
    answer(|| Examined { sound, checks }, || words);
    if sound {
        Ok(Finished::Well)
    } else {
        Err(Failure::Work("see the lines marked BAD".to_owned()))
    }
}

fn check(name: &str, found: Found) -> Check {
    let (sound, says, help) = match found {
        Ok(says) => (true, says, None),
        Err((says, help)) => (false, says, Some(help.to_owned())),
    };
    Check {
        name: name.to_owned(),
        sound,
        says,
        help,
    }
}

fn words(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let mark = if check.sound { "ok" } else { "BAD" };
        lines.push(vec![mark.to_owned(), check.name.clone(), check.says.clone()]);
        let help = check.help.as_ref().filter(|help| !help.is_empty());
        lines.extend(help.map(|help| vec![String::new(), String::new(), format!("help: {help}")]));
    }
    align(&lines, &[])
}

fn tensor_library() -> Found {
    let built =
        "cargo build makes libtensor_stages.so beside the program; ACTIONFINDER_TENSOR_LIBRARY may name another";
    worker::find()
        .map(|path| path.display().to_string())
        .map_err(|why| (why, built))
}

fn look() -> Result<libtorch::Libtorch, (String, &'static str)> {
    libtorch::look().map_err(|why| (why, "make setup fetches the libtorch that this program is built for"))
}

fn gpus(found: &libtorch::Libtorch) -> String {
    if found.devices == 0 {
        let why = match found.without.is_empty() {
            true => String::new(),
            false => format!(" ({})", found.without),
        };
        return format!("none: trainings run on the CPU{why}");
    }
    format!("{} {}", found.devices, found.names.join(", "))
}

/// Whether the folder that LIBTORCH names holds one. It is read by builds only.
fn named_libtorch(named: Option<&Path>) -> Found {
    let Some(folder) = named else {
        return Ok("not set: builds take third_party/libtorch".to_owned());
    };
    let lib = folder.join("lib");
    let whole = lib.join("libtorch_cpu.so").exists() || lib.join("libtorch.so").exists();
    let shown = folder.display().to_string();
    match whole {
        true => Ok(shown),
        false => Err((
            format!("{shown} holds no lib/libtorch_cpu.so"),
            "unset LIBTORCH, or let it name the folder that holds lib and include",
        )),
    }
}

/// Variables that set a number of threads.
const THREADS: [&str; 2] = ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"];

fn threads() -> Found {
    for name in THREADS {
        let Ok(value) = std::env::var(name) else { continue };
        if !value.is_empty() && value.parse::<usize>().is_err() {
            return Err((
                format!("{name} is {value}, no whole number"),
                "unset it, or set it to a whole number",
            ));
        }
    }
    let all = std::thread::available_parallelism();
    all.map(|n| n.to_string()).map_err(|error| (error.to_string(), ""))
}

fn memory() -> Found {
    let space = getrlimit(Resource::As).current.map(|bytes| bytes as f64 / 1e9);
    if let Some(space) = space.filter(|space| *space < SMALL_SPACE) {
        return Err((
            format!("a limit of {space:.1} GB of address space, too small for libtorch"),
            "raise it: ulimit -v unlimited",
        ));
    }
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let Some(kilobytes) = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()) else {
        return Ok("not known here".to_owned());
    };
    let gigabytes = kilobytes * 1024.0 / 1e9;
    match gigabytes < LITTLE_MEMORY {
        true => Err((
            format!("{gigabytes:.1} GB free, which is little"),
            "end other programs, or run with --threads 1",
        )),
        false => Ok(format!("{gigabytes:.1} GB free")),
    }
}

fn open_files() -> Found {
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < FEW_FILES => Err((
            format!("at most {most}, too few for a run"),
            "raise the limit: ulimit -n 1024",
        )),
        Some(most) => Ok(format!("at most {most}")),
        None => Ok("no limit".to_owned()),
    }
}

fn temporary() -> Found {
    let folder = std::env::temp_dir();
    let shown = folder.display().to_string();
    runner::store::files::try_writing(&folder)
        .map(|()| shown.clone())
        .map_err(|_| {
            (
                format!("cannot write in {shown}"),
                "let TMPDIR name a folder that can be written to",
            )
        })
}

/// Whether files can be made in the folder, or in the nearest folder above it that exists.
fn results_folder(folder: &Path) -> Found {
    let help = "let --results or ACTIONFINDER_RESULTS name a folder that can be written to";
    if folder.exists() && !folder.is_dir() {
        return Err((format!("{} is no folder", folder.display()), help));
    }
    let there = nearest(folder);
    runner::store::files::try_writing(there)
        .map(|()| folder.display().to_string())
        .map_err(|_| (format!("cannot write in {}", there.display()), help))
}

fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."))
}

/// Whether the store is one of ours, and its records can be read: they keep what `gc` would remove.
fn records(folder: &Path) -> Found {
    let store = Store::open(folder);
    let help = "run its pipeline again, or remove the file that is named";
    store.check().map_err(|error| (error.to_string(), help))?;
    let runs = store.kept_runs().map_err(|error| (error.to_string(), help))?;
    Ok(crate::console::count(runs.len(), "run"))
}

/// Files from the future mean that a clock is wrong; what is unchanged is told by times.
fn clock(folder: &Path) -> Found {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let latest = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max();
    match latest {
        Some(latest) if latest > SystemTime::now() + FUTURE => Err((
            format!("files in {} are from the future", folder.display()),
            "set the clock of this machine, or touch the files",
        )),
        _ => Ok("not behind the results".to_owned()),
    }
}

fn disk(folder: &Path) -> Found {
    let there = nearest(folder);
    let disk = rustix::fs::statvfs(there).map_err(|error| (error.to_string(), ""))?;
    let gigabytes = disk.f_bavail as f64 * disk.f_frsize as f64 / 1e9;
    let text = format!("{gigabytes:.1} GB");
    match gigabytes < LITTLE_DISK {
        true => Err((
            format!("{text}, which is little"),
            "actionfinder cache gc frees what no run needs; --results may name a folder on another disk",
        )),
        false => Ok(text),
    }
}
