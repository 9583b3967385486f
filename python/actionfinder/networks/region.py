"""The region of toy actions that a network was trained in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..units import Array
from .file import NetworkFile


@dataclass(frozen=True)
class Region:
    """Stars are inside up to a distance from the third nearest training stream.

    They are at u = (¼ ln J, J_φ / 10 J, (J_z / J)^⅕, (J_r / J)^⅕) with J = |J_φ| + J_z + J_r, all of the toy.
    """

    streams: Array
    limit: float

    @classmethod
    def read(cls, file: NetworkFile) -> Region | None:
        """That of a network's file, if it has one."""
        if "region" not in file.arrays:
            return None
        return cls(np.asarray(file.array("region"), dtype=np.float64), float(file.json("region_limit")))

    def novelty(self, actions: Array) -> Array:
        """How far stars of toy actions (n, 3) are from the third nearest training stream."""
        phi, z, r = actions[:, 0], np.maximum(actions[:, 1], 0.0), np.maximum(actions[:, 2], 0.0)
        total = np.maximum(np.abs(phi) + z + r, 1e-30)
        places = np.stack([0.25 * np.log(total), 0.1 * phi / total, (z / total) ** 0.2, (r / total) ** 0.2], axis=-1)
        if len(self.streams) < 3:
            return np.full(len(places), np.inf)
        pieces = [
            np.partition(np.sqrt(((piece[:, None] - self.streams) ** 2).sum(axis=-1)), 2, axis=-1)[:, 2]
            for piece in np.array_split(places, len(places) // 1024 + 1)
        ]
        return np.concatenate(pieces)

    def holds(self, actions: Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether stars of toy actions (n, 3) are inside."""
        return np.asarray(self.novelty(actions) <= self.limit)
