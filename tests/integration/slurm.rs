//! `run --executor slurm` with commands that are shell scripts: each task of an array runs at once, on this machine.

use std::os::unix::fs::PermissionsExt;

use super::program::{Gave, Place};

const PIPELINE: &str = "pipeline: jobs
sweep: { axes: { seed: [1, 2] } }
params: { seed: 1 }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, halo: { within: 100 }, streams: 2, stars: 2, energy_tolerance: 1e-5, seed: $seed }
      on: { partition: short, account: p1, timeout: 10 min }
  truth:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
";

/// Runs the tasks of an array one after the other, and notes its arguments and how each ended.
const SBATCH: &str = r#"#!/bin/sh
here=$(dirname "$0")
job=$(($(wc -l < "$here/asked") + 1))
echo "$*" >> "$here/asked"
for argument; do
    case $argument in
        --array=0-*) last=${argument#--array=0-} ;;
        --job-name=*) name=${argument#--job-name=} ;;
    esac
    script=$argument
done
for task in $(seq 0 "$last"); do
    if SLURM_ARRAY_TASK_ID=$task sh "$script" > "$here/log" 2>&1; then state=COMPLETED; else state=FAILED; fi
    echo "${job}_$task|$state|None|$name" >> "$here/states"
done
echo $job
"#;

fn place() -> Place {
    let place = Place::with(PIPELINE);
    std::fs::create_dir(place.path("bin")).unwrap();
    for (name, text) in [
        ("sbatch", SBATCH),
        ("squeue", "#!/bin/sh\ncat \"$(dirname \"$0\")/states\"\n"),
        ("scancel", "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/cancelled\"\n"),
    ] {
        place.write(&format!("bin/{name}"), text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(&format!("bin/{name}")), mode).unwrap();
    }
    for name in ["asked", "states", "cancelled"] {
        place.write(&format!("bin/{name}"), "");
    }
    place.write("slurm.yaml", "memory: 1 GB\npilots: 1\n");
    place
}

fn with_slurm(place: &Place, arguments: &[&str]) -> Gave {
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    place.gave(place.command(arguments).env("PATH", path).output().unwrap())
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn stages_are_jobs_with_what_they_ask_for() {
    let place = place();
    let run = [
        "run",
        "p.yaml",
        "--executor",
        "slurm",
        "--profile",
        "slurm.yaml",
        "--log",
        "plain",
    ];
    let done = with_slurm(&place, &run);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let asked = read(&place, "bin/asked");
    let lines: Vec<&str> = asked.lines().collect();
    assert_eq!(lines.len(), 2, "{asked}");
    for part in [
        "--array=0-1",
        "--partition=short --account=p1 --time=0:12:00 --mem=954M",
        "--parsable",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(!lines[1].contains("--partition"), "{}", lines[1]);
    assert!(done.err.contains("done  truth[seed=2]"), "{}", done.err);
    // What jobs made a run here finds.
    let here = place.well(&["run", "p.yaml", "--log", "plain"]);
    assert!(!here.err.contains("  run "), "{}", here.err);
    let none = with_slurm(&place, &["cancel", "p.yaml"]);
    assert_eq!((none.code, none.out.as_str()), (0, "jobs has no jobs\n"));
}

#[test]
fn what_is_wrong_with_slurm_is_said() {
    let place = place();
    place.write(
        "bin/sbatch",
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: short' >&2\nexit 1\n",
    );
    let done = with_slurm(
        &place,
        &[
            "run",
            "p.yaml",
            "--executor",
            "slurm",
            "--profile",
            "slurm.yaml",
            "--log",
            "plain",
        ],
    );
    assert_eq!(done.code, 4);
    let said = "the batch system refuses its job: invalid partition specified: short";
    assert!(done.err.contains(said), "{}", done.err);
    place.write("slurm.yaml", "partion: x\n");
    let wrong = place.run(&["run", "p.yaml", "--executor", "slurm", "--profile", "slurm.yaml"]);
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.contains("slurm.yaml: there is no key `partion`"),
        "{}",
        wrong.err
    );
    let alone = place.run(&["run", "p.yaml", "--profile", "slurm.yaml"]);
    assert_eq!(alone.code, 2, "{}", alone.err);
}
