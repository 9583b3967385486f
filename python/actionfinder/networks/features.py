"""What a smooth network is given: functions of the toy point of (θ, J'), and of J'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .file import NetworkFile
from .jets import Number, log, sqrt, square, stack, value
from .resonance import Resonance
from .toy import Toy, magnitude

SOFTENING = 0.05
"""Softening of the cylindrical radius, and of |z| but in thin discs, in units of the typical distance."""


@dataclass(frozen=True)
class Features:
    """Which features there are, and their scales."""

    symmetry: Literal["none", "axisymmetric", "spherical"]
    time_reversal: bool
    """Whether G is odd under time reversal."""
    length: float
    """Typical distance from the centre, kpc."""
    speed: float
    """Typical speed, km/s."""
    height: float = SOFTENING
    """Softening of |z|, in units of ``length``."""
    resonances: tuple[Resonance, ...] = ()
    """Resonances that G has terms of."""

    @classmethod
    def read(cls, file: NetworkFile) -> Features:
        """Those of a network's file."""
        said = file.json("features")
        with file.whole("description of features"):
            resonances = tuple(Resonance.read(one, file) for one in said.get("resonances", []))
            return cls(**{**said, "resonances": resonances})

    def at(self, toy: Toy, angles: list[Number], actions: list[Number]) -> tuple[Number, Number]:
        """Features, and what the network's outputs are multiplied with, in the last dimension."""
        h, u = 1.0 / self.length, 1.0 / self.speed
        position, velocity = toy.points(angles, actions)
        x, y, z = (part * h for part in position)
        vx, vy, vz = (part * u for part in velocity)
        plane = square(x) + square(y)
        r = sqrt(plane + square(z))
        radius = sqrt(plane + SOFTENING**2)
        planar = x * vx + y * vy
        q = z * vz
        p = planar + q
        radial = p / r
        j_phi, j_z, j_r = actions
        total = magnitude(j_phi) + j_z + j_r

        features = [log(r), _saturated_square(radial), log(total * (h * u)), j_r / total]
        if not self.time_reversal:
            features += [_saturated(p), _saturated(radial)]
        if self.symmetry != "spherical":
            features.append(log(square(z) + self.height**2) * 0.5)
            if self.height < SOFTENING:
                features += [sqrt(j_z / total), sqrt(j_r / total), log(square(z) + SOFTENING**2) * 0.5]
            features += [_saturated_square(vz), square(z / r), _saturated(p * q), magnitude(j_phi) / total]
            if not self.time_reversal:
                features += [_saturated(q), planar / radius]
        if self.symmetry == "none":
            features += [x / radius, y / radius, z]
            if not self.time_reversal:
                features += [vx, vy, vz, j_phi / total]
        factors = [p]
        if self.symmetry != "spherical":
            factors.append(q)
        if not self.time_reversal:
            factors.append(np.ones_like(value(total)))
        for resonance in self.resonances:
            side, sine, cosine = resonance.terms(angles, actions)
            features.append(side)
            factors += [sine] if self.time_reversal else [sine, cosine]
        return stack(features), stack(factors)


def _saturated(a: Number) -> Number:
    """a / √(a² + 1)."""
    return a / sqrt(square(a) + 1.0)


def _saturated_square(a: Number) -> Number:
    """a² / (a² + 1)."""
    return square(a) / (square(a) + 1.0)
