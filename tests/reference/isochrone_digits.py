"""Actions, angles and frequencies of the points of isochrone.csv in 50-digit arithmetic, to isochrone_digits.csv.

    python isochrone_digits.py [--integrals]        (needs mpmath; the integrals take a minute or two)

x ... vz are read as the exact doubles they are; M = 3.334e11 M_sun, b = 5 kpc, G = 4.300917270e-6 are exact decimals. The
formulas are those of Binney & Tremaine (2008), section 3.5.2. With --integrals every row is computed a second time from the
definitions alone: J_r = (1/pi) int p_r dr, and the time and the sweep of the azimuth since pericentre by quadrature.
What is printed are the largest differences, for the provenance in README.md.
"""

import csv
import pathlib
import sys

from mpmath import atan2, cos, mp, mpf, nstr, pi, polyroots, quad, sin, sqrt, tan, atan

mp.dps = 50
HERE = pathlib.Path(__file__).parent
K = mpf("4.300917270e-6") * mpf("3.334e11")
B = mpf(5)
NAMES = ["J_phi", "J_z", "J_r", "theta_phi", "theta_z", "theta_r", "Omega_phi", "Omega_z", "Omega_r"]


def turn(angle):
    """Into [0, 2 pi)."""
    return angle - 2 * pi * mp.floor(angle / (2 * pi))


def geometry(x, v):
    """r, v_r, L, L_z, azimuth of the node, angle from the node in the orbital plane, energy."""
    r = sqrt(sum(c * c for c in x))
    v_r = sum(a * b for a, b in zip(x, v)) / r
    pole = [x[1] * v[2] - x[2] * v[1], x[2] * v[0] - x[0] * v[2], x[0] * v[1] - x[1] * v[0]]
    length = sqrt(sum(c * c for c in pole))
    # The ascending node lies along z x L = (-L_y, L_x, 0).
    node = atan2(pole[0], -pole[1])
    along = [cos(node), sin(node), mpf(0)]
    across = [(pole[1] * along[2] - pole[2] * along[1]) / length, (pole[2] * along[0] - pole[0] * along[2]) / length,
              (pole[0] * along[1] - pole[1] * along[0]) / length]
    psi = atan2(sum(a * b for a, b in zip(x, across)), sum(a * b for a, b in zip(x, along)))
    energy = sum(c * c for c in v) / 2 - K / (B + sqrt(B * B + r * r))
    return r, v_r, length, pole[2], node, psi, energy


def assembled(geometry_, j_r, theta_r, lag, omega_r, omega_z):
    _, _, length, l_z, node, psi, _ = geometry_
    sense = -1 if l_z < 0 else 1
    theta_z = psi + lag
    actions = [l_z, length - abs(l_z), j_r]
    angles = [turn(node + sense * theta_z), turn(theta_z), turn(theta_r)]
    return [*actions, *angles, sense * omega_z, omega_z, omega_r]


def closed_form(point):
    r, v_r, length, l_z, node, psi, energy = point
    a = K / (-2 * energy)
    c = a - B
    e = sqrt(1 - length**2 / (K * c) * (1 + B / c))
    root = sqrt(length**2 + 4 * K * B)
    j_r = K / sqrt(-2 * energy) - (length + root) / 2
    eta = atan2(r * v_r / (c * sqrt(-2 * energy)), 1 - (sqrt(B * B + r * r) - B) / c)
    theta_r = eta - e * c / a * sin(eta)
    omega_r = sqrt(-2 * energy) ** 3 / K
    omega_z = (1 + length / root) / 2 * omega_r
    first = atan(sqrt((1 + e) / (1 - e)) * tan(eta / 2))
    second = atan(sqrt((1 + e + 2 * B / c) / (1 - e + 2 * B / c)) * tan(eta / 2))
    lag = omega_z / omega_r * theta_r - first - length / root * second
    return assembled(point, j_r, theta_r, lag, omega_r, omega_z)


def by_integrals(point):
    """The same from quadratures between the turning points, in the variable s = sqrt(b^2 + r^2)."""
    r, v_r, length, l_z, node, psi, energy = point
    # r^2 v_r^2 = 2 E r^2 + 2 k (s - b) - L^2, a quadratic in s with roots s_1 and s_2.
    s_1, s_2 = sorted((root.real for root in polyroots([2 * energy, 2 * K, -2 * energy * B * B - 2 * K * B - length**2],
                                                      maxsteps=200, extraprec=200)))
    middle, half = (s_1 + s_2) / 2, (s_2 - s_1) / 2
    # s = middle - half cos u: r v_r = sqrt(-2E) half sin u, dr = s ds / r.
    speed = sqrt(-2 * energy)

    def over(function, end):
        pieces = [end * n / 4 for n in range(5)]
        return quad(lambda u: function(middle - half * cos(u), half * sin(u)), pieces)

    radius2 = lambda s: s * s - B * B
    j_r = over(lambda s, w: speed * w * w * s / radius2(s), pi) / pi
    period = 2 * over(lambda s, w: s / speed, pi)
    sweep = 2 * over(lambda s, w: length * s / (radius2(s) * speed), pi)
    omega_r, omega_z = 2 * pi / period, sweep / period
    end = atan2(r * v_r / speed, middle - sqrt(B * B + r * r))
    time = over(lambda s, w: s / speed, end)
    swept = over(lambda s, w: length * s / (radius2(s) * speed), end)
    return assembled(point, j_r, omega_r * time, omega_z * time - swept, omega_r, omega_z)


def differences(found, truth):
    """Largest of: actions over their sum, angles in radians, frequencies relative."""
    total = abs(truth[0]) + truth[1] + truth[2]
    half_turn = lambda d: turn(d + pi) - pi
    return (max(abs(found[i] - truth[i]) for i in range(3)) / total,
            max(abs(half_turn(found[i] - truth[i])) for i in range(3, 6)),
            max(abs(found[i] / truth[i] - 1) for i in range(6, 9)))


def worst(rows):
    return [nstr(max(column), 3) for column in zip(*rows)]


def main():
    with (HERE / "isochrone.csv").open() as file:
        table = [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    points = [geometry([mpf(row[c]) for c in ("x", "y", "z")], [mpf(row[c]) for c in ("vx", "vy", "vz")]) for row in table]
    truth = [closed_form(point) for point in points]
    with (HERE / "isochrone_digits.csv").open("w") as file:
        print(*NAMES, sep=",", file=file)
        for row in truth:
            print(*(nstr(value, 25, strip_zeros=False, min_fixed=0, max_fixed=0) for value in row), sep=",", file=file)
    print(f"{len(truth)} rows; largest differences: actions / their sum, angles in rad, frequencies relative")
    errors = [differences([mpf(row[name]) for name in NAMES], exact) for row, exact in zip(table, truth)]
    print("isochrone.csv:", *worst(errors))
    beyond = [max(error[0], error[1] / 10, error[2]) > mpf("1e-9") for error in errors]
    escape = [float(1 + p[6] / (K / (B + sqrt(B * B + p[0] ** 2)))) for p in points]
    chosen = [(1 - e, err) for e, err, b in zip(escape, errors, beyond) if b]
    print(f"  beyond 1e-9 (angles 1e-8): {sum(beyond)} rows; their |E / potential|:",
          *sorted(f"{e:.2g}" for e, _ in chosen), "; the others:", *worst(err for err, b in zip(errors, beyond) if not b))
    if "--integrals" in sys.argv:
        mp.dps = 30
        print("integrals:", *worst(differences(by_integrals(p), exact) for p, exact in zip(points, truth)))


if __name__ == "__main__":
    main()
