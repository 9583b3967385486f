"""Where attacks take place: a folder with a pipeline, runs of the program in it, and what an undisturbed run gives."""

import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PIPELINE = HERE / "attack.yaml"
# Outputs and what they were made of must be the same to the byte; manifests hold times, and are looked at through the next run.
COMPARED = (".parquet", ".safetensors", ".svg", "fingerprint.json")
# What no finished run leaves behind.
LITTER = re.compile(r"(^|/)\.[^/]+$|\.tmp$|\.old$|(^|/)partial/.|(^|/)checkpoints/.|\.\d+$")
# Words that no user should see, whatever happened.
FOREIGN = re.compile(r"panicked|RUST_BACKTRACE|called `|serde|Parquet error|ArrowError|polars", re.IGNORECASE)


class Ground:
    """A folder of its own, emptied by `clear`."""

    def __init__(self, program, folder):
        self.program, self.folder = pathlib.Path(program).resolve(), pathlib.Path(folder)
        self.results = self.folder / "results"
        self.clear()

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copy(PIPELINE, self.folder / "attack.yaml")

    def copy_of(self, results):
        """Puts a copy of a results folder in place of what is here."""
        shutil.rmtree(self.results, ignore_errors=True)
        shutil.copytree(results, self.results, symlinks=True)

    def start(self, *arguments, environment=None, **options):
        """A run, not awaited, in a process group of its own."""
        command = [str(self.program), "run", "attack.yaml", "--log", "plain", *arguments]
        return subprocess.Popen(command, cwd=self.folder, start_new_session=True, text=True, errors="replace",
                                env={**os.environ, **(environment or {})},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def run(self, *arguments, environment=None, patience=120):
        """Exit code and all that was said; None if it did not end, which is a fault."""
        process = self.start(*arguments, environment=environment)
        try:
            said, _ = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, said

    def content(self):
        """Digest of every file that must be the same whatever happened, by its path in the cache."""
        cache = self.results / "cache"
        files = (path for path in cache.rglob("*") if path.name.endswith(COMPARED) and path.is_file())
        # The version of the store is not what is compared.
        return {"/".join(path.relative_to(cache).parts[1:]): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files}

    def history_rows(self):
        """Rows of the table of every state that was reported; None where it cannot be read."""
        command = [str(self.program), "show", "results/attack/history.parquet", "-n", "0"]
        shown = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        found = re.search(r"^(\d+) rows", shown.stdout, re.MULTILINE)
        return int(found.group(1)) if shown.returncode == 0 and found else None

    def litter(self):
        """Files and empty folders that a finished run leaves to nobody."""
        found = []
        for path in self.results.rglob("*"):
            name = path.relative_to(self.results).as_posix()
            if LITTER.search(name) and not (path.is_dir() and any(path.iterdir())):
                found.append(name)
        return found


class Judge:
    """Compares what is on a ground with an undisturbed run, and counts."""

    def __init__(self, ground):
        code, said = ground.run()
        if code != 0:
            raise SystemExit(f"the undisturbed run ended with {code}:\n{said}")
        self.right = ground.content()
        self.faults = []

    def fault(self, attack, what):
        self.faults.append((attack, what))
        print(f"  WRONG  {attack}: {what}", flush=True)

    def recovered(self, ground, attack, arguments=(), right=None):
        """The next run must end well with the right bytes, leave no litter, and the one after find nothing to do."""
        before = len(self.faults)
        code, said = ground.run(*arguments)
        if code != 0:
            self.fault(attack, f"the next run ended with {code}: {said.strip()[-300:]}")
            return False
        self.same(ground, attack, right or self.right)
        if litter := ground.litter():
            self.fault(attack, f"left behind: {', '.join(litter[:4])}")
        # A run with other parameters has its own, below `parts`.
        reports = [path.read_text(errors="replace") for path in (ground.results / "attack").rglob("report.html")]
        if not reports or not all(report.rstrip().endswith("</html>") for report in reports):
            self.fault(attack, "the report is not whole")
        code, said = ground.run(*arguments)
        if code != 0 or "all fresh" not in said:
            self.fault(attack, f"a second run ended with {code}: {said.strip()[-300:]}")
        return len(self.faults) == before

    def same(self, ground, attack, right):
        content = ground.content()
        for name in sorted(right):
            if content.get(name) != right[name]:
                self.fault(attack, f"{name} {'differs' if name in content else 'is missing'}")

    def words(self, attack, said):
        """What a disturbed run may say: no panic, no words of a library."""
        if found := FOREIGN.search(said):
            line = next(line for line in said.splitlines() if FOREIGN.search(line))
            self.fault(attack, f"says {found.group()!r}: {line.strip()[:160]}")


def chance(seed):
    return random.Random(seed)
