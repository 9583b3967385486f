"""The action finder beside fudges on stars with labels by O2GF, one thread each, in one run:
python benches/finder.py FOLDER_OF_THE_EXAMPLES [MODEL SAMPLE COUNT SEED R_MIN R_MAX ENERGIES LEAST_CIRCULARITY MOMENTA TILTS]

The folder is `target/release/examples` after `cargo build --release -p dynamics --example finder --example finder_labels`. Ours: `finder` (all, with
angles, errors and classes), `fast` (actions alone) and the Stäckel fudge. AGAMA (its fudge, and with `interp=True`) and galpy (actionAngleStaeckel in C
with a Δ for every star, where the model is its mw_potential_2014) judge the same stars where they are installed as their documentation says. Labels
worse than 0.15 km/s kpc are left out.
"""
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RAYON_NUM_THREADS"] = "1"
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

USUAL = ["piffl_14", "halo", "200", "101", "6", "17", "8", "0.4", "14", "16"]
SHARP = 0.15


def main():
    examples = pathlib.Path(sys.argv[1])
    given = sys.argv[2:] or USUAL
    model, settings = given[0], given[4:]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "labels.txt"
        file.write_text(subprocess.run([examples / "finder_labels", *given[:4]], check=True, capture_output=True, text=True).stdout)
        print(subprocess.run([examples / "finder", model, *settings, file], check=True, capture_output=True, text=True).stdout)
        rows = [[float(word) for word in line.split()[:16]] for line in file.read_text().splitlines()]
    rows = [row for row in rows if row[15] <= SHARP]
    for name, finder in peers(model):
        start = time.process_time()
        found = finder([row[:6] for row in rows])
        rate = len(rows) / (time.process_time() - start)
        misses = [[abs(mine[k] - row[6 + k]) for mine, row in zip(found, rows)] for k in (0, 1)]
        text = ", ".join(f"{what} {statistics.fmean(miss):.4f} | {statistics.median(miss):.4f}"
                         for what, miss in zip(("J_r", "J_z"), misses))
        print(f"{name}: {text} (mean | median of all {len(rows)} sharp labels), {rate:.3g} stars per second")


def peers(model):
    """Names, and functions of stars that give J_r and J_z, of what is installed."""
    try:
        import agama
        import tori
        potential = tori.MODELS[model]
        for interp in (False, True):
            finder = agama.ActionFinder(potential, interp=interp)
            yield f"AGAMA, interp={interp}", lambda stars, finder=finder: finder(stars)[:, :2]
    except ImportError:
        print("AGAMA is not installed")
    if model != "mw_potential_2014":
        return
    try:
        yield "galpy, actionAngleStaeckel", galpy_staeckel()
    except ImportError:
        print("galpy is not installed")


def galpy_staeckel():
    """galpy's fudge in its MWPotential2014, in units of 8 kpc and 220 km/s as there."""
    import numpy
    from galpy.actionAngle import actionAngleStaeckel, estimateDeltaStaeckel
    from galpy.potential import MWPotential2014
    radius, speed = 8.0, 220.0
    finder = actionAngleStaeckel(pot=MWPotential2014, delta=0.4, c=True)

    def actions(stars):
        x, y, z, vx, vy, vz = numpy.array(stars).T
        r = numpy.hypot(x, y)
        v_r, v_t = (x * vx + y * vy) / r, (x * vy - y * vx) / r
        r, z, v_r, v_t, v_z = r / radius, z / radius, v_r / speed, v_t / speed, vz / speed
        delta = estimateDeltaStaeckel(MWPotential2014, r, z, no_median=True)
        j_r, _, j_z = finder(r, v_r, v_t, z, v_z, delta=delta)
        return numpy.stack([j_r, j_z], axis=1) * radius * speed

    return actions


if __name__ == "__main__":
    main()
