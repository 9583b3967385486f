"""Arrays in and out. Numbers are in kpc, km/s, M_sun and Gyr; what astropy measures in other units is converted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
"""An array of 64-bit numbers."""

Numbers = ArrayLike
"""Whatever NumPy makes an array of, or an astropy ``Quantity``."""

ACTION = "km kpc / s"
VELOCITY = "km / s"
FREQUENCY = "km / (s kpc)"


def numbers(value: Any, unit: str) -> Array:
    """An array of numbers in ``unit``; without a unit of their own they are taken to be in it."""
    if hasattr(value, "unit") and hasattr(value, "to_value"):
        equivalencies: Any = []
        if unit in ("rad", FREQUENCY):
            from astropy.units import dimensionless_angles

            equivalencies = dimensionless_angles()
        value = value.to_value(unit, equivalencies=equivalencies)
    return np.asarray(value, dtype=np.float64, order="C")


def vectors(value: Any, unit: str, name: str, columns: int = 3) -> tuple[Array, tuple[int, ...]]:
    """Rows of ``columns`` numbers in ``unit``, and the shape of what was given before its last dimension."""
    array = numbers(value, unit)
    if array.ndim == 0 or array.shape[-1] != columns:
        raise ValueError(f"{name} must have {columns} numbers in its last dimension; its shape is {array.shape}")
    return array.reshape(-1, columns), array.shape[:-1]


def stars(xv: Any) -> tuple[Array, tuple[int, ...]]:
    """Rows (x, y, z, v_x, v_y, v_z) of stars, and the shape before the last dimension.

    Stars are an array of six numbers each, a pair of positions and velocities, which may be astropy quantities, or coordinates of
    astropy in the frame ``galactocentric``.
    """
    if hasattr(xv, "cartesian") and hasattr(xv, "velocity"):
        frame = getattr(getattr(xv, "frame", xv), "name", None)
        if frame != "galactocentric":
            raise ValueError(f"coordinates must be in the frame galactocentric, not {frame}")
        x, v = xv.cartesian.xyz, xv.velocity.d_xyz
        xv = (np.moveaxis(x, 0, -1), np.moveaxis(v, 0, -1))
    if isinstance(xv, tuple) and len(xv) == 2:
        x, lead = vectors(xv[0], "kpc", "positions")
        v, other = vectors(xv[1], VELOCITY, "velocities")
        if lead != other:
            raise ValueError(f"positions have the shape {(*lead, 3)}, velocities {(*other, 3)}")
        return np.hstack([x, v]), lead
    if hasattr(xv, "unit") and hasattr(xv, "to_value"):
        raise ValueError("positions and velocities have different units: give them as a pair (x, v)")
    return vectors(xv, "", "stars", 6)


def column(value: Any, unit: str) -> tuple[Array, tuple[int, ...]]:
    """Numbers in one row, and the shape they had."""
    array = numbers(value, unit)
    return array.reshape(-1), array.shape
