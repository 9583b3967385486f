//! Where a run has its stages made: here, or as jobs of a batch system.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use runner::batch::profile::Profile;
use runner::batch::slurm::Slurm;
use runner::batch::{Jobs, Pace};
use runner::spec::PipelineFile;
use runner::worker::WorkerCommand;

use super::common::Loaded;
use super::failure::{Failure, Finished};
use crate::console::print;

/// Where stages are made.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct On {
    /// Where stages run
    #[arg(long, value_enum, default_value = "local")]
    executor: Executor,
    /// What jobs get whose stage says nothing [default: slurm.yaml in $XDG_CONFIG_HOME/actionfinder or ~/.config/actionfinder]
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Go on in the background, also after logout; end it by `cancel`
    #[arg(long)]
    detach: bool,
    /// Started by `--detach`
    #[arg(long, hide = true)]
    detached: bool,
}

/// What makes stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Executor {
    /// In processes on this machine
    #[default]
    Local,
    /// Each as a job of Slurm
    Slurm,
    /// Many short ones by each job of Slurm
    Pilot,
}

/// The place where stages are made, with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// This machine.
    Here,
    /// The machines of a Slurm.
    Slurm(Box<Profile>, Each),
}

/// What one job makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// One stage.
    One,
    /// Many.
    Many,
}

impl On {
    /// The place that is asked for.
    pub fn place(&self) -> Result<Place, Failure> {
        if self.detached {
            // A session of its own: what ends that of the terminal does not reach it.
            rustix::process::setsid().map_err(Failure::work)?;
        }
        match (self.executor, &self.profile) {
            (Executor::Local, None) => Ok(Place::Here),
            (Executor::Local, Some(_)) => Err(Failure::Usage(
                "--profile says what jobs get: give --executor slurm too".to_owned(),
            )),
            (Executor::Slurm | Executor::Pilot, named) => {
                let profile = match (named.clone(), standard_profile()) {
                    (Some(named), _) => Profile::read(&named),
                    (None, Some(standard)) if standard.exists() => Profile::read(&standard),
                    (None, _) => Ok(Profile::default()),
                };
                let each = if self.executor == Executor::Pilot {
                    Each::Many
                } else {
                    Each::One
                };
                Ok(Place::Slurm(
                    Box::new(profile.map_err(|problem| Failure::Invalid(format!("error: {problem}")))?),
                    each,
                ))
            }
        }
    }

    /// Whether the run is to go on in the background.
    pub fn detaches(&self) -> bool {
        self.detach && !self.detached
    }
}

impl Place {
    /// The GPUs that stages may use there; `None` for those of this machine.
    pub fn gpus(&self) -> Option<Vec<String>> {
        match self {
            Self::Here => None,
            Self::Slurm(profile, _) => Some(profile.gpu.iter().map(|_| "0".to_owned()).collect()),
        }
    }

    /// What is said when a run is to stop.
    pub fn when_stopping(&self) -> &'static str {
        match self {
            Self::Here => "stopping: running trainings save a checkpoint",
            Self::Slurm(..) => "leaving: jobs go on",
        }
    }

    /// What is said when a run was left before its end.
    pub fn when_left(&self) -> &'static str {
        match self {
            Self::Here => "and trainings go on from their last checkpoint",
            Self::Slurm(..) => "and jobs go on: run again to follow them, or end them by: actionfinder cancel",
        }
    }
}

/// The file with a user's profile.
fn standard_profile() -> Option<PathBuf> {
    Some(configuration()?.join("slurm.yaml"))
}

/// The folder of a user's settings.
pub fn configuration() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let configuration = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(configuration.join("actionfinder"))
}

/// How to start workers of this program.
pub fn worker() -> Result<WorkerCommand, Failure> {
    Ok(WorkerCommand {
        program: std::env::current_exe().map_err(Failure::work)?,
        arguments: vec!["worker".to_owned()],
        environment: Vec::new(),
    })
}

/// Slurm, with this program.
pub fn slurm(profile: &Profile) -> Result<Slurm, Failure> {
    Ok(Slurm {
        profile: profile.clone(),
        program: std::env::current_exe().map_err(Failure::work)?,
    })
}

/// Jobs of this Slurm.
pub fn jobs(slurm: &Slurm, each: Each) -> Jobs<'_> {
    let profile = &slurm.profile;
    Jobs {
        scheduler: slurm,
        pace: Pace {
            array: profile.array,
            jobs: profile.jobs,
            pilots: (each == Each::Many).then_some(profile.pilots),
            ..Pace::default()
        },
        threads: profile.threads,
    }
}

/// Starts this command again in the background, in a session of its own, and says where it writes.
pub fn detach(loaded: &Loaded, file: &PipelineFile) -> Result<Finished, Failure> {
    let folder = loaded.store.pipeline_folder(&loaded.graph.pipeline);
    let path = folder.join("detached.txt");
    let open = || -> io::Result<(File, File)> {
        std::fs::create_dir_all(&folder)?;
        let log = File::create(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (out, errors) = open().map_err(|error| Failure::file(&path, &error))?;
    let program = std::env::current_exe().map_err(Failure::work)?;
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach");
    let child = Command::new(program)
        .args(arguments)
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(errors)
        .spawn()
        .map_err(Failure::work)?;
    print(&format!(
        "process {} goes on in the background and writes to {}\nend it by: actionfinder cancel {}\n",
        child.id(),
        path.display(),
        file.path().display()
    ));
    Ok(Finished::Well)
}
