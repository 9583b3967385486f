"""Values of published models of the Milky Way by galpy, gala and AGAMA: python milky_way.py FOLDER, the folder `data` of AGAMA."""
import os, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
rng = np.random.default_rng(16)
def points():
    r = np.exp(rng.uniform(np.log(0.2), np.log(100), 24)); u = rng.uniform(-1, 1, 24); f = rng.uniform(0, 2*np.pi, 24)
    u[::4] *= 0.05  # some in the disc
    s = np.sqrt(1-u*u)
    return np.c_[r*s*np.cos(f), r*s*np.sin(f), r*u]
x = points()
rows = []
def add(model, code, phi, a):
    for p, q, b in zip(x, phi, a): rows.append((model, code, *p, q, *b))
# galpy: internal units at ro, vo
from galpy import potential as gp
def galpy(model, pot, ro, vo):
    phi, acc = [], []
    for p in x:
        R, z, f = np.hypot(p[0], p[1])/ro, p[2]/ro, np.arctan2(p[1], p[0])
        ev = lambda fn: float(fn(pot, R, z, phi=f, use_physical=False))
        aR, az = ev(gp.evaluateRforces)*vo**2/ro, ev(gp.evaluatezforces)*vo**2/ro
        phi.append(ev(gp.evaluatePotentials)*vo**2); acc.append((aR*np.cos(f), aR*np.sin(f), az))
    add(model, "galpy", phi, acc)
galpy("mw_potential_2014", gp.MWPotential2014, 8.0, 220.0)
from galpy.potential import mwpotentials as mw
for name, p, ro, vo in [("mcmillan_17", "McMillan17", 8.21, 233.1), ("irrgang_13_1", "Irrgang13I", 8.4, 242.0), ("irrgang_13_2", "Irrgang13II", 8.35, 240.4), ("irrgang_13_3", "Irrgang13III", 8.33, 239.7)]:
    galpy(name, getattr(mw, p), ro, vo)
# gala
import gala.potential as ga, astropy.units as u
def gala(model, pot):
    q = x.T*u.kpc
    add(model, "gala", pot.energy(q).to_value(u.km**2/u.s**2), pot.acceleration(q).to_value(u.km**2/u.s**2/u.kpc).T)
gala("mw_potential_2014", ga.BovyMWPotential2014())
gala("milky_way_potential_2017", ga.MilkyWayPotential(version="v1"))
gala("milky_way_potential_2022", ga.MilkyWayPotential(version="v2"))
gala("law_majewski_10", ga.LM10Potential())
# AGAMA, units kpc, km/s, M_sun
import agama
agama.setUnits(mass=1, length=1, velocity=1)
for model, f in [("mcmillan_17", "McMillan17"), ("mw_potential_2014", "MWPotential2014"), ("piffl_14","Piffl14"), ("milky_way_potential_2017", "PriceWhelan17"), ("milky_way_potential_2022", "PriceWhelan22"), ("irrgang_13_1", "Irrgang13")]:
    pot = agama.Potential(os.path.join(sys.argv[1], f + ".ini"))
    add(model, "agama", pot.potential(x), pot.force(x))
with open("milky_way.csv", "w") as out:
    out.write("model,code,x,y,z,phi,ax,ay,az\n")
    for r in rows: out.write(",".join([r[0], r[1]] + ["%.12g" % v for v in r[2:]]) + "\n")
