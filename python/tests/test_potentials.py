"""Potentials: values, names, units, mistakes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reference import columns, reference

import actionfinder as af

G = 4.300917270e-6


@pytest.mark.parametrize("name", ["piffl_14", "dehnen_binney_98_1"])
def test_fields_are_those_of_the_reference(name: str) -> None:
    # The same bounds as those of the Rust test: another expansion, whose Φ has another zero point.
    table = reference(f"potential_{name}")
    galaxy = af.Potential.named(name)
    x, a = columns(table, "x", "y", "z"), columns(table, "ax", "ay", "az")
    away = np.linalg.norm(galaxy.acceleration(x) - a, axis=1) / np.linalg.norm(a, axis=1)
    assert away.max() < 6e-4 and np.median(away) < 1.5e-4
    offset = galaxy.potential(x) - table["phi"]
    assert np.abs(offset - np.median(offset)).max() < 20.0


def test_circular_speeds_are_those_of_the_integrals() -> None:
    assert af.Potential("dehnen_binney_98_1").circular_velocity(8.0) == pytest.approx(222.070383, abs=2e-4)
    assert af.Potential("piffl_14").circular_velocity(8.122) == pytest.approx(240.237185, abs=2e-4)


def test_shapes_are_those_that_were_given(isochrone: af.Potential) -> None:
    x = np.arange(1.0, 25.0).reshape(2, 4, 3)
    assert isochrone.potential(x).shape == (2, 4)
    assert isochrone.acceleration(x).shape == (2, 4, 3)
    assert isochrone.hessian(x).shape == (2, 4, 3, 3)
    assert isochrone.density([8.0, 0.0, 0.0]).shape == ()
    assert isochrone.potential(np.zeros((0, 3))).shape == (0,)
    assert isochrone.epicycle_frequencies([1.0, 2.0]).shape == (2, 3)
    # Not contiguous, not in C's order, of another type.
    assert (isochrone.potential(x[:, ::2]) == isochrone.potential(x)[:, ::2]).all()
    assert (isochrone.potential(np.asfortranarray(x[0])) == isochrone.potential(x[0])).all()
    assert isochrone.potential(np.array([8, 0, 0])) == isochrone.potential([8.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"3 numbers in its last dimension; its shape is \(2,\)"):
        isochrone.potential([1.0, 2.0])


def test_derivatives_are_those_of_the_potential(galaxy: af.Potential) -> None:
    x, h = np.array([[6.0, 3.0, 1.0], [1.0, -2.0, -4.0]]), 1e-3
    steps = h * np.eye(3)
    slope = (galaxy.potential(x[:, None] + steps) - galaxy.potential(x[:, None] - steps)) / (2 * h)
    assert np.allclose(galaxy.acceleration(x), -slope, rtol=1e-6)
    curvature = -(galaxy.acceleration(x[:, None] + steps) - galaxy.acceleration(x[:, None] - steps)) / (2 * h)
    assert np.allclose(galaxy.hessian(x), curvature, rtol=1e-4, atol=1e-2)
    plummer = af.Potential(plummer=dict(mass=1e11, scale=2.0))
    r2 = (x**2).sum(axis=1)
    assert np.allclose(plummer.density(x), 3e11 / (4 * np.pi * 8.0) * (1 + r2 / 4.0) ** -2.5, rtol=1e-12)
    assert np.allclose(plummer.potential(x), -G * 1e11 / np.sqrt(r2 + 4.0), rtol=1e-14)


def test_circular_orbits(isochrone: af.Potential) -> None:
    radii = np.array([1.0, 8.0, 30.0])
    speed = isochrone.circular_velocity(radii)
    assert np.allclose(isochrone.guiding_radius(-radii * speed), radii, rtol=1e-12)
    omega, nu, _ = isochrone.epicycle_frequencies(radii).T
    assert np.allclose(omega, speed / radii) and np.allclose(omega, nu)


def test_sums_names_and_copies(isochrone: af.Potential) -> None:
    parts = dict(miyamoto_nagai=dict(mass=6.8e10, radius=3.0, height=0.28), nfw=dict(mass=1e12, scale=20.0))
    both = af.Potential(**parts)
    added = af.Potential(miyamoto_nagai=parts["miyamoto_nagai"]) + af.Potential(nfw=parts["nfw"])
    assert both == added and both != isochrone and len({both, added}) == 1
    x = [8.0, 1.0, 0.5]
    each = [af.Potential({name: with_}) for name, with_ in parts.items()]
    assert both.potential(x) == pytest.approx(sum(one.potential(x) for one in each), rel=1e-14)
    assert (pickle.loads(pickle.dumps(both)).acceleration(x) == both.acceleration(x)).all()
    assert eval(repr(both), {"Potential": af.Potential}) == both
    assert both.symmetry == "axisymmetric" and isochrone.symmetry == "spherical"
    halo = af.Potential(logarithmic=dict(velocity=220.0, core=1.0, axes=[1.0, 0.9, 0.8]))
    assert halo.symmetry == "triaxial" and halo.at_infinity == np.inf
    assert set(af.Potential.names()) >= {"kepler", "isochrone", "piffl_14", "galaxy", "composite"}


def test_yaml_is_that_of_pipelines(tmp_path) -> None:
    pytest.importorskip("yaml")
    text = "composite:\n- plummer: {mass: 1.0e+10, scale: 500 pc}\n- piffl_14\n"
    of_text = af.Potential.from_yaml(text)
    assert of_text.definition["composite"][0] == {"plummer": {"mass": 1e10, "scale": 0.5}}
    (tmp_path / "p.yaml").write_text("potential:\n  " + text.replace("\n", "\n  "))
    assert af.Potential.from_yaml(tmp_path / "p.yaml") == of_text


def test_astropy_quantities_are_converted() -> None:
    u = pytest.importorskip("astropy.units")
    plain = af.Potential(plummer=dict(mass=1e10, scale=0.5))
    assert af.Potential(plummer=dict(mass=1e10 * u.M_sun, scale=500 * u.pc)) == plain
    assert plain.potential([8000.0, 0.0, 0.0] * u.pc) == pytest.approx(float(plain.potential([8.0, 0.0, 0.0])), rel=1e-14)
    assert plain.circular_velocity(8e3 * u.pc) == pytest.approx(float(plain.circular_velocity(8.0)), rel=1e-14)
    with pytest.raises(af.DefinitionError, match="plummer.scale is measured in kpc, not in s"):
        af.Potential(plummer=dict(mass=1e10, scale=1 * u.s))
    with pytest.raises(u.UnitConversionError):
        plain.potential([1.0, 2.0, 3.0] * u.s)


def test_every_name_without_parameters_is_a_potential() -> None:
    named = 0
    for name in af.Potential.names():
        try:
            galaxy = af.Potential.named(name)
        except af.DefinitionError as error:
            assert "needs its parameters" in str(error), (name, error)
            continue
        named += 1
        # Models of the Milky Way, from 200 to 250 km/s at the Sun.
        assert 200.0 < galaxy.circular_velocity(8.1) < 250.0, name
    assert named >= 8


def test_what_is_turned_and_what_stands_in_a_file(tmp_path) -> None:
    halo = dict(logarithmic=dict(velocity=220.0, core=1.0, axes=[1.0, 0.8, 0.9]))
    turned = af.Potential(turned=dict(angle=90.0, potential=halo))
    assert turned.potential([0.0, 3.0, 1.0]) == pytest.approx(float(af.Potential(halo).potential([3.0, 0.0, 1.0])), rel=1e-12)
    with pytest.raises(af.DefinitionError, match="turned.potential.logarithmic needs the parameter core"):
        af.Potential(turned=dict(angle=0.0, potential=dict(logarithmic=dict(velocity=220.0))))
    with pytest.raises(af.DefinitionError, match="galaxy.discs.0.profile cannot be 'isotherm'; did you mean 'isothermal'"):
        af.Potential(galaxy=dict(discs=[dict(surface_density=1e9, scale_length=3, scale_height=0.3, profile="isotherm")]))
    file = tmp_path / "plummer.ini"
    file.write_text("[Potential]\ntype=Plummer\nmass=1e10\nscaleRadius=0.5\n")
    assert af.Potential(agama=file).potential([3.0, 4.0, 0.0]) == pytest.approx(-G * 1e10 / np.sqrt(25.25), rel=1e-4)
    with pytest.raises(af.DefinitionError, match="none.ini"):
        af.Potential(agama=tmp_path / "none.ini")


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        (None, "which potential?"),
        ("plumer", "no potential is called 'plumer'; did you mean 'plummer'?"),
        ("wood", "no potential is called 'wood'; Potential.names() lists them"),
        ("plummer", "the potential plummer needs its parameters"),
        ({"plummer": {"mass": 1e10}}, "plummer needs the parameter scale"),
        ({"plummer": {"mass": 1e10, "scal": 1}}, "plummer has no parameter 'scal'; did you mean 'scale'?"),
        ({"plummer": {"mass": -1, "scale": 1}}, "plummer.mass must be positive, not -1 M_sun"),
        ({"plummer": {"mass": float("nan"), "scale": 1}}, "plummer.mass must be positive, not nan M_sun"),
        ({"plummer": {"mass": "much", "scale": 1}}, "plummer.mass: 'much' is not a number with a unit"),
        ({"plummer": [1e10, 1]}, "plummer needs parameters by name"),
        ({"piffl_14": {"mass": 1}}, "the potential piffl_14 has no parameters"),
        ({"composite": []}, "composite: needs at least one potential"),
        ({"composite": {"nfw": 1}}, "composite must be a list"),
        ({"composite": ["piffl_14", {"nfw": {"mass": 1}}]}, "composite.1.nfw needs the parameter scale"),
        ({"logarithmic": {"velocity": 220, "core": 1, "axes": [1, 0, 1]}}, "logarithmic.axes: must be positive"),
        (7, "a potential must be a name, or one name with its parameters"),
    ],
)
def test_mistakes_are_told_with_their_place(definition, says: str) -> None:
    with pytest.raises(af.DefinitionError) as error:
        af.Potential(definition)
    assert says in str(error.value), error.value
    assert len(str(error.value).split()) <= 25
