"""Dynamics beside AGAMA, one thread each, in one run: python benches/dynamics.py PATH_OF_THE_RATES_EXAMPLE."""
import os

os.environ["OMP_NUM_THREADS"] = "1"
import subprocess
import sys
import tempfile
import time

import agama
import numpy as np

agama.setUnits(mass=1, length=1, velocity=1)


def disc(sigma, scale, height, hole):
    return dict(type="Disk", surfaceDensity=sigma, scaleRadius=scale, scaleHeight=height, innerCutoffRadius=hole)


def spheroid(density, q, gamma, beta, r0, cut):
    return dict(type="Spheroid", densityNorm=density, axisRatioZ=q, gamma=gamma, beta=beta, alpha=1,
                scaleRadius=r0, outerCutoffRadius=cut, cutoffStrength=2)


piffl = agama.Potential(
    disc(5.707e8, 2.68, 0.2, 0), disc(2.51e8, 2.68, 0.7, 0), disc(9.45e7, 5.36, 0.04, 4),
    spheroid(9.49e10, 0.5, 0, 1.8, 0.075, 2.1), spheroid(1.816e7, 1, 1, 3, 14.4, 1e5))


def rate(count, repeats, f):
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return count / best


with tempfile.NamedTemporaryFile(suffix=".txt") as file:
    lines = subprocess.run([sys.argv[1], file.name], check=True, capture_output=True, text=True).stdout.splitlines()
    points = np.loadtxt(file.name)
ours = {line.split()[0]: float(line.split()[1]) for line in lines}
# Short passes, the best of many, as in the example: a loaded machine interrupts long ones.
many, few = np.ascontiguousarray(points[:, :3]), points[:100]
finder = agama.ActionFinder(piffl, interp=False)
peer = {
    "force": rate(len(many), 50, lambda: piffl.force(many)),
    "fudge_actions": rate(len(few), 100, lambda: finder(few)),
    "fudge_with_angles": rate(len(few), 100, lambda: finder(few, angles=True, frequencies=True)),
}
print("\n".join(lines))
for accuracy in (1e-8, 1e-10, 1e-12):
    some, gyr = points[:200], 1.0227121650537077
    start = time.perf_counter()
    orbits = [agama.orbit(ic=ic, potential=piffl, time=gyr, trajsize=2, accuracy=accuracy, verbose=False)[1] for ic in some]
    seconds = time.perf_counter() - start
    energy = lambda x: piffl.potential(x[:, :3]) + 0.5 * (x[:, 3:] ** 2).sum(1)
    error = np.median(abs(energy(np.array([o[-1] for o in orbits])) / energy(some) - 1))
    print(f"AGAMA orbits_1gyr_{accuracy:g} {len(some) / seconds:.4e} median_dE(end) {error:.1e}")
for name, value in peer.items():
    mine = ours.get(name, ours["fudge_with_angles"])
    print(f"{name}: ours {mine:.3e}/s, AGAMA {value:.3e}/s, ratio {mine / value:.2f}")
