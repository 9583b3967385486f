"""Actions, angles and frequencies of the points of plummer.csv in 40-digit arithmetic: python plummer_exact.py (mpmath).

M = 5e5 M_sun, a = 0.02 kpc, G = 4.300917270e-6. In u = r^2 the radial motion is (r v_r)^2 = f(u) = 2u(E - Phi) - L^2; with
u = u_1 + (u_2 - u_1) sin^2(eta/2), dt = deta/2 sqrt((u - u_1)(u_2 - u)/f), and
J_r = 1/pi int v_r^2 dt, pi = Omega_r int dt, Omega_z = 1/pi Omega_r int L/r^2 dt (Binney & Tremaine 2008, section 3.5.2).
Angles: theta_r = Omega_r t from pericentre; theta_z = Omega_z t + psi - int_0^t L/r^2 dt, psi the angle from the ascending node;
theta_phi = longitude of the node + sign(L_z) theta_z. Integrals: Gauss-Legendre on panels graded towards eta = 0, to 1e-25.
Writes plummer_exact.csv: the same columns with 17 significant digits.
"""
import csv
import pathlib

from mpmath import atan2, mp, mpf, pi, quad, sin, sqrt

mp.dps = 40
G, MASS, SCALE = mpf("4.300917270e-6"), mpf("5e5"), mpf("0.02")
K, A2 = G * MASS, SCALE * SCALE


def phi(u):
    return -K / sqrt(u + A2)


def bisect(f, low, high):
    """The root between two places where f has opposite signs, by Illinois steps."""
    a, b, fa, fb = low, high, f(low), f(high)
    assert fa * fb <= 0
    for _ in range(400):
        c = b - fb * (b - a) / (fb - fa) if fa != fb else (a + b) / 2
        fc = f(c)
        if fc == 0 or abs(b - a) < mpf(10) ** -38 * abs(c):
            return c
        if fb * fc < 0:
            a, fa = b, fb
        else:
            fa /= 2
        b, fb = c, fc
    raise ArithmeticError("no root")


def solve(x, v):
    lx, ly, lz = x[1] * v[2] - x[2] * v[1], x[2] * v[0] - x[0] * v[2], x[0] * v[1] - x[1] * v[0]
    tilt, l2 = sqrt(lx * lx + ly * ly), lx * lx + ly * ly + lz * lz
    l = sqrt(l2)
    u = sum(c * c for c in x)
    radial = sum(p * q for p, q in zip(x, v))
    energy = sum(c * c for c in v) / 2 + phi(u)
    f = lambda u: 2 * u * (energy - phi(u)) - l2
    # f' at the star separates the turning points even where f vanishes.
    if f(u) > 0:
        u1, high = bisect(f, l2 / (4 * (energy - phi(0))), u), 2 * u
        while f(high) > 0:
            high *= 2
        u2 = bisect(f, u, high)
    else:
        raise ArithmeticError("the star is at a turning point")
    width = u2 - u1

    def integrands(eta):
        s = sin(eta / 2) ** 2
        at = u1 + width * s
        g = f(at) / (width * s * width * (1 - s))
        root = sqrt(g)
        # dt, L/r^2 dt and v_r^2 dt per d eta.
        return 1 / (2 * root), l / (2 * at * root), width * s * width * (1 - s) * root / (2 * at)

    def integral(which, low, high):
        edges, edge = [low], min(pi / 4, 2 * sqrt(u1 / width))
        while edge < high:
            if edge > low:
                edges.append(edge)
            edge *= 2
        edges.append(high)
        value, error = quad(lambda eta: integrands(eta)[which], edges, method="gauss-legendre", error=True)
        assert error < mpf(10) ** -25 * max(abs(value), mpf(10) ** -6), error
        return value

    eta = 2 * atan2(sqrt(u - u1), sqrt(u2 - u))
    t, turn = integral(0, 0, eta), integral(1, 0, eta)
    half, advance, action = [p + q for p, q in zip((t, turn, integral(2, 0, eta)), (integral(k, eta, pi) for k in range(3)))]
    omega_r, omega_z = pi / half, advance / half
    outwards = -1 if radial < 0 else 1
    sense = -1 if lz < 0 else 1
    node = atan2(lx, -ly)
    psi = atan2(l * x[2], lx * x[1] - ly * x[0])
    theta_z = psi + outwards * (omega_z * t - turn)
    wrap = lambda angle: angle % (2 * pi)
    return {
        "J_r": action / pi, "J_z": tilt * tilt / (l + abs(lz)), "J_phi": lz,
        "theta_r": wrap(outwards * omega_r * t), "theta_z": wrap(theta_z), "theta_phi": wrap(node + sense * theta_z),
        "Omega_r": omega_r, "Omega_z": omega_z, "Omega_phi": sense * omega_z,
    }


def main():
    here = pathlib.Path(__file__).resolve().parent
    coordinates = ["x", "y", "z", "vx", "vy", "vz"]
    with open(here / "plummer.csv") as given, open(here / "plummer_exact.csv", "w") as out:
        names = None
        for row in csv.DictReader(given):
            point = [mpf(float(row[name])) for name in coordinates]
            found = solve(point[:3], point[3:])
            if names is None:
                names = list(found)
                print(*coordinates, *names, sep=",", file=out)
            print(*("%.17g" % float(row[name]) for name in coordinates), *("%.17g" % float(found[name]) for name in names),
                  sep=",", file=out)


if __name__ == "__main__":
    main()
