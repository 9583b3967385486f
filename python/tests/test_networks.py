"""Networks: what `predict` of the program gave for the same stars, and derivatives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reference import angle_between

import actionfinder as af

RESULTS = Path(__file__).parents[1] / "examples" / "results"

MAPS = [
    ("actions", "sets.test", "predicted.predictions"),
    ("disc_actions", "disc_sets.test", "disc_predicted.predictions"),
    ("paper", "sets.test", "paper_predicted.predictions"),
]


@pytest.fixture(scope="module")
def run() -> af.Run:
    pytest.importorskip("pyarrow")
    return af.open_run("small", results=RESULTS)


def map_of(run: af.Run, stage: str) -> af.networks.CanonicalMap:
    network = run.network(stage)
    assert isinstance(network, af.networks.CanonicalMap)
    return network


def smooth(run: af.Run) -> af.networks.SmoothMap:
    network = run.network("actions")
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


def test_streams_share_their_actions(run: af.Run) -> None:
    network, given, theirs = smooth(run), run.table("sets.test"), run.table("together.predictions")
    found = network.predict(given.xv, stream=given["stream"])
    total = np.abs(theirs.actions).sum(axis=1, keepdims=True)
    assert (np.abs(found.actions - theirs.actions) / total).max() < 1e-10
    assert np.abs(angle_between(found.angles, theirs.angles)).max() < 1e-10
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


def test_the_map_is_canonical(run: af.Run) -> None:
    network, given = smooth(run), run.table("sets.test")
    slopes = network.derivatives(given.xv)
    matrix = np.concatenate([slopes.of_angles, slopes.of_actions], axis=1)
    form = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    away = matrix @ form @ np.swapaxes(matrix, 1, 2) - form
    # Products of a derivative of θ' and one of J' are of order one; those of two of J' are actions.
    assert np.abs(away[:, :3, 3:]).max() < 1e-9


def test_generating_function_has_the_slopes_that_it_is_used_with(run: af.Run) -> None:
    network = smooth(run)
    theta, J, h = np.array([0.3, 1.0, 2.0]), np.array([900.0, 300.0, 500.0]), 1e-4
    steps = h * np.eye(3)
    slope = (network.generating_function(theta + steps, np.tile(J, (3, 1))) - network.generating_function(theta - steps, np.tile(J, (3, 1)))) / (2 * h)
    assert np.allclose(network._slope(theta[None], J[None])[0], slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


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


@pytest.mark.parametrize(("key", "text"), [("toy.stretch", "{}"), ("features", '{"resonances":[{}]}')])
def test_what_is_not_evaluated_here_is_refused(run: af.Run, tmp_path: Path, key: str, text: str) -> None:
    whole = run.path("actions.network").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"][key] = text
    edited = json.dumps(header).encode()
    (tmp_path / "map.safetensors").write_bytes(len(edited).to_bytes(8, "little") + edited + whole[8 + length :])
    with pytest.raises(af.ResultsError, match="by `actionfinder predict` alone"):
        af.open_network(tmp_path / "map.safetensors")
