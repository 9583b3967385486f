"""What the Sun sees."""

from __future__ import annotations

import numpy as np
import pytest

import actionfinder as af


def test_there_and_back() -> None:
    random = np.random.default_rng(1)
    xv = np.hstack([random.normal(size=(100, 3)) * 10, random.normal(size=(100, 3)) * 100])
    for sun in (af.Sun(), af.Sun(r0=8.2, z=0.02, v_lsr=230.0)):
        seen = sun.observe(xv)
        back = sun.locate(seen.distance, seen.l, seen.b, seen.v_los, seen.mu_l_cosb, seen.mu_b)
        assert np.allclose(back, xv, rtol=1e-12, atol=1e-11)
    at_sun = af.Sun().observe([-8.122, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert set(at_sun.reasons) == {0} and np.isnan(at_sun.distance)


def test_it_is_what_astropy_sees() -> None:
    u = pytest.importorskip("astropy.units")
    c = pytest.importorskip("astropy.coordinates")
    random = np.random.default_rng(2)
    ra, dec = random.uniform(0, 360, 50), random.uniform(-90, 90, 50)
    pm_ra, pm_dec = random.normal(size=(2, 50)) * 5
    found = af.icrs_to_galactic(ra, dec, pm_ra, pm_dec)
    icrs = c.SkyCoord(ra=ra * u.deg, dec=dec * u.deg, pm_ra_cosdec=pm_ra * u.mas / u.yr, pm_dec=pm_dec * u.mas / u.yr)
    theirs = icrs.galactic
    assert np.allclose(found[0], theirs.l.deg, atol=1e-10, rtol=0) and np.allclose(found[1], theirs.b.deg, atol=1e-10, rtol=0)
    assert np.allclose(found[2], theirs.pm_l_cosb.value, rtol=1e-9, atol=1e-9)
    assert np.allclose(found[3], theirs.pm_b.value, rtol=1e-9, atol=1e-9)


def test_quantities_are_converted() -> None:
    u = pytest.importorskip("astropy.units")
    plain = af.Sun().locate(2.0, 30.0, 10.0, 50.0, 1.0, 2.0)
    said = af.Sun(r0=8122 * u.pc).locate(2000 * u.pc, np.radians(30.0) * u.rad, 10 * u.deg, 50 * u.km / u.s, 1.0, 2.0)
    assert np.allclose(said, plain, rtol=1e-13)
