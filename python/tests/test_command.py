"""Programs as stages, as a request asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionfinder import Columns, stage
from actionfinder.errors import ResultsError


def column(of: str = "float", unit: str = "") -> dict[str, Any]:
    return {"type": of, "unit": unit, "frame": "", "description": "", "missing": False}


def request(folder: Path, ending: str = "csv", **more: Any) -> Path:
    """A request for speeds of three stars."""
    (folder / "inputs").mkdir()
    (folder / "outputs").mkdir()
    stars = {"name": column("text"), "vx": column(unit="km/s"), "vy": column(unit="km/s"), "count": column("integer")}
    asked = {
        "parameters": {"slowest": 10.0},
        "inputs": {"stars": {"path": f"inputs/stars.{ending}", "type": "table", "columns": stars}},
        "outputs": {
            "stars": {"path": f"outputs/stars.{ending}", "type": "table", "columns": {**stars, "speed": column(unit="km/s")}},
            "notes": {"path": "outputs/notes.json", "type": "file"},
        },
        "threads": 1,
        **more,
    }
    path = folder / "request.json"
    path.write_text(json.dumps(asked))
    if ending == "csv":
        (folder / "inputs/stars.csv").write_text("name,vx,vy,count\nGD-1,3.0,4.0,1\n,6.0,8.0,2\nPal 5,,1e-300,3\n")
    else:
        pyarrow = pytest.importorskip("pyarrow")
        import pyarrow.parquet

        table = pyarrow.table({"name": ["GD-1", None, "Pal 5"], "vx": [3.0, 6.0, None], "vy": [4.0, 8.0, 1e-300], "count": [1, 2, 3]})
        pyarrow.parquet.write_table(table, folder / "inputs/stars.parquet")
    return path


@stage
def speeds(stars: Columns, slowest: float, unit: str = "km/s") -> dict[str, Any]:
    speed = np.hypot(stars["vx"], stars["vy"])
    stage.metric("slow", float((speed < slowest).sum()), unit)
    stage.progress(2, 3, "stars")
    assert stars.units == {"vx": "km/s", "vy": "km/s"}
    return {"stars": {**stars, "speed": speed}, "notes": {"slowest": slowest}}


def test_tables_of_text_go_in_and_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONFINDER_REQUEST", str(request(tmp_path)))
    speeds.main()
    expected = "name,vx,vy,count,speed\nGD-1,3.0,4.0,1,5.0\n,6.0,8.0,2,10.0\nPal 5,,1e-300,3,\n"
    assert (tmp_path / "outputs/stars.csv").read_text().replace("\r", "") == expected
    assert json.loads((tmp_path / "outputs/notes.json").read_text()) == {"slowest": 10.0}
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [
        {"metric": {"name": "slow", "value": 1.0, "unit": "km/s"}},
        {"progress": {"done": 2, "total": 3, "unit": "stars"}},
    ]


def test_tables_of_parquet_go_in_and_out(tmp_path: Path) -> None:
    speeds.main(request(tmp_path, "parquet"))
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "outputs/stars.parquet")
    assert table.column("speed").to_pylist() == [5.0, 10.0, None]
    assert table.column("name").to_pylist() == ["GD-1", None, "Pal 5"]
    assert table.schema.field("count").type == "int64"


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    path = request(tmp_path)

    def gives(**outputs: Any) -> str:
        with pytest.raises(ResultsError) as error:
            stage(lambda stars: outputs).main(path)
        return str(error.value)

    assert "its outputs are notes, stars" in gives(stars={})
    assert "output stars lacks count, name, speed" in gives(stars={"vx": [1.0], "vy": [1.0]}, notes="")
    with pytest.raises(ResultsError, match="neither an input nor a parameter orbits; there are: stars, slowest"):
        stage(lambda orbits: {}).main(path)


def test_numbers_that_are_none_are_told_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    stage.metric("ratio", float("nan"))
    stage.note("so it is")
    stage.finding("not to be believed")
    stage.progress(0.5)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["metric"]["value"] is None
    assert lines[1:] == [{"note": "so it is"}, {"finding": "not to be believed"}, {"progress": 0.5}]
