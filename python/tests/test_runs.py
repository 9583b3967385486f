"""Results of runs and their tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import actionfinder as af

pytest.importorskip("pyarrow")

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def run() -> af.Run:
    return af.open_run(EXAMPLES / "small.yaml")


def test_a_run_is_found_by_its_file_or_its_name(run: af.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.pipeline == "small" and "predicted" in run and len(run) == 24
    monkeypatch.chdir(EXAMPLES / "results")
    assert dict(af.open_run("small")) == dict(run)
    monkeypatch.setenv("ACTIONFINDER_RESULTS", str(EXAMPLES / "results"))
    monkeypatch.chdir("/")
    assert dict(af.open_run("small")) == dict(run)
    with pytest.raises(af.ResultsError, match="there are no results of a pipeline large in"):
        af.open_run("large")


def test_stages_tell_of_themselves(run: af.Run) -> None:
    stage = run["predicted"]
    assert stage.kind == "predict" and set(stage.outputs) == {"predictions", "set_aside", "streams"}
    assert stage.metrics["unconverged_stars"] == 0.0 and stage.manifest["seconds"] > 0
    assert stage.path("predictions").is_file()
    with pytest.raises(af.ResultsError, match="stage predicted has several outputs: name one of"):
        stage.path()
    with pytest.raises(af.ResultsError, match="stage predicted has no output prediction; it has"):
        run.path("predicted.prediction")
    with pytest.raises(KeyError, match="small has no stage predict that ended well; it has actions"):
        run["predict"]


def test_tables_have_units_in_every_library(run: af.Run) -> None:
    u = pytest.importorskip("astropy.units")
    table = run.table("truth.stars")
    assert table.units["J_r"] == "km s-1 kpc" and table.descriptions["J_r"] == "radial action" and table.frames["x"]
    assert table.xv.shape == (240, 6) and (table.xv[:, 0] == table["x"]).all() and len(table) == 240
    frame = table.to_pandas()
    assert list(frame.columns) == table.columns and frame.attrs["units"]["x"] == "kpc"
    assert (frame["J_r"].to_numpy() == table.actions[:, 2]).all()
    astro = table.to_qtable()
    assert astro["J_r"].unit == u.km / u.s * u.kpc and astro["Omega_r"].unit == u.km / u.s / u.kpc
    assert astro["theta_r"].unit == u.rad and astro["x"].unit == u.kpc and astro["x"].info.description
    away = run.table("predicted.predictions").to_qtable()["ax"]
    assert away.unit == u.km**2 / u.s**2 / u.kpc
    assert np.isclose(astro["x"].to_value(u.pc)[0], 1e3 * table["x"][0])
    with pytest.raises(KeyError, match="has no column J_x; it has stream"):
        table["J_x"]


def test_every_table_opens_with_its_units(run: af.Run) -> None:
    pytest.importorskip("astropy")
    seen = 0
    for stage in run.values():
        for port, file in stage.outputs.items():
            if file.suffix == ".parquet":
                table = stage.table(port)
                assert len(table.to_qtable()) == len(table) == len(table.to_pandas())
                assert set(table.units) <= set(table.columns) and repr(table)
                seen += 1
    assert seen > 40


def test_actions_of_a_table_are_those_of_the_program(run: af.Run) -> None:
    table = run.table("truth.stars")
    J, theta, Omega = af.actions(af.Potential(isochrone=dict(mass=3.334e11, scale=5.0)), table.xv, "isochrone")
    assert (J == table.actions).all() and (theta == table.angles).all() and (Omega == table.frequencies).all()


def test_damage_is_told(run: af.Run, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "results", tmp_path / "results")
    mine = af.open_run("small", results=tmp_path / "results")
    manifest = mine["actions"].folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seconds": ', '"seconds": 1'))
    with pytest.raises(af.ResultsError, match=r"manifest.json is damaged: run the pipeline again"):
        mine["actions"]
    manifest.unlink()
    with pytest.raises(af.ResultsError, match="the outputs of stage actions are gone: run the pipeline again"):
        mine["actions"]
    mine["predicted"].path("predictions").write_bytes(b"nothing")
    with pytest.raises(af.ResultsError, match="cannot be read as a Parquet table"):
        mine.table("predicted.predictions")
