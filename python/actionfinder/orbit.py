"""Orbits in static potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _native
from .errors import Errors, told
from .potentials import Potential
from .units import Array, Numbers, numbers, stars


@dataclass(frozen=True)
class Orbits:
    """Orbits of stars."""

    xv: Array
    """Points (…, times, 6), kpc and km/s."""
    times: Array
    """Gyr: (times,), or (…, times) where stars have their own."""
    energy_error: Array
    """Greatest |E(t) − E(0)| / |E(0)| of each orbit."""
    reasons: dict[int, str]
    """Why stars have no orbit, by their number."""


def orbits(
    potential: Potential, xv: Any, times: Numbers, *, tolerance: float = 1e-9, errors: Errors = "nan"
) -> Orbits:
    """Orbits of stars ``xv`` that are there at time 0, at ``times``.

    ``xv`` as for `actions`; ``times`` in Gyr, (times,) for all or (…, times) for each, of either sign and in any order. Steps of
    order 8 with dense output (Hairer et al. 1993, DOP853) conserve energy to ``tolerance``, relative.

    **Fails when** a time is not finite, a start is at a singular point, or rounding comes before the tolerance: NaN and a reason.
    """
    rows, lead = stars(xv)
    at = numbers(times, "Gyr")
    if at.ndim == 0:
        raise ValueError("times must be a list of numbers")
    if at.ndim > 1 and at.shape[:-1] != lead:
        raise ValueError(f"times have the shape {at.shape}, not that of the stars {lead} with one dimension more")
    points, energy_error, reasons = _native.orbits(potential.native, rows, at.reshape(-1, at.shape[-1]), tolerance)
    found = told("orbit", len(rows), reasons, errors)
    return Orbits(points.reshape(*lead, at.shape[-1], 6), at, energy_error.reshape(lead), found)


@dataclass(frozen=True)
class Extents:
    """How far orbits reach, kpc."""

    pericentre: Array
    apocentre: Array
    z_max: Array
    reasons: dict[int, str]

    @property
    def eccentricity(self) -> Array:
        """(r_a − r_p) / (r_a + r_p)."""
        return np.asarray((self.apocentre - self.pericentre) / (self.apocentre + self.pericentre))


def extents(potential: Potential, xv: Any, *, periods: float = 20.0, errors: Errors = "nan") -> Extents:
    """Pericentre, apocentre and greatest |z| of the orbits of stars over so many periods, to 1e-4 of the distance."""
    rows, lead = stars(xv)
    found, reasons = _native.extents(potential.native, rows, periods)
    pericentre, apocentre, z_max = (found[:, place].reshape(lead) for place in range(3))
    return Extents(pericentre, apocentre, z_max, told("orbit", len(rows), reasons, errors))
