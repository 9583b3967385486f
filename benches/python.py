"""Python calls beside AGAMA's and galpy's, in one run: python benches/python.py [STARS].

Each task is a function in each library; what is timed is what is printed as its length: lines of code that a user writes, without imports,
blank lines and comments. One potential (a disc of Miyamoto & Nagai, a Plummer bulge, an NFW halo) and the same stars for all. A library that
is not installed is left out. Install actionfinder from python/, and the others as their documentation says.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import time

import numpy as np

STARS = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
random = np.random.default_rng(1)
# Disc and halo stars: radii of 3 to 20 kpc, some of them well above the plane.
R = random.uniform(3.0, 20.0, STARS)
phi = random.uniform(0.0, 2 * np.pi, STARS)
vR, vphi, vz = random.normal(size=(3, STARS)) * 60.0
vphi += 180.0
xv = np.stack([R * np.cos(phi), R * np.sin(phi), random.normal(size=STARS) * 1.5,
               vR * np.cos(phi) - vphi * np.sin(phi), vR * np.sin(phi) + vphi * np.cos(phi), vz], axis=-1)
times = np.linspace(0.0, 1.0, 51)  # Gyr
few = 200  # stars whose orbits are followed


class Actionfinder:
    """This package."""

    needs = "actionfinder"

    def potential(self):
        return af.Potential(
            miyamoto_nagai=dict(mass=6.8e10, radius=3.0, height=0.28),
            plummer=dict(mass=5e9, scale=0.4),
            nfw=dict(mass=9e11, scale=18.0),
        )

    def circular_velocity(self, potential):
        return potential.circular_velocity(R)

    def accelerations(self, potential):
        return potential.acceleration(xv[:, :3])

    def actions(self, potential):
        J, theta, Omega = af.actions(potential, xv)
        return J, Omega

    def orbits(self, potential):
        return af.orbits(potential, xv[:few], times).xv


class Agama:
    """AGAMA, https://github.com/GalacticDynamics-Oxford/Agama."""

    needs = "agama"

    def potential(self):
        agama.setUnits(mass=1, length=1, velocity=1)
        return agama.Potential(
            dict(type="MiyamotoNagai", mass=6.8e10, scaleRadius=3.0, scaleHeight=0.28),
            dict(type="Plummer", mass=5e9, scaleRadius=0.4),
            dict(type="NFW", mass=9e11, scaleRadius=18.0),
        )

    def circular_velocity(self, potential):
        force = potential.force(np.column_stack([R, 0 * R, 0 * R]))
        return np.sqrt(-R * force[:, 0])

    def accelerations(self, potential):
        return potential.force(xv[:, :3])

    def actions(self, potential):
        finder = agama.ActionFinder(potential)
        J, theta, Omega = finder(xv, angles=True, frequencies=True)
        return J[:, [2, 1, 0]], Omega[:, [2, 1, 0]]

    def orbits(self, potential):
        unit = 977.7922216807891  # Myr in a kpc/(km/s)
        found = agama.orbit(potential=potential, ic=xv[:few], time=1e3 / unit, trajsize=len(times), accuracy=1e-10)
        return np.array([orbit[1] for orbit in found])


