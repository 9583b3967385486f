"""Trained networks, evaluated in NumPy: what `predict` gives, to rounding, and its derivatives."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import ResultsError
from .canonical import CanonicalMap, Derivatives, Predictions
from .file import NetworkFile
from .fourier import FourierSeries
from .paper import PaperMap
from .smooth import SmoothMap

Network = SmoothMap | PaperMap | FourierSeries

_READERS: dict[tuple[str | None, str | None], Callable[[NetworkFile], Network]] = {
    ("actions", "smooth"): SmoothMap,
    ("actions", "paper"): PaperMap,
    ("actions", "fourier"): FourierSeries,
}


def open_network(path: str | os.PathLike[str]) -> Network:
    """The network of a safetensors file of `train_actions` (``network: smooth``, ``paper`` or ``fourier``).

    **Fails when** the file is no network, another kind of one, or damaged: `ResultsError`.
    """
    file = NetworkFile.read(path)
    kind = (file.metadata.get("map"), file.metadata.get("network"))
    reader = _READERS.get(kind)
    if reader is None:
        said = " ".join(word for word in kind if word) or "nothing"
        raise ResultsError(f"{os.fspath(path)}: networks smooth, paper and fourier are evaluated here; this file holds {said}")
    return reader(file)


__all__ = [
    "CanonicalMap",
    "Derivatives",
    "FourierSeries",
    "Network",
    "NetworkFile",
    "PaperMap",
    "Predictions",
    "SmoothMap",
    "open_network",
]
