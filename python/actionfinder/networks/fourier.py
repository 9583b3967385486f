"""Fourier series of single orbits, ``network: fourier``: J' = J − ∂G/∂θ with G = Σ_n s_n sin(n·θ) + c_n cos(n·θ)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..action_angles import ActionAngles
from ..errors import Errors, told
from ..potentials import Potential
from ..units import Array, stars
from .. import _native
from .file import NetworkFile


class FourierSeries:
    """The series of the orbits that a network was made for, by the number of their stream."""

    def __init__(self, file: NetworkFile) -> None:
        self.metadata = file.metadata
        """What the file says of itself in words and JSON."""
        self.streams: list[int] = [int(stream) for stream in file.json("streams")]
        """Numbers of the streams."""
        self._orbits = {
            stream: tuple(file.array(f"{stream}.{name}") for name in ("modes", "amplitudes", "toy", "actions"))
            for stream in self.streams
        }

    def actions(self, stream: int) -> Array:
        """J' of an orbit, (3,), km/s kpc."""
        return np.array(self._orbits[stream][3], dtype=np.float64)

    def predict(self, xv: Any, stream: Any, *, errors: Errors = "nan") -> ActionAngles:
        """J' of stars ``xv``, given as for `actions`, on the orbits ``stream``; angles and frequencies are NaN.

        Stars that the orbit's toy does not bind, or whose stream has no series, are NaN and in ``reasons``.
        """
        rows, lead = stars(xv)
        numbers = np.broadcast_to(np.asarray(stream), lead).reshape(-1)
        found = np.full((len(rows), 3), np.nan)
        reasons: list[tuple[int, str]] = []
        for number in np.unique(numbers):
            mine = np.flatnonzero(numbers == number)
            if int(number) not in self._orbits:
                reasons += [(int(row), f"the network has no orbit for stream {number}") for row in mine]
                continue
            modes, amplitudes, (mass, scale), _ = self._orbits[int(number)]
            toy = Potential(isochrone={"mass": float(mass), "scale": float(scale)})
            actions, theta, _, _, lost = _native.actions(toy.native, rows[mine], "isochrone")
            reasons += [(int(mine[row]), why) for row, why in lost]
            n, cosine = modes[:, :3].astype(np.float64), modes[:, 3] == 1
            for piece in np.array_split(np.arange(len(mine)), len(mine) // 1024 + 1):
                phase = theta[piece] @ n.T
                slope = amplitudes * np.where(cosine, -np.sin(phase), np.cos(phase))
                found[mine[piece]] = actions[piece] - slope @ n
        nothing = np.full((*lead, 3), np.nan)
        return ActionAngles(found.reshape(*lead, 3), nothing, nothing.copy(), told("actions", len(rows), reasons, errors))
