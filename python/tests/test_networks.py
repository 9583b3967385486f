"""Networks: what `predict` of the program gave for the same stars, and derivatives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reference import angle_between

import actionfinder as af
from actionfinder.networks.jets import variables

RESULTS = Path(__file__).parents[1] / "examples" / "results"

MAPS = [
    ("actions", "sets.test", "predicted.predictions"),
    ("disc_actions", "disc_sets.test", "disc_predicted.predictions"),
    ("disc_resonant", "disc_sets.test", "disc_resonant_predicted.predictions"),
    ("resonant", "disc_sets.test", "resonant_predicted.predictions"),
    ("resonant", "sets.test", "resonant_outside.predictions"),
    ("paper", "sets.test", "paper_predicted.predictions"),
]
SMOOTH = [("actions", "sets.test"), ("disc_resonant", "disc_sets.test"), ("resonant", "disc_sets.test")]


@pytest.fixture(scope="module")
def run() -> af.Run:
    pytest.importorskip("pyarrow")
    return af.open_run("small", results=RESULTS)


def map_of(run: af.Run, stage: str) -> af.networks.CanonicalMap:
    network = run.network(stage)
    assert isinstance(network, af.networks.CanonicalMap)
    return network


def smooth(run: af.Run, stage: str = "actions") -> af.networks.SmoothMap:
    network = run.network(stage)
    assert isinstance(network, af.networks.SmoothMap)
    return network


@pytest.mark.parametrize(("stage", "stars", "predictions"), MAPS)
def test_predictions_are_those_of_the_program(run: af.Run, stage: str, stars: str, predictions: str) -> None:
    network, given, theirs = map_of(run, stage), run.table(stars), run.table(predictions)
    found = network.predict(given.xv, acceleration=theirs.rows("ax", "ay", "az"))
    total = np.abs(theirs.actions).sum(axis=1, keepdims=True)
    assert (np.abs(found.actions - theirs.actions) / total).max() < 1e-10
    assert np.abs(angle_between(found.angles, theirs.angles)).max() < 1e-10
    assert (np.abs(found.frequencies - theirs.frequencies) / theirs["Omega_r"][:, None]).max() < 1e-10
    assert (found.converged == theirs["converged"]).all() and (found.inside == theirs["inside"]).all()
    # The network does something.
    toy, _ = network._toy(given.xv)
    assert (np.abs(toy - theirs.actions) / total).max() > 1e-3


def test_a_potential_gives_the_accelerations(run: af.Run) -> None:
    network, given, theirs = smooth(run), run.table("sets.test"), run.table("predicted.predictions")
    potential = af.Potential(isochrone=dict(mass=3.334e11, scale=5.0))
    found = network.predict(given.xv.reshape(12, 4, 6), acceleration=potential)
    away = np.abs(found.frequencies.reshape(-1, 3) - theirs.frequencies) / theirs["Omega_r"][:, None]
    assert away.max() < 1e-10 and found.actions.shape == (12, 4, 3) and found.converged.shape == (12, 4)
    assert np.isnan(network.predict(given.xv).frequencies).all()
    assert network.metadata["network"] == "smooth" and network.inputs == "cartesian" and network.sun == af.Sun()
    with pytest.raises(ValueError, match="stars share no actions in this network: leave stream out"):
        map_of(run, "paper").predict(given.xv, stream=given["stream"])


@pytest.mark.parametrize(
    ("stage", "stars", "predictions"),
    [("actions", "sets.test", "together.predictions"), ("resonant", "disc_sets.test", "resonant_together.predictions")],
)
def test_streams_share_their_actions(run: af.Run, stage: str, stars: str, predictions: str) -> None:
    network, given, theirs = smooth(run, stage), run.table(stars), run.table(predictions)
    found = network.predict(given.xv, stream=given["stream"])
    total = np.abs(theirs.actions).sum(axis=1, keepdims=True)
    assert (np.abs(found.actions - theirs.actions) / total).max() < 1e-10
    assert np.abs(angle_between(found.angles, theirs.angles)).max() < 1e-10
    assert (found.converged == theirs["converged"]).all()
    # In another order they are the same.
    mixed = np.random.default_rng(1).permutation(len(given))
    again = network.predict(given.xv[mixed], stream=given["stream"][mixed])
    assert np.allclose(again.actions, found.actions[mixed], rtol=1e-11)


@pytest.mark.parametrize(("stage", "stars"), [entry[:2] for entry in MAPS])
def test_derivatives_are_those_of_the_map(run: af.Run, stage: str, stars: str) -> None:
    network, given = map_of(run, stage), run.table(stars)
    xv = given.xv[network.predict(given.xv).converged][:20]
    found = network.derivatives(xv)
    steps = 1e-6 * np.diag([10.0] * 3 + [200.0] * 3)
    ahead, behind = network.predict(xv[:, None] + steps), network.predict(xv[:, None] - steps)
    size = 2 * steps.sum(axis=1)[:, None]
    of_actions = np.swapaxes((ahead.actions - behind.actions) / size, 1, 2)
    of_angles = np.swapaxes(angle_between(ahead.angles, behind.angles) / size, 1, 2)
    # By components of the same size, each relative to the largest of its row.
    unit = np.array([10.0] * 3 + [200.0] * 3)
    for ours, theirs in ((found.of_actions * unit, of_actions * unit), (found.of_angles * unit, of_angles * unit)):
        largest = np.abs(theirs).max(axis=2, keepdims=True)
        assert (np.abs(ours - theirs) / largest).max() < 1e-5


@pytest.mark.parametrize(("stage", "stars"), SMOOTH)
def test_the_map_is_canonical(run: af.Run, stage: str, stars: str) -> None:
    network, given = smooth(run, stage), run.table(stars)
    slopes = network.derivatives(given.xv)
    matrix = np.concatenate([slopes.of_angles, slopes.of_actions], axis=1)
    form = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    away = matrix @ form @ np.swapaxes(matrix, 1, 2) - form
    # Products of a derivative of θ' and one of J' are of order one; those of two of J' are actions.
    assert np.abs(away[:, :3, 3:]).max() < 1e-9


@pytest.mark.parametrize(
    ("stage", "J"),
    # Of the last a variable of the polynomial w is beyond its reach.
    [
        ("actions", (900.0, 300.0, 500.0)),
        ("disc_resonant", (-1900.0, 8.0, 40.0)),
        ("resonant", (-1900.0, 8.0, 40.0)),
        ("resonant", (900.0, 300.0, 500.0)),
    ],
)
def test_generating_function_has_the_slopes_that_it_is_used_with(run: af.Run, stage: str, J: tuple[float, float, float]) -> None:
    network, theta = smooth(run, stage), np.array([0.3, 1.0, 2.0])
    of_angles, of_actions = np.repeat([[*theta]], 6, axis=0), np.repeat([[*J]], 6, axis=0)
    h = 1e-4
    steps = h * np.concatenate([np.eye(3), -np.eye(3)])
    by_angle = network.generating_function(of_angles + steps, of_actions)
    by_action = network.generating_function(of_angles, of_actions + steps) - network.generating_function(0.0 * of_angles, of_actions + steps)
    for values, ours in ((by_angle, network._slope), (by_action, network._angle_shift)):
        slope = (values[:3] - values[3:]) / (2 * h)
        assert np.allclose(ours(of_angles[:1], of_actions[:1])[0], slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_unbound_stars_are_named(run: af.Run) -> None:
    network, given = smooth(run), run.table("sets.test")
    xv, streams = given.xv[:8].copy(), given["stream"][:8]
    xv[5, 3] = 3000.0
    found = network.predict(xv)
    assert set(found.reasons) == {5} and np.isnan(found.actions[5]).all() and not found.converged[5]
    assert np.isfinite(found.actions[[0, 1, 2, 3, 4, 6, 7]]).all() and np.isnan(network.derivatives(xv).of_angles[5]).all()
    together = network.predict(xv, stream=streams)
    assert set(together.reasons) == set(np.flatnonzero(streams == streams[5]))
    with pytest.raises(af.RowError, match="row 5 has no actions: it is unbound in the network's toy"):
        network.predict(xv, errors="raise")


def test_stars_are_bound_where_their_stretched_points_are(run: af.Run) -> None:
    network = smooth(run, "resonant")
    assert network.stretch is not None
    place = network.stretch.stretched([np.array([number]) for number in (8.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
    k, toy = place[0][0] / 8.0, network.toy
    escape = k * np.sqrt(2.0 * toy.gm / (toy.scale + np.hypot(toy.scale, 8.0 * k)))
    found = network.predict([[8.0, 0.0, 0.0, 0.0, escape * (1.0 + side), 0.1] for side in (-1e-6, 1e-6)])
    assert set(found.reasons) == {1} and np.isfinite(found.actions[0]).all()


def test_series_give_the_actions_of_their_orbits(run: af.Run) -> None:
    network, given, theirs = run.network("series"), run.table("long"), run.table("series_predicted.predictions")
    assert isinstance(network, af.networks.FourierSeries) and network.streams == [0, 1]
    found = network.predict(given.xv, given["stream"])
    total = np.abs(theirs.actions).sum(axis=1, keepdims=True)
    assert (np.abs(found.actions - theirs.actions) / total).max() < 1e-10
    other = network.predict(given.xv[:2], [0, 7])
    assert other.reasons == {1: "the network has no orbit for stream 7"} and np.isnan(other.actions[1]).all()


def test_files_that_are_no_networks(run: af.Run, tmp_path: Path) -> None:
    whole = run.path("actions.network").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-100])
    (tmp_path / "text.safetensors").write_text("no network")
    for name in ("cut", "text"):
        with pytest.raises(af.ResultsError, match="is not a whole safetensors file"):
            af.open_network(tmp_path / f"{name}.safetensors")
    with pytest.raises(af.ResultsError, match="cannot be read"):
        af.open_network(tmp_path / "none.safetensors")
    (tmp_path / "other.safetensors").write_bytes(whole.replace(b'"smooth"', b'"wooden"'))
    with pytest.raises(af.ResultsError, match="this file holds actions wooden"):
        af.open_network(tmp_path / "other.safetensors")


def edited(run: af.Run, folder: Path, key: str, text: str) -> Path:
    """The network `actions` where its file says something else."""
    whole = run.path("actions.network").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"][key] = text
    changed = json.dumps(header).encode()
    (folder / "map.safetensors").write_bytes(len(changed).to_bytes(8, "little") + changed + whole[8 + length :])
    return folder / "map.safetensors"


RESONANCE = dict(order=[0, -2, 2], softening=0.01, scales=[[7.0, 1.0], [0.1, 0.1], [0.1, 0.1]], coefficients=[0.0] * 84, unit=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        dict(unit=0.0),
        dict(coefficients=[0.0] * 83),
        dict(softening=float("nan")),
        dict(scales=[[7.0, 1.0], [0.1, 0.0], [0.1, 0.1]]),
        dict(order=[2, -2]),
    ],
)
def test_damaged_resonances_are_told(run: af.Run, tmp_path: Path, wrong: dict[str, object] | None) -> None:
    features = json.loads(smooth(run).metadata["features"])
    one = {} if wrong is None else {**RESONANCE, **wrong}
    with pytest.raises(af.ResultsError, match="map.safetensors: the network file holds a damaged resonance"):
        af.open_network(edited(run, tmp_path, "features", json.dumps({**features, "resonances": [one]})))
    whole = af.open_network(edited(run, tmp_path, "features", json.dumps({**features, "resonances": [RESONANCE]})))
    assert isinstance(whole, af.networks.SmoothMap) and whole.features.resonances[0].order == [0, -2, 2]


@pytest.mark.parametrize("wrong", [None, dict(step=0.0), dict(pieces=[]), dict(pieces=[[0.0] * 3]), dict(start=float("nan"))])
def test_damaged_stretches_are_told(run: af.Run, tmp_path: Path, wrong: dict[str, object] | None) -> None:
    one = {} if wrong is None else {**dict(start=1.0, step=0.1, pieces=[[0.0] * 4]), **wrong}
    with pytest.raises(af.ResultsError, match="map.safetensors: the network file holds a damaged stretch of radii"):
        af.open_network(edited(run, tmp_path, "toy.stretch", json.dumps(one)))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"unknown": 1}'])
def test_damaged_features_are_told(run: af.Run, tmp_path: Path, text: str) -> None:
    with pytest.raises(af.ResultsError, match="map.safetensors: the network file holds a damaged"):
        af.open_network(edited(run, tmp_path, "features", text))


def test_nothing_is_stretched_where_the_spline_vanishes(run: af.Run, tmp_path: Path) -> None:
    given = run.table("sets.test")
    none = dict(start=1.0, step=0.1, pieces=[[0.0] * 4] * 2)
    same = af.open_network(edited(run, tmp_path, "toy.stretch", json.dumps(none)))
    assert isinstance(same, af.networks.SmoothMap) and same.stretch is not None
    accelerations = run.table("predicted.predictions").rows("ax", "ay", "az")
    ours, theirs = (one.predict(given.xv, acceleration=accelerations) for one in (same, smooth(run)))
    assert np.allclose(ours.actions, theirs.actions, rtol=1e-11) and np.allclose(ours.frequencies, theirs.frequencies, rtol=1e-11)


def test_stretched_stars_are_canonical_at_any_radius(run: af.Run) -> None:
    stretch = smooth(run, "resonant").stretch
    assert stretch is not None
    # Within the knots, which reach from 5 to 13 kpc, and beyond both ends.
    xv = np.outer([0.01, 1.0, 6.0, 8.0, 12.0, 30.0, 300.0], [0.6, -0.7, 0.2, 0.0, 0.0, 0.0]) + [0.0, 0.0, 0.0, 150.0, 120.0, -30.0]
    slopes = np.stack([column.first for column in stretch.stretched([*variables(xv, second=False)])]).transpose(2, 0, 1)
    form = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    assert np.abs(slopes @ form @ np.swapaxes(slopes, 1, 2) - form)[:, :3].max() < 1e-10
    own = np.stack(stretch.stretched([*xv.T]), axis=-1)
    assert np.allclose(np.cross(own[:, :3], own[:, 3:]), np.cross(xv[:, :3], xv[:, 3:]), rtol=1e-12)
    assert (np.abs(own / xv - 1.0).max(axis=1) > 1e-3).all()
    h = 1e-6 * np.diag([1.0] * 3 + [100.0] * 3)
    ends = [np.stack(stretch.stretched([*np.moveaxis(xv[1:, None] + step, -1, 0)]), axis=-1) for step in (h, -h)]
    differences = np.swapaxes((ends[0] - ends[1]) / (2 * h.sum(axis=1)[:, None]), 1, 2)
    assert np.allclose(slopes[1:], differences, rtol=1e-6, atol=1e-6)
    centre = np.stack(stretch.stretched([*np.array([[0.0, 0.0, 0.0, 10.0, 20.0, 30.0]]).T]), axis=-1)
    assert np.isfinite(centre).all() and (centre[:, :3] == 0.0).all()
