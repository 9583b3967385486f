//! Slurm, by its commands: `sbatch`, `squeue`, `scancel`, `scontrol`. Accounting is not needed.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::intents::{Intent, Want};
use super::profile::{Gpu, Profile};
use super::{Refused, Scheduler, State, States};

/// What the names of jobs begin with.
const NAME: &str = "actionfinder-";

/// A job hears so long before its end that its time is over, at least.
const WARNING: Duration = Duration::from_secs(60);

/// What a body may need beyond what its stage states before it is ended from outside: the program says more of it than Slurm does.
const MORE_TIME: Duration = Duration::from_secs(120);
const MORE_MEMORY: u64 = 256 << 20;

/// Slurm on this machine.
#[derive(Debug, Clone)]
pub struct Slurm {
    /// What jobs get.
    pub profile: Profile,
    /// The program that does a task: its arguments are `job`, the folder of the intent, and the number of the task.
    pub program: PathBuf,
}

impl Scheduler for Slurm {
    fn submit(&self, intent: &Intent, name: &str, folder: &Path, held: File) -> Result<String, Refused> {
        let never = |error: io::Error| Refused::Never(error.to_string());
        let folder = std::path::absolute(folder).map_err(never)?;
        let script = folder.join("job.sh");
        fs::write(&script, self.script(&folder)).map_err(never)?;
        let mut command = Command::new("sbatch");
        command.args(self.arguments(intent, name, &folder)).arg(&script);
        // While it is at work nobody else submits, even if this process is gone.
        let output = run(command, held.into()).map_err(Refused::Never)?;
        let said = String::from_utf8_lossy(&output.stdout);
        // With several clusters its name follows.
        let job = said.trim().split(';').next().unwrap_or_default();
        if output.status.success() && !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(job.to_owned());
        }
        Err(refused(&complaint(&output)))
    }

    fn states(&self) -> Result<States, String> {
        let user = rustix::process::getuid().as_raw().to_string();
        let mut command = Command::new("squeue");
        command.args([
            "--array",
            "--noheader",
            "--states=all",
            "--format=%i|%T|%r|%j",
            "--user",
            &user,
        ]);
        let output = run(command, Stdio::null())?;
        if !output.status.success() {
            return Err(complaint(&output));
        }
        Ok(states(&String::from_utf8_lossy(&output.stdout)))
    }

    fn cancel(&self, jobs: &[String]) -> Result<(), String> {
        let mut command = Command::new("scancel");
        command.arg("--quiet").args(jobs);
        let output = run(command, Stdio::null())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(complaint(&output))
        }
    }
}

impl Slurm {
    fn script(&self, folder: &Path) -> String {
        let (setup, program) = (self.profile.setup.trim_end(), quoted(self.program.as_os_str()));
        let folder = quoted(folder.as_os_str());
        format!("#!/bin/sh\n{setup}\nexec {program} job {folder} \"$SLURM_ARRAY_TASK_ID\"\n")
    }

    fn arguments(&self, intent: &Intent, name: &str, folder: &Path) -> Vec<String> {
        let want = &intent.want;
        let profile = &self.profile;
        let gpu = profile.gpu.as_ref().filter(|_| want.gpu);
        let of_gpu = |which: fn(&Gpu) -> &Option<String>| gpu.and_then(|gpu| which(gpu).as_ref());
        let partition = want.partition.as_ref().or(of_gpu(|gpu| &gpu.partition));
        let account = want.account.as_ref().or(of_gpu(|gpu| &gpu.account));
        let partition = partition.or(profile.partition.as_ref());
        let account = account.or(profile.account.as_ref());
        // A pilot makes many stages.
        let time = if intent.pilots.is_some() {
            profile.time
        } else {
            self.time(want)
        };
        let warning = time.map_or(WARNING, |time| WARNING.min(time / 4)).as_secs();
        let logs = format!("{}/logs/%a.txt", folder.display());
        let mut arguments = vec![
            "--parsable".to_owned(),
            "--requeue".to_owned(),
            "--ntasks=1".to_owned(),
            "--open-mode=append".to_owned(),
            format!("--job-name={NAME}{name}"),
            format!("--array=0-{}", intent.jobs().saturating_sub(1)),
            format!("--cpus-per-task={}", want.threads),
            format!("--output={logs}"),
            format!("--signal=B:USR1@{warning}"),
        ];
        arguments.extend(partition.map(|partition| format!("--partition={partition}")));
        arguments.extend(account.map(|account| format!("--account={account}")));
        arguments.extend(time.map(|time| format!("--time={}", clock(time))));
        let memory = want.memory.map(|memory| memory + memory / 10 + MORE_MEMORY);
        let memory = memory.or(profile.memory);
        arguments.extend(memory.map(|memory| format!("--mem={}M", memory.div_ceil(1 << 20))));
        arguments.extend(gpu.map(|gpu| format!("--gres={}", gpu.gres)));
        arguments.extend(profile.arguments.iter().cloned());
        arguments
    }

    /// How long a job may run.
    fn time(&self, want: &Want) -> Option<Duration> {
        let body = want.time.map(|time| time + MORE_TIME);
        match (body, self.profile.time) {
            (Some(body), Some(most)) => Some(body.min(most)),
            (body, most) => body.or(most),
        }
    }
}

