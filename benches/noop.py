"""How long does it take to find that nothing, or one chain, has to run, and how long to run it all? Beside ninja and make, on the
same graph, in one go.

    python3 benches/noop.py [--stages 1000 10000] [--repeats 21] [--precedence] [--running 3]
    python3 benches/noop.py --stages --sweep 1000 100000

The graph: one sample of orbits, then chains of `split` stages ten deep, each with a seed of its own. The peers get the same
graph as copies of a file. Every pipeline is run once to do the work. Then the commands are timed in turns: with nothing to
run, and with one stage changed near the end of its chain (ours another seed, the peers' a touched input), where each only says
what it would run. With `--running N` all is run from nothing N times, in turns, on the disk that `--work` is on: ours does with every
stage what ninja does with a `cp`, and puts it on the disk besides. `--sweep` plans sweeps of so many points with three stages each, of which
nothing was run, beside ninja on as many edges, which it has to read written out; their peak memory is told too. Printed are the median and the least wall-clock time in milliseconds, and the ratio of the medians to
ninja's. Nothing here is a test.

On a busy machine `--precedence` (as root) gives what is timed, ours and the peers' alike, precedence over all else.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPTH = 10
SWEEP = """pipeline: sweep
params: { seed: 1 }
sweep: { axes: { seed: { range: [1, POINTS] } } }
stages:
  orbits:
    integrate_orbits:
      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, sample: halo, streams: 4, stars: 1,
              duration: 0.001, energy_tolerance: 1e-7, seed: $seed }
  sets: { split: { from: { stars: orbits }, with: { train: 0.5, seed: $seed } } }
  again: { split: { from: { stars: sets.train }, with: { train: 0.5, seed: $seed } } }
"""


def edges(count: int) -> list[tuple[str, str]]:
    """(stage, its input) for every stage but the source."""
    return [(f"s{i}", "source" if i % DEPTH == 0 else f"s{i - 1}") for i in range(count - 1)]


def write_pipeline(path: pathlib.Path, count: int, changed: int | None = None) -> None:
    lines = ["pipeline: noop", "stages:", "  source:", "    integrate_orbits:"]
    lines += ["      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, sample: halo, streams: 1024, stars: 1,"]
    lines += ["              duration: 0.001, energy_tolerance: 1e-7, seed: 1 }"]
    for i, (stage, source) in enumerate(edges(count)):
        seed = i if i != changed else 77777
        lines.append(f"  {stage}: {{ split: {{ from: {{ stars: {source} }}, with: {{ train: 0.5, seed: {seed} }} }} }}")
    path.write_text("\n".join(lines) + "\n")


def write_ninja(folder: pathlib.Path, count: int) -> None:
    rules = ["rule copy", "  command = cp $in $out"]
    rules += [f"build {stage}: copy {source}" for stage, source in edges(count)]
    (folder / "build.ninja").write_text("\n".join(rules) + "\n")


def write_make(folder: pathlib.Path, count: int) -> None:
    pairs = edges(count)
    rules = ["all: " + " ".join(stage for stage, _ in pairs)]
    rules += [f"{stage}: {source}\n\t@cp $< $@" for stage, source in pairs]
    (folder / "Makefile").write_text("\n".join(rules) + "\n")


def run(command: list[str], folder: pathlib.Path) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return 1e3 * (time.perf_counter() - start)


def peak(command: list[str], folder: pathlib.Path) -> int:
    """Peak memory in kB."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(command)
    return usage.ru_maxrss


