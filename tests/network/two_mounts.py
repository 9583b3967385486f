"""Two runs of one sweep in one results folder, which each sees through a mount of its own: every stage runs once, the bytes are those of one run
on a local disk, and when one is killed in the middle the other finishes.

    python3 tests/network/two_mounts.py MOUNT1 MOUNT2
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAM = f"{ROOT}/target/debug/actionfinder"
SWEEP = """pipeline: two_mounts
params: { scale: 5.5, seed: 1 }
sweep: { axes: { scale: [5.1, 5.2, 5.3, 5.5, 5.8], seed: { range: [1, 12] } } }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, streams: 300, stars: 4, duration: 0.1, seed: $seed }
  truth: { estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: 5.0 } } } } }
  guess: { estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: $scale } } } } }
  errors: { compare: { from: { predicted: guess, truth: truth } } }
"""
STAGES = 12 * 2 + 60 * 2


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def begin(folder, results):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACTIONFINDER_")}
    command = [PROGRAM, "run", "sweep.yaml", "--results", results, "--log", "json", "--threads", "1"]
    # Files, not pipes: nobody reads of the second while the first goes on.
    told = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
    return process, told


def ended(begun):
    """The exit status, how many stages ran, and what else was said."""
    process, told = begun
    process.wait(timeout=120)
    told.seek(0)
    lines = told.read().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    ran = [event["ran"] for event in events if event["event"] == "run_finished"]
    failed = [event for event in events if event["event"] == "stage_failed"]
    said = [line for line in lines if not line.startswith("{")]
    return process.returncode, ran[0] if ran else None, f"{failed} {said}"


def outputs(results):
    """Hashes of all outputs, by entry and file."""
    found = {}
    for folder, _, files in os.walk(f"{results}/cache/v1"):
        for file in files:
            if "." in file and file != "manifest.json" and not file.startswith("."):
                path = os.path.join(folder, file)
                found[os.path.relpath(path, results)] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    return found


def main():
    mounts = sys.argv[1:]
    expect(len(mounts) == 2, __doc__)
    folder = tempfile.mkdtemp()
    with open(f"{folder}/sweep.yaml", "w") as file:
        file.write(SWEEP)
    status, ran, said = ended(begin(folder, f"{folder}/local"))
    expect((status, ran) == (0, STAGES), f"{status} {ran} {said}")
    expected = outputs(f"{folder}/local")
    for round in range(int(os.environ.get("ROUNDS", 3))):
        for killed in [False, True]:
            name = f"two-mounts-{os.getpid()}-{round}-{killed}"
            since = time.monotonic()
            both = [begin(folder, f"{mount}/{name}") for mount in mounts]
            if killed:
                time.sleep(3)
                os.killpg(both[0][0].pid, signal.SIGKILL)
            (first, ran_first, said_first), (second, ran_second, said_second) = [ended(begun) for begun in both]
            expect(second == 0 and (killed or first == 0), f"{first} {said_first}\n{second} {said_second}")
            expect(killed or ran_first + ran_second == STAGES, f"{ran_first} and {ran_second} of {STAGES} ran")
            expect(outputs(f"{mounts[0]}/{name}") == expected, "the bytes are others")
            status, ran, said = ended(begin(folder, f"{mounts[0]}/{name}"))
            expect((status, ran) == (0, 0), f"not all is there: {status} {ran} {said}")
            what = "the first was killed" if killed else f"{ran_first} and {ran_second} stages"
            print(f"  {what}: well, {time.monotonic() - since:.0f} s", flush=True)
            shutil.rmtree(f"{mounts[0]}/{name}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
