"""A stretch of radii in front of a toy, by which circular orbits of a field are circular in the toy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..units import Array
from .file import NetworkFile
from .jets import Jet, Number, exp, log, square, value, where

_LEAST = 1e-200
"""Least square of a radius, kpc²: at the centre there is no direction."""


@dataclass(frozen=True)
class PointTransformation:
    """x̃ = k x and ṽ = (v + x (x·v)/r² (1/g − 1))/k, with k = r̃/r and g = d ln r̃/d ln r (Kaasalainen & Binney 1994).

    ln k is a cubic spline in ln r with equal steps, and straight beyond its ends.
    """

    start: float
    """ln (r / kpc) of the first knot."""
    step: float
    """Step of ln r between knots."""
    pieces: Array
    """Coefficients of 1, t, t² and t³ in each interval, t from 0 to 1: (intervals, 4)."""

    @classmethod
    def read(cls, file: NetworkFile) -> PointTransformation | None:
        """That of a network's file, if it has one."""
        if "toy.stretch" not in file.metadata:
            return None
        said = file.json("toy.stretch")
        with file.whole("stretch of radii"):
            found = cls(float(said["start"]), float(said["step"]), np.array(said["pieces"], dtype=np.float64))
            is_whole = found.pieces.ndim == 2 and found.pieces.shape[0] > 0 and found.pieces.shape[1] == 4
            if not (is_whole and np.isfinite([found.start, found.step, *found.pieces.flat]).all() and found.step > 0.0):
                raise ValueError
            return found

    def stretched(self, xv: list[Number]) -> list[Number]:
        """Where stars are for the toy, given and returned as six columns, with first derivatives."""
        x, v = xv[:3], xv[3:]
        sum_ = square(x[0]) + square(x[1]) + square(x[2])
        sum_ = where(value(sum_) < _LEAST, np.full_like(value(sum_), _LEAST), sum_)
        shift, slope = self._shift(log(sum_) * 0.5)
        k = exp(shift)
        more = (x[0] * v[0] + x[1] * v[1] + x[2] * v[2]) / sum_ * (1.0 / (slope + 1.0) - 1.0)
        return [*(place * k for place in x), *((speed + place * more) / k for place, speed in zip(x, v, strict=True))]

    def _shift(self, place: Number) -> tuple[Number, Number]:
        """ln k and its derivative by ln r, at ln r."""
        s = (value(place) - self.start) / self.step
        inside = np.clip(s, 0.0, len(self.pieces))
        # What is not a number has no piece, and stays what it is.
        number = np.nan_to_num(np.minimum(np.floor(inside), len(self.pieces) - 1)).astype(int)
        t = inside - number
        a, b, c, d = np.moveaxis(self.pieces[number], -1, 0)
        slope = b + t * (2.0 * c + t * 3.0 * d)
        shift = a + t * (b + t * (c + t * d)) + slope * (s - inside)
        slope = slope / self.step
        if not isinstance(place, Jet):
            return shift, slope
        bend = (2.0 * c + t * 6.0 * d) * (s == inside) / self.step**2
        return place.map(shift, slope, None), place.map(slope, bend, None)
