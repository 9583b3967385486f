"""Actions, orbits and tori, against the reference figures of the repository."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from reference import angle_between, reference, stars_of, three

import actionfinder as af


@pytest.mark.parametrize("method", ["isochrone", "spherical"])
def test_actions_of_an_isochrone_are_exact(isochrone: af.Potential, method: af.action_angles.Method) -> None:
    digits = reference("isochrone_digits")
    found = af.actions(isochrone, stars_of(reference("isochrone")), method)
    total = np.abs(three(digits, "J")).sum(axis=1, keepdims=True)
    # In 50-digit arithmetic; the laws of the two methods promise 1e-9 of the spherical one.
    limit = 1e-13 if method == "isochrone" else 1e-9
    assert (np.abs(found.actions - three(digits, "J")) / total).max() < limit
    assert np.abs(angle_between(found.angles, three(digits, "theta"))).max() < 100 * limit
    assert np.abs(found.frequencies / three(digits, "Omega") - 1).max() < 10 * limit
    assert found.reasons == {} and found.action_error is None


def test_actions_of_a_plummer_sphere_are_exact() -> None:
    digits = reference("plummer_exact")
    sphere = af.Potential(plummer=dict(mass=5e5, scale=0.02))
    J, theta, Omega = af.actions(sphere, stars_of(digits), "spherical")
    assert (np.abs(J - three(digits, "J")) / np.abs(three(digits, "J")).sum(axis=1, keepdims=True)).max() < 1e-10
    assert np.abs(angle_between(theta, three(digits, "theta"))).max() < 1e-9
    assert np.abs(Omega / three(digits, "Omega") - 1).max() < 1e-9


@pytest.mark.parametrize("model", ["piffl_14", "dehnen_binney_98_1"])
def test_the_fudge_is_that_of_the_reference(model: str) -> None:
    table = reference(f"orbits_{model}_disk")
    found = af.actions(af.Potential(model), stars_of(table))
    truth = three(table, "J")
    ours = np.abs(found.actions - truth)[:, 1:].mean(axis=0)
    theirs = np.abs(np.stack([table["fudge_J_z"], table["fudge_J_r"]], axis=1) - truth[:, 1:]).mean(axis=0)
    # AGAMA's fudge at the same points.
    assert (ours < 1.2 * theirs).all(), (ours, theirs)


def test_o2gf_has_an_error_and_keeps_it(galaxy: af.Potential) -> None:
    table = {name: values[::64] for name, values in reference("orbits_piffl_14_disk").items()}
    found = af.actions(galaxy, stars_of(table), "o2gf")
    away = np.abs(found.actions - three(table, "J"))
    assert found.action_error is not None and (found.action_error < 0.05).all()
    # The reference's potential differs by an expansion: 3e-4 of the sum of the actions.
    assert (away.max(axis=1) < 3e-4 * np.abs(three(table, "J")).sum(axis=1) + found.action_error).all()


def test_tori_and_orbits_agree(galaxy: af.Potential) -> None:
    J = np.array([1700.0, 20.0, 60.0])
    torus = af.Torus(galaxy, J, tolerance=1e-5)
    assert np.allclose(torus.actions, J) and torus.dispersion < 1e-5 and torus.modes > 10
    theta = np.array([[0.3, 1.0, 2.0], [1.0, 4.0, 0.5]])
    xv = torus.points(theta)
    assert np.allclose(galaxy.energy(xv), torus.energy, rtol=1e-4)
    # After a time the star is at θ + Ω t: 1 Gyr is 1.0227 kpc/(km/s).
    orbit = af.orbits(galaxy, xv, [-0.1, 0.2, 0.0])
    later = torus.points(theta[:, None] + torus.frequencies * np.array([[-0.1], [0.2], [0.0]]) * 1.0227121650537077)
    away = np.linalg.norm(orbit.xv[..., :3] - later[..., :3], axis=-1) / np.linalg.norm(xv[:, None, :3], axis=-1)
    assert away.max() < 2e-3 and np.allclose(orbit.xv[:, 2], xv)
    assert (orbit.energy_error < 1e-9).all()
    many = af.tori(galaxy, [J, [0.0, 0.0, 10.0], J], tolerance=1e-4)
    assert many[1] is None and set(many.reasons) == {1} and many[0] is not None and len(many) == 3
    found = af.actions(galaxy, xv, "torus").actions
    assert np.allclose(found, J, rtol=3e-3, atol=0.1)
    with pytest.raises(af.RowError, match="the star has no torus: actions must be finite"):
        af.Torus(galaxy, [0.0, 0.0, 10.0])


def test_isochrone_points_are_the_inverse(isochrone: af.Potential) -> None:
    xv = stars_of(reference("isochrone"))
    J, theta, _ = af.actions(isochrone, xv, "isochrone")
    assert np.abs(af.isochrone_points(isochrone, J, theta) / xv - 1).max() < 1e-8
    round_ = af.isochrone_points(isochrone, [100.0, 10.0, 10.0], theta[:5])
    assert round_.shape == (5, 6)
    with pytest.raises(ValueError, match="it is no isochrone"):
        af.isochrone_points(af.Potential("piffl_14"), J, theta)


def test_rows_without_an_answer_are_named(galaxy: af.Potential) -> None:
    xv = np.array([[8.0, 0, 0.1, 10, 220, 5], [8.0, 0, 0, 0, 900, 0], [8.0, np.nan, 0, 0, 200, 0]])
    found = af.actions(galaxy, xv)
    assert set(found.reasons) == {1, 2} and np.isnan(found.actions[1:]).all() and np.isfinite(found.actions[0]).all()
    assert "energy" in found.reasons[1]
    with pytest.raises(af.RowError, match=r"row 1 and 1 other have no actions: ") as error:
        af.actions(galaxy, xv, errors="raise")
    assert error.value.reasons == found.reasons
    with pytest.raises(ValueError, match='errors must be "nan" or "raise"'):
        af.actions(galaxy, xv, errors="ignore")  # type: ignore[arg-type]
    assert set(af.orbits(galaxy, xv, [0.1]).reasons) == {2}
    assert set(af.extents(galaxy, xv[:1]).reasons) == set()


def test_what_methods_need(galaxy: af.Potential, isochrone: af.Potential) -> None:
    star = [8.0, 0.0, 0.1, 10.0, 220.0, 5.0]
    with pytest.raises(ValueError, match="spherical needs a spherical potential"):
        af.actions(galaxy, star, "spherical")
    with pytest.raises(ValueError, match="isochrone needs an isochrone"):
        af.actions(galaxy, star, "isochrone")
    with pytest.raises(ValueError, match="no method is called 'fudge'; there are isochrone, "):
        af.actions(galaxy, star, "fudge")  # type: ignore[arg-type]
    triaxial = af.Potential(logarithmic=dict(velocity=220.0, core=1.0, axes=[1.0, 0.9, 0.8]))
    for method in ("staeckel_fudge", "torus", "o2gf"):
        with pytest.raises(ValueError, match=f"{method} needs an axisymmetric potential"):
            af.actions(triaxial, star, method)  # type: ignore[arg-type]
    assert af.actions(isochrone, star).actions.shape == (3,)
    assert af.actions(isochrone, np.tile(star, (2, 3, 1))).frequencies.shape == (2, 3, 3)


def test_extents_are_turning_points(isochrone: af.Potential) -> None:
    found = af.extents(isochrone, [8.0, 0.0, 0.0, 0.0, 150.0, 0.0])
    # At rest in r: 8 kpc is the apocentre of this star, and z_max is 0.
    assert found.apocentre == pytest.approx(8.0, rel=1e-4) and found.z_max == 0.0
    assert 0.0 < found.pericentre < 8.0 and 0.0 < found.eccentricity < 1.0


def test_quantities_and_coordinates_of_astropy(galaxy: af.Potential) -> None:
    u = pytest.importorskip("astropy.units")
    coordinates = pytest.importorskip("astropy.coordinates")
    xv = stars_of(reference("orbits_piffl_14_disk"))[:7]
    plain = af.actions(galaxy, xv)
    pair = af.actions(galaxy, (xv[:, :3] * 1e3 * u.pc, xv[:, 3:] * 1e3 * u.m / u.s))
    assert np.allclose(pair.actions, plain.actions, rtol=1e-9)
    sky = coordinates.SkyCoord(
        coordinates.CartesianRepresentation(
            xv[:, :3].T * u.kpc, differentials=coordinates.CartesianDifferential(xv[:, 3:].T * u.km / u.s)
        ),
        frame="galactocentric",
    )
    assert np.allclose(af.actions(galaxy, sky).actions, plain.actions, rtol=1e-12)
    assert np.allclose(af.orbits(galaxy, xv, [10, 20] * u.Myr).xv, af.orbits(galaxy, xv, [0.01, 0.02]).xv)
    with pytest.raises(ValueError, match="must be in the frame galactocentric, not icrs"):
        af.actions(galaxy, sky.icrs)
    table = plain.to_qtable()
    assert table["J_r"].unit == u.km * u.kpc / u.s and table["Omega_r"].to_value(1 / u.Gyr)[0] > 0
    assert table["theta_z"].unit == u.rad and len(table) == 7


def test_other_threads_run_meanwhile(galaxy: af.Potential) -> None:
    xv = np.tile(stars_of(reference("orbits_piffl_14_disk"))[:8], (400, 1))
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks.append(time.perf_counter())

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        began = time.perf_counter()
        af.orbits(galaxy, xv, [0.2])
        ended = time.perf_counter()
    finally:
        stop.set()
        ticker.join()
    within = [tick for tick in ticks if began < tick < ended]
    # A lock that is kept would let the other thread run at the end alone.
    assert len(within) > 5, (len(within), ended - began)


def test_the_same_twice(galaxy: af.Potential) -> None:
    xv = stars_of(reference("orbits_piffl_14_halo"))
    assert (af.actions(galaxy, xv).actions == af.actions(galaxy, xv).actions).all()
