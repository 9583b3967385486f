"""A sweep by a real Slurm that is disturbed in every way: every stage is published once, with the bytes of a run on this machine."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cluster
from cluster import output, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.path.join(HERE, "../../target/debug/actionfinder"))


class Work:
    """A folder with the pipeline and its results."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.pipeline = shutil.copy(f"{HERE}/sweep.yaml", folder)
        self.results = f"{folder}/results"
        with open(f"{folder}/slurm.yaml", "w") as profile:
            profile.write("memory: 100 MB\n")

    def command(self, *arguments):
        return [PROGRAM, *arguments, self.pipeline, "--results", self.results]

    def by_slurm(self, executor="slurm"):
        return [*self.command("run", "--executor", executor, "--profile", f"{self.folder}/slurm.yaml"), "--log", "plain"]

    def run(self, executor="slurm"):
        done = subprocess.run(self.by_slurm(executor), capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self):
        log = open(f"{self.folder}/log.txt", "ab")
        return subprocess.Popen(self.by_slurm(), stdout=log, stderr=log)

    def entries(self):
        """Hashes of all outputs and fingerprints in the store, by their place."""
        found = {}
        store = f"{self.results}/cache/v1"
        for folder, _, files in os.walk(store):
            for name in files:
                path = f"{folder}/{name}"
                if folder != store and name != "manifest.json":
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, store)] = hashlib.sha256(file.read()).hexdigest()
        return found

    def published(self):
        """When each entry was published: what does not change is published once."""
        store = f"{self.results}/cache/v1"
        return {folder: os.stat(folder).st_ino for folder, _, files in os.walk(store) if "manifest.json" in files}

    def intents(self):
        folder = f"{self.results}/cache/jobs"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def submitted(self):
        """Labels of all tasks in intents that are there."""
        labels = []
        for name in self.intents():
            try:
                with open(f"{self.results}/cache/jobs/{name}/intent.json") as intent:
                    labels += [task["label"] for task in json.load(intent)["tasks"]]
            except FileNotFoundError:
                pass  # It went with its last stage.
        return labels


def running():
    return output("squeue", "-r", "-h", "-t", "R", "-o", "%i").split()


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def undisturbed(work, expected):
    """A plain run."""
    work.run()
    expect(work.entries() == expected, "its bytes are others")
    expect(work.intents() == [], "intents are left")
    again = work.run()
    expect("run " not in again, f"something ran again: {again}")


def disturbed(work, expected, slurm):
    """A job is killed, the node drained and resumed, the controller restarted, and the run killed in the middle."""
    first = work.start()
    wait_for(lambda: any("slow" in label for label in work.submitted()) and running(), "a slow stage", 120)
    # The process of a task dies: the stage has one retry.
    wait_for(lambda: kill_a_task(work), "the process of a task", 60)
    output("scontrol", "update", f"nodename={slurm.host}", "state=drain", "reason=test")
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = work.submitted()
    # It keeps its own state first: what Slurm forgets when it is killed is not ours.
    slurm.stop("slurmctld")
    second = work.start()
    time.sleep(2)
    slurm.start_controller()
    wait_for(lambda: output("sinfo", "-h", "-o", "%t").strip() != "", "the controller", 60)
    output("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    expect(second.wait(400) == 0, open(f"{work.folder}/log.txt").read())
    expect(work.entries() == expected, "its bytes are others")
    expect(work.intents() == [], "intents are left")
    expect(len(before) == len(set(before)), f"submitted twice: {before}")
    once = work.published()
    work.run()
    expect(work.published() == once, "something was published again")


def ours(folder, command=None):
    """Processes of the program that are at work in a folder."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as line:
                words = line.read().split(b"\0")
        except OSError:
            continue
        if words[0] == PROGRAM.encode() and command in (None, words[1].decode()) and any(folder.encode() in word for word in words):
            yield int(entry)


def kill_a_task(work):
    """Kills the process of a running task, which is `actionfinder job`; whether there was one."""
    for process in ours(work.results, "job"):
        os.kill(process, signal.SIGKILL)
        return True
    return False


def piloted(work, expected):
    """Two jobs share all stages."""
    with open(f"{work.folder}/slurm.yaml", "a") as profile:
        profile.write("pilots: 2\n")
    work.run("pilot")
    expect(work.entries() == expected, "its bytes are others")
    expect(work.intents() == [], "intents are left")


def detached(work, expected):
    """A run in the background whose starter is gone; then all is cancelled, and made by whoever runs next."""
    started = subprocess.run([*work.by_slurm(), "--detach"], capture_output=True, text=True, timeout=60)
    expect(started.returncode == 0, started.stderr)
    wait_for(lambda: any("slow" in label for label in work.submitted()) and running(), "a slow stage", 120)
    ended = subprocess.run(work.command("cancel"), capture_output=True, text=True, timeout=60)
    expect(ended.returncode == 0 and "ended" in ended.stdout, ended.stdout + ended.stderr)
    wait_for(lambda: not output("squeue", "-h", "-o", "%i").split(), "an empty queue", 60)
    log = f"{work.results}/slurm_sweep/detached.txt"
    wait_for(lambda: "interrupted" in open(log).read(), "the end of the run in the background", 60)
    work.run()
    expect(work.entries() == expected, "its bytes are others")


def main():
    missing = cluster.missing()
    if missing:
        sys.exit(f"make test-slurm needs {', '.join(missing)} (Debian: apt install slurmctld slurmd slurm-client munge)")
    if os.geteuid() != 0:
        sys.exit("make test-slurm starts a Slurm of its own, and needs root for that")
    root = tempfile.mkdtemp(prefix="slurm-")
    if "--check" in sys.argv:
        cluster.Cluster(f"{root}/slurm").close()
        shutil.rmtree(root)
        return
    local = Work(f"{root}/local")
    done = subprocess.run(local.command("run"), capture_output=True, text=True, timeout=400)
    expect(done.returncode == 0, done.stderr)
    expected = local.entries()
    slurm = cluster.Cluster(f"{root}/slurm")
    try:
        for name, test in [
            ("undisturbed", lambda work: undisturbed(work, expected)),
            ("disturbed", lambda work: disturbed(work, expected, slurm)),
            ("piloted", lambda work: piloted(work, expected)),
            ("detached", lambda work: detached(work, expected)),
        ]:
            begun = time.monotonic()
            test(Work(f"{root}/{name}"))
            print(f"{name}: well, {time.monotonic() - begun:.0f} s", flush=True)
    except BaseException:
        print(f"kept for a look: {root}", file=sys.stderr)
        raise
    finally:
        for process in ours(root):
            os.kill(process, signal.SIGKILL)
        slurm.close()
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
