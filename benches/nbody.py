"""One force evaluation of a Plummer sphere beside falcON, on one thread, with the errors of both.

    cargo build -p dynamics --example nbody_bench
    python3 benches/nbody.py target/debug/examples/nbody_bench [--particles N] [--openings 0.48,5:0.6] [--threads N] [--rounds N]

An opening may have an order before it, `5:0.6`; third order is the usual one.

Needs numpy and pyfalcon (github GalacticDynamics-Oxford/pyfalcon). Softening 0.05 scale lengths; the errors are relative, rms
over 1000 particles, against direct summation in double precision. Both are timed in turn, several times each, and the least
processor time of one evaluation is kept; falcON computes in single precision at its default opening of 0.6.
"""

import argparse
import os
import resource
import subprocess
import tempfile

import numpy
import pyfalcon

SOFTENING = 0.05


def plummer(random, n):
    r = (random.random(n) ** (-2 / 3) - 1) ** -0.5
    cos = random.uniform(-1, 1, n)
    phi = random.uniform(0, 2 * numpy.pi, n)
    sin = numpy.sqrt(1 - cos * cos)
    return numpy.c_[r * sin * numpy.cos(phi), r * sin * numpy.sin(phi), r * cos]


def direct(x, rows):
    forces = []
    for row in rows:
        d = x - x[row]
        u = 1 / numpy.sqrt((d * d).sum(1) + SOFTENING**2)
        forces.append((d * (u * u * u)[:, None]).sum(0) / len(x))
    return numpy.array(forces)


def report(name, seconds, found, exact):
    error = numpy.linalg.norm(found - exact, axis=1) / numpy.linalg.norm(exact, axis=1)
    rms = numpy.sqrt((error**2).mean())
    print(f"{name:24} {seconds:7.2f} s   rms {rms:.2e}   median {numpy.median(error):.2e}   99% {numpy.percentile(error, 99):.2e}")


def processor_time(call):
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = call()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--openings", default="0.48,0.515")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    random = numpy.random.default_rng(1)
    x = plummer(random, arguments.particles)
    rows = random.choice(len(x), 1000, replace=False)
    exact = direct(x, rows)
    openings = arguments.openings.split(",")
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
    with tempfile.TemporaryDirectory() as folder:
        positions, field = os.path.join(folder, "positions"), os.path.join(folder, "field")
        x.tofile(positions)
        best, ours, theirs = {}, {}, None
        for _ in range(arguments.rounds):
            mass = numpy.full(len(x), 1 / len(x))
            seconds, (theirs, _) = processor_time(lambda: pyfalcon.gravity(x, mass, SOFTENING, theta=0.6, kernel=0))
            best["falcON"] = min(best.get("falcON", seconds), seconds)
            for opening in openings:
                command = [arguments.program, positions, field, str(SOFTENING), "2", opening]
                lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                # The second evaluation, as every step but the first: its buffers are there.
                wall, seconds = (float(word) for word in lines.splitlines()[-1].split()[3::2])
                best[opening] = min(best.get(opening, seconds), seconds)
                best[opening, "wall"] = min(best.get((opening, "wall"), wall), wall)
                ours[opening] = numpy.fromfile(field).reshape(-1, 4)[rows, :3]
    report("falcON 0.6", best["falcON"], numpy.asarray(theirs)[rows], exact)
    for opening in openings:
        report(f"this crate {opening}", best[opening], ours[opening], exact)
        print(f"{'':24} {best[opening] / best['falcON']:7.2f} of falcON's processor time; {best[opening, 'wall']:.2f} s wall")


if __name__ == "__main__":
    main()
