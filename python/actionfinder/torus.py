"""Tori: from actions and angles to stars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import _native
from .errors import Errors, RowError, told
from .potentials import Potential
from .units import ACTION, Array, Numbers, vectors


class Torus:
    """The torus of actions ``J`` = (J_φ, J_z, J_r), km/s kpc, in an axisymmetric potential.

    It is the image of a toy isochrone's under the canonical map of a generating function on which H is constant to ``tolerance``,
    root mean square of ΔH/|H| (McGill & Binney 1990; Binney & McMillan 2016). An orbit that starts on it is compared with it.

    **Fails when** there is none, being resonant for one: `RowError`.
    """

    __slots__ = ("native",)

    def __init__(self, potential: Potential, J: Numbers, *, tolerance: float = 1e-4) -> None:
        rows, lead = vectors(J, ACTION, "actions")
        if lead:
            raise ValueError("a torus has three actions; tori() makes many")
        (native,), reasons = _native.tori(potential.native, rows, tolerance)
        if native is None:
            raise RowError("torus", 1, dict(reasons))
        self.native: _native.Torus = native

    @classmethod
    def _of(cls, native: _native.Torus) -> Torus:
        torus = cls.__new__(cls)
        torus.native = native
        return torus

    @property
    def actions(self) -> Array:
        """J_φ, J_z, J_r, km/s kpc."""
        return np.array(self.native.actions())

    @property
    def frequencies(self) -> Array:
        """Ω_φ, Ω_z, Ω_r, km/s/kpc."""
        return np.array(self.native.frequencies())

    @property
    def energy(self) -> float:
        """Mean of H over it, (km/s)²."""
        return self.native.energy()

    @property
    def dispersion(self) -> float:
        """Root mean square of ΔH/|H| over it."""
        return self.native.dispersion()

    @property
    def action_error(self) -> float:
        """By how much J_r or J_z of orbits on it differ from its own, root mean square, km/s kpc."""
        return self.native.action_error()

    @property
    def pericentre(self) -> float:
        """The least distance from the centre, kpc, to about 1e-3."""
        return self.native.pericentre()

    @property
    def modes(self) -> int:
        """Number of modes of its generating function."""
        return self.native.modes()

    def points(self, theta: Numbers, *, errors: Errors = "raise") -> Array:
        """Stars (…, 6), kpc and km/s, at angles ``theta`` (…, 3), radians, in the order φ, z, r."""
        rows, lead = vectors(theta, "rad", "angles")
        xv, reasons = self.native.points(rows)
        told("star", len(rows), reasons, errors)
        return xv.reshape(*lead, 6)

    def __repr__(self) -> str:
        return f"Torus(J_phi={self.actions[0]:g}, J_z={self.actions[1]:g}, J_r={self.actions[2]:g})"


@dataclass(frozen=True)
class Tori:
    """Tori of many actions, None where there is none."""

    tori: list[Torus | None]
    reasons: dict[int, str]
    """Why there is none, by its number."""

    def __iter__(self) -> Iterator[Torus | None]:
        return iter(self.tori)

    def __len__(self) -> int:
        return len(self.tori)

    def __getitem__(self, row: int) -> Torus | None:
        return self.tori[row]


def tori(potential: Potential, J: Numbers, *, tolerance: float = 1e-4, errors: Errors = "nan") -> Tori:
    """Tori of actions ``J`` (n, 3), km/s kpc, on all cores; see `Torus`."""
    rows, _ = vectors(J, ACTION, "actions")
    made, reasons = _native.tori(potential.native, rows, tolerance)
    found = told("torus", len(rows), reasons, errors)
    return Tori([None if native is None else Torus._of(native) for native in made], found)
