//! `actionfinder doctor`

use std::path::Path;

use super::failure::{Failure, Finished};
use super::results::Results;
use crate::console::print;
use crate::{libtorch, worker};

/// Check libtorch, devices, threads, disk and the results folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    results: Results,
}

struct Report {
    lines: Vec<String>,
    sound: bool,
}

impl Report {
    fn good(&mut self, name: &str, text: impl std::fmt::Display) {
        self.lines.push(format!("ok   {name:<16} {text}"));
    }

    fn bad(&mut self, name: &str, text: impl std::fmt::Display) {
        self.lines.push(format!("BAD  {name:<16} {text}"));
        self.sound = false;
    }

    fn check<T: std::fmt::Display>(&mut self, name: &str, result: Result<T, String>) {
        match result {
            Ok(text) => self.good(name, text),
            Err(text) => self.bad(name, text),
        }
    }
}

/// Looks at everything, then says whether all is well.
pub fn run(args: Args) -> Result<Finished, Failure> {
    let mut report = Report {
        lines: Vec::new(),
        sound: true,
    };
    report.good("actionfinder", super::common::program());
    match worker::find() {
        Ok(path) => {
            report.good("tensor library", path.display());
            match libtorch::look() {
                Ok(found) => {
                    report.good("libtorch", &found.libtorch);
                    let gpus = if found.devices == 0 {
                        let why = if found.without.is_empty() {
                            String::new()
                        } else {
                            format!(" ({})", found.without)
                        };
                        format!("none: trainings run on the CPU{why}")
                    } else {
                        format!("{} {}", found.devices, found.names.join(", "))
                    };
                    report.good("GPUs", gpus);
                }
                Err(message) => report.bad("libtorch", message),
            }
        }
        Err(message) => report.bad("tensor library", message),
    }
    let threads = std::thread::available_parallelism()
        .map(|n| n.get())
        .map_err(|error| error.to_string());
    report.check("CPU threads", threads);
    let folder = args.results.folder_here();
    report.check(
        "results folder",
        writable(&folder).map(|()| folder.display().to_string()),
    );
    report.check("disk free", free(&folder));
    print(&report.lines.join("\n"));
    if report.sound {
        Ok(Finished::Well)
    } else {
        Err(Failure::Work("see the lines marked BAD".to_owned()))
    }
}

/// Whether a file can be made in the folder, or in the nearest folder above it that exists.
fn writable(folder: &Path) -> Result<(), String> {
    let there = nearest(folder);
    runner::store::files::try_writing(there).map_err(|error| format!("cannot write in {}: {error}", there.display()))
}

fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."))
}

fn free(folder: &Path) -> Result<String, String> {
    let there = nearest(folder);
    let disk = rustix::fs::statvfs(there).map_err(|error| error.to_string())?;
    let gigabytes = disk.f_bavail as f64 * disk.f_frsize as f64 / 1e9;
    let text = format!("{gigabytes:.1} GB");
    if gigabytes < 1.0 {
        Err(format!("{text}, which is little"))
    } else {
        Ok(text)
    }
}
