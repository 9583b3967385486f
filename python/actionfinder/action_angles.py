"""Actions, angles and frequencies of stars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _native
from .errors import Errors, told
from .potentials import Potential
from .units import ACTION, Array, Numbers, stars, vectors

if TYPE_CHECKING:
    from astropy.table import QTable

Method = Literal["isochrone", "spherical", "staeckel_fudge", "torus", "o2gf"]

COLUMNS = {
    "actions": (("J_phi", "J_z", "J_r"), "km kpc / s"),
    "angles": (("theta_phi", "theta_z", "theta_r"), "rad"),
    "frequencies": (("Omega_phi", "Omega_z", "Omega_r"), "km / (s kpc)"),
}
"""Names of the columns of tables, and their units as astropy reads them."""


@dataclass(frozen=True)
class ActionAngles:
    """Actions, angles and frequencies of stars, each (…, 3) in the order φ, z, r; unpacks into these three."""

    actions: Array
    """J_φ = L_z, J_z ≥ 0, J_r ≥ 0 in km/s kpc."""
    angles: Array
    """θ in radians, in [0, 2π): θ_r = 0 at pericentre, θ_z = 0 where z = 0 is crossed upwards."""
    frequencies: Array
    """Ω = ∂H/∂J in km/s/kpc; Ω_φ has the sign of J_φ."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why rows have no answer, by their number."""
    action_error: Array | None = None
    """The method's own estimate of the greatest error of J_r and J_z, km/s kpc; only of `o2gf`."""
    angle_error: Array | None = None
    """The same of the angles, radians."""
    frequency_error: Array | None = None
    """The same of the frequencies, relative to Ω_r."""

    def __iter__(self) -> Iterator[Array]:
        return iter((self.actions, self.angles, self.frequencies))

    def to_qtable(self) -> QTable:
        """An astropy table with units, a row a star."""
        from astropy.table import QTable

        table = QTable()
        for attribute, (names, unit) in COLUMNS.items():
            values = getattr(self, attribute).reshape(-1, 3)
            for place, name in enumerate(names):
                table[name] = values[:, place]
                table[name].unit = unit
        return table


def actions(
    potential: Potential, xv: Any, method: Method = "staeckel_fudge", *, errors: Errors = "nan"
) -> ActionAngles:
    """Actions, angles and frequencies of stars ``xv``.

    ``xv`` is (…, 6): x, y, z in kpc and v_x, v_y, v_z in km/s; or a pair (x, v), which may have units of astropy; or coordinates of
    astropy in the frame ``galactocentric``. The methods, in the order of their cost:

    * ``"isochrone"``: exact, of an isochrone (Binney & Tremaine 2008, section 3.5.2);
    * ``"spherical"``: exact to 1e-9, of spherical potentials;
    * ``"staeckel_fudge"``: per cent, of axisymmetric potentials (Binney 2012);
    * ``"torus"``: 1e-3, by tori iterated to the star (Binney & McMillan 2016);
    * ``"o2gf"``: 1e-4 and with an error of its own, from the star's orbit (Sanders & Binney 2014).

    J_φ = x v_y − y v_x is below zero for what rotates with the Galaxy, where the Sun is at x < 0, as `Sun.locate` has it:

    >>> point = Potential(isochrone=dict(mass=3.334e11, scale=5.0))
    >>> float(actions(point, [-8.0, 0.0, 0.0, 10.0, 220.0, 5.0]).actions[0].round(6))
    -1760.0

    **Fails when** the potential is not symmetric enough. Rows that have no actions, being unbound for one, are NaN and in
    ``reasons``, or with ``errors="raise"`` a `RowError`.
    """
    rows, lead = stars(xv)
    if method not in _native.methods():
        raise ValueError(f"no method is called {method!r}; there are {', '.join(_native.methods())}")
    j, theta, omega, error, reasons = _native.actions(potential.native, rows, method)
    found = told("actions", len(rows), reasons, errors)
    known = not np.isnan(error[:, 0]).all()
    own = [error[:, place].reshape(lead) if known else None for place in range(3)]
    shape = (*lead, 3)
    return ActionAngles(j.reshape(shape), theta.reshape(shape), omega.reshape(shape), found, *own)


def isochrone_points(potential: Potential, J: Numbers, theta: Numbers) -> Array:
    """Stars (…, 6), kpc and km/s, of actions and angles in an isochrone, exactly: the inverse of `actions`.

    ``J`` (…, 3) in km/s kpc and ``theta`` (…, 3) in radians, in the order φ, z, r. NaN where J_z or J_r is negative.
    """
    j, lead = vectors(J, ACTION, "actions")
    angles, other = vectors(theta, "rad", "angles")
    if lead != other:
        j = np.broadcast_to(j.reshape(*lead, 3), (*np.broadcast_shapes(lead, other), 3))
        angles = np.broadcast_to(angles.reshape(*other, 3), j.shape)
        lead = j.shape[:-1]
        j, angles = np.ascontiguousarray(j).reshape(-1, 3), np.ascontiguousarray(angles).reshape(-1, 3)
    return _native.isochrone_points(potential.native, j, angles).reshape(*lead, 6)
