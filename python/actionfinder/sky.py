"""What the Sun sees: Galactic and equatorial coordinates.

Axes are those of astropy's ``Galactocentric``: the Sun at x = −R0, x towards the centre, y in the direction of rotation, z to the
north Galactic pole. The Galaxy turns clockwise seen from the pole, so disc stars have L_z < 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from . import _native
from .errors import Errors, told
from .units import VELOCITY, Array, Numbers, numbers, stars

_DEFAULT = dict(zip(("r0", "z", "u", "v", "w", "v_lsr"), _native.default_sun(), strict=True))


@dataclass(frozen=True)
class Observables:
    """Stars as seen from the Sun."""

    distance: Array
    """Heliocentric distance, kpc."""
    l: Array  # noqa: E741
    """Galactic longitude in [0, 360), degrees."""
    b: Array
    """Galactic latitude, degrees."""
    v_los: Array
    """Line-of-sight velocity, km/s."""
    mu_l_cosb: Array
    """Proper motion μ_l cos b, mas/yr."""
    mu_b: Array
    """Proper motion μ_b, mas/yr."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why stars are not seen, by their number."""


_UNITS = {"distance": "kpc", "l": "deg", "b": "deg", "v_los": VELOCITY, "mu_l_cosb": "mas/yr", "mu_b": "mas/yr"}


@dataclass(frozen=True)
class Sun:
    """Where the Sun is and how it moves: kpc and km/s. Where nothing is said, as in section 6.1 of Ibata et al. (2021)."""

    r0: float = _DEFAULT["r0"]
    """Distance from the Galactic centre in the plane."""
    z: float = _DEFAULT["z"]
    """Height above the plane."""
    u: float = _DEFAULT["u"]
    """Peculiar velocity towards the centre."""
    v: float = _DEFAULT["v"]
    """Peculiar velocity in the direction of rotation."""
    w: float = _DEFAULT["w"]
    """Peculiar velocity to the north Galactic pole."""
    v_lsr: float = _DEFAULT["v_lsr"]
    """Velocity of the local standard of rest."""

    def _numbers(self) -> list[float]:
        return [float(numbers(getattr(self, part.name), "kpc" if part.name in ("r0", "z") else VELOCITY)) for part in fields(self)]

    def observe(self, xv: Any, *, errors: Errors = "nan") -> Observables:
        """What the Sun sees of stars ``xv``, given as for `actions`. **Fails when** a star is at the Sun."""
        rows, lead = stars(xv)
        seen, reasons = _native.observe(rows, self._numbers())
        found = told("direction", len(rows), reasons, errors)
        distance, l, b, v_los, mu_l_cosb, mu_b = (seen[:, place].reshape(lead) for place in range(6))  # noqa: E741
        return Observables(distance, l, b, v_los, mu_l_cosb, mu_b, found)

    def locate(
        self,
        distance: Numbers,
        l: Numbers,  # noqa: E741
        b: Numbers,
        v_los: Numbers,
        mu_l_cosb: Numbers,
        mu_b: Numbers,
    ) -> Array:
        """Stars (…, 6), kpc and km/s, that the Sun sees so: the inverse of `observe`.

        Distance in kpc, l and b in degrees, v_los in km/s, proper motions in mas/yr.

        >>> Sun().locate(1.0, 0.0, 0.0, 0.0, 0.0, 0.0).round(3).tolist()  # towards the centre, at rest beside the Sun
        [-7.122, 0.0, 0.0, 11.1, 250.2, 7.25]
        """
        given = dict(distance=distance, l=l, b=b, v_los=v_los, mu_l_cosb=mu_l_cosb, mu_b=mu_b)
        parts = np.broadcast_arrays(*(numbers(value, _UNITS[name]) for name, value in given.items()))
        rows = np.stack(parts, axis=-1)
        return _native.locate(rows.reshape(-1, 6), self._numbers()).reshape(*rows.shape[:-1], 6)


def icrs_to_galactic(ra: Numbers, dec: Numbers, mu_ra_cosdec: Numbers, mu_dec: Numbers) -> tuple[Array, Array, Array, Array]:
    """l, b, μ_l cos b and μ_b of stars at ``ra``, ``dec`` in ICRS: degrees and mas/yr, in and out.

    >>> [float(part.round(4)) for part in icrs_to_galactic(285.0, 10.0, -3.0, -6.0)]
    [42.8071, 2.662, -6.7079, -0.0609]
    """
    units = ("deg", "deg", "mas/yr", "mas/yr")
    parts = np.broadcast_arrays(*map(numbers, (ra, dec, mu_ra_cosdec, mu_dec), units))
    rows = np.stack(parts, axis=-1)
    found = _native.icrs_to_galactic(rows.reshape(-1, 4)).reshape(rows.shape)
    return found[..., 0], found[..., 1], found[..., 2], found[..., 3]
