"""Results of pipelines: their stages, tables, networks and figures.

``results/<pipeline>/state.json`` says which entry of the cache each stage last had; the entry's ``manifest.json`` lists its outputs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from .errors import ResultsError
from .networks import Network, open_network
from .tables import Table

STORE = "v1"
"""The version of the store that is read here."""


@dataclass(frozen=True)
class Stage:
    """A stage as it last ended well."""

    label: str
    """Its name; in a sweep with the values, as in ``errors[seed=2]``."""
    kind: str
    folder: Path
    """Where its outputs are."""
    manifest: Mapping[str, Any]
    """What it told: ``metrics``, ``notes``, ``findings``, ``seconds``, ``when`` and more."""

    @property
    def outputs(self) -> dict[str, Path]:
        """Files of its output ports."""
        files = (self.folder / output["file"] for output in self.manifest["outputs"])
        return {file.stem: file for file in files}

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers that it told."""
        return {metric["name"]: float(metric["value"]) for metric in self.manifest["metrics"]}

    def path(self, port: str | None = None) -> Path:
        """The file of an output port, which need not be named where there is one alone."""
        outputs = self.outputs
        if port is None:
            if len(outputs) != 1:
                raise ResultsError(f"stage {self.label} has several outputs: name one of {', '.join(outputs)}")
            return next(iter(outputs.values()))
        if port not in outputs:
            raise ResultsError(f"stage {self.label} has no output {port}; it has {', '.join(outputs) or 'none'}")
        return outputs[port]

    def table(self, port: str | None = None) -> Table:
        """A table; the first of the outputs where none is named."""
        if port is None:
            port = next((name for name, file in self.outputs.items() if file.suffix == ".parquet"), None)
        return Table(self.path(port))

    def network(self, port: str = "network") -> Network:
        """A trained network."""
        return open_network(self.path(port))


class Run(Mapping[str, Stage]):
    """The last results of a pipeline; ``run["stage"]`` is a stage by its label."""

    def __init__(self, pipeline: str, results: str | os.PathLike[str]) -> None:
        self.pipeline = pipeline
        self.results = Path(results)
        state = self.results / pipeline / "state.json"
        known = _checked(state, f"there are no results of a pipeline {pipeline} in {self.results}")
        self._last: dict[str, dict[str, str]] = known["stages"]

    def __getitem__(self, label: str) -> Stage:
        if label not in self._last:
            known = ", ".join(self._last) or "none"
            raise KeyError(f"{self.pipeline} has no stage {label} that ended well; it has {known}")
        last = self._last[label]
        folder = self.results / "cache" / STORE / last["kind"] / last["hash"]
        away = self.results / "cache" / "away" / last["kind"] / f"{last['hash']}.json"
        if away.exists() and not (folder / "manifest.json").exists():
            raise ResultsError(f"the outputs of stage {label} are in the shared cache: actionfinder cache pull fetches them")
        manifest = _checked(folder / "manifest.json", f"the outputs of stage {label} are gone: run the pipeline again")
        return Stage(label, last["kind"], folder, manifest)

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def table(self, output: str) -> Table:
        """A table as ``"stage"`` or ``"stage.port"``."""
        stage, port = self._output(output)
        return stage.table(port)

    def network(self, output: str) -> Network:
        """A trained network as ``"stage"`` or ``"stage.port"``."""
        stage, port = self._output(output)
        return stage.network(port or "network")

    def path(self, output: str) -> Path:
        """The file of an output as ``"stage"`` or ``"stage.port"``."""
        stage, port = self._output(output)
        return stage.path(port)

    def _output(self, output: str) -> tuple[Stage, str | None]:
        if output in self._last:
            return self[output], None
        label, _, port = output.rpartition(".")
        # The port may come before the label of a point: `errors.errors[seed=2]`.
        point = re.match(r"([^\[.]+)\.([^\[]+)(\[.*\])$", output)
        if point:
            label, port = point[1] + point[3], point[2]
        return self[label or output], port or None

    def __repr__(self) -> str:
        return f"Run({self.pipeline!r}: {', '.join(self._last)})"


def open_run(pipeline: str | os.PathLike[str], *, results: str | os.PathLike[str] | None = None) -> Run:
    """The last results of a pipeline: its file (``pipelines/quickstart.yaml``) or its name.

    Results are where the program keeps them: ``results``, else ``$ACTIONFINDER_RESULTS``, else the folder ``results`` of the project,
    which is the nearest folder above the file (or above here) with ``results``, ``.git`` or a file ``.actionfinder``.

    **Fails when** there are none: `ResultsError`.
    """
    file = Path(pipeline)
    is_file = file.suffix in (".yaml", ".yml")
    name = _name_of(file) if is_file else os.fspath(pipeline)
    named = results or os.environ.get("ACTIONFINDER_RESULTS")
    start = file.resolve().parent if is_file else Path.cwd()
    return Run(name, named or _in_project(start))


def _in_project(start: Path) -> Path:
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in ("results", ".git", ".actionfinder")):
            return folder / "results"
    return start / "results"


def _name_of(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{file} cannot be read: {error.strerror}") from None
    found = re.search(r"""^pipeline:\s*(?:"([^"]*)"|'([^']*)'|([^#\n]*?))\s*(?:#.*)?$""", text, re.MULTILINE)
    name = next((group for group in found.groups() if group), None) if found else None
    if name is None:
        raise ResultsError(f"{file} has no line `pipeline:` with its name")
    return name


def _checked(path: Path, missing: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ResultsError(missing) from None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from None
    # The first member is a checksum of the object without it.
    check = re.match(r'\{"check":"([0-9a-f]{64})",', text)
    body = "{" + text[check.end() :] if check else ""
    if check is None or sha256(body.encode()).hexdigest() != check[1]:
        raise ResultsError(f"{path} is damaged: run the pipeline again")
    return json.loads(body)
