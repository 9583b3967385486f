"""How long does a run take in which nothing has to run? Beside ninja and make, on the same graph, in one go.

    python3 benches/noop.py [--stages 1000 10000] [--repeats 21]

The graph: one sample of two orbits, then chains of `split` stages ten deep, each with a seed of its own. The peers get
the same graph as touch-like rules over the same number of files. Each command runs once to do the work and is then
timed; what is printed is the median wall-clock time in milliseconds and its ratio to ninja's. Nothing here is a test.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPTH = 10


def edges(count: int) -> list[tuple[str, str]]:
    """(stage, its input) for every stage but the source."""
    return [(f"s{i}", "source" if i % DEPTH == 0 else f"s{i - 1}") for i in range(count - 1)]


def write_pipeline(folder: pathlib.Path, count: int) -> None:
    lines = ["pipeline: noop", "stages:", "  source:", "    integrate_orbits:"]
    lines += ["      with: { potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }, sample: halo, streams: 1024, stars: 1,"]
    lines += ["              duration: 0.001, energy_tolerance: 1e-7, seed: 1 }"]
    for i, (stage, source) in enumerate(edges(count)):
        lines.append(f"  {stage}: {{ split: {{ from: {{ stars: {source} }}, with: {{ train: 0.5, seed: {i} }} }} }}")
    (folder / "noop.yaml").write_text("\n".join(lines) + "\n")


def write_ninja(folder: pathlib.Path, count: int) -> None:
    rules = ["rule make", "  command = cp $in $out"]
    rules += [f"build {stage}: make {source}" for stage, source in edges(count)]
    (folder / "build.ninja").write_text("\n".join(rules) + "\n")
    (folder / "source").write_text("x")


def write_make(folder: pathlib.Path, count: int) -> None:
    pairs = edges(count)
    rules = ["all: " + " ".join(stage for stage, _ in pairs)]
    rules += [f"{stage}: {source}\n\t@cp $< $@" for stage, source in pairs]
    (folder / "Makefile").write_text("\n".join(rules) + "\n")
    (folder / "source").write_text("x")


def median_ms(command: list[str], folder: pathlib.Path, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--program", default=str(ROOT / "target" / "debug" / "actionfinder"))
    arguments = parser.parse_args()
    rows = {"actionfinder run": (write_pipeline, [arguments.program, "run", "noop.yaml", "--log", "plain"])}
    rows["actionfinder plan"] = (lambda folder, count: None, [arguments.program, "plan", "noop.yaml"])
    if shutil.which("ninja"):
        rows["ninja"] = (write_ninja, ["ninja"])
    if shutil.which("make"):
        rows["make"] = (write_make, ["make", "-s"])
    print(f"{'stages':>7} {'command':<20} {'median ms':>10} {'/ ninja':>8}")
    for count in arguments.stages:
        with tempfile.TemporaryDirectory() as work:
            folder = pathlib.Path(work)
            found = {}
            for name, (write, command) in rows.items():
                write(folder, count)
                subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                found[name] = median_ms(command, folder, arguments.repeats)
            for name, value in found.items():
                ratio = f"{value / found['ninja']:8.1f}" if "ninja" in found else ""
                print(f"{count:>7} {name:<20} {value:>10.1f} {ratio}", flush=True)


if __name__ == "__main__":
    main()
