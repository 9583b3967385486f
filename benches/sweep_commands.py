"""How long do the commands take that look at a large sweep?

    python3 benches/sweep_commands.py [--instances 10000] [--repeats 5] [--program target/debug/actionfinder] [--work DIR]

A sweep of three stages a point, each a few milliseconds, is run once; then `status`, `sweep` and `table` are timed in turns, beside `plan` of a
part of it, which is how long it takes to read the file and look at every output. Printed are the median and the least wall-clock time in
milliseconds, and the peak memory. Nothing here is a test.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SWEEP = """pipeline: big
params: { seed: 1 }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, sample: halo, streams: 4, stars: 2,
              duration: 0.001, energy_tolerance: 1e-7, seed: $seed }
  actions:
    estimate_actions:
      from: { stars: orbits }
      with: { method: { staeckel_fudge: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } } } } }
  errors: { compare: { from: { predicted: actions }, with: { against: stream_mean } } }
sweep: { axes: { seed: { range: [1, POINTS] } } }
"""


def timed(command: list[str], folder: pathlib.Path) -> tuple[float, int]:
    """Milliseconds and peak memory in kB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(command)
    return 1e3 * (time.perf_counter() - start), usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "target/debug/actionfinder"))
    parser.add_argument("--work")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        folder = pathlib.Path(name)
        (folder / "big.yaml").write_text(SWEEP.replace("POINTS", str(args.instances // 3)))
        took, memory = timed([args.program, "run", "big.yaml"], folder)
        print(f"{'run':<20} {took:9.0f} ms  {memory / 1024:.0f} MB", flush=True)
        commands = {name: [args.program, name, "big.yaml"] for name in ["status", "sweep", "table"]}
        commands["plan --to errors"] = [args.program, "plan", "big.yaml", "--to", "errors"]
        found = {name: [] for name in commands}
        for _ in range(args.repeats):
            for name, command in commands.items():
                found[name].append(timed(command, folder))
        for name, rows in found.items():
            times = [took for took, _ in rows]
            print(
                f"{name:<20} {statistics.median(times):9.0f} ms  least {min(times):.0f}  {max(kb for _, kb in rows) / 1024:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