/// Has Slurm begin the task of this process again; whether it was granted.
pub fn requeue() -> bool {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(job), Some(task)) = (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) else {
        return false;
    };
    let mut command = Command::new("scontrol");
    command.args(["requeue", &format!("{job}_{task}")]);
    run(command, Stdio::null()).is_ok_and(|output| output.status.success())
}

/// Runs a command of Slurm, which Ctrl-C does not reach.
fn run(mut command: Command, input: Stdio) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(input).process_group(0).output();
    output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {name} here: Slurm's commands are needed"),
        _ => format!("{name}: {}", crate::error::reason(&error)),
    })
}

/// What a command complains of, in its first line.
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let known = [
        "sbatch: error: ",
        "squeue: error: ",
        "scancel: error: ",
        "slurm_load_jobs error: ",
    ];
    let line = known
        .iter()
        .fold(line, |line, start| line.strip_prefix(start).unwrap_or(line));
    if line.is_empty() {
        format!("it ended with {}", output.status)
    } else {
        line.to_owned()
    }
}

/// What a refusal of `sbatch` means.
fn refused(complaint: &str) -> Refused {
    const UNCLEAR: [&str; 7] = [
        "ontact slurm controller",
        "timed out",
        "Connection refused",
        "communication",
        "Zero Bytes",
        "ended with signal",
        "Transport endpoint",
    ];
    const FULL: [&str; 4] = ["SubmitJob", "job submit limit", "temporarily un", "MaxJobCount"];
    let says = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if says(&UNCLEAR) {
        Refused::Unclear(complaint.to_owned())
    } else if says(&FULL) {
        Refused::Full(complaint.to_owned())
    } else {
        Refused::Never(complaint.to_owned())
    }
}

/// Lines of `squeue`: task, state, reason, name.
fn states(text: &str) -> States {
    let mut states = States::default();
    for line in text.lines() {
        let mut fields = line.splitn(4, '|');
        let (Some(task), Some(state), Some(reason), Some(name)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Some(name) = name.trim().strip_prefix(NAME) else {
            continue;
        };
        if let Some((job, _)) = task.split_once('_') {
            states.names.insert(name.to_owned(), job.to_owned());
        }
        states.tasks.insert(task.to_owned(), State::of(state, reason));
    }
    states
}

/// A time as `sbatch` takes it.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs().max(60);
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A word for the shell.
fn quoted(word: &OsStr) -> String {
    let mut text = "'".to_owned();
    let _ = write!(text, "{}", word.to_string_lossy().replace('\'', "'\\''"));
    text + "'"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::intents::Task;
    use crate::store::Hash256;

    fn intent(want: Want) -> Intent {
        let task = Task {
            label: "a".to_owned(),
            kind: "source".to_owned(),
            fingerprint: Hash256::of("a"),
            forced: false,
            lost: 0,
        };
        Intent {
            pipeline: "p".to_owned(),
            want,
            tasks: vec![task.clone(), task],
            pilots: None,
        }
    }

    fn want() -> Want {
        Want {
            threads: 2,
            gpu: false,
            memory: None,
            time: None,
            partition: None,
            account: None,
        }
    }

    fn slurm(profile: &str) -> Slurm {
        Slurm {
            profile: Profile::parse(profile).unwrap_or_default(),
            program: "/opt/it's/actionfinder".into(),
        }
    }

    #[test]
    fn a_job_gets_what_its_stage_asks_for_and_else_what_the_profile_says() {
        let slurm = slurm(
            "partition: cpu\naccount: p1\ntime: 24 h\nmemory: 2 GB\ngpu: { partition: gpus }\narguments: [--qos=x]\n",
        );
        let arguments = |want| slurm.arguments(&intent(want), "17-a", Path::new("/r/j")).join(" ");
        let plain = arguments(want());
        for part in [
            "--job-name=actionfinder-17-a",
            "--array=0-1",
            "--cpus-per-task=2",
            "--output=/r/j/logs/%a.txt",
            "--signal=B:USR1@60",
            "--partition=cpu --account=p1 --time=24:00:00 --mem=1908M --qos=x",
        ] {
            assert!(plain.contains(part), "{part} in {plain}");
        }
        let own = arguments(Want {
            gpu: true,
            memory: Some(1 << 30),
            time: Some(Duration::from_secs(60)),
            account: Some("p2".to_owned()),
            ..want()
        });
        assert!(
            own.contains("--signal=B:USR1@45 --partition=gpus --account=p2 --time=0:03:00 --mem=1383M --gres=gpu:1"),
            "{own}"
        );
        let script = slurm.script(Path::new("/r/j"));
        assert!(script.ends_with("exec '/opt/it'\\''s/actionfinder' job '/r/j' \"$SLURM_ARRAY_TASK_ID\"\n"));
    }

    #[test]
    fn lines_of_squeue_are_read() {
        let text = "7_0|RUNNING|None|actionfinder-17-a\n7_1|PENDING|Priority|actionfinder-17-a\n\
                    8|RUNNING|None|other\nnonsense\n";
        let states = states(text);
        assert_eq!(states.tasks.len(), 2);
        assert_eq!(states.tasks["7_1"], State::Waiting);
        assert_eq!(states.names["17-a"], "7");
    }

    #[test]
    fn refusals_are_told_apart() {
        let full = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size)";
        assert!(matches!(refused(full), Refused::Full(_)));
        let down = "Batch job submission failed: Unable to contact slurm controller (connect failure)";
        assert!(matches!(refused(down), Refused::Unclear(_)));
        assert!(matches!(refused("invalid partition specified: x"), Refused::Never(_)));
    }
}
