"""One search and one no-op, beside Optuna, Hydra, DVC and Snakemake.

    python3 benches/runner/compare.py [--program target/debug/actionfinder] [--peers VENV] [--trials 40] [--slow-trials 8] [--work DIR]

Each does the same trials of a function of two parameters that takes no time, and keeps what came of each, so what is measured is what the
tool adds. Ours and Optuna search (TPE); Hydra, DVC and Snakemake have no search of their own, and get the values as a list. VENV is a Python
environment with `optuna hydra-core dvc snakemake` from the registry. Measured are: the wall clock of all trials, and by trial; the same
again, with nothing left to do; lines of what a user writes; and what happens after `kill -9` in the middle: how many trials were kept, and how
many of them were done again. DVC takes seconds a trial, and does `--slow-trials`. Nothing here is a test.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

OURS = """pipeline: search
params: { scale: 5 kpc, mass: 3e11 }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, sample: halo, streams: 4, stars: 2, duration: 0.001, seed: 1 }
  guess:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: $mass, scale: $scale } } } }
  errors: { compare: { from: { predicted: guess }, with: { against: stream_mean } } }
sweep:
  search:
    over: { scale: { uniform: ["4 kpc", "7 kpc"] }, mass: { log: [2e11, 5e11] } }
    minimize: errors.delta_J
    trials: TRIALS
"""

# What every peer's trial does: y from x and z, and a line in a log.
FUNCTION = """import json, math, pathlib

def trial(x, z):
    y = (x - 5) ** 2 + math.log(z / 3.3e11) ** 2
    with open(pathlib.Path(__file__).parent / "done.log", "a") as log:
        log.write(f"{x} {z}\\n")
    return y
"""

OPTUNA = """import optuna
from function import trial

def objective(trial_):
    return trial(trial_.suggest_float("x", 4, 7), trial_.suggest_float("z", 2e11, 5e11, log=True))

optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(study_name="search", storage="sqlite:///study.db", load_if_exists=True,
                            sampler=optuna.samplers.TPESampler(seed=1))
ended = len(study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE]))
study.optimize(objective, n_trials=max(TRIALS - ended, 0))
"""

HYDRA = """import json
import hydra
from function import trial

@hydra.main(version_base=None, config_path=".", config_name="config")
def main(config):
    with open("result.json", "w") as result:
        json.dump(trial(config.x, config.z), result)

main()
"""

SNAKEFILE = """VALUES = [4 + 3 * n / TRIALS for n in range(TRIALS)]

rule all:
    input: expand("results/{x}.json", x=VALUES)

rule one:
    output: "results/{x}.json"
    run:
        import json, sys
        sys.path.insert(0, workflow.basedir)
        from function import trial
        with open(output[0], "w") as result:
            json.dump(trial(float(wildcards.x), 3e11), result)
"""

DVC = """stages:
  one:
    cmd: python one.py
    deps: [one.py, function.py]
    params: [x, z]
    metrics: [result.json]
"""

DVC_ONE = """import json
import yaml
from function import trial

values = yaml.safe_load(open("params.yaml"))
json.dump({"y": trial(values["x"], values["z"])}, open("result.json", "w"))
"""


class Tool:
    """A tool in a folder of its own."""

    def __init__(self, name, folder, files, commands, trials, environment):
        self.name, self.folder, self.trials = name, folder, trials
        self.commands, self.environment = commands, environment
        folder.mkdir(parents=True)
        # `function.py` is what is run, not how.
        self.lines = sum(len(text.strip().splitlines()) for file, text in files.items() if file != "function.py")
        for file, text in files.items():
            (folder / file).write_text(text.replace("TRIALS", str(trials)))

    def start(self, command):
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def run(self):
        begun = time.perf_counter()
        codes = [self.start(command).wait() for command in self.commands]
        return time.perf_counter() - begun, max(codes)

    def done(self):
        """Trials that were done, with repetitions."""
        journal = self.folder / "results/search/runs.jsonl"
        if journal.exists():
            lines = [json.loads(line) for line in journal.read_text().splitlines() if "stage_finished" in line]
            return sum(1 for line in lines if line["event"] == "stage_finished" and line["stage"].startswith("guess"))
        log = self.folder / "done.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def kill_in_the_middle(self):
        """Ends the group when half of the trials are done; gives how many were."""
        for command in self.commands:
            process = self.start(command)
            while process.poll() is None and self.done() < self.trials // 2:
                time.sleep(0.002)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return self.done()
        return self.done()


def tools(args, folder):
    peers = pathlib.Path(args.peers).resolve() / "bin" if args.peers else None
    environment = {**os.environ, "HYDRA_FULL_ERROR": "1", "DVC_NO_ANALYTICS": "1"}
    if peers:
        environment["PATH"] = f"{peers}:{environment['PATH']}"
    n, slow = args.trials, args.slow_trials

    def make(name, files, commands, trials=n):
        return lambda: Tool(name, folder / f"{name}-{time.monotonic_ns()}", files, commands, trials, environment)

    yield make("actionfinder", {"p.yaml": OURS}, [[args.program, "run", "p.yaml", "--results", "results"]])
    if not peers:
        return
    function = {"function.py": FUNCTION}
    yield make("optuna", {**function, "search.py": OPTUNA}, [["python", "search.py"]])
    values = ",".join(str(4 + 3 * k / n) for k in range(n))
    yield make(
        "hydra", {**function, "app.py": HYDRA, "config.yaml": "x: 5\nz: 3.0e+11\n"}, [["python", "app.py", "--multirun", f"x={values}"]]
    )
    yield make("snakemake", {**function, "Snakefile": SNAKEFILE}, [["snakemake", "--cores", "2", "--quiet", "all"]])

    def dvc():
        files = {**function, "dvc.yaml": DVC, "one.py": DVC_ONE, "params.yaml": "x: 5\nz: 3.0e+11\n", ".gitignore": "done.log\n"}
        commands = [["dvc", "exp", "run", "-q", "-S", f"x={4 + 3 * k / slow}"] for k in range(slow)]
        tool = Tool("dvc", folder / f"dvc-{time.monotonic_ns()}", files, commands, slow, environment)
        for command in ["git init -q", "git add -A", "dvc init -q", "git add -A", "git -c user.name=a -c user.email=a@b commit -qm a"]:
            subprocess.run(command.split(), cwd=tool.folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        return tool

    yield dvc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/debug/actionfinder"))
    parser.add_argument("--peers")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--slow-trials", type=int, default=8)
    parser.add_argument("--work")
    args = parser.parse_args()
    print("| tool | trials | all, s | ms a trial | again, s | lines | kept at kill -9 | then done again | ends well |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=args.work, ignore_cleanup_errors=True) as name:
        for make in tools(args, pathlib.Path(name)):
            tool = make()
            took, code = tool.run()
            again, _ = tool.run()
            assert code == 0, f"{tool.name} ended with {code}"
            shutil.rmtree(tool.folder, ignore_errors=True)
            killed = make()
            kept = killed.kill_in_the_middle()
            _, code = killed.run()
            # One that was kept a moment before its line was written is missing from the log.
            repeated = max(killed.done() - killed.trials, 0)
            ends = "yes" if code == 0 else f"no, code {code}"
            print(
                f"| {tool.name} | {tool.trials} | {took:.2f} | {1e3 * took / tool.trials:.0f} | {again:.2f} | {tool.lines} | {kept} | "
                f"{repeated} | {ends} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
