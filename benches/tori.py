"""Torus mapping beside AGAMA, one thread each, in one run: python benches/tori.py PATH_OF_THE_TORI_EXAMPLE
[TOLERANCE [COUNT]].

Actions: the first star of every orbit of `tests/reference/orbits_*`. Medians are of the least of three times
(of one, if that is long), ours of wall clock, the peer's of processor time; means and rates are of the processor time of one
pass over all (ours: the mean of passes in two seconds, since its clock has steps of 4 ms). ΔH/H of the peer is over 400 random angles; a torus whose points are not finite counts as failed. Rates count
the time of failed tori too, and only tori that were made.
"""
import os

os.environ["OMP_NUM_THREADS"] = "1"
import csv
import pathlib
import subprocess
import sys
import time

import agama
import numpy as np

agama.setUnits(mass=1, length=1, velocity=1)
REFERENCE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "reference"


def disc(sigma, scale, height, hole):
    return dict(type="Disk", surfaceDensity=sigma, scaleRadius=scale, scaleHeight=height, innerCutoffRadius=hole)


def spheroid(density, q, gamma, beta, r0, cut):
    return dict(type="Spheroid", densityNorm=density, axisRatioZ=q, gamma=gamma, beta=beta, alpha=1,
                scaleRadius=r0, outerCutoffRadius=cut, cutoffStrength=2)


MODELS = {
    "piffl_14": agama.Potential(
        disc(5.707e8, 2.68, 0.2, 0), disc(2.51e8, 2.68, 0.7, 0), disc(9.45e7, 5.36, 0.04, 4),
        spheroid(9.49e10, 0.5, 0, 1.8, 0.075, 2.1), spheroid(1.816e7, 1, 1, 3, 14.4, 1e5)),
    "dehnen_binney_98_1": agama.Potential(
        disc(1.182e8, 2, 1.0, 0), disc(1.655e9, 2, 0.18, 0), disc(1.32e8, 4, 0.04, 4),
        spheroid(7.111e8, 0.8, -2, 2.959, 3.83, 1000), spheroid(4.271e8, 0.6, 1.8, 1.8, 1, 1.9)),
}


def actions(model, kind):
    with open(REFERENCE / f"orbits_{model}_{kind}.csv") as file:
        first = {row["stream"]: row for row in reversed(list(csv.DictReader(file)))}
    return np.array([[float(row[name]) for name in ("J_r", "J_z", "J_phi")] for row in reversed(first.values())])


def peer(potential, rows, random):
    seconds, spread, total = [], [], 0.0
    for row in rows:
        points = np.hstack([np.tile(row, (400, 1)), random.uniform(0, 2 * np.pi, (400, 3))])
        best, found = np.inf, np.nan
        for turn in range(3):
            mapper = agama.ActionMapper(potential)
            start = time.process_time()
            try:
                mapper(points[0])
            except Exception:
                pass
            spent = time.process_time() - start
            total += spent if turn == 0 else 0.0
            best = min(best, spent)
            if spent > 0.05:
                break
        try:
            xv = mapper(points)
            energy = potential.potential(xv[:, :3]) + 0.5 * (xv[:, 3:] ** 2).sum(1)
            found = np.std(energy) / abs(np.mean(energy))
        except Exception:
            pass
        seconds.append(best)
        spread.append(found)
    return np.array(seconds), np.array(spread), total


def ours(program, model, tolerance, rows):
    text = "\n".join(" ".join(repr(float(value)) for value in row) for row in rows)
    out = subprocess.run([program, model, tolerance], input=text, check=True, capture_output=True, text=True).stdout
    fields = [line.split() for line in out.splitlines()]
    total = float(fields.pop()[1])
    spread = [np.nan if field[1] == "failed" else float(field[1]) for field in fields]
    return np.array([float(field[0]) for field in fields]), np.array(spread), total


def main():
    program, tolerance = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1e-4"
    count = int(sys.argv[3]) if len(sys.argv) > 3 else None
    random = np.random.default_rng(1)
    print(f"{'sample':<24} {'who':<6} {'ms median':>9} {'mean':>8} {'made':>6} {'tori/s':>8} {'ΔH/H median':>12}")
    for model, potential in MODELS.items():
        for kind in ("disk", "halo"):
            rows = actions(model, kind)[:count]
            found = {"ours": ours(program, model, tolerance, rows), "AGAMA": peer(potential, rows, random)}
            rates = {}
            for who, (seconds, spread, total) in found.items():
                made = np.isfinite(spread)
                rates[who] = made.sum() / total
                print(f"{model + ' ' + kind:<24} {who:<6} {1e3 * np.median(seconds):>9.2f} {1e3 * total / len(rows):>8.2f} "
                      f"{made.sum():>3}/{len(rows)} {rates[who]:>8.1f} {np.nanmedian(spread):>12.1e}", flush=True)
            medians = [np.median(found[who][0]) for who in ("AGAMA", "ours")]
            print(f"{'':<24} ratio of rates {rates['ours'] / rates['AGAMA']:.1f}, of median times {medians[0] / medians[1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
