"""Stars on the sky as astropy sees them: sky.csv.

Run with astropy 8.0.2 and NumPy 2.4.6: python sky.py > sky.csv

Of each star: ICRS and Galactic directions and proper motions, distance, line-of-sight velocity, and its place and velocity in our frame.
That frame has the axes of astropy's `Galactic`, moved to the Galactic centre: the Sun of Ibata et al. (2021), x = -8.122 kpc, y = z = 0,
(U, V, W) = (11.1, 7.2 + 243, 7.25) km/s. It is astropy's `Galactocentric` but for that frame's tilt by z_sun and its roll of 2e-5 degrees.

Special stars: both celestial and both Galactic poles and places next to them, the Galactic centre, stars behind it, the anticentre, l = 0 and
360, next to the Sun, 300 kpc away. Then 200 at random.

astropy multiplies three rounded matrices, orthogonal to 2e-15 only, and so its values are good to a few 1e-15 of a distance or speed.
"""

import sys

import astropy
import astropy.coordinates as c
import astropy.units as u
import numpy as np

R0, SUN = 8.122, np.array([11.1, 250.2, 7.25])

random = np.random.default_rng(16)
special = [
    # ra, dec, distance, pm_ra_cosdec, pm_dec, radial velocity
    (0.0, 90.0, 1.0, 3.0, -4.0, 20.0),
    (123.0, -90.0, 2.5, -1.0, 2.0, -20.0),
    (10.0, 89.9999, 1.0, 3.0, -4.0, 20.0),
    (192.8594812065348, 27.12825118085622, 5.0, 2.0, 1.0, 100.0),  # next to the North Galactic Pole
    (12.8594812065348, -27.12825118085622, 5.0, 2.0, 1.0, -100.0),
    (192.86, 27.13, 0.1, 20.0, -10.0, 10.0),
    (266.4049882865447, -28.936177761791473, 8.122, -3.151, -5.547, 0.0),  # the Galactic centre
    (266.4049882865447, -28.936177761791473, 16.0, -1.5, -2.5, 150.0),  # behind it
    (266.5, -29.0, 20.0, -1.0, -2.0, -80.0),
    (86.4049882865447, 28.936177761791473, 4.0, 1.0, -1.0, 5.0),  # the anticentre
    (266.4, -28.93, 9.0, 0.0, 0.0, 0.0),
    (359.9999999, 0.0, 3.0, 0.5, 0.5, 1.0),
    (0.0, 0.0, 3.0, 0.5, 0.5, 1.0),
    (83.82, -5.39, 0.001, 1000.0, -2000.0, 300.0),
    (229.022, -0.111, 300.0, -0.01, 0.02, -58.6),
]
count = 200
stars = np.concatenate([
    np.array(special),
    np.column_stack([
        random.uniform(0, 360, count),
        np.degrees(np.arcsin(random.uniform(-1, 1, count))),
        10 ** random.uniform(-1, 2, count),
        random.normal(0, 5, count),
        random.normal(0, 5, count),
        random.normal(0, 150, count),
    ]),
])
ra, dec, distance, pmra, pmdec, v_los = stars.T
icrs = c.SkyCoord(
    ra=ra * u.deg, dec=dec * u.deg, distance=distance * u.kpc, pm_ra_cosdec=pmra * u.mas / u.yr, pm_dec=pmdec * u.mas / u.yr,
    radial_velocity=v_los * u.km / u.s, frame="icrs",
)
seen = icrs.galactic
place = seen.cartesian.xyz.to_value(u.kpc)
velocity = seen.velocity.d_xyz.to_value(u.km / u.s)
place[0] -= R0
velocity += SUN[:, None]

print("astropy", astropy.__version__, "numpy", np.__version__, "python", sys.version.split()[0], file=sys.stderr)
names = ["ra", "dec", "distance", "pmra", "pmdec", "v_los", "l", "b", "mu_l_cosb", "mu_b", "x", "y", "z", "vx", "vy", "vz"]
columns = [
    ra, dec, distance, pmra, pmdec, v_los, seen.l.deg, seen.b.deg,
    seen.pm_l_cosb.to_value(u.mas / u.yr), seen.pm_b.to_value(u.mas / u.yr), *place, *velocity,
]
print(",".join(names))
for row in zip(*columns):
    print(",".join(repr(float(value)) for value in row))