def sweep(points: int, program: str, repeats: int, precedence: bool, work: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = pathlib.Path(name)
        (folder / "source").write_text("x")
        (folder / "sweep.yaml").write_text(SWEEP.replace("POINTS", str(points)))
        rules = ["rule copy", "  command = cp $in $out"]
        for n in range(points):
            rules += [f"build a{n}: copy source", f"build b{n}: copy a{n}", f"build c{n}: copy b{n}"]
        (folder / "build.ninja").write_text("\n".join(rules) + "\n")
        commands = {"actionfinder plan": ([program, "plan", "sweep.yaml"], folder), "ninja": (["ninja", "-n"], folder)}
        commands = {name: row for name, row in commands.items() if shutil.which(row[0][0])}
        timed(commands, repeats, precedence, f"{points} points, 3 stages")
        for name, row in commands.items():
            memory = peak(*row)
            print(f"{'':<28} {name:<18} {memory / 1024:.0f} MB, {1024 * memory / (3 * points):.0f} bytes a stage", flush=True)


def clear(folder: pathlib.Path) -> None:
    """Leaves what describes the work, and nothing that came of it."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    for path in folder.iterdir():
        if path.name[0] in "s." and path.name != "source":
            path.unlink()
    os.sync()
    # For five seconds ext4 goes out of the way of inodes that were just freed, which takes time.
    time.sleep(6)


def timed(commands: dict, repeats: int, precedence: bool, what: str, before=lambda folder: None) -> None:
    if repeats == 0:
        return
    times = {name: [] for name in commands}
    if precedence:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    for _ in range(repeats):
        for name, (command, folder) in commands.items():
            before(folder)
            times[name].append(run(command, folder))
    if precedence:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    for name, found in times.items():
        median = statistics.median(found)
        ratio = f"{median / statistics.median(times['ninja']):8.1f}" if "ninja" in times else ""
        print(f"{what:<28} {name:<18} {median:>8.1f} {min(found):>8.1f} {ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--sweep", type=int, nargs="+", default=[], help="points of sweeps to plan")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--program", default=str(ROOT / "target" / "debug" / "actionfinder"))
    parser.add_argument("--precedence", action="store_true")
    parser.add_argument("--running", type=int, default=0, help="repeats of runs from nothing")
    parser.add_argument("--work", help="folder to work below; default: the system's for temporary files")
    arguments = parser.parse_args()
    ours = arguments.program
    print(f"load before: {os.getloadavg()[0]:.1f}")
    print(f"{'':<28} {'command':<18} {'median':>8} {'least':>8} {'/ ninja':>8}")
    for points in arguments.sweep:
        sweep(points, ours, arguments.repeats, arguments.precedence, arguments.work)
    for count in arguments.stages:
        with tempfile.TemporaryDirectory(dir=arguments.work) as work:
            folders = {name: pathlib.Path(work) / name for name in ("ours", "ninja", "make")}
            for folder in folders.values():
                folder.mkdir()
                (folder / "source").write_text("x")
            changed = (count - 2) // DEPTH * DEPTH - DEPTH // 2
            write_pipeline(folders["ours"] / "noop.yaml", count)
            write_ninja(folders["ninja"], count)
            write_make(folders["make"], count)
            fresh = {
                "actionfinder run": ([ours, "run", "noop.yaml", "--log", "plain"], folders["ours"]),
                "actionfinder plan": ([ours, "plan", "noop.yaml"], folders["ours"]),
                "ninja": (["ninja"], folders["ninja"]),
                "make": (["make", "-s"], folders["make"]),
            }
            dry = {
                "actionfinder plan": ([ours, "plan", "noop.yaml"], folders["ours"]),
                "actionfinder why": ([ours, "why", "noop.yaml", f"s{changed}"], folders["ours"]),
                "ninja": (["ninja", "-n"], folders["ninja"]),
                "make": (["make", "-n"], folders["make"]),
            }
            running = {
                "actionfinder run": fresh["actionfinder run"],
                "ninja": fresh["ninja"],
                "make": (["make", "-s", f"-j{os.cpu_count()}"], folders["make"]),
            }
            running = {name: row for name, row in running.items() if shutil.which(row[0][0])}
            timed(running, arguments.running, arguments.precedence, f"{count} stages, all run", clear)
            fresh, dry = ({name: row for name, row in rows.items() if shutil.which(row[0][0])} for rows in (fresh, dry))
            # The work itself, and once more: what just changed is looked at again.
            for _ in range(2):
                for command, folder in fresh.values():
                    run(command, folder)
                time.sleep(2.5)
            timed(fresh, arguments.repeats, arguments.precedence, f"{count} stages, nothing to run")
            write_pipeline(folders["ours"] / "noop.yaml", count, changed)
            for folder in (folders["ninja"], folders["make"]):
                (folder / f"s{changed - 1}").touch()
            timed(dry, arguments.repeats, arguments.precedence, f"{count} stages, one changed")


if __name__ == "__main__":
    main()
