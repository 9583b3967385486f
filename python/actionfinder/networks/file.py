"""Safetensors files: named arrays, and metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ResultsError

_TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}


@dataclass(frozen=True)
class NetworkFile:
    """What a network's file holds."""

    path: str
    arrays: dict[str, np.ndarray[Any, Any]]
    """Weights and the like, by name."""
    metadata: dict[str, str]
    """Texts, most of them JSON, by key."""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> NetworkFile:
        """Reads a file. **Fails when** it is no whole safetensors file."""
        name = os.fspath(path)
        try:
            with open(name, "rb") as file:
                content = file.read()
        except OSError as error:
            raise ResultsError(f"{name} cannot be read: {error.strerror}") from None
        try:
            length = int.from_bytes(content[:8], "little")
            header = json.loads(content[8 : 8 + length])
            data = memoryview(content)[8 + length :]
            metadata = header.pop("__metadata__", {})
            arrays = {}
            for key, entry in header.items():
                begin, end = entry["data_offsets"]
                if end > len(data):
                    raise ValueError(key)
                numbers = np.frombuffer(data[begin:end], dtype=_TYPES[entry["dtype"]])
                arrays[key] = numbers.reshape(entry["shape"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ResultsError(f"{name} is not a whole safetensors file") from None
        return cls(name, arrays, metadata)

    def array(self, key: str) -> np.ndarray[Any, Any]:
        """The array of this name."""
        if key not in self.arrays:
            raise ResultsError(f"{self.path}: the network has no array {key}")
        return self.arrays[key]

    def json(self, key: str) -> Any:
        """The metadata of this key."""
        if key not in self.metadata:
            raise ResultsError(f"{self.path}: the network says nothing of {key}")
        with self.whole(key):
            return json.loads(self.metadata[key])

    @contextmanager
    def whole(self, what: str) -> Iterator[None]:
        """Where ``what`` is read: that it is not what it should be is told."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ResultsError(f"{self.path}: the network file holds a damaged {what}") from None
