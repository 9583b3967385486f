"""Terms of a generating function next to a resonance n·Ω = 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .file import NetworkFile
from .jets import Number, cos, log, power, sin, sqrt, square, value, where
from .toy import magnitude

_DEGREE = 6
"""Degree of the polynomial w."""

_REACH = 3.0
"""Variables of the polynomial beyond so many widths count as there."""


@dataclass(frozen=True)
class Resonance:
    """A resonance with w(J') = n·Ω/Ω_r: modes of G go as 1/(n·Ω) there, so G has terms o s w/(w² + ε²) sin n·θ, and with cos.

    s = (J_r/T)^(|n_r|/2) (J_z/T)^(|n_z|/2) is how such a mode vanishes with the actions, T = |J_φ| + J_z + J_r.
    """

    order: list[int]
    """(n_φ, n_z, n_r)."""
    softening: float
    """ε, as w."""
    scales: list[list[float]]
    """Centre and width of each variable of the polynomial: ln T, √(J_z/T), √(J_r/T)."""
    coefficients: list[float]
    """Of the polynomial w, those of the last variable together."""
    unit: float
    """What the terms are divided by."""

    @classmethod
    def read(cls, said: Any, file: NetworkFile) -> Resonance:
        """One of a network's file."""
        with file.whole("resonance"):
            found = cls(**said)
            widths = [width for _, width in found.scales]
            numbers = [*found.order, *found.coefficients, *(number for pair in found.scales for number in pair), found.softening, found.unit]
            count = (_DEGREE + 1) * (_DEGREE + 2) * (_DEGREE + 3) // 6
            is_whole = len(found.order) == len(widths) == 3 and len(found.coefficients) == count
            if not (is_whole and np.isfinite(numbers).all() and min(found.unit, *widths) > 0.0):
                raise ValueError
            return found

    def terms(self, angles: list[Number], actions: list[Number]) -> tuple[Number, Number, Number]:
        """w/√(w² + ε²), and s w/(w² + ε²) with sin n·θ and with cos n·θ."""
        j_phi, j_z, j_r = actions
        sum_ = magnitude(j_phi) + j_z + j_r
        share_z, share_r = j_z / sum_, j_r / sum_
        w = self._ratio([log(sum_), sqrt(share_z), sqrt(share_r)])
        soft = square(w) + self.softening**2
        _, n_z, n_r = (0.5 * abs(n) for n in self.order)
        amplitude = power(share_z, n_z) * power(share_r, n_r) * w / soft / self.unit
        phase = sum(angle * float(n) for angle, n in zip(angles, self.order, strict=True))
        return w / sqrt(soft), amplitude * sin(phase), amplitude * cos(phase)

    def _ratio(self, variables: list[Number]) -> Number:
        """w."""
        standard = [(one - centre) / width for one, (centre, width) in zip(variables, self.scales, strict=True)]
        return _polynomial([_clamped(one) for one in standard], _DEGREE, iter(self.coefficients))


def _clamped(a: Number) -> Number:
    held = np.clip(value(a), -_REACH, _REACH)
    return where(held == value(a), a, held)


def _polynomial(variables: list[Number], degree: int, coefficients: Iterator[float]) -> Number:
    """Σ c u₀^i u₁^j u₂^k over i + j + k ≤ degree by Horner's scheme; coefficients come in order, those of the last variable together."""
    if not variables:
        return next(coefficients)
    rows = [_polynomial(variables[1:], degree - n, coefficients) for n in range(degree + 1)]
    found = rows.pop()
    while rows:
        found = found * variables[0] + rows.pop()
    return found