class Galpy:
    """galpy, https://docs.galpy.org."""

    needs = "galpy"

    def potential(self):
        unit = dict(ro=8.0, vo=220.0)
        disc = galpy.potential.MiyamotoNagaiPotential(amp=6.8e10 * u.M_sun, a=3.0 * u.kpc, b=0.28 * u.kpc, **unit)
        bulge = galpy.potential.PlummerPotential(amp=5e9 * u.M_sun, b=0.4 * u.kpc, **unit)
        halo = galpy.potential.NFWPotential(amp=9e11 * u.M_sun, a=18.0 * u.kpc, **unit)
        return disc + bulge + halo

    def circular_velocity(self, potential):
        return np.array([galpy.potential.vcirc(potential, r * u.kpc, use_physical=True) for r in R])

    def accelerations(self, potential):
        R_, phi_, z_ = np.hypot(xv[:, 0], xv[:, 1]), np.arctan2(xv[:, 1], xv[:, 0]), xv[:, 2]
        a_R = galpy.potential.evaluateRforces(potential, R_ / 8.0, z_ / 8.0, use_physical=False)
        a_z = galpy.potential.evaluatezforces(potential, R_ / 8.0, z_ / 8.0, use_physical=False)
        return np.column_stack([a_R * np.cos(phi_), a_R * np.sin(phi_), a_z]) * 220.0**2 / 8.0

    def actions(self, potential):
        R_, phi_ = np.hypot(xv[:, 0], xv[:, 1]), np.arctan2(xv[:, 1], xv[:, 0])
        v_R = xv[:, 3] * np.cos(phi_) + xv[:, 4] * np.sin(phi_)
        v_T = xv[:, 4] * np.cos(phi_) - xv[:, 3] * np.sin(phi_)
        place = (R_ / 8.0, v_R / 220.0, v_T / 220.0, xv[:, 2] / 8.0, xv[:, 5] / 220.0, phi_)
        delta = galpy.actionAngle.estimateDeltaStaeckel(potential, place[0], place[3], no_median=True)
        finder = galpy.actionAngle.actionAngleStaeckel(pot=potential, delta=0.45, c=True)
        j_R, l_z, j_z, o_R, o_phi, o_z, *_ = finder.actionsFreqsAngles(*place, delta=delta)
        return np.column_stack([l_z, j_z, j_R]) * 8.0 * 220.0, np.column_stack([o_phi, o_z, o_R]) * 220.0 / 8.0

    def orbits(self, potential):
        R_, phi_ = np.hypot(xv[:few, 0], xv[:few, 1]), np.arctan2(xv[:few, 1], xv[:few, 0])
        v_R = xv[:few, 3] * np.cos(phi_) + xv[:few, 4] * np.sin(phi_)
        v_T = xv[:few, 4] * np.cos(phi_) - xv[:few, 3] * np.sin(phi_)
        place = np.column_stack([R_ / 8.0, v_R / 220.0, v_T / 220.0, xv[:few, 2] / 8.0, xv[:few, 5] / 220.0, phi_])
        orbit = galpy.orbit.Orbit(place, ro=8.0, vo=220.0)
        orbit.integrate(times * u.Gyr, potential, method="dop853_c", progressbar=False)
        at = times * u.Gyr
        return np.stack([orbit.x(at), orbit.y(at), orbit.z(at), orbit.vx(at), orbit.vy(at), orbit.vz(at)], axis=-1)


def lines(function) -> int:
    """Lines of code of a function's body."""
    source = [line.strip() for line in inspect.getsource(function).splitlines()[1:]]
    return sum(bool(line) and not line.startswith("#") for line in source)


def timed(function, *arguments):
    """The result, and the wall-clock seconds of the first call and of the quickest of three more."""
    seconds, result = [], None
    for _ in range(4):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    return result, seconds[0], min(seconds[1:])


TASKS = {"circular_velocity": STARS, "accelerations": STARS, "actions": STARS, "orbits": few}


def away(task, ours, theirs):
    """The median difference of two answers, relative to their size."""
    if task == "actions":
        ours, theirs = ours[0], theirs[0]
        return np.median(np.abs(ours - theirs).max(axis=-1) / np.abs(ours).sum(axis=-1))
    size = np.abs(ours).max(axis=-1) if np.ndim(ours) > 1 else np.abs(ours)
    difference = np.abs(ours - theirs)
    return np.median((difference.max(axis=-1) if np.ndim(ours) > 1 else difference) / size)


if __name__ == "__main__":
    print(f"{STARS} stars, {few} orbits of 1 Gyr, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    print("| task | library | lines | first call, s | later calls, s | rows/s | median difference from ours |\n| --- | --- | --- | --- | --- | --- | --- |")
    answers = {}
    for library in (Actionfinder, Agama, Galpy):
        try:
            module = importlib.import_module(library.needs)
            if library is Galpy:
                for part in ("potential", "actionAngle", "orbit"):
                    importlib.import_module(f"galpy.{part}")
                import astropy.units as u
        except ImportError:
            print(f"| | {library.needs} | | | | | not installed |")
            continue
        globals()["af" if library is Actionfinder else library.needs] = module
        tasks = library()
        potential, first_call, seconds = timed(tasks.potential)
        print(f"| potential | {library.needs} | {lines(library.potential)} | {first_call:.4f} | {seconds:.4f} | | |")
        for task, rows in TASKS.items():
            function = getattr(tasks, task)
            answer, first_call, seconds = timed(function, potential)
            first = answers.setdefault(task, answer)
            difference = "" if first is answer else f"{away(task, first, answer):.1e}"
            print(f"| {task} | {library.needs} | {lines(function)} | {first_call:.4f} | {seconds:.4f} | {rows / seconds:.3g} | {difference} |")
