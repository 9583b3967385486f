"""Programs as stages of a pipeline: what a stage of kind ``command`` runs.

    from actionfinder import stage

    @stage
    def speeds(stars, slowest):
        speed = np.hypot(stars["vx"], stars["vy"])
        stage.metric("slow", int((speed < slowest).sum()))
        return {"stars": {**stars, "speed": speed}}

    speeds.main()

Arguments are inputs and parameters of the stage by name, and what is returned are its outputs by name. Tables are mappings from names of
columns to arrays. Parquet needs pyarrow.
"""

from __future__ import annotations

import csv
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ResultsError

REQUEST = "ACTIONFINDER_REQUEST"
"""The variable that has the path of the request."""


class Columns(dict[str, Any]):
    """The columns of an input by name. Numbers that are missing are NaN; of other columns with missing values the array holds None."""

    def __init__(self, columns: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(columns)
        self.about = about
        """What the request says of each column: type, unit, frame, description."""

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns that have one."""
        return {name: said["unit"] for name, said in self.about.items() if said["unit"]}


class Program:
    """A function that is a stage; it can still be called as the function that it is."""

    def __init__(self, function: Callable[..., Mapping[str, Any]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: Any, **named: Any) -> Mapping[str, Any]:
        return self.function(*arguments, **named)

    def main(self, request: str | os.PathLike[str] | None = None) -> None:
        """Does what the request asks for: reads the inputs, calls the function, writes the outputs."""
        path = request if request is not None else os.environ.get(REQUEST)
        if path is None:
            raise ResultsError(f"{REQUEST} is not set: a stage of kind `command` sets it")
        path = Path(path)
        asked = json.loads(path.read_text(encoding="utf-8"))
        given = self.function(**_arguments(self.function, asked, path.parent))
        expected = set(asked["outputs"])
        if not isinstance(given, Mapping) or set(given) != expected:
            found = ", ".join(sorted(given)) if isinstance(given, Mapping) else type(given).__name__
            raise ResultsError(f"the function gives {found or 'nothing'}; its outputs are {', '.join(sorted(expected))}")
        for name, value in given.items():
            _write(name, value, asked["outputs"][name], path.parent)


class _Stage:
    """Makes a program of a function, and reports."""

    def __call__(self, function: Callable[..., Mapping[str, Any]]) -> Program:
        return Program(function)

    def progress(self, done: float, total: int | None = None, unit: str = "") -> None:
        """Tells how much is done: a share from 0 to 1, or so many of ``total``."""
        _say({"progress": float(done) if total is None else {"done": int(done), "total": int(total), "unit": unit}})

    def metric(self, name: str, value: float, unit: str = "") -> None:
        """Keeps a number in the report."""
        value = float(value)
        _say({"metric": {"name": name, "value": value if math.isfinite(value) else None, "unit": unit}})

    def note(self, text: str) -> None:
        """Keeps a sentence in the report."""
        _say({"note": text})

    def finding(self, text: str) -> None:
        """Says that what the stage gives is not to be believed, or only in part."""
        _say({"finding": text})


stage = _Stage()
"""``@stage`` makes a program of a function; ``stage.progress``, ``metric``, ``note`` and ``finding`` report."""


def _say(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _arguments(function: Callable[..., Any], asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    inputs, parameters = asked["inputs"], asked["parameters"]
    arguments = {}
    for name, wanted in inspect.signature(function).parameters.items():
        if wanted.kind is wanted.VAR_KEYWORD or wanted.kind is wanted.VAR_POSITIONAL:
            continue
        if name in inputs:
            arguments[name] = _read(inputs[name], folder)
        elif name in parameters:
            arguments[name] = parameters[name]
        elif wanted.default is wanted.empty:
            there = ", ".join([*inputs, *parameters]) or "none"
            raise ResultsError(f"the stage has neither an input nor a parameter {name}; there are: {there}")
    return arguments


def _read(said: Mapping[str, Any], folder: Path) -> Columns | Path:
    path = folder / str(said["path"])
    if said["type"] != "table":
        return path
    about = said["columns"]
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return Columns({name: _typed([row[name] for row in rows], of["type"]) for name, of in about.items()}, about)
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return Columns({name: table.column(name).to_numpy() for name in about}, about)


def _typed(texts: Sequence[str], of: str | None) -> Any:
    """A column of a text file as an array."""
    if of == "float":
        return np.array([float(text) if text else math.nan for text in texts], dtype=np.float64)
    reads: dict[str | None, Callable[[str], Any]] = {"integer": int, "boolean": lambda text: text == "True"}
    read = reads.get(of, str)
    values = [read(text) if text else None for text in texts]
    if of == "text" or None in values:
        return np.array(values, dtype=object)
    return np.array(values, dtype=np.int64 if of == "integer" else np.bool_)


def _write(name: str, value: Any, said: Mapping[str, Any], folder: Path) -> None:
    path = folder / said["path"]
    if said["type"] == "table":
        _write_table(name, value, said["columns"], path)
    elif said["type"] == "figure" and hasattr(value, "savefig"):
        value.savefig(path, format="svg", metadata={"Date": None})
    elif isinstance(value, bytes):
        path.write_bytes(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, indent=1) + "\n"
        path.write_text(text, encoding="utf-8")


def _write_table(name: str, value: Any, about: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    names = list(value.column_names if hasattr(value, "column_names") else value)
    if set(names) != set(about):
        missing, more = sorted(set(about) - set(names)), sorted(set(names) - set(about))
        wrong = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(more)}, not declared"] * bool(more)
        raise ResultsError(f"output {name} {' and '.join(wrong)}")
    columns = {name: np.asarray(value[name]) for name in about}
    if path.suffix == ".csv":
        texts = [[_text(cell) for cell in column.tolist()] for column in columns.values()]
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*texts, strict=True))
        return
    import pyarrow
    import pyarrow.parquet

    types = {"float": pyarrow.float64(), "integer": pyarrow.int64(), "text": pyarrow.string(), "boolean": pyarrow.bool_()}
    # What is NaN is missing.
    arrays = [pyarrow.array(column.tolist(), types[about[name]["type"]], from_pandas=True) for name, column in columns.items()]
    pyarrow.parquet.write_table(pyarrow.table(arrays, names=list(columns)), path)


def _text(cell: Any) -> str:
    if cell is None or isinstance(cell, float) and math.isnan(cell):
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)
